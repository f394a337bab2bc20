//! Makes and publishes opening records: as soon as t holders' shares stand, or suppliers have opened
//! what holders failed to. Looks when told to, and at every open session once a second besides.

use std::{sync::Arc, time::Duration};

use prost::Message;
use sunbid_contracts::opening::v1::{GetSessionRequest, SessionState as Stage};
use sunbid_domain::opening::{CheckedBids, SessionState, decide, parallel, record};
use sunbid_journal::Val;
use sunbid_sealing::{SharedSecret, combine};
use sunbid_service::{Problem, Step, ledger};
use sunbid_terms::Instant;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    Opening, SERVICE,
    case::{Accepted, Case, blocking},
    decided, store, stream,
};

/// How often all open sessions are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until the process stops.
pub async fn run(opening: Arc<Opening>, mut waiting: mpsc::Receiver<String>) {
    let mut looking = JoinSet::new();
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let tenders = tokio::select! {
            () = opening.setting.shutdown.cancelled() => break,
            tender = waiting.recv() => match tender {
                Some(tender) => vec![tender],
                None => break,
            },
            // A round only while nothing is under way: it is for what was missed.
            _ = round.tick(), if looking.is_empty() => open_sessions(&opening).await,
            Some(done) = looking.join_next() => {
                if let Err(error) = done {
                    tracing::error!(%error, "an opening could not be looked at");
                }
                continue;
            }
        };
        for tender in tenders {
            let opening = opening.clone();
            looking.spawn(async move {
                if let Err(problem) = look(&opening, &tender).await {
                    tracing::warn!(tender, ?problem, "an opening waits");
                }
            });
        }
    }
    looking.shutdown().await;
}

async fn open_sessions(opening: &Opening) -> Vec<String> {
    let ever = Instant::from_micros(0);
    match store::sessions(
        opening.journal.db(),
        &[Stage::Closing, Stage::Decrypting],
        ever,
    )
    .await
    {
        Ok(tenders) => tenders,
        Err(error) => {
            tracing::warn!(%error, "open sessions cannot be listed");
            Vec::new()
        }
    }
}

/// Publishes the record of a tender if everything for it is there.
async fn look(opening: &Arc<Opening>, tender: &str) -> Result<(), Problem> {
    let case = opening.case(tender).await?;
    let _one_at_a_time = case.announcing.lock().await;
    let session = opening.session(tender).await?;
    if !matches!(session.stage(), Stage::Closing | Stage::Decrypting) {
        return Ok(());
    }
    // Done ahead of the shares, while the holders work.
    let checked = opening.checked(&case).await?;
    let payloads = opening.payloads(&case, &checked).await?;
    opening.gather_shares(tender, &case, &session).await?;
    let Some(keys) = Keys::of(&case, &checked, &session) else {
        return Ok(());
    };
    let used = keys.holders_used();
    let (working, envelopes) = (case.clone(), checked.clone());
    let draft = blocking(move || {
        let places: Vec<usize> = (0..envelopes.sheets.len()).collect();
        let outcomes = parallel::try_map(&places, |place| {
            let sheet = envelopes
                .sheets
                .get(*place)
                .ok_or_else(|| Problem::internal("no such sheet"))?;
            let secret = keys.secret(&working, &envelopes, *place)?;
            let stored = match payloads.get(sheet.header.payload_root()) {
                Some(Ok(bytes)) => Ok(bytes.as_slice()),
                Some(Err(fault)) => Err(fault.as_str()),
                None => Err("the store gave nothing"),
            };
            Ok::<_, Problem>(record::open_sheet(&sheet.header, &secret, stored))
        })?;
        Ok::<_, Problem>(record::draft(
            &working.closed,
            &envelopes.sheets,
            &outcomes,
            used,
        ))
    })
    .await?;
    let request = GetSessionRequest {
        tender: tender.to_owned(),
    };
    let cause = [tender.as_bytes(), b"/record"].concat();
    let step = Step::of_cause(SERVICE, tender, "opening/PublishRecord", &cause, &request)
        .reading(&[stream()]);
    let name = tender.to_owned();
    ledger::commit_quietly(&opening.journal, step, move |view| {
        let session: SessionState = ledger::load(view, stream())?;
        let events = decide::publish(&session, draft, view.now);
        let published = events
            .first()
            .map(|event| event.read::<sunbid_contracts::opening::v1::OpeningRecordPublished>());
        let record = match published {
            Some(published) => published?.and_then(|published| published.record),
            None => None,
        };
        let (decided, _) = decided(view, session, events, Vec::new())?;
        Ok(match record {
            Some(record) => decided.write(
                store::KEEP_RECORD,
                vec![Val::Text(name), Val::Blob(record.encode_to_vec())],
            ),
            None => decided,
        })
    })
    .await?;
    tracing::info!(tender, "the opening record is public");
    Ok(())
}

/// Where the envelopes' secrets come from.
enum Keys {
    /// Shares of t holders, with their indices.
    Shares(Vec<i32>, Vec<Arc<Accepted>>),
    /// What suppliers published, in the order of the sheets.
    Rescues(Vec<Vec<u8>>),
}

impl Keys {
    /// `None` while neither is complete.
    fn of(case: &Case, checked: &CheckedBids, session: &SessionState) -> Option<Self> {
        let threshold = session.threshold();
        if let Some(first) = session.share_holders.get(..threshold) {
            let shares = case.shares_of(first)?;
            return Some(Self::Shares(first.to_vec(), shares));
        }
        let secret = |id: &[u8]| {
            session
                .rescues
                .iter()
                .find(|r| r.header_id == id)
                .map(|r| r.secret.clone())
        };
        checked
            .sheets
            .iter()
            .map(|sheet| secret(sheet.header.id()))
            .collect::<Option<_>>()
            .map(Self::Rescues)
    }

    fn holders_used(&self) -> Vec<i32> {
        match self {
            Self::Shares(holders, _) => holders.clone(),
            Self::Rescues(_) => Vec::new(),
        }
    }

    fn secret(
        &self,
        case: &Case,
        checked: &CheckedBids,
        place: usize,
    ) -> Result<SharedSecret, Problem> {
        let missing = || Problem::internal("a sheet without a share");
        let sheet = checked.sheets.get(place).ok_or_else(missing)?;
        match self {
            Self::Shares(_, shares) => {
                let partials = shares
                    .iter()
                    .map(|of_holder| of_holder.partials.get(place).copied().ok_or_else(missing))
                    .collect::<Result<Vec<_>, _>>()?;
                combine(&case.key, &sheet.header, &partials).map_err(Problem::internal)
            }
            Self::Rescues(secrets) => {
                let secret = secrets.get(place).ok_or_else(missing)?;
                record::rescue(&case.key, &sheet.header, secret).map_err(Problem::internal)
            }
        }
    }
}
