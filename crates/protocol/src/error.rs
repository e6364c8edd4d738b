//! Errors on the wire: the closed list of codes and the one shape of their bodies
//! (PROTOCOL, Errors).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::scope::ScopeName;

/// The one table from code to status: `Variant = "code", status;`.
macro_rules! error_codes {
    ($($(#[$meta:meta])* $variant:ident = $code:literal, $status:literal;)+) => {
        /// Every error that the service can answer. The code alone does not name the variant:
        /// `invalid_request` is 400 for what does not parse and 422 for what breaks a rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($(#[$meta])* $variant,)+
        }

        impl ErrorCode {
            /// Every error, by status.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }
        }
    };
}

error_codes! {
    /// JSON that does not parse, bad UTF-8, a connection token that looks cut off.
    InvalidRequest = "invalid_request", 400;
    /// A scope that is not in the catalogue, or may not be granted here.
    InvalidScope = "invalid_scope", 400;
    /// A duration out of bounds, or "for ever" where it is not allowed.
    InvalidDuration = "invalid_duration", 400;
    /// A connection token that cannot be exchanged, whatever the reason.
    InvalidGrant = "invalid_grant", 400;
    /// OAuth: the client may not use this grant (RFC 6749 section 5.2).
    UnauthorizedClient = "unauthorized_client", 400;
    /// OAuth: a grant that the service does not know (RFC 6749 section 5.2).
    UnsupportedGrantType = "unsupported_grant_type", 400;
    /// OAuth: no app, one app too many, or another than was granted (RFC 8707 section 2).
    InvalidTarget = "invalid_target", 400;
    /// OAuth: the user of a device has not decided yet (RFC 8628 section 3.5).
    AuthorizationPending = "authorization_pending", 400;
    /// OAuth: a device asks too often (RFC 8628 section 3.5).
    SlowDown = "slow_down", 400;
    /// OAuth: the user said no (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5).
    AccessDenied = "access_denied", 400;
    /// OAuth: a device's code is over (RFC 8628 section 3.5).
    ExpiredToken = "expired_token", 400;
    /// OAuth: a client registers an address that none may have (RFC 7591 section 3.2.2).
    InvalidRedirectUri = "invalid_redirect_uri", 400;
    /// OAuth: what a client says of itself cannot be used (RFC 7591 section 3.2.2).
    InvalidClientMetadata = "invalid_client_metadata", 400;
    /// The caller's own API key or client assertion is bad.
    InvalidApiKey = "invalid_api_key", 401;
    /// The operator token is bad.
    InvalidOperatorToken = "invalid_operator_token", 401;
    /// OAuth: the client's credential is bad.
    InvalidClient = "invalid_client", 401;
    /// The dashboard: a one-time code that opens nothing, whatever the reason.
    InvalidCode = "invalid_code", 401;
    /// The dashboard: a passkey that signs nobody in, whatever the reason.
    InvalidPasskey = "invalid_passkey", 401;
    /// The dashboard: nobody is signed in, or no longer.
    Unauthenticated = "unauthenticated", 401;
    /// Verify: the token opens no live connection; the reason says why.
    InvalidToken = "invalid_token", 403;
    /// Verify: the token is good and lacks a scope.
    InsufficientScope = "insufficient_scope", 403;
    /// Verify: the token is good and the app's plan is used up.
    LimitExceeded = "limit_exceeded", 403;
    /// The credential is good and lacks the permission.
    Forbidden = "forbidden", 403;
    /// The dashboard: the request did not come from the dashboard's own page.
    CrossSiteRequest = "cross_site_request", 403;
    /// Users of this app grant on the hosted page only.
    HostedConsentRequired = "hosted_consent_required", 403;
    /// Live keys and issues of this app need a plan.
    SubscriptionRequired = "subscription_required", 403;
    /// Nothing there that the caller may know of.
    NotFound = "not_found", 404;
    /// The path is there, the method is not.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The change contradicts what is.
    Conflict = "conflict", 409;
    /// A consent session that is over.
    Gone = "gone", 410;
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", 413;
    /// The body is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// The JSON parses and breaks a rule; `field` names the member.
    UnprocessableRequest = "invalid_request", 422;
    /// Too many calls; `limit` says of whom.
    RateLimited = "rate_limited", 429;
    /// A defect of the service.
    Internal = "internal", 500;
    /// The service cannot find out or do it now.
    Unavailable = "unavailable", 503;
}

impl core::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

crate::wire::words! {
    /// Why a token opens no live connection (PROTOCOL, verify).
    pub enum InvalidTokenReason {
        /// No such token in the caller's app and environment.
        Unknown = "unknown",
        /// No token of ours, or one that is to be exchanged first.
        Malformed = "malformed",
        /// Time ended the connection.
        Expired = "expired",
        /// Somebody ended the connection.
        Revoked = "revoked",
    }
}

crate::wire::words! {
    /// Whose limit refused a call (PROTOCOL, Errors, 429).
    pub enum RateLimitOf {
        /// The API key's.
        Key = "key",
        /// The connection's: the agent's own excess.
        Connection = "connection",
        /// The client address's.
        Address = "address",
    }
}

/// The body of every error. Members that do not apply are absent.
///
/// Read leniently: a client takes codes and members that it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The code: one of the closed list of the endpoint.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "invalid_request"))]
    pub error: Cow<'static, str>,
    /// A sentence that a developer can act on.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub error_description: Cow<'static, str>,
    /// What the service's log calls this call.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub request_id: String,
    /// With 422 and some 400: the member that is wrong, as a path such as `scopes[0].name`; empty
    /// for the body itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub field: Option<String>,
    /// Verify's 403: whether the token opens a live connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub active: Option<bool>,
    /// `invalid_token`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<InvalidTokenReason>, nullable = false))]
    pub reason: Option<Cow<'static, str>>,
    /// `insufficient_scope`: every missing scope, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub required_scope: Option<String>,
    /// `insufficient_scope`: what the connection holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub granted_scopes: Option<Vec<ScopeName>>,
    /// A refusal about a live connection: its record, which is on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::id::EventId>, nullable = false))]
    pub audit_id: Option<String>,
    /// `rate_limited`: whose limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<RateLimitOf>, nullable = false))]
    pub limit: Option<Cow<'static, str>>,
    /// `subscription_required` and `limit_exceeded`: where the plan is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub billing_url: Option<String>,
}

impl ErrorBody {
    /// A body with the three members that every error has.
    pub fn new(
        code: ErrorCode,
        description: impl Into<Cow<'static, str>>,
        request_id: impl Into<String>,
    ) -> Self {
        Self {
            error: Cow::Borrowed(code.as_str()),
            error_description: description.into(),
            request_id: request_id.into(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_a_status_name_one_error() {
        for (position, code) in ErrorCode::ALL.iter().enumerate() {
            let same = |other: &&ErrorCode| {
                other.as_str() == code.as_str() && other.status() == code.status()
            };
            assert_eq!(ErrorCode::ALL.iter().position(|other| same(&other)), Some(position));
        }
        assert!(ErrorCode::ALL.windows(2).all(|pair| pair[0].status() <= pair[1].status()));
    }

    #[test]
    fn members_that_do_not_apply_are_absent() {
        let body = ErrorBody::new(ErrorCode::NotFound, "no such app", "req_1");
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"error":"not_found","error_description":"no such app","request_id":"req_1"}"#
        );
    }

    #[test]
    fn a_client_reads_what_it_does_not_know() {
        let body: ErrorBody = serde_json::from_str(
            r#"{"error":"new_code","error_description":"x","request_id":"r","active":true,"other":[1]}"#,
        )
        .unwrap();
        assert_eq!((body.error.as_ref(), body.active), ("new_code", Some(true)));
    }
}
