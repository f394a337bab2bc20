//! An organisation's life: registered, approved, suspended, reinstated.

use prost::Message;
use sunbid_contracts::common::v1::KeyEvidence;
use sunbid_contracts::registry::v1::{
    Organization, OrganizationApproved, OrganizationKind, OrganizationRegistered,
    OrganizationReinstated, OrganizationState as State, OrganizationSuspended, Subject,
    SubjectAdded,
};
use sunbid_sealing::Element;
use sunbid_terms::Instant;

use super::{LONGEST_NAME, LONGEST_REASON, kinds, organization_name, subject::Credential};
use crate::{Aggregate, Event, Refusal, Unreadable, refusal::FieldCheck};

/// The fold of an organisation's events.
#[derive(Clone, PartialEq, Message)]
pub struct OrganizationState {
    /// Nothing before the registration.
    #[prost(message, optional, tag = "1")]
    pub organization: Option<Organization>,
}

/// What an organisation says of itself when it registers.
#[derive(Clone, Debug)]
pub struct Registration {
    pub display_name: String,
    /// Numbers of `OrganizationKind`.
    pub kinds: Vec<i32>,
    pub basic_account: String,
    pub identity_key: Vec<u8>,
    pub encryption_key: Vec<u8>,
    /// The institution's signature over its two keys, verified; trustees only.
    pub key_evidence: Option<KeyEvidence>,
    pub subject_display_name: String,
}

/// What a registration leads to: an event for the organisation and one for its first subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolment {
    pub organization: Organization,
    pub subject: Subject,
    pub registered: OrganizationRegistered,
    pub added: SubjectAdded,
}

impl OrganizationState {
    /// Registers the organisation that the certificate names. It waits for approval; its first
    /// subject has every role that its kinds allow.
    pub fn register(
        &self,
        registration: &Registration,
        credential: &Credential,
        now: Instant,
    ) -> Result<Enrolment, Refusal> {
        check(registration, credential)?;
        if self.organization.is_some() {
            return Err(Refusal::state(
                "ALREADY_REGISTERED",
                "该统一社会信用代码已登记。新增人员请由本单位已登记的人员添加。",
                "This credit code is registered already; a registered person of the organisation adds others.",
            ));
        }
        let name = organization_name(&credential.credit_code);
        let organization = Organization {
            name: name.clone(),
            credit_code: credential.credit_code.as_str().to_owned(),
            display_name: registration.display_name.clone(),
            kinds: registration.kinds.clone(),
            state: State::Pending as i32,
            basic_account: registration.basic_account.clone(),
            identity_key: registration.identity_key.clone(),
            encryption_key: registration.encryption_key.clone(),
            create_time_us: now.micros(),
            state_reason: String::new(),
            key_evidence: registration.key_evidence.clone(),
        };
        let subject = credential.subject(
            &name,
            &registration.subject_display_name,
            kinds::roles_of_all(&registration.kinds),
        );
        Ok(Enrolment {
            registered: OrganizationRegistered {
                organization: Some(organization.clone()),
                first_subject: Some(subject.clone()),
            },
            added: SubjectAdded {
                subject: Some(subject.clone()),
            },
            organization,
            subject,
        })
    }

    /// Lets a registered organisation act.
    pub fn approve(&self) -> Result<OrganizationApproved, Refusal> {
        let organization = self.in_state(&[State::Pending])?;
        Ok(OrganizationApproved {
            name: organization.name.clone(),
        })
    }

    /// Stops the organisation. Nobody stops its own: the platform would be locked from outside.
    pub fn suspend(
        &self,
        reason: &str,
        callers_organization: &str,
    ) -> Result<OrganizationSuspended, Refusal> {
        FieldCheck::new()
            .text(reason, LONGEST_REASON, "reason")
            .finish()?;
        let organization = self.in_state(&[State::Active, State::Pending])?;
        if organization.name == callers_organization {
            return Err(Refusal::state(
                "OWN_ORGANIZATION",
                "不能暂停本单位。",
                "An organisation cannot suspend itself.",
            ));
        }
        Ok(OrganizationSuspended {
            name: organization.name.clone(),
            reason: reason.to_owned(),
        })
    }

    /// Lets a suspended organisation act again.
    pub fn reinstate(&self, reason: &str) -> Result<OrganizationReinstated, Refusal> {
        FieldCheck::new()
            .text(reason, LONGEST_REASON, "reason")
            .finish()?;
        let organization = self.in_state(&[State::Suspended])?;
        Ok(OrganizationReinstated {
            name: organization.name.clone(),
            reason: reason.to_owned(),
        })
    }

    /// The organisation, if it may act.
    pub fn active(&self) -> Result<&Organization, Refusal> {
        let organization = self.known()?;
        match organization.state() {
            State::Active => Ok(organization),
            State::Suspended => Err(Refusal::state(
                "ORGANIZATION_SUSPENDED",
                format!("本单位已被暂停：{}", organization.state_reason),
                format!(
                    "The organisation is suspended: {}",
                    organization.state_reason
                ),
            )),
            State::Pending | State::Unspecified => Err(Refusal::state(
                "ORGANIZATION_PENDING",
                "本单位的登记尚待交易中心核准。",
                "The organisation's registration waits for the trading centre's approval.",
            )),
        }
    }

    /// The organisation, or the answer for what does not exist.
    pub fn known(&self) -> Result<&Organization, Refusal> {
        self.organization.as_ref().ok_or(Refusal::Forbidden)
    }

    fn in_state(&self, wanted: &[State]) -> Result<&Organization, Refusal> {
        let organization = self.known()?;
        if wanted.contains(&organization.state()) {
            return Ok(organization);
        }
        let found = organization.state();
        Err(Refusal::state(
            "WRONG_ORGANIZATION_STATE",
            format!("单位当前状态为“{}”，不能进行此操作。", state_zh(found)),
            format!(
                "The organisation is {}, which does not allow this.",
                state_en(found)
            ),
        ))
    }
}

const fn state_zh(state: State) -> &'static str {
    match state {
        State::Unspecified => "未知",
        State::Pending => "待核准",
        State::Active => "正常",
        State::Suspended => "已暂停",
    }
}

const fn state_en(state: State) -> &'static str {
    match state {
        State::Unspecified => "unknown",
        State::Pending => "pending",
        State::Active => "active",
        State::Suspended => "suspended",
    }
}

fn check(registration: &Registration, credential: &Credential) -> Result<(), Refusal> {
    let mut check = FieldCheck::new();
    check
        .text(&registration.display_name, LONGEST_NAME, "display_name")
        .text(
            &registration.subject_display_name,
            LONGEST_NAME,
            "subject_display_name",
        );
    kinds::check(&registration.kinds, &mut check);
    let is = |kind: OrganizationKind| registration.kinds.contains(&(kind as i32));
    check_account(
        &registration.basic_account,
        is(OrganizationKind::Supplier),
        &mut check,
    );
    if is(OrganizationKind::Trustee) {
        check.bytes(&registration.identity_key, 32, "identity_key");
        let element = <[u8; 32]>::try_from(registration.encryption_key.as_slice());
        check.require(
            element.is_ok_and(|bytes| Element::decode(&bytes).is_ok()),
            "encryption_key",
            "必须是规范编码且非单位元的ristretto255元素，32字节。",
            "must be the canonical 32 bytes of a ristretto255 element that is not the identity.",
        );
        // Suppliers read this name where they decide whom to trust.
        check.require(
            registration.display_name == credential.organization_name,
            "display_name",
            format!(
                "密钥持有机构须以证书所载名称“{}”登记。",
                credential.organization_name
            ),
            format!(
                "of an institution that holds keys must be its certificate's, \"{}\".",
                credential.organization_name
            ),
        );
        check.require(
            registration.key_evidence.is_some(),
            "keys_signature",
            "密钥持有机构须以证书密钥对其两个密钥签名。",
            "is required of institutions that hold keys.",
        );
    } else {
        let none = registration.identity_key.is_empty()
            && registration.encryption_key.is_empty()
            && registration.key_evidence.is_none();
        check.require(
            none,
            "identity_key",
            "仅密钥托管机构需要登记身份密钥和加密密钥。",
            "and encryption_key are for trustees only.",
        );
    }
    check.finish()
}

/// Deposits come from and go back to the basic account, so a supplier must name it.
fn check_account(account: &str, needed: bool, check: &mut FieldCheck) {
    if needed {
        check.require(
            !account.is_empty(),
            "basic_account",
            "供应商必须登记基本账户账号：保证金从基本账户转出并原路退回。",
            "is required of suppliers: deposits are paid from it and returned to it.",
        );
    }
    let form = account.len() <= 40 && account.chars().all(|c| c.is_ascii_digit() || c == '-');
    check.require(
        form,
        "basic_account",
        "账号只含数字和连字符，最多40位。",
        "must be at most 40 digits and hyphens.",
    );
}

impl Aggregate for OrganizationState {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        if let Some(registered) = event.read::<OrganizationRegistered>()? {
            if self.organization.is_some() || registered.organization.is_none() {
                return Err(impossible(event, "a registration comes first and once"));
            }
            self.organization = registered.organization;
            return Ok(());
        }
        let Some(organization) = self.organization.as_mut() else {
            return Err(impossible(event, "nothing is registered"));
        };
        if event.is::<OrganizationApproved>() {
            organization.set_state(State::Active);
        } else if let Some(suspended) = event.read::<OrganizationSuspended>()? {
            organization.set_state(State::Suspended);
            organization.state_reason = suspended.reason;
        } else if event.is::<OrganizationReinstated>() {
            organization.set_state(State::Active);
            organization.state_reason.clear();
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        Ok(())
    }
}

fn impossible(event: &Event, reason: &str) -> Unreadable {
    Unreadable::Impossible {
        name: event.name.clone(),
        reason: reason.to_owned(),
    }
}
