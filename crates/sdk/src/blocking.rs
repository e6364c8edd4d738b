//! The client for programs without an async runtime, with the same calls and the same rules.
//!
//! A call runs on the thread that makes it, from the first byte to the last. One client serves any
//! number of threads; each call takes a connection of its own.
//!
//! ```no_run
//! use agentadmit::Settings;
//! use agentadmit::blocking::Client;
//! use agentadmit::client::Verdict;
//! use agentadmit::protocol::api::verify::VerifyCall;
//! use agentadmit::settings::ApiKey;
//!
//! let key = ApiKey::new(std::env::var("AGENTADMIT_API_KEY")?)?;
//! let client = Client::new(&Settings::new("https://agents.example.com".parse()?, key))?;
//! let call = VerifyCall {
//!     token: "ag_at_…",
//!     scope_used: Some("read:orders"),
//!     endpoint: Some("/orders"),
//!     method: Some("GET"),
//!     agent_ip: None,
//! };
//! match client.verify(&call)? {
//!     Verdict::Allowed(agent) => println!("for {}", agent.user_id),
//!     Verdict::Refused(refusal) => println!("no: {}", refusal.error),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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

use crate::client::call::{Call, Repeat, Requests};
use crate::client::transport::Fault;
use crate::client::transport::answer::Answer;
use crate::client::transport::blocking::{ASK_EVERY, Deadline, Stream};
use crate::client::transport::pool::Pool;
use crate::client::{Core, Verdict, outcome, retry, verdict};
use crate::error::{ConfigurationError, Error};
use crate::settings::Settings;
use crate::time::{Clock, Jitter};

/// A client of one service under one credential. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    core: Core,
    pool: Pool<Stream>,
    /// Asked whether a call shall end early, where the host wants to be asked.
    gives_up: Option<fn() -> bool>,
}

impl Client {
    /// As [`crate::Client::new`].
    ///
    /// # Errors
    /// The same.
    pub fn new(settings: &Settings) -> Result<Self, ConfigurationError> {
        Core::new(settings).map(Self::of)
    }

    /// As [`crate::Client::with_clock`]. The waits between calls go by this clock, the time-outs of
    /// a call by the machine's.
    ///
    /// # Errors
    /// The same.
    pub fn with_clock(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        jitter: Arc<dyn Jitter>,
    ) -> Result<Self, ConfigurationError> {
        Core::with_clock(settings, clock, jitter).map(Self::of)
    }

    /// A client whose calls can be given up: for a host that has its own way with signals, such as
    /// an interpreter. `gives_up` is asked when a signal interrupts a call, and every 50 ms that a
    /// call or a wait lasts; after a yes the call ends with
    /// [`ServiceUnavailableError`](crate::error::ServiceUnavailableError).
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn interruptible(
        settings: &Settings,
        gives_up: fn() -> bool,
    ) -> Result<Self, ConfigurationError> {
        let core = Core::new(settings)?;
        Ok(Self { inner: Arc::new(Inner { core, pool: Pool::new(), gives_up: Some(gives_up) }) })
    }

    fn of(core: Core) -> Self {
        Self { inner: Arc::new(Inner { core, pool: Pool::new(), gives_up: None }) }
    }

    /// What the client was made with.
    pub fn settings(&self) -> &Settings {
        &self.inner.core.settings
    }

    /// As [`crate::Client::verify`].
    pub fn verify(&self, call: &VerifyCall<'_>) -> Result<Verdict, Error> {
        let core = &self.inner.core;
        let answer = self.inner.send(&core.requests().verify(call)?)?;
        verdict::read(&answer, call, &core.settings, &*core.clock)
    }

    /// As [`crate::Client::issue`].
    pub fn issue(&self, request: &IssueRequest) -> Result<IssueAnswer, Error> {
        self.ask(&self.requests().issue(request)?)
    }

    /// As [`crate::Client::open_consent`].
    pub fn open_consent(
        &self,
        request: &ConsentSessionRequest,
    ) -> Result<ConsentSessionAnswer, Error> {
        self.ask(&self.requests().open_consent(request)?)
    }

    /// As [`crate::Client::authorization_request`].
    pub fn authorization_request(
        &self,
        request: AuthorizationRequestId,
    ) -> Result<AuthorizationRequestView, Error> {
        self.ask(&self.requests().authorization_request(request)?)
    }

    /// As [`crate::Client::bind_authorization`].
    pub fn bind_authorization(
        &self,
        request: AuthorizationRequestId,
        bind: &BindRequest,
    ) -> Result<BindAnswer, Error> {
        self.ask(&self.requests().bind_authorization(request, bind)?)
    }

    /// As [`crate::Client::exchange`].
    pub fn exchange(
        &self,
        exchange: &ExchangeCall<'_>,
        idempotency_key: Option<&str>,
    ) -> Result<ExchangeAnswer, Error> {
        self.ask(&self.requests().exchange(exchange, idempotency_key)?)
    }

    /// As [`crate::Client::revoke`].
    pub fn revoke(&self, request: &RevokeRequest) -> Result<RevokeAnswer, Error> {
        self.ask(&self.requests().revoke(request)?)
    }

    /// As [`crate::Client::revoke_of_user`].
    pub fn revoke_of_user(
        &self,
        connection: ConnectionId,
        user: &UserId,
    ) -> Result<RevokeAnswer, Error> {
        self.ask(&self.requests().revoke_of_user(connection, user)?)
    }

    /// As [`crate::Client::connections`].
    pub fn connections(&self, query: &ConnectionsQuery) -> Result<ConnectionList, Error> {
        self.ask(&self.requests().connections(query)?)
    }

    /// As [`crate::Client::connection`].
    pub fn connection(&self, connection: ConnectionId) -> Result<ConnectionView, Error> {
        self.ask(&self.requests().connection(connection)?)
    }

    /// As [`crate::Client::narrow`].
    pub fn narrow(
        &self,
        connection: ConnectionId,
        request: &PatchConnectionRequest,
    ) -> Result<ConnectionView, Error> {
        self.ask(&self.requests().narrow(connection, request)?)
    }

    /// As [`crate::Client::scopes`].
    pub fn scopes(&self) -> Result<ScopesAnswer, Error> {
        self.ask(&self.requests().scopes()?)
    }

    /// As [`crate::Client::put_scopes`].
    pub fn put_scopes(&self, request: &PutScopesRequest) -> Result<PutScopesAnswer, Error> {
        self.ask(&self.requests().put_scopes(request)?)
    }

    /// As [`crate::Client::audit`].
    pub fn audit(&self, query: &AuditQuery) -> Result<AuditList, Error> {
        self.ask(&self.requests().audit(query)?)
    }

    /// As [`crate::Client::usage`].
    pub fn usage(&self, query: &UsageQuery) -> Result<UsageAnswer, Error> {
        self.ask(&self.requests().usage(query)?)
    }

    /// As [`crate::Client::credential`].
    pub fn credential(&self) -> Result<CredentialAnswer, Error> {
        self.ask(&self.requests().credential()?)
    }

    fn requests(&self) -> Requests<'_> {
        self.inner.core.requests()
    }

    fn ask<T: DeserializeOwned>(&self, call: &Call<T>) -> Result<T, Error> {
        let answer = self.inner.send(call)?;
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
    fn send<T>(&self, call: &Call<T>) -> Result<Answer, Error> {
        let core = &self.core;
        let mut may_repeat = call.repeat == Repeat::Once;
        let mut retries = 0;
        loop {
            let deadline = Deadline::unless(self.gives_up, core.settings.timeout);
            let answer = self.attempt(call, deadline, &mut may_repeat)?;
            if answer.status() != 429 {
                return Ok(answer);
            }
            let (wait, place) = core.rules.after_429(&answer, retries, &*core.clock)?;
            self.wait(wait)?;
            drop(place);
            retries += 1;
        }
    }

    fn wait(&self, mut left: Duration) -> Result<(), Error> {
        let Some(gives_up) = self.gives_up else {
            self.core.clock.block(left);
            return Ok(());
        };
        while !left.is_zero() {
            let now = left.min(ASK_EVERY);
            self.core.clock.block(now);
            left -= now;
            if gives_up() {
                return Err(outcome::unavailable("the call was given up".to_owned()));
            }
        }
        Ok(())
    }

    /// A call and its one immediate retry.
    fn attempt<T>(
        &self,
        call: &Call<T>,
        deadline: Deadline,
        may_repeat: &mut bool,
    ) -> Result<Answer, Fault> {
        let kept = match call.repeat {
            Repeat::Once => self.kept(deadline),
            Repeat::Never => None,
        };
        let outcome = self.over(kept, call, deadline);
        if *may_repeat && retry::is_worth_another(&outcome) {
            *may_repeat = false;
            return self.over(None, call, deadline);
        }
        outcome
    }

    /// A connection that waits, if there is one and nothing happened on it.
    fn kept(&self, deadline: Deadline) -> Option<Stream> {
        while let Some(mut stream) = self.pool.take(self.core.clock.monotonic_ns()) {
            if stream.is_quiet(deadline) {
                return Some(stream);
            }
        }
        None
    }

    fn over<T>(
        &self,
        kept: Option<Stream>,
        call: &Call<T>,
        deadline: Deadline,
    ) -> Result<Answer, Fault> {
        let Core { address, tls, clock, .. } = &self.core;
        let stream = match kept {
            Some(stream) => stream,
            None => Stream::connect(address, tls.as_ref(), deadline)?,
        };
        let (answer, stream) = stream.call(&call.bytes, deadline)?;
        if let Some(stream) = stream {
            self.pool.put(stream, clock.monotonic_ns());
        }
        Ok(answer)
    }
}
