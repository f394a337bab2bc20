//! Signing in through an OpenID Connect provider of other people's making, which is honest at first and
//! then lies in every way it can.

#![allow(clippy::unwrap_used, reason = "a test stops where its house falls")]

mod house;

use std::process::Stdio;

use house::*;
use sunbid_contracts::registry::v1::{
    self as pb, OrganizationKind as Kind, Role, account_service_client::AccountServiceClient,
};
use sunbid_registry::{
    RegistrySettings,
    settings::{PasswordSettings, ProviderSettings},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

/// Names the folder that `tests/provider.sh` installed the provider in.
const VARIABLE: &str = "SUNBID_TEST_PROVIDER";
const BACK: &str = "http://127.0.0.1:49152/back";

fn why(status: &Status) -> String {
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        return info.reason.clone();
    }
    let bad = details.bad_request().unwrap();
    bad.field_violations[0].field.clone()
}

/// The provider's process; it ends with its input.
struct Provider {
    issuer: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Provider {
    async fn start() -> Option<Self> {
        let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{VARIABLE} is not set, and CI may not skip the provider's tests"
            );
            println!("SKIPPED: no OpenID Connect provider ({VARIABLE}; see tests/provider.sh)");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/provider.js");
        let mut child = Command::new("node")
            .arg(script)
            .arg(folder)
            .arg(start_of_time().seconds().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = output.next_line().await.unwrap().unwrap();
        Some(Self {
            issuer,
            input: child.stdin.take().unwrap(),
            output,
            _child: child,
        })
    }

    async fn be(&mut self, how: &str) {
        let line = format!("{how}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
        self.output.next_line().await.unwrap().unwrap();
    }
}

struct Office {
    // It stands as long as the office.
    _house: House,
    people: AccountServiceClient<Channel>,
    chief: String,
}

impl Office {
    async fn open(issuer: &str) -> Self {
        let settings = RegistrySettings {
            passwords: PasswordSettings {
                memory_kib: 19 * 1024,
                passes: 2,
                lanes: 1,
                at_a_time: 2,
            },
            provider: Some(ProviderSettings {
                issuer: issuer.into(),
                client_id: "sunbid".into(),
                client_secret: Some("hunter2".into()),
                authorities: vec![],
                redirect_uris: vec!["http://127.0.0.1/back".into()],
            }),
            ..RegistrySettings::default()
        };
        let house = House::with(settings).await;
        let purchaser = house.issue(PURCHASER);
        house.enrol(&purchaser, Kind::Purchaser).await;
        Self {
            people: AccountServiceClient::new(house.channel()),
            chief: house.token(&purchaser).await,
            _house: house,
        }
    }

    async fn enrol(&self, login: &str) -> pb::EnrolPersonResponse {
        let request = pb::EnrolPersonRequest {
            request_id: request_id(),
            login: login.into(),
            display_name: "经办".into(),
            roles: vec![Role::Purchaser as i32],
        };
        let mut people = self.people.clone();
        let answer = people.enrol_person(with(&self.chief, request)).await;
        answer.unwrap().into_inner()
    }

    async fn begin(&self, link: Option<(&str, &str)>) -> Result<(String, Vec<u8>), Status> {
        let (login, code) = link.unwrap_or_default();
        let request = pb::BeginProviderSignInRequest {
            redirect_uri: BACK.into(),
            account: link.map_or(String::new(), |_| format!("{PURCHASER}/{login}")),
            code: code.into(),
        };
        let begun = self.people.clone().begin_provider_sign_in(request).await?;
        let begun = begun.into_inner();
        Ok((begun.url, begun.ticket))
    }

    async fn finish(
        &self,
        ticket: Vec<u8>,
        (state, code): (String, String),
    ) -> Result<pb::SessionTokens, Status> {
        let request = pb::FinishProviderSignInRequest {
            ticket,
            state,
            authorization_code: code,
        };
        let answer = self.people.clone().finish_provider_sign_in(request).await?;
        Ok(answer.into_inner().session.unwrap())
    }

    /// Goes to the provider and back.
    async fn sign_in(&self, link: Option<(&str, &str)>) -> Result<pb::SessionTokens, Status> {
        let (url, ticket) = self.begin(link).await?;
        self.finish(ticket, browse(&url).await).await
    }
}

/// What a browser does: goes there, and is sent back with state and code.
async fn browse(url: &str) -> (String, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let mut lines = answer.lines();
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then_some(value)
    });
    assert!(location.is_some(), "{answer}");
    let location = location.unwrap();
    let query = location.strip_prefix(&format!("{BACK}?")).unwrap();
    let of = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(known, _)| *known == name).unwrap();
        value.to_owned()
    };
    (of("state"), of("code"))
}

#[tokio::test]
async fn an_identity_is_linked_by_a_code_and_signs_in_from_then_on() {
    let Some(mut provider) = Provider::start().await else {
        return;
    };
    let office = Office::open(&provider.issuer).await;
    let enrolled = office.enrol("zhang.san").await;

    provider.be("honest alice").await;
    let unknown = office.sign_in(None).await.unwrap_err();
    assert_eq!(why(&unknown), "IDENTITY_UNKNOWN");
    for wrong in [("zhang.san", "0000"), ("nobody", enrolled.code.as_str())] {
        let refused = office.begin(Some(wrong)).await.unwrap_err();
        assert_eq!(why(&refused), "NOT_PROVEN");
    }
    let link = Some(("zhang.san", enrolled.code.as_str()));
    let session = office.sign_in(link).await.unwrap();
    assert_eq!(session.roles, [Role::Purchaser as i32]);
    let used = office.begin(link).await.unwrap_err();
    assert_eq!(why(&used), "NOT_PROVEN");

    let again = office.sign_in(None).await.unwrap();
    assert_eq!(again.subject, session.subject);
    assert_ne!(again.access_token, session.access_token);
    // Whoever else the provider knows is nobody here, and nobody takes what is linked.
    provider.be("honest bob").await;
    assert_eq!(
        why(&office.sign_in(None).await.unwrap_err()),
        "IDENTITY_UNKNOWN"
    );
    let other = office.enrol("li.si").await;
    provider.be("honest alice").await;
    let taken = office.sign_in(Some(("li.si", &other.code))).await;
    assert_eq!(why(&taken.unwrap_err()), "IDENTITY_LINKED");

    // One sign-in, one session; a code of one sign-in is none of another; nor is a state.
    let (url, ticket) = office.begin(None).await.unwrap();
    let back = browse(&url).await;
    office.finish(ticket.clone(), back.clone()).await.unwrap();
    let replayed = office
        .finish(ticket.clone(), back.clone())
        .await
        .unwrap_err();
    assert_eq!(why(&replayed), "NOT_PROVEN");
    let (other_url, other_ticket) = office.begin(None).await.unwrap();
    let (other_state, _) = browse(&other_url).await;
    let (_, stolen) = browse(&url).await;
    let injected = office.finish(other_ticket, (other_state, stolen)).await;
    assert_eq!(why(&injected.unwrap_err()), "NOT_PROVEN", "PKCE");
    let crossed = office.finish(ticket, ("x".into(), back.1)).await;
    assert_eq!(why(&crossed.unwrap_err()), "state");

    // A reset unlinks.
    let reset = pb::ResetPersonRequest {
        request_id: request_id(),
        name: session.subject.unwrap().name,
        reason: "another account there".into(),
    };
    let mut people = office.people.clone();
    people
        .reset_person(with(&office.chief, reset))
        .await
        .unwrap();
    assert_eq!(
        why(&office.sign_in(None).await.unwrap_err()),
        "IDENTITY_UNKNOWN"
    );
}

#[tokio::test]
async fn a_provider_that_lies_lets_nobody_in() {
    let Some(mut provider) = Provider::start().await else {
        return;
    };
    let office = Office::open(&provider.issuer).await;
    let enrolled = office.enrol("zhang.san").await;
    for lie in [
        "audience", "issuer", "nonce", "expired", "none", "shared", "forged", "missing",
    ] {
        provider.be(lie).await;
        let link = Some(("zhang.san", enrolled.code.as_str()));
        let refused = office.sign_in(link).await.unwrap_err();
        assert_eq!(why(&refused), "NOT_PROVEN", "{lie}");
    }
    provider.be("honest alice").await;
    office
        .sign_in(Some(("zhang.san", &enrolled.code)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_as_such() {
    // Nobody listens where a listener has just gone.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let office = Office::open(&format!("http://{address}")).await;
    let away = office.begin(None).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    let mut people = office.people.clone();
    let elsewhere = pb::BeginProviderSignInRequest {
        redirect_uri: "https://evil.example/back".into(),
        ..Default::default()
    };
    let refused = people.begin_provider_sign_in(elsewhere).await.unwrap_err();
    assert_eq!(why(&refused), "redirect_uri");
}
