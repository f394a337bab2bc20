//! Envelopes through the front door: what is sealed opens, whatever its length; what was changed
//! does not, and the fault is laid at the right door.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use std::io::Cursor;

use proptest::prelude::*;
use sunbid_sealing::{
    Bundle, BundleError, CHUNK, CheckedHeader, Class, Header, HeaderError, OpenError, Rescue,
    RescueError, SealError, SharedSecret, StoreFault, Subject, SupplierFault, TAG, Workers,
    check_payload, combine_reporting, open, open_checked, open_short, seal, supplier_message,
};
use support::{
    CLOSE, FixedStream, checked, committee, partials, sealed, standing_committee, subject,
};

fn content(length: usize) -> Vec<u8> {
    (0..length)
        .map(|position| (position * 31 + position / 251) as u8)
        .collect()
}

fn secret_of(header: &CheckedHeader) -> SharedSecret {
    let committee = standing_committee();
    let partials = partials(committee, header);
    combine_reporting(&committee.key, header, &CLOSE, &partials)
        .secret
        .unwrap()
}

#[test]
fn every_length_comes_back_with_one_and_with_several_workers() {
    let key = &standing_committee().key;
    let lengths = [
        0,
        1,
        7,
        247,
        248,
        249,
        4096,
        CHUNK - 8,
        CHUNK - 7,
        CHUNK,
        CHUNK + 1,
        3 * CHUNK + 5,
        6 * CHUNK,
    ];
    for length in lengths {
        let content = content(length);
        let mut payloads = Vec::new();
        for workers in [Workers::ONE, Workers::new(3)] {
            let mut payload = Vec::new();
            let sealed = seal(
                key.sealing(),
                &subject(Class::Public, 0),
                length as u64,
                content.as_slice(),
                &mut payload,
                workers,
                &mut FixedStream::new("lengths"),
            )
            .unwrap();
            let header = checked(&sealed);
            check_payload(&header, payload.as_slice(), workers).unwrap();
            let secret = secret_of(&header);
            let mut opened = Vec::new();
            let found = open(&header, &secret, payload.as_slice(), &mut opened, workers).unwrap();
            assert_eq!(
                (found, &opened),
                (length as u64, &content),
                "{length} bytes"
            );
            opened.clear();
            open_checked(
                &header,
                &secret,
                Cursor::new(&payload),
                &mut opened,
                workers,
            )
            .unwrap();
            assert_eq!(opened, content);
            payloads.push((header.encode(), payload));
        }
        // The same randomness gives the same bytes, however many workers there are.
        assert!(payloads.iter().all(|other| other == &payloads[0]));
    }
}

#[test]
fn content_of_another_length_than_stated_is_not_sealed() {
    let key = standing_committee().key.sealing();
    for (stated, given) in [(10_u64, 9), (10, 11), (CHUNK as u64, 3), (0, 1)] {
        let outcome = seal(
            key,
            &subject(Class::Public, 0),
            stated,
            content(given).as_slice(),
            std::io::sink(),
            Workers::new(2),
            &mut FixedStream::new("short"),
        );
        match outcome {
            Err(SealError::Short { length }) => {
                assert!(length == stated && given < stated as usize)
            }
            Err(SealError::Long { length }) => assert!(length == stated && given > stated as usize),
            other => panic!("{other:?}"),
        }
    }
    let outcome = seal(
        key,
        &subject(Class::Public, 0),
        u64::MAX,
        std::io::repeat(0),
        std::io::sink(),
        Workers::ONE,
        &mut FixedStream::new("long"),
    );
    assert!(matches!(
        outcome,
        Err(SealError::TooLong { length: u64::MAX })
    ));
}

#[test]
fn any_changed_byte_of_a_header_is_refused() {
    let (sealed, _) = sealed(&standing_committee().key, Class::Public, b"price", "flip");
    let bytes = sealed.header.encode();
    assert_eq!(Header::parse(&bytes).as_ref(), Ok(&sealed.header));
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            assert!(
                CheckedHeader::parse(&changed).is_err(),
                "byte {position} bit {bit}"
            );
        }
        assert!(Header::parse(&bytes[..position]).is_err());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(Header::parse(&longer), Err(HeaderError::Form(_))));
}

#[test]
fn a_header_says_what_it_was_submitted_for_or_is_refused() {
    let committee = standing_committee();
    let (sealed, _) = sealed(&committee.key, Class::Public, b"price", "agrees");
    let header = checked(&sealed);
    let right = header.subject().clone();
    header.agrees_with(committee.key.id(), &right).unwrap();
    assert!(header.agrees_with(&[0; 32], &right).is_err());
    let other = support::subject(Class::Evaluators, 3);
    let wrong = [
        Subject {
            class: other.class,
            ..right.clone()
        },
        Subject {
            part: 3,
            ..right.clone()
        },
        Subject {
            revision: 2,
            ..right.clone()
        },
        Subject {
            not_before: right.not_before + 1,
            ..right.clone()
        },
        Subject {
            lot: right.tender.clone(),
            ..right.clone()
        },
        Subject {
            tender: right.lot.clone(),
            ..right.clone()
        },
        Subject {
            bidder: right.lot.clone(),
            ..right.clone()
        },
    ];
    for wrong in wrong {
        let refused = header.agrees_with(committee.key.id(), &wrong).unwrap_err();
        assert!(matches!(refused, HeaderError::Differs { .. }), "{refused}");
    }
}

#[test]
fn chunks_cannot_be_swapped_cut_added_or_marked_as_last() {
    let (sealed, payload) = sealed(
        &standing_committee().key,
        Class::Public,
        &content(3 * CHUNK),
        "chunks",
    );
    let header = checked(&sealed);
    let secret = secret_of(&header);
    let whole = CHUNK + TAG;
    let mut swapped = payload.clone();
    swapped[..2 * whole].rotate_left(whole);
    let cut = &payload[..whole];
    let short = &payload[..payload.len() - 1];
    let mut extended = payload.clone();
    extended.push(0);
    let mut more = payload.clone();
    more.extend_from_slice(&payload[..whole]);
    for changed in [&swapped, cut, short, &extended, &more] {
        for workers in [Workers::ONE, Workers::new(3)] {
            let opened = open(&header, &secret, changed, std::io::sink(), workers);
            assert!(matches!(opened, Err(OpenError::Store(_))));
            let checked = check_payload(&header, changed, workers);
            assert!(matches!(checked, Err(OpenError::Store(_))));
        }
    }
    // Read twice, nothing is written before the root is known to be right.
    let mut written = Vec::new();
    let mut late = payload.clone();
    *late.last_mut().unwrap() ^= 1;
    let outcome = open_checked(
        &header,
        &secret,
        Cursor::new(&late),
        &mut written,
        Workers::new(2),
    );
    assert!(matches!(
        outcome,
        Err(OpenError::Store(StoreFault::Root { .. }))
    ));
    assert!(written.is_empty());
}

#[test]
fn another_secret_than_the_headers_is_laid_to_the_supplier() {
    let key = &standing_committee().key;
    let (one, payload) = sealed(key, Class::Public, b"one", "one");
    let (two, _) = sealed(key, Class::Public, b"two", "two");
    let secret = secret_of(&checked(&two));
    let opened = open_short(&checked(&one), &secret, &payload);
    assert!(matches!(
        opened,
        Err(OpenError::Supplier(SupplierFault::KeyCommitment))
    ));
}

#[test]
fn a_published_rescue_file_opens_its_envelope_and_no_other() {
    let key = &standing_committee().key;
    let (sealed_one, payload) = sealed(key, Class::Evaluators, b"rescued", "rescue");
    let header = checked(&sealed_one);
    let file = sealed_one.rescue.encode();
    let rescue = Rescue::parse(&file).unwrap();
    let secret = rescue.shared_secret(key.sealing(), &header).unwrap();
    assert_eq!(*open_short(&header, &secret, &payload).unwrap(), b"rescued");

    let (other, _) = sealed(key, Class::Evaluators, b"rescued", "other");
    let refused = rescue.shared_secret(key.sealing(), &checked(&other));
    assert!(matches!(refused, Err(RescueError::OtherEnvelope)));
    let mut mixed = file.to_vec();
    mixed.truncate(40);
    mixed.extend(other.header.encode());
    assert!(matches!(
        Rescue::parse(&mixed),
        Err(RescueError::OtherEnvelope)
    ));
    let other_key = committee("other key").key;
    let refused = rescue.shared_secret(other_key.sealing(), &header);
    assert!(matches!(refused, Err(RescueError::OtherKey)));
    for position in 0..file.len() {
        assert!(Rescue::parse(&file[..position]).is_err());
    }
}

#[test]
fn a_bundle_is_one_bid_in_one_order() {
    let key = &standing_committee().key;
    let headers: Vec<_> = [Class::Public, Class::Evaluators, Class::AfterDecision]
        .into_iter()
        .map(|class| checked(&sealed(key, class, b"part", &format!("bundle {class:?}")).0))
        .collect();
    let [a, b, c] = headers.each_ref_array();
    let bundle = Bundle::of(&[a, b, c]).unwrap();
    assert_eq!(bundle.id(), Bundle::of(&[c, a, b]).unwrap().id());
    assert_eq!(bundle.envelopes(), [*a.id(), *b.id(), *c.id()]);
    assert_ne!(bundle.id(), Bundle::of(&[a, b]).unwrap().id());
    assert_eq!(Bundle::of(&[]), Err(BundleError::Empty));
    assert_eq!(Bundle::of(&[a, a]), Err(BundleError::Repeated { part: 0 }));
    // The same randomness twice: opening one part would open the other.
    let reused = checked(&sealed(key, Class::Evaluators, b"part", "bundle Public").0);
    assert_eq!(Bundle::of(&[a, &reused]), Err(BundleError::ReusedSecret));
    let message = supplier_message(b"certificate", &bundle.id());
    assert_eq!(message.len(), 30 + 11 + 32);
    assert!(message.starts_with(b"SEALBID-V1 supplier signature\0certificate"));
}

trait EachRef {
    fn each_ref_array(&self) -> [&CheckedHeader; 3];
}

impl EachRef for Vec<CheckedHeader> {
    fn each_ref_array(&self) -> [&CheckedHeader; 3] {
        self.iter().collect::<Vec<_>>().try_into().unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_content_comes_back_and_any_change_is_seen(
        content in proptest::collection::vec(any::<u8>(), 0..3000),
        place: prop::sample::Index,
        flip in 1_u8..,
    ) {
        let (sealed, payload) =
            sealed(&standing_committee().key, Class::Public, &content, "property");
        let header = checked(&sealed);
        let key = standing_committee().key.sealing();
        let secret = sealed.rescue.shared_secret(key, &header).unwrap();
        prop_assert_eq!(&*open_short(&header, &secret, &payload).unwrap(), &content);
        let mut changed = payload.clone();
        changed[place.index(payload.len())] ^= flip;
        let refused = open_short(&header, &secret, &changed);
        prop_assert!(matches!(refused, Err(OpenError::Store(StoreFault::Root { .. }))), "seen");
    }
}
