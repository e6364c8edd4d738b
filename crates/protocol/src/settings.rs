//! What an operator sets for an app: its settings and its plan (PROTOCOL, Operator API).

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::oauth::ResourceUri;
use crate::text::{Label, ValidText};
use crate::url_text::{RedirectUri, WebUrl};
use crate::wire::{bounded, object, words};

words! {
    /// Who may ask a user for a grant.
    #[derive(Default)]
    pub enum Issuance {
        /// The app itself, with its key.
        #[default]
        App = "app",
        /// Live grants only on the service's consent page.
        Hosted = "hosted",
    }
}

words! {
    /// What a replayed connection token does to its connection.
    #[derive(Default)]
    pub enum OnReplay {
        /// The connection is revoked.
        #[default]
        Revoke = "revoke",
        /// The replay is refused and the connection lives on.
        Refuse = "refuse",
    }
}

words! {
    /// Whether a verify must name the scope that it is for.
    #[derive(Default)]
    pub enum ScopeUsed {
        /// A verify without it passes.
        #[default]
        Optional = "optional",
        /// A verify without it is refused.
        Required = "required",
    }
}

bounded! {
    /// Days after which an unused connection expires.
    IdleDays: 1..=365, 90, "Days after which an unused connection expires."
}

bounded! {
    /// Minutes that a connection token lives.
    ConnectionTokenMinutes: 1..=10, 10, "Minutes that a connection token lives."
}

/// The highest rate that can be set; more than one node can serve is no limit.
const MAX_RATE: u32 = 1_000_000;
/// The most redirect addresses of an app.
const MAX_REDIRECT_URIS: usize = 20;
/// The most resources of an app.
const MAX_RESOURCES: usize = 20;

/// An address that OAuth clients name an app and environment by (RFC 8707).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resource {
    /// The address of the app's API or MCP server. No two apps of a service have the same one.
    pub uri: ResourceUri,
    /// The environment of what is granted for it.
    pub environment: Environment,
}
object!(Resource);

/// Calls per second; bursts are twice the rate, `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RateLimits {
    /// Of one API key, or one public key.
    #[cfg_attr(feature = "openapi", schema(required, minimum = 1, maximum = 1_000_000))]
    pub per_key_per_second: Option<u32>,
    /// Of one connection.
    #[cfg_attr(feature = "openapi", schema(required, minimum = 1, maximum = 1_000_000))]
    pub per_connection_per_second: Option<u32>,
}
object!(RateLimits);

impl Default for RateLimits {
    fn default() -> Self {
        Self { per_key_per_second: Some(2_000), per_connection_per_second: Some(50) }
    }
}

/// An app's settings, complete. Also the row that a store keeps; requests send a
/// [`SettingsPatch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(no_recursion))]
pub struct Settings {
    /// Who may ask a user for a grant.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub issuance: Issuance,
    /// What a replayed connection token does.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub on_replay: OnReplay,
    /// Whether a verify must name its scope.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub scope_used: ScopeUsed,
    /// Whether a grant may last until it is revoked.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub allow_until_revoked: bool,
    /// Days after which an unused connection expires.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub idle_days: IdleDays,
    /// Minutes that a connection token lives.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub connection_token_minutes: ConnectionTokenMinutes,
    /// Calls per second.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub rate_limit: RateLimits,
    /// Where the consent page and the OAuth door may send a user back to.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub redirect_uris: Vec<RedirectUri>,
    /// Where the consent page sends a user to sign in.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub login_url: Option<WebUrl>,
    /// For developers and agents.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub documentation_uri: Option<WebUrl>,
    /// Shown beside the app's name.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub logo_uri: Option<WebUrl>,
    /// What OAuth clients name this app by. Rows of apps hold it behind all else: there were rows
    /// before it.
    #[serde(with = "crate::wire::not_in_rows")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub resources: Vec<Resource>,
}
object!(Settings);

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuance: Issuance::default(),
            on_replay: OnReplay::default(),
            scope_used: ScopeUsed::default(),
            allow_until_revoked: true,
            idle_days: IdleDays::default(),
            connection_token_minutes: ConnectionTokenMinutes::default(),
            rate_limit: RateLimits::default(),
            redirect_uris: Vec::new(),
            login_url: None,
            documentation_uri: None,
            logo_uri: None,
            resources: Vec::new(),
        }
    }
}

/// Some of an app's settings: what is absent stays (in a new app: is the default).
///
/// `null` takes away an address or a limit; for every other member it is as good as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingsPatch {
    /// Who may ask a user for a grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuance: Option<Issuance>,
    /// What a replayed connection token does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_replay: Option<OnReplay>,
    /// Whether a verify must name its scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_used: Option<ScopeUsed>,
    /// Whether a grant may last until it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_until_revoked: Option<bool>,
    /// Days after which an unused connection expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_days: Option<IdleDays>,
    /// Minutes that a connection token lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_token_minutes: Option<ConnectionTokenMinutes>,
    /// Calls per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitsPatch>,
    /// Replaces the whole list; at most 20 distinct addresses.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "redirect_uris")]
    #[cfg_attr(feature = "openapi", schema(max_items = 20))]
    pub redirect_uris: Option<Vec<RedirectUri>>,
    /// Where the consent page sends a user to sign in.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::wire::nullable")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<WebUrl>))]
    pub login_url: Option<Option<WebUrl>>,
    /// For developers and agents.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::wire::nullable")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<WebUrl>))]
    pub documentation_uri: Option<Option<WebUrl>>,
    /// Shown beside the app's name.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::wire::nullable")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<WebUrl>))]
    pub logo_uri: Option<Option<WebUrl>>,
    /// Replaces the whole list; at most 20 distinct addresses.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "resources")]
    #[cfg_attr(feature = "openapi", schema(max_items = 20))]
    pub resources: Option<Vec<Resource>>,
}
object!(SettingsPatch);

/// Some of an app's rates; `null` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RateLimitsPatch {
    /// Of one API key, or one public key.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "rate")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000))]
    pub per_key_per_second: Option<Option<u32>>,
    /// Of one connection.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "rate")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000))]
    pub per_connection_per_second: Option<Option<u32>>,
}
object!(RateLimitsPatch);

impl SettingsPatch {
    /// The settings after the change.
    #[must_use]
    pub fn apply(&self, settings: &Settings) -> Settings {
        let rates = self.rate_limit.unwrap_or_default();
        let before = settings.rate_limit;
        let address = |change: &Option<Option<WebUrl>>, kept: &Option<WebUrl>| match change {
            Some(address) => address.clone(),
            None => kept.clone(),
        };
        Settings {
            issuance: self.issuance.unwrap_or(settings.issuance),
            on_replay: self.on_replay.unwrap_or(settings.on_replay),
            scope_used: self.scope_used.unwrap_or(settings.scope_used),
            allow_until_revoked: self.allow_until_revoked.unwrap_or(settings.allow_until_revoked),
            idle_days: self.idle_days.unwrap_or(settings.idle_days),
            connection_token_minutes: self
                .connection_token_minutes
                .unwrap_or(settings.connection_token_minutes),
            rate_limit: RateLimits {
                per_key_per_second: rates.per_key_per_second.unwrap_or(before.per_key_per_second),
                per_connection_per_second: rates
                    .per_connection_per_second
                    .unwrap_or(before.per_connection_per_second),
            },
            redirect_uris: self.redirect_uris.as_ref().unwrap_or(&settings.redirect_uris).clone(),
            login_url: address(&self.login_url, &settings.login_url),
            documentation_uri: address(&self.documentation_uri, &settings.documentation_uri),
            logo_uri: address(&self.logo_uri, &settings.logo_uri),
            resources: self.resources.as_ref().unwrap_or(&settings.resources).clone(),
        }
    }
}

#[expect(clippy::option_option, reason = "absent, null and a value are three different things")]
fn rate<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<u32>>, D::Error> {
    match Option::<i64>::deserialize(deserializer)? {
        None => Ok(Some(None)),
        Some(rate) => match u32::try_from(rate) {
            Ok(rate @ 1..=MAX_RATE) => Ok(Some(Some(rate))),
            _ => Err(serde::de::Error::custom(
                "must be a whole number from 1 to 1000000, or null for no limit",
            )),
        },
    }
}

fn redirect_uris<'de, D>(deserializer: D) -> Result<Option<Vec<RedirectUri>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let uris = Option::<Vec<RedirectUri>>::deserialize(deserializer)?;
    let list = uris.as_deref().unwrap_or_default();
    let repeats = |(index, uri)| list.iter().take(index).any(|earlier| earlier == uri);
    if list.len() > MAX_REDIRECT_URIS || list.iter().enumerate().any(repeats) {
        return Err(serde::de::Error::custom("must be at most 20 addresses, each named once"));
    }
    Ok(uris)
}

fn resources<'de, D>(deserializer: D) -> Result<Option<Vec<Resource>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let resources = Option::<Vec<Resource>>::deserialize(deserializer)?;
    let list = resources.as_deref().unwrap_or_default();
    let repeats = |(index, resource): (usize, &Resource)| {
        list.iter().take(index).any(|earlier| earlier.uri.key() == resource.uri.key())
    };
    if list.len() > MAX_RESOURCES || list.iter().enumerate().any(repeats) {
        return Err(serde::de::Error::custom("must be at most 20 addresses, each named once"));
    }
    Ok(resources)
}

words! {
    /// Where an app's plan stands.
    #[derive(Default)]
    pub enum PlanStatus {
        /// There is no plan.
        #[default]
        None = "none",
        /// Being tried out.
        Trial = "trial",
        /// Paid.
        Active = "active",
        /// A payment is late.
        PastDue = "past_due",
        /// Ended.
        Cancelled = "cancelled",
    }
}

words! {
    /// What happens to live calls beyond the plan's limit.
    #[derive(Default)]
    pub enum OnLimit {
        /// They pass and are counted.
        #[default]
        Overage = "overage",
        /// They are refused: 403 `limit_exceeded`.
        Refuse = "refuse",
    }
}

words! {
    /// The time after which a plan's count starts again.
    #[derive(Default)]
    pub enum PlanPeriod {
        /// The calendar month in UTC.
        #[default]
        Month = "month",
    }
}

/// What an app pays for. The request of `PUT …/plan`, and the row that a store keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    /// What the plan is called.
    pub name: Label,
    /// Where it stands.
    pub status: PlanStatus,
    /// Live calls per period; `null` is no limit.
    #[serde(deserialize_with = "call_limit")]
    #[cfg_attr(
        feature = "openapi",
        schema(required, minimum = 0, maximum = 9_007_199_254_740_991_i64)
    )]
    pub call_limit: Option<u64>,
    /// When the count starts again.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    pub period: PlanPeriod,
    /// What happens beyond the limit.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    pub on_limit: OnLimit,
    /// Where it is paid.
    #[serde(default)]
    pub billing_url: Option<WebUrl>,
}
object!(Plan);

impl Default for Plan {
    /// No plan, and so no limit.
    fn default() -> Self {
        Self {
            name: Label::wrap("none".into()),
            status: PlanStatus::None,
            call_limit: None,
            period: PlanPeriod::Month,
            on_limit: OnLimit::Overage,
            billing_url: None,
        }
    }
}

/// The largest whole number that every JSON reader keeps exact (RFC 8259 section 6).
const MAX_EXACT: u64 = 9_007_199_254_740_991;

fn call_limit<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(deserializer)? {
        Some(limit) if limit > MAX_EXACT => Err(serde::de::Error::custom(
            "must be a whole number from 0 to 9007199254740991, or null for no limit",
        )),
        limit => Ok(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        assert_eq!(
            serde_json::to_value(Settings::default()).unwrap(),
            serde_json::json!({
                "issuance": "app", "on_replay": "revoke", "scope_used": "optional",
                "allow_until_revoked": true, "idle_days": 90, "connection_token_minutes": 10,
                "rate_limit": {"per_key_per_second": 2000, "per_connection_per_second": 50},
                "redirect_uris": [], "login_url": null, "documentation_uri": null, "logo_uri": null,
                "resources": [],
            })
        );
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let patch: SettingsPatch = serde_json::from_str(
            r#"{"idle_days":365,"issuance":null,"login_url":"https://a.example/login",
                "rate_limit":{"per_key_per_second":null}}"#,
        )
        .unwrap();
        let settings = patch.apply(&Settings::default());
        assert_eq!(settings.idle_days.get(), 365);
        assert_eq!(settings.issuance, Issuance::App);
        assert_eq!(settings.rate_limit.per_key_per_second, None);
        assert_eq!(settings.rate_limit.per_connection_per_second, Some(50));
        let patch: SettingsPatch = serde_json::from_str(r#"{"login_url":null}"#).unwrap();
        assert_eq!(patch.apply(&settings).login_url, None);
        assert_eq!(SettingsPatch::default().apply(&settings), settings);
    }

    #[test]
    fn bounds_and_unknown_settings_are_errors() {
        for json in [
            r#"{"idle_days":0}"#,
            r#"{"idle_days":366}"#,
            r#"{"idle_days":-1}"#,
            r#"{"idle_days":1.5}"#,
            r#"{"idle_days":99999999999}"#,
            r#"{"connection_token_minutes":11}"#,
            r#"{"rate_limit":{"per_key_per_second":0}}"#,
            r#"{"rate_limit":{"per_key":1}}"#,
            r#"{"rate_limit":[1,2]}"#,
            r#"{"login_url":"http://app.example"}"#,
            r#"{"redirect_uris":["https://a.example/","https://a.example/"]}"#,
            r#"{"resources":[{"uri":"https://a.example/","environment":"test"},
                {"uri":"https://a.example","environment":"live"}]}"#,
            r#"{"resources":[{"uri":"https://a.example/#x","environment":"test"}]}"#,
            r#"{"resources":[{"uri":"https://a.example/"}]}"#,
            r#"{"issuance":"both"}"#,
            r#"{"issuance":{"app":null}}"#,
            r#"{"idle_day":1}"#,
        ] {
            assert!(serde_json::from_str::<SettingsPatch>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_plan_says_its_limit_aloud() {
        let plan: Plan =
            serde_json::from_str(r#"{"name":"pro","status":"active","call_limit":null}"#).unwrap();
        assert_eq!((plan.call_limit, plan.on_limit), (None, OnLimit::Overage));
        for json in [
            r#"{"name":"pro","status":"active"}"#,
            r#"{"name":"pro","status":"active","call_limit":-1}"#,
            r#"{"name":"pro","status":"active","call_limit":9007199254740992}"#,
        ] {
            assert!(serde_json::from_str::<Plan>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let settings =
            Settings { login_url: WebUrl::new("https://a.example").ok(), ..Settings::default() };
        let row = postcard::to_allocvec(&settings).unwrap();
        assert_eq!(postcard::from_bytes::<Settings>(&row).unwrap(), settings);
        let resource =
            serde_json::from_str(r#"{"uri":"https://a.example/mcp","environment":"test"}"#);
        let with = Settings { resources: vec![resource.unwrap()], ..settings.clone() };
        assert_eq!(postcard::to_allocvec(&with).unwrap(), row, "they stand behind the app");
        let row = postcard::to_allocvec(&Plan::default()).unwrap();
        assert_eq!(postcard::from_bytes::<Plan>(&row).unwrap(), Plan::default());
    }
}
