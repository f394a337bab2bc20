//! The opening log, record by record: each is decided again from the state before it, the shares are
//! proven, and the opening record is made anew (`announcing`).

use std::collections::BTreeSet;

use sunbid_contracts::bid::v1::{BiddingReleased, DeadlineMoved, DeadlineMovedByOutage};
use sunbid_contracts::common::v1::Verdict;
use sunbid_contracts::opening::v1::{
    CheckedIn, ClosingSigned, HolderShares, ObjectionAnswered, ObjectionRaised, OpeningRecord,
    OpeningRecordPublished, OpeningStarted, RecordConfirmed, RescuePublished, SessionClosed,
    SessionMoved, SessionScheduled, SessionTerminated, SharesAccepted, SharesRefused,
};
use sunbid_contracts::tender::v1::Tender;
use sunbid_domain::opening::record::rescue;
use sunbid_domain::opening::{CheckedBids, ClosedBids, SessionState, decide, session};
use sunbid_domain::{Aggregate, Event, Refusal};
use sunbid_proofs::StreamId;
use sunbid_rules::Engine;
use sunbid_sealing::{TenderKey, is_signed_by};

use crate::fault::{Culprit, Fault};
use crate::index::Files;
use crate::log::{Entry, Log};
use crate::report::Tally;
use crate::rules;
use crate::shares::{Opening, Proven};

/// What an opening is judged by.
pub(crate) struct Ground<'a> {
    pub files: &'a Files,
    pub engine: &'a Engine,
    pub announced: &'a Tender,
    pub key: &'a TenderKey,
    pub notice: &'a Log,
    pub bid: &'a Log,
    /// Absent where the tender was terminated.
    pub closed: Option<(&'a ClosedBids, &'a CheckedBids)>,
}

/// Goes through the whole opening log.
pub(crate) fn check(
    log: &Log,
    ground: &Ground<'_>,
    tally: &mut Tally,
) -> Result<SessionState, Fault> {
    let mut walk = Walk {
        log,
        ground,
        state: SessionState::default(),
        proven: Vec::new(),
        rescues: Vec::new(),
        record: None,
        envelopes: BTreeSet::new(),
    };
    let stream = StreamId::of(session::STREAM);
    for entry in &log.entries {
        if entry.stream != stream {
            return Err(log.fault(
                "SESSION",
                entry.seq,
                "记录不在开标的流中。",
                "The record is not in the session's stream.",
            ));
        }
        let Some(said) = &entry.said else {
            // Only who signed in without bidding is withheld; that decides nothing.
            if walk.record.is_some() {
                return Err(log.fault(
                    "BODY_WITHHELD",
                    entry.seq,
                    "该记录的内容应当公开。",
                    "The body of this record is withheld, and may not be.",
                ));
            }
            continue;
        };
        walk.step(entry, &said.event, tally)?;
        walk.state.evolve(&said.event, entry.at).map_err(|error| {
            log.fault(
                "SESSION",
                entry.seq,
                "该事件不能发生在此前的状态之后。",
                format!("This cannot have happened here: {error}."),
            )
        })?;
    }
    walk.finish(tally)
}

pub(crate) struct Walk<'a> {
    pub log: &'a Log,
    pub ground: &'a Ground<'a>,
    pub state: SessionState,
    pub proven: Vec<Proven>,
    pub rescues: Vec<RescuePublished>,
    pub record: Option<OpeningRecord>,
    /// Envelopes whose stored bytes belong to the opening.
    pub envelopes: BTreeSet<String>,
}

impl Walk<'_> {
    fn step(&mut self, entry: &Entry, event: &Event, tally: &mut Tally) -> Result<(), Fault> {
        if let Some(scheduled) = entry.read::<SessionScheduled>() {
            return self.scheduled(entry, &scheduled);
        }
        if self
            .log
            .entries
            .first()
            .is_some_and(|first| first.seq == entry.seq)
        {
            return Err(self.fault(
                entry,
                "The log does not begin with the scheduling of the opening.",
            ));
        }
        if let Some(moved) = entry.read::<SessionMoved>() {
            return self.moved(entry, moved.deadline_us);
        }
        if let Some(checked_in) = entry.read::<CheckedIn>() {
            let again = decide::check_in(&self.state, &checked_in.bidder);
            return self.decided(
                entry,
                event,
                again.map(|events| (events, Vec::new())),
                tally,
            );
        }
        if entry.read::<OpeningStarted>().is_some() {
            let (closed, _) = self.closed(entry)?;
            let again = decide::start(&self.state, closed, self.ground.engine, entry.at);
            return self.decided(entry, event, again, tally);
        }
        if let Some(signed) = entry.read::<ClosingSigned>() {
            return self.signed(entry, event, &signed, tally);
        }
        if let Some(accepted) = entry.read::<SharesAccepted>() {
            return self.accepted(entry, &accepted.shares.unwrap_or_default(), tally);
        }
        if let Some(refused) = entry.read::<SharesRefused>() {
            let (closed, bids) = self.closed(entry)?;
            let opening = self.opening(closed, bids)?;
            return opening.refused(entry.seq, &refused.shares.unwrap_or_default());
        }
        if let Some(published) = entry.read::<RescuePublished>() {
            return self.rescued(entry, event, published, tally);
        }
        if let Some(published) = entry.read::<OpeningRecordPublished>() {
            return self.published(entry, published.record.unwrap_or_default(), tally);
        }
        self.after(entry, event, tally)
    }

    /// Objections, confirmations and the end of the session.
    fn after(&self, entry: &Entry, event: &Event, tally: &mut Tally) -> Result<(), Fault> {
        let (state, engine, at) = (&self.state, self.ground.engine, entry.at);
        let again = if let Some(raised) = entry.read::<ObjectionRaised>() {
            let said = raised.objection.unwrap_or_default();
            decide::raise_objection(state, &said.raised_by, said.name, &said.text, engine, at)
                .map(|(_, ruled)| ruled)
        } else if let Some(said) = entry.read::<ObjectionAnswered>() {
            decide::answer_objection(state, &said.objection, &said.answer, &said.answered_by)
                .map(|events| (events, Vec::new()))
        } else if let Some(said) = entry.read::<RecordConfirmed>() {
            decide::confirm(state, &said.bidder, &said.record_sha256)
                .map(|events| (events, Vec::new()))
        } else if entry.read::<SessionClosed>().is_some() {
            let record = self
                .record
                .as_ref()
                .ok_or_else(|| self.fault(entry, "The session was closed without a record."))?;
            decide::close(state, record, engine, at)
        } else if let Some(said) = entry.read::<SessionTerminated>() {
            if self.ground.closed.is_some() {
                return Err(self.fault(entry, "The session was terminated though bidding closed."));
            }
            Ok((decide::terminate(state, said.reason), Vec::new()))
        } else {
            return Err(self.fault(entry, "This event has no place here."));
        };
        self.decided(entry, event, again, tally)
    }

    fn scheduled(&self, entry: &Entry, said: &SessionScheduled) -> Result<(), Fault> {
        if self.state.exists() {
            return Err(self.fault(entry, "The opening was scheduled twice."));
        }
        if said.tender.as_ref() != Some(self.ground.announced) {
            return Err(self.fault(
                entry,
                "The opening is of another tender than the one announced.",
            ));
        }
        if said.tender_key != self.ground.key.encode() {
            return Err(self.fault(
                entry,
                "The opening uses another key than the ceremony made.",
            ));
        }
        let head = said.notice_head.clone().unwrap_or_default();
        if self
            .ground
            .notice
            .prefix(&head)
            .is_none_or(<[Entry]>::is_empty)
        {
            return Err(self.log.fault("HANDOVER", entry.seq, "开标所依据的公告日志不是所公开的日志。", "The notice log at the head that the opening was scheduled from is not the log disclosed."));
        }
        Ok(())
    }

    /// The opening moves only where the bid log moved the deadline.
    fn moved(&self, entry: &Entry, deadline_us: i64) -> Result<(), Fault> {
        let known = self.ground.bid.entries.iter().any(|record| {
            record
                .read::<DeadlineMoved>()
                .is_some_and(|moved| moved.new_deadline_us == deadline_us)
                || record
                    .read::<DeadlineMovedByOutage>()
                    .is_some_and(|moved| moved.new_deadline_us == deadline_us)
                || record
                    .read::<BiddingReleased>()
                    .is_some_and(|released| released.new_deadline_us == deadline_us)
        });
        if known && !decide::move_to(&self.state, deadline_us).is_empty() {
            return Ok(());
        }
        Err(self.fault(
            entry,
            "The opening was moved to a time that no deadline was moved to.",
        ))
    }

    fn signed(
        &self,
        entry: &Entry,
        event: &Event,
        said: &ClosingSigned,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let signature = said.signature.clone().unwrap_or_default();
        let holder = self
            .state
            .holders()
            .iter()
            .find(|holder| holder.index == signature.index);
        let holder = holder.ok_or_else(|| {
            self.fault(entry, "The closing is signed by somebody who is no holder.")
        })?;
        let valid = <[u8; 32]>::try_from(holder.identity_key.as_slice())
            .ok()
            .zip(<[u8; 64]>::try_from(signature.signature.as_slice()).ok())
            .is_some_and(|(key, bytes)| is_signed_by(&key, self.state.close(), &bytes));
        if !valid {
            return Err(self.log.fault(
                "CLOSING_SIGNATURE",
                entry.seq,
                format!("第{}号持有机构对截标记录的签名是伪造的。", signature.index),
                format!(
                    "The signature of holder {} on the closing is not its own.",
                    signature.index
                ),
            ));
        }
        tally.add(
            "持有机构对截标记录的签名",
            "signatures of holders on the closing",
            1,
        );
        let close = self.state.close().to_vec();
        let again = decide::sign(&self.state, &holder.organization, &close, signature);
        self.decided(
            entry,
            event,
            again.map(|events| (events, Vec::new())),
            tally,
        )
    }

    fn accepted(
        &mut self,
        entry: &Entry,
        shares: &HolderShares,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        if !self.state.shares_wanted() {
            return Err(self.fault(entry, "A holder gave shares before enough holders had signed the closing, or though nothing opens."));
        }
        if self.proven.iter().any(|known| known.index == shares.index) {
            return Err(self.fault(entry, "Shares of one holder were accepted twice."));
        }
        let (closed, bids) = self.closed(entry)?;
        let proven = self.opening(closed, bids)?.accepted(entry.seq, shares)?;
        tally.add(
            "解密份额的零知识证明",
            "proofs of decryption shares and deliveries",
            proven.count,
        );
        self.proven.push(proven);
        Ok(())
    }

    fn rescued(
        &mut self,
        entry: &Entry,
        event: &Event,
        said: RescuePublished,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let (_, bids) = self.closed(entry)?;
        let sheet = bids
            .sheets
            .iter()
            .find(|sheet| sheet.header.id().as_slice() == said.header_id);
        let sheet = sheet.ok_or_else(|| {
            self.fault(
                entry,
                "A supplier opened an envelope that is not to be opened.",
            )
        })?;
        rescue(self.ground.key, &sheet.header, &said.secret).map_err(|cause| {
            self.fault(
                entry,
                &format!("The secret published is not the envelope's: {cause}"),
            )
        })?;
        let again = decide::rescue(&self.state, &said.header_id, &said.secret, entry.at);
        self.decided(
            entry,
            event,
            again.map(|events| (events, Vec::new())),
            tally,
        )?;
        self.rescues.push(said);
        Ok(())
    }

    fn finish(self, tally: &mut Tally) -> Result<SessionState, Fault> {
        let fault = |en: &str| {
            Err(Fault::platform(
                "SESSION",
                self.log.path.clone(),
                "开标没有如所公开的结果结束。",
                en,
            ))
        };
        if self.ground.closed.is_some() && self.state.signatures.len() < self.state.threshold() {
            return fault("Fewer holders than are needed have signed the closing of the bids.");
        }
        match self.ground.closed {
            Some((closed, _)) if closed.opens() => {
                if self.record.is_none() {
                    return fault("Lots open, but there is no opening record.");
                }
            }
            Some(_) => {
                if !self.proven.is_empty() || self.state.closing.is_none() {
                    return fault(
                        "Nothing was to be opened, but shares were given, or the opening was never started.",
                    );
                }
            }
            None => {
                if self.state.closing.is_some() {
                    return fault("The tender was terminated, but an opening was started.");
                }
            }
        }
        let stored: BTreeSet<&str> = self.ground.files.below("envelopes/").collect();
        if let Some(extra) = stored.iter().find(|path| !self.envelopes.contains(**path)) {
            return Err(Fault::records(
                "ENVELOPE_UNKNOWN",
                *extra,
                "该密文不属于任何已开启的开标一览表。",
                "These sealed bytes are of no sheet that was opened.",
            ));
        }
        tally.add(
            "开标记录的各事项",
            "records of the opening decided again",
            self.log.entries.len(),
        );
        Ok(self.state)
    }

    pub(crate) fn closed(&self, entry: &Entry) -> Result<(&'_ ClosedBids, &'_ CheckedBids), Fault> {
        self.ground
            .closed
            .ok_or_else(|| self.fault(entry, "Something was opened though bidding never closed."))
    }

    pub(crate) fn opening<'b>(
        &'b self,
        closed: &ClosedBids,
        bids: &'b CheckedBids,
    ) -> Result<Opening<'b>, Fault> {
        Opening::new(
            self.log,
            self.ground.key,
            closed.close(),
            bids,
            self.ground.announced,
        )
    }

    /// The recorded event is the one event that is decided here, with the same verdicts.
    fn decided(
        &self,
        entry: &Entry,
        event: &Event,
        again: Result<(Vec<Event>, Vec<Verdict>), Refusal>,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let (events, verdicts) =
            again.map_err(|refusal| rules::refused(self.log, entry.seq, &refusal))?;
        if events.as_slice() != std::slice::from_ref(event) {
            return Err(self.fault(
                entry,
                &format!(
                    "{} is not what follows from the records before it.",
                    event.name
                ),
            ));
        }
        let count = rules::same(self.log, entry, &verdicts)?;
        tally.add("重新计算的规则判定", "verdicts of rules recomputed", count);
        Ok(())
    }

    pub(crate) fn fault(&self, entry: &Entry, en: &str) -> Fault {
        Fault::new(
            "SESSION",
            Culprit::Platform,
            self.log.place(entry.seq),
            "开标记录中的事项不成立。",
            en,
        )
    }
}
