//! What a certificate's key signs to prove that the caller has it. Every statement begins with
//! its own label, so that a signature for one purpose is worthless for any other.
//! Variable parts carry their length as four bytes, big-endian.

/// Length of a challenge, in bytes.
pub const CHALLENGE_BYTES: usize = 32;

/// Signing in: `"SEALBID-V1 sign-in\0" || challenge || length of origin || origin`. The origin
/// keeps one platform from passing its challenge off as another's.
pub fn sign_in(challenge: &[u8], origin: &str) -> Vec<u8> {
    let mut message = b"SEALBID-V1 sign-in\0".to_vec();
    append(&mut message, challenge);
    append(&mut message, origin.as_bytes());
    message
}

/// Registering: `"SEALBID-V1 registration\0" || challenge || digest`, where the digest is
/// [`Registration::digest`]: nobody can register the key under other particulars.
pub fn registration(challenge: &[u8], request_digest: &[u8; 32]) -> Vec<u8> {
    let mut message = b"SEALBID-V1 registration\0".to_vec();
    append(&mut message, challenge);
    message.extend_from_slice(request_digest);
    message
}

/// Everything that a registration says, as the key's holder signs it.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    pub origin: &'a str,
    pub request_id: &'a str,
    pub display_name: &'a str,
    /// The numbers of `OrganizationKind`, in the order of the request.
    pub kinds: &'a [i32],
    pub basic_account: &'a str,
    pub certificate: &'a [u8],
    pub identity_key: &'a [u8],
    pub encryption_key: &'a [u8],
    pub subject_display_name: &'a str,
}

impl Registration<'_> {
    /// SHA-256 of the fields in the order in which they stand above, each with its length;
    /// a kind is four bytes, big-endian.
    pub fn digest(&self) -> [u8; 32] {
        let kinds: Vec<u8> = self
            .kinds
            .iter()
            .flat_map(|kind| kind.to_be_bytes())
            .collect();
        let mut text = b"SEALBID-V1 registration request\0".to_vec();
        for part in [
            self.origin.as_bytes(),
            self.request_id.as_bytes(),
            self.display_name.as_bytes(),
            &kinds,
            self.basic_account.as_bytes(),
            self.certificate,
            self.identity_key,
            self.encryption_key,
            self.subject_display_name.as_bytes(),
        ] {
            append(&mut text, part);
        }
        crate::fingerprint(&text)
    }
}

pub(crate) fn append(message: &mut Vec<u8>, part: &[u8]) {
    // Requests are bounded far below 4 GiB; a longer part could only fail to verify.
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Registration<'static> {
        Registration {
            origin: "sunbid.example/log",
            request_id: "00000000-0000-4000-8000-000000000001",
            display_name: "甲公司",
            kinds: &[2],
            basic_account: "1",
            certificate: b"certificate",
            identity_key: b"",
            encryption_key: b"",
            subject_display_name: "甲",
        }
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let moved = Registration {
            identity_key: b"ab",
            encryption_key: b"c",
            ..sample()
        };
        let other = Registration {
            identity_key: b"a",
            encryption_key: b"bc",
            ..sample()
        };
        assert_ne!(moved.digest(), other.digest());
        assert_ne!(sample().digest(), moved.digest());
    }

    #[test]
    fn purposes_do_not_mix() {
        let challenge = [7; CHALLENGE_BYTES];
        let sign_in = sign_in(&challenge, "a");
        assert_ne!(sign_in, super::sign_in(&challenge, "b"));
        assert_ne!(sign_in, registration(&challenge, &[0; 32]));
        assert!(sign_in.starts_with(b"SEALBID-V1 sign-in\0"));
    }
}
