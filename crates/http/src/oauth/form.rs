//! Forms and queries of OAuth: every parameter once (RFC 6749 section 3.1).

use agentadmit_protocol::api::query;
use agentadmit_protocol::error::ErrorCode;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::error::{Answer, ApiError};
use crate::extract::form_body;
use crate::state::ServiceState;

/// A form of an OAuth endpoint.
pub(crate) struct OAuthForm<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<ServiceState> for OAuthForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &ServiceState) -> Answer<Self> {
        let body = form_body(request).await?;
        one_resource(&query::form_pairs(&body)?)?;
        Ok(Self(query::from_form(&body)?))
    }
}

/// RFC 8707 lets a client name several; a token of ours is for one.
fn one_resource(pairs: &[(String, String)]) -> Answer<()> {
    if pairs.iter().filter(|(name, _)| name == "resource").count() > 1 {
        let text = "name exactly one `resource`: a token is for one app";
        return Err(ApiError::new(ErrorCode::InvalidTarget, text).field("resource"));
    }
    Ok(())
}

/// The parameters of an authorization request, as a browser brings them.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query or a body. What has no value is as good as absent.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn read(text: &[u8]) -> Answer<Self> {
        Ok(Self(query::form_pairs(text)?))
    }

    /// A parameter, if it is there.
    ///
    /// # Errors
    /// `invalid_request` for one that is there more than once; `invalid_target` for `resource`.
    pub(crate) fn get(&self, name: &'static str) -> Answer<Option<String>> {
        if name == "resource" {
            one_resource(&self.0)?;
        }
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        let first = values.next();
        if values.next().is_some() {
            let text = format!("`{name}` must stand there once");
            return Err(ApiError::bad_request(text).field(name));
        }
        Ok(first.map(|(_, value)| value.clone()))
    }
}
