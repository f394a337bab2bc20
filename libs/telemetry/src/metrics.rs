//! Every metric the platform shows: its name, its meaning, and nothing else. What suppliers or the public
//! cause is never counted here; it moves [`crate::strain`] alone.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{
        MetricType,
        counter::Counter,
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::strain::Strains;

/// Before every name.
const PREFIX: &str = "sunbid";

/// Labels with their values.
pub type Labels = Vec<(&'static str, String)>;

/// A gauge's name and meaning.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    pub name: &'static str,
    pub meaning: &'static str,
}

const fn row(name: &'static str, meaning: &'static str) -> Described {
    Described { name, meaning }
}

/// Every gauge, without the prefix.
pub const GAUGES: &[Described] = &[
    row("build", "Always 1; the version is in its label"),
    row("up_seconds", "How long the process runs"),
    row(
        "service_ready",
        "1 where a service can work now, else 0, as health checks say",
    ),
    row(
        "strain",
        "How near a bound is: 0 below half, 1 half, 2 four fifths, 3 reached; the worst of the last minute",
    ),
    row(
        "looked_seconds_ago",
        "How long ago a service last looked at what its other gauges show",
    ),
    row(
        "follower_lag_seconds",
        "How long ago a follower last had everything, in whole tens of seconds",
    ),
    row(
        "epoch_age_seconds",
        "How old the newest leaf of the public log is",
    ),
    row(
        "epoch_interval_seconds",
        "How often a leaf is made, as the settings say",
    ),
    row(
        "logs_faulty",
        "Logs in which the audit found what does not verify",
    ),
    row(
        "witness_silence_seconds",
        "How long ago a witness last cosigned the public log",
    ),
    row(
        "holder_silence_seconds",
        "How long ago an institution's daemon was last connected for openings",
    ),
    row(
        "openings_due",
        "Openings that come within an hour or a day; their times are published",
    ),
    row(
        "openings_short_of_holders",
        "Of these, how many have fewer holders connected than must act",
    ),
    row(
        "openings_missing_a_holder",
        "Of these, how many have a holder who is not connected",
    ),
    row(
        "closing_late_seconds",
        "How long the oldest passed deadline waits for its closing",
    ),
    row(
        "opening_late_seconds",
        "How long the oldest closed tender waits for its opening record",
    ),
    row(
        "clock_offset_seconds",
        "This clock less another one, as far as it can be told apart",
    ),
    row(
        "disk_free_ratio",
        "Free part of the disk, rounded down to 0.5, 0.3, 0.2, 0.1, 0.05, 0.02 or 0",
    ),
    row(
        "refunds_overdue",
        "Refunds, of tenders whose bids are no secret, that are due and not paid for a day",
    ),
    row(
        "refunds_refused",
        "Refunds, of tenders whose bids are no secret, that the bank refused",
    ),
    row(
        "bank_connected",
        "1 where the bank's line is up; at one process at a time",
    ),
    row(
        "certificate_days",
        "Days until a certificate of the platform ends",
    ),
    row(
        "holder_certificate_days",
        "Days until the last certificate of a holder's daemon ends",
    ),
];

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    board: std::sync::Arc<Board>,
    wanted: AtomicBool,
    /// Calls of offices and holders, by method and answer; nobody else's.
    pub calls: Family<Labels, Counter>,
    /// How long these took.
    pub call_seconds: Family<Labels, Histogram>,
    /// How long a database takes to answer a look that is made every two seconds, whoever works.
    pub database_seconds: Family<Labels, Histogram>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// The metrics of this process: one set, as a process has one address to read them at.
pub fn metrics() -> &'static Metrics {
    &METRICS
}

fn seconds() -> Histogram {
    // From a millisecond to half a minute.
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let board = std::sync::Arc::new(Board::default());
        registry.register_collector(Box::new(board.clone()));
        let calls = Family::default();
        registry.register(
            "calls",
            "Calls of offices and holders by answer",
            calls.clone(),
        );
        let mut histogram = |name: &str, meaning: &str| {
            let family =
                Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
            registry.register(name, meaning, family.clone());
            family
        };
        let call_seconds = histogram("call_seconds", "How long these calls took");
        let database_seconds = histogram(
            "database_seconds",
            "How long a database takes to answer a look every two seconds",
        );
        Self {
            registry,
            board,
            wanted: AtomicBool::new(false),
            calls,
            call_seconds,
            database_seconds,
        }
    }

    /// Whether anybody can read them; without that, nothing is looked at for their sake.
    pub fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    pub fn strains(&self) -> &Strains {
        &self.board.strains
    }

    /// Shows a gauge that has one value, or one among others of the same name.
    pub fn set(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let key = owned(labels);
        self.board
            .locked()
            .entry(name)
            .or_default()
            .insert(key, value);
    }

    /// Shows exactly these values of a gauge, in place of all that were there.
    pub fn replace(&self, name: &'static str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let values = values.into_iter().collect();
        self.board.locked().insert(name, values);
    }

    /// A service has looked at what its gauges show.
    pub fn looked(&self, service: &'static str) {
        let mut looked = self
            .board
            .looked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        looked.insert(service, Instant::now());
    }

    /// A follower has everything there was.
    pub fn followed(&self, follower: &'static str, follows: &'static str) {
        let mut followed = self
            .board
            .followed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        followed.insert((follower, follows), Instant::now());
    }

    /// All of it, as OpenMetrics text.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    labels
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

type Values = BTreeMap<Labels, f64>;

/// Gauges, which are replaced as a whole so that what is gone is not shown any more.
#[derive(Debug)]
struct Board {
    started: Instant,
    strains: Strains,
    // Each locked for the length of a look-up.
    values: Mutex<BTreeMap<&'static str, Values>>,
    looked: Mutex<BTreeMap<&'static str, Instant>>,
    followed: Mutex<BTreeMap<(&'static str, &'static str), Instant>>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            strains: Strains::default(),
            values: Mutex::default(),
            looked: Mutex::default(),
            followed: Mutex::default(),
        }
    }
}

/// Lags are shown in whole steps of this: a follower that has just a little to do tells nothing of how much.
const LAG_STEP: u64 = 10;

fn in_steps(lag: Duration) -> f64 {
    // Whole tens of seconds up to years are exact.
    Duration::from_secs(lag.as_secs() / LAG_STEP * LAG_STEP).as_secs_f64()
}

impl Board {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<&'static str, Values>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values of a gauge now.
    fn of(&self, name: &'static str) -> Values {
        match name {
            "build" => Values::from([(owned(&[("version", env!("CARGO_PKG_VERSION"))]), 1.0)]),
            "up_seconds" => Values::from([(Labels::new(), self.started.elapsed().as_secs_f64())]),
            "strain" => {
                let shown = self.strains.shown().into_iter();
                shown
                    .map(|((service, bound), step)| {
                        (
                            owned(&[("service", service), ("bound", bound)]),
                            step.number(),
                        )
                    })
                    .collect()
            }
            "looked_seconds_ago" => {
                let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
                looked
                    .iter()
                    .map(|(service, at)| {
                        (owned(&[("service", service)]), at.elapsed().as_secs_f64())
                    })
                    .collect()
            }
            "follower_lag_seconds" => {
                let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
                followed
                    .iter()
                    .map(|((follower, follows), at)| {
                        let labels = owned(&[("follower", follower), ("follows", follows)]);
                        (labels, in_steps(at.elapsed()))
                    })
                    .collect()
            }
            other => self.locked().get(other).cloned().unwrap_or_default(),
        }
    }
}

impl Collector for Board {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for gauge in GAUGES {
            let values = self.of(gauge.name);
            if values.is_empty() {
                continue;
            }
            let mut metric =
                encoder.encode_descriptor(gauge.name, gauge.meaning, None, MetricType::Gauge)?;
            for (labels, value) in values {
                let value = ConstGauge::new(value);
                if labels.is_empty() {
                    value.encode(metric.encode_family(&Labels::new())?)?;
                } else {
                    value.encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_not_shown_and_lags_are_coarse() {
        let metrics = Metrics::new();
        let silence = |who: &str, value| (owned(&[("organization", who)]), value);
        metrics.replace(
            "witness_silence_seconds",
            [silence("a", 1.0), silence("b", 2.0)],
        );
        metrics.replace("witness_silence_seconds", [silence("b", 3.0)]);
        metrics.set("logs_faulty", &[], 0.0);
        metrics.followed("bid", "notice");
        metrics.strains().know("bid", "queue");
        metrics
            .calls
            .get_or_create(&owned(&[("method", "x/Y"), ("code", "OK")]))
            .inc();
        let text = metrics.text().unwrap();
        for line in [
            "sunbid_witness_silence_seconds{organization=\"b\"} 3.0\n",
            "sunbid_logs_faulty 0.0\n",
            "sunbid_follower_lag_seconds{follower=\"bid\",follows=\"notice\"} 0.0\n",
            "sunbid_strain{service=\"bid\",bound=\"queue\"} 0.0\n",
            "sunbid_calls_total{method=\"x/Y\",code=\"OK\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("organization=\"a\""), "{text}");
        assert!((in_steps(Duration::from_secs(39)) - 30.0).abs() < f64::EPSILON);
    }
}
