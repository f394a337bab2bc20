//! A tender's state with its key ceremony: nothing but the fold of its events.
//! Impossible successions are unreadable, so that damage to a log shows when it is folded.

use prost::Message;
use sunbid_contracts::tender::v1::{
    Ceremony, CeremonyFailed, CeremonyMessagePosted, CeremonyStarted, CeremonyState, DocumentAdded,
    RehearsalSealed, Tender, TenderAnnounced, TenderClosed, TenderCreated, TenderKeyEstablished,
    TenderOpened, TenderResumed, TenderReviewed, TenderState, TenderSuspended, TenderTerminated,
    TenderUpdated, TimetableChanged,
};
use sunbid_terms::Instant;

use crate::{Aggregate, Event, Unreadable};

use super::rounds;

/// A tender as its log tells it.
#[derive(Clone, PartialEq, Message)]
pub struct Dossier {
    #[prost(message, optional, tag = "1")]
    pub tender: Option<Tender>,
    /// The ceremony that runs, failed last, or made the key that stands.
    #[prost(message, optional, tag = "2")]
    pub ceremony: Option<Ceremony>,
    /// How many ceremonies were started; names the next.
    #[prost(uint32, tag = "3")]
    pub ceremonies: u32,
}

impl Dossier {
    /// Where the tender stands; unspecified before it is created.
    pub fn state(&self) -> TenderState {
        self.tender
            .as_ref()
            .map_or(TenderState::Unspecified, Tender::state)
    }

    /// Whether everybody may know of it.
    pub fn is_public(&self) -> bool {
        self.tender.as_ref().is_some_and(is_public)
    }
}

/// Whether everybody may know of a tender: its notice was published.
pub fn is_public(tender: &Tender) -> bool {
    tender.announce_time_us > 0
}

impl Aggregate for Dossier {
    fn evolve(&mut self, event: &Event, at: Instant) -> Result<(), Unreadable> {
        if let Some(created) = event.read::<TenderCreated>()? {
            if self.tender.is_some() {
                return Err(impossible(event, "there is a tender already"));
            }
            let mut tender = created
                .tender
                .ok_or_else(|| impossible(event, "it holds no tender"))?;
            tender.etag = 1;
            self.tender = Some(tender);
            return Ok(());
        }
        let from = self.state();
        let Some(mut tender) = self.tender.take() else {
            return Err(impossible(event, "there is no tender yet"));
        };
        tender.etag += 1;
        if let Some(updated) = event.read::<TenderUpdated>()? {
            let etag = tender.etag;
            tender = updated
                .tender
                .ok_or_else(|| impossible(event, "it holds no tender"))?;
            tender.etag = etag;
            if tender.state() == TenderState::Draft {
                self.ceremony = None;
            }
        } else if let Some(added) = event.read::<DocumentAdded>()? {
            tender.documents.extend(added.document);
            if !added.author.is_empty() && !tender.authors.contains(&added.author) {
                tender.authors.push(added.author);
            }
            tender.reviews.clear();
        } else if let Some(reviewed) = event.read::<TenderReviewed>()? {
            tender.reviews.extend(reviewed.review);
        } else if self.evolve_ceremony(&mut tender, event)? {
            // Done there.
        } else if let Some(announced) = event.read::<TenderAnnounced>()? {
            tender.announce_time_us = announced.announce_time_us;
            tender.set_state(TenderState::Announced);
        } else if let Some(changed) = event.read::<TimetableChanged>()? {
            tender.timetable = changed.timetable;
        } else if let Some(suspended) = event.read::<TenderSuspended>()? {
            tender.hold = suspended.hold;
        } else if let Some(resumed) = event.read::<TenderResumed>()? {
            tender.hold = None;
            if let Some(timetable) = &mut tender.timetable {
                timetable.bid_deadline_us = resumed.bid_deadline_us;
            }
        } else if let Some(terminated) = event.read::<TenderTerminated>()? {
            tender.hold = None;
            tender.state_reason = terminated.reason;
            tender.set_state(TenderState::Terminated);
        } else if let Some(closed) = event.read::<TenderClosed>()? {
            if from != TenderState::Announced {
                return Err(impossible(event, "the tender was not announced"));
            }
            if closed.opening_lots.is_empty() {
                tender.state_reason = FAILED_REASON.to_owned();
                tender.set_state(TenderState::Failed);
            } else {
                tender.set_state(TenderState::Closed);
            }
        } else if event.read::<TenderOpened>()?.is_some() {
            if from != TenderState::Closed {
                return Err(impossible(event, "the tender was not closed"));
            }
            tender.set_state(TenderState::Opened);
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        let _ = at;
        self.tender = Some(tender);
        Ok(())
    }
}

/// 招标投标法实施条例 art. 44, 87号令 art. 43; says no number.
const FAILED_REASON: &str = "各标段（包）的投标人均不足三家，不予开标。";

impl Dossier {
    /// Whether the event was one of the ceremony's.
    fn evolve_ceremony(&mut self, tender: &mut Tender, event: &Event) -> Result<bool, Unreadable> {
        if let Some(started) = event.read::<CeremonyStarted>()? {
            let ceremony = started
                .ceremony
                .ok_or_else(|| impossible(event, "it holds no ceremony"))?;
            tender.holders.clone_from(&ceremony.holders);
            tender.threshold = ceremony.threshold;
            tender.set_state(TenderState::Ceremony);
            self.ceremonies += 1;
            self.ceremony = Some(ceremony);
            return Ok(true);
        }
        let Some(ceremony) = &mut self.ceremony else {
            let of_ceremony = event.is::<CeremonyMessagePosted>()
                || event.is::<RehearsalSealed>()
                || event.is::<CeremonyFailed>()
                || event.is::<TenderKeyEstablished>();
            return if of_ceremony {
                Err(impossible(event, "no ceremony runs"))
            } else {
                Ok(false)
            };
        };
        if let Some(posted) = event.read::<CeremonyMessagePosted>()? {
            ceremony.messages.extend(posted.message);
            ceremony.set_state(rounds::stage(ceremony));
        } else if let Some(sealed) = event.read::<RehearsalSealed>()? {
            ceremony.rehearsal_envelope = sealed.envelope;
            ceremony.set_state(rounds::stage(ceremony));
        } else if let Some(failed) = event.read::<CeremonyFailed>()? {
            ceremony.fault = failed.fault;
            ceremony.set_state(CeremonyState::Failed);
        } else if let Some(established) = event.read::<TenderKeyEstablished>()? {
            ceremony.set_state(CeremonyState::Done);
            tender.key_id = established.key_id;
            tender.public_key = established.public_key;
            tender.set_state(TenderState::Ready);
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn impossible(event: &Event, reason: &str) -> Unreadable {
    Unreadable::Impossible {
        name: event.name.clone(),
        reason: reason.to_owned(),
    }
}
