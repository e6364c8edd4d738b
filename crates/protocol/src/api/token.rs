//! `POST /v1/apps/{app_id}/token` and `POST /v1/token/exchange`.

use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::audit::OnBehalfOf;
use crate::id::{AppId, ConnectionId};
use crate::scope::{MAX_SCOPES, ScopeName};
use crate::secret::{Presented, Secret, SecretHash};
use crate::text::{AgentIp, InvalidText, Label, Text, UserId};
use crate::time::Timestamp;
use crate::url_text::WebUrl;
use crate::wire::{object, read_object, words};

/// What an app asks for in its user's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssueRequest {
    /// The app's user who grants.
    pub user_id: UserId,
    /// What is granted; each must be in the catalogue.
    #[serde(deserialize_with = "crate::wire::some_of::<MAX_SCOPES, _, _>")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 500))]
    pub scopes: Vec<ScopeName>,
    /// How long, from now; absent or `null` is 30 days. Bounds are the engine's matter
    /// (`invalid_duration`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 60, maximum = 31_536_000, default = 2_592_000)
    )]
    pub duration_seconds: Option<i64>,
    /// "For ever", said aloud; excludes `duration_seconds`.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub until_revoked: bool,
    /// What the app says it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Text>,
    /// What the user says it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_intent: Option<Text>,
    /// How the app calls the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_label: Option<Label>,
    /// How the agent is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_label: Option<Label>,
    /// For whom the app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<OnBehalfOf>,
}
object!(IssueRequest);

/// 201: the connection token, for the human, shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssueAnswer {
    /// The connection, pending until its token is exchanged.
    pub connection_id: ConnectionId,
    /// The connection token.
    pub token: Secret,
    /// When the connection token dies.
    pub token_expires_at: Timestamp,
    /// What was granted.
    pub scopes: Vec<ScopeName>,
    /// When the grant ends; `null` is until revoked.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
}

/// A connection token against an access token, as the service reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExchangeRequest {
    /// The connection token.
    pub token: Presented,
    /// How the agent calls itself; fills an empty label only.
    #[serde(default)]
    pub agent_label: Option<Label>,
    /// Where the agent called from.
    #[serde(default)]
    pub agent_ip: Option<AgentIp>,
}
read_object!(ExchangeRequest);

/// The same request, as a client writes it.
#[derive(Clone, Copy, Serialize)]
pub struct ExchangeCall<'a> {
    /// The connection token, as it came.
    pub token: &'a str,
    /// How the agent calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_label: Option<&'a str>,
    /// Where the agent called from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_ip: Option<&'a str>,
}

/// 200: the access token, shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExchangeAnswer {
    /// What the agent calls with from now on.
    pub access_token: Secret,
    /// How it is sent.
    pub token_type: TokenType,
    /// Whole seconds until it ends, rounded down; absent where there is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub expires_in: Option<u64>,
    /// What was granted.
    pub scopes: Vec<ScopeName>,
    /// The same, separated by spaces (RFC 6749 section 5.1).
    pub scope: String,
    /// The connection.
    pub connection_id: ConnectionId,
    /// Whose account this is.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_label: Option<Label>,
    /// The app that let the agent in.
    pub app: AppCard,
}

words! {
    /// How a token is sent (RFC 6750).
    pub enum TokenType {
        /// In the header `Authorization`.
        Bearer = "Bearer",
    }
}

/// An app as agents see it: the `app` member of the discovery document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppCard {
    /// The app.
    pub id: AppId,
    /// What people call it.
    pub name: Label,
    /// What it is.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub description: Option<Text>,
    /// Its picture.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub logo_uri: Option<WebUrl>,
    /// Where its API is explained.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub documentation_uri: Option<WebUrl>,
    /// Where its API is described; the service itself does not know it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub openapi_uri: Option<WebUrl>,
}

/// The header `Idempotency-Key` of an exchange; only its hash is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(SecretHash);

impl IdempotencyKey {
    /// What is stored of it.
    pub const fn hash(&self) -> SecretHash {
        self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if (22..=64).contains(&text.len()) && text.bytes().all(is_plain) {
            return Ok(Self(SecretHash::of(text.as_bytes())));
        }
        Err(InvalidText::Rule("must have 22 to 64 characters of A-Za-z0-9_-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idempotency_keys_are_bounded_and_plain() {
        for text in ["a".repeat(22), "Z-_9".repeat(16)] {
            assert!(text.parse::<IdempotencyKey>().is_ok(), "{text}");
        }
        for text in ["a".repeat(21), "a".repeat(65), format!("{} ", "a".repeat(22))] {
            assert!(text.parse::<IdempotencyKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_end_that_is_not_there_is_absent() {
        let answer = ExchangeAnswer {
            access_token: Secret::mint(crate::secret::SecretKind::AccessToken, [1; 32]),
            token_type: TokenType::Bearer,
            expires_in: None,
            scopes: Vec::new(),
            scope: String::new(),
            connection_id: ConnectionId::from_bytes([1; 16]),
            user_label: None,
            app: AppCard {
                id: AppId::from_bytes([1; 16]),
                name: Label::new("Shop").unwrap(),
                description: None,
                logo_uri: None,
                documentation_uri: None,
                openapi_uri: None,
            },
        };
        let json = serde_json::to_string(&answer).unwrap();
        assert!(!json.contains("expires_in") && json.contains(r#""user_label":null"#), "{json}");
        assert!(json.contains(r#""token_type":"Bearer""#));
        assert!(!format!("{answer:?}").contains(answer.access_token.expose()));
    }
}
