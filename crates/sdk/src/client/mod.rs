//! Asking the service, with exactly the retry rules of PROTOCOL ("Retry rules of every SDK").
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use agentadmit::client::Verdict;
//! use agentadmit::protocol::api::verify::VerifyCall;
//! use agentadmit::settings::ApiKey;
//! use agentadmit::{Client, Settings};
//!
//! let key = ApiKey::new(std::env::var("AGENTADMIT_API_KEY")?)?;
//! let client = Client::new(&Settings::new("https://agents.example.com".parse()?, key))?;
//! let call = VerifyCall {
//!     token: "ag_at_…",
//!     scope_used: Some("read:orders"),
//!     endpoint: Some("/orders/{id}"),
//!     method: Some("GET"),
//!     agent_ip: Some("203.0.113.9"),
//! };
//! match client.verify(&call).await? {
//!     Verdict::Allowed(agent) => println!("for {}", agent.user_id),
//!     Verdict::Refused(refusal) => println!("no: {}", refusal.error),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | what comes | what a call does |
//! | --- | --- |
//! | 429 of the key's limit | waits 1 s, 2 s, … 30 s and up to 500 ms more, or what `Retry-After` says, and asks again, `max_retries` times; at most `max_waiting` calls wait at a time |
//! | 429 of the connection's limit, `Retry-After` above 30 s, no place to wait | [`RateLimitError`](crate::error::RateLimitError) at once |
//! | no connection, an end before any byte of an answer, 502, 504 | asks again once, at once, over a fresh connection: verify, reads, revokes, and an exchange with its key |
//! | 503, a time-out, anything that is not understood | [`ServiceUnavailableError`](crate::error::ServiceUnavailableError) |
//! | 401, a redirect, a certificate that is not trusted, another app's answer | [`ConfigurationError`] |
//!
//! Connections are kept between calls, one call at a time on each. A call that is dropped takes its
//! connection with it.

pub(crate) mod call;
mod core;
pub(crate) mod outcome;
pub(crate) mod retry;
mod service;
pub(crate) mod transport;
pub(crate) mod verdict;

use std::fmt;
use std::sync::Arc;

use agentadmit_protocol::api::audit::{AuditList, AuditQuery};
use agentadmit_protocol::api::authorization::{AuthorizationRequestView, BindAnswer, BindRequest};
use agentadmit_protocol::api::connections::{
    ConnectionList, ConnectionView, ConnectionsQuery, PatchConnectionRequest,
};
use agentadmit_protocol::api::consent::{ConsentSessionAnswer, ConsentSessionRequest};
use agentadmit_protocol::api::credential::CredentialAnswer;
use agentadmit_protocol::api::revoke::{RevokeAnswer, RevokeRequest};
use agentadmit_protocol::api::scopes::{PutScopesAnswer, PutScopesRequest, ScopesAnswer};
use agentadmit_protocol::api::token::{ExchangeAnswer, ExchangeCall, IssueAnswer, IssueRequest};
use agentadmit_protocol::api::usage::{UsageAnswer, UsageQuery};
use agentadmit_protocol::api::verify::VerifyCall;
use agentadmit_protocol::id::{AuthorizationRequestId, ConnectionId};
use agentadmit_protocol::text::UserId;

use serde::de::DeserializeOwned;

pub use service::ServiceClient;
pub use verdict::{Refusal, Verdict};

use self::call::{Call, Repeat};
pub(crate) use self::core::Core;
use self::transport::answer::Answer;
use self::transport::pool::Pool;
use self::transport::stream::{Stream, within};
use self::transport::{Fault, connect_within};
use crate::error::{ConfigurationError, Error};
use crate::settings::Settings;
use crate::time::{Clock, Jitter};

/// To be called once in the child of a fork, before its first client is made: the calls of the
/// parent that waited at that moment do not wait here, and must not be counted.
///
/// Clients of the parent are of no use in a child: their connections and their runtime are the
/// parent's.
pub fn after_fork() {
    retry::nobody_waits();
}

/// A client of one service under one credential. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    core: Core,
    pool: Pool<Stream>,
}

impl Client {
    /// A client on the machine's clock. Nothing is connected before the first call.
    ///
    /// # Errors
    /// The address is not https (or this machine), the API key is missing, or the certificates in
    /// `ca_file` cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, ConfigurationError> {
        Core::new(settings).map(Self::of)
    }

    /// A client on another clock, for tests of what waits. Its waits are counted apart from the
    /// process's others.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_clock(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        jitter: Arc<dyn Jitter>,
    ) -> Result<Self, ConfigurationError> {
        Core::with_clock(settings, clock, jitter).map(Self::of)
    }

    fn of(core: Core) -> Self {
        Self { inner: Arc::new(Inner { core, pool: Pool::new() }) }
    }

    /// What the client was made with.
    pub fn settings(&self) -> &Settings {
        &self.inner.core.settings
    }

    /// Asks whether one call of an agent may proceed (PROTOCOL, `POST /v1/verify`).
    ///
    /// A refusal is a verdict, not an error.
    ///
    /// # Errors
    /// The service could not be asked, or what came back is neither a yes nor a refusal: then the
    /// call must not proceed either.
    pub async fn verify(&self, call: &VerifyCall<'_>) -> Result<Verdict, Error> {
        let core = &self.inner.core;
        let answer = self.inner.send(&core.requests().verify(call)?).await?;
        verdict::read(&answer, call, &core.settings, &*core.clock)
    }

    /// Opens a connection for a user and answers its connection token. Never retried.
    pub async fn issue(&self, request: &IssueRequest) -> Result<IssueAnswer, Error> {
        self.ask(self.requests().issue(request)?).await
    }

    /// Opens a session of the hosted consent page and answers its address, for one browser, once.
    /// Never retried.
    pub async fn open_consent(
        &self,
        request: &ConsentSessionRequest,
    ) -> Result<ConsentSessionAnswer, Error> {
        self.ask(self.requests().open_consent(request)?).await
    }

    /// What an OAuth client asks a user of this app for.
    pub async fn authorization_request(
        &self,
        request: AuthorizationRequestId,
    ) -> Result<AuthorizationRequestView, Error> {
        self.ask(self.requests().authorization_request(request)?).await
    }

    /// Says which user sits in front of that request, and answers where their browser goes now. Once;
    /// never retried.
    pub async fn bind_authorization(
        &self,
        request: AuthorizationRequestId,
        bind: &BindRequest,
    ) -> Result<BindAnswer, Error> {
        self.ask(self.requests().bind_authorization(request, bind)?).await
    }

    /// Exchanges a connection token under the app's credential. Retried after a failure of the
    /// connection only with an idempotency key, which whoever holds the token has made.
    pub async fn exchange(
        &self,
        exchange: &ExchangeCall<'_>,
        idempotency_key: Option<&str>,
    ) -> Result<ExchangeAnswer, Error> {
        self.ask(self.requests().exchange(exchange, idempotency_key)?).await
    }

    /// Ends one connection, or all of a user's. When this has answered, every call that starts
    /// later is refused.
    pub async fn revoke(&self, request: &RevokeRequest) -> Result<RevokeAnswer, Error> {
        self.ask(self.requests().revoke(request)?).await
    }

    /// Ends a user's own connection; another user's is `not_found`.
    pub async fn revoke_of_user(
        &self,
        connection: ConnectionId,
        user: &UserId,
    ) -> Result<RevokeAnswer, Error> {
        self.ask(self.requests().revoke_of_user(connection, user)?).await
    }

    /// A page of connections.
    pub async fn connections(&self, query: &ConnectionsQuery) -> Result<ConnectionList, Error> {
        self.ask(self.requests().connections(query)?).await
    }

    /// One connection, its counts exact as of the answer.
    pub async fn connection(&self, connection: ConnectionId) -> Result<ConnectionView, Error> {
        self.ask(self.requests().connection(connection)?).await
    }

    /// Takes scopes away, or brings the end forward.
    pub async fn narrow(
        &self,
        connection: ConnectionId,
        request: &PatchConnectionRequest,
    ) -> Result<ConnectionView, Error> {
        self.ask(self.requests().narrow(connection, request)?).await
    }

    /// The catalogue at the service, of the credential's environment.
    pub async fn scopes(&self) -> Result<ScopesAnswer, Error> {
        self.ask(self.requests().scopes()?).await
    }

    /// Replaces the catalogue, and answers what changed.
    pub async fn put_scopes(&self, request: &PutScopesRequest) -> Result<PutScopesAnswer, Error> {
        self.ask(self.requests().put_scopes(request)?).await
    }

    /// A page of the audit log, newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditList, Error> {
        self.ask(self.requests().audit(query)?).await
    }

    /// What was used.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageAnswer, Error> {
        self.ask(self.requests().usage(query)?).await
    }

    /// What the credential of this client is and may do: whoever gives a key away can look.
    pub async fn credential(&self) -> Result<CredentialAnswer, Error> {
        self.ask(self.requests().credential()?).await
    }

    fn requests(&self) -> call::Requests<'_> {
        self.inner.core.requests()
    }

    async fn ask<T: DeserializeOwned>(&self, call: Call<T>) -> Result<T, Error> {
        let answer = self.inner.send(&call).await?;
        outcome::read(&answer, &*self.inner.core.clock)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.settings().service_url.as_str();
        f.debug_struct("Client").field("service_url", &service).finish_non_exhaustive()
    }
}

impl Inner {
    /// The answer to a call, whatever it says, after the waits that a 429 asks for.
    async fn send<T>(&self, call: &Call<T>) -> Result<Answer, Error> {
        let core = &self.core;
        let mut may_repeat = call.repeat == Repeat::Once;
        let mut retries = 0;
        loop {
            let limit = core.clock.sleep(core.settings.timeout);
            let answer = within(limit, "the call", self.attempt(call, &mut may_repeat)).await?;
            if answer.status() != 429 {
                return Ok(answer);
            }
            let (wait, place) = core.rules.after_429(&answer, retries, &*core.clock)?;
            core.clock.sleep(wait).await;
            drop(place);
            retries += 1;
        }
    }

    /// A call and its one immediate retry.
    async fn attempt<T>(&self, call: &Call<T>, may_repeat: &mut bool) -> Result<Answer, Fault> {
        let kept = match call.repeat {
            Repeat::Once => self.kept().await,
            Repeat::Never => None,
        };
        let outcome = self.over(kept, call).await;
        if *may_repeat && retry::is_worth_another(&outcome) {
            *may_repeat = false;
            return self.over(None, call).await;
        }
        outcome
    }

    /// A connection that waits, if there is one and nothing happened on it.
    async fn kept(&self) -> Option<Stream> {
        while let Some(mut stream) = self.pool.take(self.core.clock.monotonic_ns()) {
            if stream.is_quiet().await {
                return Some(stream);
            }
        }
        None
    }

    async fn over<T>(&self, kept: Option<Stream>, call: &Call<T>) -> Result<Answer, Fault> {
        let Core { address, tls, clock, settings, .. } = &self.core;
        let limit = || clock.sleep(connect_within(settings.timeout));
        let stream = match kept {
            Some(stream) => stream,
            None => Stream::connect(address, tls.as_ref(), limit()).await?,
        };
        let (answer, stream) = stream.call(&call.bytes).await?;
        if let Some(stream) = stream {
            self.pool.put(stream, clock.monotonic_ns());
        }
        Ok(answer)
    }
}
