//! Where a call stands in its trace, between the processes it goes through. Spans are made only within a call
//! that is traced; who decides that is in the service library. A span carries names of RPCs and codes, never what a
//! request or an answer says.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Target of all spans, by which the exporter takes these and nothing else.
pub const TARGET: &str = "sunbid_trace";

/// The header of W3C Trace Context. `tracestate` is neither read nor handed on: nobody here needs it.
pub const HEADER: HeaderName = HeaderName::from_static("traceparent");

static EXPORTED: AtomicBool = AtomicBool::new(false);

/// Whether spans go anywhere; without that, none are made.
pub fn is_exported() -> bool {
    EXPORTED.load(Ordering::Relaxed)
}

pub(crate) fn set_exported() {
    EXPORTED.store(true, Ordering::Relaxed);
}

/// A place in a trace that came from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(SpanContext);

impl Origin {
    /// Reads a header of version 00; anything else is nothing.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(HEADER).iter();
        let text = all.next()?.to_str().ok()?;
        if all.next().is_some() || text.len() != 55 || text.to_ascii_lowercase() != text {
            return None;
        }
        let mut parts = text.split('-');
        let version = parts.next()?;
        let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let lengths = [version, trace, span, flags].map(str::len);
        if version != "00" || lengths != [2, 32, 16, 2] || parts.next().is_some() {
            return None;
        }
        let context = SpanContext::new(
            TraceId::from_hex(trace).ok()?,
            SpanId::from_hex(span).ok()?,
            TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
            true,
            TraceState::NONE,
        );
        context.is_valid().then_some(Self(context))
    }

    /// Whether the other side records its part.
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled()
    }
}

/// A call's span, when it comes in.
pub fn served(method: &str, origin: Option<&Origin>, continues: bool) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = method,
        rpc.response.status_code = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    );
    if let Some(Origin(context)) = origin {
        if continues {
            // Fails only where nothing is exported.
            let _ = span.set_parent(Context::new().with_remote_span_context(context.clone()));
        } else {
            span.add_link(context.clone());
        }
    }
    // In every log line of the call, so that lines and spans find each other.
    if let Some(place) = place(&span) {
        span.record("trace_id", place.trace_id().to_string());
    }
    span
}

/// The first span of a trace, of a command that somebody gave.
pub fn began(name: &str) -> Span {
    if !is_exported() {
        return Span::none();
    }
    tracing::info_span!(target: TARGET, "command", otel.name = name, otel.kind = "client")
}

/// Says how a call ended.
pub fn ended(span: &Span, code: &str) {
    span.record("rpc.response.status_code", code);
}

fn place(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context().span().span_context().clone();
    context.is_valid().then_some(context)
}

/// The header that hands the current call's place on; nothing where it is not traced.
pub fn onward() -> Option<HeaderValue> {
    if !is_exported() {
        return None;
    }
    let place = place(&Span::current())?;
    let (trace, span) = (place.trace_id(), place.span_id());
    let flags = place.trace_flags().to_u8();
    HeaderValue::from_str(&format!("00-{trace}-{span}-{flags:02x}")).ok()
}

/// Puts the current call's place into what is sent on, and nothing that was there before.
pub fn hand_on(headers: &mut HeaderMap) {
    headers.remove(HEADER);
    headers.remove("tracestate");
    if let Some(value) = onward() {
        headers.insert(HEADER, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Option<Origin> {
        let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_static(text))]);
        Origin::read(&headers)
    }

    #[test]
    fn only_what_the_standard_says_is_read() {
        let good = read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert!(good.is_sampled());
        let quiet = read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap();
        assert!(!quiet.is_sampled());
        for wrong in [
            "",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47360-0f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_an_exporter_nothing_is_handed_on() {
        let mut headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_static("x"))]);
        hand_on(&mut headers);
        assert!(headers.is_empty());
    }
}
