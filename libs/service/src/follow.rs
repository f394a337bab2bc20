//! Following another service's logs over gRPC: every record once in effect, in each log's order.
//! Its own cursor is moved after the effect; effects carry the record's own identity as command
//! id, so a repeat after a crash changes nothing.

use std::{collections::HashMap, future::Future, time::Duration};

use prost::Message;
use sunbid_contracts::{
    common::v1::{LogHead, Record},
    journal::v1::{ListHeadsRequest, ReadLogRequest, ScopedHead, WatchChangesRequest},
};
use sunbid_domain::Event;
use sunbid_journal::{Journal, cursor_write};
use sunbid_proofs::{LogId, Record as SealedRecord};
use sunbid_terms::Instant as Moment;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Peers, Problem};

/// How long a follower waits for a hint before it looks all the same.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// Pause between two looks: many commits make one look.
const BREATH: Duration = Duration::from_millis(15);
/// The pause is so many times as long as the look took, so that following leaves the processors to
/// those who wait for an answer when there is much to follow; but never longer than this.
const SHARE: u32 = 4;
const LONGEST_BREATH: Duration = Duration::from_millis(250);
const PAGE: i32 = 500;

/// One record of another service's log, read and whole.
#[derive(Clone, Debug)]
pub struct FollowedEntry {
    pub service: &'static str,
    pub log: LogId,
    /// What the log is about, such as "tenders/{uuid}".
    pub scope: String,
    pub seq: u64,
    pub at: Moment,
    pub event: Event,
    pub record: Record,
    /// The log's head when this was read; not before this record.
    pub head: LogHead,
}

impl FollowedEntry {
    /// What identifies this record for ever: the cause of whatever follows from it.
    pub fn cause(&self) -> Vec<u8> {
        [self.log.as_bytes().as_slice(), &self.seq.to_be_bytes()].concat()
    }

    /// The event, if it is an `M`.
    pub fn read<M: Message + prost::Name + Default>(&self) -> Result<Option<M>, Problem> {
        Ok(self.event.read()?)
    }
}

/// A follower of all logs of one service.
pub struct Follower {
    pub journal: Journal,
    pub peers: Peers,
    /// Whose logs.
    pub service: &'static str,
    /// Names the cursor: one for each purpose.
    pub consumer: &'static str,
    pub shutdown: CancellationToken,
}

impl Follower {
    /// Hands every record to `handle`, in the order of each log, until the process stops. A record
    /// whose handling fails is tried again; other logs go on meanwhile.
    pub async fn run<H, F>(self, handle: H)
    where
        H: Fn(FollowedEntry) -> F + Send + Sync,
        F: Future<Output = Result<(), Problem>> + Send,
    {
        let mut cursors: HashMap<LogId, u64> = HashMap::new();
        let mut changes = None;
        loop {
            if self.shutdown.is_cancelled() {
                return;
            }
            let looked_at = Instant::now();
            let looked = self.look(&mut cursors, &handle).await;
            if let Ok(true) = looked {
                sunbid_telemetry::metrics().followed(self.consumer, self.service);
            }
            if let Err(problem) = looked {
                tracing::warn!(
                    service = self.service,
                    consumer = self.consumer,
                    ?problem,
                    "following"
                );
                changes = None;
            }
            let breath = (looked_at.elapsed() * SHARE).clamp(BREATH, LONGEST_BREATH);
            if changes.is_none() {
                let watch = WatchChangesRequest {
                    service: self.service.to_owned(),
                };
                changes = self
                    .peers
                    .logs(self.service)
                    .watch_changes(watch)
                    .await
                    .ok()
                    .map(|s| s.into_inner());
            }
            let hint = async {
                match changes.as_mut() {
                    Some(stream) => stream.message().await,
                    None => std::future::pending().await,
                }
            };
            let broken = tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_ANYWAY) => false,
                hint = hint => !matches!(hint, Ok(Some(_))),
            };
            if broken {
                changes = None;
            }
            tokio::time::sleep(breath).await;
        }
    }

    /// Whether nothing was left to wait.
    async fn look<H, F>(
        &self,
        cursors: &mut HashMap<LogId, u64>,
        handle: &H,
    ) -> Result<bool, Problem>
    where
        H: Fn(FollowedEntry) -> F + Send + Sync,
        F: Future<Output = Result<(), Problem>> + Send,
    {
        let mut page_token = String::new();
        let mut all = true;
        loop {
            let request = ListHeadsRequest {
                service: self.service.to_owned(),
                page_size: 1000,
                page_token: std::mem::take(&mut page_token),
            };
            let page = self
                .peers
                .logs(self.service)
                .list_heads(request)
                .await?
                .into_inner();
            for head in page.heads {
                if let Err(problem) = self.catch_up(&head, cursors, handle).await {
                    all = false;
                    tracing::warn!(
                        service = self.service,
                        consumer = self.consumer,
                        scope = head.scope,
                        ?problem,
                        "a record waits to be followed"
                    );
                }
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    async fn catch_up<H, F>(
        &self,
        scoped: &ScopedHead,
        cursors: &mut HashMap<LogId, u64>,
        handle: &H,
    ) -> Result<(), Problem>
    where
        H: Fn(FollowedEntry) -> F + Send + Sync,
        F: Future<Output = Result<(), Problem>> + Send,
    {
        let Some(head) = scoped.head.clone() else {
            return Err(Problem::internal("a head without a head"));
        };
        let log = LogId::from_slice(&head.log_id)
            .ok_or_else(|| Problem::internal("a log id that is not 16 bytes"))?;
        let mut next = match cursors.get(&log) {
            Some(next) => *next,
            None => self.journal.cursor(self.consumer, log).await?,
        };
        cursors.insert(log, next);
        let size = u64::try_from(head.size).unwrap_or(0);
        while next < size {
            let request = ReadLogRequest {
                service: self.service.to_owned(),
                log_id: head.log_id.clone(),
                from_seq: i64::try_from(next).unwrap_or(i64::MAX),
                limit: PAGE,
            };
            let page = self
                .peers
                .logs(self.service)
                .read_log(request)
                .await?
                .into_inner();
            if page.entries.is_empty() {
                return Ok(());
            }
            let read_head = page
                .head
                .and_then(|h| h.head)
                .unwrap_or_else(|| head.clone());
            for entry in page.entries {
                // A body that was lawfully erased has nothing left to follow from.
                if let Some(salted) = &entry.salted_body {
                    let followed = read_entry(
                        self.service,
                        log,
                        &scoped.scope,
                        &entry.record,
                        salted,
                        &read_head,
                    )?;
                    if followed.seq != next {
                        return Err(Problem::internal("records out of order"));
                    }
                    handle(followed).await?;
                }
                next += 1;
                cursors.insert(log, next);
            }
            let write = cursor_write(self.consumer, log, next);
            self.journal.db().exec(write.sql, &write.values).await?;
        }
        Ok(())
    }
}

/// A record as it travels, read; its body must be the one the record was made for.
pub fn read_entry(
    service: &'static str,
    log: LogId,
    scope: &str,
    record: &[u8],
    salted_body: &[u8],
    head: &LogHead,
) -> Result<FollowedEntry, Problem> {
    let sealed = SealedRecord::decode(record)
        .ok_or_else(|| Problem::internal(format!("{scope} holds bytes that are no record")))?;
    if sealed.header.log != log || !sealed.body_matches(salted_body) {
        return Err(Problem::internal(format!(
            "a record of {scope} does not match its body"
        )));
    }
    let body = salted_body.get(32..).unwrap_or_default();
    let body = Record::decode(body).map_err(Problem::internal)?;
    Ok(FollowedEntry {
        service,
        log,
        scope: scope.to_owned(),
        seq: sealed.header.seq,
        at: Moment::from_micros(sealed.header.at),
        event: Event {
            name: body.r#type.clone(),
            bytes: body.event.clone(),
        },
        record: body,
        head: head.clone(),
    })
}
