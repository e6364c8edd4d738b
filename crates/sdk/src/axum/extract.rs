//! Extractors: who makes a request.

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use crate::app::User;
use crate::context::{Agent, AuthContext};
use crate::refusal::Refused;
use crate::tower;

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
        let found = tower::auth_context(parts).await?;
        found.ok_or_else(|| Refused::unauthenticated("sign in, or send an agent's access token"))
    }
}

/// The same where nobody may come too, as `Option<AuthContext<U>>`.
impl<S: Sync, U: User> OptionalFromRequestParts<S> for AuthContext<U> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refused> {
        tower::auth_context(parts).await
    }
}

/// The agent alone (`get_agentadmit_user` of PROTOCOL): nobody is 401, the app's user is 403
/// `agent_required`.
impl<S: Sync> FromRequestParts<S> for Agent {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        tower::agent(parts).await
    }
}
