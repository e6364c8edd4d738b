//! What guards and mounted routes ask the service: a trait, so that whoever drives them from another
//! language can carry the questions to a client of its own.

use std::future::Future;

use agentadmit_protocol::api::audit::{AuditList, AuditQuery};
use agentadmit_protocol::api::authorization::{AuthorizationRequestView, BindAnswer, BindRequest};
use agentadmit_protocol::api::connections::{
    ConnectionList, ConnectionView, ConnectionsQuery, PatchConnectionRequest,
};
use agentadmit_protocol::api::consent::{ConsentSessionAnswer, ConsentSessionRequest};
use agentadmit_protocol::api::revoke::{RevokeAnswer, RevokeRequest};
use agentadmit_protocol::api::token::{ExchangeAnswer, ExchangeCall, IssueAnswer, IssueRequest};
use agentadmit_protocol::api::usage::{UsageAnswer, UsageQuery};
use agentadmit_protocol::api::verify::VerifyCall;
use agentadmit_protocol::id::{AuthorizationRequestId, ConnectionId};

use super::{Client, Verdict};
use crate::error::{ConfigurationError, Error};
use crate::settings::Settings;

/// The calls of [`Client`] that guards and mounted routes make, under the same rules.
pub trait ServiceClient: Send + Sync + Sized + 'static {
    /// One for these settings.
    ///
    /// # Errors
    /// As [`Client::new`].
    fn for_settings(settings: &Settings) -> Result<Self, ConfigurationError>;

    /// What it was made with.
    fn settings(&self) -> &Settings;

    /// As [`Client::verify`].
    fn verify(&self, call: &VerifyCall<'_>) -> impl Future<Output = Result<Verdict, Error>> + Send;

    /// As [`Client::issue`].
    fn issue(
        &self,
        request: &IssueRequest,
    ) -> impl Future<Output = Result<IssueAnswer, Error>> + Send;

    /// As [`Client::open_consent`].
    fn open_consent(
        &self,
        request: &ConsentSessionRequest,
    ) -> impl Future<Output = Result<ConsentSessionAnswer, Error>> + Send;

    /// As [`Client::authorization_request`].
    fn authorization_request(
        &self,
        request: AuthorizationRequestId,
    ) -> impl Future<Output = Result<AuthorizationRequestView, Error>> + Send;

    /// As [`Client::bind_authorization`].
    fn bind_authorization(
        &self,
        request: AuthorizationRequestId,
        bind: &BindRequest,
    ) -> impl Future<Output = Result<BindAnswer, Error>> + Send;

    /// As [`Client::exchange`].
    fn exchange(
        &self,
        exchange: &ExchangeCall<'_>,
        idempotency_key: Option<&str>,
    ) -> impl Future<Output = Result<ExchangeAnswer, Error>> + Send;

    /// As [`Client::revoke`].
    fn revoke(
        &self,
        request: &RevokeRequest,
    ) -> impl Future<Output = Result<RevokeAnswer, Error>> + Send;

    /// As [`Client::connections`].
    fn connections(
        &self,
        query: &ConnectionsQuery,
    ) -> impl Future<Output = Result<ConnectionList, Error>> + Send;

    /// As [`Client::connection`].
    fn connection(
        &self,
        connection: ConnectionId,
    ) -> impl Future<Output = Result<ConnectionView, Error>> + Send;

    /// As [`Client::narrow`].
    fn narrow(
        &self,
        connection: ConnectionId,
        request: &PatchConnectionRequest,
    ) -> impl Future<Output = Result<ConnectionView, Error>> + Send;

    /// As [`Client::audit`].
    fn audit(&self, query: &AuditQuery) -> impl Future<Output = Result<AuditList, Error>> + Send;

    /// As [`Client::usage`].
    fn usage(&self, query: &UsageQuery) -> impl Future<Output = Result<UsageAnswer, Error>> + Send;
}

impl ServiceClient for Client {
    fn for_settings(settings: &Settings) -> Result<Self, ConfigurationError> {
        Self::new(settings)
    }

    fn settings(&self) -> &Settings {
        Self::settings(self)
    }

    async fn verify(&self, call: &VerifyCall<'_>) -> Result<Verdict, Error> {
        Self::verify(self, call).await
    }

    async fn issue(&self, request: &IssueRequest) -> Result<IssueAnswer, Error> {
        Self::issue(self, request).await
    }

    async fn open_consent(
        &self,
        request: &ConsentSessionRequest,
    ) -> Result<ConsentSessionAnswer, Error> {
        Self::open_consent(self, request).await
    }

    async fn authorization_request(
        &self,
        request: AuthorizationRequestId,
    ) -> Result<AuthorizationRequestView, Error> {
        Self::authorization_request(self, request).await
    }

    async fn bind_authorization(
        &self,
        request: AuthorizationRequestId,
        bind: &BindRequest,
    ) -> Result<BindAnswer, Error> {
        Self::bind_authorization(self, request, bind).await
    }

    async fn exchange(
        &self,
        exchange: &ExchangeCall<'_>,
        idempotency_key: Option<&str>,
    ) -> Result<ExchangeAnswer, Error> {
        Self::exchange(self, exchange, idempotency_key).await
    }

    async fn revoke(&self, request: &RevokeRequest) -> Result<RevokeAnswer, Error> {
        Self::revoke(self, request).await
    }

    async fn connections(&self, query: &ConnectionsQuery) -> Result<ConnectionList, Error> {
        Self::connections(self, query).await
    }

    async fn connection(&self, connection: ConnectionId) -> Result<ConnectionView, Error> {
        Self::connection(self, connection).await
    }

    async fn narrow(
        &self,
        connection: ConnectionId,
        request: &PatchConnectionRequest,
    ) -> Result<ConnectionView, Error> {
        Self::narrow(self, connection, request).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<AuditList, Error> {
        Self::audit(self, query).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageAnswer, Error> {
        Self::usage(self, query).await
    }
}
