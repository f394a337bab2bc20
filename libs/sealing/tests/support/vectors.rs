//! The vectors of one whole tender: ceremony, rehearsal, bundle, closing, public and restricted
//! opening, rescue and share file. Every secret is shown.

use rand_core::RngCore;
use serde_json::{Value, json};
use sunbid_sealing::ceremony::{answer_canary, make_canary};
use sunbid_sealing::{
    Bundle, Class, CloseSignature, Closing, ClosingEntry, Delivery, Effort, Partial, Sealed,
    SecretScalar, Status, Workers, combine_reporting, seal, supplier_message, write_share_file,
};

use super::{Committee, FixedStream, checked, committee, subject};

const PASSPHRASE: &str = "correct horse battery staple";
const CERTIFICATE: &[u8] = b"the supplier's certificate in DER";
const CONTENTS: [(Class, &str); 3] = [
    (
        Class::Public,
        "opening sheet: price 1234567.89 CNY; period 90 days",
    ),
    (Class::Evaluators, "technical part"),
    (
        Class::AfterDecision,
        "price part, opened after the technical decision",
    ),
];

fn text(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(bytes)
}

/// Makes the vectors; the same on every run.
pub fn make() -> Value {
    let committee = committee("vectors");
    let mut rng = FixedStream::new("vectors: after the ceremony");
    let (terms, key) = (&committee.transcript.terms, &committee.key);

    let canary = make_canary(terms, key, &mut rng).unwrap();
    let answers: Vec<String> = committee
        .shares
        .iter()
        .map(|share| {
            text(
                answer_canary(terms, key, share, &canary, &mut rng)
                    .unwrap()
                    .encode(),
            )
        })
        .collect();

    let envelopes: Vec<(Sealed, Vec<u8>)> = CONTENTS
        .iter()
        .map(|(class, content)| {
            let mut payload = Vec::new();
            let sealed = seal(
                key.sealing(),
                &subject(*class, class.id()),
                content.len() as u64,
                content.as_bytes(),
                &mut payload,
                Workers::ONE,
                &mut rng,
            );
            (sealed.unwrap(), payload)
        })
        .collect();
    let headers: Vec<_> = envelopes
        .iter()
        .map(|(sealed, _)| checked(sealed))
        .collect();
    let bundle = Bundle::of(&headers.iter().collect::<Vec<_>>())
        .unwrap()
        .id();

    let statuses = [
        Status::Superseded,
        Status::Live,
        Status::Withdrawn,
        Status::Invalid,
        Status::LotFailed,
    ];
    let entries = statuses
        .iter()
        .zip(0_u8..)
        .map(|(status, position)| ClosingEntry {
            leaf_index: 3 * u64::from(position) + 1,
            bundle: if *status == Status::Live {
                bundle
            } else {
                [position; 32]
            },
            status: *status,
        });
    let closing = Closing::new(
        *key.id(),
        "log.example/tenders".into(),
        20,
        [0xaa; 32],
        1_800_000_000,
        entries.collect(),
    )
    .unwrap();
    let close = closing.hash();
    let signatures: Vec<_> = committee
        .holders
        .iter()
        .zip(1..)
        .map(|(holder, index)| CloseSignature {
            holder: index,
            signature: holder.identity.sign(&close),
        })
        .map(|one| json!({ "holder": one.holder, "signature": text(one.signature) }))
        .collect();

    let mut decision = [0; 32];
    rng.fill_bytes(&mut decision);
    let reader = SecretScalar::random(&mut rng).unwrap();
    let shown: Vec<Value> = envelopes
        .iter()
        .zip(&headers)
        .zip(CONTENTS)
        .map(|(((sealed, payload), header), (class, content))| {
            let warrant = if class == Class::AfterDecision {
                decision
            } else {
                close
            };
            let records: Vec<String> = committee
                .shares
                .iter()
                .map(|share| match class {
                    Class::Public => text(
                        Partial::make(key, share, header, &warrant, &mut rng)
                            .unwrap()
                            .encode(),
                    ),
                    _ => {
                        let to = reader.public();
                        let made = Delivery::make(key, share, header, &warrant, &to, &mut rng);
                        text(made.unwrap().encode())
                    }
                })
                .collect();
            let shared = sealed.rescue.shared_secret(key.sealing(), header).unwrap();
            json!({
                "content": content,
                "header": text(header.encode()),
                "header_id": text(header.id()),
                "payload": text(payload),
                "rescue": text(sealed.rescue.encode()),
                "shared_secret": text(shared.as_bytes()),
                "warrant": text(warrant),
                if class == Class::Public { "partials" } else { "deliveries" }: records,
            })
        })
        .collect();

    // What the public part opens to, by way of the partials just made.
    let partials: Vec<Partial> = super::strings(&shown[0]["partials"])
        .map(|record| Partial::parse(&hex::decode(record).unwrap()).unwrap())
        .collect();
    let combined = combine_reporting(key, &headers[0], &close, &partials)
        .secret
        .unwrap();
    assert_eq!(text(combined.as_bytes()), shown[0]["shared_secret"]);

    let share_file = write_share_file(
        &committee.shares[1],
        terms.id(),
        PASSPHRASE.as_bytes(),
        Effort::PRODUCTION,
        &mut rng,
    );
    json!({
        "suite": sunbid_sealing::SUITE,
        "holders": holders(&committee),
        "ceremony": {
            "terms": text(terms.encode()),
            "ceremony_id": text(terms.id()),
            "transcript": text(committee.transcript.encode()),
            "tender_key": text(key.encode()),
            "key_id": text(key.id()),
        },
        "canary": {
            "header": text(canary.header.encode()),
            "payload": text(&canary.payload),
            "partials": answers,
        },
        "envelopes": shown,
        "bundle": {
            "id": text(bundle),
            "certificate": text(CERTIFICATE),
            "supplier_message": text(supplier_message(CERTIFICATE, &bundle)),
        },
        "closing": {
            "record": text(closing.encode()),
            "close": text(close),
            "signatures": signatures,
        },
        "reader": { "secret": text(reader.to_bytes()), "public": text(reader.public().as_bytes()) },
        "share_file": {
            "holder": 2,
            "passphrase": PASSPHRASE,
            "file": text(share_file.unwrap()),
        },
    })
}

fn holders(committee: &Committee) -> Vec<Value> {
    committee
        .holders
        .iter()
        .zip(&committee.shares)
        .map(|(holder, share)| {
            json!({
                "holder": share.holder(),
                "identity_seed": text(holder.seed),
                "identity": text(holder.identity.public()),
                "encryption_secret": text(holder.encryption.to_bytes()),
                "share": text(share.to_secret_bytes()),
                "public_share": text(share.public().as_bytes()),
            })
        })
        .collect()
}
