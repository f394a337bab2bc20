//! The state of an opening session: nothing but the fold of its events. Shares and the record itself
//! stay in the journal; the state keeps who gave them and what the record hashes to.

use std::collections::BTreeSet;

use prost::{Message, Name};
use sunbid_contracts::bid::v1::LotClosing;
use sunbid_contracts::opening::v1::{
    CheckedIn, Closing, ClosingSignature, ClosingSigned, EnvelopeFault, HolderFault, Objection,
    ObjectionAnswered, ObjectionRaised, ObjectionState, OpeningRecordPublished, OpeningStarted,
    RecordConfirmed, RescuePublished, Session, SessionClosed, SessionMoved, SessionScheduled,
    SessionState as Stage, SessionTerminated, SharesAccepted, SharesRefused,
};
use sunbid_contracts::tender::v1::{Holder, Tender};
use sunbid_proofs::hash::sha256;
use sunbid_terms::Instant;

use crate::{Aggregate, Event, Unreadable};

/// The session's stream in the tender's opening log.
pub const STREAM: &str = "session";

/// 签到 opens so long before the deadline, seconds. Practice, not law; shown, never enforced.
const CHECK_IN_SECONDS: i64 = 3600;

/// A holder that has not done its part so long after it was asked is named, seconds; suppliers may
/// then open their own envelopes.
pub const STALL_SECONDS: i64 = 120;

/// How long objections may be raised where the tender does not say, seconds.
pub const OBJECTION_SECONDS: i64 = 300;

/// A holder whose shares were wrong.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ShareFault {
    #[prost(int32, tag = "1")]
    pub index: i32,
    #[prost(string, tag = "2")]
    pub reason: String,
    /// How often.
    #[prost(int32, tag = "3")]
    pub count: i32,
}

/// An envelope that its supplier opened.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Rescued {
    #[prost(bytes = "vec", tag = "1")]
    pub header_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub secret: Vec<u8>,
}

/// The whole session.
#[derive(Clone, PartialEq, Message)]
pub struct SessionState {
    #[prost(message, optional, tag = "1")]
    pub tender: Option<Tender>,
    /// Canonical bytes of the tender's key with every holder's public share.
    #[prost(bytes = "vec", tag = "2")]
    pub tender_key: Vec<u8>,
    #[prost(enumeration = "Stage", tag = "3")]
    pub stage: i32,
    #[prost(int64, tag = "4")]
    pub deadline_us: i64,
    /// "organizations/{credit_code}", in order of signing in. Never shown before the opening.
    #[prost(string, repeated, tag = "5")]
    pub checked_in: Vec<String>,
    #[prost(message, optional, tag = "6")]
    pub closing: Option<Closing>,
    #[prost(message, repeated, tag = "7")]
    pub lots: Vec<LotClosing>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub sheet_header_ids: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub evaluation_header_ids: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "10")]
    pub signatures: Vec<ClosingSignature>,
    /// In order of acceptance.
    #[prost(int32, repeated, tag = "11")]
    pub share_holders: Vec<i32>,
    #[prost(message, repeated, tag = "12")]
    pub share_faults: Vec<ShareFault>,
    #[prost(message, repeated, tag = "13")]
    pub rescues: Vec<Rescued>,
    /// When the closing was put on record.
    #[prost(int64, tag = "14")]
    pub started_us: i64,
    /// When the t-th holder had signed; 0: not yet.
    #[prost(int64, tag = "15")]
    pub shares_wanted_us: i64,
    #[prost(bytes = "vec", tag = "16")]
    pub record_sha256: Vec<u8>,
    #[prost(int32, tag = "17")]
    pub opened: i32,
    /// Bidders of this opening.
    #[prost(string, repeated, tag = "18")]
    pub bidders: Vec<String>,
    #[prost(int64, tag = "19")]
    pub objections_until_us: i64,
    #[prost(message, repeated, tag = "20")]
    pub objections: Vec<Objection>,
    #[prost(string, repeated, tag = "21")]
    pub confirmed: Vec<String>,
    /// Faults of holders as the record named them.
    #[prost(message, repeated, tag = "22")]
    pub recorded_faults: Vec<HolderFault>,
}

impl Aggregate for SessionState {
    fn evolve(&mut self, event: &Event, at: Instant) -> Result<(), Unreadable> {
        let name = event.name.as_str();
        if name == SessionScheduled::full_name() {
            let scheduled: SessionScheduled = known(event)?;
            let tender = scheduled
                .tender
                .ok_or_else(|| impossible(event, "it has no tender"))?;
            self.deadline_us = tender.timetable.as_ref().map_or(0, |t| t.bid_deadline_us);
            self.tender = Some(tender);
            self.tender_key = scheduled.tender_key;
            self.set_stage(Stage::Scheduled);
        } else if name == SessionMoved::full_name() {
            self.deadline_us = known::<SessionMoved>(event)?.deadline_us;
        } else if name == CheckedIn::full_name() {
            self.checked_in.push(known::<CheckedIn>(event)?.bidder);
        } else if name == OpeningStarted::full_name() {
            let started: OpeningStarted = known(event)?;
            let opens = started.lots.iter().any(|lot| lot.opens);
            self.closing = started.closing;
            self.lots = started.lots;
            self.sheet_header_ids = started.sheet_header_ids;
            self.evaluation_header_ids = started.evaluation_header_ids;
            self.started_us = at.micros();
            self.set_stage(if opens { Stage::Closing } else { Stage::Failed });
        } else if name == ClosingSigned::full_name() {
            let signed = known::<ClosingSigned>(event)?.signature;
            self.signatures
                .push(signed.ok_or_else(|| impossible(event, "it has no signature"))?);
            if self.stage() == Stage::Closing && self.signatures.len() >= self.threshold() {
                self.shares_wanted_us = at.micros();
                self.set_stage(Stage::Decrypting);
            }
        } else if name == SharesAccepted::full_name() {
            let shares = known::<SharesAccepted>(event)?.shares.unwrap_or_default();
            self.share_holders.push(shares.index);
        } else if name == SharesRefused::full_name() {
            let refused: SharesRefused = known(event)?;
            self.refuse_shares(refused.shares.unwrap_or_default().index, refused.reason);
        } else if name == RescuePublished::full_name() {
            let RescuePublished { header_id, secret } = known(event)?;
            self.rescues.push(Rescued { header_id, secret });
        } else if name == OpeningRecordPublished::full_name() {
            self.announce(&known(event)?, at)?;
        } else if name == ObjectionRaised::full_name() {
            self.objections
                .extend(known::<ObjectionRaised>(event)?.objection);
        } else if name == ObjectionAnswered::full_name() {
            let answered: ObjectionAnswered = known(event)?;
            let objection = self
                .objections
                .iter_mut()
                .find(|o| o.name == answered.objection);
            let objection =
                objection.ok_or_else(|| impossible(event, "there is no such objection"))?;
            objection.set_state(ObjectionState::Answered);
            objection.answer = answered.answer;
            objection.answered_by = answered.answered_by;
            objection.answer_time_us = at.micros();
        } else if name == RecordConfirmed::full_name() {
            self.confirmed.push(known::<RecordConfirmed>(event)?.bidder);
        } else if name == SessionClosed::full_name() {
            known::<SessionClosed>(event)?;
            self.set_stage(Stage::Closed);
        } else if name == SessionTerminated::full_name() {
            known::<SessionTerminated>(event)?;
            self.set_stage(Stage::Terminated);
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        Ok(())
    }
}

impl SessionState {
    fn refuse_shares(&mut self, index: i32, reason: String) {
        match self
            .share_faults
            .iter_mut()
            .find(|fault| fault.index == index)
        {
            Some(fault) => fault.count += 1,
            None => self.share_faults.push(ShareFault {
                index,
                reason,
                count: 1,
            }),
        }
    }

    fn announce(
        &mut self,
        published: &OpeningRecordPublished,
        at: Instant,
    ) -> Result<(), Unreadable> {
        let record = published
            .record
            .as_ref()
            .ok_or_else(|| Unreadable::Impossible {
                name: OpeningRecordPublished::full_name(),
                reason: "it has no record".to_owned(),
            })?;
        let lines = || record.lots.iter().flat_map(|lot| &lot.lines);
        self.record_sha256 = sha256(&[&record.encode_to_vec()]).to_vec();
        let opened = lines()
            .filter(|line| line.fault() == EnvelopeFault::None)
            .count();
        self.opened = i32::try_from(opened).unwrap_or(i32::MAX);
        let bidders: BTreeSet<String> = lines().map(|line| line.bidder.clone()).collect();
        self.bidders = bidders.into_iter().collect();
        self.recorded_faults = record.holder_faults.clone();
        self.objections_until_us = at.plus_seconds(self.objection_seconds()).micros();
        self.set_stage(Stage::Announced);
        Ok(())
    }

    fn objection_seconds(&self) -> i64 {
        let asked = self.tender.as_ref().and_then(|t| t.timetable.as_ref());
        match asked.map_or(0, |timetable| timetable.objection_window_seconds) {
            0 => OBJECTION_SECONDS,
            seconds => seconds,
        }
    }

    /// Whether a session was ever scheduled.
    pub const fn exists(&self) -> bool {
        self.tender.is_some()
    }

    pub fn purchaser(&self) -> &str {
        self.tender.as_ref().map_or("", |tender| &tender.purchaser)
    }

    /// How many holders must act; more than any number where there is no key.
    pub fn threshold(&self) -> usize {
        let threshold = self.tender.as_ref().map(|tender| tender.threshold);
        threshold
            .and_then(|t| usize::try_from(t).ok())
            .filter(|t| *t > 0)
            .unwrap_or(usize::MAX)
    }

    pub fn holders(&self) -> &[Holder] {
        self.tender.as_ref().map_or(&[], |tender| &tender.holders)
    }

    /// The holder that an organisation is for this tender.
    pub fn holder_of(&self, organization: &str) -> Option<&Holder> {
        self.holders()
            .iter()
            .find(|holder| !organization.is_empty() && holder.organization == organization)
    }

    /// The hash that was or will be signed; empty before the closing.
    pub fn close(&self) -> &[u8] {
        self.closing.as_ref().map_or(&[], |closing| &closing.close)
    }

    pub fn has_signed(&self, index: i32) -> bool {
        self.signatures
            .iter()
            .any(|signature| signature.index == index)
    }

    pub fn has_shared(&self, index: i32) -> bool {
        self.share_holders.contains(&index)
    }

    /// t holders have signed and something is to be opened.
    pub fn shares_wanted(&self) -> bool {
        matches!(self.stage(), Stage::Decrypting | Stage::Announced)
    }

    /// Since when the holders have been asked for what they now owe; `None` where they owe nothing.
    fn owed_since(&self) -> Option<i64> {
        match self.stage() {
            Stage::Closing => Some(self.started_us),
            Stage::Decrypting | Stage::Announced | Stage::Closed => Some(self.shares_wanted_us),
            _ => None,
        }
    }

    /// Holders signed the closing, were given their time, and too few gave shares. Before t have
    /// signed, no supplier is asked for its secret: the set of bids is not fixed yet.
    pub fn is_stalled(&self, now: Instant) -> bool {
        let waiting = self.stage() == Stage::Decrypting;
        let lapsed = |since| now >= Instant::from_micros(since).plus_seconds(STALL_SECONDS);
        waiting && self.owed_since().is_some_and(lapsed)
    }

    /// Holders that did wrong, and, once their time has lapsed, those that did nothing.
    pub fn holder_faults(&self, now: Instant) -> Vec<HolderFault> {
        let lapsed = self
            .owed_since()
            .is_some_and(|since| now >= Instant::from_micros(since).plus_seconds(STALL_SECONDS));
        let signing = self.stage() == Stage::Closing;
        self.holders()
            .iter()
            .filter_map(|holder| {
                let fault = |zh: String, en: String| {
                    let organization = holder.organization.clone();
                    Some(HolderFault {
                        index: holder.index,
                        organization,
                        note_zh: zh,
                        note_en: en,
                    })
                };
                if let Some(wrong) = self.share_faults.iter().find(|f| f.index == holder.index) {
                    return fault(
                        format!("提交的解密份额未通过验证：{}", wrong.reason),
                        format!(
                            "Gave decryption shares that do not verify: {}",
                            wrong.reason
                        ),
                    );
                }
                if !lapsed {
                    return None;
                }
                if signing && !self.has_signed(holder.index) {
                    return fault(
                        "未在规定时间内签署截止记录。".to_owned(),
                        "Did not sign the closing record in time.".to_owned(),
                    );
                }
                if !signing && !self.has_shared(holder.index) {
                    return fault(
                        "未在规定时间内提交解密份额。".to_owned(),
                        "Did not give decryption shares in time.".to_owned(),
                    );
                }
                None
            })
            .collect()
    }

    /// The session as anyone may see it. Before the closing record it tells the time and the state,
    /// and nothing that depends on who bids or signed in.
    pub fn seen(&self, now: Instant) -> Session {
        let Some(tender) = &self.tender else {
            return Session::default();
        };
        let deadline = Instant::from_micros(self.deadline_us);
        let stage = match self.stage() {
            Stage::Scheduled if now >= deadline => Stage::Closing,
            Stage::Scheduled if now >= deadline.plus_seconds(-CHECK_IN_SECONDS) => Stage::CheckIn,
            stage => stage,
        };
        let mut session = Session {
            name: format!("{}/opening", tender.name),
            tender: tender.name.clone(),
            deadline_us: self.deadline_us,
            holders: i32::try_from(tender.holders.len()).unwrap_or(i32::MAX),
            threshold: tender.threshold,
            ..Session::default()
        };
        session.set_state(stage);
        if let Some(closing) = &self.closing {
            session.closed_time_us = Instant::from_seconds(closing.closed_seconds).micros();
            session.close = closing.close.clone();
            session.signatures = self.signatures.clone();
            session.share_holders = self.share_holders.clone();
            session.holder_faults = self.holder_faults(now);
            session.envelopes = i32::try_from(self.sheet_header_ids.len()).unwrap_or(i32::MAX);
            session.opened = self.opened;
            session.objections_until_us = self.objections_until_us;
            session.objections = self.objections.clone();
            session.lots = self.lots.clone();
        }
        session
    }
}

fn known<M: Message + Name + Default>(event: &Event) -> Result<M, Unreadable> {
    event
        .read()?
        .ok_or_else(|| Unreadable::UnknownEvent(event.name.clone()))
}

fn impossible(event: &Event, reason: &str) -> Unreadable {
    Unreadable::Impossible {
        name: event.name.clone(),
        reason: reason.to_owned(),
    }
}
