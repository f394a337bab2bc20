//! The proof that bids can be taken: made every second of everything that a submission needs, kept in the
//! database, and asked for before a bid is taken and before a deadline closes anything. Where it failed
//! for too long there was an outage, and every tender is judged by it before the next proof stands.

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use sunbid_contracts::{deposit::v1::CheckDepositRequest, registry::v1::ListRevocationsRequest};
use sunbid_domain::{
    Refusal,
    bid::intake::{self, Now, Proof, SILENCE_SECONDS},
};
use sunbid_service::{Problem, Step, ledger, ledger::Done};
use sunbid_terms::{Clock, Instant, MICROS, Steady};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::{NAME, closing::is_due_first, rpc::Office, store};

/// How often the proof is renewed.
const BEAT: Duration = Duration::from_secs(1);
/// How long one attempt may take; what hangs longer does not work.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a decision is tried with fresh proofs before the caller is told to come again.
const MOST_ATTEMPTS: usize = 5;
const METHOD: &str = "ProveIntake";
/// Asked for so that the deposit service has to look into its database: there are no such.
const NO_TENDER: &str = "tenders/00000000-0000-0000-0000-000000000000";
const NO_SUPPLIER: &str = "organizations/91000000MA00000030";

/// The reason under which a decision asks for a proof first.
const UNPROVEN: &str = "INTAKE_UNPROVEN";
/// What the writer answers when it works: the trial decision is always refused, so nothing is written.
const WORKS: &str = "INTAKE_WORKS";

/// What this process knows of the last proof.
#[derive(Debug, Default)]
pub struct Standing {
    // Locked for the length of a look.
    last: RwLock<Option<Last>>,
}

#[derive(Clone, Debug)]
struct Last {
    at: Instant,
    steady: Option<Steady>,
    monotonic: tokio::time::Instant,
}

/// What did not work when a proof was last tried.
#[derive(Clone, Copy, Debug)]
pub struct Failing {
    pub began: tokio::time::Instant,
    pub what: &'static str,
}

impl Standing {
    /// Whether a bid may be taken at `now`: the last proof is fresh, by every clock.
    pub fn takes(&self, now: Instant) -> bool {
        self.read().is_some_and(|last| {
            now.micros().saturating_sub(last.at.micros()) <= SILENCE_SECONDS * MICROS
                && last.monotonic.elapsed() <= Duration::from_secs(SILENCE_SECONDS.unsigned_abs())
        })
    }

    /// Whether bidding may be closed for `deadline`: bids could be taken at or after it, or every
    /// tender was judged by the outage in which it passed.
    pub fn covers(&self, deadline: Instant) -> bool {
        self.read().is_some_and(|last| last.at >= deadline)
    }

    fn read(&self) -> Option<Last> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    fn set(&self, at: Instant, steady: Option<Steady>, monotonic: tokio::time::Instant) {
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Last {
            at,
            steady,
            monotonic,
        });
    }

    /// What is known now, for the judgement of the time since the last proof.
    fn now(&self, clock: &dyn Clock) -> Now {
        let steady = clock.steady();
        let own_us = self.read().map(|last| match (&steady, &last.steady) {
            (Some(now), Some(then)) if now.boot == then.boot => {
                now.micros.saturating_sub(then.micros)
            }
            _ => i64::try_from(last.monotonic.elapsed().as_micros()).unwrap_or(i64::MAX),
        });
        let steady = steady.unwrap_or(Steady {
            boot: String::new(),
            micros: 0,
        });
        Now {
            at: clock.now(),
            boot: steady.boot,
            steady_us: steady.micros,
            own_us,
        }
    }
}

/// Bids cannot be taken, or a deadline cannot close, before there is a fresh proof.
pub fn unproven() -> Problem {
    Refusal::state(
        UNPROVEN,
        "平台正在确认能够接收投标，请稍候重试。",
        "The platform is making sure that it can take bids; please retry.",
    )
    .into()
}

fn has_reason(problem: &Problem, wanted: &str) -> bool {
    matches!(problem, Problem::Refused(Refusal::State { reason, .. }) if *reason == wanted)
}

/// Renews the proof until the process stops.
pub async fn run(office: Arc<Office>, shutdown: CancellationToken) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = beats.tick() => {}
        }
        match office.prove().await {
            Ok(()) => failing = false,
            Err(problem) if !failing => {
                failing = true;
                tracing::warn!(?problem, "BIDS CANNOT BE TAKEN");
            }
            Err(_) => {}
        }
    }
}

impl Office {
    /// Tries a decision on a bid or a box until it needs neither the whole log nor a fresh proof any
    /// more. `once` is told whether the whole log is to be in its view.
    pub async fn attempt<R, F>(
        &self,
        mut whole: bool,
        mut once: impl FnMut(bool) -> Result<F, Problem>,
    ) -> Result<Done<R>, Problem>
    where
        F: Future<Output = Result<Done<R>, Problem>>,
    {
        for _ in 0..MOST_ATTEMPTS {
            match once(whole)?.await {
                Err(problem) if is_due_first(&problem) => whole = true,
                Err(problem) if has_reason(&problem, UNPROVEN) => self.prove().await?,
                done => return done,
            }
        }
        Err(Problem::Unavailable(
            "the proof that bids can be taken grew old again and again".to_owned(),
        ))
    }

    /// Makes sure that bids can be taken, records the outage that there was if they could not, and
    /// judges every tender by it. One at a time; whoever waited has the proof of the one before.
    pub async fn prove(&self) -> Result<(), Problem> {
        let (asked, wanted) = (tokio::time::Instant::now(), self.clock.now());
        let _turn = self.proving.lock().await;
        if self
            .standing
            .read()
            .is_some_and(|last| last.monotonic >= asked && last.at >= wanted)
        {
            return Ok(());
        }
        // Whoever waited while another try failed is told so, and does not wait for one more.
        if let Some(failed) = self.failed_since(asked) {
            return Err(Problem::Unavailable(failed));
        }
        let began = tokio::time::Instant::now();
        let tried = async {
            self.try_everything().await?;
            // Read last: another process may have had a proof meanwhile, and there was no outage then.
            store::last_proof(self.journal.db()).await
        };
        let last = match tokio::time::timeout(PATIENCE, tried).await {
            Ok(tried) => tried,
            Err(_) => Err(Problem::Unavailable(format!(
                "no proof in {} seconds",
                PATIENCE.as_secs()
            ))),
        };
        let last = last.map_err(|problem| {
            self.note_failure(&problem, began);
            match problem {
                full @ Problem::StorageFull(_) => full,
                // Whatever it is, it is the platform's, and it may pass.
                away @ Problem::Unavailable(_) => away,
                other => Problem::Unavailable(format!("{other:?}")),
            }
        })?;
        let (now, monotonic) = self.go_on(last).await?;
        self.settle_outages().await?;
        let steady = (!now.boot.is_empty()).then_some(Steady {
            boot: now.boot,
            micros: now.steady_us,
        });
        self.standing.set(now.at, steady, monotonic);
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Judges the time since the last proof, and puts the new one in its place; when that was. Where
    /// another process was first, its proof is the last one.
    async fn go_on(
        &self,
        mut last: Option<(Proof, i64)>,
    ) -> Result<(Now, tokio::time::Instant), Problem> {
        for _ in 0..MOST_ATTEMPTS {
            let mut now = self.standing.now(self.clock.as_ref());
            let monotonic = tokio::time::Instant::now();
            let Some((proof, beat)) = &last else {
                self.begin_intake(&now).await?;
                return Ok((now, monotonic));
            };
            let gap = intake::judge(proof, &now);
            // Another process may be a little ahead; what it has proven stands.
            now.at = now.at.max(proof.at);
            match gap {
                Some(gap) => {
                    self.record_outage(&gap, *beat, &now).await?;
                    return Ok((now, monotonic));
                }
                None if store::renew_proof(self.journal.db(), &now, *beat).await? => {
                    return Ok((now, monotonic));
                }
                None => last = store::last_proof(self.journal.db()).await?,
            }
        }
        Err(Problem::Unavailable(
            "other processes renew the proof again and again".to_owned(),
        ))
    }

    /// Everything that a submission needs: the journal's writer, the payload store, deposits and
    /// registry. The database's own disk is proven by the proof that is written to it.
    async fn try_everything(&self) -> Result<(), Problem> {
        let writer = async {
            let step = Step::of_cause(NAME, intake::SCOPE, METHOD, b"", &());
            let tried = ledger::commit_quietly(&self.journal, step, |_| {
                Err(Refusal::state(WORKS, "正常。", "It works.").into())
            });
            match tried.await {
                Err(problem) if has_reason(&problem, WORKS) => Ok(()),
                Err(problem) => Err(problem),
                Ok(_) => Err(Problem::internal("a trial decision was committed")),
            }
        };
        let vault = self.vault.clone();
        let payloads = async move { vault.prove().await };
        let deposits = async {
            let question = CheckDepositRequest {
                tender: NO_TENDER.to_owned(),
                lot_id: "01".to_owned(),
                supplier: NO_SUPPLIER.to_owned(),
                after_bid_seq: None,
            };
            let answer = self.peers.deposit().check_deposit(question).await;
            reached("deposit", answer)
        };
        let registry = async {
            let first = ListRevocationsRequest {
                page_size: 1,
                page_token: String::new(),
            };
            reached(
                "registry",
                self.peers.registry().list_revocations(first).await,
            )
        };
        tokio::try_join!(writer, payloads, deposits, registry)?;
        Ok(())
    }

    /// Why the last try failed, if it began at `asked` or later.
    fn failed_since(&self, asked: tokio::time::Instant) -> Option<String> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = failing.as_ref().filter(|failing| failing.began >= asked);
        failing.map(|failing| failing.what.to_owned())
    }

    fn note_failure(&self, problem: &Problem, began: tokio::time::Instant) {
        let what = match problem {
            Problem::StorageFull(_) => "storage is full",
            Problem::Unavailable(_) => "the database, the object store or another service was away",
            _ => "intake did not work",
        };
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        *failing = Some(Failing { began, what });
    }
}

/// Whether a service does its work; how it refuses what there is not does not matter here.
fn reached<T>(service: &str, answer: Result<T, Status>) -> Result<(), Problem> {
    match answer {
        Err(status)
            if matches!(
                status.code(),
                Code::Unavailable
                    | Code::DeadlineExceeded
                    | Code::Cancelled
                    | Code::Unknown
                    | Code::Internal
                    | Code::DataLoss
                    | Code::ResourceExhausted
                    | Code::Unauthenticated
            ) =>
        {
            Err(Problem::Unavailable(format!("{service}: {status}")))
        }
        _ => Ok(()),
    }
}
