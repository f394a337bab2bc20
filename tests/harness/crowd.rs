//! Suppliers by the thousand: each an organisation with a certificate and a token of its own, all
//! behind a few connections, as behind a proxy. Enrolled and signed in over the same RPCs as everybody.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sunbid_certificates::{Signer, possession};
use sunbid_cli::{commands::organization::Kind, connection::request_id, demo::cast::CENTRE};
use sunbid_contracts::{
    bid::v1::{
        GetBidRequest, GetBidResponse, SubmitBidRequest, bid_service_client::BidServiceClient,
    },
    registry::v1::{
        ApproveOrganizationRequest, CreateChallengeRequest, RegisterOrganizationRequest,
        SignInRequest, registry_service_client::RegistryServiceClient,
    },
    tender::v1::Tender,
};
use sunbid_terms::CreditCode;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::{
    World,
    small_bid::{self, Signatory},
};

/// Calls that are under way at the same time while the crowd is made.
const AT_ONCE: usize = 32;
/// Codes are seven digits after the region and the kind.
const MOST: usize = 1_000_000;

/// One supplier.
pub struct Bidder {
    pub code: CreditCode,
    certificate: Vec<u8>,
    signer: Signer,
    // Replaced when it has ended; locked for the length of a copy.
    authorization: Mutex<Option<MetadataValue<Ascii>>>,
}

/// Many suppliers.
pub struct Crowd {
    pub bidders: Vec<Bidder>,
    channel: Channel,
    origin: String,
}

impl Bidder {
    /// A call in this supplier's name.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("accept-language", MetadataValue::from_static("en"));
        if let Some(authorization) = self.locked().clone() {
            metadata.insert("authorization", authorization);
        }
        request
    }

    fn locked(&self) -> MutexGuard<'_, Option<MetadataValue<Ascii>>> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A small bid, ready to be sent.
    pub fn sealed(
        &self,
        tender: &Tender,
        lot_id: &str,
        revision: u32,
    ) -> anyhow::Result<SubmitBidRequest> {
        let by = Signatory {
            code: &self.code,
            certificate: &self.certificate,
            intermediates: &[],
            signer: &self.signer,
        };
        small_bid::sealed(by, tender, lot_id, revision)
    }
}

impl Crowd {
    /// Enrols as many suppliers and has them approved.
    pub async fn enrol(world: &World, count: usize) -> anyhow::Result<Self> {
        anyhow::ensure!(count <= MOST, "there are codes for {MOST} suppliers");
        let channel = sunbid_trustee::endpoint(world.stage.endpoint(), world.stage.authority())?
            .tcp_nodelay(true)
            .connect()
            .await?;
        let origin = origin(world).await?;
        let bidders = stream::iter(0..count)
            .map(|number| enrolled(world, channel.clone(), &origin, number))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let crowd = Self {
            bidders,
            channel,
            origin,
        };
        crowd.sign_in().await?;
        Ok(crowd)
    }

    /// Signs everybody in anew: tokens are short-lived, and a sandbox's clock is moved.
    pub async fn sign_in(&self) -> anyhow::Result<()> {
        stream::iter(&self.bidders)
            .map(|bidder| self.renew(bidder))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Signs one supplier in anew.
    pub async fn renew(&self, bidder: &Bidder) -> anyhow::Result<()> {
        let token = signed_in(bidder, self.channel.clone(), &self.origin).await?;
        *bidder.locked() = Some(token);
        Ok(())
    }

    /// Calls of the bid service over the crowd's connection.
    pub fn bids(&self) -> BidServiceClient<Channel> {
        BidServiceClient::new(self.channel.clone())
    }

    /// What a supplier finds of its own bid for a lot; nothing where it never bid.
    pub async fn own_bid(
        &self,
        bidder: &Bidder,
        tender: &str,
        lot_id: &str,
    ) -> anyhow::Result<GetBidResponse> {
        let request = GetBidRequest {
            tender: tender.to_owned(),
            lot_id: lot_id.to_owned(),
        };
        match self.bids().get_bid(bidder.request(request)).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status)
                if matches!(
                    status.code(),
                    tonic::Code::NotFound | tonic::Code::PermissionDenied
                ) =>
            {
                Ok(GetBidResponse::default())
            }
            Err(status) => Err(status.into()),
        }
    }
}

async fn origin(world: &World) -> anyhow::Result<String> {
    Ok(world.stage.anyone().await?.platform().await?.origin)
}

async fn enrolled(
    world: &World,
    channel: Channel,
    origin: &str,
    number: usize,
) -> anyhow::Result<Bidder> {
    let text = format!("91140600MA1{number:06}");
    let code = CreditCode::complete(&text)?;
    let name = format!("投标人{number}");
    let identity = world.stage.issue_for(&code, &name, "投标员")?;
    let signer = Signer::from_pem(&identity.key_pem)?;
    let mut registry = RegistryServiceClient::new(channel);
    let challenge = registry
        .create_challenge(CreateChallengeRequest {})
        .await?
        .into_inner()
        .challenge;
    let mut request = RegisterOrganizationRequest {
        request_id: request_id(),
        display_name: name,
        kinds: vec![Kind::Supplier.message() as i32],
        basic_account: format!("62000001{number:012}"),
        certificate: identity.certificate.clone(),
        challenge,
        subject_display_name: "投标员".to_owned(),
        ..RegisterOrganizationRequest::default()
    };
    let said = possession::Registration {
        origin,
        request_id: &request.request_id,
        display_name: &request.display_name,
        kinds: &request.kinds,
        basic_account: &request.basic_account,
        certificate: &request.certificate,
        identity_key: &[],
        encryption_key: &[],
        subject_display_name: &request.subject_display_name,
    };
    let message = possession::registration(&request.challenge, &said.digest());
    request.signature = signer.sign(&message)?;
    let organization = registry
        .register_organization(request)
        .await?
        .into_inner()
        .organization
        .context("the platform gave no organisation")?;
    let approval = ApproveOrganizationRequest {
        request_id: request_id(),
        name: organization.name,
    };
    let centre = world.stage.of(CENTRE.profile).await?;
    centre.registry().approve_organization(approval).await?;
    Ok(Bidder {
        code,
        certificate: identity.certificate,
        signer,
        authorization: Mutex::default(),
    })
}

async fn signed_in(
    bidder: &Bidder,
    channel: Channel,
    origin: &str,
) -> anyhow::Result<MetadataValue<Ascii>> {
    let mut registry = RegistryServiceClient::new(channel);
    let challenge = registry
        .create_challenge(CreateChallengeRequest {})
        .await?
        .into_inner()
        .challenge;
    let signature = bidder
        .signer
        .sign(&possession::sign_in(&challenge, origin))?;
    let request = SignInRequest {
        challenge,
        certificate: bidder.certificate.clone(),
        signature,
    };
    let signed_in = registry.sign_in(request).await?.into_inner();
    Ok(format!("Bearer {}", signed_in.access_token).parse()?)
}
