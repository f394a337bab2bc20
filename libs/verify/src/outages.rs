//! Outages of the platform: each deadline that one moved is moved again by the rules, from the intake
//! log; none that passed in one was closed for; and no bid was taken while none could be.

use sunbid_contracts::bid::v1::{BiddingClosed, DeadlineMovedByOutage, Outage, OutageRecorded};
use sunbid_domain::bid::{TenderBox, outage};
use sunbid_domain::opening::bid_log::LoggedEvent;
use sunbid_rules::Engine;

use crate::fault::Fault;
use crate::log::{Entry, Log};
use crate::report::Tally;
use crate::rules;

/// The outages on record, and the rules that deadlines move by.
pub(crate) struct Outages<'a> {
    log: Option<&'a Log>,
    recorded: Vec<Outage>,
    pub engine: &'a Engine,
}

impl<'a> Outages<'a> {
    /// The outages of an intake log; none where it is not disclosed.
    pub(crate) fn read(log: Option<&'a Log>, engine: &'a Engine) -> Result<Self, Fault> {
        let entries = log.map_or(&[][..], |log| log.entries.as_slice());
        let events: Vec<LoggedEvent> = entries
            .iter()
            .filter_map(|entry| {
                let event = entry.said.as_ref()?.event.clone();
                let (seq, at) = (entry.seq, entry.at);
                Some(LoggedEvent { seq, at, event })
            })
            .collect();
        let recorded = outage::recorded(&events).map_err(|error| {
            Fault::platform(
                "OUTAGE",
                crate::log::path("intake"),
                "停机记录不成立。",
                format!("The record of outages does not stand: {error}."),
            )
        })?;
        Ok(Self {
            log,
            recorded,
            engine,
        })
    }

    /// A bidder's record is not of a time in which no bid could be taken.
    pub(crate) fn allow_act(&self, bids: &Log, entry: &Entry) -> Result<(), Fault> {
        let contradicted = |outage: &&Outage| outage::contradicts(outage, entry.at);
        match self.recorded.iter().find(contradicted) {
            None => Ok(()),
            Some(outage) => Err(bids.fault(
                "OUTAGE_FALSE",
                entry.seq,
                format!(
                    "平台称第{}号停机期间不能接收投标，却在其间接收了投标。",
                    outage.seq
                ),
                format!(
                    "A bid was taken in outage {}, when the platform says that none could be.",
                    outage.seq
                ),
            )),
        }
    }

    /// An outage's move is the one that the rules lead to; a closing's deadline did not pass in one.
    pub(crate) fn check_order(
        &self,
        bids: &Log,
        entry: &Entry,
        before: &TenderBox,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        if let Some(moved) = entry.read::<DeadlineMovedByOutage>() {
            let fault = |en: String| bids.fault("OUTAGE", entry.seq, "停机顺延不成立。", en);
            if !self.is_recorded(&moved) {
                return Err(fault(
                    "The intake log, as disclosed, does not hold the outage that moved the deadline."
                        .to_owned(),
                ));
            }
            let said = outage::recheck(before, &moved, entry.at, self.engine)
                .map_err(|what| fault(format!("The deadline was not rightly moved: {what}.")))?;
            let count = rules::same(bids, entry, &said)?;
            tally.add("重新计算的规则判定", "verdicts of rules recomputed", count);
            tally.add("停机顺延", "deadlines moved by outages, recomputed", 1);
        }
        if entry.read::<BiddingClosed>().is_some()
            && let Some(outage) = outage::overlooked(before, &self.recorded, self.engine)
        {
            return Err(bids.fault(
                "OUTAGE_OVERLOOKED",
                entry.seq,
                format!("截止时间在第{}号停机期间，应当顺延而未顺延。", outage.seq),
                format!(
                    "Bidding was closed though its deadline passed in outage {} and should have moved.",
                    outage.seq
                ),
            ));
        }
        Ok(())
    }

    /// The outage stands in the intake log, at the head that the move names.
    fn is_recorded(&self, moved: &DeadlineMovedByOutage) -> bool {
        let head = moved.intake_head.clone().unwrap_or_default();
        let before = self.log.and_then(|log| log.prefix(&head));
        before.unwrap_or_default().iter().any(|entry| {
            entry
                .read::<OutageRecorded>()
                .is_some_and(|event| event.outage == moved.outage)
        })
    }
}
