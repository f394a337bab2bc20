//! Enrolling people without a certificate, and their passwords. Passwords and codes are in no record and
//! in no digest of a request.

use sunbid_contracts::registry::v1::{
    ChangePasswordRequest, ChangePasswordResponse, EnrolPersonRequest, EnrolPersonResponse,
    PersonEnrolled, PersonReset, ResetPersonRequest, ResetPersonResponse, SetPasswordRequest,
    SetPasswordResponse, SignInMethod, SignInWithPasswordRequest, SignInWithPasswordResponse,
};
use sunbid_domain::{
    Aggregate, Event, Refusal,
    registry::{OrganizationState, Person, SubjectState, not_proven, person_name},
};
use sunbid_service::{
    Caller, Decided, Problem, Step,
    ledger::{commit, commit_quietly, load},
};
use sunbid_terms::Instant;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Registry, SERVICE, account_store,
    account_store::Kept,
    accounts::{AccountName, Entry},
    names::{check_subject, organization_stream, subject_stream},
    passwords,
    rpc_subjects::authority,
    store,
};

impl Registry {
    pub(crate) async fn enrol_person(
        &self,
        caller: &Caller,
        request: EnrolPersonRequest,
    ) -> Result<EnrolPersonResponse, Problem> {
        if self.accounts.webauthn.is_none() && self.accounts.provider.is_none() {
            return Err(no_accounts().into());
        }
        let organization = caller.organization().to_owned();
        let name = person_name(&organization, &request.login);
        let (own, stream) = (organization_stream(), subject_stream(&name));
        let step = Step::of_caller(
            SERVICE,
            &organization,
            "EnrolPerson",
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading(&[own, stream]);
        let (caller, lifetimes) = (caller.clone(), self.accounts.lifetimes);
        let done = commit(&self.journal, step, move |view| {
            let within: OrganizationState = load(view, own)?;
            let person = Person {
                name: &name,
                login: &request.login,
                display_name: &request.display_name,
                roles: &request.roles,
            };
            let enrolled = load::<SubjectState>(view, stream)?.enrol_person(
                within.known()?,
                &person,
                &authority(&caller),
                lifetimes,
                view.now,
            )?;
            let mut decided = Decided::new()
                .event(stream, &enrolled)
                .fold::<SubjectState>(view, stream)?;
            if let Some(subject) = &enrolled.subject {
                decided = decided.also(store::put_subject(
                    &organization,
                    subject,
                    Instant::default(),
                ));
            }
            Ok(decided.reply(move |_| enrolled))
        })
        .await?;
        let PersonEnrolled {
            subject,
            code_expire_time_us,
        } = done.reply;
        let subject = subject.unwrap_or_default();
        Ok(EnrolPersonResponse {
            // Of the version that enrolling makes; repeated later, it may have been used up.
            code: self.accounts.secrets.code(&subject.name, 1),
            subject: Some(subject),
            code_expire_time_us,
        })
    }

    pub(crate) async fn reset_person(
        &self,
        caller: &Caller,
        request: ResetPersonRequest,
    ) -> Result<ResetPersonResponse, Problem> {
        let organization = check_subject(&request.name, "name")?.to_owned();
        let stream = subject_stream(&request.name);
        let step = Step::of_caller(
            SERVICE,
            &organization,
            "ResetPerson",
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading(&[stream]);
        let (caller, lifetimes) = (caller.clone(), self.accounts.lifetimes);
        let name = request.name.clone();
        let done = commit(&self.journal, step, move |view| {
            let mut state: SubjectState = load(view, stream)?;
            let reset =
                state.reset_person(&request.reason, &authority(&caller), lifetimes, view.now)?;
            state.evolve(&Event::of(&reset), view.now)?;
            let version = state.account.map_or(0, |account| account.version);
            let empty = Kept {
                version,
                ..Kept::default()
            };
            Ok(Decided::new()
                .event(stream, &reset)
                .fold::<SubjectState>(view, stream)?
                .also(account_store::put_account(&name, &empty)?)
                .also(account_store::drop_identities(&name))
                .also(store::end_sessions_of_subject(&name))
                .reply(move |_| reset))
        })
        .await?;
        let PersonReset {
            subject,
            code_expire_time_us,
            ..
        } = done.reply;
        let (state, _) = self.account(&subject).await?;
        let version = state.account.as_ref().map_or(0, |account| account.version);
        Ok(ResetPersonResponse {
            code: self.accounts.secrets.code(&subject, version),
            subject: state.subject,
            code_expire_time_us,
        })
    }

    /// The version of an account whose code this is; otherwise the answer, on the record.
    pub(crate) async fn check_code(
        &self,
        account: &AccountName,
        code: &str,
    ) -> Result<u64, Problem> {
        let (state, _) = self.account(&account.subject).await?;
        let open = state.open_code(self.clock.now());
        // As much work for what does not exist.
        let right = self
            .accounts
            .secrets
            .is_code(&account.subject, open.unwrap_or(0), code);
        match open {
            Some(version) if right => Ok(version),
            _ => Err(self
                .failed(&account.subject, SignInMethod::Unspecified)
                .await?),
        }
    }

    pub(crate) async fn set_password(
        &self,
        request: SetPasswordRequest,
    ) -> Result<SetPasswordResponse, Problem> {
        let account = AccountName::parse(&request.account)?;
        let password = Zeroizing::new(request.password);
        passwords::check(&password, &account.login, "password")?;
        let attempts = self.count_attempt(&account.subject).await?;
        let version = self.check_code(&account, &request.code).await?;
        self.keep_password(&account, version, password, attempts)
            .await?;
        Ok(SetPasswordResponse {})
    }

    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        request: ChangePasswordRequest,
    ) -> Result<ChangePasswordResponse, Problem> {
        let (state, kept) = self.account(caller.subject()).await?;
        let account = state.subject.as_ref().and_then(AccountName::of);
        let account = account.ok_or_else(|| {
            Refusal::state(
                "NO_PASSWORD",
                "您以证书登录，没有密码可以修改。",
                "You sign in with a certificate and have no password to change.",
            )
        })?;
        let new = Zeroizing::new(request.new_password);
        passwords::check(&new, &account.login, "new_password")?;
        let attempts = self.count_attempt(&account.subject).await?;
        let version = kept.as_ref().map_or(0, |kept| kept.version);
        let current = Zeroizing::new(request.current_password);
        if !self
            .accounts
            .passwords
            .is(current, password_of(kept))
            .await?
        {
            return Err(self
                .failed(&account.subject, SignInMethod::Password)
                .await?);
        }
        self.keep_password(&account, version, new, attempts).await?;
        Ok(ChangePasswordResponse {})
    }

    /// Hashes and keeps; every session of the person ends.
    async fn keep_password(
        &self,
        account: &AccountName,
        version: u64,
        password: Zeroizing<String>,
        attempts: Vec<u8>,
    ) -> Result<(), Problem> {
        let (_, kept) = self.account(&account.subject).await?;
        let passkeys = kept.map(|kept| kept.passkeys).unwrap_or_default();
        let password = self.accounts.passwords.hash(password).await?;
        let stream = subject_stream(&account.subject);
        let cause = Uuid::new_v4();
        let name = account.subject.clone();
        let nothing = SetPasswordResponse {};
        let step = Step::of_cause(
            SERVICE,
            &account.organization,
            "SetPassword",
            cause.as_bytes(),
            &nothing,
        )
        .reading(&[stream]);
        commit_quietly(&self.journal, step, move |view| {
            let mut state: SubjectState = load(view, stream)?;
            let set = state.set_password(version)?;
            state.evolve(&Event::of(&set), view.now)?;
            let kept = Kept {
                version: state.account.map_or(0, |account| account.version),
                password,
                passkeys,
            };
            Ok(Decided::new()
                .event(stream, &set)
                .fold::<SubjectState>(view, stream)?
                .also(account_store::put_account(&name, &kept)?)
                .also(account_store::clear_attempts(&attempts))
                .also(store::end_sessions_of_subject(&name)))
        })
        .await?;
        Ok(())
    }

    pub(crate) async fn sign_in_with_password(
        &self,
        request: SignInWithPasswordRequest,
    ) -> Result<SignInWithPasswordResponse, Problem> {
        let account = AccountName::parse(&request.account)?;
        let attempts = self.count_attempt(&account.subject).await?;
        let (state, kept) = self.account(&account.subject).await?;
        let password = Zeroizing::new(request.password);
        let usable = state.subject.as_ref().is_some_and(|known| !known.revoked);
        let kept = kept.filter(|kept| usable && !kept.password.is_empty());
        let compared = password_of(kept.clone());
        let right = self.accounts.passwords.is(password, compared).await?;
        let Some(kept) = kept.filter(|_| right) else {
            return Err(self
                .failed(&account.subject, SignInMethod::Password)
                .await?);
        };
        if !kept.passkeys.is_empty() {
            let clear = account_store::clear_attempts(&attempts);
            self.journal.db().exec(clear.sql, &clear.values).await?;
            let challenge = self.passkey_challenge(&account.subject, &kept)?;
            return Ok(SignInWithPasswordResponse {
                session: None,
                challenge: Some(challenge),
            });
        }
        let version = kept.version;
        let session = self
            .enter(Entry {
                subject: account.subject,
                method: SignInMethod::Password,
                cause: Uuid::new_v4().as_bytes().to_vec(),
                check: Box::new(move |state| same_version(state, version)),
                writes: vec![account_store::clear_attempts(&attempts)],
            })
            .await?;
        Ok(SignInWithPasswordResponse {
            session: Some(session),
            challenge: None,
        })
    }
}

fn password_of(kept: Option<Kept>) -> Option<String> {
    kept.map(|kept| kept.password)
        .filter(|password| !password.is_empty())
}

/// Whether the account is still the one whose secrets were looked at; nothing is linked.
pub(crate) fn same_version<T>(state: &SubjectState, version: u64) -> Result<Option<T>, Refusal> {
    let now = state.account.as_ref().map(|account| account.version);
    if now == Some(version) {
        Ok(None)
    } else {
        Err(not_proven())
    }
}

fn no_accounts() -> Refusal {
    Refusal::state(
        "NO_ACCOUNTS",
        "本平台未设置安全密钥或统一身份认证，人员只能凭证书登录。",
        "This platform has neither passkeys nor a provider in its settings: people sign in by certificate.",
    )
}
