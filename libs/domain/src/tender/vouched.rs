//! Whether a ceremony's holders are who they are said to be: each institution's own certificate must
//! have signed for its keys, so that no registry can seat keys of its own under real names.
//! Used by the service that invites, by every holder about its fellows, by whoever seals and by
//! verifiers; each against the roots that it was given itself.

use sunbid_certificates::{HolderKeys, HolderKeysFault, Roots};
use sunbid_contracts::{
    common::v1::KeyEvidence,
    tender::v1::{Ceremony, Holder},
};
use sunbid_terms::Instant;

/// A holder whose keys are not shown to be its institution's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "holder {index}, {display_name} ({organization}), is not shown to be that institution: {cause}"
)]
pub struct Unvouched {
    /// 1 to n.
    pub index: i32,
    pub organization: String,
    pub display_name: String,
    pub cause: UnvouchedCause,
}

/// Why a holder is not taken for its institution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnvouchedCause {
    #[error("no signature of the institution over its keys is on record")]
    Missing,
    #[error("it holds two seats")]
    TwoSeats,
    #[error(transparent)]
    Keys(#[from] HolderKeysFault),
}

impl UnvouchedCause {
    /// The sentence in Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Missing => "没有该机构对其密钥的签名。".to_owned(),
            Self::TwoSeats => "同一机构占有两席。".to_owned(),
            Self::Keys(fault) => fault.zh(),
        }
    }
}

/// Whether every holder of a ceremony on the platform called `origin` is vouched for by itself, and
/// none sits twice. The first who is not is named.
pub fn check(ceremony: &Ceremony, origin: &str, roots: &Roots) -> Result<(), Unvouched> {
    for (place, holder) in ceremony.holders.iter().enumerate() {
        let unvouched = |cause: UnvouchedCause| Unvouched {
            index: holder.index,
            organization: holder.organization.clone(),
            display_name: holder.display_name.clone(),
            cause,
        };
        let earlier = ceremony.holders.iter().take(place);
        if earlier
            .into_iter()
            .any(|one| one.organization == holder.organization)
        {
            return Err(unvouched(UnvouchedCause::TwoSeats));
        }
        check_holder(holder, ceremony.evidence.get(place), origin, roots).map_err(unvouched)?;
    }
    Ok(())
}

/// Whether one holder is vouched for.
pub fn check_holder(
    holder: &Holder,
    evidence: Option<&KeyEvidence>,
    origin: &str,
    roots: &Roots,
) -> Result<(), UnvouchedCause> {
    let evidence = evidence.ok_or(UnvouchedCause::Missing)?;
    if evidence.signature.is_empty() {
        return Err(UnvouchedCause::Missing);
    }
    let keys = HolderKeys {
        origin,
        certificate: &evidence.certificate,
        identity_key: &holder.identity_key,
        encryption_key: &holder.encryption_key,
        signed_at: Instant::from_micros(evidence.signed_time_us),
    };
    let code = holder
        .organization
        .strip_prefix("organizations/")
        .unwrap_or_default();
    keys.verify_of(
        code,
        &holder.display_name,
        &evidence.intermediates,
        &evidence.signature,
        roots,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sunbid_certificates::trial::{TrialAuthority, TrialIdentity, TrialSubject};

    const ORIGIN: &str = "sandbox.test";
    const CODES: [&str; 3] = [
        "91110108551385082Q",
        "9144030071526726XG",
        "12350100MB02709751",
    ];

    fn authority() -> TrialAuthority {
        let at = Instant::from_seconds;
        TrialAuthority::new("root", at(0), at(4_000_000_000)).unwrap()
    }

    fn identity(authority: &TrialAuthority, code: &str) -> TrialIdentity {
        authority
            .issue(&TrialSubject {
                credit_code: code,
                organization: &format!("机构{code}"),
                common_name: "经办人",
                not_before: Instant::from_seconds(0),
                not_after: Instant::from_seconds(4_000_000_000),
            })
            .unwrap()
    }

    fn sign(holder: &Holder, identity: &TrialIdentity) -> KeyEvidence {
        let keys = HolderKeys {
            origin: ORIGIN,
            certificate: &identity.certificate,
            identity_key: &holder.identity_key,
            encryption_key: &holder.encryption_key,
            signed_at: Instant::from_seconds(1000),
        };
        KeyEvidence {
            certificate: identity.certificate.clone(),
            intermediates: Vec::new(),
            signed_time_us: keys.signed_at.micros(),
            signature: identity.signer().unwrap().sign(&keys.message()).unwrap(),
        }
    }

    fn ceremony(authority: &TrialAuthority) -> Ceremony {
        let holders: Vec<Holder> = CODES
            .iter()
            .zip(1_u8..)
            .map(|(code, index)| Holder {
                index: i32::from(index),
                organization: format!("organizations/{code}"),
                display_name: format!("机构{code}"),
                identity_key: vec![index; 32],
                encryption_key: vec![index + 100; 32],
            })
            .collect();
        let evidence = holders
            .iter()
            .zip(CODES)
            .map(|(holder, code)| sign(holder, &identity(authority, code)))
            .collect();
        Ceremony {
            holders,
            evidence,
            ..Ceremony::default()
        }
    }

    #[test]
    fn keys_of_the_platforms_own_making_are_refused_by_name() {
        let authority = authority();
        let roots = Roots::new(vec![authority.certificate().to_vec()]).unwrap();
        let good = ceremony(&authority);
        assert_eq!(check(&good, ORIGIN, &roots), Ok(()));
        assert!(check(&good, "elsewhere", &roots).is_err());

        let sham = |change: &dyn Fn(&mut Ceremony)| {
            let mut ceremony = good.clone();
            change(&mut ceremony);
            check(&ceremony, ORIGIN, &roots).unwrap_err()
        };
        let found = sham(&|c| c.holders[1].identity_key = vec![77; 32]);
        assert_eq!(found.organization, format!("organizations/{}", CODES[1]));
        assert!(matches!(
            found.cause,
            UnvouchedCause::Keys(HolderKeysFault::Signature(_))
        ));
        sham(&|c| c.holders[2].encryption_key = vec![77; 32]);
        // Signed by a certificate of the platform's own authority.
        let own = self::authority();
        let found = sham(&|c| {
            c.holders[0].identity_key = vec![77; 32];
            c.evidence[0] = sign(&c.holders[0], &identity(&own, CODES[0]));
        });
        assert!(matches!(
            found.cause,
            UnvouchedCause::Keys(HolderKeysFault::Certificate(_))
        ));
        // Signed by another institution with a real certificate.
        let found = sham(&|c| {
            c.holders[0].identity_key = vec![77; 32];
            c.evidence[0] = sign(&c.holders[0], &identity(&authority, CODES[1]));
        });
        assert!(matches!(
            found.cause,
            UnvouchedCause::Keys(HolderKeysFault::OtherOrganization { .. })
        ));
        let found = sham(&|c| c.holders[0].display_name = "公证处".to_owned());
        assert!(matches!(
            found.cause,
            UnvouchedCause::Keys(HolderKeysFault::OtherName { .. })
        ));
        assert_eq!(
            sham(&|c| c.evidence.truncate(2)).cause,
            UnvouchedCause::Missing
        );
        let found = sham(&|c| {
            c.holders[2].organization = c.holders[0].organization.clone();
        });
        assert_eq!(found.cause, UnvouchedCause::TwoSeats);
    }
}
