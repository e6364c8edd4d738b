//! What every request goes through: an id, a time limit, error bodies, `no-store`, one line in the
//! log, metrics.

use std::any::Any;
use std::pin::pin;

use agentadmit_engine::trail::Trail;
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};

use crate::consent;
use crate::dashboard;
use crate::error::{ApiError, PendingBody};
use crate::extract::without_body;
use crate::oauth;
use crate::observe::{self, Begun};
use crate::state::{RequestId, ServiceState};

/// The name of the request id's header.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The middleware around all routes and fallbacks.
pub(crate) async fn envelope(
    State(state): State<ServiceState>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Begun::now(&state, request.headers());
    let request_id = state.request_id();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let is_cacheable = is_cacheable(request.uri().path());
    request.extensions_mut().insert(request_id);

    let reads_none = route.as_ref().is_some_and(|route| state.bodyless().contains(&method, route));
    // pinned, so that what is put around it moves a pointer and not the whole
    let run = pin!(async {
        match if reads_none { without_body(request).await } else { Ok(request) } {
            Ok(request) => next.run(request).await,
            Err(error) => error.into_response(),
        }
    });
    let run = pin!(Trail::of(run));
    let answered = tokio::time::timeout(state.options().request_timeout, run).await;
    let (mut response, trail) =
        answered.unwrap_or_else(|_| (timed_out().into_response(), Trail::default()));

    write_pending_body(&mut response, &request_id);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_bytes(request_id.as_bytes()) {
        headers.insert(X_REQUEST_ID, value);
    }
    if !is_cacheable {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    observe::answered(&state, &begun, (&method, route), response.status(), &request_id, trail);
    response
}

/// A panic below became this answer; the panic itself was reported by its hook.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal().into_response()
}

/// Nothing there.
pub(crate) async fn unknown_route() -> ApiError {
    ApiError::not_found("there is no such path; see /openapi.json")
}

/// The path is there, the method is not; `Allow` names those that are.
pub(crate) async fn unknown_method() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this path does not know this method; see `Allow`")
}

pub(crate) fn timed_out() -> ApiError {
    ApiError::new(
        ErrorCode::Unavailable,
        "the service did not find out in time; what was asked may still happen",
    )
}

/// Everything that belongs to somebody stays out of caches; what anyone may read need not.
fn is_cacheable(path: &str) -> bool {
    if consent::is_page(path) {
        return false;
    }
    if oauth::is_asset(path) {
        return true;
    }
    if path.starts_with(dashboard::PREFIX) {
        return dashboard::is_asset(path);
    }
    let path = path.strip_prefix("/api").unwrap_or(path);
    !(path.starts_with("/v1") || path.starts_with("/oauth"))
}

/// Writes the body of an error, now that the request's id is known.
fn write_pending_body(response: &mut Response, request_id: &RequestId) {
    let Some(PendingBody(body)) = response.extensions_mut().remove() else { return };
    let json = error_json(body, request_id);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(json.len()));
    *response.body_mut() = Body::from(json);
}

/// The body of an error, as JSON.
pub(crate) fn error_json(mut body: ErrorBody, request_id: &RequestId) -> Vec<u8> {
    request_id.as_str().clone_into(&mut body.request_id);
    // strings and numbers: writing them cannot fail
    serde_json::to_vec(&body).unwrap_or_default()
}
