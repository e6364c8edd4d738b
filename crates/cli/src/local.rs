//! The service's routes in this process, on a store of this machine: what commands with `--store`
//! send their requests to. Whoever can write the store is its operator.

use agentadmit_config::StoreLocation;
use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_engine::{Engine, EngineOptions};
use agentadmit_http::{HttpOptions, LocalOperator, ServiceState};
use agentadmit_store_sqlite::Access;
use axum::Router;
use axum::body::Body;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use url::Url;

use crate::client::{AnswerBody, Request};
use crate::exit::Failure;
use crate::storage::{self, Opened};

/// A store with the routes on it.
pub(crate) struct Local {
    engine: Engine,
    router: Router,
}

impl Local {
    /// Opens the store; makes it when it is not there.
    ///
    /// # Errors
    /// When store or secret key cannot be used.
    pub(crate) fn open(location: &StoreLocation) -> Result<Self, Failure> {
        let settings =
            storage::Settings { access: Access::Command, ..storage::Settings::default() };
        let Opened { store, clock, keyring } = storage::open(location, &settings)?;
        let options = EngineOptions {
            issuer: issuer_of(location),
            limits: AdmissionLimits::patient(),
            retention: None,
            is_service: false,
        };
        let engine = Engine::start(store, clock, keyring, options)
            .map_err(|error| Failure::could_not(error.to_string()))?;
        Self::on(engine)
    }

    /// The routes on an engine that runs already, and that somebody else ends.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(crate) fn on(engine: Engine) -> Result<Self, Failure> {
        let options = HttpOptions { seed: storage::seed()?, ..HttpOptions::default() };
        let router = agentadmit_http::router(ServiceState::new(engine.clone(), options));
        Ok(Self { engine, router })
    }

    /// Sends a request to the routes, as the operator on the machine.
    ///
    /// # Errors
    /// A request that cannot be built.
    pub(crate) async fn send(
        &self,
        request: &Request,
    ) -> Result<(StatusCode, AnswerBody), Failure> {
        let base = Url::parse("http://localhost")
            .map_err(|error| Failure::could_not(error.to_string()))?;
        let url = request.url(&base);
        let mut builder = http::Request::builder()
            .method(request.method.clone())
            .uri(url.as_str())
            .extension(LocalOperator::trusted());
        let body = match &request.body {
            Some(body) => {
                builder = builder.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let request = builder.body(body).map_err(|error| Failure::could_not(error.to_string()))?;
        let answer = match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status();
        Ok((status, answer.into_body().map_err(Into::into).boxed_unsync()))
    }

    /// Writes what is left to write and closes this writer's chains.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let Self { engine, router } = self;
        drop(router);
        tokio::task::spawn_blocking(move || engine.shut_down())
            .await
            .map_err(|error| Failure::could_not(error.to_string()))?
            .map_err(|error| Failure::could_not(error.to_string()))
    }
}

/// A command has no address: its exports say on which store they were made.
fn issuer_of(location: &StoreLocation) -> String {
    let Some(path) = location.file() else { return location.to_string() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("sqlite:{name}")
}
