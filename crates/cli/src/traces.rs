//! Traces (feature `otel`): a span for every request that is sampled, its wait and its time with
//! the store below it, sent as OTLP over HTTP.
//!
//! It is set up by the variables of OpenTelemetry, as every program is; without a receiver among
//! them there are no traces. Spans are made when a request is answered, of the numbers that its log
//! line has, and sent in batches from a thread of the SDK: a receiver that is slow or gone costs
//! spans, never an answer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentadmit_http::observe::{Observed, RequestObserver, TraceContext};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HttpError;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use url::Url;

use crate::exit::Failure;
use crate::http_client::{HttpClient, target};

/// What names the receiver.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// The most that is read of what a receiver answers.
const MAX_ANSWER: usize = 1 << 20;
/// How long the last spans may take at the end.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// The traces of a service.
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Sends traces where the environment names a receiver.
    ///
    /// # Errors
    /// Wrong usage: a variable of OpenTelemetry that cannot be used.
    pub(crate) fn as_the_environment_says() -> Result<Self, Failure> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !ENDPOINTS.iter().any(|name| is_set(name)) {
            return Ok(Self(None));
        }
        let wrong = |error: &dyn fmt::Display| Failure::usage(format!("OTEL_…: {error}"));
        let client = Client {
            client: HttpClient::new(None).map_err(|error| wrong(&error))?,
            runtime: Handle::current(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(client)
            .build()
            .map_err(|error| wrong(&error))?;
        // the SDK reads service name and attributes itself; ours is the name where none is given
        let mut resource = Resource::builder();
        if !is_set(SERVICE_NAME) {
            resource = resource.with_service_name("agentadmit");
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        Ok(Self(Some(provider)))
    }

    /// What makes a span of each request.
    pub(crate) fn observer(&self) -> Option<Arc<dyn RequestObserver>> {
        let tracer = self.0.as_ref()?.tracer("agentadmit");
        let propagator = TraceContextPropagator::new();
        Some(Arc::new(Spans { tracer, propagator }))
    }

    /// Sends what is left. Blocks, and not for long.
    pub(crate) fn end(self) {
        if let Some(Err(error)) = self.0.map(|traces| traces.shutdown_with_timeout(LAST_SPANS)) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Makes spans of requests.
#[derive(Debug)]
struct Spans {
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

impl RequestObserver for Spans {
    fn answered(&self, request: &Observed<'_>) {
        let parent = match request.context {
            Some(context) => self.propagator.extract_with_context(&Context::new(), &Sent(context)),
            None => Context::new(),
        };
        let ended = moment(request);
        let span = self
            .tracer
            .span_builder(format!("{} {}", request.method, request.route))
            .with_kind(SpanKind::Server)
            .with_start_time(before(ended, request.elapsed_ns))
            .with_attributes(attributes(request));
        let mut span = self.tracer.build_with_context(span, &parent);
        if !span.is_recording() {
            return;
        }
        if request.status.is_server_error() {
            span.set_status(Status::error(""));
        }
        if let Some(admitted) = request.trail.admitted {
            let context = parent.with_remote_span_context(span.span_context().clone());
            // how long is known, and what came after what: an answer is written right after
            let sealed = before(ended, admitted.store_ns);
            for (name, from, to) in [
                ("admission.wait", before(sealed, admitted.waited_ns), sealed),
                ("store.transaction", sealed, ended),
            ] {
                let part = self.tracer.span_builder(name).with_start_time(from);
                self.tracer.build_with_context(part, &context).end_with_timestamp(to);
            }
        }
        span.end_with_timestamp(ended);
    }
}

/// Names of the semantic conventions for HTTP; ours begin with `agentadmit.`.
fn attributes(request: &Observed<'_>) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("http.request.method", request.method.to_string()),
        KeyValue::new("http.route", request.route.to_owned()),
        KeyValue::new("http.response.status_code", i64::from(request.status.as_u16())),
        KeyValue::new("agentadmit.request_id", request.request_id.to_owned()),
    ];
    if let Some(app_id) = request.trail.app_id {
        attributes.push(KeyValue::new("agentadmit.app_id", app_id.to_string()));
    }
    if let Some(admitted) = request.trail.admitted {
        attributes.push(KeyValue::new("agentadmit.batch_size", i64::from(admitted.batch)));
    }
    attributes
}

fn moment(request: &Observed<'_>) -> SystemTime {
    let ms = u64::try_from(request.at.as_millis()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(ms)
}

fn before(moment: SystemTime, ns: u64) -> SystemTime {
    moment.checked_sub(Duration::from_nanos(ns)).unwrap_or(UNIX_EPOCH)
}

/// The headers of W3C Trace Context, as they were sent.
struct Sent<'a>(&'a TraceContext);

impl Extractor for Sent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = match key {
            "traceparent" => &self.0.parent,
            "tracestate" => self.0.state.as_ref()?,
            _ => return None,
        };
        value.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// The command line's own client, for a thread that is none of its runtime's.
struct Client {
    client: HttpClient,
    runtime: Handle,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait]
impl opentelemetry_http::HttpClient for Client {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let (mut parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())?;
        parts.uri = target(&url).parse()?;
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let request = http::Request::from_parts(parts, Full::new(body));
            let (head, body) = client.request(&url, request).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok(http::Response::from_parts(head, body))
        });
        sent.await?
    }
}
