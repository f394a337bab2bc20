//! Passkeys as second factor: what a browser hands to them, and what they answer. Between the two steps
//! the caller keeps a sealed ticket, so that any process can take the second; each answer is good once.

use serde::{Deserialize, Serialize};
use sunbid_contracts::registry::v1::{
    BeginPasskeyRegistrationRequest, BeginPasskeyRegistrationResponse,
    FinishPasskeyRegistrationRequest, FinishPasskeyRegistrationResponse,
    FinishPasskeySignInRequest, FinishPasskeySignInResponse, PasskeyChallenge, SignInMethod,
};
use sunbid_domain::{Aggregate, Event, Refusal, registry::SubjectState};
use sunbid_proofs::hash::sha256;
use sunbid_service::{
    Caller, Decided, Problem, Step,
    ledger::{commit_quietly, load},
};
use sunbid_terms::MICROS;
use uuid::Uuid;
use webauthn_rs::{
    Webauthn, WebauthnBuilder,
    prelude::{PasskeyAuthentication, PasskeyRegistration, Url},
};

use crate::{
    Registry, SERVICE, account_store,
    account_store::Kept,
    accounts::{AccountName, Entry},
    names::subject_stream,
    rpc_accounts::same_version,
    settings::PasskeySettings,
};

/// How long a browser has for its answer, microseconds.
const LIFETIME: i64 = 300 * MICROS;

const REGISTRATION: &str = "passkey registration";
const SIGN_IN: &str = "passkey sign-in";

/// Largest answer of a browser that is looked at, bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Registering {
    subject: String,
    version: u64,
    state: PasskeyRegistration,
}

#[derive(Serialize, Deserialize)]
struct SigningIn {
    subject: String,
    version: u64,
    state: PasskeyAuthentication,
}

/// The settings as the library wants them.
pub fn relying_party(settings: &PasskeySettings) -> Result<Webauthn, Problem> {
    let wrong = |cause: String| Problem::internal(format!("the settings of passkeys: {cause}"));
    let origins = settings
        .origins
        .iter()
        .map(|origin| Url::parse(origin).map_err(|error| wrong(format!("{origin}: {error}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let first = origins
        .first()
        .ok_or_else(|| wrong("no origin is named".to_owned()))?;
    let mut builder = WebauthnBuilder::new(&settings.domain, first)
        .map_err(|error| wrong(error.to_string()))?
        .rp_name(&settings.domain);
    for origin in origins.iter().skip(1) {
        builder = builder.append_allowed_origin(origin);
    }
    builder.build().map_err(|error| wrong(error.to_string()))
}

impl Registry {
    fn webauthn(&self) -> Result<&Webauthn, Refusal> {
        self.accounts.webauthn.as_ref().ok_or_else(|| {
            Refusal::state(
                "NO_PASSKEYS",
                "本平台未设置安全密钥。",
                "This platform has no passkeys in its settings.",
            )
        })
    }

    /// What one of the account's passkeys must answer.
    pub(crate) fn passkey_challenge(
        &self,
        subject: &str,
        kept: &Kept,
    ) -> Result<PasskeyChallenge, Problem> {
        let (options, state) = self
            .webauthn()?
            .start_passkey_authentication(&kept.passkeys)
            .map_err(Problem::internal)?;
        let waiting = SigningIn {
            subject: subject.to_owned(),
            version: kept.version,
            state,
        };
        self.challenge_of(SIGN_IN, &options, &waiting)
    }

    fn challenge_of(
        &self,
        purpose: &str,
        options: &impl Serialize,
        waiting: &impl Serialize,
    ) -> Result<PasskeyChallenge, Problem> {
        let expire = self.clock.now().plus_micros(LIFETIME);
        Ok(PasskeyChallenge {
            options_json: serde_json::to_string(options).map_err(Problem::internal)?,
            ticket: self.accounts.secrets.seal(purpose, waiting, expire)?,
            expire_time_us: expire.micros(),
        })
    }

    pub(crate) async fn finish_passkey_sign_in(
        &self,
        request: FinishPasskeySignInRequest,
    ) -> Result<FinishPasskeySignInResponse, Problem> {
        let webauthn = self.webauthn()?;
        let answer = read_answer(&request.credential_json)?;
        let now = self.clock.now();
        let waiting: SigningIn = self
            .accounts
            .secrets
            .open(SIGN_IN, &request.ticket, now)
            .ok_or_else(ticket_over)?;
        let (_, kept) = self.account(&waiting.subject).await?;
        let kept = kept.filter(|kept| kept.version == waiting.version);
        let result = webauthn.finish_passkey_authentication(&answer, &waiting.state);
        let (Ok(result), Some(mut kept)) = (result, kept) else {
            return Err(self.failed(&waiting.subject, SignInMethod::Passkey).await?);
        };
        for passkey in &mut kept.passkeys {
            passkey.update_credential(&result);
        }
        let version = waiting.version;
        let writes = vec![account_store::put_passkeys(&waiting.subject, &kept)?];
        let session = self
            .enter(Entry {
                subject: waiting.subject,
                method: SignInMethod::Passkey,
                // One session for one challenge.
                cause: sha256(&[&request.ticket]).to_vec(),
                check: Box::new(move |state| same_version(state, version)),
                writes,
            })
            .await?;
        Ok(FinishPasskeySignInResponse {
            session: Some(session),
        })
    }

    pub(crate) async fn begin_passkey_registration(
        &self,
        caller: &Caller,
        _: BeginPasskeyRegistrationRequest,
    ) -> Result<BeginPasskeyRegistrationResponse, Problem> {
        let webauthn = self.webauthn()?;
        let (state, kept) = self.account(caller.subject()).await?;
        let subject = state.known()?;
        let account = AccountName::of(subject).ok_or(Refusal::Forbidden)?;
        let version = state.account.as_ref().map_or(0, |account| account.version);
        let known = kept.unwrap_or_default().passkeys;
        let known = known.iter().map(|passkey| passkey.cred_id().clone());
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(sha256(&[account.subject.as_bytes()])) {
            *to = from;
        }
        let (options, registration) = webauthn
            .start_passkey_registration(
                Uuid::from_bytes(id),
                &account.login,
                &subject.display_name,
                Some(known.collect()),
            )
            .map_err(Problem::internal)?;
        let waiting = Registering {
            subject: account.subject,
            version,
            state: registration,
        };
        Ok(BeginPasskeyRegistrationResponse {
            challenge: Some(self.challenge_of(REGISTRATION, &options, &waiting)?),
        })
    }

    pub(crate) async fn finish_passkey_registration(
        &self,
        caller: &Caller,
        request: FinishPasskeyRegistrationRequest,
    ) -> Result<FinishPasskeyRegistrationResponse, Problem> {
        let webauthn = self.webauthn()?;
        let answer = read_answer(&request.credential_json)?;
        let now = self.clock.now();
        let waiting: Registering = self
            .accounts
            .secrets
            .open(REGISTRATION, &request.ticket, now)
            .ok_or_else(ticket_over)?;
        if waiting.subject != caller.subject() {
            return Err(Refusal::Forbidden.into());
        }
        let passkey = webauthn
            .finish_passkey_registration(&answer, &waiting.state)
            .map_err(|error| {
                Refusal::field(
                    "credential_json",
                    format!("不被接受：{error}。"),
                    format!("is not accepted: {error}."),
                )
            })?;
        let digest = sha256(&[passkey.cred_id().as_ref()]);
        let (_, kept) = self.account(&waiting.subject).await?;
        let mut kept = kept.unwrap_or_default();
        kept.passkeys.push(passkey);
        let organization = caller.organization().to_owned();
        let (name, version) = (waiting.subject, waiting.version);
        let stream = subject_stream(&name);
        let cause = sha256(&[&request.ticket]);
        let nothing = FinishPasskeyRegistrationResponse {};
        let step = Step::of_cause(SERVICE, &organization, "AddPasskey", &cause, &nothing)
            .reading(&[stream]);
        commit_quietly(&self.journal, step, move |view| {
            let mut state: SubjectState = load(view, stream)?;
            let added = state.add_passkey(version, digest)?;
            state.evolve(&Event::of(&added), view.now)?;
            kept.version = state.account.map_or(0, |account| account.version);
            Ok(Decided::new()
                .event(stream, &added)
                .fold::<SubjectState>(view, stream)?
                .also(account_store::put_account(&name, &kept)?))
        })
        .await?;
        Ok(FinishPasskeyRegistrationResponse {})
    }
}

fn read_answer<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Refusal> {
    let wrong = |zh: String, en: String| Refusal::field("credential_json", zh, en);
    if json.len() > LARGEST_ANSWER {
        return Err(wrong(
            format!("有{}字节，最多接受{LARGEST_ANSWER}字节。", json.len()),
            format!(
                "has {} bytes, at most {LARGEST_ANSWER} are taken.",
                json.len()
            ),
        ));
    }
    serde_json::from_str(json).map_err(|error| {
        wrong(
            format!("不是PublicKeyCredential的JSON：{error}。"),
            format!("is no PublicKeyCredential in JSON: {error}."),
        )
    })
}

/// The answer to a ticket that is none, or none any more.
pub(crate) fn ticket_over() -> Refusal {
    Refusal::field(
        "ticket",
        "不是本平台的凭据，或已过期，请重新开始登录。",
        "is not this platform's, or too old; please begin anew.",
    )
}
