//! A call to the service, for both clients.

use agentadmit::client::{Refusal, Verdict};
use agentadmit::error::{Error, RefusedError};
use agentadmit::{Client, blocking};
use agentadmit_protocol::api::audit::AuditQuery;
use agentadmit_protocol::api::authorization::BindRequest;
use agentadmit_protocol::api::connections::{ConnectionsQuery, PatchConnectionRequest};
use agentadmit_protocol::api::consent::ConsentSessionRequest;
use agentadmit_protocol::api::revoke::RevokeRequest;
use agentadmit_protocol::api::scopes::PutScopesRequest;
use agentadmit_protocol::api::token::{ExchangeCall, IssueRequest};
use agentadmit_protocol::api::usage::UsageQuery;
use agentadmit_protocol::api::verify::VerifyCall;
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use agentadmit_protocol::id::{AuthorizationRequestId, ConnectionId};
use agentadmit_protocol::json::{self, BadBody};
use agentadmit_protocol::text::UserId;
use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::errors;

/// What came back.
pub(crate) enum Reply {
    /// Verify's yes.
    Agent(Box<agentadmit::Agent>),
    /// Anything else, as JSON.
    Json(Zeroizing<String>),
}

/// Why there is no reply.
pub(crate) enum Failure {
    /// Verify's no.
    Refused(Box<Refusal>),
    /// Anything else.
    Error(Box<Error>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(Box::new(error))
    }
}

/// How a call ended.
pub(crate) type Outcome = Result<Reply, Failure>;

/// A call to the service. Made here, so that both clients have one list of verbs.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    /// Whether its outcome goes unopened to the flow that asked for it.
    pub(crate) is_carried: bool,
}

/// The verbs, with all that each needs.
#[derive(Clone)]
pub(crate) enum Verb {
    Verify(Verify),
    Issue(IssueRequest),
    OpenConsent(Box<ConsentSessionRequest>),
    AuthorizationRequest(AuthorizationRequestId),
    BindAuthorization(AuthorizationRequestId, Box<BindRequest>),
    Exchange(Exchange),
    Revoke(RevokeRequest),
    RevokeOfUser(ConnectionId, UserId),
    Connections(ConnectionsQuery),
    Connection(ConnectionId),
    Narrow(ConnectionId, PatchConnectionRequest),
    Scopes,
    PutScopes(PutScopesRequest),
    Audit(AuditQuery),
    Usage(UsageQuery),
    Credential,
}

/// A [`VerifyCall`] that owns its texts.
#[derive(Clone)]
pub(crate) struct Verify {
    pub(crate) token: Zeroizing<String>,
    pub(crate) scope_used: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) agent_ip: Option<String>,
}

/// An [`ExchangeCall`] that owns its texts.
#[derive(Clone)]
pub(crate) struct Exchange {
    token: Zeroizing<String>,
    agent_label: Option<String>,
    agent_ip: Option<String>,
    idempotency_key: Option<String>,
}

#[pymethods]
impl Request {
    /// `POST /v1/verify`.
    #[staticmethod]
    #[pyo3(signature = (token, scope_used, endpoint, method, agent_ip))]
    fn verify(
        token: String,
        scope_used: Option<String>,
        endpoint: Option<String>,
        method: Option<String>,
        agent_ip: Option<String>,
    ) -> Self {
        let token = Zeroizing::new(token);
        Self {
            verb: Verb::Verify(Verify { token, scope_used, endpoint, method, agent_ip }),
            is_carried: false,
        }
    }

    /// `POST /v1/token/exchange`.
    #[staticmethod]
    #[pyo3(signature = (token, agent_label, agent_ip, idempotency_key))]
    fn exchange(
        token: String,
        agent_label: Option<String>,
        agent_ip: Option<String>,
        idempotency_key: Option<String>,
    ) -> Self {
        let token = Zeroizing::new(token);
        Self {
            verb: Verb::Exchange(Exchange { token, agent_label, agent_ip, idempotency_key }),
            is_carried: false,
        }
    }

    /// Any other verb, its members as a JSON object; `connection` where the path names one.
    #[staticmethod]
    #[pyo3(signature = (name, members, connection=None))]
    fn of(py: Python<'_>, name: &str, members: &str, connection: Option<&str>) -> PyResult<Self> {
        match verb(name, members.as_bytes(), connection) {
            Ok(verb) => Ok(Self { verb, is_carried: false }),
            Err(error) => Err(errors::raise(py, &error)),
        }
    }
}

fn verb(name: &str, members: &[u8], connection: Option<&str>) -> Result<Verb, Error> {
    Ok(match name {
        "issue" => Verb::Issue(read(members)?),
        "open_consent" => Verb::OpenConsent(Box::new(read(members)?)),
        "revoke" => Verb::Revoke(checked(read(members)?)?),
        "revoke_of_user" => {
            let of: RevokeRequest = read(members)?;
            let Some(user) = of.user_id else {
                return Err(bad(&BadBody::member("user_id", "must be there")));
            };
            Verb::RevokeOfUser(id(connection)?, user)
        }
        "connections" => Verb::Connections(read(members)?),
        "connection" => Verb::Connection(id(connection)?),
        "narrow" => Verb::Narrow(id(connection)?, read(members)?),
        "scopes" => Verb::Scopes,
        "put_scopes" => Verb::PutScopes(read(members)?),
        "audit" => Verb::Audit(read(members)?),
        "usage" => Verb::Usage(read(members)?),
        "credential" => Verb::Credential,
        other => return Err(bad(&BadBody::member("", format!("there is no verb `{other}`")))),
    })
}

/// Reads members as the service would, so that a wrong one is named before anything is sent.
fn read<T: DeserializeOwned>(members: &[u8]) -> Result<T, Error> {
    json::from_slice(members).map_err(|error| bad(&error))
}

fn checked(request: RevokeRequest) -> Result<RevokeRequest, Error> {
    request.target().map_err(|error| bad(&error))?;
    Ok(request)
}

fn id(text: Option<&str>) -> Result<ConnectionId, Error> {
    let is_no_id = |_| bad(&BadBody::member("connection_id", "must be an id such as conn_…"));
    text.unwrap_or_default().parse().map_err(is_no_id)
}

fn bad(error: &BadBody) -> Error {
    let (field, description) = match error {
        BadBody::Member { field, description } => (Some(field.clone()), description.clone()),
        BadBody::Syntax { description } => (None, description.clone()),
    };
    let mut body = ErrorBody::new(ErrorCode::UnprocessableRequest, description, "");
    body.field = field;
    RefusedError { status: 422, body: Box::new(body) }.into()
}

impl Request {
    /// A call of a flow.
    pub(crate) const fn carried(verb: Verb) -> Self {
        Self { verb, is_carried: true }
    }
}

impl Verify {
    pub(crate) fn of(call: &VerifyCall<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            token: Zeroizing::new(call.token.to_owned()),
            scope_used: owned(call.scope_used),
            endpoint: owned(call.endpoint),
            method: owned(call.method),
            agent_ip: owned(call.agent_ip),
        }
    }

    fn call(&self) -> VerifyCall<'_> {
        VerifyCall {
            token: &self.token,
            scope_used: self.scope_used.as_deref(),
            endpoint: self.endpoint.as_deref(),
            method: self.method.as_deref(),
            agent_ip: self.agent_ip.as_deref(),
        }
    }
}

impl Exchange {
    pub(crate) fn of(call: &ExchangeCall<'_>, idempotency_key: Option<&str>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            token: Zeroizing::new(call.token.to_owned()),
            agent_label: owned(call.agent_label),
            agent_ip: owned(call.agent_ip),
            idempotency_key: owned(idempotency_key),
        }
    }

    fn call(&self) -> ExchangeCall<'_> {
        ExchangeCall {
            token: &self.token,
            agent_label: self.agent_label.as_deref(),
            agent_ip: self.agent_ip.as_deref(),
        }
    }
}

impl Verb {
    /// Asks on this thread.
    pub(crate) fn send_blocking(&self, client: &blocking::Client) -> Outcome {
        match self {
            Self::Verify(verify) => of_verdict(client.verify(&verify.call())?),
            Self::Issue(request) => json_of(client.issue(request)?),
            Self::OpenConsent(request) => json_of(client.open_consent(request)?),
            Self::AuthorizationRequest(id) => json_of(client.authorization_request(*id)?),
            Self::BindAuthorization(id, bind) => json_of(client.bind_authorization(*id, bind)?),
            Self::Exchange(exchange) => {
                json_of(client.exchange(&exchange.call(), exchange.idempotency_key.as_deref())?)
            }
            Self::Revoke(request) => json_of(client.revoke(request)?),
            Self::RevokeOfUser(id, user) => json_of(client.revoke_of_user(*id, user)?),
            Self::Connections(query) => json_of(client.connections(query)?),
            Self::Connection(id) => json_of(client.connection(*id)?),
            Self::Narrow(id, request) => json_of(client.narrow(*id, request)?),
            Self::Scopes => json_of(client.scopes()?),
            Self::PutScopes(request) => json_of(client.put_scopes(request)?),
            Self::Audit(query) => json_of(client.audit(query)?),
            Self::Usage(query) => json_of(client.usage(query)?),
            Self::Credential => json_of(client.credential()?),
        }
    }

    /// Asks on the runtime that polls this.
    pub(crate) async fn send(&self, client: &Client) -> Outcome {
        match self {
            Self::Verify(verify) => of_verdict(client.verify(&verify.call()).await?),
            Self::Issue(request) => json_of(client.issue(request).await?),
            Self::OpenConsent(request) => json_of(client.open_consent(request).await?),
            Self::AuthorizationRequest(id) => json_of(client.authorization_request(*id).await?),
            Self::BindAuthorization(id, bind) => {
                json_of(client.bind_authorization(*id, bind).await?)
            }
            Self::Exchange(exchange) => {
                let key = exchange.idempotency_key.as_deref();
                json_of(client.exchange(&exchange.call(), key).await?)
            }
            Self::Revoke(request) => json_of(client.revoke(request).await?),
            Self::RevokeOfUser(id, user) => json_of(client.revoke_of_user(*id, user).await?),
            Self::Connections(query) => json_of(client.connections(query).await?),
            Self::Connection(id) => json_of(client.connection(*id).await?),
            Self::Narrow(id, request) => json_of(client.narrow(*id, request).await?),
            Self::Scopes => json_of(client.scopes().await?),
            Self::PutScopes(request) => json_of(client.put_scopes(request).await?),
            Self::Audit(query) => json_of(client.audit(query).await?),
            Self::Usage(query) => json_of(client.usage(query).await?),
            Self::Credential => json_of(client.credential().await?),
        }
    }
}

fn of_verdict(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Allowed(agent) => Ok(Reply::Agent(agent)),
        Verdict::Refused(refusal) => Err(Failure::Refused(refusal)),
    }
}

fn json_of(answer: impl Serialize) -> Outcome {
    let text = serde_json::to_string(&answer).map_err(|error| {
        let cause = format!("an answer that cannot be handed over: {error}");
        Error::from(agentadmit::error::ServiceUnavailableError { cause, retry_after: None })
    })?;
    Ok(Reply::Json(Zeroizing::new(text)))
}
