//! Extractors: who makes a request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use crate::app::{Sessions, SignedIn, User};
use crate::context::{Agent, AuthContext};
use crate::guard::{AgentCaller, app_failed, not_an_agent};
use crate::refusal::Refused;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.into_http().map(Body::from)
    }
}

/// The app's user or an agent in a user's name (`get_current_user_or_agent` of PROTOCOL). Nobody is
/// 401. The agent has passed the route's guard before: a route without one is closed to agents.
impl<S: Sync, U: User> FromRequestParts<S> for AuthContext<U> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let found = who::<U>(parts).await?;
        found.ok_or_else(|| Refused::unauthenticated("sign in, or send an agent's access token"))
    }
}

/// The same where nobody may come too, as `Option<AuthContext<U>>`.
impl<S: Sync, U: User> OptionalFromRequestParts<S> for AuthContext<U> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refused> {
        who::<U>(parts).await
    }
}

async fn who<U: User>(parts: &Parts) -> Result<Option<AuthContext<U>>, Refused> {
    if let Some(caller) = parts.extensions.get::<Arc<AgentCaller<U>>>() {
        return Ok(Some(AuthContext::of_agent(caller.agent.clone(), caller.user.clone())));
    }
    // an agent whose user is of another type is nobody's session
    if parts.extensions.get::<Agent>().is_some() {
        return Err(no_guard());
    }
    let sessions = parts.extensions.get::<Arc<dyn Sessions<U>>>().ok_or_else(no_guard)?;
    let user = sessions.current_user(parts).await.map_err(|error| app_failed(&error))?;
    Ok(user.map(AuthContext::of_user))
}

/// The agent alone (`get_agentadmit_user` of PROTOCOL): nobody is 401, the app's user is 403
/// `agent_required`.
impl<S: Sync> FromRequestParts<S> for Agent {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        if let Some(agent) = parts.extensions.get::<Self>() {
            return Ok(agent.clone());
        }
        let sessions = parts.extensions.get::<Arc<dyn SignedIn>>().ok_or_else(no_guard)?;
        let is_signed_in =
            sessions.is_signed_in(parts).await.map_err(|error| app_failed(&error))?;
        Err(not_an_agent(is_signed_in))
    }
}

fn no_guard() -> Refused {
    tracing::error!(
        "an extractor was used outside of an `AgentRouter`, or names another user type than its app"
    );
    Refused::internal()
}
