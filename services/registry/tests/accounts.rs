//! People without certificates through the registry's front door: enrolment, passwords, passkeys and
//! sessions, with a passkey made of software.

#![allow(clippy::unwrap_used, reason = "a test stops where its house falls")]

mod house;

use house::*;
use sunbid_contracts::registry::v1::{
    self as pb, OrganizationKind as Kind, Role, account_service_client::AccountServiceClient,
};
use sunbid_journal::LogId;
use sunbid_registry::{
    RegistrySettings,
    settings::{PasskeySettings, PasswordSettings},
};
use sunbid_terms::Clock;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;
use webauthn_authenticator_rs::{AuthenticatorBackend, softpasskey::SoftPasskey};
use webauthn_rs::prelude::{CreationChallengeResponse, RequestChallengeResponse, Url};

const PASSWORD: &str = "four words and a comma,";
const PORTAL: &str = "https://portal.example";

fn settings() -> RegistrySettings {
    RegistrySettings {
        passwords: PasswordSettings {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
            at_a_time: 2,
        },
        passkeys: Some(PasskeySettings {
            domain: "portal.example".into(),
            origins: vec![PORTAL.into()],
        }),
        ..RegistrySettings::default()
    }
}

fn why(status: &Status) -> String {
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        return info.reason.clone();
    }
    let fields = details.bad_request().map(|bad| &bad.field_violations);
    let mut names = Vec::new();
    for violation in fields.into_iter().flatten() {
        names.push(violation.field.as_str());
    }
    names.join(",")
}

/// A purchaser's organisation with one who may enrol others.
struct Office {
    house: House,
    chief: String,
    name: String,
}

impl Office {
    async fn open() -> Self {
        let house = House::with(settings()).await;
        let purchaser = house.issue(PURCHASER);
        let name = house.enrol(&purchaser, Kind::Purchaser).await;
        let chief = house.token(&purchaser).await;
        Self { house, chief, name }
    }

    fn people(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.house.channel())
    }

    async fn enrol(&self, login: &str, roles: &[Role]) -> Result<pb::EnrolPersonResponse, Status> {
        let request = pb::EnrolPersonRequest {
            request_id: request_id(),
            login: login.into(),
            display_name: "经办".into(),
            roles: roles.iter().map(|role| *role as i32).collect(),
        };
        let answer = self
            .people()
            .enrol_person(with(&self.chief, request))
            .await?;
        Ok(answer.into_inner())
    }

    async fn set_password(&self, login: &str, code: &str, password: &str) -> Result<(), Status> {
        let request = pb::SetPasswordRequest {
            account: format!("{PURCHASER}/{login}"),
            code: code.into(),
            password: password.into(),
        };
        self.people().set_password(request).await.map(drop)
    }

    async fn sign_in(
        &self,
        login: &str,
        password: &str,
    ) -> Result<pb::SignInWithPasswordResponse, Status> {
        let request = pb::SignInWithPasswordRequest {
            account: format!("{PURCHASER}/{login}"),
            password: password.into(),
        };
        Ok(self
            .people()
            .sign_in_with_password(request)
            .await?
            .into_inner())
    }

    /// Somebody with a password, signed in without any role.
    async fn newcomer(&self, login: &str, roles: &[Role]) -> pb::SessionTokens {
        let enrolled = self.enrol(login, roles).await.unwrap();
        self.set_password(login, &enrolled.code, PASSWORD)
            .await
            .unwrap();
        self.sign_in(login, PASSWORD)
            .await
            .unwrap()
            .session
            .unwrap()
    }

    async fn register_passkey(&self, token: &str, passkey: &mut SoftPasskey) -> Result<(), Status> {
        let begin = pb::BeginPasskeyRegistrationRequest {};
        let begun = self
            .people()
            .begin_passkey_registration(with(token, begin))
            .await?;
        let challenge = begun.into_inner().challenge.unwrap();
        let options: CreationChallengeResponse =
            serde_json::from_str(&challenge.options_json).unwrap();
        let answer = passkey
            .perform_register(Url::parse(PORTAL).unwrap(), options.public_key, 60_000)
            .unwrap();
        let finish = pb::FinishPasskeyRegistrationRequest {
            ticket: challenge.ticket,
            credential_json: serde_json::to_string(&answer).unwrap(),
        };
        self.people()
            .finish_passkey_registration(with(token, finish))
            .await
            .map(drop)
    }

    /// What the passkey answers at `origin`.
    async fn answer(
        &self,
        login: &str,
        passkey: &mut SoftPasskey,
        origin: &str,
    ) -> pb::FinishPasskeySignInRequest {
        let challenge = self.sign_in(login, PASSWORD).await.unwrap().challenge;
        let challenge = challenge.unwrap();
        let options: RequestChallengeResponse =
            serde_json::from_str(&challenge.options_json).unwrap();
        let answer = passkey
            .perform_auth(Url::parse(origin).unwrap(), options.public_key, 60_000)
            .unwrap();
        pb::FinishPasskeySignInRequest {
            ticket: challenge.ticket,
            credential_json: serde_json::to_string(&answer).unwrap(),
        }
    }

    async fn finish(
        &self,
        request: pb::FinishPasskeySignInRequest,
    ) -> Result<pb::SessionTokens, Status> {
        let answer = self.people().finish_passkey_sign_in(request).await?;
        Ok(answer.into_inner().session.unwrap())
    }

    /// Somebody with password and passkey, signed in with all roles.
    async fn member(&self, login: &str, roles: &[Role]) -> (pb::SessionTokens, SoftPasskey) {
        let newcomer = self.newcomer(login, roles).await;
        let mut passkey = SoftPasskey::new(true);
        self.register_passkey(&newcomer.access_token, &mut passkey)
            .await
            .unwrap();
        let answer = self.answer(login, &mut passkey, PORTAL).await;
        (self.finish(answer).await.unwrap(), passkey)
    }

    async fn refresh(&self, token: &str) -> Result<pb::SessionTokens, Status> {
        let request = pb::RefreshSessionRequest {
            refresh_token: token.into(),
        };
        let answer = self.people().refresh_session(request).await?;
        Ok(answer.into_inner().session.unwrap())
    }

    async fn sessions(&self, token: &str, of: &str) -> Result<Vec<pb::Session>, Status> {
        let request = pb::ListSessionsRequest { parent: of.into() };
        let answer = self.people().list_sessions(with(token, request)).await?;
        Ok(answer.into_inner().sessions)
    }

    async fn revoke(&self, token: &str, session: &str) -> Result<(), Status> {
        let request = pb::RevokeSessionRequest {
            name: session.into(),
            reason: "left the desk".into(),
        };
        let answer = self.people().revoke_session(with(token, request)).await;
        answer.map(drop)
    }

    /// The types of the organisation's records, and all their bytes.
    async fn records(&self) -> (Vec<String>, Vec<u8>) {
        use prost::Message;
        let log = LogId::of("registry", &self.name);
        let (mut types, mut bytes) = (Vec::new(), Vec::new());
        for entry in self.house.journal.read(log, 0, 1000).await.unwrap() {
            let record =
                sunbid_contracts::common::v1::Record::decode(entry.body().unwrap()).unwrap();
            let short = record.r#type.rsplit('.').next().unwrap();
            types.push(short.to_owned());
            bytes.extend_from_slice(&entry.record);
            bytes.extend_from_slice(entry.body().unwrap());
        }
        (types, bytes)
    }
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

#[tokio::test]
async fn a_person_needs_a_password_and_a_passkey_to_do_anything() {
    let office = Office::open().await;
    let enrolled = office.enrol("zhang.san", &[Role::Purchaser]).await.unwrap();
    let subject = enrolled.subject.clone().unwrap();
    assert_eq!(subject.login, "zhang.san");
    assert!(subject.certificate.is_empty());
    let again = office.enrol("zhang.san", &[Role::Purchaser]).await;
    assert_eq!(why(&again.unwrap_err()), "LOGIN_KNOWN");
    let more = office.enrol("li.si", &[Role::Administrator]).await;
    assert_eq!(why(&more.unwrap_err()), "roles[0]");

    let weak = office
        .set_password("zhang.san", &enrolled.code, "short")
        .await;
    assert_eq!(why(&weak.unwrap_err()), "password");
    let wrong = office.set_password("zhang.san", "0000", PASSWORD).await;
    assert_eq!(why(&wrong.unwrap_err()), "NOT_PROVEN");
    office
        .set_password("zhang.san", &enrolled.code, PASSWORD)
        .await
        .unwrap();
    let twice = office
        .set_password("zhang.san", &enrolled.code, PASSWORD)
        .await;
    assert_eq!(why(&twice.unwrap_err()), "NOT_PROVEN");

    // The password alone: a session that knows who it is of, and may do nothing.
    let bare = office.sign_in("zhang.san", PASSWORD).await.unwrap();
    let bare = bare.session.unwrap();
    assert!(bare.roles.is_empty());
    let me = with(&bare.access_token, pb::GetCallerRequest {});
    let me = office.house.client().get_caller(me).await.unwrap();
    assert_eq!(me.into_inner().subject.unwrap().name, subject.name);
    let request = pb::EnrolPersonRequest::default();
    let denied = office
        .people()
        .enrol_person(with(&bare.access_token, request))
        .await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);

    let mut passkey = SoftPasskey::new(true);
    office
        .register_passkey(&bare.access_token, &mut passkey)
        .await
        .unwrap();
    let answer = office.answer("zhang.san", &mut passkey, PORTAL).await;
    let session = office.finish(answer.clone()).await.unwrap();
    assert_eq!(session.roles, [Role::Purchaser as i32]);
    // The same answer again, one given to another site, and one that was changed.
    let replayed = office.finish(answer.clone()).await.unwrap_err();
    assert_eq!(why(&replayed), "NOT_PROVEN");
    let elsewhere = office
        .answer("zhang.san", &mut passkey, "https://portal.example.evil")
        .await;
    let refused = office.finish(elsewhere).await.unwrap_err();
    assert_eq!(why(&refused), "NOT_PROVEN");
    let mut changed = office.answer("zhang.san", &mut passkey, PORTAL).await;
    changed.ticket[20] ^= 1;
    assert_eq!(why(&office.finish(changed).await.unwrap_err()), "ticket");
    let late = office.answer("zhang.san", &mut passkey, PORTAL).await;
    office.house.clock.advance(301);
    assert_eq!(why(&office.finish(late).await.unwrap_err()), "ticket");

    // All of it is on the record, and nothing secret is.
    let (types, bytes) = office.records().await;
    for expected in [
        "PersonEnrolled",
        "PasswordSet",
        "SignedIn",
        "PasskeyAdded",
        "SignInFailed",
    ] {
        assert!(types.iter().any(|kind| kind == expected), "{types:?}");
    }
    for secret in [PASSWORD, "argon2", &enrolled.code, &session.refresh_token] {
        assert!(!contains(&bytes, secret), "{secret}");
    }
}

/// Whoever guesses learns nothing of who has an account, and is slowed down alike.
#[tokio::test]
async fn guessing_gets_slower_and_tells_nothing() {
    let office = Office::open().await;
    office.newcomer("zhang.san", &[Role::Purchaser]).await;
    let mut told = Vec::new();
    for account in [
        format!("{PURCHASER}/zhang.san"),
        format!("{PURCHASER}/nobody"),
        format!("{SUPPLIER}/nobody"),
    ] {
        let mut answers = Vec::new();
        for guess in 0..7 {
            let request = pb::SignInWithPasswordRequest {
                account: account.clone(),
                password: format!("guess number {guess}"),
            };
            let refused = office
                .people()
                .sign_in_with_password(request)
                .await
                .unwrap_err();
            answers.push((refused.code(), why(&refused), refused.message().to_owned()));
        }
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    let reasons: Vec<&str> = told[0].iter().map(|(_, why, _)| why.as_str()).collect();
    assert_eq!(reasons[..5], ["NOT_PROVEN"; 5]);
    assert_eq!(reasons[5..], ["TOO_MANY_ATTEMPTS"; 2]);
    // Nor does another way of writing the same account.
    let request = pb::SignInWithPasswordRequest {
        account: format!("{}/zhang.san", PURCHASER.to_lowercase()),
        password: PASSWORD.into(),
    };
    let written = office.people().sign_in_with_password(request).await;
    assert!(["account", "TOO_MANY_ATTEMPTS"].contains(&why(&written.unwrap_err()).as_str()));
    // The right password does not help before the time is over; then it does, and all is forgotten.
    let early = office.sign_in("zhang.san", PASSWORD).await.unwrap_err();
    assert_eq!(why(&early), "TOO_MANY_ATTEMPTS");
    office.house.clock.advance(5);
    office.sign_in("zhang.san", PASSWORD).await.unwrap();
    let again = office.sign_in("zhang.san", "guess").await.unwrap_err();
    assert_eq!(why(&again), "NOT_PROVEN");
    office.sign_in("zhang.san", PASSWORD).await.unwrap();
    let (types, _) = office.records().await;
    let failed = types.iter().filter(|kind| *kind == "SignInFailed");
    assert_eq!(failed.count(), 6, "what was worked on for a known account");
}

#[tokio::test]
async fn many_guesses_at_once_are_counted_each() {
    let office = Office::open().await;
    office.newcomer("zhang.san", &[Role::Purchaser]).await;
    let guesses = (0..20).map(|guess| {
        let guess = format!("guess number {guess}");
        let office = &office;
        async move { office.sign_in("zhang.san", &guess).await.unwrap_err() }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let worked = answers.iter().filter(|status| why(status) == "NOT_PROVEN");
    assert_eq!(worked.count(), 5);
}

#[tokio::test]
async fn sessions_go_on_are_seen_and_are_ended() {
    let office = Office::open().await;
    let (first, mut passkey) = office.member("zhang.san", &[Role::Purchaser]).await;
    let me = first.subject.clone().unwrap().name;
    let start = office.house.clock.now();
    assert_eq!(
        first.expire_time_us,
        start.plus_seconds(900).micros(),
        "access tokens are short-lived"
    );

    // A refresh token is good once; the session goes on with the next, and ends with a used one.
    office.house.clock.advance(800);
    let second = office.refresh(&first.refresh_token).await.unwrap();
    assert_eq!(second.roles, first.roles);
    assert_ne!(second.refresh_token, first.refresh_token);
    let third = office.refresh(&second.refresh_token).await.unwrap();
    let replayed = office.refresh(&first.refresh_token).await.unwrap_err();
    assert_eq!(why(&replayed), "SESSION_OVER");
    let dead = office.refresh(&third.refresh_token).await.unwrap_err();
    assert_eq!(why(&dead), "SESSION_OVER", "the thief's token dies too");
    for rubbish in ["", "AAAA", &third.refresh_token[1..]] {
        let none = office.refresh(rubbish).await.unwrap_err();
        assert_eq!(why(&none), "SESSION_OVER");
    }

    // The owner sees its sessions and ends one; so do its organisation and the trading centre.
    let answer = office.answer("zhang.san", &mut passkey, PORTAL).await;
    let own = office.finish(answer).await.unwrap();
    let listed = office.sessions(&own.access_token, &me).await.unwrap();
    assert_eq!(listed.len(), 2, "the one without roles too: {listed:?}");
    let current: Vec<_> = listed.iter().filter(|session| session.current).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0].method(), pb::SignInMethod::Passkey);
    office
        .revoke(&own.access_token, &current[0].name)
        .await
        .unwrap();
    let over = office.refresh(&own.refresh_token).await.unwrap_err();
    assert_eq!(why(&over), "SESSION_OVER");
    let administrator = office.house.token(&office.house.administrator).await;
    let supplier = office.house.issue(SUPPLIER);
    office.house.enrol(&supplier, Kind::Supplier).await;
    let stranger = office.house.token(&supplier).await;
    for token in [office.chief.clone(), administrator] {
        let answer = office.answer("zhang.san", &mut passkey, PORTAL).await;
        let session = office.finish(answer).await.unwrap();
        let listed = office.sessions(&token, &me).await.unwrap();
        let name = &listed.last().unwrap().name;
        let denied = office.revoke(&stranger, name).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        let denied = office.sessions(&stranger, &me).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        office.revoke(&token, name).await.unwrap();
        let over = office.refresh(&session.refresh_token).await.unwrap_err();
        assert_eq!(why(&over), "SESSION_OVER");
    }
    // Every process hears of it where it hears of all revocations.
    let service = office.house.service_token();
    let request = with(&service, pb::ListRevocationsRequest::default());
    let told = office.house.client().list_revocations(request).await;
    assert_eq!(told.unwrap().into_inner().session_ids.len(), 4);

    // Unrefreshed, a session ends by itself; refreshed, at the latest after twelve hours.
    let answer = office.answer("zhang.san", &mut passkey, PORTAL).await;
    let idle = office.finish(answer).await.unwrap();
    office.house.clock.advance(1800);
    assert!(office.refresh(&idle.refresh_token).await.is_err());
    let answer = office.answer("zhang.san", &mut passkey, PORTAL).await;
    let mut session = office.finish(answer).await.unwrap();
    let mut seconds = 0;
    loop {
        office.house.clock.advance(1700);
        seconds += 1700;
        match office.refresh(&session.refresh_token).await {
            Ok(next) => session = next,
            Err(over) => {
                assert_eq!(why(&over), "SESSION_OVER");
                break;
            }
        }
    }
    assert!((43_200..43_200 + 1700).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn changing_resetting_revoking_and_suspending_end_what_was_before() {
    let office = Office::open().await;
    let (session, mut passkey) = office.member("zhang.san", &[Role::Purchaser]).await;
    let me = session.subject.clone().unwrap().name;
    let change = |current: &str, new: &str| pb::ChangePasswordRequest {
        current_password: current.into(),
        new_password: new.into(),
    };
    const NEW: &str = "another four words, and more";
    let token = &session.access_token;
    let wrong = with(token, change("not it at all", NEW));
    let wrong = office.people().change_password(wrong).await.unwrap_err();
    assert_eq!(why(&wrong), "NOT_PROVEN");
    let right = with(token, change(PASSWORD, NEW));
    office.people().change_password(right).await.unwrap();
    assert!(office.refresh(&session.refresh_token).await.is_err());
    assert!(office.sign_in("zhang.san", PASSWORD).await.is_err());
    let signed = office.sign_in("zhang.san", NEW).await.unwrap();
    assert!(signed.challenge.is_some(), "the passkey stays");

    // A reset voids both, and an answer that was under way.
    let challenge = signed.challenge.unwrap();
    let options: RequestChallengeResponse = serde_json::from_str(&challenge.options_json).unwrap();
    let answer = passkey
        .perform_auth(Url::parse(PORTAL).unwrap(), options.public_key, 60_000)
        .unwrap();
    let under_way = pb::FinishPasskeySignInRequest {
        ticket: challenge.ticket,
        credential_json: serde_json::to_string(&answer).unwrap(),
    };
    let reset = |name: &str| pb::ResetPersonRequest {
        request_id: request_id(),
        name: name.into(),
        reason: "lost the phone".into(),
    };
    let supplier = office.house.issue(SUPPLIER);
    office.house.enrol(&supplier, Kind::Supplier).await;
    let stranger = office.house.token(&supplier).await;
    let denied = office
        .people()
        .reset_person(with(&stranger, reset(&me)))
        .await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    let code = office
        .people()
        .reset_person(with(&office.chief, reset(&me)))
        .await;
    let code = code.unwrap().into_inner().code;
    assert_eq!(
        why(&office.finish(under_way).await.unwrap_err()),
        "NOT_PROVEN"
    );
    assert!(office.sign_in("zhang.san", NEW).await.is_err());
    office
        .set_password("zhang.san", &code, PASSWORD)
        .await
        .unwrap();
    let anew = office.sign_in("zhang.san", PASSWORD).await.unwrap();
    assert!(anew.session.unwrap().roles.is_empty(), "no passkey is left");

    // A suspended organisation's sessions are over for good, and a revoked person's too.
    let administrator = office.house.token(&office.house.administrator).await;
    let (session, _) = office.member("wang.wu", &[Role::Purchaser]).await;
    let suspend = pb::SuspendOrganizationRequest {
        request_id: request_id(),
        name: office.name.clone(),
        reason: "under inquiry".into(),
    };
    let mut registry = office.house.client();
    registry
        .suspend_organization(with(&administrator, suspend))
        .await
        .unwrap();
    assert!(office.refresh(&session.refresh_token).await.is_err());
    let refused = office.sign_in("zhang.san", PASSWORD).await.unwrap_err();
    assert_eq!(why(&refused), "ORGANIZATION_SUSPENDED");
    let reinstate = pb::ReinstateOrganizationRequest {
        request_id: request_id(),
        name: office.name.clone(),
        reason: "inquiry is over".into(),
    };
    registry
        .reinstate_organization(with(&administrator, reinstate))
        .await
        .unwrap();
    assert!(office.refresh(&session.refresh_token).await.is_err());
    let revoke = pb::RevokeSubjectRequest {
        request_id: request_id(),
        name: me,
        reason: "left".into(),
    };
    registry
        .revoke_subject(with(&administrator, revoke))
        .await
        .unwrap();
    let gone = office.sign_in("zhang.san", PASSWORD).await.unwrap_err();
    assert_eq!(why(&gone), "NOT_PROVEN");

    // A code is good for three days.
    let late = office.enrol("li.si", &[Role::Purchaser]).await.unwrap();
    office.house.clock.advance(72 * 3600);
    let late = office.set_password("li.si", &late.code, PASSWORD).await;
    assert_eq!(why(&late.unwrap_err()), "NOT_PROVEN");
}

#[tokio::test]
async fn states_of_people_are_the_fold_of_their_records() {
    use prost::Message;
    use sunbid_contracts::common::v1::Record;
    use sunbid_domain::{Aggregate, Event, registry::SubjectState};
    use sunbid_journal::StreamId;

    let office = Office::open().await;
    let (session, _) = office.member("zhang.san", &[Role::Purchaser]).await;
    office.refresh(&session.refresh_token).await.unwrap();
    let subject = session.subject.unwrap().name;
    let log = LogId::of("registry", &office.name);
    let stream = StreamId::of(&subject);
    let mut folded = SubjectState::default();
    for entry in office.house.journal.read(log, 0, 1000).await.unwrap() {
        if entry.stream != stream {
            continue;
        }
        let record = Record::decode(entry.body().unwrap()).unwrap();
        let event = Event {
            name: record.r#type,
            bytes: record.event,
        };
        folded.evolve(&event, entry.at).unwrap();
    }
    let state = office.house.journal.state(log, stream).await.unwrap();
    assert_eq!(folded.encode_to_vec(), state.unwrap().body);
}

#[tokio::test]
async fn without_passkeys_or_a_provider_nobody_is_enrolled() {
    let house = House::build().await;
    let purchaser = house.issue(PURCHASER);
    house.enrol(&purchaser, Kind::Purchaser).await;
    let token = house.token(&purchaser).await;
    let request = pb::EnrolPersonRequest {
        request_id: request_id(),
        login: "zhang.san".into(),
        display_name: "经办".into(),
        roles: vec![Role::Purchaser as i32],
    };
    let refused = AccountServiceClient::new(house.channel())
        .enrol_person(with(&token, request))
        .await;
    assert_eq!(why(&refused.unwrap_err()), "NO_ACCOUNTS");
}
