//! Signing in through the OpenID Connect provider, and linking an identity to a person: only with the code
//! that the person's organisation handed out, never by a name or a mail address.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use sunbid_contracts::registry::v1::{
    BeginProviderSignInRequest, BeginProviderSignInResponse, FinishProviderSignInRequest,
    FinishProviderSignInResponse, SignInMethod,
};
use sunbid_domain::{Refusal, registry::not_proven};
use sunbid_proofs::hash::sha256;
use sunbid_service::Problem;
use sunbid_terms::MICROS;

use crate::{
    Registry, account_store,
    account_store::Kept,
    accounts::{AccountName, Entry},
    passkeys::ticket_over,
    provider::{Provider, Sent},
};

/// How long somebody may take at the provider, microseconds.
const LIFETIME: i64 = 600 * MICROS;

const PURPOSE: &str = "provider sign-in";

#[derive(Serialize, Deserialize)]
struct Waiting {
    sent: Sent,
    /// Subject and version of the account that the identity shall be linked to.
    link: Option<(String, u64)>,
}

impl Registry {
    fn provider(&self) -> Result<&Provider, Refusal> {
        self.accounts.provider.as_ref().ok_or_else(|| {
            Refusal::state(
                "NO_PROVIDER",
                "本平台未设置统一身份认证。",
                "This platform has no OpenID Connect provider in its settings.",
            )
        })
    }

    pub(crate) async fn begin_provider_sign_in(
        &self,
        request: BeginProviderSignInRequest,
    ) -> Result<BeginProviderSignInResponse, Problem> {
        let provider = self.provider()?;
        let link = if request.account.is_empty() && request.code.is_empty() {
            None
        } else {
            let account = AccountName::parse(&request.account)?;
            let attempts = self.count_attempt(&account.subject).await?;
            let version = self.check_code(&account, &request.code).await?;
            let clear = account_store::clear_attempts(&attempts);
            self.journal.db().exec(clear.sql, &clear.values).await?;
            Some((account.subject, version))
        };
        let now = self.clock.now();
        let (url, sent) = provider.send(&request.redirect_uri, now).await?;
        let expire = now.plus_micros(LIFETIME);
        let waiting = Waiting { sent, link };
        Ok(BeginProviderSignInResponse {
            url,
            ticket: self.accounts.secrets.seal(PURPOSE, &waiting, expire)?,
            expire_time_us: expire.micros(),
        })
    }

    pub(crate) async fn finish_provider_sign_in(
        &self,
        request: FinishProviderSignInRequest,
    ) -> Result<FinishProviderSignInResponse, Problem> {
        let provider = self.provider()?;
        let now = self.clock.now();
        let waiting: Waiting = self
            .accounts
            .secrets
            .open(PURPOSE, &request.ticket, now)
            .ok_or_else(ticket_over)?;
        let same = waiting
            .sent
            .state
            .as_bytes()
            .ct_eq(request.state.as_bytes());
        if !bool::from(same) {
            return Err(
                Refusal::field("state", "不属于本次登录。", "is not of this sign-in.").into(),
            );
        }
        let code = &request.authorization_code;
        let identity = provider.receive(&waiting.sent, code, now).await?;
        let digest = self
            .accounts
            .secrets
            .identity(&identity.issuer, &identity.subject);
        let linked = account_store::find_identity(self.journal.db(), &digest).await?;
        let cause = sha256(&[&request.ticket]).to_vec();
        let entry = match (waiting.link, linked) {
            (None, None) => return Err(unknown_identity().into()),
            (None, Some(subject)) => Entry {
                subject,
                method: SignInMethod::Provider,
                cause,
                check: Box::new(move |state| {
                    let account = state.account.as_ref().ok_or_else(not_proven)?;
                    let known = account.identities.iter().any(|known| *known == digest);
                    if known { Ok(None) } else { Err(not_proven()) }
                }),
                writes: vec![],
            },
            (Some(_), Some(_)) => return Err(linked_already().into()),
            (Some((subject, version)), None) => {
                let (_, kept) = self.account(&subject).await?;
                let kept = Kept {
                    version: version + 1,
                    ..kept.unwrap_or_default()
                };
                let writes = vec![
                    account_store::put_account(&subject, &kept)?,
                    account_store::put_identity(&digest, &subject),
                ];
                Entry {
                    subject,
                    method: SignInMethod::Provider,
                    cause,
                    check: Box::new(move |state| state.link(version, digest).map(Some)),
                    writes,
                }
            }
        };
        Ok(FinishProviderSignInResponse {
            session: Some(self.enter(entry).await?),
        })
    }
}

fn unknown_identity() -> Refusal {
    Refusal::state(
        "IDENTITY_UNKNOWN",
        "该身份未与任何人员关联。请用本单位发给您的登记码关联。",
        "This identity is linked to nobody: link it with the code that your organisation handed out.",
    )
}

fn linked_already() -> Refusal {
    Refusal::state(
        "IDENTITY_LINKED",
        "该身份已与一名人员关联。",
        "This identity is linked to somebody already.",
    )
}
