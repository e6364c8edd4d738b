//! The guards around any `Service<http::Request<B>>`.
//!
//! ```no_run
//! use agentadmit::guard::require_scope_if_agent;
//! use agentadmit::tower::GuardLayer;
//! use agentadmit::{AgentAdmit, App};
//! use tower_layer::Layer;
//!
//! fn guarded<A: App, S>(agents: &AgentAdmit<A>, orders: S) -> agentadmit::tower::Guarded<A, S> {
//!     let guard = require_scope_if_agent(["read:orders"]);
//!     GuardLayer::new(agents.clone(), guard).for_route("/orders/{order_id}").layer(orders)
//! }
//! ```
//!
//! Each route has one layer with one guard: one request of an agent is one verify. What is not routed
//! by axum says its template with [`GuardLayer::for_route`]. The address of the agent is known where
//! the request carries a [`PeerAddress`] (or axum's `ConnectInfo`).
//!
//! A token in a form is looked for by the axum router alone, which can read a body and put it back;
//! here a form passes unread, and a token in it opens nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::admit::AgentAdmit;
use crate::app::{App, BoxFuture, Sessions, SignedIn, User};
use crate::context::{Agent, AuthContext};
use crate::guard::{Admission, AgentCaller, Guard, app_failed, not_an_agent};
use crate::refusal::Refused;
use crate::stream::{AgentBody, Watch};

/// The other end of the connection, as an extension of a request. Whoever accepts connections puts
/// it there; without it neither `agent_ip` nor `trusted_proxies` mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Puts a guard before a service.
pub struct GuardLayer<A: App> {
    gate: Arc<Gate<A>>,
}

struct Gate<A: App> {
    agents: AgentAdmit<A>,
    guard: Guard,
    template: Option<String>,
}

impl<A: App> Clone for GuardLayer<A> {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate) }
    }
}

impl<A: App> GuardLayer<A> {
    /// The guard of one route.
    pub fn new(agents: AgentAdmit<A>, guard: Guard) -> Self {
        Self { gate: Arc::new(Gate { agents, guard, template: None }) }
    }

    /// For everything that agents must not reach.
    pub fn closed(agents: AgentAdmit<A>) -> Self {
        Self::new(agents, Guard::closed())
    }

    /// The route's template, such as `/orders/{order_id}`: what audit records show.
    #[must_use]
    pub fn for_route(self, template: impl Into<String>) -> Self {
        let Gate { agents, guard, .. } = &*self.gate;
        let gate =
            Gate { agents: agents.clone(), guard: guard.clone(), template: Some(template.into()) };
        Self { gate: Arc::new(gate) }
    }
}

impl<A: App, S> Layer<S> for GuardLayer<A> {
    type Service = Guarded<A, S>;

    fn layer(&self, inner: S) -> Guarded<A, S> {
        Guarded { gate: Arc::clone(&self.gate), inner }
    }
}

/// A service behind a guard.
pub struct Guarded<A: App, S> {
    gate: Arc<Gate<A>>,
    inner: S,
}

impl<A: App, S: Clone> Clone for Guarded<A, S> {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate), inner: self.inner.clone() }
    }
}

impl<A, S, B, R> Service<Request<B>> for Guarded<A, S>
where
    A: App,
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<AgentBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // the service that was found ready is the one that is called
        let fresh = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, fresh);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move { gate.call(inner, request).await })
    }
}

impl<A: App> Gate<A> {
    async fn call<S, B, R>(
        &self,
        mut inner: S,
        request: Request<B>,
    ) -> Result<Response<AgentBody<R>>, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
    {
        let (mut parts, body) = request.into_parts();
        let asked_ns = self.agents.clock().monotonic_ns();
        let admission = match self.admit(&parts).await {
            Ok(admission) => admission,
            Err(refused) => return Ok(refusal(refused)),
        };
        let watch = introduce(&self.agents, &mut parts, admission, asked_ns);
        let mut response = inner.call(Request::from_parts(parts, body)).await?;
        if watch.is_none() && response.status() == StatusCode::UNAUTHORIZED {
            self.agents.challenge_in(&self.guard, response.headers_mut());
        }
        Ok(watch_over(response, watch))
    }

    async fn admit(&self, parts: &Parts) -> Result<Admission<A::User>, Refused> {
        if let Some(before) = parts.extensions.get::<Arc<AgentCaller<A::User>>>() {
            return self.admit_again(before);
        }
        let endpoint = self.template.as_deref().or_else(|| matched_path(parts));
        self.agents.admit(&self.guard, parts, endpoint, peer_address(parts)).await
    }

    /// A second guard on the way of one request asks for nothing more: one request is one verify.
    fn admit_again(
        &self,
        before: &Arc<AgentCaller<A::User>>,
    ) -> Result<Admission<A::User>, Refused> {
        let asked = before.call.scope_used.as_deref().unwrap_or_default();
        let was_asked = |scope: &str| asked.split(' ').any(|known| known == scope);
        if !self.guard.lets_agents_in() {
            return Err(Refused::agent_not_allowed("agents are not let in here"));
        }
        if self.guard.scopes().all(|scope| was_asked(scope.as_str())) {
            return Ok(Admission::Agent(Arc::clone(before)));
        }
        tracing::error!(
            "a route has two guards with different scopes: join them with `Guard::and`"
        );
        Err(Refused::internal())
    }
}

/// Tells the handler who calls, and keeps what it takes to ask again.
pub(crate) fn introduce<A: App>(
    agents: &AgentAdmit<A>,
    parts: &mut Parts,
    admission: Admission<A::User>,
    asked_ns: u64,
) -> Option<Watch> {
    let extensions = &mut parts.extensions;
    let sessions: Arc<dyn Sessions<A::User>> = Arc::new(agents.clone());
    let signed_in: Arc<dyn SignedIn> = Arc::new(agents.clone());
    extensions.insert(sessions);
    extensions.insert(signed_in);
    let Admission::Agent(caller) = admission else { return None };
    let clock = Arc::clone(agents.clock());
    let call = Arc::clone(&caller.call);
    let watch = Watch::new(Arc::new(agents.clone()), call, clock, asked_ns);
    extensions.insert(caller.agent.clone());
    extensions.insert(caller);
    extensions.insert(watch.clone());
    Some(watch)
}

/// Marks an answer that changes the protocol as one whose messages are asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WatchedUpgrade;

/// An agent's answer is watched. A protocol that nobody can see into is not for agents.
pub(crate) fn watch_over<R>(response: Response<R>, watch: Option<Watch>) -> Response<AgentBody<R>> {
    let Some(watch) = watch else { return response.map(AgentBody::plain) };
    let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if is_upgrade && response.extensions().get::<WatchedUpgrade>().is_none() {
        tracing::error!("an agent was refused: this WebSocket is not `agentadmit::axum::ws`'s");
        return refusal(Refused::agent_not_allowed(
            "this connection cannot be checked while it is open: agents are not let in here",
        ));
    }
    response.map(|body| AgentBody::watched(body, watch))
}

pub(crate) fn refusal<R>(refused: Refused) -> Response<AgentBody<R>> {
    refused.into_http().map(AgentBody::<R>::refusal)
}

/// Where the request comes from, as far as whoever accepted the connection says.
pub(crate) fn peer_address(parts: &Parts) -> Option<IpAddr> {
    let ours = parts.extensions.get::<PeerAddress>().map(|peer| peer.0.ip());
    #[cfg(feature = "axum")]
    let ours = ours.or_else(|| {
        use axum::extract::ConnectInfo;
        parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
    });
    ours
}

#[cfg(feature = "axum")]
fn matched_path(parts: &Parts) -> Option<&str> {
    parts.extensions.get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
}

#[cfg(not(feature = "axum"))]
const fn matched_path(_: &Parts) -> Option<&str> {
    None
}

/// Who makes a request behind a guard; `None` is nobody.
///
/// # Errors
/// 500 where no guard stands before the service, or where its app has another user type.
pub async fn auth_context<U: User>(parts: &Parts) -> Result<Option<AuthContext<U>>, Refused> {
    if let Some(caller) = parts.extensions.get::<Arc<AgentCaller<U>>>() {
        return Ok(Some(AuthContext::of_agent(caller.agent.clone(), caller.user.clone())));
    }
    // an agent whose user is of another type must not be taken for a session
    if parts.extensions.get::<Agent>().is_some() {
        return Err(no_guard());
    }
    let sessions = parts.extensions.get::<Arc<dyn Sessions<U>>>().ok_or_else(no_guard)?;
    let user = sessions.current_user(parts).await.map_err(|error| app_failed(&error))?;
    Ok(user.map(AuthContext::of_user))
}

/// The agent that makes a request behind a guard.
///
/// # Errors
/// 401 for nobody, 403 `agent_required` for the app's user, 500 where no guard stands before the
/// service.
pub async fn agent(parts: &Parts) -> Result<Agent, Refused> {
    if let Some(agent) = parts.extensions.get::<Agent>() {
        return Ok(agent.clone());
    }
    let sessions = parts.extensions.get::<Arc<dyn SignedIn>>().ok_or_else(no_guard)?;
    let is_signed_in = sessions.is_signed_in(parts).await.map_err(|error| app_failed(&error))?;
    Err(not_an_agent(is_signed_in))
}

fn no_guard() -> Refused {
    tracing::error!(
        "a handler asks who calls, but no guard stands before it, or its app has another user type"
    );
    Refused::internal()
}

/// Answers a request to a mounted route or to the discovery document.
pub async fn serve_mounted<A, B>(agents: &AgentAdmit<A>, request: Request<B>) -> Response<Bytes>
where
    A: App,
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (parts, body) = request.into_parts();
    match read_body(body, agents.mounted_body_limit(parts.uri.path())).await {
        Ok(body) => agents.serve_mounted(&parts, &body, peer_address(&parts)).await,
        Err(refused) => refused.into_http(),
    }
}

/// Reads a body up to a limit.
///
/// # Errors
/// 413 beyond the limit, 400 where the client stopped in the middle.
pub(crate) async fn read_body<B>(mut body: B, limit: usize) -> Result<Bytes, Refused>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut read = bytes::BytesMut::new();
    loop {
        let frame =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context));
        let Some(frame) = frame.await else { return Ok(read.freeze()) };
        let Ok(frame) = frame else {
            let text = "the body could not be read to its end";
            return Err(Refused::new(StatusCode::BAD_REQUEST, "invalid_request", text));
        };
        let Ok(data) = frame.into_data() else { continue };
        if read.len() + data.len() > limit {
            let text = format!("the body has more than {limit} bytes");
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text));
        }
        read.extend_from_slice(&data);
    }
}
