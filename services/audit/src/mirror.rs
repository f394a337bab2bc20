//! The audit's own view of every log: it reads each record once, recomputes every leaf and root, and
//! believes no head that its own computation does not confirm.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sunbid_contracts::{
    audit::v1::LogFaultFound,
    journal::v1::{ListHeadsRequest, ReadLogRequest, ScopedHead},
};
use sunbid_journal::{Journal, LogHead};
use sunbid_proofs::{LogId, Record, StreamId, merkle::Frontier, record};
use sunbid_service::{
    Problem, Setting,
    ledger::{self, Decided, Step},
};
use tokio::sync::Mutex;

use crate::{
    SERVICE,
    store::{self, FaultRow, MirrorRow},
};

const PAGE: i32 = 1000;

/// A log as far as it is verified.
#[derive(Clone, Debug)]
pub struct Verified {
    pub scope: String,
    pub frontier: Frontier,
    pub size: u64,
    pub last_us: i64,
    pub closed: bool,
}

#[derive(Debug, Default)]
struct State {
    logs: BTreeMap<(&'static str, LogId), Verified>,
    /// Logs in which something is wrong: they stay where they were.
    faulty: BTreeSet<(&'static str, LogId)>,
}

/// The verified view of all logs.
pub struct Mirror {
    setting: Setting,
    journal: Journal,
    services: &'static [&'static str],
    // Held while catching up: one reader at a time, and epochs see whole states only.
    state: Mutex<State>,
}

impl Mirror {
    /// Goes on from what was verified before.
    pub async fn load(
        setting: &Setting,
        journal: Journal,
        services: &'static [&'static str],
    ) -> Result<Self, Problem> {
        let mut state = State::default();
        let name = |service: &str| services.iter().find(|known| **known == service).copied();
        for row in store::mirrors(journal.db()).await? {
            let Some(service) = name(&row.service) else {
                continue;
            };
            let frontier = Frontier::from_bytes(row.size, &row.frontier)
                .ok_or_else(|| Problem::internal(format!("mirror of {} is damaged", row.scope)))?;
            let verified = Verified {
                scope: row.scope,
                frontier,
                size: row.size,
                last_us: row.last_us,
                closed: row.closed,
            };
            state.logs.insert((service, row.log), verified);
        }
        for row in store::faults(journal.db()).await? {
            if let Some(service) = name(&row.service) {
                state.faulty.insert((service, row.log));
            }
        }
        Ok(Self {
            setting: setting.clone(),
            journal,
            services,
            state: Mutex::new(state),
        })
    }

    /// Whose logs it is a view of.
    pub const fn services(&self) -> &'static [&'static str] {
        self.services
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Reads and verifies whatever is new in every log.
    pub async fn catch_up(&self) -> Result<(), Problem> {
        let mut state = self.state.lock().await;
        for service in self.services {
            let mut page_token = String::new();
            loop {
                let request = ListHeadsRequest {
                    service: (*service).to_owned(),
                    page_size: 0,
                    page_token,
                };
                let page = self
                    .setting
                    .peers
                    .logs(service)
                    .list_heads(request)
                    .await?
                    .into_inner();
                for head in page.heads {
                    self.verify_log(service, &head, &mut state).await?;
                }
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            sunbid_telemetry::metrics().followed("audit", service);
        }
        Ok(())
    }

    /// Reads and verifies whatever is new in one log, for who cannot wait for all of them.
    pub async fn catch_up_on(&self, service: &str, scope: &str) -> Result<(), Problem> {
        self.catch_up_if(service, scope, |_| true).await
    }

    /// The same, if the log is closed: how long reading an open one takes would tell how much came in.
    pub async fn catch_up_on_closed(&self, service: &str, scope: &str) -> Result<(), Problem> {
        self.catch_up_if(service, scope, |head| head.closed).await
    }

    async fn catch_up_if(
        &self,
        service: &str,
        scope: &str,
        wanted: impl Fn(&ScopedHead) -> bool,
    ) -> Result<(), Problem> {
        let Some(service) = self.services.iter().find(|known| **known == service) else {
            return Ok(());
        };
        let log = LogId::of(service, scope);
        let mut state = self.state.lock().await;
        let verified = state.logs.get(&(*service, log)).map_or(0, |log| log.size);
        // Asked for the head; the records are read as they are verified.
        let request = ReadLogRequest {
            service: (*service).to_owned(),
            log_id: log.as_bytes().to_vec(),
            from_seq: i64::try_from(verified).unwrap_or(i64::MAX),
            limit: 1,
        };
        let mut logs = self.setting.peers.logs(service);
        match logs.read_log(request).await?.into_inner().head {
            Some(head) if wanted(&head) => self.verify_log(service, &head, &mut state).await,
            _ => Ok(()),
        }
    }

    /// Heads of all logs as verified: what an epoch commits to.
    pub async fn heads(&self) -> Vec<LogHead> {
        let state = self.state.lock().await;
        state
            .logs
            .iter()
            .filter(|(_, verified)| verified.size > 0)
            .map(|((_, log), verified)| LogHead {
                log: *log,
                size: verified.size,
                root: verified.frontier.root(),
            })
            .collect()
    }

    /// The time of the newest record that was verified.
    pub async fn newest_us(&self) -> i64 {
        let state = self.state.lock().await;
        let times = state.logs.values().map(|verified| verified.last_us);
        times.max().unwrap_or(i64::MIN)
    }

    /// The verified state of one log.
    pub async fn log(&self, service: &str, scope: &str) -> Option<Verified> {
        let name = self.services.iter().find(|known| **known == service)?;
        self.state
            .lock()
            .await
            .logs
            .get(&(*name, LogId::of(service, scope)))
            .cloned()
    }

    /// Every service with its verified logs.
    pub async fn by_service(&self) -> Vec<(&'static str, Vec<Verified>)> {
        let state = self.state.lock().await;
        self.services
            .iter()
            .map(|service| {
                let own = state.logs.iter().filter(|((of, _), _)| of == service);
                (
                    *service,
                    own.map(|(_, verified)| verified.clone()).collect(),
                )
            })
            .collect()
    }

    async fn verify_log(
        &self,
        service: &'static str,
        scoped: &ScopedHead,
        state: &mut State,
    ) -> Result<(), Problem> {
        let head = scoped.head.clone().unwrap_or_default();
        let Some(log) = LogId::from_slice(&head.log_id) else {
            return Err(Problem::internal(format!(
                "{service} names a log without an id"
            )));
        };
        let key = (service, log);
        if state.faulty.contains(&key) {
            return Ok(());
        }
        let fresh = || Verified {
            scope: scoped.scope.clone(),
            frontier: Frontier::default(),
            size: 0,
            last_us: i64::MIN,
            closed: false,
        };
        let mut verified = state.logs.get(&key).cloned().unwrap_or_else(fresh);
        let size = u64::try_from(head.size).unwrap_or_default();
        let before = verified.size;
        if log != LogId::of(service, &scoped.scope) {
            return self
                .fault(key, 0, "the log's id is not that of its scope", state)
                .await;
        }
        if size < before {
            let what = format!("the log had {before} records and now has {size}");
            return self.fault(key, before, &what, state).await;
        }
        while verified.size < size {
            let request = ReadLogRequest {
                service: service.to_owned(),
                log_id: head.log_id.clone(),
                from_seq: i64::try_from(verified.size).unwrap_or(i64::MAX),
                limit: PAGE,
            };
            let page = self
                .setting
                .peers
                .logs(service)
                .read_log(request)
                .await?
                .into_inner();
            if page.entries.is_empty() {
                return self
                    .fault(key, verified.size, "a record is missing", state)
                    .await;
            }
            for entry in page.entries {
                if verified.size == size {
                    break;
                }
                if let Err(what) = take(
                    &mut verified,
                    log,
                    &entry.record,
                    entry.salted_body.as_deref(),
                ) {
                    return self.fault(key, verified.size, what, state).await;
                }
            }
        }
        if verified.frontier.root().as_slice() != head.root {
            return self
                .fault(
                    key,
                    size,
                    "the head's root is not that of its records",
                    state,
                )
                .await;
        }
        if size == before && verified.closed == scoped.closed {
            return Ok(());
        }
        verified.closed = scoped.closed;
        let row = MirrorRow {
            service: service.to_owned(),
            log,
            scope: verified.scope.clone(),
            size: verified.size,
            frontier: verified.frontier.to_bytes(),
            last_us: verified.last_us,
            closed: verified.closed,
        };
        store::keep(self.journal.db(), &row).await?;
        state.logs.insert(key, verified);
        Ok(())
    }

    async fn fault(
        &self,
        key: (&'static str, LogId),
        seq: u64,
        what: &str,
        state: &mut State,
    ) -> Result<(), Problem> {
        let (service, log) = key;
        tracing::error!(service, %log, seq, what, "a log does not verify");
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        let row = FaultRow {
            service: service.to_owned(),
            log,
            seq,
            fault: what.to_owned(),
        };
        store::add_fault(self.journal.db(), &row, self.setting.clock.now().micros()).await?;
        state.faulty.insert(key);
        let event = LogFaultFound {
            service: service.to_owned(),
            log_id: log.as_bytes().to_vec(),
            seq,
            fault: what.to_owned(),
        };
        let step = Step::of_cause(
            SERVICE,
            "audit",
            "LogFaultFound",
            &event.encode_to_vec(),
            &event,
        );
        let stream = StreamId::of("faults");
        ledger::commit_quietly(&self.journal, step, move |_| {
            Ok(Decided::new().event(stream, &event))
        })
        .await?;
        Ok(())
    }
}

/// Takes one record into the verified state, or says what is wrong with it.
fn take(
    verified: &mut Verified,
    log: LogId,
    bytes: &[u8],
    salted_body: Option<&[u8]>,
) -> Result<(), &'static str> {
    let record = Record::decode(bytes).ok_or("the bytes are no record")?;
    if record.header.log != log || record.header.seq != verified.size {
        return Err("the record belongs to another place");
    }
    if record.header.at < verified.last_us {
        return Err("time goes back");
    }
    if salted_body.is_some_and(|body| !record.body_matches(body)) {
        return Err("the body is not the one the record was made for");
    }
    verified.frontier.push(record::leaf(bytes));
    verified.last_us = record.header.at;
    verified.size += 1;
    Ok(())
}
