//! Ids in the address: what is no id of the kind is 404, as if nothing were there.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::error::{Answer, ApiError};
use crate::state::ServiceState;

/// One or two ids, in the order of the address.
pub(crate) struct Id<T>(pub(crate) T);

/// What an address holds.
pub(crate) trait FromPath: Sized {
    /// Reads the parameters in their order; `None` for anything else.
    fn from_path<'p>(parameters: impl Iterator<Item = &'p str>) -> Option<Self>;
}

impl<A: FromStr> FromPath for (A,) {
    fn from_path<'p>(mut parameters: impl Iterator<Item = &'p str>) -> Option<Self> {
        Some((parameters.next()?.parse().ok()?,))
    }
}

impl<A: FromStr, B: FromStr> FromPath for (A, B) {
    fn from_path<'p>(mut parameters: impl Iterator<Item = &'p str>) -> Option<Self> {
        Some((parameters.next()?.parse().ok()?, parameters.next()?.parse().ok()?))
    }
}

impl<T: FromPath> FromRequestParts<ServiceState> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ServiceState) -> Answer<Self> {
        let not_found = || ApiError::not_found("there is nothing with this id for this credential");
        let parameters =
            RawPathParams::from_request_parts(parts, state).await.map_err(|_| not_found())?;
        T::from_path(parameters.iter().map(|(_, value)| value)).map(Self).ok_or_else(not_found)
    }
}
