//! What must stand in the public log before a closing is signed: the whole closed bid log, in an epoch
//! after the deadline; the same log as it was one epoch before, of which it is a continuation; and the
//! notices it was closed under, and the outages that moved its deadline. All of it in a checkpoint that this institution cosigns, so that what
//! it was shown is what everybody is shown, and nothing that was there before can be left out.

use std::sync::Arc;

use prost::Message as _;
use sunbid_contracts::{
    audit::v1::{HeadProof as Carried, ProveClosingRequest, ProveClosingResponse},
    notice::v1::{
        ClarificationPublished, FollowUpPublished, Notice, NoticeKind, TenderNoticePublished,
    },
};
use sunbid_domain::{
    bid::{intake, outage},
    opening::{BidLog, ClosedBids, head_proof},
};
use sunbid_proofs::{Checkpoint, HeadProof, LogId, merkle::root_of};
use sunbid_rules::Engine;

use crate::{Trustee, TrusteeFault, witness};

/// What the audit showed around a closing, with the checkpoint that this institution has cosigned.
pub struct Shown {
    answer: ProveClosingResponse,
    checkpoint: Checkpoint,
}

/// Asks where the tender's logs stand in the public log.
pub async fn ask(trustee: &Arc<Trustee>, tender: &str) -> Result<Shown, TrusteeFault> {
    let request = ProveClosingRequest {
        tender: tender.to_owned(),
    };
    let mut audit = trustee.connection.audit(&trustee.folder).await?;
    let answer = audit.prove_closing(request).await?.into_inner();
    let checkpoint = witness::rely_on(trustee, &answer.note).await?;
    Ok(Shown { answer, checkpoint })
}

impl Shown {
    /// Refuses unless the closed bid log is the one that the public log shows. What contradicts is kept
    /// as evidence.
    pub fn require(
        &self,
        trustee: &Trustee,
        tender: &str,
        bids: &BidLog,
        closed: &ClosedBids,
    ) -> Result<(), TrusteeFault> {
        let found = check(&self.answer, &self.checkpoint, tender, bids, closed);
        if let Err(fault) = &found {
            let evidence = self.answer.encode_to_vec();
            let evidence = trustee.folder.keep_evidence("closing", &evidence)?;
            tracing::error!(%fault, evidence = %evidence.display(), "A CLOSING IS NOT WHAT THE PUBLIC LOG SHOWS");
        }
        found
    }
}

fn check(
    shown: &ProveClosingResponse,
    checkpoint: &Checkpoint,
    tender: &str,
    bids: &BidLog,
    closed: &ClosedBids,
) -> Result<(), TrusteeFault> {
    let differs = |what: &str| Err(TrusteeFault::NotAsShown(what.to_owned()));
    let own = LogId::of("bid", tender);
    let after = proof(&shown.closed, own, checkpoint, "the closed bid log")?;
    if (after.size, after.root) != (bids.leaves.len() as u64, bids.root) {
        return differs("the closed bid log is another there");
    }
    if after.epoch.at < closed.closed_at.max(closed.deadline).micros() {
        return differs("the epoch of the closing is from before the deadline");
    }
    let before = proof(
        &shown.before,
        own,
        checkpoint,
        "the bid log before its closing",
    )?;
    if before.epoch.epoch + 1 != after.epoch.epoch || before.size >= after.size {
        return differs("the closing does not lie between two neighbouring epochs");
    }
    let known = usize::try_from(before.size).ok();
    let known = known.and_then(|size| bids.leaves.get(..size));
    if known.map(root_of) != Some(before.root) {
        return differs("records of the bid log are not those that stood there before the closing");
    }
    let log = LogId::of("notice", tender);
    let published = proof(&shown.published, log, checkpoint, "the notices")?;
    let notices = BidLog::read(log, &shown.notices)?;
    if published.epoch != after.epoch
        || (published.size, published.root) != (notices.leaves.len() as u64, notices.root)
    {
        return differs("the notices are others there");
    }
    require_published(closed, &read(&notices)?)?;
    require_outages(shown, checkpoint, &after, bids, closed)
}

/// What outages did to the deadline is what the rules, applied here again, do with the intake log that
/// everybody is shown; no bid was taken in an outage, and the closing's deadline did not pass in one.
fn require_outages(
    shown: &ProveClosingResponse,
    checkpoint: &Checkpoint,
    after: &HeadProof,
    bids: &BidLog,
    closed: &ClosedBids,
) -> Result<(), TrusteeFault> {
    if shown.intake.is_none() {
        // A platform that does not measure outages moves nothing for them.
        return match closed.moves.first() {
            None => Ok(()),
            Some(_) => Err(TrusteeFault::NotAsShown(
                "the outage that moved the deadline is not shown to be there".to_owned(),
            )),
        };
    }
    let log = LogId::of("bid", intake::SCOPE);
    let proof = proof(&shown.intake, log, checkpoint, "the intake log")?;
    let recorded = BidLog::read(log, &shown.outages)?;
    if proof.epoch != after.epoch
        || (proof.size, proof.root) != (recorded.leaves.len() as u64, recorded.root)
    {
        return Err(TrusteeFault::NotAsShown(
            "the intake log is another there".to_owned(),
        ));
    }
    let engine = Engine::new().map_err(|error| TrusteeFault::NotAsPublished(error.to_string()))?;
    let outages = outage::recorded(&recorded.events)
        .map_err(|error| TrusteeFault::NotAsPublished(error.to_string()))?;
    outage::agree(&bids.events, &outages, &engine).map_err(TrusteeFault::NotAsPublished)
}

/// A proof for `log` that holds under a checkpoint.
fn proof(
    carried: &Option<Carried>,
    log: LogId,
    checkpoint: &Checkpoint,
    what: &str,
) -> Result<HeadProof, TrusteeFault> {
    let missing = || TrusteeFault::NotAsShown(format!("{what} is not shown to be there"));
    let carried = carried.as_ref().ok_or_else(missing)?;
    let proof = head_proof::read(carried)
        .filter(|proof| proof.log == log)
        .ok_or_else(missing)?;
    proof
        .verify(checkpoint)
        .map_err(|error| TrusteeFault::NotAsShown(error.to_string()))?;
    Ok(proof)
}

/// Everything published about the tender, from its notice log.
fn read(log: &BidLog) -> Result<Vec<Notice>, TrusteeFault> {
    let unreadable = |error: sunbid_domain::Unreadable| TrusteeFault::NotAsShown(error.to_string());
    let mut notices = Vec::new();
    for logged in &log.events {
        let event = &logged.event;
        if let Some(published) = event.read::<TenderNoticePublished>().map_err(unreadable)? {
            notices.extend(published.notice);
        } else if let Some(published) =
            event.read::<ClarificationPublished>().map_err(unreadable)?
        {
            notices.extend(published.notice);
        } else if let Some(published) = event.read::<FollowUpPublished>().map_err(unreadable)? {
            notices.extend(published.notice);
        } else {
            let what = format!("its notices hold {}, which is unknown here", event.name);
            return Err(TrusteeFault::NotAsPublished(what));
        }
    }
    Ok(notices)
}

/// The bid log that is closed is the one of the tender that everybody saw announced, at the deadline
/// that everybody was told: a log with an earlier deadline, with a later one that was never
/// announced, or without a suspension is refused.
fn require_published(closed: &ClosedBids, notices: &[Notice]) -> Result<(), TrusteeFault> {
    let differs = |what: &str| Err(TrusteeFault::NotAsPublished(what.to_owned()));
    let mut announced = notices
        .iter()
        .filter_map(|notice| notice.announced.as_ref());
    let (first, second) = (announced.next(), announced.next());
    if second.is_some() || first != Some(&closed.tender) {
        return differs("the tender");
    }
    let deadline = notices
        .iter()
        .map(|notice| notice.deadline_us)
        .max()
        .unwrap_or_default();
    if deadline != closed.deadline.micros() {
        return differs("the deadline");
    }
    let of = |kind: NoticeKind| {
        notices
            .iter()
            .filter(move |notice| notice.kind() == kind)
            .count()
    };
    if of(NoticeKind::Suspension) > of(NoticeKind::Resumption) || of(NoticeKind::Termination) > 0 {
        return differs("that the tender goes on");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
