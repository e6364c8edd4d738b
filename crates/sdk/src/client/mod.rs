//! Asking the service, with exactly the retry rules of PROTOCOL ("Retry rules of every SDK").

mod call;
mod verdict;

use std::sync::Arc;

use agentadmit_protocol::api::audit::{AuditList, AuditQuery};
use agentadmit_protocol::api::connections::{
    ConnectionList, ConnectionView, ConnectionsQuery, DeleteConnectionQuery, PatchConnectionRequest,
};
use agentadmit_protocol::api::revoke::{RevokeAnswer, RevokeRequest};
use agentadmit_protocol::api::scopes::{PutScopesAnswer, PutScopesRequest, ScopesAnswer};
use agentadmit_protocol::api::token::{ExchangeAnswer, ExchangeCall, IssueAnswer, IssueRequest};
use agentadmit_protocol::api::usage::{UsageAnswer, UsageQuery};
use agentadmit_protocol::api::verify::VerifyCall;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::text::UserId;

pub use verdict::{Refusal, Verdict};

use self::call::Call;
use crate::error::{ConfigurationError, Error};
use crate::settings::Settings;
use crate::time::{Clock, Jitter, RandomJitter, SystemClock};

/// A client of one service under one credential. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    jitter: Arc<dyn Jitter>,
}

impl Client {
    /// A client on the machine's clock.
    ///
    /// # Errors
    /// A credential is missing, or the certificates in `ca_file` cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, ConfigurationError> {
        Self::with_clock(settings, Arc::new(SystemClock), Arc::new(RandomJitter))
    }

    /// A client on another clock, for tests of what waits.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_clock(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        jitter: Arc<dyn Jitter>,
    ) -> Result<Self, ConfigurationError> {
        Ok(Self { inner: Arc::new(Inner { settings: settings.clone(), clock, jitter }) })
    }

    /// What the client was made with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Asks whether one call of an agent may proceed (PROTOCOL, `POST /v1/verify`).
    ///
    /// A refusal is a verdict, not an error.
    ///
    /// # Errors
    /// The service could not be asked, or what came back is neither a yes nor a refusal: then the
    /// call must not proceed either.
    pub async fn verify(&self, call: &VerifyCall<'_>) -> Result<Verdict, Error> {
        self.inner.verify(call).await
    }

    /// Opens a connection for a user and answers its connection token. Never retried.
    pub async fn issue(&self, request: &IssueRequest) -> Result<IssueAnswer, Error> {
        self.inner.ask(Call::issue(self.app_id()?, request)?).await
    }

    /// Exchanges a connection token under the app's credential. Retried after a failure of the
    /// connection only with an idempotency key, which whoever holds the token has made.
    pub async fn exchange(
        &self,
        exchange: &ExchangeCall<'_>,
        idempotency_key: Option<&str>,
    ) -> Result<ExchangeAnswer, Error> {
        self.inner.ask(Call::exchange(exchange, idempotency_key)?).await
    }

    /// Ends one connection, or all of a user's. When this has answered, every call that starts
    /// later is refused.
    pub async fn revoke(&self, request: &RevokeRequest) -> Result<RevokeAnswer, Error> {
        self.inner.ask(Call::post("/v1/revoke", request)?).await
    }

    /// Ends a user's own connection; another user's is `not_found`.
    pub async fn revoke_of_user(
        &self,
        connection: ConnectionId,
        user: &UserId,
    ) -> Result<RevokeAnswer, Error> {
        let query = DeleteConnectionQuery { user_id: Some(user.clone()) };
        self.inner.ask(Call::delete(&format!("/v1/connections/{connection}"), &query)?).await
    }

    /// A page of connections.
    pub async fn connections(&self, query: &ConnectionsQuery) -> Result<ConnectionList, Error> {
        self.inner.ask(Call::get("/v1/connections", query)?).await
    }

    /// One connection, its counts exact as of the answer.
    pub async fn connection(&self, connection: ConnectionId) -> Result<ConnectionView, Error> {
        self.inner.ask(Call::get(&format!("/v1/connections/{connection}"), &())?).await
    }

    /// Takes scopes away, or brings the end forward.
    pub async fn narrow(
        &self,
        connection: ConnectionId,
        request: &PatchConnectionRequest,
    ) -> Result<ConnectionView, Error> {
        self.inner.ask(Call::patch(&format!("/v1/connections/{connection}"), request)?).await
    }

    /// The catalogue at the service, of the credential's environment.
    pub async fn scopes(&self) -> Result<ScopesAnswer, Error> {
        self.inner.ask(Call::get(&format!("/v1/apps/{}/scopes", self.app_id()?), &())?).await
    }

    /// Replaces the catalogue, and answers what changed.
    pub async fn put_scopes(&self, request: &PutScopesRequest) -> Result<PutScopesAnswer, Error> {
        self.inner.ask(Call::put(&format!("/v1/apps/{}/scopes", self.app_id()?), request)?).await
    }

    /// A page of the audit log, newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditList, Error> {
        self.inner.ask(Call::get("/v1/audit", query)?).await
    }

    /// What was used.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageAnswer, Error> {
        self.inner.ask(Call::get("/v1/usage", query)?).await
    }

    fn app_id(&self) -> Result<agentadmit_protocol::id::AppId, ConfigurationError> {
        self.inner.settings.app_id.ok_or_else(|| {
            ConfigurationError(
                "app_id is not set: write `app_id: app_…` into agentadmit.yaml, or set \
                 AGENTADMIT_APP_ID"
                    .to_owned(),
            )
        })
    }
}
