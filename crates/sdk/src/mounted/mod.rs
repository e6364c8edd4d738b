//! The routes that the app serves beside its own (PROTOCOL, Routes that an SDK mounts in the app).
//!
//! | method, path below the prefix | who | what |
//! | --- | --- | --- |
//! | GET the prefix itself | user | the connections page; its script and sheet are `/assets/…`, for anyone |
//! | GET `/admin` | admin | the same for all of the app's connections |
//! | GET `/scopes` | user | what this user may grant, and for how long |
//! | POST `/connections/generate-token` | user | a connection token, and the message to hand over |
//! | GET `/connections` | user | the user's own connections |
//! | DELETE, PATCH `/connections/{connection_id}` | user | ends or narrows the user's own |
//! | GET `/connections/{connection_id}/activity` | user | what this agent did |
//! | POST `/consent-sessions` | user | opens the hosted consent page |
//! | GET `/authorize` | user | the OAuth hand-off: who sits in front of a request of an OAuth client |
//! | GET `/prompt-templates` | user | texts to start an agent with |
//! | POST `/token/exchange` | agent | a connection token against an access token |
//! | GET `/admin/connections`, `/admin/usage`, `/admin/activity` | admin | all of the app's |
//! | DELETE `/admin/connections/{connection_id}`, POST `/admin/connections/revoke` | admin | ends any |
//!
//! Beside them, without a prefix, the documents of [`crate::discovery`] and [`crate::resource`].
//!
//! Nothing here knows a framework: [`AgentAdmit::serve_mounted`] takes the parts of a request and its
//! body, and answers.
//!
//! An agent's token on a user's route is 403 `agent_not_allowed`, whatever cookie comes with it. A
//! request that changes something wants `application/json` (a `DELETE` may come without a body) from
//! the app's own origin. Answers are never stored.

mod admin;
mod authorize;
mod consent;
mod exchange;
mod page;
mod prompt;
mod rules;
mod user;

use std::net::IpAddr;

use agentadmit_protocol::id::ConnectionId;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::discovery::{DISCOVERY_PATH, JWKS_PATH};
use crate::refusal::Refused;

use page::{Asset, Panel};

/// The largest body of an exchange, in bytes.
const MAX_EXCHANGE_BODY: usize = 4 * 1024;
/// The largest body of any other mounted route.
const MAX_BODY: usize = 64 * 1024;

/// What stands at a mounted path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Discovery,
    PublicKeys,
    ResourceMetadata,
    Page,
    Asset(Asset),
    Scopes,
    GenerateToken,
    Connections,
    Connection(ConnectionId),
    Activity(ConnectionId),
    PromptTemplates,
    ConsentSessions,
    Authorize,
    Exchange,
    AdminPage,
    AdminConnections,
    AdminConnection(ConnectionId),
    AdminRevoke,
    AdminUsage,
    AdminActivity,
}

impl Place {
    /// `path` is below the prefix. An id that is none is as unknown as any other path.
    fn below_prefix(path: &str) -> Option<Self> {
        let place = match path {
            "" => Self::Page,
            "/scopes" => Self::Scopes,
            "/connections/generate-token" => Self::GenerateToken,
            "/connections" => Self::Connections,
            "/prompt-templates" => Self::PromptTemplates,
            "/consent-sessions" => Self::ConsentSessions,
            authorize::AUTHORIZE => Self::Authorize,
            "/token/exchange" => Self::Exchange,
            "/admin" => Self::AdminPage,
            "/admin/connections" => Self::AdminConnections,
            "/admin/connections/revoke" => Self::AdminRevoke,
            "/admin/usage" => Self::AdminUsage,
            "/admin/activity" => Self::AdminActivity,
            _ => return Self::with_id(path),
        };
        Some(place)
    }

    fn with_id(path: &str) -> Option<Self> {
        if let Some(name) = path.strip_prefix("/assets/") {
            return Asset::by_name(name).map(Self::Asset);
        }
        if let Some(id) = path.strip_prefix("/admin/connections/") {
            return id.parse().ok().map(Self::AdminConnection);
        }
        let id = path.strip_prefix("/connections/")?;
        match id.strip_suffix("/activity") {
            Some(id) => id.parse().ok().map(Self::Activity),
            None => id.parse().ok().map(Self::Connection),
        }
    }

    const fn is_admins(self) -> bool {
        matches!(
            self,
            Self::AdminPage
                | Self::AdminConnections
                | Self::AdminConnection(_)
                | Self::AdminRevoke
                | Self::AdminUsage
                | Self::AdminActivity
        )
    }

    const fn allow(self) -> &'static str {
        match self {
            Self::GenerateToken | Self::ConsentSessions | Self::Exchange | Self::AdminRevoke => {
                "POST"
            }
            Self::Authorize => "GET",
            Self::Connection(_) => "DELETE, PATCH",
            Self::AdminConnection(_) => "DELETE",
            _ => "GET, HEAD",
        }
    }
}

/// A request to a mounted route.
struct Call<'a> {
    parts: &'a Parts,
    body: &'a [u8],
    peer: Option<IpAddr>,
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// The most bytes that a body to this path may have. Whoever reads it stops there with 413.
    pub fn mounted_body_limit(&self, path: &str) -> usize {
        match self.place(path) {
            Some(Place::Exchange) => MAX_EXCHANGE_BODY,
            _ => MAX_BODY,
        }
    }

    /// Answers a request to a mounted route. `peer` is the other end of the connection.
    pub async fn serve_mounted(
        &self,
        parts: &Parts,
        body: &[u8],
        peer: Option<IpAddr>,
    ) -> Response<Bytes> {
        let call = Call { parts, body, peer };
        self.answer(&call).await.unwrap_or_else(Refused::into_http)
    }

    fn place(&self, path: &str) -> Option<Place> {
        let place = match path {
            DISCOVERY_PATH => Place::Discovery,
            JWKS_PATH => Place::PublicKeys,
            _ if self.is_resource_metadata(path) => Place::ResourceMetadata,
            _ => Place::below_prefix(path.strip_prefix(self.prefix())?)?,
        };
        (self.app().admins() || !place.is_admins()).then_some(place)
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        let place = self.place(call.parts.uri.path());
        let place = place.ok_or_else(|| Refused::not_found("there is nothing at this path"))?;
        match (place, call.method()) {
            (Place::Discovery, &Method::GET) => Ok(self.answer_document()),
            (Place::PublicKeys, &Method::GET) => Ok(self.answer_public_keys()),
            (Place::ResourceMetadata, &Method::GET) => Ok(self.answer_resource_metadata()),
            (Place::Page, &Method::GET) => self.page(call, Panel::OfUser).await,
            (Place::AdminPage, &Method::GET) => self.page(call, Panel::OfAdmin).await,
            (Place::Asset(asset), &Method::GET) => Ok(asset.answer()),
            (Place::Scopes, &Method::GET) => self.scopes(call).await,
            (Place::GenerateToken, &Method::POST) => self.generate_token(call).await,
            (Place::Connections, &Method::GET) => self.connections(call).await,
            (Place::Connection(id), &Method::DELETE) => self.end_connection(call, id).await,
            (Place::Connection(id), &Method::PATCH) => self.narrow_connection(call, id).await,
            (Place::Activity(id), &Method::GET) => self.activity(call, id).await,
            (Place::PromptTemplates, &Method::GET) => self.prompt_templates(call).await,
            (Place::ConsentSessions, &Method::POST) => self.open_consent(call).await,
            (Place::Authorize, &Method::GET) => self.authorize(call).await,
            (Place::Exchange, &Method::POST) => self.exchange(call).await,
            (Place::AdminConnections, &Method::GET) => self.admin_connections(call).await,
            (Place::AdminConnection(id), &Method::DELETE) => self.admin_end(call, id).await,
            (Place::AdminRevoke, &Method::POST) => self.admin_revoke(call).await,
            (Place::AdminUsage, &Method::GET) => self.admin_usage(call).await,
            (Place::AdminActivity, &Method::GET) => self.admin_activity(call).await,
            (place, _) => Ok(method_not_allowed_but(place.allow())),
        }
    }
}

impl Call<'_> {
    /// `HEAD` is answered as `GET`; the server leaves the body out.
    fn method(&self) -> &Method {
        if self.parts.method == Method::HEAD { &Method::GET } else { &self.parts.method }
    }
}

fn method_not_allowed_but(allowed: &'static str) -> Response<Bytes> {
    let text = format!("this path answers to {allowed}");
    let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text);
    let mut response = refused.into_http();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// An answer that nobody stores.
fn answer(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    let Ok(json) = serde_json::to_vec(body) else { return Refused::internal().into_http() };
    let mut response = Response::new(Bytes::from(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart_and_ids_are_ids() {
        let id = ConnectionId::from_bytes([1; 16]);
        let at = Place::below_prefix;
        assert_eq!(at(&format!("/connections/{id}")), Some(Place::Connection(id)));
        assert_eq!(at(&format!("/connections/{id}/activity")), Some(Place::Activity(id)));
        assert_eq!(at(&format!("/admin/connections/{id}")), Some(Place::AdminConnection(id)));
        assert_eq!(at("/connections/generate-token"), Some(Place::GenerateToken));
        assert_eq!((at(""), at("/admin")), (Some(Place::Page), Some(Place::AdminPage)));
        for path in ["/", "/connections/", "/connections/x", "/scopes/", "/admin/", "/assets/x.js"]
        {
            assert_eq!(at(path), None, "{path}");
        }
    }
}
