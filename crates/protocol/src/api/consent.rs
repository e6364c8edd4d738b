//! `POST /v1/apps/{app_id}/consent-sessions`: the hosted consent page, opened for one user.

use serde::{Deserialize, Serialize};

use crate::audit::OnBehalfOf;
use crate::id::{ConnectionId, ConsentSessionId};
use crate::scope::{MAX_SCOPES, ScopeName};
use crate::text::{InvalidText, Label, Text, UserId, texts};
use crate::time::Timestamp;
use crate::url_text::RedirectUri;
use crate::wire::object;

/// The most durations that one session offers.
pub const MAX_DURATIONS: usize = 20;
/// The most prompt templates of one session.
pub const MAX_PROMPT_TEMPLATES: usize = 50;

texts! {
    /// A language tag (RFC 5646), such as `en` or `ar-EG`: at most 35 characters.
    Locale, "a language tag", locale,
        crate::schema::pattern(
            "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
            "A language tag (RFC 5646), at most 35 characters.",
            "ar-EG",
        );
}

fn locale(text: &str) -> Result<(), InvalidText> {
    const RULE: InvalidText =
        InvalidText::Rule("must be a language tag of at most 35 characters, such as en or ar-EG");
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let is_language =
        matches!(language.len(), 2..=3) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_part = |part: &str| {
        matches!(part.len(), 2..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if text.len() <= 35 && is_language && parts.all(is_part) { Ok(()) } else { Err(RULE) }
}

/// A text that people start an agent with; `{field}` stands for what they fill in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PromptTemplate {
    /// What it is called.
    pub name: Label,
    /// The text.
    pub text: Text,
    /// The scopes that it needs; it is shown when all of them are granted.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(max_items = 50))]
    pub scopes: Vec<ScopeName>,
}
object!(PromptTemplate);

/// A duration that the user may choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OfferedDuration {
    /// The app's own words; without them the page has its own.
    #[serde(default)]
    pub label: Option<Label>,
    /// How long, from the user's yes on; `null` is until revoked. Bounds are the engine's matter
    /// (`invalid_duration`).
    #[serde(deserialize_with = "crate::wire::present")]
    #[cfg_attr(feature = "openapi", schema(required, minimum = 60, maximum = 31_536_000))]
    pub seconds: Option<i64>,
}
object!(OfferedDuration);

/// What the page asks the user for: a new grant (`user_id`), or more for a connection that there is
/// (`connection_id`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsentSessionRequest {
    /// The app's user who is asked. Beside `connection_id`: whose connection it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// How the app calls the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_label: Option<Label>,
    /// What the user may choose from; absent is the whole catalogue but its `admin` scopes.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_SCOPES, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<ScopeName>>, max_items = 500))]
    pub scopes: Vec<ScopeName>,
    /// What of it is chosen when the page opens; nothing sensitive.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_SCOPES, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<ScopeName>>, max_items = 500))]
    pub preselected: Vec<ScopeName>,
    /// For how long the user may choose to grant, in this order; absent is the page's own list.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_DURATIONS, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<OfferedDuration>>, max_items = 20))]
    pub durations: Vec<OfferedDuration>,
    /// The connection that shall be allowed more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// With `connection_id`: the scopes that are asked for on top.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_SCOPES, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<ScopeName>>, max_items = 500))]
    pub add_scopes: Vec<ScopeName>,
    /// With `connection_id`: how long it shall live from the user's yes on. Bounds are the engine's
    /// matter (`invalid_duration`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 60, maximum = 31_536_000))]
    pub duration_seconds: Option<i64>,
    /// What the app says it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Text>,
    /// Where the user goes back to: one of the app's `redirect_uris`, byte by byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_url: Option<RedirectUri>,
    /// The page's language; else the browser's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// Texts to start the agent with, shown beside the token.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_PROMPT_TEMPLATES, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<PromptTemplate>>, max_items = 50))]
    pub prompt_templates: Vec<PromptTemplate>,
    /// For whom the app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<OnBehalfOf>,
}
object!(ConsentSessionRequest);

/// 201: where to send the user's browser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsentSessionAnswer {
    /// The session.
    pub session_id: ConsentSessionId,
    /// The page's address, for one browser, once.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub session_url: String,
    /// When the session ends, decided or not.
    pub expires_at: Timestamp,
}

impl core::fmt::Debug for ConsentSessionAnswer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ConsentSessionAnswer")
            .field("session_id", &self.session_id)
            .field("session_url", &"redacted")
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_not_printed() {
        let answer = ConsentSessionAnswer {
            session_id: ConsentSessionId::from_bytes([1; 16]),
            session_url: "https://service.example/consent/cs_x?code=secret".to_owned(),
            expires_at: Timestamp::from_millis(0),
        };
        assert!(!format!("{answer:?}").contains("secret"));
    }

    #[test]
    fn language_tags_are_bounded() {
        for text in ["en", "ar-EG", "zh-Hant-TW", "haw"] {
            assert!(Locale::new(text).is_ok(), "{text}");
        }
        for text in ["", "e", "english", "en_GB", "en-", "en-x", "1a", "en-é", "*"] {
            assert!(Locale::new(text).is_err(), "{text}");
        }
        assert!(Locale::new("en-aaaaaaaa-bbbbbbbb-cccccccc-dddddddd").is_err());
    }
}
