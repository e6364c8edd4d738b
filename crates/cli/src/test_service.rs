//! The whole service in the process of an app's tests: the real one, on a store that is gone when
//! it ends. Whoever holds it is its operator.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};

use agentadmit_config::{LogFormat, ServeConfig, ServeOptions, StoreLocation};
use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_protocol::error::ErrorBody;
use http::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::client::{Request, Transport};
use crate::embedded::Embedded;
use crate::exit::Failure;
use crate::local::Local;
use crate::secret_key;

/// A running service on a free port of this machine.
///
/// Dropping it without [`Self::stop`] pulls the plug.
pub struct TestService {
    runtime: Runtime,
    service: Embedded,
    operator: Transport,
    url: String,
    /// Removed last.
    _folder: TempDir,
}

/// Why a service does not start, or what it answered to its operator instead of a yes.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .0.error, .0.error_description)]
pub struct TestServiceError(pub Box<ErrorBody>);

impl From<Failure> for TestServiceError {
    fn from(failure: Failure) -> Self {
        Self(failure.body)
    }
}

fn could_not(error: &dyn Display) -> TestServiceError {
    Failure::could_not(error.to_string()).into()
}

impl TestService {
    /// Starts one. Its threads are its own: it may be called from anywhere but a runtime.
    ///
    /// # Errors
    /// The machine gives no port, no thread or no room.
    pub fn start() -> Result<Self, TestServiceError> {
        let folder = TempDir::with_prefix("agentadmit-").map_err(|error| could_not(&error))?;
        let path = folder.path().join("store.db");
        // made here, since `serve` says that it made one
        secret_key::make_file(&secret_key::file_of(&path))?;
        let place = format!("sqlite:{}", path.display());
        let store: StoreLocation = place.parse().map_err(|error| could_not(&error))?;
        let options = ServeOptions {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            store: Some(store),
            log_format: Some(LogFormat::Text),
            ..ServeOptions::default()
        };
        let config = ServeConfig::check(options).map_err(|error| could_not(&error))?;
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("agentadmit-test").enable_all();
        let runtime = builder.build().map_err(|error| could_not(&error))?;
        let service = runtime.block_on(Embedded::start(config, AdmissionLimits::patient()))?;
        let operator = Transport::Local(Box::new(Local::on(service.engine())?));
        let url = service.url.clone();
        Ok(Self { runtime, service, operator, url, _folder: folder })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request as its operator: a path such as `/v1/operator/apps`, and a body.
    ///
    /// # Errors
    /// The refusal.
    pub fn operate(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, TestServiceError> {
        let mut request = Request::get(path.to_owned());
        request.method = method;
        request.body = body;
        Ok(self.runtime.block_on(self.operator.call(request))?)
    }

    /// Ends it: what was admitted is answered, its chains are closed.
    ///
    /// # Errors
    /// The store's.
    pub fn stop(self) -> Result<(), TestServiceError> {
        let Self { runtime, service, operator, .. } = self;
        drop(operator);
        let ended = runtime.block_on(service.end());
        runtime.shutdown_background();
        Ok(ended?)
    }
}
