//! One request of an agent is one verify: who may pass a guard, and in whose name.

use std::net::IpAddr;
use std::sync::Arc;

use agentadmit_protocol::api::verify::VerifyCall;
use agentadmit_protocol::text::{Endpoint, Method};
use http::StatusCode;
use http::request::Parts;
use zeroize::Zeroizing;

use super::{Guard, agent_token};
use crate::admit::AgentAdmit;
#[cfg(feature = "tower")]
use crate::app::BoxFuture;
use crate::app::{App, AppError, User};
use crate::client::{ServiceClient, Verdict};
use crate::context::Agent;
use crate::refusal::Refused;

/// A request that may go on.
#[derive(Debug, Clone)]
pub enum Admission<U> {
    /// No agent's: who else makes it is the app's matter.
    NoAgent,
    /// An agent's, which the service has just allowed.
    Agent(Arc<AgentCaller<U>>),
}

/// An agent that passed, and the user in whose name it calls.
#[derive(Debug)]
pub struct AgentCaller<U> {
    /// What the service said.
    pub agent: Agent,
    /// The app's own user object.
    pub user: U,
    pub(crate) call: Arc<AgentCall>,
}

impl<U> AgentCaller<U> {
    /// The scopes that the verify asked for, separated by spaces; `None` where it asked for none.
    pub fn scope_used(&self) -> Option<&str> {
        self.call.scope_used.as_deref()
    }
}

/// Everything that a verify is asked with. Kept for as long as the answer goes out, since a stream is
/// asked about again.
pub(crate) struct AgentCall {
    pub(crate) token: Zeroizing<String>,
    pub(crate) scope_used: Option<String>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) method: Option<Method>,
    pub(crate) agent_ip: Option<String>,
    /// Whether the user must be an admin, now.
    pub(crate) needs_admin: bool,
}

impl std::fmt::Debug for AgentCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentCall").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl AgentCall {
    fn as_verify(&self) -> VerifyCall<'_> {
        VerifyCall {
            token: &self.token,
            scope_used: self.scope_used.as_deref(),
            endpoint: self.endpoint.as_ref().map(Endpoint::as_str),
            method: self.method.as_ref().map(Method::as_str),
            agent_ip: self.agent_ip.as_deref(),
        }
    }
}

/// Asks about a call again, without naming the app.
#[cfg(feature = "tower")]
pub(crate) trait Reask: Send + Sync {
    fn reask<'a>(&'a self, call: &'a AgentCall) -> BoxFuture<'a, Result<(), Refused>>;
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// Decides one request. `endpoint` is the route's template, where it is known; `peer` is the
    /// other end of the connection.
    ///
    /// # Errors
    /// What the caller hears instead.
    pub async fn admit(
        &self,
        guard: &Guard,
        parts: &Parts,
        endpoint: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Result<Admission<A::User>, Refused> {
        let Some(token) = self.token_of(parts)? else {
            return if guard.wants_an_agent() {
                Err(self.shows_the_way(self.refuse_people(parts).await, guard))
            } else {
                Ok(Admission::NoAgent)
            };
        };
        let decided = self.decide(guard, token, parts, endpoint, peer).await;
        decided.map_err(|refused| self.shows_the_way(refused, guard))
    }

    /// Whether a request is an agent's. Its session is then not read (PROTOCOL, "Whose request").
    ///
    /// # Errors
    /// What the caller hears: 400 for a token in the wrong place, 401 for one that opens nothing.
    pub fn is_agents(&self, parts: &Parts) -> Result<bool, Refused> {
        self.token_of(parts).map(|token| token.is_some())
    }

    /// The agent's token. What is wrong with where it stands is said before anybody knows which route
    /// is meant.
    fn token_of(&self, parts: &Parts) -> Result<Option<Zeroizing<String>>, Refused> {
        agent_token(parts).map_err(|refused| self.leads(refused, None))
    }

    async fn decide(
        &self,
        guard: &Guard,
        token: Zeroizing<String>,
        parts: &Parts,
        endpoint: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Result<Admission<A::User>, Refused> {
        if !guard.lets_agents_in() || parts.method == http::Method::CONNECT {
            return Err(Refused::agent_not_allowed("agents are not let in here"));
        }
        let call = AgentCall {
            token,
            scope_used: guard.scope_used(),
            // a template that the service would not take is left out: the call matters more
            endpoint: endpoint.and_then(|template| Endpoint::new(template).ok()),
            method: Method::new(parts.method.as_str()).ok(),
            agent_ip: self.client_address(parts, peer).map(|address| address.to_string()),
            needs_admin: guard.scopes().any(|scope| self.is_admin_scope(scope)),
        };
        self.admit_agent(call).await.map(Admission::Agent)
    }

    /// Asks about an admitted request again: for whoever writes streams that this crate does not
    /// wrap, before each message that comes in, and every 30 s while data goes out.
    ///
    /// # Errors
    /// The agent may not go on.
    pub async fn ask_again(&self, caller: &AgentCaller<A::User>) -> Result<(), Refused> {
        self.verify(&caller.call).await.map(drop)
    }

    /// Asks the service, once, and then the app for the user.
    async fn admit_agent(&self, call: AgentCall) -> Result<Arc<AgentCaller<A::User>>, Refused> {
        let (agent, user) = self.verify(&call).await?;
        Ok(Arc::new(AgentCaller { agent, user, call: Arc::new(call) }))
    }

    async fn verify(&self, call: &AgentCall) -> Result<(Agent, A::User), Refused> {
        let verdict = self.client().verify(&call.as_verify()).await.map_err(|error| {
            tracing::warn!(%error, "an agent was refused: the service could not be asked");
            Refused::from(&error)
        })?;
        let agent = match verdict {
            Verdict::Allowed(agent) => *agent,
            Verdict::Refused(refusal) => return Err((*refusal).into()),
        };
        let user = self.user_of(&agent).await?;
        if call.needs_admin && !self.is_admin(&user).await {
            return Err(Refused::forbidden(
                "this needs an admin scope, and the user of this connection is no admin now",
            ));
        }
        Ok((agent, user))
    }

    /// The user in whose name an agent calls, who must be that user.
    async fn user_of(&self, agent: &Agent) -> Result<A::User, Refused> {
        let user = self.app().load_user(&agent.user_id).await.map_err(|error| {
            tracing::error!(%error, "an agent was refused: its user could not be loaded");
            Refused::authorization_unavailable(None)
        })?;
        user.filter(|user| user.user_id().is_some_and(|id| id == agent.user_id.as_str()))
            .ok_or_else(|| {
                Refused::user_unknown("the app does not know the user of this connection")
            })
    }

    /// What people hear where only agents pass.
    async fn refuse_people(&self, parts: &Parts) -> Refused {
        match self.app().current_user(parts).await {
            Ok(user) => not_an_agent(user.is_some()),
            Err(error) => app_failed(&error),
        }
    }
}

/// What people hear where only agents pass: 403 for the app's user, 401 for nobody.
pub(crate) fn not_an_agent(is_signed_in: bool) -> Refused {
    if is_signed_in {
        let text = "this is for agents: it needs an agent's access token";
        return Refused::new(StatusCode::FORBIDDEN, "agent_required", text);
    }
    Refused::unauthenticated("this needs an agent's access token: `Authorization: Bearer ag_at_…`")
}

/// 500 for a person when the app itself failed; the cause goes to the log.
pub(crate) fn app_failed(error: &AppError) -> Refused {
    tracing::error!(%error, "the app could not say who makes a request");
    Refused::internal()
}

#[cfg(feature = "tower")]
impl<A: App, C: ServiceClient> Reask for AgentAdmit<A, C> {
    fn reask<'a>(&'a self, call: &'a AgentCall) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async move { self.verify(call).await.map(drop) })
    }
}
