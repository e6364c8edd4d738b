//! What may be granted: scopes that exist, a duration that was said (PROTOCOL, issue).

use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::settings::{Issuance, Settings};
use agentadmit_protocol::time::Timestamp;

use crate::app::{App, CatalogueScope};
use crate::connection::GrantedScope;
use crate::plan;
use crate::refusal::Refusal;

/// How long a grant holds, as the request says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// So many seconds.
    Seconds(i64),
    /// Until somebody revokes it; said aloud.
    UntilRevoked,
}

/// Thirty days: the duration of a grant that names none.
pub const DEFAULT_DURATION_SECONDS: i64 = 2_592_000;
/// The shortest duration of a grant.
pub const MIN_DURATION_SECONDS: i64 = 60;
/// The longest duration of a grant: 365 days.
pub const MAX_DURATION_SECONDS: i64 = 31_536_000;

impl Lifetime {
    /// The lifetime that a request asks for.
    ///
    /// # Errors
    /// `invalid_duration` for a duration out of bounds, or beside `until_revoked`.
    pub fn from_request(
        duration_seconds: Option<i64>,
        until_revoked: bool,
    ) -> Result<Self, Refusal> {
        match (duration_seconds, until_revoked) {
            (Some(_), true) => Err(invalid_duration(
                "`duration_seconds` and `until_revoked` exclude each other: send one of them",
            )),
            (None, true) => Ok(Self::UntilRevoked),
            (Some(MIN_DURATION_SECONDS..=MAX_DURATION_SECONDS) | None, false) => {
                Ok(Self::Seconds(duration_seconds.unwrap_or(DEFAULT_DURATION_SECONDS)))
            }
            (Some(_), false) => Err(invalid_duration(
                "`duration_seconds` must be a whole number from 60 to 31536000",
            )),
        }
    }

    /// The end of a grant made at `created_at`; `None` is until revoked.
    ///
    /// # Errors
    /// `invalid_duration` where the app does not allow grants without an end.
    pub fn end(
        self,
        created_at: Timestamp,
        settings: &Settings,
    ) -> Result<Option<Timestamp>, Refusal> {
        match self {
            Self::Seconds(seconds) => Ok(Some(created_at.plus_seconds(seconds))),
            Self::UntilRevoked if settings.allow_until_revoked => Ok(None),
            Self::UntilRevoked => Err(Refusal::new(
                ErrorCode::InvalidDuration,
                "this app does not allow grants without an end: send `duration_seconds`",
            )
            .field("until_revoked")),
        }
    }
}

fn invalid_duration(description: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidDuration, description).field("duration_seconds")
}

/// When a connection token made now dies: after the app's minutes, never after the grant's end.
pub fn token_end(
    created_at: Timestamp,
    grant_end: Option<Timestamp>,
    settings: &Settings,
) -> Timestamp {
    let end = created_at.plus_seconds(i64::from(settings.connection_token_minutes) * 60);
    grant_end.map_or(end, |grant_end| end.min(grant_end))
}

/// The scopes of a grant, each found in the catalogue.
///
/// # Errors
/// `invalid_scope`, naming what the catalogue lacks, and a repeated name.
pub fn granted_scopes(
    requested: &[ScopeName],
    catalogue: &[CatalogueScope],
) -> Result<Vec<GrantedScope>, Refusal> {
    if requested.is_empty() {
        return Err(invalid_scope("name at least one scope".to_owned()));
    }
    let mut granted: Vec<GrantedScope> = Vec::with_capacity(requested.len());
    let mut unknown: Vec<&str> = Vec::new();
    for name in requested {
        if granted.iter().any(|scope| scope.name == *name) {
            return Err(invalid_scope(format!("the scope `{name}` is named twice")));
        }
        match catalogue.iter().find(|entry| entry.scope.name == *name) {
            Some(entry) => granted.push(GrantedScope { id: entry.id, name: name.clone() }),
            None => unknown.push(name.as_str()),
        }
    }
    if unknown.is_empty() {
        return Ok(granted);
    }
    Err(invalid_scope(format!(
        "not in the app's catalogue: {}; push it with `agentadmit sync` or PUT /v1/apps/{{app_id}}/scopes",
        unknown.join(", ")
    )))
}

fn invalid_scope(description: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidScope, description).field("scopes")
}

/// Whether this app may issue by itself in this environment now.
///
/// # Errors
/// `hosted_consent_required` where users grant on the hosted page only; else as [`may_be_granted`].
pub fn may_issue(
    app: &App,
    environment: Environment,
    live_requires_plan: bool,
) -> Result<(), Refusal> {
    if environment == Environment::Live && app.settings.issuance == Issuance::Hosted {
        return Err(Refusal::new(
            ErrorCode::HostedConsentRequired,
            "this app's users grant on the hosted consent page: open a consent session instead",
        ));
    }
    may_be_granted(app, environment, live_requires_plan)
}

/// Whether users may grant something to agents of this app in this environment now, in whatever way.
///
/// # Errors
/// `subscription_required` where the service demands a plan and the app has none.
pub fn may_be_granted(
    app: &App,
    environment: Environment,
    live_requires_plan: bool,
) -> Result<(), Refusal> {
    let needs_plan = environment == Environment::Live && live_requires_plan;
    if needs_plan && !plan::allows_live_issue(&app.plan) {
        return Err(subscription_required(app));
    }
    Ok(())
}

/// The refusal of what needs a plan.
pub fn subscription_required(app: &App) -> Refusal {
    let mut refusal = Refusal::new(
        ErrorCode::SubscriptionRequired,
        "the live environment of this app needs a plan; test keys always work",
    );
    refusal.billing_url.clone_from(&app.plan.billing_url);
    refusal
}
