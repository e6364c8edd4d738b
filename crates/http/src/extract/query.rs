//! Query strings: unknown, empty and repeated parameters are 400, never "no filter".

use agentadmit_protocol::api::query;
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{Answer, ApiError};
use crate::state::ServiceState;

/// The query, read into its type.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<ServiceState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ServiceState) -> Answer<Self> {
        Ok(Self(query::from_str(parts.uri.query().unwrap_or_default())?))
    }
}

/// No query at all: a parameter that restricts must not be lost on a route that knows none.
pub(crate) struct NoQuery;

impl FromRequestParts<ServiceState> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ServiceState) -> Answer<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let Some((name, _)) = url::form_urlencoded::parse(query.as_bytes()).next() else {
            return Ok(Self);
        };
        let text = "this route takes no query parameters";
        Err(ApiError::bad_request(text).field(name.chars().take(64).collect::<String>()))
    }
}
