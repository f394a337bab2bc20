//! Partials and deliveries: any t open and fewer do not; every way to pass off a wrong one, or to
//! make a holder open something else, is refused by name.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use std::sync::OnceLock;

use proptest::prelude::*;
use sunbid_sealing::{
    CheckedHeader, Class, CombineError, Delivery, DeliveryError, Header, HeaderError, KeyShare,
    OsRng, Partial, PartialError, SealingKey, SecretScalar, TenderKey, TenderKeyError, combine,
    combine_deliveries, combine_reporting, open_short,
};
use support::{CLOSE, Committee, checked, committee, partials, sealed, standing_committee};

fn one_envelope() -> &'static (CheckedHeader, Vec<u8>) {
    static ENVELOPE: OnceLock<(CheckedHeader, Vec<u8>)> = OnceLock::new();
    ENVELOPE.get_or_init(|| {
        let key = &standing_committee().key;
        let (sealed, payload) = sealed(key, Class::Public, b"1,234,567.89", "opening");
        (checked(&sealed), payload)
    })
}

fn chosen<T: Copy>(all: &[T], bits: u32) -> Vec<T> {
    all.iter()
        .zip(0..)
        .filter(|(_, bit)| bits >> bit & 1 == 1)
        .map(|(one, _)| *one)
        .collect()
}

#[test]
fn any_three_open_no_two_do_and_repeats_do_not_count() {
    let committee = standing_committee();
    let (header, payload) = one_envelope();
    let all = partials(committee, header);
    for bits in 0_u32..32 {
        let combination = combine_reporting(&committee.key, header, &CLOSE, &chosen(&all, bits));
        match combination.secret {
            Ok(secret) => {
                assert!(bits.count_ones() >= 3);
                assert_eq!(
                    *open_short(header, &secret, payload).unwrap(),
                    b"1,234,567.89"
                );
            }
            Err(error) => {
                assert!(bits.count_ones() < 3);
                let valid = bits.count_ones() as usize;
                assert_eq!(
                    error,
                    CombineError::TooFew {
                        valid,
                        threshold: 3
                    }
                );
            }
        }
    }
    let repeated = [all[0], all[0], all[1], all[1], all[0]];
    let combination = combine_reporting(&committee.key, header, &CLOSE, &repeated);
    let few = CombineError::TooFew {
        valid: 2,
        threshold: 3,
    };
    assert_eq!(combination.secret.unwrap_err(), few);
}

#[test]
fn bad_partials_are_named_and_the_others_suffice() {
    let committee = standing_committee();
    let (header, payload) = one_envelope();
    let mut all = partials(committee, header);
    let (other, _) = sealed(&committee.key, Class::Public, b"other", "another envelope");
    all[1] = partials(committee, &checked(&other))[1];
    // Holder 4 passes off holder 5's work as its own.
    let mut stolen = all[4].encode();
    stolen[1] = 4;
    all[3] = Partial::parse(&stolen).unwrap();
    let combination = combine_reporting(&committee.key, header, &CLOSE, &all);
    let named: Vec<_> = combination
        .bad
        .iter()
        .map(|bad| (bad.holder, bad.why))
        .collect();
    let expected = [2, 4]
        .map(|holder| (holder, PartialError::Proof { holder }))
        .to_vec();
    assert_eq!(named, expected);
    let secret = combination.secret.unwrap();
    assert!(open_short(header, &secret, payload).is_ok());
}

#[test]
fn a_partial_is_bound_to_holder_envelope_close_and_key() {
    let committee = standing_committee();
    let (header, _) = one_envelope();
    let good = partials(committee, header)[0];
    let key = &committee.key;
    good.verify(key, header, &CLOSE).unwrap();
    assert_eq!(
        good.verify(key, header, &[8; 32]).unwrap_err(),
        PartialError::Proof { holder: 1 }
    );
    for (index, expected) in [
        (2, PartialError::Proof { holder: 2 }),
        (6, PartialError::Holder { holder: 6 }),
    ] {
        let mut record = good.encode();
        record[1] = index;
        let moved = Partial::parse(&record).unwrap();
        assert_eq!(moved.verify(key, header, &CLOSE).unwrap_err(), expected);
    }
    let mut zero = good.encode();
    zero[1] = 0;
    assert_eq!(
        Partial::parse(&zero),
        Err(PartialError::Holder { holder: 0 })
    );
    let (other, _) = sealed(key, Class::Public, b"other", "bound");
    let other = checked(&other);
    assert!(good.verify(key, &other, &CLOSE).is_err());
    let verified = good.verify(key, header, &CLOSE).unwrap();
    assert!(matches!(
        combine(key, &other, &[verified]),
        Err(CombineError::OtherEnvelope { holder: 1 })
    ));
    let foreign: Committee = support::committee("foreign");
    let refused = good.verify(&foreign.key, header, &CLOSE);
    assert_eq!(refused.unwrap_err(), PartialError::OtherKey);
    let refused = Partial::make(
        &committee.key,
        &foreign.shares[0],
        header,
        &CLOSE,
        &mut OsRng,
    );
    assert_eq!(refused, Err(PartialError::Holder { holder: 1 }));
}

/// A holder is no decryption oracle: whatever is made from another's ciphertext has no true proof,
/// and without one there is no [`CheckedHeader`] to give a partial for.
#[test]
fn a_mauled_or_relabelled_ciphertext_never_reaches_a_holder() {
    let key = &standing_committee().key;
    let (victim, _) = sealed(key, Class::Public, b"victim", "victim");
    let (thief, _) = sealed(key, Class::Public, b"thief", "thief");
    let (victim, thief) = (victim.header.encode(), thief.header.encode());
    let length = victim.len();
    // The thief's header with the victim's elements and proof, in all combinations.
    let (elements, proof) = (length - 200..length - 136, length - 64..length);
    for (take_elements, take_proof) in [(true, true), (true, false), (false, true)] {
        let mut mixed = thief.clone();
        if take_elements {
            mixed[elements.clone()].copy_from_slice(&victim[elements.clone()]);
        }
        if take_proof {
            mixed[proof.clone()].copy_from_slice(&victim[proof.clone()]);
        }
        assert_eq!(CheckedHeader::parse(&mixed), Err(HeaderError::Proof));
    }
    // The victim's envelope under another bidder's name, or earlier, or as a public part.
    let header = Header::parse(&victim).unwrap();
    let name = b"Supplier A";
    let place = victim
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    let mut renamed = victim.clone();
    renamed[place + name.len() - 1] = b'B';
    assert_eq!(CheckedHeader::parse(&renamed), Err(HeaderError::Proof));
    assert_eq!(header.encode(), victim);
}

/// Moving a byte between tender and lot changes what is proved.
#[test]
fn tender_and_lot_cannot_flow_into_each_other() {
    let (sealed, _) = sealed(&standing_committee().key, Class::Public, b"x", "flow");
    let bytes = sealed.header.encode();
    let tender = b"T-2026-000456";
    let start = 42;
    assert_eq!(bytes[start] as usize, tender.len());
    let mut moved = bytes.clone();
    // The tender's last byte becomes the lot's first: lengths 12 and 3.
    moved[start] = 12;
    moved[start + 13] = 3;
    moved[start + 14] = bytes[start + 13];
    assert_ne!(
        CheckedHeader::parse(&moved).map(|h| *h.id()),
        Ok(sealed.header.id())
    );
    assert!(CheckedHeader::parse(&moved).is_err());
}

#[test]
fn loose_elements_and_the_identity_are_refused_in_every_record() {
    let committee = standing_committee();
    let (header, _) = one_envelope();
    let partial = partials(committee, header)[0].encode();
    let header = header.encode();
    let length = header.len();
    let mut loose = [0xff; 32];
    (loose[0], loose[31]) = (0xed, 0x7f);
    for bad in [[0; 32], loose, [0xff; 32]] {
        for offset in [length - 200, length - 168] {
            let mut changed = header.clone();
            changed[offset..offset + 32].copy_from_slice(&bad);
            assert!(matches!(
                Header::parse(&changed),
                Err(HeaderError::Element { .. })
            ));
        }
        let mut changed = partial;
        changed[2..34].copy_from_slice(&bad);
        assert!(matches!(
            Partial::parse(&changed),
            Err(PartialError::Values(_))
        ));
    }
    // A response with the group order added means the same number and is refused all the same.
    let order =
        hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut changed = header.clone();
    let mut carry = 0_u16;
    for (byte, add) in changed[length - 32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(Header::parse(&changed), Err(HeaderError::Proof));
}

#[test]
fn a_key_whose_shares_do_not_fit_is_refused() {
    let committee = standing_committee();
    let key = &committee.key;
    assert_eq!(TenderKey::parse(&key.encode()).as_ref(), Ok(key));
    let shares: Vec<_> = (1..=5).map(|holder| *key.share(holder).unwrap()).collect();
    for position in 0..5 {
        let mut wrong = shares.clone();
        wrong[position] = SecretScalar::random(&mut OsRng).unwrap().public();
        let refused = TenderKey::new(key.sealing().clone(), 3, wrong);
        assert_eq!(refused, Err(TenderKeyError::Inconsistent));
    }
    let other = SecretScalar::random(&mut OsRng).unwrap().public();
    let refused = TenderKey::new(SealingKey::new(*key.id(), other), 3, shares.clone());
    assert_eq!(refused, Err(TenderKeyError::Inconsistent));
    for threshold in [0, 1, 2, 5, 6] {
        let refused = TenderKey::new(key.sealing().clone(), threshold, shares.clone());
        assert_eq!(
            refused,
            Err(TenderKeyError::Threshold {
                threshold,
                holders: 5
            })
        );
    }
    // Raised: the same shares under a threshold they do not have still fit a higher degree, but
    // the key's bytes are fixed by its certificate, and three of them no longer combine.
    for holder in 1..=5 {
        let stranger = KeyShare::of_key(key, holder, SecretScalar::random(&mut OsRng).unwrap());
        assert_eq!(stranger.unwrap_err(), TenderKeyError::Inconsistent);
    }
}

struct Restricted {
    header: CheckedHeader,
    payload: Vec<u8>,
    reader: SecretScalar,
    deliveries: Vec<Delivery>,
}

const DECISION: [u8; 32] = [5; 32];

fn restricted() -> &'static Restricted {
    static RESTRICTED: OnceLock<Restricted> = OnceLock::new();
    RESTRICTED.get_or_init(|| {
        let committee = standing_committee();
        let (sealed, payload) = sealed(
            &committee.key,
            Class::AfterDecision,
            b"technical part",
            "restricted",
        );
        let header = checked(&sealed);
        let reader = SecretScalar::random(&mut OsRng).unwrap();
        let to = reader.public();
        let deliveries = committee
            .shares
            .iter()
            .map(|share| {
                Delivery::make(&committee.key, share, &header, &DECISION, &to, &mut OsRng).unwrap()
            })
            .collect();
        Restricted {
            header,
            payload,
            reader,
            deliveries,
        }
    })
}

#[test]
fn any_three_deliveries_open_to_their_reader_only() {
    let key = &standing_committee().key;
    let Restricted {
        header,
        payload,
        reader,
        deliveries,
    } = restricted();
    let verified: Vec<_> = deliveries
        .iter()
        .map(|one| {
            one.verify(key, header, &DECISION, &reader.public())
                .unwrap()
        })
        .collect();
    for bits in 0_u32..32 {
        match combine_deliveries(key, header, reader, &chosen(&verified, bits)) {
            Ok(secret) => {
                assert!(bits.count_ones() >= 3);
                assert_eq!(
                    *open_short(header, &secret, payload).unwrap(),
                    b"technical part"
                );
            }
            Err(_) => assert!(bits.count_ones() < 3),
        }
    }
    let stranger = SecretScalar::random(&mut OsRng).unwrap();
    let secret = combine_deliveries(key, header, &stranger, &verified).unwrap();
    assert!(open_short(header, &secret, payload).is_err());
}

#[test]
fn a_delivery_is_bound_to_reader_decision_holder_and_envelope() {
    let committee = standing_committee();
    let key = &committee.key;
    let Restricted {
        header,
        reader,
        deliveries,
        ..
    } = restricted();
    let one = deliveries[0];
    let to = reader.public();
    let proof = DeliveryError::Proof { holder: 1 };
    let stranger = SecretScalar::random(&mut OsRng).unwrap().public();
    assert_eq!(
        one.verify(key, header, &DECISION, &stranger).unwrap_err(),
        proof
    );
    assert_eq!(one.verify(key, header, &CLOSE, &to).unwrap_err(), proof);
    let (other, _) = sealed(key, Class::AfterDecision, b"other", "other restricted");
    assert_eq!(
        one.verify(key, &checked(&other), &DECISION, &to)
            .unwrap_err(),
        proof
    );
    let mut record = one.encode();
    record[1] = 2;
    let moved = Delivery::parse(&record)
        .unwrap()
        .verify(key, header, &DECISION, &to);
    assert_eq!(moved.unwrap_err(), DeliveryError::Proof { holder: 2 });
    // Classes do not mix: no public partial on a restricted part, no delivery of a public one.
    let refused = Partial::make(key, &committee.shares[0], header, &CLOSE, &mut OsRng);
    assert_eq!(refused, Err(PartialError::Restricted { class: 2 }));
    let (public, _) = one_envelope();
    let refused = Delivery::make(key, &committee.shares[0], public, &CLOSE, &to, &mut OsRng);
    assert_eq!(refused, Err(DeliveryError::NotRestricted));
    let foreign = committee_key();
    let refused = one.verify(&foreign, header, &DECISION, &to);
    assert_eq!(refused.unwrap_err(), DeliveryError::OtherKey);
}

fn committee_key() -> TenderKey {
    committee("foreign to deliveries").key
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_changed_byte_of_a_partial_is_refused(
        position in 0..Partial::LENGTH,
        flip in 1_u8..,
        holder in 0_usize..5,
    ) {
        let committee = standing_committee();
        let (header, _) = one_envelope();
        let mut record = partials(committee, header)[holder].encode();
        record[position] ^= flip;
        let accepted = Partial::parse(&record)
            .and_then(|partial| partial.verify(&committee.key, header, &CLOSE));
        prop_assert!(accepted.is_err());
    }

    #[test]
    fn any_changed_byte_of_a_delivery_is_refused(
        position in 0..Delivery::LENGTH,
        flip in 1_u8..,
        holder in 0_usize..5,
    ) {
        let Restricted { header, reader, deliveries, .. } = restricted();
        let mut record = deliveries[holder].encode();
        record[position] ^= flip;
        let key = &standing_committee().key;
        let accepted = Delivery::parse(&record)
            .and_then(|delivery| delivery.verify(key, header, &DECISION, &reader.public()));
        prop_assert!(accepted.is_err());
    }
}
