//! Honest holders of a tender's key.

use sunbid_contracts::tender::v1::{CeremonyMessage, Holder};
use sunbid_domain::tender::Dossier;
use sunbid_domain::tender::ceremony::{self, COMMITMENT, PACKAGE, SHARES};
use sunbid_sealing::ceremony::{Committed, Outcome, Revealed, Shared, answer_canary, join};
use sunbid_sealing::{CryptoRngCore, IdentityKey, KeyShare, OsRng, SecretScalar, TenderKey};

/// Where a holder stands.
enum Seat {
    Outside,
    Committed(Committed),
    Revealed(Revealed),
    Shared(Shared),
    Done(Box<(TenderKey, KeyShare)>),
}

pub struct Member {
    pub record: Holder,
    pub seed: [u8; 32],
    pub identity: IdentityKey,
    encryption: SecretScalar,
    seat: Seat,
}

impl Member {
    pub fn three() -> Vec<Self> {
        [
            "91110108551385082Q",
            "9144030071526726XG",
            "12350100MB02709751",
        ]
        .into_iter()
        .zip(1..)
        .map(|(code, index)| {
            let seed = [index; 32];
            let identity = IdentityKey::from_seed(&seed).unwrap();
            let encryption = SecretScalar::random(&mut OsRng).unwrap();
            let record = Holder {
                index: i32::from(index),
                organization: format!("organizations/{code}"),
                display_name: format!("机构{index}"),
                identity_key: identity.public().to_vec(),
                encryption_key: encryption.public().as_bytes().to_vec(),
            };
            Self {
                record,
                seed,
                identity,
                encryption,
                seat: Seat::Outside,
            }
        })
        .collect()
    }

    pub fn witness(&self) -> (String, [u8; 32]) {
        let code = self
            .record
            .organization
            .strip_prefix("organizations/")
            .unwrap();
        (format!("{code}.witness"), self.seed)
    }

    pub fn key(&self) -> (&TenderKey, &KeyShare) {
        match &self.seat {
            Seat::Done(own) => (&own.0, &own.1),
            _ => panic!("the ceremony is not over"),
        }
    }

    /// The message of the round that runs.
    pub fn answer(&mut self, dossier: &Dossier) -> CeremonyMessage {
        let rng: &mut dyn CryptoRngCore = &mut OsRng;
        let record = dossier.ceremony.as_ref().unwrap();
        let terms = ceremony::terms(record).unwrap();
        let of = |round| ceremony::messages(record, round).unwrap();
        match std::mem::replace(&mut self.seat, Seat::Outside) {
            Seat::Outside => {
                let index = u16::try_from(self.record.index).unwrap();
                let (next, message) =
                    join(&terms, index, &self.identity, &self.encryption, rng).unwrap();
                self.seat = Seat::Committed(next);
                ceremony::posted_message(&message)
            }
            Seat::Committed(seat) => {
                let (next, message) = seat.reveal(&of(COMMITMENT), &self.identity).unwrap();
                self.seat = Seat::Revealed(next);
                ceremony::posted_message(&message)
            }
            Seat::Revealed(seat) => {
                let (next, message) = seat.share(&of(PACKAGE), &self.identity, rng).unwrap();
                self.seat = Seat::Shared(next);
                ceremony::posted_message(&message)
            }
            Seat::Shared(seat) => {
                let outcome = seat
                    .conclude(&of(SHARES), &self.identity, &self.encryption, rng)
                    .unwrap();
                let Outcome::Certified(certified) = outcome else {
                    panic!("an honest holder complains")
                };
                let message = ceremony::posted_certificate(&certified.certificate);
                self.seat = Seat::Done(Box::new((certified.key, certified.share)));
                message
            }
            Seat::Done(own) => {
                let canary = ceremony::rehearsal(&record.rehearsal_envelope).unwrap();
                let partial = answer_canary(&terms, &own.0, &own.1, &canary, rng).unwrap();
                self.seat = Seat::Done(own);
                ceremony::posted_rehearsal(&partial)
            }
        }
    }
}
