//! What all routes share.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_engine::Engine;
use agentadmit_protocol::exchange_failures::ExchangeFailures;
use agentadmit_protocol::id::{DIGITS, EventId};
use bytes::Bytes;
use ipnet::IpNet;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::dashboard::{DashboardOptions, Tries};
use crate::error::{Answer, ApiError};
use crate::exports::Exports;
use crate::metrics::Metrics;
use crate::oauth::OAuthOptions;
use crate::oauth::clients::Clients;
use crate::oauth::crowd::{Crowd, ENDS, REGISTRATIONS, REQUESTS};
use crate::observe::{Lines, Observation};
use crate::openapi::{self, Bodyless};

/// What can be set about HTTP.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Whether `/metrics` wants an operator token: `true` where it shares its address with the
    /// apps' routes.
    pub metrics_need_token: bool,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Exports at a time.
    pub exports: usize,
    /// Exports of one log at a time: an app's environment, or the service's own.
    pub exports_each: usize,
    /// How long a request may take until its answer begins; then 503.
    pub request_timeout: Duration,
    /// What is told about requests, and to whom.
    pub observation: Observation,
    /// The dashboard; `None` where there is none.
    pub dashboard: Option<DashboardOptions>,
    /// The authorization server.
    pub oauth: OAuthOptions,
    /// The only randomness of this layer: request ids are made of it.
    pub seed: [u8; 32],
}

impl Default for HttpOptions {
    /// One address for everything, no proxy. The seed is fixed: whoever serves sets it.
    fn default() -> Self {
        Self {
            metrics_need_token: true,
            trusted_proxies: Vec::new(),
            exports: 16,
            exports_each: 2,
            request_timeout: Duration::from_secs(10),
            observation: Observation::default(),
            dashboard: Some(DashboardOptions::default()),
            oauth: OAuthOptions::default(),
            seed: [0; 32],
        }
    }
}

/// The state of the routers. Cheap to clone.
#[derive(Clone)]
pub struct ServiceState {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    options: HttpOptions,
    metrics: Metrics,
    lines: Lines,
    failures: Mutex<ExchangeFailures>,
    tries: Mutex<Tries>,
    clients: Clients,
    code_tries: Mutex<Tries>,
    registrations: Mutex<Crowd>,
    access_requests: Mutex<Crowd>,
    ends: Mutex<Crowd>,
    link_tries: Mutex<Tries>,
    passkey_tries: Mutex<Tries>,
    exports: Exports,
    request_ids: Mutex<StdRng>,
    document: Bytes,
    bodyless: Bodyless,
}

impl ServiceState {
    /// The state of a service on this engine.
    pub fn new(engine: Engine, options: HttpOptions) -> Self {
        let document = openapi::openapi();
        let request_ids = Mutex::new(StdRng::from_seed(options.seed));
        Self {
            shared: Arc::new(Shared {
                metrics: Metrics::new(engine.clone()),
                engine,
                lines: Lines::default(),
                failures: Mutex::default(),
                tries: Mutex::default(),
                clients: Clients::new(options.oauth.fetcher.clone()),
                code_tries: Mutex::default(),
                registrations: Crowd::of(REGISTRATIONS),
                access_requests: Crowd::of(REQUESTS),
                ends: Crowd::of(ENDS),
                link_tries: Mutex::default(),
                passkey_tries: Mutex::default(),
                exports: Exports::new(options.exports, options.exports_each),
                options,
                request_ids,
                document: openapi::written(&document).into(),
                bodyless: Bodyless::of(&document),
            }),
        }
    }

    /// The use cases.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// What was set.
    pub fn options(&self) -> &HttpOptions {
        &self.shared.options
    }

    /// What `/metrics` shows.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Which requests leave a line in the log.
    pub(crate) fn lines(&self) -> &Lines {
        &self.shared.lines
    }

    pub(crate) fn failures(&self) -> &Mutex<ExchangeFailures> {
        &self.shared.failures
    }

    /// How often one-time codes were tried.
    pub(crate) fn tries(&self) -> &Mutex<Tries> {
        &self.shared.tries
    }

    /// How often links were tried: apart, so that nobody holds operators up with them.
    pub(crate) fn link_tries(&self) -> &Mutex<Tries> {
        &self.shared.link_tries
    }

    /// What is known of OAuth clients.
    pub(crate) fn clients(&self) -> &Clients {
        &self.shared.clients
    }

    /// How often codes of devices were tried.
    pub(crate) fn code_tries(&self) -> &Mutex<Tries> {
        &self.shared.code_tries
    }

    /// How many OAuth clients registered.
    pub(crate) fn registrations(&self) -> &Mutex<Crowd> {
        &self.shared.registrations
    }

    /// How many OAuth clients asked for access.
    pub(crate) fn access_requests(&self) -> &Mutex<Crowd> {
        &self.shared.access_requests
    }

    /// How many agents ended what a token opens.
    pub(crate) fn ends(&self) -> &Mutex<Crowd> {
        &self.shared.ends
    }

    /// How often challenges for passkeys were asked for.
    pub(crate) fn passkey_tries(&self) -> &Mutex<Tries> {
        &self.shared.passkey_tries
    }

    /// What was set about the dashboard.
    ///
    /// # Errors
    /// `not_found` where there is none.
    pub(crate) fn dashboard(&self) -> Answer<&DashboardOptions> {
        let options = self.shared.options.dashboard.as_ref();
        options.ok_or_else(|| ApiError::not_found("this service has no dashboard"))
    }

    /// The service's address as the dashboard's browsers know it.
    pub(crate) fn dashboard_url(&self) -> &str {
        let told = self.shared.options.dashboard.as_ref().and_then(|told| told.url.as_deref());
        told.unwrap_or_else(|| self.shared.engine.issuer())
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.shared.exports
    }

    /// The OpenAPI document as it is sent.
    pub(crate) fn document(&self) -> Bytes {
        self.shared.document.clone()
    }

    /// The operations that read no body.
    pub(crate) fn bodyless(&self) -> &Bodyless {
        &self.shared.bodyless
    }

    /// A new request id: 26 characters, sortable by time, as the ids of records are.
    pub(crate) fn request_id(&self) -> RequestId {
        let mut random = [0; 10];
        self.shared.request_ids.lock().fill_bytes(&mut random);
        RequestId(EventId::v7(self.shared.engine.wall(), random).digits())
    }
}

/// The service stops: an extension of requests that came after that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draining;

/// What this request is called in answers, records and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; DIGITS]);

impl RequestId {
    /// The 26 characters.
    pub fn as_str(&self) -> &str {
        // ASCII, so it is never empty
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The 26 characters.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
