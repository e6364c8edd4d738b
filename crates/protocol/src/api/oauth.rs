//! `POST /oauth/introspect` (RFC 7662) and `POST /oauth/revoke` (RFC 7009).

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::api::token::TokenType;
use crate::environment::Environment;
use crate::id::{ConnectionId, EventId};
use crate::secret::Presented;

/// The form of both endpoints: a token, and one of the ways in which a client proves itself.
///
/// Read with [`crate::api::query::from_form`]; members that nobody knows are ignored.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenForm {
    /// The token that it is about.
    pub token: Presented,
    /// A hint that changes nothing: the prefix of a token says what it is.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub token_type_hint: Option<String>,
    /// `client_secret_post`, `private_key_jwt`: the app's id.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_id: Option<String>,
    /// `client_secret_post`: the app's API key.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_secret: Option<Presented>,
    /// `private_key_jwt`: the JWT (RFC 7523 section 2.2).
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_assertion: Option<ClientAssertion>,
    /// `private_key_jwt`: what the assertion is.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_assertion_type: Option<String>,
}

impl TokenForm {
    /// Whether no member says who sends it: then the token alone does.
    pub const fn names_nobody(&self) -> bool {
        self.client_id.is_none()
            && self.client_secret.is_none()
            && self.client_assertion.is_none()
            && self.client_assertion_type.is_none()
    }
}

/// A signed JWT that proves who the client is. Redacted when printed, wiped when dropped.
#[derive(Clone)]
pub struct ClientAssertion(Zeroizing<String>);

impl ClientAssertion {
    /// From a header or a form.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The JWT.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ClientAssertion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

crate::schema::impl_schema!(
    ClientAssertion,
    crate::schema::pattern(
        r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
        "A signed JWT (RFC 7523 section 2.2).",
        "eyJhbGciOiJSUzI1NiJ9.e30.AA",
    )
);

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAssertion(redacted)")
    }
}

/// RFC 7662 section 2.2. A token that is not active answers `{"active": false}` and nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IntrospectAnswer {
    /// Whether a call with this token may proceed now.
    pub active: bool,
    /// What the connection holds, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub scope: Option<String>,
    /// The OAuth client that holds the token; where it was given by hand, the app's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_id: Option<String>,
    /// How the app calls the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub username: Option<String>,
    /// How the token is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub token_type: Option<TokenType>,
    /// The Unix second at which it ends, rounded down; absent where there is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub exp: Option<i64>,
    /// The Unix second of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub iat: Option<i64>,
    /// The app's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub sub: Option<String>,
    /// The resource that the token is for; absent where it was given by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub aud: Option<String>,
    /// The service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub iss: Option<String>,
    /// The environment of the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub environment: Option<Environment>,
    /// The connection behind the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub connection_id: Option<ConnectionId>,
    /// The record of this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub audit_id: Option<EventId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inactive_says_nothing_more() {
        let json = serde_json::to_string(&IntrospectAnswer::default()).unwrap();
        assert_eq!(json, r#"{"active":false}"#);
    }

    #[test]
    fn assertions_are_not_printed() {
        assert_eq!(format!("{:?}", ClientAssertion::new("a.b.c")), "ClientAssertion(redacted)");
    }
}
