//! A request to the service, as the bytes that go out, and what may be done with it.

use std::io::Write as _;
use std::marker::PhantomData;

use agentadmit_protocol::api::audit::{AuditList, AuditQuery};
use agentadmit_protocol::api::authorization::{AuthorizationRequestView, BindAnswer, BindRequest};
use agentadmit_protocol::api::connections::{
    ConnectionList, ConnectionView, ConnectionsQuery, DeleteConnectionQuery, PatchConnectionRequest,
};
use agentadmit_protocol::api::consent::{ConsentSessionAnswer, ConsentSessionRequest};
use agentadmit_protocol::api::credential::CredentialAnswer;
use agentadmit_protocol::api::revoke::{RevokeAnswer, RevokeRequest};
use agentadmit_protocol::api::scopes::{PutScopesAnswer, PutScopesRequest, ScopesAnswer};
use agentadmit_protocol::api::token::{
    ExchangeAnswer, ExchangeCall, IdempotencyKey, IssueAnswer, IssueRequest,
};
use agentadmit_protocol::api::usage::{UsageAnswer, UsageQuery};
use agentadmit_protocol::api::verify::{VerifyAnswer, VerifyCall};
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use agentadmit_protocol::id::{AppId, AuthorizationRequestId, ConnectionId};
use agentadmit_protocol::text::UserId;
use serde::Serialize;
use zeroize::Zeroizing;

use super::transport::address::Address;
use crate::error::{ConfigurationError, Error, RefusedError};
use crate::settings::Settings;

/// A request whose answer reads as `T`.
pub(crate) struct Call<T> {
    /// Head and body in one piece: one write.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) repeat: Repeat,
    answer: PhantomData<fn() -> T>,
}

/// What may be done when nobody knows whether the service has done what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Doing it twice does no harm.
    Once,
    /// Doing it twice would be a second grant. It also goes over a fresh connection always: one
    /// that was kept may have been closed a moment ago.
    Never,
}

/// Writes requests to one service under one credential.
pub(crate) struct Requests<'a> {
    pub(crate) address: &'a Address,
    pub(crate) settings: &'a Settings,
}

type Built<T> = Result<Call<T>, Error>;

impl Requests<'_> {
    pub(crate) fn verify(&self, call: &VerifyCall<'_>) -> Built<VerifyAnswer> {
        self.post("/v1/verify", call, Repeat::Once)
    }

    pub(crate) fn issue(&self, request: &IssueRequest) -> Built<IssueAnswer> {
        self.post(&format!("/v1/apps/{}/token", self.app_id()?), request, Repeat::Never)
    }

    pub(crate) fn open_consent(
        &self,
        request: &ConsentSessionRequest,
    ) -> Built<ConsentSessionAnswer> {
        let path = format!("/v1/apps/{}/consent-sessions", self.app_id()?);
        self.post(&path, request, Repeat::Never)
    }

    pub(crate) fn authorization_request(
        &self,
        request: AuthorizationRequestId,
    ) -> Built<AuthorizationRequestView> {
        self.get(&self.authorization_path(request)?, &())
    }

    pub(crate) fn bind_authorization(
        &self,
        request: AuthorizationRequestId,
        bind: &BindRequest,
    ) -> Built<BindAnswer> {
        self.post(&self.authorization_path(request)?, bind, Repeat::Never)
    }

    fn authorization_path(&self, request: AuthorizationRequestId) -> Result<String, Error> {
        Ok(format!("/v1/apps/{}/authorization-requests/{request}", self.app_id()?))
    }

    pub(crate) fn exchange(
        &self,
        call: &ExchangeCall<'_>,
        idempotency_key: Option<&str>,
    ) -> Built<ExchangeAnswer> {
        let Some(key) = idempotency_key else {
            return self.post("/v1/token/exchange", call, Repeat::Never);
        };
        // it goes into a head, so it is looked at here; the text is the service's
        if let Err(error) = key.parse::<IdempotencyKey>() {
            let text = format!("Idempotency-Key {error}");
            let mut body = ErrorBody::new(ErrorCode::UnprocessableRequest, text, "");
            body.field = Some("Idempotency-Key".to_owned());
            return Err(RefusedError { status: 422, body: Box::new(body) }.into());
        }
        let field = format!("idempotency-key: {key}\r\n");
        Ok(self.write("POST", "/v1/token/exchange", &field, Some(&json(call)?), Repeat::Once))
    }

    pub(crate) fn revoke(&self, request: &RevokeRequest) -> Built<RevokeAnswer> {
        self.post("/v1/revoke", request, Repeat::Once)
    }

    pub(crate) fn revoke_of_user(
        &self,
        connection: ConnectionId,
        user: &UserId,
    ) -> Built<RevokeAnswer> {
        let query = DeleteConnectionQuery { user_id: Some(user.clone()) };
        let target = target(&format!("/v1/connections/{connection}"), &query)?;
        Ok(self.write("DELETE", &target, "", None, Repeat::Once))
    }

    pub(crate) fn connections(&self, query: &ConnectionsQuery) -> Built<ConnectionList> {
        self.get("/v1/connections", query)
    }

    pub(crate) fn connection(&self, connection: ConnectionId) -> Built<ConnectionView> {
        self.get(&format!("/v1/connections/{connection}"), &())
    }

    pub(crate) fn narrow(
        &self,
        connection: ConnectionId,
        request: &PatchConnectionRequest,
    ) -> Built<ConnectionView> {
        let body = json(request)?;
        let path = format!("/v1/connections/{connection}");
        Ok(self.write("PATCH", &path, "", Some(&body), Repeat::Never))
    }

    pub(crate) fn scopes(&self) -> Built<ScopesAnswer> {
        self.get(&format!("/v1/apps/{}/scopes", self.app_id()?), &())
    }

    pub(crate) fn put_scopes(&self, request: &PutScopesRequest) -> Built<PutScopesAnswer> {
        let body = json(request)?;
        let path = format!("/v1/apps/{}/scopes", self.app_id()?);
        Ok(self.write("PUT", &path, "", Some(&body), Repeat::Never))
    }

    pub(crate) fn audit(&self, query: &AuditQuery) -> Built<AuditList> {
        self.get("/v1/audit", query)
    }

    pub(crate) fn usage(&self, query: &UsageQuery) -> Built<UsageAnswer> {
        self.get("/v1/usage", query)
    }

    pub(crate) fn credential(&self) -> Built<CredentialAnswer> {
        self.get("/v1/credential", &())
    }

    fn get<T>(&self, path: &str, query: &impl Serialize) -> Built<T> {
        Ok(self.write("GET", &target(path, query)?, "", None, Repeat::Once))
    }

    fn post<T>(&self, path: &str, body: &impl Serialize, repeat: Repeat) -> Built<T> {
        Ok(self.write("POST", path, "", Some(&json(body)?), repeat))
    }

    /// `field` is a header field more with its line end, or empty.
    fn write<T>(
        &self,
        method: &str,
        target: &str,
        field: &str,
        body: Option<&[u8]>,
        repeat: Repeat,
    ) -> Call<T> {
        let Address { prefix, fields, .. } = self.address;
        let size = 128 + target.len() + prefix.len() + fields.len() + field.len();
        let mut bytes = Vec::with_capacity(size + body.map_or(0, <[u8]>::len));
        for text in [method, " ", prefix, target, " HTTP/1.1\r\n", fields, field] {
            bytes.extend_from_slice(text.as_bytes());
        }
        if let Some(body) = body {
            bytes.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
            // a Vec takes everything
            let _written = write!(bytes, "{}", body.len());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.unwrap_or_default());
        Call { bytes: Zeroizing::new(bytes), repeat, answer: PhantomData }
    }

    fn app_id(&self) -> Result<AppId, ConfigurationError> {
        self.settings.app_id.ok_or_else(|| {
            ConfigurationError(
                "app_id is not set: write `app_id: app_…` into agentadmit.yaml, or set \
                 AGENTADMIT_APP_ID"
                    .to_owned(),
            )
        })
    }
}

fn json(body: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, Error> {
    serde_json::to_vec(body).map(Zeroizing::new).map_err(|error| not_written(&error))
}

/// A path with its query. Members that are absent are no parameters.
fn target(path: &str, query: &impl Serialize) -> Result<String, Error> {
    let query = serde_json::to_value(query).map_err(|error| not_written(&error))?;
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in query.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => {
                pairs.append_pair(name, text);
            }
            other => {
                pairs.append_pair(name, &other.to_string());
            }
        }
    }
    let pairs = pairs.finish();
    Ok(if pairs.is_empty() { path.to_owned() } else { format!("{path}?{pairs}") })
}

fn not_written(error: &serde_json::Error) -> Error {
    ConfigurationError(format!("a request cannot be written: {error}")).into()
}
