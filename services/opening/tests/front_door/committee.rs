//! Three institutions of whom two must act, their ceremony on record, and what they do at an opening.

use sunbid_contracts::{
    opening::v1::{ClosingSignature, HolderShares},
    tender::v1::{Ceremony, CeremonyState, Holder},
};
use sunbid_domain::{
    opening::check::CheckedBids,
    tender::ceremony::{encode_rehearsal, posted_certificate, posted_message, posted_rehearsal},
};
use sunbid_sealing::{
    Delivery, Element, IdentityKey, KeyShare, OsRng, Partial, SecretScalar, TenderKey,
    ceremony::{CeremonyTerms, HolderKeys, Outcome, answer_canary, join, make_canary},
};
use sunbid_terms::CreditCode;

pub const THRESHOLD: i32 = 2;

pub struct Committee {
    pub ceremony: Ceremony,
    pub key: TenderKey,
    pub identities: Vec<IdentityKey>,
    pub shares: Vec<KeyShare>,
}

/// "organizations/{credit_code}" of the holder with an index from 1.
pub fn organization(index: usize) -> String {
    let code = CreditCode::complete(&format!("9114060000000000{index}")).unwrap();
    format!("organizations/{code}")
}

impl Committee {
    pub fn gather(tender: &str, tender_hash: [u8; 32]) -> Self {
        let own: Vec<_> = (1..=3_u8)
            .map(|seed| {
                let identity = IdentityKey::from_seed(&[seed; 32]).unwrap();
                (identity, SecretScalar::random(&mut OsRng).unwrap())
            })
            .collect();
        let keys = own
            .iter()
            .map(|(identity, secret)| HolderKeys {
                identity: *identity.public(),
                encryption: secret.public(),
            })
            .collect();
        let terms = CeremonyTerms::new(tender_hash, THRESHOLD as u16, keys, [2; 32]).unwrap();
        let mut messages = Vec::new();
        let (joined, posted): (Vec<_>, Vec<_>) = own
            .iter()
            .zip(1..)
            .map(|((identity, secret), i)| join(&terms, i, identity, secret, &mut OsRng).unwrap())
            .unzip();
        messages.extend(posted.iter().map(posted_message));
        let (revealed, posted): (Vec<_>, Vec<_>) = joined
            .into_iter()
            .zip(&own)
            .map(|(state, (identity, _))| state.reveal(&posted, identity).unwrap())
            .unzip();
        messages.extend(posted.iter().map(posted_message));
        let (shared, posted): (Vec<_>, Vec<_>) = revealed
            .into_iter()
            .zip(&own)
            .map(|(state, (identity, _))| state.share(&posted, identity, &mut OsRng).unwrap())
            .unzip();
        messages.extend(posted.iter().map(posted_message));
        let (mut shares, mut key) = (Vec::new(), None);
        for (state, (identity, secret)) in shared.into_iter().zip(&own) {
            match state
                .conclude(&posted, identity, secret, &mut OsRng)
                .unwrap()
            {
                Outcome::Certified(certified) => {
                    messages.push(posted_certificate(&certified.certificate));
                    shares.push(certified.share);
                    key = Some(certified.key);
                }
                Outcome::Complaining(_) => panic!("an honest ceremony has no complaints"),
            }
        }
        let key = key.unwrap();
        let canary = make_canary(&terms, &key, &mut OsRng).unwrap();
        for share in &shares {
            let answer = answer_canary(&terms, &key, share, &canary, &mut OsRng).unwrap();
            messages.push(posted_rehearsal(&answer));
        }
        let holders = own
            .iter()
            .zip(1..)
            .map(|((identity, secret), index)| Holder {
                index: index as i32,
                organization: organization(index),
                display_name: format!("机构{index}"),
                identity_key: identity.public().to_vec(),
                encryption_key: secret.public().as_bytes().to_vec(),
            })
            .collect();
        let ceremony = Ceremony {
            name: format!("{tender}/ceremonies/1"),
            tender: tender.to_owned(),
            cid: terms.id().to_vec(),
            holders,
            threshold: THRESHOLD,
            tender_hash: tender_hash.to_vec(),
            nonce: vec![2; 32],
            state: CeremonyState::Done as i32,
            messages,
            rehearsal_envelope: encode_rehearsal(&canary),
            fault: String::new(),
        };
        let identities = own.into_iter().map(|(identity, _)| identity).collect();
        Self {
            ceremony,
            key,
            identities,
            shares,
        }
    }

    pub fn sign(&self, index: usize, close: &[u8]) -> ClosingSignature {
        ClosingSignature {
            index: index as i32,
            signature: self.identities[index - 1].sign(close).to_vec(),
            signed_time_us: 0,
        }
    }

    pub fn share(
        &self,
        index: usize,
        bids: &CheckedBids,
        close: &[u8; 32],
        reader: &Element,
    ) -> HolderShares {
        let (key, share) = (&self.key, &self.shares[index - 1]);
        let partial = |sheet: &sunbid_domain::opening::Envelope| {
            Partial::make(key, share, &sheet.header, close, &mut OsRng)
                .unwrap()
                .encode()
                .to_vec()
        };
        let delivery = |part: &sunbid_domain::opening::Envelope| {
            let made = Delivery::make(key, share, &part.header, close, reader, &mut OsRng);
            made.unwrap().encode().to_vec()
        };
        HolderShares {
            index: index as i32,
            partials: bids.sheets.iter().map(partial).collect(),
            deliveries: bids.evaluations.iter().map(delivery).collect(),
        }
    }
}
