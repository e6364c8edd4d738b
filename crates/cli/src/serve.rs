//! `agentadmit serve`: the service from start to drained end.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_config::{DashboardConfig, LogFormat, LogRequests, ServeConfig};
use agentadmit_core::dashboard::SessionLimits;
use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_engine::verbs::operators::AdoptFirstOperator;
use agentadmit_engine::{Engine, EngineOptions, Lane};
use agentadmit_fetch::{FetchLimits, Fetcher, Reach};
use agentadmit_http::dashboard::{DashboardOptions, page_url};
use agentadmit_http::oauth::OAuthOptions;
use agentadmit_http::observe::{Observation, RequestLog};
use agentadmit_http::serve::{Ended, ServeLimits, Site, writer_stopped};
use agentadmit_http::tls::TlsCertificate;
use agentadmit_http::{HttpOptions, Routers, ServiceState};
use agentadmit_protocol::secret::{self, SecretHash, SecretKind};
use agentadmit_store::WriterOptions;
use agentadmit_store_sqlite::Access;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::args::Serve;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::output::note;
use crate::sign_in;
use crate::signals::Signals;
use crate::storage::{self, Opened, Settings};
use crate::traces::Traces;

const OPERATOR_TOKEN: &str = "AGENTADMIT_OPERATOR_TOKEN";
/// From the signal to the end of the last answer.
const DRAIN: Duration = Duration::from_secs(20);
/// From there to the end of the writer; together 25 s.
pub(crate) const FLUSH: Duration = Duration::from_secs(5);

/// Runs the service until a signal, or until its writer dies.
///
/// # Errors
/// When it cannot start, or could not drain in time.
pub(crate) async fn run(args: &Serve) -> Result<Exit, Failure> {
    let config = config::resolve(args)?;
    let first_operator = first_operator_token()?;
    start_log(&config)?;
    let mut signals = Signals::listen()?;
    let tls = certificate(&config)?;
    let sockets = Sockets::bind(&config)?;
    let issuer = config.public_url.clone().unwrap_or_else(|| sockets.url.clone());
    let engine = start_engine(config.clone(), issuer, AdmissionLimits::default()).await?;
    let dashboard = config.dashboard.clone();
    let page =
        dashboard.as_ref().map(|told| page_url(&sockets.dashboard_url(told, engine.issuer())));
    if let (Some(told), Some(page)) = (&dashboard, &page) {
        // before anybody is adopted: with an operator it is no first run
        sign_in::invite(&engine, page, told.prints_code).await;
    }
    greet(&engine, &config, first_operator).await?;

    let traces = Traces::as_the_environment_says()?;
    let state = ServiceState::new(
        engine.clone(),
        HttpOptions {
            metrics_need_token: sockets.operator.is_none(),
            observation: Observation {
                log: request_log(config.log_requests),
                observer: traces.observer(),
            },
            dashboard: dashboard.map(|told| DashboardOptions {
                url: Some(sockets.dashboard_url(&told, engine.issuer())),
                limits: limits(&told),
                sign_up: told.sign_up,
            }),
            oauth: OAuthOptions {
                registration: config.client_registration,
                fetcher: Fetcher::new(
                    FetchLimits::default(),
                    if config.loopback_clients { Reach::PublicAndLoopback } else { Reach::Public },
                ),
            },
            trusted_proxies: config.trusted_proxies,
            seed: storage::seed()?,
            ..HttpOptions::default()
        },
    );
    let (stop, _) = watch::channel(false);
    sockets.announce();
    let serving = tokio::spawn(sockets.serve(state, tls.clone(), stop.subscribe()));
    signals.until_the_end(&engine, tls.as_deref()).await?;

    tracing::info!("draining: what was sent is answered, nobody else can connect");
    stop.send_replace(true);
    let ended = tokio::select! {
        ended = serving => ended.map_err(|error| Failure::could_not(error.to_string()))?,
        signal = signals.end() => return Ok(signal),
        () = writer_stopped(&engine) => return Err(writer_died()),
    };
    let flushed = tokio::task::spawn_blocking(move || {
        let end = engine.shut_down();
        traces.end();
        end
    });
    match (tokio::time::timeout(FLUSH, flushed).await, ended) {
        (Ok(Ok(Ok(()))), Ended::Drained) => Ok(Exit::Done),
        (Ok(Ok(Ok(()))), Ended::CutOff) => {
            Err(Failure::could_not(format!("some requests still ran after {} s", DRAIN.as_secs())))
        }
        (Ok(Ok(Err(error))), _) => Err(Failure::could_not(error.to_string())),
        (Ok(Err(error)), _) => Err(Failure::could_not(error.to_string())),
        (Err(_), _) => Err(Failure::could_not("the writer did not end in time")),
    }
}

/// What a service does when it can write no more: everybody sees that it is gone.
pub(crate) fn writer_died() -> Failure {
    Failure::could_not("the writer died: see the log; nothing can be answered any more")
}

pub(crate) fn start_log(config: &ServeConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| Failure::usage(format!("--log {}: {error}", config.log)))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| Failure::could_not(error.to_string()))
}

fn request_log(wanted: LogRequests) -> RequestLog {
    match wanted {
        LogRequests::Off => RequestLog::Off,
        LogRequests::Errors => RequestLog::Errors,
        LogRequests::Slow(ms) => RequestLog::Slow(Duration::from_millis(ms)),
        LogRequests::Sampled(one_of) => RequestLog::Sampled(one_of.get()),
        LogRequests::All => RequestLog::All,
    }
}

fn certificate(config: &ServeConfig) -> Result<Option<Arc<TlsCertificate>>, Failure> {
    let Some(files) = &config.tls else { return Ok(None) };
    TlsCertificate::load(&files.certificate, &files.key)
        .map(|certificate| Some(Arc::new(certificate)))
        .map_err(|error| Failure::usage(error.to_string()))
}

/// The token that becomes the first operator, if one was given.
fn first_operator_token() -> Result<Option<SecretHash>, Failure> {
    let text = std::env::var(OPERATOR_TOKEN).ok().filter(|text| !text.is_empty());
    match text.as_deref().map(secret::parse) {
        None => Ok(None),
        Some(Ok((SecretKind::OperatorToken, hash))) => Ok(Some(hash)),
        Some(Ok(_)) => Err(Failure::usage(format!("{OPERATOR_TOKEN} is another kind of secret"))),
        Some(Err(error)) => {
            Err(Failure::usage(format!("{OPERATOR_TOKEN} is no operator token: {error}")))
        }
    }
}

pub(crate) async fn start_engine(
    config: ServeConfig,
    issuer: String,
    limits: AdmissionLimits,
) -> Result<Engine, Failure> {
    let start = move || {
        let settings = Settings {
            access: Access::Service,
            writer: WriterOptions { live_requires_plan: config.live_requires_plan },
            retention: config.retention,
            segment_records: config.segment_records,
            store_writers: config.store_writers,
        };
        let Opened { store, clock, keyring } = storage::open(&config.store, &settings)?;
        let options =
            EngineOptions { issuer, limits, retention: config.retention, is_service: true };
        Engine::start(store, clock, keyring, options)
            .map_err(|error| Failure::could_not(error.to_string()))
    };
    tokio::task::spawn_blocking(start)
        .await
        .map_err(|error| Failure::could_not(error.to_string()))?
}

fn limits(told: &DashboardConfig) -> SessionLimits {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    SessionLimits { idle_seconds: seconds(told.idle), seconds: seconds(told.session) }
}

/// Takes the first operator in, or says how to make one.
async fn greet(
    engine: &Engine,
    config: &ServeConfig,
    first_operator: Option<SecretHash>,
) -> Result<(), Failure> {
    let could_not = |error: agentadmit_engine::EngineError| Failure::could_not(error.to_string());
    if let Some(hash) = first_operator {
        let adopted = engine.call(Lane::Reserved, AdoptFirstOperator { hash }).await;
        if let Some(operator) = adopted.map_err(could_not)? {
            note(&format!("{OPERATOR_TOKEN} is the token of the first operator, {}", operator.id));
        }
    }
    let operators = engine.read("operators", |views| views.operators()).await.map_err(could_not)?;
    if operators.is_empty() {
        note(&format!(
            "nobody operates this service yet; make the first operator with\n  \
             agentadmit operator create --store {}",
            config.store
        ));
    }
    Ok(())
}

/// The sockets that the service listens on.
pub(crate) struct Sockets {
    app: TcpListener,
    /// How the app's address is spelled.
    pub(crate) url: String,
    operator: Option<TcpListener>,
    operator_url: Option<String>,
}

impl Sockets {
    pub(crate) fn bind(config: &ServeConfig) -> Result<Self, Failure> {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let (app, url) = listen(config.listen, scheme)?;
        let (operator, operator_url) = match config.operator_listen {
            None => (None, None),
            Some(address) => {
                let (listener, url) = listen(address, scheme)?;
                (Some(listener), Some(url))
            }
        };
        Ok(Self { app, url, operator, operator_url })
    }

    /// The service's address as the dashboard's browsers know it.
    fn dashboard_url(&self, told: &DashboardConfig, issuer: &str) -> String {
        let listens = self.operator_url.as_deref().unwrap_or(issuer);
        told.url.clone().unwrap_or_else(|| listens.to_owned())
    }

    /// Says where it listens.
    pub(crate) fn announce(&self) {
        if let Some(url) = &self.operator_url {
            note(&format!("operator API on {url}"));
        }
        note(&format!("listening on {}", self.url));
    }

    /// Serves until it is told to stop.
    pub(crate) async fn serve(
        self,
        state: ServiceState,
        tls: Option<Arc<TlsCertificate>>,
        stop: watch::Receiver<bool>,
    ) -> Ended {
        let Some(operator) = self.operator else {
            let site = Site::with_fast_lane(agentadmit_http::router(state.clone()), state);
            return serve_on(self.app, site, tls, stop).await;
        };
        let routers: Routers = agentadmit_http::routers(state.clone());
        let site = Site::with_fast_lane(routers.app, state);
        let (app, operator) = tokio::join!(
            serve_on(self.app, site, tls.clone(), stop.clone()),
            serve_on(operator, routers.operator.into(), tls, stop),
        );
        if app == Ended::CutOff { app } else { operator }
    }
}

async fn serve_on(
    listener: TcpListener,
    site: Site,
    tls: Option<Arc<TlsCertificate>>,
    mut stop: watch::Receiver<bool>,
) -> Ended {
    let stopped = async move {
        // the sender lives as long as the service does
        let _told = stop.wait_for(|stop| *stop).await;
    };
    let limits = ServeLimits { drain: DRAIN, ..ServeLimits::default() };
    agentadmit_http::serve::serve(listener, site, tls.as_deref(), limits, stopped).await
}

fn listen(address: std::net::SocketAddr, scheme: &str) -> Result<(TcpListener, String), Failure> {
    let cannot =
        |error: std::io::Error| Failure::could_not(format!("cannot listen on {address}: {error}"));
    let listener = agentadmit_http::serve::listen(address).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok((listener, format!("{scheme}://{address}")))
}
