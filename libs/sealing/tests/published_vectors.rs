//! The published vectors of one tender, byte for byte, with every secret shown.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use serde_json::Value;
use sunbid_sealing::{
    CheckedHeader, Element, Header, KeyShare, Label, OpenError, OsRng, Partial, SealingKey,
    SecretScalar, StoreFault, TenderKey, Workers, check_payload, combine, combine_reporting,
    open_short, padded_of_sealed,
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/sealbid-vectors.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn element(value: &Value) -> Element {
    Element::decode(&array(value)).unwrap()
}

fn tender_key(vectors: &Value) -> TenderKey {
    let shares = vectors["shares"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| element(&s["y"]))
        .collect();
    let sealing = SealingKey::new(array(&vectors["key_id"]), element(&vectors["y"]));
    TenderKey::new(sealing, 3, shares).unwrap()
}

fn partials(vectors: &Value) -> Vec<Partial> {
    vectors["partials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let mut record = (entry["i"].as_u64().unwrap() as u16).to_be_bytes().to_vec();
            record.extend(bytes(&entry["d"]));
            record.extend(bytes(&entry["proof"]));
            let partial = Partial::parse(&record).unwrap();
            assert_eq!(partial.encode().as_slice(), record);
            partial
        })
        .collect()
}

#[test]
fn the_header_is_read_checked_and_written_back() {
    let vectors = vectors();
    let published = bytes(&vectors["header"]);
    let header = Header::parse(&published).unwrap();
    assert_eq!(header.encode(), published);
    assert_eq!(header.id(), array(&vectors["header_id"]));
    assert_eq!(
        header.subject().tender,
        Label::new("T-2026-000123").unwrap()
    );
    assert_eq!(header.payload_length(), 272);
    assert_eq!(padded_of_sealed(272), Some(256));
    let checked = header.check().unwrap();
    checked
        .agrees_with(&array(&vectors["key_id"]), &checked.subject().clone())
        .unwrap();
}

#[test]
fn shares_belong_to_the_key_and_give_the_published_partials() {
    let vectors = vectors();
    let key = tender_key(&vectors);
    let header = CheckedHeader::parse(&bytes(&vectors["header"])).unwrap();
    let close = array(&vectors["close"]);
    for (entry, published) in vectors["shares"]
        .as_array()
        .unwrap()
        .iter()
        .zip(partials(&vectors))
    {
        let holder = entry["i"].as_u64().unwrap() as u16;
        let secret = SecretScalar::decode(&array(&entry["x"])).unwrap();
        let share = KeyShare::of_key(&key, holder, secret).unwrap();
        let made = Partial::make(&key, &share, &header, &close, &mut OsRng).unwrap();
        // The proof is hedged with fresh randomness; holder and D are fixed.
        assert_eq!(made.encode()[..34], published.encode()[..34]);
        made.verify(&key, &header, &close).unwrap();
        published.verify(&key, &header, &close).unwrap();
    }
}

#[test]
fn every_three_of_five_open_and_no_two_do() {
    let vectors = vectors();
    let key = tender_key(&vectors);
    let header = CheckedHeader::parse(&bytes(&vectors["header"])).unwrap();
    let close = array(&vectors["close"]);
    let payload = bytes(&vectors["payload"]);
    let content = bytes(&vectors["content"]);
    let partials = partials(&vectors);
    for chosen in 0_u32..32 {
        let some: Vec<Partial> = partials
            .iter()
            .zip(0..)
            .filter(|(_, bit)| chosen >> bit & 1 == 1)
            .map(|(partial, _)| *partial)
            .collect();
        let combination = combine_reporting(&key, &header, &close, &some);
        assert!(combination.bad.is_empty());
        if chosen.count_ones() < 3 {
            assert!(combination.secret.is_err());
            continue;
        }
        let secret = combination.secret.unwrap();
        assert_eq!(secret.as_bytes(), &array(&vectors["z"]));
        assert_eq!(*open_short(&header, &secret, &payload).unwrap(), content);
    }
}

#[test]
fn the_payload_is_the_headers() {
    let vectors = vectors();
    let header = CheckedHeader::parse(&bytes(&vectors["header"])).unwrap();
    let payload = bytes(&vectors["payload"]);
    check_payload(&header, payload.as_slice(), Workers::ONE).unwrap();
    let key = tender_key(&vectors);
    let close = array(&vectors["close"]);
    let verified: Vec<_> = partials(&vectors)
        .iter()
        .map(|partial| partial.verify(&key, &header, &close).unwrap())
        .collect();
    let secret = combine(&key, &header, &verified).unwrap();
    for position in 0..payload.len() {
        let mut mauled = payload.clone();
        mauled[position] ^= 1;
        assert!(matches!(
            open_short(&header, &secret, &mauled),
            Err(OpenError::Store(StoreFault::Root { .. }))
        ));
    }
}
