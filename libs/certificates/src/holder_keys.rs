//! What an institution signs for the keys with which it holds shares of tenders' keys, and whether
//! what was signed holds. It speaks for itself: whoever knows the roots needs no registry to know
//! whose keys they are. The certificate is judged at the time of signing, so that keys outlive it;
//! the time is the signer's word, and good against everybody but the thief of an expired key.

use sunbid_terms::{CreditCode, Instant};

use crate::{
    chain::verify_chain, fault::CertificateFault, holder::Holder, possession::append, roots::Roots,
    signature::SignatureFault, verify_signature,
};

/// An institution's statement: these two keys are mine on the platform called `origin`.
#[derive(Clone, Copy, Debug)]
pub struct HolderKeys<'a> {
    pub origin: &'a str,
    /// DER.
    pub certificate: &'a [u8],
    /// Ed25519, 32 bytes.
    pub identity_key: &'a [u8],
    /// ristretto255, 32 bytes.
    pub encryption_key: &'a [u8],
    pub signed_at: Instant,
}

/// Why keys are not shown to be an institution's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HolderKeysFault {
    #[error("its certificate is not accepted: {0}")]
    Certificate(#[from] CertificateFault),
    #[error("its keys are not signed by its certificate's key: {0}")]
    Signature(#[from] SignatureFault),
    #[error("the certificate that signed its keys is of {found}")]
    OtherOrganization { found: CreditCode },
    #[error("the certificate that signed its keys is of an organisation called \"{found}\"")]
    OtherName { found: String },
}

impl HolderKeysFault {
    /// The sentence in Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Certificate(fault) => format!("其证书不被接受：{}", fault.zh()),
            Self::Signature(fault) => format!("其密钥未由其证书的密钥签名：{}", fault.zh()),
            Self::OtherOrganization { found } => format!("为其密钥签名的证书属于{found}。"),
            Self::OtherName { found } => {
                format!("为其密钥签名的证书所载单位名称是“{found}”。")
            }
        }
    }
}

impl HolderKeys<'_> {
    /// `"SEALBID-V1 holder keys\0"`, then origin, certificate, identity key and encryption key, each
    /// after its length as four bytes, then microseconds since 1970 UTC as eight; all big-endian.
    pub fn message(&self) -> Vec<u8> {
        let mut message = b"SEALBID-V1 holder keys\0".to_vec();
        for part in [
            self.origin.as_bytes(),
            self.certificate,
            self.identity_key,
            self.encryption_key,
        ] {
            append(&mut message, part);
        }
        message.extend_from_slice(&self.signed_at.micros().to_be_bytes());
        message
    }

    /// Who signed for these keys, if the chain held when it did.
    pub fn verify(
        &self,
        intermediates: &[Vec<u8>],
        signature: &[u8],
        roots: &Roots,
    ) -> Result<Holder, HolderKeysFault> {
        let holder = verify_chain(self.certificate, intermediates, roots, self.signed_at)?;
        verify_signature(self.certificate, &self.message(), signature)?;
        Ok(holder)
    }

    /// The same, where the institution is known by credit code and name.
    pub fn verify_of(
        &self,
        credit_code: &str,
        display_name: &str,
        intermediates: &[Vec<u8>],
        signature: &[u8],
        roots: &Roots,
    ) -> Result<(), HolderKeysFault> {
        let holder = self.verify(intermediates, signature, roots)?;
        if holder.credit_code.as_str() != credit_code {
            return Err(HolderKeysFault::OtherOrganization {
                found: holder.credit_code,
            });
        }
        if holder.organization_name != display_name {
            return Err(HolderKeysFault::OtherName {
                found: holder.organization_name,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{TrialAuthority, TrialIdentity, TrialSubject};

    const CODE: &str = "91110108551385082Q";

    fn identity(authority: &TrialAuthority, until: i64) -> TrialIdentity {
        authority
            .issue(&TrialSubject {
                credit_code: CODE,
                organization: "机构",
                common_name: "经办人",
                not_before: Instant::from_seconds(0),
                not_after: Instant::from_seconds(until),
            })
            .unwrap()
    }

    fn keys<'a>(origin: &'a str, certificate: &'a [u8], encryption: &'a [u8]) -> HolderKeys<'a> {
        HolderKeys {
            origin,
            certificate,
            identity_key: &[1; 32],
            encryption_key: encryption,
            signed_at: Instant::from_seconds(500),
        }
    }

    #[test]
    fn only_what_the_institution_itself_signed_holds() {
        let (from, until) = (Instant::from_seconds(0), Instant::from_seconds(10_000));
        let authority = TrialAuthority::new("root", from, until).unwrap();
        let roots = Roots::new(vec![authority.certificate().to_vec()]).unwrap();
        let own = identity(&authority, 1000);
        let said = keys("a", &own.certificate, &[2; 32]);
        let signature = own.signer().unwrap().sign(&said.message()).unwrap();
        let verify = |said: &HolderKeys<'_>, code: &str, name: &str| {
            said.verify_of(code, name, &[], &signature, &roots)
        };
        assert_eq!(verify(&said, CODE, "机构"), Ok(()));
        assert!(matches!(
            verify(&said, "9144030071526726XG", "机构"),
            Err(HolderKeysFault::OtherOrganization { .. })
        ));
        assert!(matches!(
            verify(&said, CODE, "公证处"),
            Err(HolderKeysFault::OtherName { .. })
        ));
        let others = [
            keys("b", &own.certificate, &[2; 32]),
            keys("a", &own.certificate, &[3; 32]),
            HolderKeys {
                signed_at: Instant::from_seconds(501),
                ..said
            },
        ];
        for other in others {
            assert!(matches!(
                verify(&other, CODE, "机构"),
                Err(HolderKeysFault::Signature(_))
            ));
        }
        // Another authority's certificate in the same name: an operator's own.
        let sham = TrialAuthority::new("root", from, until).unwrap();
        let sham = identity(&sham, 1000);
        let said = keys("a", &sham.certificate, &[2; 32]);
        let signature = sham.signer().unwrap().sign(&said.message()).unwrap();
        assert!(matches!(
            said.verify_of(CODE, "机构", &[], &signature, &roots),
            Err(HolderKeysFault::Certificate(_))
        ));
    }

    #[test]
    fn a_certificate_is_judged_when_it_signed() {
        let (from, until) = (Instant::from_seconds(0), Instant::from_seconds(10_000));
        let authority = TrialAuthority::new("root", from, until).unwrap();
        let roots = Roots::new(vec![authority.certificate().to_vec()]).unwrap();
        let own = identity(&authority, 400);
        let said = keys("a", &own.certificate, &[2; 32]);
        let signature = own.signer().unwrap().sign(&said.message()).unwrap();
        assert!(matches!(
            said.verify(&[], &signature, &roots),
            Err(HolderKeysFault::Certificate(
                CertificateFault::Expired { .. }
            ))
        ));
    }
}
