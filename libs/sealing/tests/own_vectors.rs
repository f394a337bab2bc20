//! Our own vectors: made again byte for byte, and read as a stranger would who has only the file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use serde_json::Value;
use sunbid_sealing::ceremony::{
    Canary, CeremonyTerms, Transcript, verify_canary, verify_transcript,
};
use sunbid_sealing::{
    Bundle, CheckedHeader, CloseSignature, Closing, Delivery, Effort, Element, Header, IdentityKey,
    KeyShare, Partial, Rescue, SecretScalar, Status, TenderKey, check_quorum, combine_deliveries,
    combine_reporting, open_share_file, open_short, supplier_message,
};
use support::strings;

const FILE: &str = include_str!("vectors/tender-vectors.json");

fn vectors() -> Value {
    serde_json::from_str(FILE).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

#[test]
fn the_file_is_what_this_library_makes() {
    assert_eq!(
        support::vectors::make(),
        vectors(),
        "write it anew with: cargo run -p sunbid-sealing --example write_vectors"
    );
}

fn key(vectors: &Value) -> (CeremonyTerms, TenderKey) {
    let transcript = Transcript::parse(&bytes(&vectors["ceremony"]["transcript"])).unwrap();
    let key = verify_transcript(&transcript).unwrap();
    (transcript.terms, key)
}

#[test]
fn the_ceremony_gives_the_key_and_the_shares() {
    let vectors = vectors();
    let (terms, key) = key(&vectors);
    let ceremony = &vectors["ceremony"];
    assert_eq!(terms.encode(), bytes(&ceremony["terms"]));
    assert_eq!(*terms.id(), array(&ceremony["ceremony_id"]));
    assert_eq!(*key.id(), array(&ceremony["key_id"]));
    assert_eq!(key.encode(), bytes(&ceremony["tender_key"]));
    for (holder, named) in vectors["holders"]
        .as_array()
        .unwrap()
        .iter()
        .zip(terms.holders())
    {
        let identity = IdentityKey::from_seed(&array(&holder["identity_seed"])).unwrap();
        assert_eq!(
            (identity.public(), *identity.public()),
            (&named.identity, array(&holder["identity"]))
        );
        let encryption = SecretScalar::decode(&array(&holder["encryption_secret"])).unwrap();
        assert_eq!(encryption.public(), named.encryption);
        let index = holder["holder"].as_u64().unwrap() as u16;
        let secret = SecretScalar::decode(&array(&holder["share"])).unwrap();
        let share = KeyShare::of_key(&key, index, secret).unwrap();
        assert_eq!(
            *share.public(),
            Element::decode(&array(&holder["public_share"])).unwrap()
        );
    }
    let canary = Canary {
        header: Header::parse(&bytes(&vectors["canary"]["header"])).unwrap(),
        payload: bytes(&vectors["canary"]["payload"]),
    };
    let answers: Vec<_> = strings(&vectors["canary"]["partials"])
        .map(|record| Partial::parse(&hex::decode(record).unwrap()).unwrap())
        .collect();
    verify_canary(&terms, &key, &canary, &answers).unwrap();
}

#[test]
fn bundle_and_closing_have_their_hashes_and_signatures() {
    let vectors = vectors();
    let headers: Vec<_> = vectors["envelopes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|envelope| CheckedHeader::parse(&bytes(&envelope["header"])).unwrap())
        .collect();
    let bundle = Bundle::of(&headers.iter().collect::<Vec<_>>())
        .unwrap()
        .id();
    assert_eq!(bundle, array(&vectors["bundle"]["id"]));
    let message = supplier_message(&bytes(&vectors["bundle"]["certificate"]), &bundle);
    assert_eq!(message, bytes(&vectors["bundle"]["supplier_message"]));

    let closing = Closing::parse(&bytes(&vectors["closing"]["record"])).unwrap();
    let close = closing.hash();
    assert_eq!(close, array(&vectors["closing"]["close"]));
    let live = closing
        .entries()
        .iter()
        .find(|entry| entry.status == Status::Live)
        .unwrap();
    assert_eq!(live.bundle, bundle);
    assert_eq!(closing.entries().len(), 5);
    let signatures: Vec<_> = vectors["closing"]["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| CloseSignature {
            holder: one["holder"].as_u64().unwrap() as u16,
            signature: array(&one["signature"]),
        })
        .collect();
    let (terms, _) = key(&vectors);
    let signed = check_quorum(&close, &terms.identities(), terms.threshold(), &signatures);
    assert_eq!(signed, Ok(vec![1, 2, 3, 4, 5]));
}

#[test]
fn every_envelope_opens_by_its_records_and_by_its_rescue_file() {
    let vectors = vectors();
    let (_, key) = key(&vectors);
    let reader = SecretScalar::decode(&array(&vectors["reader"]["secret"])).unwrap();
    for envelope in vectors["envelopes"].as_array().unwrap() {
        let header = CheckedHeader::parse(&bytes(&envelope["header"])).unwrap();
        assert_eq!(*header.id(), array(&envelope["header_id"]));
        let warrant = array(&envelope["warrant"]);
        let secret = if envelope["partials"].is_array() {
            let partials: Vec<_> = strings(&envelope["partials"])
                .map(|record| Partial::parse(&hex::decode(record).unwrap()).unwrap())
                .collect();
            let combination = combine_reporting(&key, &header, &warrant, &partials);
            assert!(combination.bad.is_empty());
            combination.secret.unwrap()
        } else {
            let deliveries: Vec<_> = strings(&envelope["deliveries"])
                .map(|record| Delivery::parse(&hex::decode(record).unwrap()).unwrap())
                .map(|one| {
                    one.verify(&key, &header, &warrant, &reader.public())
                        .unwrap()
                })
                .collect();
            combine_deliveries(&key, &header, &reader, &deliveries).unwrap()
        };
        assert_eq!(*secret.as_bytes(), array(&envelope["shared_secret"]));
        let rescue = Rescue::parse(&bytes(&envelope["rescue"])).unwrap();
        let rescued = rescue.shared_secret(key.sealing(), &header).unwrap();
        assert_eq!(rescued.as_bytes(), secret.as_bytes());
        let content = open_short(&header, &secret, &bytes(&envelope["payload"])).unwrap();
        assert_eq!(
            content.as_slice(),
            envelope["content"].as_str().unwrap().as_bytes()
        );
    }
}

#[test]
fn the_share_file_opens_under_production_parameters() {
    let vectors = vectors();
    let (terms, key) = key(&vectors);
    let file = &vectors["share_file"];
    let share = open_share_file(
        &bytes(&file["file"]),
        terms.id(),
        file["holder"].as_u64().unwrap() as u16,
        file["passphrase"].as_str().unwrap().as_bytes(),
        Effort::PRODUCTION,
    )
    .unwrap();
    assert_eq!(Some(share.public()), key.share(2));
}
