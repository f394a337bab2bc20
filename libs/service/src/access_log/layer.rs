//! Stands before everything else at a server and sees how calls end: refused, or answered with what is
//! not public. Decides nothing about who may; that an answer waits for its record is all it does to it.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use sunbid_contracts::{
    common::v1::{AccessRefused, NonPublicRead},
    registry::v1::Role,
};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use super::{
    AccessLogs,
    names::{self, Beginning, Passing},
};
use crate::{
    Caller, Language, Problem,
    access::{self, Access, Row},
};

tokio::task_local! {
    static SHOWS: Arc<AtomicBool>;
}

/// Said by a service whose RPC is public while it answers with what is not public yet.
pub fn shows_what_is_not_public() {
    // Outside of a call there is nobody to tell.
    let _ = SHOWS.try_with(|shows| shows.store(true, Ordering::Relaxed));
}

/// Who asks, as far as the layer that knows it has found out.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    who: Arc<Mutex<Found>>,
}

#[derive(Debug, Default)]
struct Found {
    known: Option<Caller>,
    claimed: String,
    reason: &'static str,
}

impl Asker {
    fn with<T>(&self, tell: impl FnOnce(&mut Found) -> T) -> T {
        tell(&mut self.who.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whose token it is: the platform's own signature says so.
    pub fn is(&self, caller: Caller) {
        self.with(|found| found.known = Some(caller));
    }

    /// Whose token it says it is.
    pub fn claims_to_be(&self, subject: &str) {
        let subject = names::text(subject.as_bytes());
        self.with(|found| found.claimed = subject);
    }

    /// Why the call goes no further.
    pub fn refused_for(&self, reason: &'static str) {
        self.with(|found| found.reason = reason);
    }

    /// Whether it is worth knowing what was asked for.
    pub fn is_somebody(&self) -> bool {
        self.with(|found| found.known.is_some() || !found.claimed.is_empty())
    }
}

/// Puts the access logs of a process before its services.
#[derive(Clone)]
pub struct AccessLogLayer {
    logs: AccessLogs,
}

impl AccessLogLayer {
    pub const fn new(logs: AccessLogs) -> Self {
        Self { logs }
    }
}

impl<S> Layer<S> for AccessLogLayer {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Logged<S> {
        Logged {
            logs: self.logs.clone(),
            inner,
        }
    }
}

/// A service whose refusals and readings are kept.
#[derive(Clone)]
pub struct Logged<S> {
    logs: AccessLogs,
    inner: S,
}

impl<S> Service<http::Request<Body>> for Logged<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let language = Language::of_headers(request.headers());
        let row = access::row(request.uri().path());
        let asker = Asker::default();
        // An extension of this type can only come from here.
        request.extensions_mut().insert(asker.clone());
        let beginning = Beginning::default();
        if row.is_some_and(|row| !row.names.is_empty()) {
            let beginning = beginning.clone();
            request = request.map(|body| Body::new(Passing { body, beginning }));
        }
        let call = Call {
            logs: self.logs.clone(),
            row,
            asker,
            beginning,
            shows: Arc::default(),
        };
        let shows = call.shows.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = SHOWS.scope(shows, answer).await?;
            let status = Status::from_header_map(answer.headers());
            let code = status.map_or(Code::Ok, |status| status.code());
            Ok(match call.ended(code).await {
                Ok(()) => answer,
                // What is not on record does not happen.
                Err(problem) => problem.into_status(language).into_http(),
            })
        })
    }
}

/// A call that is under way.
struct Call {
    logs: AccessLogs,
    row: Option<&'static Row>,
    asker: Asker,
    beginning: Beginning,
    shows: Arc<AtomicBool>,
}

impl Call {
    async fn ended(self, code: Code) -> Result<(), Problem> {
        match code {
            Code::PermissionDenied | Code::Unauthenticated => {
                self.refused();
                Ok(())
            }
            Code::Ok => self.answered().await,
            _ => Ok(()),
        }
    }

    fn record(&self) -> String {
        self.row
            .map(|row| self.beginning.names(row.names))
            .unwrap_or_default()
    }

    fn is_plain(&self) -> bool {
        self.row
            .is_some_and(|row| self.beginning.is_plain(row.names))
    }

    fn path(&self) -> &'static str {
        self.row.map_or("", |row| row.path)
    }

    fn refused(&self) {
        let Some(log) = self.logs.of(self.path()) else {
            return;
        };
        let mut refused = self.asker.with(|found| AccessRefused {
            subject: found.known.as_ref().map_or("", Caller::subject).to_owned(),
            roles: found.known.as_ref().map(roles).unwrap_or_default(),
            claimed_subject: found.claimed.clone(),
            reason: found.reason.to_owned(),
            ..AccessRefused::default()
        });
        if refused.reason.is_empty() {
            refused.reason = "RELATION".to_owned();
            // What a service asks of another it asks for somebody, whose own call is kept.
            if refused.subject.starts_with("services/") {
                return;
            }
        }
        refused.method = self.path().trim_start_matches('/').to_owned();
        refused.record = self.record();
        refused.row = self.row.map_or("", |row| row.text).to_owned();
        log.refused(refused);
    }

    async fn answered(&self) -> Result<(), Problem> {
        let Some(row) = self.row.filter(|row| !row.recorded.is_empty()) else {
            return Ok(());
        };
        if row.access == Access::Public && !self.shows.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(caller) = self.asker.with(|found| found.known.clone()) else {
            return Ok(());
        };
        let record = self.record();
        // What is not for certain the record that was read is nobody's own, and each time on record anew.
        let plain = self.is_plain();
        let own = plain && is_of(&record, caller.organization());
        if own || !row.recorded.iter().any(|role| caller.has(*role)) {
            return Ok(());
        }
        let Some(log) = self.logs.of(row.path) else {
            return Ok(());
        };
        let read = NonPublicRead {
            subject: caller.subject().to_owned(),
            roles: roles(&caller),
            method: row.path.trim_start_matches('/').to_owned(),
            record,
            row: row.text.to_owned(),
        };
        log.read(row.path, read, plain).await
    }
}

/// Whether a record is an organisation's own.
fn is_of(record: &str, organization: &str) -> bool {
    !organization.is_empty()
        && record
            .strip_prefix(organization)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ' ']))
}

/// A caller's roles as the table writes them.
fn roles(caller: &Caller) -> Vec<String> {
    let roles = caller.roles().filter(|role| *role != Role::Unspecified);
    roles
        .map(|role| access::role_word(role).word.to_owned())
        .collect()
}
