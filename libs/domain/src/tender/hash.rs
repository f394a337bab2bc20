//! The hash of a tender's document: what the ceremony's holders make their key for.
//! Covers everything that suppliers bid on; not the state, not the key itself, and nothing that
//! changes after the ceremony starts.

use prost::Message;
use sunbid_contracts::tender::v1::{Tender, TenderState};
use sunbid_proofs::hash::{Hash, sha256};

/// Told apart from every other hash of the platform.
const PURPOSE: &[u8] = b"sunbid-tender-document-v1\0";

/// SHA-256 over the purpose and the tender's own fields in protobuf, fields in the order of their
/// numbers, defaults left out. The tender as drafted and as announced have the same hash.
pub fn document_hash(tender: &Tender) -> Hash {
    let document = Tender {
        state: TenderState::Unspecified as i32,
        hold: None,
        reviews: Vec::new(),
        holders: Vec::new(),
        threshold: 0,
        key_id: Vec::new(),
        public_key: Vec::new(),
        etag: 0,
        announce_time_us: 0,
        state_reason: String::new(),
        ..tender.clone()
    };
    sha256(&[PURPOSE, &document.encode_to_vec()])
}
