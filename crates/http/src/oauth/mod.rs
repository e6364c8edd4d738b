//! The OAuth 2.1 authorization server: clients that never heard of us get the same connections as
//! agents that are handed a token (PROTOCOL, OAuth doors).
//!
//! | file | what |
//! | --- | --- |
//! | `server_metadata` | what the server says of itself (RFC 8414) |
//! | `clients` | who asks, and how they prove it |
//! | `crowd` | how often strangers may make the service write |
//! | `form` | forms and queries: every parameter once |
//! | `authorize` | `/oauth/authorize`, `/oauth/par`, `/oauth/continue`: a browser comes and goes |
//! | `token` | `/oauth/token`, every grant |
//! | `device` | devices without a browser, and the page where a person types their code |
//! | `register` | `/oauth/register` (RFC 7591) |
//! | `reply` | the way back to the client |
//! | `pages` | what people see besides the consent page |
//!
//! ```text
//! client --> /oauth/authorize --> the app's login_url --> /oauth/continue --> consent page --> client
//!               cookie                its own sign-in        cookie + code
//! ```
//! Both the cookie and the code are wanted at `/oauth/continue`: whoever has only one of them is
//! another browser, or another user.

pub(crate) mod authorize;
pub(crate) mod clients;
pub(crate) mod crowd;
pub(crate) mod device;
pub(crate) mod enter;
mod form;
mod pages;
pub(crate) mod pushed;
pub(crate) mod register;
pub(crate) mod reply;
pub(crate) mod server_metadata;
pub(crate) mod token;
mod words;

pub(crate) use pages::{device_done, was_granted};
pub(crate) use words::OAuthWords;

use agentadmit_fetch::{FetchLimits, Fetcher, Reach};
use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue,
};
use http::{Method, StatusCode};

use crate::state::ServiceState;

/// Where the pages' files are.
const ASSETS: &str = "/oauth/assets/";

/// What can be set about the authorization server.
#[derive(Debug, Clone)]
pub struct OAuthOptions {
    /// Whether clients may register themselves (RFC 7591). Documents need no registration.
    pub registration: bool,
    /// What documents of clients are fetched with.
    pub fetcher: Fetcher,
}

impl Default for OAuthOptions {
    /// Registration, and documents from the public internet.
    fn default() -> Self {
        let fetcher = Fetcher::new(FetchLimits::default(), Reach::Public);
        Self { registration: true, fetcher }
    }
}

/// Whether a path is of a file that anybody may read.
pub(crate) fn is_asset(path: &str) -> bool {
    path.starts_with(ASSETS)
}

/// The routes for browsers: they stand in no document.
pub(crate) fn routes() -> Router<ServiceState> {
    Router::new()
        .route(
            "/oauth/authorize",
            get(authorize::by_get).post(authorize::by_post).head(pages::no_head),
        )
        // a `HEAD` would spend the code and show nobody anything
        .route("/oauth/continue", get(enter::enter).head(pages::no_head))
        .route("/oauth/device", get(device::page).post(device::typed))
        .merge(crate::consent::assets(ASSETS))
        .route("/.well-known/oauth-authorization-server/{*path}", get(server_metadata::at_path))
        .route("/.well-known/openid-configuration/{*path}", get(server_metadata::at_path))
}

/// What clients that run in a browser call.
const OPEN: [&str; 7] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/oauth/token",
    "/oauth/par",
    "/oauth/register",
    "/oauth/revoke",
    "/oauth/device_authorization",
];

/// Clients that run in a browser may read what they asked for (Fetch, CORS protocol). Nothing there
/// looks at a cookie, so that another page's script can do nothing that a program could not.
pub(crate) async fn for_browsers(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let rest = OPEN.iter().find_map(|open| path.strip_prefix(open));
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return next.run(request).await;
    }
    let asks = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if request.method() == Method::OPTIONS && asks {
        let allowed = [
            (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, mcp-protocol-version"),
            (ACCESS_CONTROL_MAX_AGE, "86400"),
        ];
        (StatusCode::NO_CONTENT, allowed).into_response()
    } else {
        next.run(request).await
    };
    let anybody = HeaderValue::from_static("*");
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    response
}
