//! The whole service inside the test's own process, on real sockets: engine, routes and serve loop
//! as in the binary, on a store and a clock that the test brings.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_engine::keyring::SecretKey;
use agentadmit_engine::{Engine, EngineOptions, Keyring, WriterOptions};
use agentadmit_http::serve::{ServeLimits, Site, listen, serve};
use agentadmit_http::{HttpOptions, ServiceState};
use agentadmit_protocol::secret::{Secret, SecretKind};
use agentadmit_store::model::ModelStore;
use agentadmit_store::verbs::operators::AdoptFirstOperator;
use agentadmit_store::{Clock, Store, SystemClock, write};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use tokio::runtime::Runtime;

use crate::power::PowerVfs;
use crate::world::Operator;

/// The name of the database on a [`PowerVfs`]; such paths are opaque.
const POWERED_PATH: &str = "/store/agentadmit.db";

/// Why a service does not start.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// What a test may set beside store and clock.
#[derive(Debug, Clone, Copy)]
pub struct ServiceOptions {
    /// How many calls may wait, and how long: by default for a minute, since a machine that runs tests
    /// may be slow.
    pub limits: AdmissionLimits,
    /// How long audit records are kept; `None` is for ever.
    pub retention: Option<Duration>,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self { limits: AdmissionLimits::patient(), retention: None }
    }
}

/// A running service. Dropping it pulls the plug: nothing is answered any more, and its store is
/// closed some time later. [`TestService::stop`] ends it in good order.
pub struct TestService {
    address: SocketAddr,
    engine: Engine,
    runtime: Option<Runtime>,
}

impl TestService {
    /// On a store in memory, with the machine's clock.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn on_model() -> Self {
        let clock = Arc::new(SystemClock::new());
        let store = ModelStore::new([1; 32], WriterOptions::default(), Arc::clone(&clock) as _);
        Self::start(Arc::new(store), clock, ServiceOptions::default())
    }

    /// On a SQLite file, with the machine's clock.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn on_sqlite(path: &Path) -> Self {
        let options = StoreOptions::repeatable_for_tests([1; 32]);
        let clock = Arc::clone(&options.clock);
        match SqliteStore::open(path, options, Access::Service) {
            Ok(store) => Self::start(Arc::new(store), clock, ServiceOptions::default()),
            Err(error) => panic!("no store at {}: {error}", path.display()),
        }
    }

    /// On a database, which several nodes may share, with as many writers as by default.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn on_postgres(url: &str) -> Self {
        Self::on_postgres_with(url, PostgresOptions::new())
    }

    /// As [`Self::on_postgres`], opened as the test says.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn on_postgres_with(url: &str, options: PostgresOptions) -> Self {
        match PostgresStore::open(url, options) {
            Ok(store) => {
                let clock = Arc::new(SystemClock::new());
                Self::start(Arc::new(store), clock, ServiceOptions::default())
            }
            Err(error) => panic!("no store at {url}: {error}"),
        }
    }

    /// On a machine that loses power on purpose; `store` is how SQLite is opened there.
    ///
    /// # Errors
    /// What is wrong with the store: after a loss of power that is a finding.
    pub fn on_power(
        vfs: &PowerVfs,
        mut store: StoreOptions,
        options: ServiceOptions,
    ) -> Result<Self, StartError> {
        store.vfs = Some(vfs.name().to_string_lossy().into_owned());
        let clock = Arc::clone(&store.clock);
        let store = SqliteStore::open(POWERED_PATH, store, Access::Service)?;
        Self::try_start(Arc::new(store), clock, options)
    }

    /// On any store.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: ServiceOptions) -> Self {
        match Self::try_start(store, clock, options) {
            Ok(service) => service,
            Err(error) => panic!("the service does not start: {error}"),
        }
    }

    fn try_start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: ServiceOptions,
    ) -> Result<Self, StartError> {
        write(&*store, &AdoptFirstOperator { hash: operator_token().hash() })?;
        let keyring = Keyring::open(&*store, &secret_key())?;
        let ServiceOptions { limits, retention } = options;
        let issuer = "http://127.0.0.1".to_owned();
        let engine_options = EngineOptions { issuer, limits, retention, is_service: true };
        let engine = Engine::start(store, clock, keyring, engine_options)?;
        let http = HttpOptions::default();
        let request_timeout = http.request_timeout + limits.wait;
        let state = ServiceState::new(engine.clone(), HttpOptions { request_timeout, ..http });
        let site = Site::with_fast_lane(agentadmit_http::router(state.clone()), state);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = runtime.block_on(async { listen(any) })?;
        let address = listener.local_addr()?;
        runtime.spawn(serve(listener, site, None, ServeLimits::default(), pending()));
        Ok(Self { address, engine, runtime: Some(runtime) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its first operator.
    pub fn operator(&self) -> Operator {
        Operator { address: self.address, token: operator_token().expose().to_owned() }
    }

    /// The use cases, past HTTP.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Ends it: what was admitted is done, the chains are closed.
    ///
    /// # Panics
    /// When the store fails.
    pub fn stop(self) {
        if let Err(error) = self.end() {
            panic!("the service does not end in good order: {error}");
        }
    }

    /// Ends it as [`Self::stop`] does, where the store may fail.
    ///
    /// # Errors
    /// The store's, or the writer's that had died.
    pub fn end(mut self) -> io::Result<()> {
        self.pull_the_plug();
        self.engine.clone().shut_down()
    }

    fn pull_the_plug(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.pull_the_plug();
    }
}

/// The token of the first operator of every service here.
pub fn operator_token() -> Secret {
    Secret::mint(SecretKind::OperatorToken, [3; 32])
}

/// The key under which every store here seals its own secrets.
pub fn secret_key() -> SecretKey {
    SecretKey::new([2; 32])
}
