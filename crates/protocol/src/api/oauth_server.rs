//! What crosses the wire of the authorization server: metadata (RFC 8414), tokens (RFC 6749), pushed
//! requests (RFC 9126), devices (RFC 8628) and clients that register (RFC 7591).

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::api::oauth::ClientAssertion;
use crate::api::token::TokenType;
use crate::id::ConnectionId;
use crate::secret::{Presented, Secret};

/// `GET /.well-known/oauth-authorization-server` (RFC 8414 section 2). Members that do not apply are
/// absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerMetadata {
    /// The service, in the one spelling that it has everywhere.
    pub issuer: String,
    /// Where a browser is sent.
    pub authorization_endpoint: String,
    /// Where codes, refresh tokens and devices get tokens.
    pub token_endpoint: String,
    /// Where requests are pushed (RFC 9126).
    pub pushed_authorization_request_endpoint: String,
    /// Where devices begin (RFC 8628).
    pub device_authorization_endpoint: String,
    /// Where clients register (RFC 7591); absent where they cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub registration_endpoint: Option<String>,
    /// RFC 7662.
    pub introspection_endpoint: String,
    /// RFC 7009.
    pub revocation_endpoint: String,
    /// `code` alone.
    pub response_types_supported: &'static [&'static str],
    /// `query` alone.
    pub response_modes_supported: &'static [&'static str],
    /// What `grant_type` may be.
    pub grant_types_supported: &'static [&'static str],
    /// `S256` alone (RFC 7636).
    pub code_challenge_methods_supported: &'static [&'static str],
    /// How clients prove themselves.
    pub token_endpoint_auth_methods_supported: &'static [&'static str],
    /// What they may sign with.
    pub token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    /// How apps prove themselves.
    pub introspection_endpoint_auth_methods_supported: &'static [&'static str],
    /// What they may sign with.
    pub introspection_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    /// How apps and clients prove themselves.
    pub revocation_endpoint_auth_methods_supported: &'static [&'static str],
    /// What they may sign with.
    pub revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    /// `iss` is in every answer to a browser (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// A client may be known by the address of its document
    /// (draft-ietf-oauth-client-id-metadata-document).
    pub client_id_metadata_document_supported: bool,
    /// Pushing is possible, not required.
    pub require_pushed_authorization_requests: bool,
    /// The languages of the pages.
    pub ui_locales_supported: &'static [&'static str],
}

/// A text that must not be seen: redacted when printed, wiped when dropped.
#[derive(Clone)]
pub struct Hidden(Zeroizing<String>);

impl Hidden {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A copy of the text, wiped when dropped as this one is.
    pub fn text(&self) -> Zeroizing<String> {
        self.0.clone()
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(redacted)")
    }
}

crate::schema::impl_schema!(
    Hidden,
    crate::schema::format(
        utoipa::openapi::KnownFormat::Password,
        "A text that is not repeated anywhere.",
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    )
);

/// How a client proves itself, beside its header: members of every form of a client.
#[derive(Clone, Debug, Default)]
pub struct ClientForm {
    /// Who it is.
    pub client_id: Option<String>,
    /// `client_secret_post`.
    pub client_secret: Option<Presented>,
    /// `private_key_jwt` (RFC 7523 section 2.2).
    pub client_assertion: Option<ClientAssertion>,
    /// What the assertion is.
    pub client_assertion_type: Option<String>,
}

/// A form in which a client says and proves who it is.
pub trait OfClient {
    /// That part of it.
    fn client(&self) -> ClientForm;
}

/// Declares a form of a client: its own members, and those by which it proves itself.
macro_rules! client_forms {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$member_meta:meta])* pub $member:ident: $type:ty,)+
    })+) => {$(
        $(#[$meta])*
        ///
        /// Read with [`crate::api::query::from_form`]; members that nobody knows are ignored.
        #[derive(Clone, Debug, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name {
            $(
                $(#[$member_meta])*
                #[serde(default)]
                #[cfg_attr(feature = "openapi", schema(nullable = false))]
                pub $member: Option<$type>,
            )+
            /// Who the client is: the address of its document, or the id that it registered under.
            #[serde(default)]
            #[cfg_attr(feature = "openapi", schema(nullable = false))]
            pub client_id: Option<String>,
            /// `client_secret_post`.
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

        impl OfClient for $name {
            fn client(&self) -> ClientForm {
                ClientForm {
                    client_id: self.client_id.clone(),
                    client_secret: self.client_secret.clone(),
                    client_assertion: self.client_assertion.clone(),
                    client_assertion_type: self.client_assertion_type.clone(),
                }
            }
        }
    )+};
}

client_forms! {
    /// `POST /oauth/token` (RFC 6749 section 4.1.3 and 6, RFC 8628 section 3.4). Which members are
    /// needed follows from `grant_type`.
    pub struct TokenRequest {
        /// `authorization_code`, `refresh_token`, `urn:ietf:params:oauth:grant-type:device_code` or
        /// `urn:agentadmit:params:oauth:grant-type:connection-token`.
        pub grant_type: String,
        /// The authorization code.
        pub code: Presented,
        /// The address that the code was sent to.
        pub redirect_uri: String,
        /// What the code challenge was made of (RFC 7636).
        pub code_verifier: Hidden,
        /// The refresh token.
        pub refresh_token: Hidden,
        /// The device code.
        pub device_code: Presented,
        /// The connection token that a human handed over.
        pub connection_token: Presented,
        /// Fewer scopes than were granted, for this access token.
        pub scope: String,
        /// The app's resource (RFC 8707): that of the grant.
        pub resource: String,
    }

    /// `POST /oauth/par` (RFC 9126): what a browser would carry to `/oauth/authorize`.
    pub struct PushedRequest {
        /// `code`.
        pub response_type: String,
        /// `query`, if anything.
        pub response_mode: String,
        /// Where the browser is sent back to.
        pub redirect_uri: String,
        /// What is asked for; nothing is all that is not an admin's.
        pub scope: String,
        /// What the client wants to see again.
        pub state: String,
        /// RFC 7636.
        pub code_challenge: String,
        /// `S256`.
        pub code_challenge_method: String,
        /// The app's resource (RFC 8707).
        pub resource: String,
        /// Not here (RFC 9126 section 2.1).
        pub request_uri: String,
        /// Not supported (RFC 9101).
        pub request: String,
    }

    /// `POST /oauth/device_authorization` (RFC 8628 section 3.1).
    pub struct DeviceRequest {
        /// What is asked for; nothing is all that is not an admin's.
        pub scope: String,
        /// The app's resource (RFC 8707).
        pub resource: String,
    }
}

/// 200 of `/oauth/token` (RFC 6749 section 5.1).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenAnswer {
    /// What the client calls with.
    pub access_token: Secret,
    /// How it is sent.
    pub token_type: TokenType,
    /// Whole seconds until the access token ends; absent where there is no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub expires_in: Option<u64>,
    /// What the next access token is had with; absent for a connection token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub refresh_token: Option<Secret>,
    /// What the access token is good for, separated by spaces.
    pub scope: String,
    /// The connection that the user sees.
    pub connection_id: ConnectionId,
}

/// 201 of `/oauth/par` (RFC 9126 section 2.2).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PushedAnswer {
    /// What `/oauth/authorize` takes instead of the parameters, once.
    pub request_uri: String,
    /// Whole seconds until it is over.
    pub expires_in: u64,
}

/// 200 of `/oauth/device_authorization` (RFC 8628 section 3.2).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceAnswer {
    /// What the device asks for its tokens with.
    pub device_code: Secret,
    /// What a person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it, for a QR code.
    pub verification_uri_complete: String,
    /// Whole seconds until both codes are over.
    pub expires_in: u64,
    /// Seconds between two questions of the device.
    pub interval: u64,
}

/// What a client says of itself (RFC 7591 section 2): in a registration, and in its document
/// (draft-ietf-oauth-client-id-metadata-document). Members that nobody knows are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClientMetadata {
    /// In a document, its own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_id: Option<String>,
    /// Where browsers may be sent back to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 10))]
    pub redirect_uris: Vec<String>,
    /// `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub token_endpoint_auth_method: Option<String>,
    /// What it asks tokens with; `authorization_code` when nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant_types: Vec<String>,
    /// `code`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_types: Vec<String>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_name: Option<String>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_uri: Option<String>,
    /// `web` or `native`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub application_type: Option<String>,
    /// Its public keys (RFC 7517).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, value_type = Object))]
    pub jwks: Option<Value>,
    /// Where its public keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub jwks_uri: Option<String>,
    /// Never: in a document it would be no secret, and a registration answers one.
    #[serde(default, skip_serializing)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub client_secret: Option<Value>,
}

/// 201 of `/oauth/register` (RFC 7591 section 3.2.1): the client as it is known from now on.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisteredClientAnswer {
    /// When it registered, as a Unix second.
    pub client_id_issued_at: i64,
    /// Its secret, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_secret: Option<Secret>,
    /// 0: a secret lives as long as its client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub client_secret_expires_at: Option<i64>,
    /// What it is known to say of itself, with its `client_id`.
    #[serde(flatten)]
    pub metadata: ClientMetadata,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::query;

    #[test]
    fn what_must_not_be_seen_is_not_printed() {
        let form =
            b"grant_type=refresh_token&refresh_token=abc&code_verifier=def&client_secret=ghi";
        let form: TokenRequest = query::from_form(form).unwrap();
        let printed = format!("{form:?}");
        for secret in ["abc", "def", "ghi"] {
            assert!(!printed.contains(secret), "{printed}");
        }
        assert_eq!(form.refresh_token.unwrap().expose(), "abc");
        assert!(form.scope.is_none() && form.code.is_none());
    }

    #[test]
    fn parameters_stand_once_and_unknown_ones_do_nothing() {
        let read = query::from_form::<TokenRequest>;
        assert!(read(b"grant_type=x&unheard_of=1").is_ok());
        for (form, field) in [
            (&b"grant_type=a&grant_type=a"[..], "grant_type"),
            (b"code=a&code=b", "code"),
            (b"unheard_of=1&unheard_of=2", "unheard_of"),
        ] {
            assert_eq!(read(form).unwrap_err().field, field);
        }
    }

    #[test]
    fn a_registration_is_answered_flat_and_without_what_is_not_there() {
        let metadata =
            ClientMetadata { client_id: Some("client_x".to_owned()), ..ClientMetadata::default() };
        let answer = RegisteredClientAnswer {
            client_id_issued_at: 1,
            client_secret: None,
            client_secret_expires_at: None,
            metadata,
        };
        let json = serde_json::to_string(&answer).unwrap();
        assert_eq!(json, r#"{"client_id_issued_at":1,"client_id":"client_x"}"#);
        let read: ClientMetadata = serde_json::from_str(
            r#"{"redirect_uris": ["https://a.example/cb"], "software_id": "x", "client_secret": "y"}"#,
        )
        .unwrap();
        assert!(read.client_secret.is_some());
        assert!(!serde_json::to_string(&read).unwrap().contains("secret"));
    }
}
