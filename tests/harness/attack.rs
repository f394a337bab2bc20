//! An attacker with the public contracts, and with whatever it got hold of: tokens that ended, another
//! platform's, a service's, a forged certificate. Counts what came of its calls. An answer is compared,
//! byte for byte, with the answer about what does not exist. Judges nothing.

use std::{collections::BTreeMap, future::poll_fn};

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt, Full};
use prost_reflect::MethodDescriptor;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use sunbid_contracts::{
    journal::v1::{ListHeadsRequest, log_service_client::LogServiceClient},
    registry::v1::Role,
};
use sunbid_platform::serve::SERVICES;
use sunbid_service::{
    Keys,
    access_log::SCOPE,
    token::{Claims, mint},
};
use sunbid_terms::MICROS;
use tonic::{
    Code, Request,
    body::Body,
    client::GrpcService,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::{
    World,
    anyrpc::{self, Names, Outcome},
};

/// A caller's authorization; nothing: it shows none.
pub type Token = Option<MetadataValue<Ascii>>;

/// Seconds that tokens made here are good for.
const HOUR: i64 = 3600;

/// What came of the calls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub calls: usize,
    pub refused: usize,
    /// Calls that got what they asked for.
    pub succeeded: usize,
    /// Answers about what exists that differ from those about what does not.
    pub revealed: usize,
}

/// An attack on a running platform.
pub struct Attack {
    pub channel: Channel,
    pub methods: Vec<MethodDescriptor>,
    /// Calls by kind, in the order in which they were made.
    pub figures: Vec<(&'static str, Figures)>,
    /// What succeeded or revealed something, in words.
    pub found: Vec<String>,
    keys: Keys,
    origin: String,
    now_us: i64,
}

impl Attack {
    pub async fn on(world: &World) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(world.stage.endpoint().to_owned())?;
        let anyone = world.stage.anyone().await?;
        Ok(Self {
            channel: endpoint.tcp_nodelay(true).connect().await?,
            methods: anyrpc::all()?,
            figures: Vec::new(),
            found: Vec::new(),
            keys: Keys::open(&world.data().join("keys"))?,
            origin: anyone.platform().await?.origin,
            now_us: world.stage.now().await?.micros(),
        })
    }

    /// Claims of a person or machine, good for an hour.
    pub fn claims(&self, organization: &str, subject: &str, role: Role) -> Claims {
        Claims {
            subject: subject.to_owned(),
            organization: organization.to_owned(),
            roles: vec![role as i32],
            session_id: uuid::Uuid::new_v4().as_bytes().to_vec(),
            expire_us: self.now_us + HOUR * MICROS,
            origin: self.origin.clone(),
        }
    }

    /// What the registry would sign; `key` names the key of the platform that signs instead.
    pub fn signed(&self, key: &str, claims: &Claims) -> anyhow::Result<Token> {
        Ok(Some(bearer(&mint(&*self.keys.pair(key)?, claims))?))
    }

    /// A token by a key that is none of the platform's.
    pub fn foreign(&self, claims: &Claims) -> anyhow::Result<Token> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let document = document.map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref())
            .map_err(|_| anyhow::anyhow!("a fresh key cannot be read"))?;
        ensure!(self.keys.public("token")? != key.public_key().as_ref());
        Ok(Some(bearer(&mint(&key, claims))?))
    }

    /// A service's own token.
    pub fn service(&self, name: &str) -> anyhow::Result<Token> {
        let mut claims = self.claims("", &format!("services/{name}"), Role::Service);
        claims.session_id.clear();
        self.signed(&format!("service-{name}"), &claims)
    }

    /// Claims that have ended a second ago.
    pub fn ended(&self, claims: &Claims) -> Claims {
        Claims {
            expire_us: self.now_us - MICROS,
            ..claims.clone()
        }
    }

    /// Claims for another platform.
    pub fn elsewhere(&self, claims: &Claims) -> Claims {
        Claims {
            origin: format!("{}.other", self.origin),
            ..claims.clone()
        }
    }

    fn count(&mut self, kind: &'static str) -> &mut Figures {
        let at = self.figures.iter().position(|(known, _)| *known == kind);
        let at = at.unwrap_or_else(|| {
            self.figures.push((kind, Figures::default()));
            self.figures.len() - 1
        });
        &mut self.figures[at].1
    }

    /// Notes one answer.
    pub fn note(&mut self, kind: &'static str, what: &str, refused: bool) {
        let figures = self.count(kind);
        figures.calls += 1;
        if refused {
            figures.refused += 1;
        } else {
            figures.succeeded += 1;
            self.found.push(format!("{kind}: {what} succeeded"));
        }
    }

    /// Notes that two answers tell what exists.
    pub fn reveal(&mut self, kind: &'static str, what: &str, said: &[String; 2]) {
        self.count(kind).revealed += 1;
        self.found
            .push(format!("{kind}: {what}: {} / {}", said[0], said[1]));
    }

    /// Calls an RPC about what exists and about what does not, or of which there is nothing.
    pub async fn compare(
        &mut self,
        kind: &'static str,
        method: &MethodDescriptor,
        token: &Token,
        names: [&Names; 2],
    ) -> anyhow::Result<[Outcome; 2]> {
        let path = anyrpc::path(method);
        let (one, other) = (
            self.ask(method, token, names[0]).await?,
            self.ask(method, token, names[1]).await?,
        );
        let said = [told(&one), told(&other)];
        for outcome in [&one, &other] {
            let refused = outcome.messages.is_empty() && outcome.status.code() != Code::Ok;
            self.note(kind, &path, refused);
        }
        if said[0] != said[1] {
            self.reveal(kind, &path, &said);
        }
        Ok([one, other])
    }

    pub async fn ask(
        &self,
        method: &MethodDescriptor,
        token: &Token,
        names: &Names,
    ) -> anyhow::Result<Outcome> {
        let body = anyrpc::request(method, names);
        anyrpc::call(&self.channel, method, body, token.as_ref()).await
    }

    /// Sends bytes as they are to a path; what came back in full, and whether it was refused.
    pub async fn raw(&self, mut request: http::Request<Vec<u8>>) -> anyhow::Result<(String, bool)> {
        let path = format!("http://platform{}", request.uri().path());
        *request.uri_mut() = path.parse()?;
        let request = request.map(|bytes| Body::new(Full::from(bytes)));
        let mut channel = self.channel.clone();
        poll_fn(|context| GrpcService::<Body>::poll_ready(&mut channel, context)).await?;
        let answer = match GrpcService::<Body>::call(&mut channel, request).await {
            Ok(answer) => answer,
            // The stream was reset: nothing was said.
            Err(_) => return Ok(("nothing".to_owned(), true)),
        };
        let (parts, body) = answer.into_parts();
        let Ok(body) = body.collect().await else {
            return Ok(("nothing more".to_owned(), true));
        };
        let trailers = body.trailers().cloned().unwrap_or_default();
        let bytes = body.to_bytes();
        let status = parts.headers.get("grpc-status");
        let status = status.or_else(|| trailers.get("grpc-status"));
        let granted = status.is_some_and(|status| status == "0") || !bytes.is_empty();
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in parts.headers.iter().chain(&trailers) {
            if name != "date" {
                headers.insert(name.to_string(), format!("{value:?}"));
            }
        }
        let said = format!("{} {headers:?} {}", parts.status, bytes.len());
        Ok((said, !granted))
    }

    /// Where every log of every service stands, but for the access logs; and the records in those.
    pub async fn state(&self) -> anyhow::Result<(BTreeMap<String, String>, i64)> {
        let token = self.service("audit")?.context("a service has a token")?;
        let mut logs = LogServiceClient::new(self.channel.clone());
        let (mut state, mut accesses) = (BTreeMap::new(), 0);
        for service in SERVICES {
            let mut page_token = String::new();
            loop {
                let mut request = Request::new(ListHeadsRequest {
                    service: service.to_owned(),
                    page_size: 0,
                    page_token,
                });
                let metadata = request.metadata_mut();
                metadata.insert("authorization", token.clone());
                let page = logs.list_heads(request).await?.into_inner();
                for scoped in page.heads {
                    let head = scoped.head.unwrap_or_default();
                    if scoped.scope.starts_with(SCOPE) {
                        accesses += head.size;
                        continue;
                    }
                    let key = format!("{service} {}", scoped.scope);
                    state.insert(key, format!("{} {}", head.size, hex::encode(head.root)));
                }
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
        }
        Ok((state, accesses))
    }
}

/// An authorization as it is sent.
pub fn bearer(token: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    Ok(format!("Bearer {token}").parse()?)
}

/// Everything an answer says, and how much.
pub fn told(outcome: &Outcome) -> String {
    let status = &outcome.status;
    let mut headers = status.metadata().clone();
    headers.remove("date");
    format!(
        "{:?} {:?} {:?} {:?} {}",
        status.code(),
        status.message(),
        String::from_utf8_lossy(status.details()),
        headers,
        outcome.messages.concat().len(),
    )
}
