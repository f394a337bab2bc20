//! What holders ask for before they sign a closing: that the closed bid log, and the notices it was
//! closed under, stand in the public log. A closing gets its epoch at once instead of with the next
//! tick, because the opening waits for it; that bidding has closed is no secret any more then.
//! Given to the tender's holders alone, who read the whole closed log anyway.

use sunbid_contracts::{
    audit::v1::ProveClosingResponse, journal::v1::LogEntry, tender::v1::GetTenderRequest,
};
use sunbid_domain::{Refusal, bid::intake, opening::head_proof::message};
use sunbid_journal::PublicLog;
use sunbid_proofs::{HeadProof, LogId};
use sunbid_service::{Caller, Problem, names};

use crate::{rpc::Audit, trail};

const PAGE: i32 = 1000;

impl Audit {
    pub(crate) async fn prove_closing_to(
        &self,
        caller: &Caller,
        tender: &str,
    ) -> Result<ProveClosingResponse, Problem> {
        names::check_tender(tender, "tender")?;
        self.require_holder(caller, tender).await?;
        self.mirror.catch_up_on_closed("bid", tender).await?;
        let bids = self.mirror.log("bid", tender).await;
        let bids = bids.filter(|log| log.closed).ok_or_else(|| {
            Refusal::state("NOT_CLOSED", "投标尚未截止。", "Bidding has not closed.")
        })?;
        self.mirror.catch_up_on("notice", tender).await?;
        self.mirror.catch_up_on("bid", intake::SCOPE).await?;
        let log = LogId::of("bid", tender);
        let size = self.epochs.covering(log, bids.size).await?;
        let last = size.saturating_sub(1);
        let first = first_epoch_with(&self.public_log, log, bids.size, last).await?;
        let before = match first.checked_sub(1) {
            Some(before) => self.public_log.head_proof(log, before, size).await?,
            None => None,
        };
        let closed = self.proof(log, first, size).await?;
        let published = self.proof(LogId::of("notice", tender), first, size).await?;
        // Where bids could be taken was never measured, no epoch has it.
        let intake = LogId::of("bid", intake::SCOPE);
        let intake = self.public_log.head_proof(intake, first, size).await?;
        let note = self
            .public_log
            .note_at(size)
            .await
            .map_err(Problem::internal)?;
        Ok(ProveClosingResponse {
            note: note.format(),
            before: before.as_ref().map(message),
            notices: self.records("notice", tender, published.size).await?,
            outages: match &intake {
                Some(intake) => self.records("bid", intake::SCOPE, intake.size).await?,
                None => Vec::new(),
            },
            intake: intake.as_ref().map(message),
            closed: Some(message(&closed)),
            published: Some(message(&published)),
        })
    }

    async fn require_holder(&self, caller: &Caller, tender: &str) -> Result<(), Problem> {
        let request = GetTenderRequest {
            name: tender.to_owned(),
        };
        let mut tenders = self.setting.peers.tender();
        let known = tenders.get_tender(request).await?.into_inner().tender;
        let holders = known.map(|tender| tender.holders).unwrap_or_default();
        let own = |organization: &str| organization == caller.organization();
        if holders.iter().any(|holder| own(&holder.organization)) {
            Ok(())
        } else {
            Err(Refusal::Forbidden.into())
        }
    }

    async fn proof(&self, log: LogId, epoch: u64, size: u64) -> Result<HeadProof, Problem> {
        let proof = self.public_log.head_proof(log, epoch, size).await?;
        proof.ok_or_else(|| Problem::Unavailable(format!("log {log} is not in epoch {epoch}")))
    }

    /// The first `size` records of a log that is public.
    async fn records(
        &self,
        service: &str,
        scope: &str,
        size: u64,
    ) -> Result<Vec<LogEntry>, Problem> {
        let mut entries: Vec<LogEntry> = Vec::new();
        while (entries.len() as u64) < size {
            let from = i64::try_from(entries.len()).unwrap_or(i64::MAX);
            let page = trail::read(&self.setting.peers, service, scope, from, PAGE).await?;
            if page.is_empty() {
                let what = format!("the log of {service} for {scope} is shorter than its head");
                return Err(Problem::internal(what));
            }
            entries.extend(page);
        }
        entries.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(entries)
    }
}

/// The first epoch, `last` at the latest, in which a log had `records` records.
pub(crate) async fn first_epoch_with(
    public_log: &PublicLog,
    log: LogId,
    records: u64,
    last: u64,
) -> Result<u64, Problem> {
    // Sizes only grow with epochs, so it is found by halving.
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = low + (high - low) / 2;
        if size_in(public_log, log, middle).await? >= records {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// How many records an epoch saw of a log.
pub(crate) async fn size_in(
    public_log: &PublicLog,
    log: LogId,
    epoch: u64,
) -> Result<u64, Problem> {
    let heads = public_log.heads_at(epoch).await?;
    let own = heads.iter().find(|head| head.log == log);
    Ok(own.map_or(0, |head| head.size))
}
