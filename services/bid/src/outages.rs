//! Outages on record: written to the intake log, and every open tender judged by each before anything
//! else happens to it. Each step may be repeated and changes nothing then. Public, with what was
//! announced beforehand.

use std::sync::PoisonError;

use futures_util::{StreamExt, TryStreamExt};
use prost::Message;
use sunbid_contracts::bid::v1::{
    AnnounceMaintenanceRequest, AnnounceMaintenanceResponse, IntakeBegan, IntakeEntry,
    ListOutagesRequest, ListOutagesResponse, Outage,
};
use sunbid_contracts::common::v1::LogHead;
use sunbid_domain::bid::{
    Intake, TenderBox,
    intake::{self, Gap, Now, SILENCE_SECONDS},
    outage,
};
use sunbid_journal::{LogId, StreamId, View};
use sunbid_service::{Caller, Decided, Problem, Step, ledger, names, page};
use sunbid_terms::MICROS;

use crate::{
    NAME,
    closing::{is_log_closed, schedule},
    rpc::{Office, box_stream, log_of},
    store,
};

const BEGIN: &str = "BeginIntake";
const RECORD: &str = "RecordOutage";
const MOVE: &str = "MoveByOutage";
const ANNOUNCE: &str = "sunbid.bid.v1.BidService/AnnounceMaintenance";
/// Tenders judged at a time; they share their commits.
const AT_ONCE: usize = 32;

fn intake_log() -> LogId {
    log_of(intake::SCOPE)
}

fn intake_stream() -> StreamId {
    StreamId::of(intake::STREAM)
}

fn next_seq(view: &View<'_>) -> i64 {
    view.head.map_or(0, |head| store::signed(head.size))
}

impl Office {
    /// The first proof ever: from here on it is measured.
    pub async fn begin_intake(&self, now: &Now) -> Result<(), Problem> {
        let step = Step::of_cause(NAME, intake::SCOPE, BEGIN, b"", &()).reading(&[intake_stream()]);
        let proof = store::first_proof(now);
        ledger::commit_quietly(&self.journal, step, move |view| {
            let state: Intake = ledger::load(view, intake_stream())?;
            if state.began {
                return Ok(Decided::new().also(proof));
            }
            let began = IntakeBegan {
                silence_seconds: SILENCE_SECONDS,
            };
            Ok(Decided::new()
                .event(intake_stream(), &began)
                .fold::<Intake>(view, intake_stream())?
                .also(proof))
        })
        .await?;
        Ok(())
    }

    /// Records the outage after the proof of this beat, once, and the proof that ended it.
    pub async fn record_outage(&self, gap: &Gap, beat: i64, now: &Now) -> Result<(), Problem> {
        let failing = self
            .failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or("", |failing| failing.what);
        let step = Step::of_cause(NAME, intake::SCOPE, RECORD, &beat.to_be_bytes(), &())
            .reading(&[intake_stream()]);
        let (measured, proof, read_at) = (gap.clone(), store::proof_after(now, beat), now.at);
        ledger::commit_quietly(&self.journal, step, move |view| {
            // A process that hung between its proof and here knows nothing of the time since.
            if view.now.micros().saturating_sub(read_at.micros()) > SILENCE_SECONDS * MICROS {
                return Err(Problem::Unavailable(
                    "the proof grew old before the outage was recorded".to_owned(),
                ));
            }
            let state: Intake = ledger::load(view, intake_stream())?;
            let recorded = intake::record(&state, &measured, failing, next_seq(view));
            let outage = recorded.outage.clone().unwrap_or_default();
            let entry = IntakeEntry {
                outage: Some(outage.clone()),
                maintenance: None,
            };
            Ok(Decided::new()
                .event(intake_stream(), &recorded)
                .fold::<Intake>(view, intake_stream())?
                .demand(proof)
                .also(store::put_outage(outage.seq, &outage.encode_to_vec()))
                .also(store::put_entry(outage.seq, &entry.encode_to_vec())))
        })
        .await?;
        tracing::warn!(from = %gap.from, until = %gap.until, "BIDS COULD NOT BE TAKEN");
        Ok(())
    }

    /// Judges every open tender by every outage that waits for it, in order.
    pub async fn settle_outages(&self) -> Result<(), Problem> {
        let db = self.journal.db();
        loop {
            let Some((seq, body)) = store::unsettled(db).await? else {
                return Ok(());
            };
            let outage = Outage::decode(body.as_slice()).map_err(Problem::internal)?;
            let head = self.journal.head(intake_log()).await?;
            let head = ledger::head_message(
                &head.ok_or_else(|| Problem::internal("an outage without its log"))?,
            );
            let open = store::open_tenders(db).await?;
            futures_util::stream::iter(open)
                .map(|tender| self.judge_by(tender, &outage, &head))
                .buffer_unordered(AT_ONCE)
                .try_collect::<Vec<()>>()
                .await?;
            store::settle(db, seq).await?;
        }
    }

    async fn judge_by(
        &self,
        tender: String,
        outage: &Outage,
        head: &LogHead,
    ) -> Result<(), Problem> {
        let known = self.refresh(&tender).await?;
        if outage::extension(&known, outage, head.clone(), &self.rules)?.is_none() {
            return Ok(());
        }
        let cause = [head.log_id.as_slice(), outage.seq.to_be_bytes().as_slice()].concat();
        let step = Step::of_cause(NAME, &tender, MOVE, &cause, &()).reading(&[box_stream()]);
        let (rules, outage, head) = (self.rules.clone(), outage.clone(), head.clone());
        let done = ledger::commit_quietly(&self.journal, step, move |view| {
            let tender_box: TenderBox = ledger::load(view, box_stream())?;
            let Some((moved, said)) = outage::extension(&tender_box, &outage, head, &rules)? else {
                return Ok(Decided::new());
            };
            Ok(Decided::new()
                .event(box_stream(), &moved)
                .verdicts(said)
                .fold::<TenderBox>(view, box_stream())?
                .also(schedule(
                    &tender_box.tender,
                    moved.new_deadline_us,
                    false,
                    false,
                )))
        })
        .await;
        match done {
            Ok(_) => {}
            // Closed or ended in the meantime: nothing is left to move.
            Err(problem) if is_log_closed(&problem) => {}
            Err(problem) => return Err(problem),
        }
        let now = self.refresh(&tender).await?;
        if now.deadline_us > known.deadline_us {
            tracing::warn!(%tender, deadline = %now.deadline(), "an outage moved a deadline");
        }
        Ok(())
    }

    /// Puts announced maintenance on record.
    pub async fn announce_maintenance(
        &self,
        caller: &Caller,
        request: AnnounceMaintenanceRequest,
    ) -> Result<AnnounceMaintenanceResponse, Problem> {
        names::check_request_id(&request.request_id)?;
        let step = Step::of_caller(
            NAME,
            intake::SCOPE,
            ANNOUNCE,
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading(&[intake_stream()]);
        let done = ledger::commit(&self.journal, step, move |view| {
            let state: Intake = ledger::load(view, intake_stream())?;
            if !state.began {
                return Err(Problem::Unavailable("intake has not begun".to_owned()));
            }
            let announced = intake::announce(&request, view.now, next_seq(view))?;
            let entry = IntakeEntry {
                outage: None,
                maintenance: announced.maintenance.clone(),
            };
            Ok(Decided::new()
                .event(intake_stream(), &announced)
                .fold::<Intake>(view, intake_stream())?
                .also(store::put_entry(next_seq(view), &entry.encode_to_vec()))
                .reply(move |_| AnnounceMaintenanceResponse {
                    maintenance: announced.maintenance,
                }))
        })
        .await?;
        Ok(done.reply)
    }

    /// Outages and announced maintenance, newest first.
    pub async fn outages(
        &self,
        request: &ListOutagesRequest,
    ) -> Result<ListOutagesResponse, Problem> {
        const FILTER: &str = "outages";
        let before = match self.pages.position(FILTER, &request.page_token)? {
            None => i64::MAX,
            Some(position) => i64::from_be_bytes(
                position
                    .try_into()
                    .map_err(|_| Problem::internal("a position"))?,
            ),
        };
        let size = page::size(request.page_size);
        let mut rows = store::entries(self.journal.db(), before, size + 1).await?;
        let more = rows.len() > size as usize;
        rows.truncate(size as usize);
        let next_page_token = match rows.last() {
            Some((last, _)) if more => self.pages.token(FILTER, &last.to_be_bytes()),
            _ => String::new(),
        };
        let entries = rows
            .iter()
            .map(|(_, body)| IntakeEntry::decode(body.as_slice()).map_err(Problem::internal));
        Ok(ListOutagesResponse {
            entries: entries.collect::<Result<_, _>>()?,
            next_page_token,
        })
    }
}
