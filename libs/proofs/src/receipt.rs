//! The platform's receipt for a bid, a replacement or a withdrawal: its canonical bytes, signing
//! and checking. Carries no position in the log: before the opening nobody learns how many there are.

use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

use crate::hash::Hash;
use crate::id::LogId;

/// What is signed first, so that the key's other signatures can never be receipts.
const PURPOSE: &[u8] = b"SUNBID-V1 receipt\0";

/// What the platform says it has on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// "tenders/{uuid}".
    pub tender: String,
    pub lot_id: String,
    /// The bundle received; for a withdrawal the bundle withdrawn.
    pub bundle: Vec<u8>,
    pub revision: u64,
    pub withdrawal: bool,
    /// Microseconds since 1970 UTC.
    pub accept_time_us: i64,
    /// Leaf of the record in the tender's bid log.
    pub leaf: Hash,
    pub log: LogId,
}

/// A receipt that the platform did not sign, or not like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the receipt does not carry the platform's signature over these very fields")]
pub struct ReceiptForged;

impl Receipt {
    /// The bytes that are signed: `PURPOSE`, then each field as u32 length and bytes; numbers
    /// big-endian, the withdrawal flag one byte 0 or 1.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = PURPOSE.to_vec();
        let fields: [&[u8]; 8] = [
            self.tender.as_bytes(),
            self.lot_id.as_bytes(),
            &self.bundle,
            &self.revision.to_be_bytes(),
            &[u8::from(self.withdrawal)],
            &self.accept_time_us.to_be_bytes(),
            &self.leaf,
            self.log.as_bytes(),
        ];
        for field in fields {
            // Every field travels in a gRPC message, whose length is far below 2^32.
            bytes.extend_from_slice(&(field.len() as u32).to_be_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }

    /// Ed25519 over the canonical bytes: the same receipt always has the same signature.
    pub fn sign(&self, key: &Ed25519KeyPair) -> Vec<u8> {
        key.sign(&self.signed_bytes()).as_ref().to_vec()
    }

    /// Whether `signature` was made over this receipt by the holder of the public `key`, 32 bytes.
    pub fn verify(&self, signature: &[u8], key: &[u8]) -> Result<(), ReceiptForged> {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&self.signed_bytes(), signature)
            .map_err(|_| ReceiptForged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::signature::KeyPair;

    use super::*;

    fn key(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn receipt() -> Receipt {
        Receipt {
            tender: "tenders/t".into(),
            lot_id: "01".into(),
            bundle: vec![1; 32],
            revision: 2,
            withdrawal: false,
            accept_time_us: 1_700_000_000_000_000,
            leaf: [3; 32],
            log: LogId::of("bid", "tenders/t"),
        }
    }

    #[test]
    fn only_the_same_fields_under_the_same_key_verify() {
        let signed = receipt();
        let signature = signed.sign(&key(1));
        let public = key(1).public_key().as_ref().to_vec();
        assert_eq!(signature, signed.sign(&key(1)));
        assert_eq!(signed.verify(&signature, &public), Ok(()));
        let changed = [
            Receipt {
                tender: "tenders/t0".into(),
                ..receipt()
            },
            // A byte moved between neighbouring fields.
            Receipt {
                tender: "tenders/t0".into(),
                lot_id: "1".into(),
                ..receipt()
            },
            Receipt {
                bundle: vec![2; 32],
                ..receipt()
            },
            Receipt {
                revision: 3,
                ..receipt()
            },
            Receipt {
                withdrawal: true,
                ..receipt()
            },
            Receipt {
                accept_time_us: 0,
                ..receipt()
            },
            Receipt {
                leaf: [4; 32],
                ..receipt()
            },
            Receipt {
                log: LogId::of("bid", "tenders/u"),
                ..receipt()
            },
        ];
        for other in changed {
            assert_eq!(
                other.verify(&signature, &public),
                Err(ReceiptForged),
                "{other:?}"
            );
        }
        let stranger = key(2).public_key().as_ref().to_vec();
        assert_eq!(signed.verify(&signature, &stranger), Err(ReceiptForged));
        assert_eq!(signed.verify(&signature[1..], &public), Err(ReceiptForged));
        assert_eq!(signed.verify(&signature, &public[1..]), Err(ReceiptForged));
    }

    proptest! {
        #[test]
        fn no_two_receipts_share_their_bytes(
            left in ("[a-z]{0,4}", "[a-z]{0,4}", proptest::collection::vec(0_u8..3, 0..4)),
            right in ("[a-z]{0,4}", "[a-z]{0,4}", proptest::collection::vec(0_u8..3, 0..4)),
        ) {
            let of = |(tender, lot_id, bundle): (String, String, Vec<u8>)| {
                Receipt { tender, lot_id, bundle, ..receipt() }
            };
            let (left, right) = (of(left), of(right));
            prop_assert_eq!(left == right, left.signed_bytes() == right.signed_bytes());
        }
    }
}
