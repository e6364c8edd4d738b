//! The service in the process of another command: it ends when that does, however that ends.

use agentadmit_config::ServeConfig;
use agentadmit_engine::Engine;
use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_http::serve::{Ended, writer_stopped};
use agentadmit_http::{HttpOptions, ServiceState};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit::Failure;
use crate::serve::{FLUSH, Sockets, start_engine, writer_died};
use crate::storage;

/// A running service.
pub(crate) struct Embedded {
    engine: Engine,
    /// Where it listens.
    pub(crate) url: String,
    stop: watch::Sender<bool>,
    serving: JoinHandle<Ended>,
}

impl Embedded {
    /// Starts a service with these limits, and says nothing. A request may take as long as its call may
    /// wait, and then as long as anywhere.
    ///
    /// # Errors
    /// The address or the store cannot be used.
    pub(crate) async fn start(
        config: ServeConfig,
        limits: AdmissionLimits,
    ) -> Result<Self, Failure> {
        let sockets = Sockets::bind(&config)?;
        let url = sockets.url.clone();
        let issuer = config.public_url.clone().unwrap_or_else(|| url.clone());
        let http = HttpOptions::default();
        let options = HttpOptions {
            request_timeout: http.request_timeout + limits.wait,
            trusted_proxies: config.trusted_proxies.clone(),
            seed: storage::seed()?,
            ..http
        };
        let engine = start_engine(config, issuer, limits).await?;
        let state = ServiceState::new(engine.clone(), options);
        let (stop, told) = watch::channel(false);
        let serving = tokio::spawn(sockets.serve(state, None, told));
        Ok(Self { engine, url, stop, serving })
    }

    /// Its engine, which this value ends.
    pub(crate) fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// Returns when it can write no more.
    pub(crate) async fn died(&self) -> Failure {
        writer_stopped(&self.engine).await;
        writer_died()
    }

    /// Answers what it has admitted, writes what is left, and closes its chains.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        let could_not = |error: &dyn std::fmt::Display| Failure::could_not(error.to_string());
        self.stop.send_replace(true);
        self.serving.await.map_err(|error| could_not(&error))?;
        let engine = self.engine;
        let flushed = tokio::task::spawn_blocking(move || engine.shut_down());
        match tokio::time::timeout(FLUSH, flushed).await {
            Ok(Ok(ended)) => ended.map_err(|error| could_not(&error)),
            Ok(Err(error)) => Err(could_not(&error)),
            Err(_) => Err(Failure::could_not("the writer did not end in time")),
        }
    }
}
