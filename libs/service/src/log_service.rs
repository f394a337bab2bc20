//! The logs of the services of this process, for those that follow and audit them.
//! For services alone; the access table says so.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt};
use sunbid_contracts::journal::v1::{
    ListHeadsRequest, ListHeadsResponse, LogEntry, ReadLogRequest, ReadLogResponse, ScopedHead,
    WatchChangesRequest, WatchChangesResponse, log_service_server::LogService,
};
use sunbid_domain::Refusal;
use sunbid_journal::{Head, Journal};
use sunbid_proofs::LogId;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use crate::{Language, Problem, ledger::head_message};

const LARGEST_PAGE: u32 = 1000;

/// Serves the journals of this process by the names of their services.
#[derive(Clone)]
pub struct Logs {
    journals: Arc<BTreeMap<&'static str, Journal>>,
}

impl Logs {
    pub fn new(journals: impl IntoIterator<Item = (&'static str, Journal)>) -> Self {
        Self {
            journals: Arc::new(journals.into_iter().collect()),
        }
    }

    fn journal(&self, service: &str) -> Result<&Journal, Problem> {
        self.journals.get(service).ok_or_else(|| {
            Refusal::NotFound {
                what: format!("service {service}"),
            }
            .into()
        })
    }

    async fn heads(&self, request: ListHeadsRequest) -> Result<ListHeadsResponse, Problem> {
        let journal = self.journal(&request.service)?;
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(
                hex::decode(token)
                    .ok()
                    .and_then(|b| LogId::from_slice(&b))
                    .ok_or_else(|| {
                        Refusal::field("page_token", "分页标记无效。", "is not a page token.")
                    })?,
            ),
        };
        let limit = match u32::try_from(request.page_size) {
            Ok(0) | Err(_) => LARGEST_PAGE,
            Ok(size) => size.min(LARGEST_PAGE),
        };
        let heads = journal.heads(after, limit).await?;
        let full = heads.len() == limit as usize;
        let next_page_token = match heads.last() {
            Some(last) if full => hex::encode(last.log.as_bytes()),
            _ => String::new(),
        };
        Ok(ListHeadsResponse {
            heads: heads.iter().map(scoped).collect(),
            next_page_token,
        })
    }

    async fn entries(&self, request: ReadLogRequest) -> Result<ReadLogResponse, Problem> {
        let journal = self.journal(&request.service)?;
        let log = LogId::from_slice(&request.log_id)
            .ok_or_else(|| Refusal::field("log_id", "必须是16字节。", "must be 16 bytes."))?;
        let from = u64::try_from(request.from_seq)
            .map_err(|_| Refusal::field("from_seq", "不得为负。", "must not be negative."))?;
        let limit = u32::try_from(request.limit)
            .unwrap_or(LARGEST_PAGE)
            .clamp(1, LARGEST_PAGE);
        // The head after the entries, so that it covers them: what follows from a record names it.
        let entries = journal.read(log, from, limit).await?;
        let head = journal.head(log).await?;
        let entries = entries
            .into_iter()
            .map(|entry| LogEntry {
                seq: i64::try_from(entry.seq).unwrap_or(i64::MAX),
                record: entry.record,
                salted_body: entry.salted_body,
            })
            .collect();
        Ok(ReadLogResponse {
            entries,
            head: head.as_ref().map(scoped),
        })
    }
}

fn scoped(head: &Head) -> ScopedHead {
    ScopedHead {
        head: Some(head_message(head)),
        scope: head.scope.clone(),
        closed: head.closed,
        last_us: head.last.micros(),
    }
}

#[tonic::async_trait]
impl LogService for Logs {
    async fn list_heads(
        &self,
        request: Request<ListHeadsRequest>,
    ) -> Result<Response<ListHeadsResponse>, Status> {
        let language = Language::of(request.metadata());
        let answer = self.heads(request.into_inner()).await;
        answer
            .map(Response::new)
            .map_err(|problem| problem.into_status(language))
    }

    async fn read_log(
        &self,
        request: Request<ReadLogRequest>,
    ) -> Result<Response<ReadLogResponse>, Status> {
        let language = Language::of(request.metadata());
        let answer = self.entries(request.into_inner()).await;
        answer
            .map(Response::new)
            .map_err(|problem| problem.into_status(language))
    }

    type WatchChangesStream =
        Pin<Box<dyn Stream<Item = Result<WatchChangesResponse, Status>> + Send>>;

    async fn watch_changes(
        &self,
        request: Request<WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        let language = Language::of(request.metadata());
        let journal = self
            .journal(&request.into_inner().service)
            .map_err(|problem| problem.into_status(language))?;
        let changes =
            WatchStream::new(journal.changes()).map(|change| Ok(WatchChangesResponse { change }));
        Ok(Response::new(Box::pin(changes)))
    }
}
