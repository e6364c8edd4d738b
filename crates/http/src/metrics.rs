//! What `/metrics` shows. Names say their unit; labels are from closed lists, never from a caller.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use agentadmit_engine::Engine;
use agentadmit_engine::admission::HistogramSnapshot;
use agentadmit_engine::verbs::verify::{Denial, VerifyAnswer};
use agentadmit_protocol::plain_request::HotRoute;
use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the latency buckets in seconds.
const SECONDS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// The metrics of a service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram, fn() -> Histogram>,
    verdicts: Family<VerdictLabels, Counter>,
    /// The series of nearly all calls, so that they are not looked up at each: the good answers of
    /// each hot route.
    hot: [OnceLock<Answered>; HotRoute::ALL.len()],
    allowed: OnceLock<Counter>,
}

/// The series of one route's answers of one status.
#[derive(Debug)]
struct Answered {
    requests: Counter,
    latency: Histogram,
}

/// What a verify is answered most of the time.
const ALLOWED: &str = "allowed";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerdictLabels {
    verdict: &'static str,
}

/// What a verify or an introspection was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict(&'static str);

impl Verdict {
    /// The verdict in an answer.
    pub fn of(answer: &VerifyAnswer) -> Self {
        Self(match answer {
            VerifyAnswer::Allowed { .. } => ALLOWED,
            VerifyAnswer::Denied { denial: Denial::InsufficientScope(_), .. } => {
                "insufficient_scope"
            }
            VerifyAnswer::Denied { denial: Denial::LimitExceeded, .. } => "limit_exceeded",
            VerifyAnswer::Dead { reason, .. } => reason.as_str(),
            VerifyAnswer::RateLimited { .. } => "rate_limited",
            VerifyAnswer::Suspended => "suspended",
            VerifyAnswer::Refused(_) => "bad_credential",
        })
    }
}

impl Metrics {
    /// Metrics of a service on this engine.
    pub fn new(engine: Engine) -> Self {
        let mut registry = Registry::with_prefix("agentadmit");
        let latency: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = (
            Family::<RequestLabels, Counter>::default(),
            Family::new_with_constructor(latency),
            Family::<VerdictLabels, Counter>::default(),
        );
        let (requests, latency, verdicts) = metrics;
        registry.register("http_requests", "Requests by route and status", requests.clone());
        registry.register(
            "http_request_seconds",
            "Time until the answer began, by route",
            latency.clone(),
        );
        registry.register("verdicts", "Verifies and introspections by verdict", verdicts.clone());
        registry.register_collector(Box::new(Admission { engine }));
        let (hot, allowed) = Default::default();
        Self { registry, requests, latency, verdicts, hot, allowed }
    }

    /// A request was answered.
    pub(crate) fn request(
        &self,
        method: &Method,
        route: &str,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let series = || self.series(method, route, status);
        let is_good = method == Method::POST && status == StatusCode::OK;
        let mut hot = HotRoute::ALL.iter().zip(&self.hot);
        match hot.find(|(hot, _)| is_good && hot.path() == route) {
            Some((_, held)) => held.get_or_init(series).note(elapsed),
            None => series().note(elapsed),
        }
    }

    fn series(&self, method: &Method, route: &str, status: StatusCode) -> Answered {
        let labels = RequestLabels {
            method: known_method(method),
            route: route.to_owned(),
            status: status.as_u16(),
        };
        let requests = self.requests.get_or_create(&labels).clone();
        let labels = RouteLabels { route: route.to_owned() };
        Answered { requests, latency: self.latency.get_or_create(&labels).clone() }
    }

    /// A verify or an introspection was answered.
    pub(crate) fn verdict(&self, Verdict(verdict): Verdict) {
        let series = || self.verdicts.get_or_create(&VerdictLabels { verdict }).clone();
        if verdict == ALLOWED {
            self.allowed.get_or_init(series).inc();
        } else {
            series().inc();
        }
    }

    /// The text that is scraped.
    ///
    /// # Errors
    /// None in practice; writing is fallible by its signature.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Answered {
    fn note(&self, elapsed: Duration) {
        self.requests.inc();
        self.latency.observe(elapsed.as_secs_f64());
    }
}

/// A caller can send any word as a method: only known ones become a label.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The counters that admission keeps itself, read at each scrape.
struct Admission {
    engine: Engine,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admission")
    }
}

impl Collector for Admission {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.engine.stats();
        let gauges = [
            ("admission_queued", "Calls that wait", &stats.queued),
            (
                "admission_reserved_queued",
                "Revocations and operator calls that wait",
                &stats.reserved_queued,
            ),
        ];
        for (name, help, value) in gauges {
            let value = i64::try_from(value.load(Relaxed)).unwrap_or(i64::MAX);
            gauge(&mut encoder, name, help, value)?;
        }
        let is_full = i64::from(self.engine.is_short_of_room());
        gauge(&mut encoder, "store_full", "1 while the disk of the store is full", is_full)?;
        let is_doubted = i64::from(self.engine.clock_doubt().is_some());
        gauge(&mut encoder, "clock_doubted", "1 while the clock is not believed", is_doubted)?;
        let counters = [
            ("admission_batches", "Batches that were admitted", &stats.batches),
            ("admission_calls", "Calls in those batches", &stats.jobs),
            (
                "admission_refused_full",
                "Calls refused because a queue was full",
                &stats.refused_full,
            ),
            ("admission_timed_out", "Calls that waited too long", &stats.timed_out),
            ("admission_abandoned", "Calls whose caller had left", &stats.abandoned),
        ];
        for (name, help, value) in counters {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value.load(Relaxed)).encode(metric)?;
        }
        let batches = stats.batch_size.snapshot();
        histogram(&mut encoder, "admission_batch_size", "Calls per batch", &batches, 1.0)?;
        let waits = stats.queue_wait_ns.snapshot();
        let help = "Time from submission to the sealed batch";
        histogram(&mut encoder, "admission_queue_wait_seconds", help, &waits, 1e-9)?;
        let store = self.engine.store_time_ns();
        let help = "Time from the sealed batch until it was committed and flushed, or had failed";
        histogram(&mut encoder, "admission_store_seconds", help, &store, 1e-9)
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: i64,
) -> Result<(), fmt::Error> {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

/// Writes a histogram of whole numbers in another unit.
#[expect(clippy::cast_precision_loss, reason = "a metric needs no 53rd bit")]
fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    snapshot: &HistogramSnapshot,
    unit: f64,
) -> Result<(), fmt::Error> {
    let bound = |bound: u64| if bound == u64::MAX { f64::MAX } else { bound as f64 * unit };
    let buckets: Vec<(f64, u64)> =
        snapshot.buckets.iter().map(|(upper, count)| (bound(*upper), *count)).collect();
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let sum = snapshot.sum as f64 * unit;
    metric.encode_histogram::<NoLabelSet>(sum, snapshot.count, &buckets, None)
}
