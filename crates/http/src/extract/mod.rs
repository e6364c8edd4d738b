//! Requests, read into typed values; what cannot be read is a 4xx with the member's name.

mod body;
mod credential;
mod idempotency;
mod path;
mod query;

pub(crate) use body::{Form, Json, OptionalJson, form_body, json_body, without_body};
pub use credential::LocalOperator;
pub(crate) use credential::{
    AppAuth, LocalOnly, MetricsAuth, OAuthHeader, OperatorAuth, OptionalAppAuth, OwnPage,
    SessionAuth,
};
pub(crate) use idempotency::OptionalIdempotencyKey;
pub(crate) use path::Id;
pub(crate) use query::{NoQuery, Query};

use std::convert::Infallible;

use agentadmit_engine::Origin;
use agentadmit_protocol::audit::OnBehalfOf;
use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::address::{PeerAddress, client_address};
use crate::state::{RequestId, ServiceState};

/// The request's own facts: its id and where it came from.
pub(crate) struct Call {
    request_id: Option<RequestId>,
    peer: Option<PeerAddress>,
    headers: http::HeaderMap,
}

impl Call {
    /// The origin of what this call does, for its record.
    pub(crate) fn origin(&self) -> Origin {
        Origin { request_id: self.request_id.as_ref().map(record_id), ..Origin::default() }
    }

    /// What the request is called.
    pub(crate) fn request_id(&self) -> Option<&RequestId> {
        self.request_id.as_ref()
    }

    /// The same, with whom the app acts for.
    pub(crate) fn origin_for(&self, on_behalf_of: Option<OnBehalfOf>) -> Origin {
        Origin { on_behalf_of, ..self.origin() }
    }

    /// The client's address.
    pub(crate) fn client(&self, state: &ServiceState) -> std::net::IpAddr {
        client_address(self.peer, &self.headers, &state.options().trusted_proxies)
    }
}

/// The request's id as its record holds it.
pub(crate) fn record_id(id: &RequestId) -> String {
    id.as_str().to_owned()
}

impl FromRequestParts<ServiceState> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &ServiceState) -> Result<Self, Infallible> {
        let mut headers = http::HeaderMap::new();
        for hop in parts.headers.get_all("x-forwarded-for") {
            headers.append("x-forwarded-for", hop.clone());
        }
        Ok(Self {
            request_id: parts.extensions.get().copied(),
            peer: parts.extensions.get().copied(),
            headers,
        })
    }
}
