//! What holders of a key say to each other and what is published of it: terms, messages, transcripts,
//! tender keys, rehearsals, and the closing that they sign.

use std::sync::LazyLock;

use sunbid_domain::tender::ceremony as record;
use sunbid_sealing::{
    Closing, TenderKey,
    ceremony::{CeremonyTerms, Message, Transcript, equivocates, verify_canary, verify_transcript},
};

use crate::{canonical, chosen, vectors};

pub fn run(bytes: &[u8]) {
    chosen(
        bytes,
        &[terms, message, transcript, tender_key, closing, rehearsal],
    );
}

fn terms(bytes: &[u8]) {
    if let Ok(terms) = CeremonyTerms::parse(bytes) {
        canonical(bytes, &terms.encode());
        assert_eq!(terms.identities().len(), terms.holders().len());
    }
}

fn message(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    canonical(bytes, &message.encode());
    if message.check(&FIXED.terms).is_ok() {
        // As records carry it and back.
        let posted = record::posted_message(&message);
        let back = record::message(&posted).expect("a checked message can be recorded");
        assert_eq!(back.encode(), message.encode());
        assert!(!equivocates(&FIXED.terms, &message, &message));
    }
}

fn transcript(bytes: &[u8]) {
    let Ok(transcript) = Transcript::parse(bytes) else {
        return;
    };
    canonical(bytes, &transcript.encode());
    if let Ok(key) = verify_transcript(&transcript) {
        assert_eq!(usize::from(key.holders()), transcript.terms.holders().len());
    }
}

fn tender_key(bytes: &[u8]) {
    if let Ok(key) = TenderKey::parse(bytes) {
        canonical(bytes, &key.encode());
        assert!(key.threshold() >= 1 && key.threshold() <= key.holders());
    }
}

fn closing(bytes: &[u8]) {
    if let Ok(closing) = Closing::parse(bytes) {
        canonical(bytes, &closing.encode());
        let _ = closing.hash();
    }
}

fn rehearsal(bytes: &[u8]) {
    if let Ok(canary) = record::rehearsal(bytes) {
        canonical(bytes, &record::encode_rehearsal(&canary));
        let _ = verify_canary(&FIXED.terms, &FIXED.key, &canary, &[]);
    }
}

struct Fixed {
    terms: CeremonyTerms,
    key: TenderKey,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| Fixed {
    terms: CeremonyTerms::parse(&vectors::bytes("/ceremony/terms")).expect("terms"),
    key: TenderKey::parse(&vectors::bytes("/ceremony/tender_key")).expect("a key"),
});
