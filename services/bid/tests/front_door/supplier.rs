//! A supplier that seals, signs and sends; and what it can be made to do wrong.

use sunbid_certificates::{
    Signer, supplier,
    trial::{TrialAuthority, TrialIdentity, TrialSubject},
};
use sunbid_contracts::{
    bid::v1::{
        GetBidRequest, GetBidResponse, SubmitBidRequest, SubmitBidResponse, UploadPartHeader,
        UploadPartRequest, UploadPartResponse, WithdrawBidRequest, WithdrawBidResponse,
        upload_part_request::Step,
    },
    registry::v1::Role,
};
use sunbid_sealing::{
    Bundle, CheckedHeader, Class, Label, OsRng, SealingKey, Subject, Workers, seal,
};
use sunbid_terms::CreditCode;
use tonic::Status;

use crate::house::{House, deadline, request_id, start_of_time, with};

pub struct Supplier {
    pub code: String,
    pub token: String,
    pub identity: TrialIdentity,
    pub signer: Signer,
    client:
        sunbid_contracts::bid::v1::bid_service_client::BidServiceClient<tonic::transport::Channel>,
}

/// What a bid is made for; tests change a field to make it wrong.
#[derive(Clone)]
pub struct Plan {
    pub key: SealingKey,
    pub tender: String,
    pub lot: String,
    pub bidder: String,
    pub revision: u32,
    pub not_before: i64,
    /// Number, class and content of each part.
    pub parts: Vec<(u8, Class, Vec<u8>)>,
}

/// Sealed parts.
#[derive(Clone)]
pub struct Envelopes {
    pub headers: Vec<Vec<u8>>,
    pub payloads: Vec<Vec<u8>>,
}

impl Supplier {
    pub fn of(house: &House, authority: &TrialAuthority, first_17: &str) -> Self {
        let code = CreditCode::complete(first_17).unwrap().to_string();
        let identity = authority
            .issue(&TrialSubject {
                credit_code: &code,
                organization: "试验供应商",
                common_name: "投标员",
                not_before: start_of_time().plus_seconds(-3600),
                not_after: start_of_time().plus_seconds(365 * 86_400),
            })
            .unwrap();
        Self {
            token: house.token(&format!("organizations/{code}"), Role::Supplier),
            code,
            signer: identity.signer().unwrap(),
            identity,
            client: house.client(),
        }
    }

    pub fn plan(&self, house: &House, revision: u32) -> Plan {
        Plan {
            key: house.key.clone(),
            tender: house.tender.name.clone(),
            lot: "01".into(),
            bidder: self.code.clone(),
            revision,
            not_before: deadline().seconds(),
            parts: vec![
                (0, Class::Public, b"{\"price\":\"1.00\"}".to_vec()),
                (1, Class::Evaluators, vec![1; 1000]),
            ],
        }
    }

    /// A request for these envelopes, signed, the payloads with it.
    pub fn request(&self, plan: &Plan, envelopes: &Envelopes) -> SubmitBidRequest {
        SubmitBidRequest {
            request_id: request_id(),
            tender: plan.tender.clone(),
            lot_id: plan.lot.clone(),
            revision: i64::from(plan.revision),
            headers: envelopes.headers.clone(),
            certificate: self.identity.certificate.clone(),
            intermediates: vec![],
            signature: self.sign(&envelopes.headers),
            inline_payloads: envelopes.payloads.clone(),
        }
    }

    /// Signs the bundle of headers; of headers that make none, it signs nothing much.
    pub fn sign(&self, headers: &[Vec<u8>]) -> Vec<u8> {
        let checked: Vec<_> = headers
            .iter()
            .filter_map(|header| CheckedHeader::parse(header).ok())
            .collect();
        let bundle = Bundle::of(&checked.iter().collect::<Vec<_>>());
        let bundle = bundle.map_or([0; 32], |bundle| bundle.id());
        self.signer
            .sign(&supplier::submission(&self.identity.certificate, &bundle))
            .unwrap()
    }

    pub async fn send(&self, request: SubmitBidRequest) -> Result<SubmitBidResponse, Status> {
        let mut client = self.client.clone();
        Ok(client
            .submit_bid(with(&self.token, request))
            .await?
            .into_inner())
    }

    /// Seals and submits a bid for the first lot.
    pub async fn bid(&self, house: &House, revision: u32) -> Result<SubmitBidResponse, Status> {
        let plan = self.plan(house, revision);
        self.send(self.request(&plan, &plan.seal())).await
    }

    pub async fn withdraw(
        &self,
        house: &House,
        bundle: &[u8],
    ) -> Result<WithdrawBidResponse, Status> {
        self.send_withdrawal(self.withdrawal(house, bundle)).await
    }

    pub fn withdrawal(&self, house: &House, bundle: &[u8]) -> WithdrawBidRequest {
        let message = supplier::withdrawal(&self.identity.certificate, bundle);
        WithdrawBidRequest {
            request_id: request_id(),
            tender: house.tender.name.clone(),
            lot_id: "01".into(),
            certificate: self.identity.certificate.clone(),
            signature: self.signer.sign(&message).unwrap(),
            intermediates: vec![],
        }
    }

    pub async fn send_withdrawal(
        &self,
        request: WithdrawBidRequest,
    ) -> Result<WithdrawBidResponse, Status> {
        let mut client = self.client.clone();
        Ok(client
            .withdraw_bid(with(&self.token, request))
            .await?
            .into_inner())
    }

    pub async fn own(&self, house: &House) -> Result<GetBidResponse, Status> {
        let request = GetBidRequest {
            tender: house.tender.name.clone(),
            lot_id: "01".into(),
        };
        let mut client = self.client.clone();
        Ok(client
            .get_bid(with(&self.token, request))
            .await?
            .into_inner())
    }

    /// Sends some of a payload's bytes, in uneven pieces.
    pub async fn upload(
        &self,
        header: UploadPartHeader,
        bytes: &[u8],
    ) -> Result<UploadPartResponse, Status> {
        let mut messages = vec![UploadPartRequest {
            step: Some(Step::Header(header)),
        }];
        messages.extend(bytes.chunks(700_001).map(|chunk| UploadPartRequest {
            step: Some(Step::Chunk(chunk.to_vec())),
        }));
        let mut client = self.client.clone();
        let request = with(&self.token, tokio_stream::iter(messages));
        Ok(client.upload_part(request).await?.into_inner())
    }
}

impl Plan {
    pub fn seal(&self) -> Envelopes {
        let mut envelopes = Envelopes {
            headers: vec![],
            payloads: vec![],
        };
        for (part, class, content) in &self.parts {
            let subject = Subject {
                tender: Label::new(&self.tender).unwrap(),
                lot: Label::new(&self.lot).unwrap(),
                part: *part,
                class: *class,
                bidder: Label::new(&self.bidder).unwrap(),
                revision: self.revision,
                not_before: u64::try_from(self.not_before).unwrap(),
            };
            let mut payload = Vec::new();
            let length = content.len() as u64;
            let (key, one) = (&self.key, Workers::ONE);
            let sealed = seal(
                key,
                &subject,
                length,
                content.as_slice(),
                &mut payload,
                one,
                &mut OsRng,
            );
            envelopes.headers.push(sealed.unwrap().header.encode());
            envelopes.payloads.push(payload);
        }
        envelopes
    }
}

impl Envelopes {
    pub fn upload_header(&self, plan: &Plan, at: usize, offset: i64) -> UploadPartHeader {
        let header = CheckedHeader::parse(&self.headers[at]).unwrap();
        UploadPartHeader {
            tender: plan.tender.clone(),
            lot_id: plan.lot.clone(),
            payload_root: header.payload_root().to_vec(),
            payload_bytes: i64::try_from(header.payload_length()).unwrap(),
            offset,
        }
    }
}
