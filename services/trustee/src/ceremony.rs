//! Taking part in key ceremonies. Every message follows from one seed per ceremony and from what is
//! posted, so a daemon that was killed says exactly the same again, and never two things.

use std::sync::Arc;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sunbid_contracts::tender::v1::{
    Ceremony, CeremonyMessage, GetTenderRequest, PostCeremonyMessageRequest, WatchCeremoniesRequest,
};
use sunbid_domain::tender::ceremony::{
    CERTIFICATE, COMMITMENT, PACKAGE, REHEARSAL, SHARES, messages, posted_certificate,
    posted_message, posted_rehearsal, rehearsal, tender_key, terms, waits_for,
};
use sunbid_sealing::{
    OsRng,
    ceremony::{Outcome, answer_canary, join},
};

use sunbid_domain::tender::hash::document_hash;
use tonic::Code;

use crate::{
    Trustee, TrusteeFault,
    folder::{Folder, Said},
};

/// Answers every ceremony that waits for this institution, until the daemon stops.
pub async fn duty(trustee: &Arc<Trustee>) -> Result<(), TrusteeFault> {
    loop {
        if let Err(fault) = watch(trustee).await {
            tracing::warn!(%fault, "ceremonies");
            trustee.connection.forget().await;
        }
        if trustee.pause().await {
            return Ok(());
        }
    }
}

async fn watch(trustee: &Arc<Trustee>) -> Result<(), TrusteeFault> {
    let organization = trustee.connection.organization(&trustee.folder).await?;
    let mut tenders = trustee.connection.tender(&trustee.folder).await?;
    let mut stream = tenders
        .watch_ceremonies(WatchCeremoniesRequest {})
        .await?
        .into_inner();
    loop {
        let next = tokio::select! {
            () = trustee.shutdown.cancelled() => return Ok(()),
            next = stream.message() => next?,
        };
        let Some(ceremony) = next.and_then(|answer| answer.ceremony) else {
            return Ok(());
        };
        if let Err(fault) = take_part(trustee, ceremony, &organization).await {
            tracing::error!(%fault, "no message is given in a ceremony");
            if fault.may_pass() {
                return Err(fault);
            }
        }
    }
}

async fn take_part(
    trustee: &Arc<Trustee>,
    ceremony: Ceremony,
    organization: &str,
) -> Result<(), TrusteeFault> {
    require_document(trustee, &ceremony).await?;
    let (own, organization, tender) = (
        trustee.clone(),
        organization.to_owned(),
        ceremony.tender.clone(),
    );
    let said = tokio::task::spawn_blocking(move || answer(&own.folder, &ceremony, &organization));
    for message in said.await?? {
        let request = PostCeremonyMessageRequest {
            tender: tender.clone(),
            message: Some(message),
        };
        let mut tenders = trustee.connection.tender(&trustee.folder).await?;
        tenders.post_ceremony_message(request).await?;
    }
    Ok(())
}

/// A key is made for one document. Where this institution may see the draft, it looks; where it may
/// not, it looks at the announced tender before anything is opened.
async fn require_document(trustee: &Arc<Trustee>, ceremony: &Ceremony) -> Result<(), TrusteeFault> {
    let mut tenders = trustee.connection.tender(&trustee.folder).await?;
    let request = GetTenderRequest {
        name: ceremony.tender.clone(),
    };
    match tenders.get_tender(request).await {
        Ok(answer) => {
            let tender = answer.into_inner().tender.unwrap_or_default();
            if document_hash(&tender).as_slice() == ceremony.tender_hash {
                Ok(())
            } else {
                Err(TrusteeFault::OtherDocument(ceremony.tender.clone()))
            }
        }
        Err(status) if matches!(status.code(), Code::PermissionDenied | Code::NotFound) => Ok(()),
        Err(status) => Err(status.into()),
    }
}

/// The next messages of this institution in a ceremony; none if it waits for none. What was said
/// in a round before is said again as it was, whatever the record now shows.
fn answer(
    folder: &Folder,
    ceremony: &Ceremony,
    organization: &str,
) -> Result<Vec<CeremonyMessage>, TrusteeFault> {
    let Some((round, index)) = waits_for(ceremony, organization) else {
        return Ok(Vec::new());
    };
    let cid = *terms(ceremony)?.id();
    if let Some(said) = folder.said(&cid, round)? {
        return Ok(said.messages);
    }
    let messages = compose(folder, ceremony, round, index)?;
    folder.keep_said(
        &cid,
        round,
        &Said {
            messages: messages.clone(),
        },
    )?;
    if round == CERTIFICATE {
        folder.forget_seed(&cid)?;
    }
    Ok(messages)
}

fn compose(
    folder: &Folder,
    ceremony: &Ceremony,
    round: i32,
    index: i32,
) -> Result<Vec<CeremonyMessage>, TrusteeFault> {
    let terms = terms(ceremony)?;
    let holder = u16::try_from(index).map_err(|_| TrusteeFault::NotOurKeys)?;
    let cid = *terms.id();
    if round == REHEARSAL {
        let key = tender_key(ceremony)?;
        let share = folder.share(&cid, holder)?;
        let canary = rehearsal(&ceremony.rehearsal_envelope)?;
        let partial = answer_canary(&terms, &key, &share, &canary, &mut OsRng)?;
        return Ok(vec![posted_rehearsal(&partial)]);
    }
    let mut rng = ChaCha20Rng::from_seed(*folder.ceremony_seed(&cid)?);
    let (identity, encryption) = (&folder.identity, &folder.encryption);
    let (committed, commitment) = join(&terms, holder, identity, encryption, &mut rng)?;
    if round == COMMITMENT {
        return Ok(vec![posted_message(&commitment)]);
    }
    let (revealed, package) = committed.reveal(&messages(ceremony, COMMITMENT)?, identity)?;
    if round == PACKAGE {
        return Ok(vec![posted_message(&package)]);
    }
    let (shared, shares) = revealed.share(&messages(ceremony, PACKAGE)?, identity, &mut rng)?;
    if round == SHARES {
        return Ok(vec![posted_message(&shares)]);
    }
    debug_assert_eq!(round, CERTIFICATE);
    match shared.conclude(&messages(ceremony, SHARES)?, identity, encryption, &mut rng)? {
        Outcome::Certified(certified) => {
            // The share is on disk before the certificate says that it is.
            folder.keep_share(&cid, &certified.share)?;
            Ok(vec![posted_certificate(&certified.certificate)])
        }
        Outcome::Complaining(complaints) => Ok(complaints.iter().map(posted_message).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        folder::tests::{PASSPHRASE, folder},
        vault::TEST_EFFORT,
    };
    use sunbid_contracts::tender::v1::{CeremonyState, Holder};
    use sunbid_domain::tender::ceremony::{encode_rehearsal, verify};
    use sunbid_sealing::{
        Element,
        ceremony::{CeremonyTerms, HolderKeys, make_canary},
    };

    struct Hall {
        place: tempfile::TempDir,
        folders: Vec<Folder>,
        ceremony: Ceremony,
    }

    fn organization(index: usize) -> String {
        format!("organizations/HOLDER{index}")
    }

    impl Hall {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            let mut ceremony = Ceremony {
                name: "tenders/t/ceremonies/1".into(),
                tender: "tenders/t".into(),
                threshold: 2,
                tender_hash: vec![1; 32],
                nonce: vec![2; 32],
                ..Ceremony::default()
            };
            let mut keys = Vec::new();
            for index in 1..=3 {
                let public = folder(&place.path().join(index.to_string()));
                keys.push(HolderKeys {
                    identity: public.identity.clone().try_into().unwrap(),
                    encryption: Element::decode(&public.encryption.clone().try_into().unwrap())
                        .unwrap(),
                });
                ceremony.holders.push(Holder {
                    index: index as i32,
                    organization: organization(index),
                    identity_key: public.identity,
                    encryption_key: public.encryption,
                    ..Holder::default()
                });
            }
            let terms = CeremonyTerms::new([1; 32], 2, keys, [2; 32]).unwrap();
            ceremony.cid = terms.id().to_vec();
            let mut hall = Self {
                place,
                folders: Vec::new(),
                ceremony,
            };
            hall.restart();
            hall
        }

        /// As after a crash: nothing but the folders is left.
        fn restart(&mut self) {
            self.folders.clear();
            self.folders = (1..=3)
                .map(|index| {
                    let path = self.place.path().join(index.to_string());
                    Folder::open(&path, PASSPHRASE, TEST_EFFORT).unwrap()
                })
                .collect();
        }

        fn say(&self, index: usize) -> Result<Vec<CeremonyMessage>, TrusteeFault> {
            answer(
                &self.folders[index - 1],
                &self.ceremony,
                &organization(index),
            )
        }

        fn round(&mut self, state: CeremonyState) {
            self.ceremony.set_state(state);
            let said: Vec<_> = (1..=3).flat_map(|index| self.say(index).unwrap()).collect();
            self.restart();
            let again: Vec<_> = (1..=3).flat_map(|index| self.say(index).unwrap()).collect();
            assert_eq!(said, again, "after a crash the same is said again");
            self.ceremony.messages.extend(said);
            for index in 1..=3 {
                assert!(
                    self.say(index).unwrap().is_empty(),
                    "nothing more is waited for"
                );
            }
        }
    }

    #[test]
    fn a_ceremony_with_a_crash_in_every_round_gives_a_key_and_shares() {
        let mut hall = Hall::new();
        hall.round(CeremonyState::Committing);
        hall.round(CeremonyState::Packages);
        hall.round(CeremonyState::Shares);
        hall.round(CeremonyState::Certifying);
        let key = tender_key(&hall.ceremony).unwrap();
        let terms = terms(&hall.ceremony).unwrap();
        let canary = make_canary(&terms, &key, &mut OsRng).unwrap();
        hall.ceremony.rehearsal_envelope = encode_rehearsal(&canary);
        hall.round(CeremonyState::Rehearsal);
        assert_eq!(verify(&hall.ceremony).unwrap(), key);
        for (folder, index) in hall.folders.iter().zip(1..) {
            assert_eq!(
                Some(folder.share(terms.id(), index).unwrap().public()),
                key.share(index)
            );
            folder.forget(terms.id()).unwrap();
            assert!(folder.share(terms.id(), index).is_err(), "erased");
        }
    }

    #[test]
    fn nothing_else_is_said_where_the_record_is_changed() {
        let mut hall = Hall::new();
        hall.round(CeremonyState::Committing);
        hall.ceremony.set_state(CeremonyState::Packages);
        let said = hall.say(1).unwrap();
        // The platform now shows another commitment of the second holder.
        let place = hall
            .ceremony
            .messages
            .iter()
            .position(|m| m.index == 2)
            .unwrap();
        hall.ceremony.messages[place].payload[0] ^= 1;
        assert_eq!(hall.say(1).unwrap(), said);
        assert!(hall.say(3).is_err(), "who has not spoken yet refuses");
        hall.ceremony.nonce = vec![3; 32];
        assert!(
            hall.say(1).is_err(),
            "another ceremony under this one's identifier"
        );
    }

    #[test]
    fn a_seat_under_other_keys_is_not_taken() {
        let mut hall = Hall::new();
        hall.ceremony.set_state(CeremonyState::Committing);
        hall.folders.swap(0, 1);
        assert!(hall.say(1).is_err());
        assert!(hall.say(3).is_ok());
    }
}
