//! The header `Idempotency-Key` of an exchange.

use agentadmit_protocol::api::token::IdempotencyKey;
use agentadmit_protocol::error::ErrorCode;
use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::error::{Answer, ApiError};
use crate::state::ServiceState;

/// The key, if the request carries one.
pub(crate) struct OptionalIdempotencyKey(pub(crate) Option<IdempotencyKey>);

impl FromRequestParts<ServiceState> for OptionalIdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ServiceState) -> Answer<Self> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(|text| text.parse().ok());
        match key {
            Some(key) if values.next().is_none() => Ok(Self(Some(key))),
            _ => {
                let text = "`Idempotency-Key` must stand there once, with 22 to 64 of A-Za-z0-9_-";
                let error = ApiError::new(ErrorCode::UnprocessableRequest, text);
                Err(error.field("Idempotency-Key"))
            }
        }
    }
}
