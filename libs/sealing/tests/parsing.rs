//! Whatever bytes a stranger sends: an answer, never a panic, and what is accepted is canonical.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use proptest::prelude::*;
use sunbid_sealing::ceremony::{CeremonyTerms, Message, Transcript};
use sunbid_sealing::{
    CheckedHeader, Class, Closing, Delivery, Effort, Header, Partial, Rescue, TenderKey,
    open_share_file,
};
use support::{sealed, standing_committee};

/// Gives the bytes to every reader; what one accepts it must write back unchanged.
fn read_all(bytes: &[u8]) {
    if let Ok(header) = Header::parse(bytes) {
        assert_eq!(header.encode(), bytes);
        let _ = header.check();
    }
    let _ = CheckedHeader::parse(bytes);
    if let Ok(partial) = Partial::parse(bytes) {
        assert_eq!(partial.encode().as_slice(), bytes);
    }
    if let Ok(delivery) = Delivery::parse(bytes) {
        assert_eq!(delivery.encode().as_slice(), bytes);
    }
    if let Ok(rescue) = Rescue::parse(bytes) {
        assert_eq!(rescue.encode().as_slice(), bytes);
    }
    if let Ok(key) = TenderKey::parse(bytes) {
        assert_eq!(key.encode(), bytes);
    }
    if let Ok(closing) = Closing::parse(bytes) {
        assert_eq!(closing.encode(), bytes);
    }
    if let Ok(message) = Message::parse(bytes) {
        assert_eq!(message.encode(), bytes);
    }
    if let Ok(terms) = CeremonyTerms::parse(bytes) {
        assert_eq!(terms.encode(), bytes);
    }
    if let Ok(transcript) = Transcript::parse(bytes) {
        assert_eq!(transcript.encode(), bytes);
    }
    let _ = open_share_file(bytes, &[0; 32], 1, b"", Effort::PRODUCTION);
}

/// One good record of each kind, to be damaged.
fn good_records() -> Vec<Vec<u8>> {
    let committee = standing_committee();
    let (sealed, _) = sealed(&committee.key, Class::Public, b"x", "parsing");
    vec![
        sealed.header.encode(),
        sealed.rescue.encode().to_vec(),
        committee.key.encode(),
        committee.transcript.terms.encode(),
        committee.transcript.packages[0].encode(),
        committee.transcript.encode(),
    ]
}

#[test]
fn good_records_are_read_back() {
    let committee = standing_committee();
    let bytes = committee.transcript.encode();
    assert_eq!(
        Transcript::parse(&bytes).as_ref(),
        Ok(&committee.transcript)
    );
    for record in good_records() {
        read_all(&record);
        for cut in 0..record.len().min(700) {
            read_all(&record[..cut]);
        }
        let longer = [record.as_slice(), &[0]].concat();
        assert!(Header::parse(&longer).is_err());
        assert!(Rescue::parse(&longer).is_err());
        assert!(TenderKey::parse(&longer).is_err());
        assert!(CeremonyTerms::parse(&longer).is_err());
        assert!(Message::parse(&longer).is_err());
        assert!(Transcript::parse(&longer).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_all(&bytes);
    }

    #[test]
    fn damaged_records_never_panic(
        kind in 0_usize..6,
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = good_records().swap_remove(kind);
        for (place, value) in places {
            let position = place.index(bytes.len());
            bytes[position] = value;
        }
        read_all(&bytes);
    }
}
