//! What all that people without a certificate do has in common: whose account a caller names, opening a
//! session, and noting a failure. Nobody learns here whether an account exists.

use sunbid_contracts::registry::v1::{
    IdentityLinked, SessionTokens, SignInMethod, SignedIn, Subject,
};
use sunbid_domain::{
    Aggregate, Event, Refusal,
    registry::{
        Lifetimes, OrganizationState, Session, SubjectState, is_login, not_proven,
        organization_name, organization_of, person_name, subject,
    },
};
use sunbid_journal::Write;
use sunbid_service::{
    Decided, Problem, Step,
    ledger::{commit, commit_quietly, load, read},
    token::{self, Claims},
};
use sunbid_terms::CreditCode;
use uuid::Uuid;
use webauthn_rs::Webauthn;

use crate::{
    Registry, SERVICE, account_store,
    account_store::Kept,
    names::{log, organization_stream, subject_stream},
    passkeys,
    passwords::Passwords,
    provider::Provider,
    secrets::Secrets,
    settings::RegistrySettings,
    store,
};

/// The log that takes what is tried at organisations that do not exist: nothing but its time.
const STRANGERS: &str = "strangers";

/// What signing people in needs.
pub struct Accounts {
    pub secrets: Secrets,
    pub passwords: Passwords,
    pub lifetimes: Lifetimes,
    pub webauthn: Option<Webauthn>,
    pub provider: Option<Provider>,
}

impl Accounts {
    pub fn new(settings: &RegistrySettings, secret: &[u8; 32]) -> Result<Self, Problem> {
        Ok(Self {
            secrets: Secrets::new(secret)?,
            passwords: Passwords::new(settings.passwords).map_err(Problem::internal)?,
            lifetimes: settings.lifetimes,
            webauthn: settings
                .passkeys
                .as_ref()
                .map(passkeys::relying_party)
                .transpose()?,
            provider: settings.provider.as_ref().map(Provider::new).transpose()?,
        })
    }
}

/// An account as a caller names it: "{credit_code}/{login}".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName {
    pub organization: String,
    pub login: String,
    pub subject: String,
}

impl AccountName {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let parts = text.split_once('/').and_then(|(code, login)| {
            let code = CreditCode::parse(code).ok()?;
            is_login(login).then_some((code, login))
        });
        let Some((code, login)) = parts else {
            return Err(Refusal::field(
                "account",
                "应为“{统一社会信用代码}/{登录名}”。",
                "must be \"{credit_code}/{login}\".",
            ));
        };
        let organization = organization_name(&code);
        Ok(Self {
            subject: person_name(&organization, login),
            organization,
            login: login.to_owned(),
        })
    }

    /// The account of a subject, where it is a person's.
    pub fn of(subject: &Subject) -> Option<Self> {
        let organization = organization_of(&subject.name)?;
        (!subject.login.is_empty()).then(|| Self {
            organization: organization.to_owned(),
            login: subject.login.clone(),
            subject: subject.name.clone(),
        })
    }
}

/// Checks, inside the transaction, that a session may be opened; perhaps an identity is linked first.
type Check = Box<dyn FnOnce(&SubjectState) -> Result<Option<IdentityLinked>, Refusal> + Send>;

/// A person who proved who it is.
pub struct Entry {
    pub subject: String,
    pub method: SignInMethod,
    /// What can be used for one session only.
    pub cause: Vec<u8>,
    pub check: Check,
    pub writes: Vec<Write>,
}

impl Registry {
    /// State and secrets of an account, as they go together; nothing for one that does not exist.
    pub(crate) async fn account(
        &self,
        subject: &str,
    ) -> Result<(SubjectState, Option<Kept>), Problem> {
        let organization = organization_of(subject).ok_or_else(not_proven)?;
        let stream = subject_stream(subject);
        let state: SubjectState = read(&self.journal, log(organization), stream).await?;
        let kept = account_store::find_account(self.journal.db(), subject).await?;
        let version = state.account.as_ref().map(|account| account.version);
        let kept = kept.filter(|kept| Some(kept.version) == version);
        Ok((state, kept))
    }

    /// Counts a try at an account before it is worked on, by the name of its subject: one account may be
    /// written in several ways. Refuses where too many failed.
    pub(crate) async fn count_attempt(&self, subject: &str) -> Result<Vec<u8>, Problem> {
        let key = self.accounts.secrets.attempts(subject);
        let now = self.clock.now();
        if account_store::count_attempt(self.journal.db(), &key, now).await? {
            return Ok(key);
        }
        Err(Problem::TooMuch {
            reason: "TOO_MANY_ATTEMPTS",
            zh: "失败次数过多，该账号暂不接受登录，请稍后再试（最长15分钟）。".to_owned(),
            en: "Too many failures: this account takes no sign-in for the moment, 15 minutes at most."
                .to_owned(),
            retry: Some(std::time::Duration::from_secs(60)),
        })
    }

    /// Notes a failure where there is an account, and takes as long where there is none. The answer.
    pub(crate) async fn failed(
        &self,
        subject: &str,
        method: SignInMethod,
    ) -> Result<Problem, Problem> {
        let organization = organization_of(subject).ok_or_else(not_proven)?;
        let own = log(organization);
        let known: OrganizationState = read(&self.journal, own, organization_stream()).await?;
        let scope = if known.organization.is_some() {
            organization
        } else {
            STRANGERS
        };
        let stream = subject_stream(subject);
        let cause = Uuid::new_v4();
        let nothing = SignedIn::default();
        let step = Step::of_cause(SERVICE, scope, "SignInFailed", cause.as_bytes(), &nothing)
            .reading(&[stream]);
        commit_quietly(&self.journal, step, move |view| {
            let state: SubjectState = load(view, stream)?;
            let decided = Decided::new().also(account_store::forget_attempts(view.now));
            match state.sign_in_failed(method) {
                None => Ok(decided),
                Some(failed) => decided
                    .event(stream, &failed)
                    .fold::<SubjectState>(view, stream),
            }
        })
        .await?;
        Ok(not_proven().into())
    }

    /// Opens a session for a person who proved who it is.
    pub(crate) async fn enter(&self, entry: Entry) -> Result<SessionTokens, Problem> {
        let Entry {
            subject,
            method,
            cause,
            check,
            writes,
        } = entry;
        let organization = organization_of(&subject)
            .ok_or_else(|| Problem::internal("a subject's name has no organisation"))?
            .to_owned();
        let (own, stream) = (organization_stream(), subject_stream(&subject));
        let session_id = self.accounts.secrets.random::<16>()?;
        let lifetimes = self.accounts.lifetimes;
        let asked = SignedIn {
            subject: subject.clone(),
            ..SignedIn::default()
        };
        let step = Step::of_cause(SERVICE, &organization, "SignInPerson", &cause, &asked)
            .reading(&[own, stream]);
        let within = organization.clone();
        let done = commit(&self.journal, step, move |view| {
            let organization: OrganizationState = load(view, own)?;
            let mut state: SubjectState = load(view, stream)?;
            let linked = check(&state)?;
            organization.active()?;
            let mut decided = Decided::new();
            if let Some(linked) = &linked {
                state.evolve(&Event::of(linked), view.now)?;
                decided = decided.event(stream, linked);
            }
            let signed_in = state.sign_in_person(session_id, method, lifetimes, view.now)?;
            decided = decided
                .event(stream, &signed_in)
                .fold::<SubjectState>(view, stream)?
                .also(store::drop_expired_sessions(view.now))
                .also(store::put_session(
                    &signed_in.session_id,
                    &signed_in.subject,
                    &within,
                    signed_in.expire_time_us,
                ));
            for write in writes {
                decided = decided.also(write);
            }
            Ok(decided.reply(move |_| signed_in))
        })
        .await?;
        if done.replayed {
            return Err(not_proven().into());
        }
        self.tokens_of(&organization, &subject, &session_id).await
    }

    /// The tokens of a session that was just opened or refreshed.
    pub(crate) async fn tokens_of(
        &self,
        organization: &str,
        subject: &str,
        session_id: &[u8],
    ) -> Result<SessionTokens, Problem> {
        let stream = subject_stream(subject);
        let state: SubjectState = read(&self.journal, log(organization), stream).await?;
        let now = self.clock.now();
        let session = state
            .open_sessions(now)
            .find(|session| session.id == session_id)
            .ok_or_else(subject::session_over)?;
        Ok(self.tokens(organization, &state, session))
    }

    fn tokens(&self, organization: &str, state: &SubjectState, session: &Session) -> SessionTokens {
        let roles = state.roles_in(session);
        let subject = state.subject.clone().unwrap_or_default();
        let expire = self.clock.now().plus_micros(subject::SESSION_MICROS);
        let expire_us = expire.micros().min(session.expire_us);
        let claims = Claims {
            subject: subject.name.clone(),
            organization: organization.to_owned(),
            roles: roles.clone(),
            session_id: session.id.clone(),
            expire_us,
            origin: self.origin.clone(),
        };
        SessionTokens {
            access_token: token::mint(&self.token_key, &claims),
            expire_time_us: expire_us,
            refresh_token: self
                .accounts
                .secrets
                .refresh_token(&session.id, session.generation),
            refresh_expire_time_us: session.expire_us,
            subject: Some(subject),
            roles,
        }
    }
}
