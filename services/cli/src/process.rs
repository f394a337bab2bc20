//! Running as a daemon: logs, and stopping when asked to.

use sunbid_telemetry::export::{ExportFault, Exporter};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, prelude::*};

/// Starts logging to standard error; `RUST_LOG` chooses what, `json` the form. Lines of a traced call
/// carry its trace's id.
pub fn log(json: bool) {
    tracing_subscriber::registry().with(lines(json)).init();
}

/// The same, and sends the spans of `process` to a collector at `endpoint`, where there is one.
pub fn log_and_trace(
    json: bool,
    endpoint: Option<&str>,
    process: &str,
) -> Result<Option<Exporter>, ExportFault> {
    let exporter = match endpoint {
        Some(endpoint) => Some(Exporter::open(endpoint, process)?),
        None => None,
    };
    let spans = exporter.as_ref().map(Exporter::layer);
    tracing_subscriber::registry()
        .with(lines(json))
        .with(spans)
        .init();
    Ok(exporter)
}

/// Sends the spans of one command, and logs nothing.
pub fn trace(endpoint: &str) -> Result<Exporter, ExportFault> {
    let exporter = Exporter::open(endpoint, "sunbid")?;
    tracing_subscriber::registry().with(exporter.layer()).init();
    Ok(exporter)
}

fn lines(json: bool) -> impl Layer<Registry> + Send + Sync {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = if json {
        layer.json().with_span_list(false).boxed()
    } else {
        layer.boxed()
    };
    layer.with_filter(filter)
}

/// Comes true on SIGHUP: certificates are to be read anew.
pub async fn asked_to_reload() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => {
            hangup.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// Comes true on SIGINT or SIGTERM.
pub async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
