//! Bodies: JSON objects by the rules of the contract, and the forms of OAuth.

use agentadmit_protocol::api::query;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::json;
use agentadmit_protocol::plain_request::is_media_type;
use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::error::{Answer, ApiError};
use crate::state::ServiceState;

/// The largest body (PROTOCOL, Errors, 413).
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// A JSON object.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON object, or no body at all for the default.
pub(crate) struct OptionalJson<T>(pub(crate) T);

/// A form (`application/x-www-form-urlencoded`).
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<ServiceState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &ServiceState) -> Answer<Self> {
        Ok(Self(json::from_slice(&json_body(request).await?)?))
    }
}

impl<T: DeserializeOwned + Default> FromRequest<ServiceState> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ServiceState) -> Answer<Self> {
        if request.headers().contains_key(CONTENT_TYPE) {
            let Json(value) = Json::from_request(request, state).await?;
            return Ok(Self(value));
        }
        if read(request).await?.is_empty() {
            return Ok(Self(T::default()));
        }
        Err(unsupported("application/json"))
    }
}

impl<T: DeserializeOwned> FromRequest<ServiceState> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &ServiceState) -> Answer<Self> {
        Ok(Self(query::from_form(&form_body(request).await?)?))
    }
}

/// The body of JSON, unread.
pub(crate) async fn json_body(request: Request) -> Answer<Bytes> {
    require_media_type(request.headers(), "application/json")?;
    read(request).await
}

/// The body of a form, unread.
pub(crate) async fn form_body(request: Request) -> Answer<Bytes> {
    require_media_type(request.headers(), "application/x-www-form-urlencoded")?;
    read(request).await
}

/// The request, if it has no body: for routes that read none. A member that restricts
/// (`{"user_id"}` to a `DELETE`) must not be lost on them.
pub(crate) async fn without_body(request: Request) -> Answer<Request> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    // an empty body may be framed as chunks
    let is_empty = match Limited::new(body, 0).collect().await {
        Ok(body) => body.to_bytes().is_empty(),
        Err(_) => false,
    };
    if is_empty {
        return Ok(Request::from_parts(parts, Body::empty()));
    }
    Err(ApiError::bad_request("this route reads no body: send none"))
}

/// The whole body, whether its length was announced or not.
async fn read(request: Request) -> Answer<Bytes> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: usize| length > MAX_BODY)
    {
        return Err(too_large());
    }
    let body: Body = request.into_body();
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(ApiError::bad_request("the body ended before it was complete")),
    }
}

fn too_large() -> ApiError {
    ApiError::new(ErrorCode::BodyTooLarge, "the body is larger than 64 KiB")
}

/// One `Content-Type` of this type, not compressed; a `charset` may say UTF-8 and nothing else.
fn require_media_type(headers: &HeaderMap, wanted: &'static str) -> Answer<()> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let text = "send the body without a `Content-Encoding`";
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, text));
    }
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (values.next(), values.next());
    let text = first.filter(|_| second.is_none()).and_then(|value| value.to_str().ok());
    if text.is_some_and(|text| is_media_type(text, wanted)) {
        return Ok(());
    }
    Err(unsupported(wanted))
}

fn unsupported(wanted: &'static str) -> ApiError {
    let text = format!("send the body as `Content-Type: {wanted}`");
    ApiError::new(ErrorCode::UnsupportedMediaType, text)
}
