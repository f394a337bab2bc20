//! Sends spans to a collector on this machine. Nobody ever waits for it: what does not fit into the queue is
//! dropped, and a collector that is away is nobody's fault.

use std::time::Duration;

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanLimits},
};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::trace;

/// Spans that wait at most; about a megabyte.
const QUEUE: usize = 2048;
const BATCH: usize = 256;
/// How often what waits is sent.
const EVERY: Duration = Duration::from_secs(1);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the end of a process waits for what is left.
const COURTESY: Duration = Duration::from_secs(3);

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be sent to {endpoint}: {cause}")]
pub struct ExportFault {
    endpoint: String,
    cause: String,
}

/// The way to the collector; ends with [`Exporter::finish`].
pub struct Exporter {
    provider: SdkTracerProvider,
}

impl Exporter {
    /// Opens the way; it is connected when there is something to send. Needs a runtime.
    pub fn open(endpoint: &str, process: &str) -> Result<Self, ExportFault> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| ExportFault {
                endpoint: endpoint.to_owned(),
                cause: error.to_string(),
            })?;
        let queue = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(EVERY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(queue)
            .build();
        // Nothing of the environment or of the machine is told, only which process it is.
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.namespace", "sunbid"),
                KeyValue::new("service.name", process.to_owned()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let limits = SpanLimits {
            max_attributes_per_span: 16,
            max_events_per_span: 0,
            max_links_per_span: 4,
            ..SpanLimits::default()
        };
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            // What is traced is decided where a call comes in; whatever became a span is sent.
            .with_sampler(Sampler::AlwaysOn)
            .with_span_limits(limits)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// Takes the spans of [`trace`], and of nobody else.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        trace::set_exported();
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("sunbid"))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| {
                metadata.is_span() && metadata.target() == trace::TARGET
            }))
    }

    /// Sends what is left, for a moment.
    pub async fn finish(self) {
        let provider = self.provider;
        let done = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(COURTESY));
        if let Ok(Err(error)) = done.await {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}
