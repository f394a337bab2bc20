//! What suppliers and holders send and keep of sealed bids: headers, rescue and share files, partials,
//! deliveries, payloads.

use std::sync::LazyLock;

use sunbid_sealing::{
    Bundle, CheckedHeader, Delivery, Effort, Header, Partial, Rescue, SealingKey, SharedSecret,
    TenderKey, check_payload, open_share_file, open_short,
};

use crate::{canonical, chosen, vectors};

pub fn run(bytes: &[u8]) {
    chosen(
        bytes,
        &[
            header, bundle, rescue, partial, delivery, share_file, payload,
        ],
    );
}

fn header(bytes: &[u8]) {
    let Ok(header) = Header::parse(bytes) else {
        return;
    };
    canonical(bytes, &header.encode());
    let id = header.id();
    if let Ok(checked) = header.check() {
        assert_eq!(checked.id(), &id);
        let _ = checked.agrees_with(&id, checked.subject());
    }
}

/// Headers one after the other, each after its length in two bytes.
fn bundle(bytes: &[u8]) {
    let mut headers = Vec::new();
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((one, tail)) = tail.split_at_checked(length) else {
            break;
        };
        // Every proof costs; a hundred show nothing that eight do not.
        if headers.len() < 8
            && let Ok(header) = CheckedHeader::parse(one)
        {
            headers.push(header);
        }
        rest = tail;
    }
    let forth: Vec<&CheckedHeader> = headers.iter().collect();
    let back: Vec<&CheckedHeader> = headers.iter().rev().collect();
    match (Bundle::of(&forth), Bundle::of(&back)) {
        (Ok(one), Ok(other)) => assert_eq!(one.id(), other.id(), "a bundle has no order"),
        (Err(_), Err(_)) => {}
        _ => unreachable!("the order decided whether envelopes are one bid"),
    }
}

fn rescue(bytes: &[u8]) {
    if let Ok(rescue) = Rescue::parse(bytes) {
        canonical(bytes, &rescue.encode());
        if let Ok(checked) = rescue.header().clone().check() {
            let _ = rescue.shared_secret(FIXED.key.sealing(), &checked);
        }
    }
}

fn partial(bytes: &[u8]) {
    if let Ok(partial) = Partial::parse(bytes) {
        canonical(bytes, &partial.encode());
        let _ = partial.verify(&FIXED.key, &FIXED.header, &FIXED.close);
    }
}

fn delivery(bytes: &[u8]) {
    if let Ok(delivery) = Delivery::parse(bytes) {
        canonical(bytes, &delivery.encode());
    }
}

fn share_file(bytes: &[u8]) {
    let word = |at: usize| {
        let four = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*four))
    };
    let asked = word(8).zip(word(12)).zip(word(16));
    // A file may ask for as much work as its owner chose; only what is cheap is done here.
    let cheap =
        asked.is_none_or(|((memory, passes), lanes)| memory <= 1024 && passes <= 2 && lanes <= 4);
    let floor = if cheap {
        Effort::FOR_TESTS
    } else if asked.is_some_and(|((memory, passes), _)| memory < 64 * 1024 || passes < 3) {
        Effort::PRODUCTION
    } else {
        return;
    };
    let _ = open_share_file(bytes, &FIXED.ceremony, 2, b"words", floor);
}

fn payload(bytes: &[u8]) {
    let same = bytes == FIXED.payload;
    let opened = open_short(&FIXED.header, &FIXED.secret, bytes);
    assert_eq!(
        opened.is_ok(),
        same,
        "another payload was opened, or the payload was not"
    );
    let checked = check_payload(&FIXED.header, bytes, sunbid_sealing::Workers::ONE);
    assert_eq!(checked.is_ok(), same);
}

struct Fixed {
    key: TenderKey,
    ceremony: [u8; 32],
    close: [u8; 32],
    header: CheckedHeader,
    secret: SharedSecret,
    payload: Vec<u8>,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    let key = TenderKey::parse(&vectors::bytes("/ceremony/tender_key")).expect("a key");
    let header = CheckedHeader::parse(&vectors::bytes("/envelopes/0/header")).expect("a header");
    let rescue = Rescue::parse(&vectors::bytes("/envelopes/0/rescue")).expect("a rescue file");
    let sealing = SealingKey::new(*key.id(), *key.sealing().element());
    let secret = rescue.shared_secret(&sealing, &header).expect("its secret");
    Fixed {
        key,
        ceremony: vectors::array("/ceremony/ceremony_id"),
        close: vectors::array("/closing/close"),
        header,
        secret,
        payload: vectors::bytes("/envelopes/0/payload"),
    }
});
