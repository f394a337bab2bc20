//! A committee and a supplier for tests: everything is derived from a fixed stream of bytes.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub mod vectors;

use std::sync::OnceLock;

use rand_core::{CryptoRng, Error, RngCore};
use ring::digest;
use sunbid_sealing::ceremony::{
    CeremonyTerms, HolderKeys, Message, Outcome, Transcript, join, verify_transcript,
};
use sunbid_sealing::{
    CheckedHeader, Class, IdentityKey, KeyShare, Label, Partial, Sealed, SecretScalar, Subject,
    TenderKey, Workers, seal,
};

/// SHA-256 of a seed and a counter: the same bytes on every run. Never use it outside of tests.
pub struct FixedStream {
    seed: Vec<u8>,
    counter: u64,
    rest: Vec<u8>,
}

impl FixedStream {
    pub fn new(seed: &str) -> Self {
        Self {
            seed: seed.as_bytes().to_vec(),
            counter: 0,
            rest: Vec::new(),
        }
    }
}

impl RngCore for FixedStream {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }
    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.rest.is_empty() {
                let block = [self.seed.as_slice(), &self.counter.to_be_bytes()].concat();
                self.counter += 1;
                self.rest = digest::digest(&digest::SHA256, &block).as_ref().to_vec();
                self.rest.reverse();
            }
            *byte = self.rest.pop().unwrap();
        }
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for FixedStream {}

/// One holder with its long-term secrets.
pub struct Holder {
    pub seed: [u8; 32],
    pub identity: IdentityKey,
    pub encryption: SecretScalar,
}

/// Five holders of whom three must act, and what they posted.
pub struct Committee {
    pub holders: Vec<Holder>,
    pub transcript: Transcript,
    pub key: TenderKey,
    pub shares: Vec<KeyShare>,
}

pub fn holders(rng: &mut FixedStream, count: usize) -> Vec<Holder> {
    (0..count)
        .map(|_| {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            let identity = IdentityKey::from_seed(&seed).unwrap();
            let encryption = SecretScalar::random(rng).unwrap();
            Holder {
                seed,
                identity,
                encryption,
            }
        })
        .collect()
}

pub fn terms(holders: &[Holder], threshold: u16, nonce: u8) -> CeremonyTerms {
    let keys = holders
        .iter()
        .map(|holder| HolderKeys {
            identity: *holder.identity.public(),
            encryption: holder.encryption.public(),
        })
        .collect();
    CeremonyTerms::new([0xd0; 32], threshold, keys, [nonce; 32]).unwrap()
}

/// Changes what is posted before the others see it: round, then all messages of it.
pub type Tamper<'a> = &'a mut dyn FnMut(usize, &CeremonyTerms, &[Holder], &mut Vec<Message>);

/// Runs a ceremony; the error is the first one a holder met.
pub fn hold(
    holders: &[Holder],
    terms: &CeremonyTerms,
    rng: &mut FixedStream,
    tamper: Tamper<'_>,
) -> Result<(Transcript, Vec<KeyShare>), sunbid_sealing::ceremony::CeremonyError> {
    let (mut committed, mut own, mut commitments) = (Vec::new(), Vec::new(), Vec::new());
    for (holder, index) in holders.iter().zip(1..) {
        let (state, message) = join(terms, index, &holder.identity, &holder.encryption, rng)?;
        committed.push(state);
        own.push(message);
    }
    commitments.extend(own.iter().cloned());
    tamper(1, terms, holders, &mut commitments);
    let (mut revealed, mut next, mut packages) = (Vec::new(), Vec::new(), Vec::new());
    for ((state, holder), own) in committed.into_iter().zip(holders).zip(&own) {
        let (state, message) = state.reveal(&seen_by(own, &commitments), &holder.identity)?;
        revealed.push(state);
        next.push(message);
    }
    let own = std::mem::take(&mut next);
    packages.extend(own.iter().cloned());
    tamper(2, terms, holders, &mut packages);
    let (mut shared, mut shares) = (Vec::new(), Vec::new());
    for ((state, holder), own) in revealed.into_iter().zip(holders).zip(&own) {
        let (state, message) = state.share(&seen_by(own, &packages), &holder.identity, rng)?;
        shared.push(state);
        next.push(message);
    }
    let own = next;
    shares.extend(own.iter().cloned());
    tamper(3, terms, holders, &mut shares);
    let (mut key_shares, mut certificates, mut complaints) = (Vec::new(), Vec::new(), Vec::new());
    for ((state, holder), own) in shared.into_iter().zip(holders).zip(&own) {
        let shares = seen_by(own, &shares);
        match state.conclude(&shares, &holder.identity, &holder.encryption, rng)? {
            Outcome::Certified(own) => {
                key_shares.push(own.share);
                certificates.push(own.certificate);
            }
            Outcome::Complaining(own) => complaints.extend(own),
        }
    }
    tamper(4, terms, holders, &mut complaints);
    let terms = terms.clone();
    let transcript = Transcript {
        terms,
        commitments,
        packages,
        shares,
        complaints,
        certificates,
    };
    Ok((transcript, key_shares))
}

/// The board as a cheat pretends to see it: with its honest message in place of what it posted.
/// For everybody else the two are the same.
fn seen_by(own: &Message, posted: &[Message]) -> Vec<Message> {
    let mut seen: Vec<_> = posted
        .iter()
        .filter(|message| message.holder() != own.holder())
        .cloned()
        .collect();
    seen.push(own.clone());
    seen
}

pub fn committee(seed: &str) -> Committee {
    let mut rng = FixedStream::new(seed);
    let holders = holders(&mut rng, 5);
    let terms = terms(&holders, 3, 0xce);
    let (transcript, shares) = hold(&holders, &terms, &mut rng, &mut |_, _, _, _| {}).unwrap();
    let key = verify_transcript(&transcript).unwrap();
    Committee {
        holders,
        transcript,
        key,
        shares,
    }
}

/// The committee most tests share.
pub fn standing_committee() -> &'static Committee {
    static COMMITTEE: OnceLock<Committee> = OnceLock::new();
    COMMITTEE.get_or_init(|| committee("standing committee"))
}

pub fn subject(class: Class, part: u8) -> Subject {
    Subject {
        tender: Label::new("T-2026-000456").unwrap(),
        lot: Label::new("01").unwrap(),
        part,
        class,
        bidder: Label::new("Supplier A").unwrap(),
        revision: 1,
        not_before: 1_800_000_000,
    }
}

pub const CLOSE: [u8; 32] = [9; 32];

/// Seals content of the class to the key.
pub fn sealed(key: &TenderKey, class: Class, content: &[u8], seed: &str) -> (Sealed, Vec<u8>) {
    let mut payload = Vec::new();
    let sealed = seal(
        key.sealing(),
        &subject(class, class.id()),
        content.len() as u64,
        content,
        &mut payload,
        Workers::ONE,
        &mut FixedStream::new(seed),
    )
    .unwrap();
    (sealed, payload)
}

pub fn checked(sealed: &Sealed) -> CheckedHeader {
    sealed.header.clone().check().unwrap()
}

/// Every holder's partial.
pub fn partials(committee: &Committee, header: &CheckedHeader) -> Vec<Partial> {
    let mut rng = FixedStream::new("partials");
    committee
        .shares
        .iter()
        .map(|share| Partial::make(&committee.key, share, header, &CLOSE, &mut rng).unwrap())
        .collect()
}

/// The strings of a JSON list.
pub fn strings(list: &serde_json::Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|entry| entry.as_str().unwrap())
}
