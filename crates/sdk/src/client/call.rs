//! One request to the service, and the answer to it.

use agentadmit_protocol::api::token::{ExchangeCall, IssueRequest};
use agentadmit_protocol::api::verify::VerifyCall;
use agentadmit_protocol::id::AppId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Inner, Verdict};
use crate::error::{Error, ServiceUnavailableError};

/// A request before it is sent.
pub(super) struct Call {
    method: http::Method,
    path: String,
    body: Vec<u8>,
}

impl Call {
    pub(super) fn issue(app: AppId, request: &IssueRequest) -> Result<Self, Error> {
        Self::post(&format!("/v1/apps/{app}/token"), request)
    }

    pub(super) fn exchange(call: &ExchangeCall<'_>, _key: Option<&str>) -> Result<Self, Error> {
        Self::post("/v1/token/exchange", call)
    }

    pub(super) fn get(path: &str, _query: &impl Serialize) -> Result<Self, Error> {
        Self::new(http::Method::GET, path, &())
    }

    pub(super) fn delete(path: &str, _query: &impl Serialize) -> Result<Self, Error> {
        Self::new(http::Method::DELETE, path, &())
    }

    pub(super) fn post(path: &str, body: &impl Serialize) -> Result<Self, Error> {
        Self::new(http::Method::POST, path, body)
    }

    pub(super) fn put(path: &str, body: &impl Serialize) -> Result<Self, Error> {
        Self::new(http::Method::PUT, path, body)
    }

    pub(super) fn patch(path: &str, body: &impl Serialize) -> Result<Self, Error> {
        Self::new(http::Method::PATCH, path, body)
    }

    fn new(method: http::Method, path: &str, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|error| ServiceUnavailableError {
            cause: error.to_string(),
            retry_after: None,
        })?;
        Ok(Self { method, path: path.to_owned(), body })
    }
}

impl Inner {
    pub(super) async fn ask<T: DeserializeOwned>(&self, _call: Call) -> Result<T, Error> {
        Err(ServiceUnavailableError { cause: "no transport yet".to_owned(), retry_after: None }
            .into())
    }

    pub(super) async fn verify(&self, _call: &VerifyCall<'_>) -> Result<Verdict, Error> {
        Err(ServiceUnavailableError { cause: "no transport yet".to_owned(), retry_after: None }
            .into())
    }
}
