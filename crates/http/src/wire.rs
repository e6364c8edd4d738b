//! Rows of the domain, written as answers.

use agentadmit_core::app::{App, DayUsage};
use agentadmit_core::connection::{Connection, State, Status};
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_engine::cursor::Cursor;
use agentadmit_engine::query::{self, Usage};
use agentadmit_engine::verbs::revoke::Revoked;
use agentadmit_protocol::api::connections::{
    ConnectionStatus, ConnectionView, OperatorConnectionView,
};
use agentadmit_protocol::api::operator::{AppView, KeyView, OperatorAccess, OperatorView};
use agentadmit_protocol::api::public_keys::{
    Base64Url, KeyAlgorithm, KeyType, KeyUse, PublicJwk, PublicKeyView,
};
use agentadmit_protocol::api::query::Cursor as CursorText;
use agentadmit_protocol::api::revoke::{RevokeAnswer, RevokedStatus};
use agentadmit_protocol::api::token::AppCard;
use agentadmit_protocol::api::usage::{Day, DayCalls, LabelUsage, PlanUsage, UsageAnswer};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::secret::SecretKind;
use agentadmit_protocol::settings::Plan;
use agentadmit_protocol::text::{Label, Text};
use agentadmit_protocol::time::Timestamp;

use crate::error::{Answer, ApiError};

/// A text of a row. It was checked when it was written; a row that breaks the rule is damage.
fn stored<T: std::str::FromStr>(text: &str) -> Answer<T> {
    text.parse().map_err(|_| {
        tracing::error!("a row holds a text that breaks its own rule");
        ApiError::internal()
    })
}

fn stored_option<T: std::str::FromStr>(text: Option<&str>) -> Answer<Option<T>> {
    text.map(stored).transpose()
}

/// The status that a list filters by.
pub(crate) const fn status_filter(status: ConnectionStatus) -> Status {
    match status {
        ConnectionStatus::Pending => Status::Pending,
        ConnectionStatus::Active => Status::Active,
        ConnectionStatus::Revoked => Status::Revoked,
        ConnectionStatus::Expired => Status::Expired,
    }
}

const fn status(status: Status) -> ConnectionStatus {
    match status {
        Status::Pending => ConnectionStatus::Pending,
        Status::Active => ConnectionStatus::Active,
        Status::Revoked => ConnectionStatus::Revoked,
        Status::Expired => ConnectionStatus::Expired,
    }
}

/// A connection as its app sees it.
pub(crate) fn connection(view: query::ConnectionView) -> ConnectionView {
    let query::ConnectionView { connection, standing, scopes, activity } = view;
    let revoked_by = match &connection.state {
        State::Revoked { by, .. } => Some(*by),
        _ => None,
    };
    let revoked_at = match standing {
        agentadmit_core::connection::Standing::Revoked(at) => Some(at),
        _ => None,
    };
    ConnectionView {
        connection_id: connection.id,
        status: status(standing.status()),
        scopes,
        exchanged_at: connection.exchanged_at(),
        user_id: connection.user_id,
        user_label: connection.user_label,
        agent_label: connection.agent_label,
        purpose: connection.purpose,
        user_intent: connection.user_intent,
        created_at: connection.created_at,
        last_used_at: activity.last_used_at,
        expires_at: connection.expires_at,
        revoked_at,
        revoked_by,
        calls: activity.calls,
    }
}

/// A connection as an operator sees it.
pub(crate) fn operator_connection(view: query::ConnectionView) -> OperatorConnectionView {
    let Connection { tenant, suspended, .. } = view.connection;
    OperatorConnectionView {
        app_id: tenant.app_id,
        environment: tenant.environment,
        suspended,
        connection: connection(view),
    }
}

/// What a revocation did, where one connection was named.
pub(crate) fn revoked_connection(revoked: Revoked) -> RevokeAnswer {
    RevokeAnswer {
        connection_id: revoked.connection_id,
        count: None,
        apps: None,
        status: RevokedStatus::Revoked,
        revoked_at: revoked.at,
    }
}

/// What a revocation did, where a user or an app was named.
pub(crate) fn revoked_many(revoked: Revoked) -> RevokeAnswer {
    RevokeAnswer {
        connection_id: None,
        count: Some(revoked.count),
        apps: None,
        status: RevokedStatus::Revoked,
        revoked_at: revoked.at,
    }
}

/// An app as an agent sees it.
pub(crate) fn app_card(app: &App) -> Answer<AppCard> {
    Ok(AppCard {
        id: app.id,
        name: stored::<Label>(&app.name)?,
        description: stored_option::<Text>(app.description.as_deref())?,
        logo_uri: app.settings.logo_uri.clone(),
        documentation_uri: app.settings.documentation_uri.clone(),
        // the service does not know where the app's API is described; the app's own document does
        openapi_uri: None,
    })
}

/// An app as an operator sees it.
pub(crate) fn app(app: App) -> Answer<AppView> {
    Ok(AppView {
        app_id: app.id,
        name: stored(&app.name)?,
        description: stored_option(app.description.as_deref())?,
        settings: app.settings,
        plan: app.plan,
        created_at: app.created_at,
        deleted_at: app.deleted_at,
    })
}

/// An API key as an operator sees it. Only its hash is known, so nothing of the secret is shown.
pub(crate) fn api_key(key: &ApiKey, last_used_at: Option<Timestamp>) -> Answer<KeyView> {
    let kind = match key.environment {
        Environment::Test => SecretKind::ApiKeyTest,
        Environment::Live => SecretKind::ApiKeyLive,
    };
    Ok(KeyView {
        key_id: key.id,
        masked: format!("{}…", kind.prefix()),
        environment: key.environment,
        permissions: key.permissions,
        name: stored_option(key.name.as_deref())?,
        created_at: key.created_at,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
        last_used_at,
    })
}

/// A public key as an operator sees it.
pub(crate) fn public_key(key: &PublicKey) -> Answer<PublicKeyView> {
    Ok(PublicKeyView {
        key_id: key.id,
        kid: stored::<Base64Url>(&key.kid)?,
        environment: key.environment,
        permissions: key.permissions,
        created_at: key.created_at,
    })
}

/// A public key as anyone sees it.
pub(crate) fn jwk(key: &PublicKey) -> Answer<PublicJwk> {
    Ok(PublicJwk {
        kty: KeyType::Rsa,
        usage: KeyUse::Sig,
        alg: KeyAlgorithm::Rs256,
        kid: stored(&key.kid)?,
        n: stored(&key.n)?,
        e: stored(&key.e)?,
    })
}

/// What an operator token may do.
pub(crate) const fn access(operator: &Operator) -> OperatorAccess {
    if operator.billing_only { OperatorAccess::Billing } else { OperatorAccess::Full }
}

/// An operator.
pub(crate) fn operator(operator: &Operator) -> Answer<OperatorView> {
    Ok(OperatorView {
        operator_id: operator.id,
        name: name(operator.name.as_deref())?,
        access: access(operator),
        created_at: operator.created_at,
        expires_at: operator.expires_at,
        revoked_at: operator.revoked_at,
    })
}

/// The name of a key or an operator.
pub(crate) fn name(name: Option<&str>) -> Answer<Option<Label>> {
    stored_option(name)
}

/// Where the next page begins.
pub(crate) fn cursor(next: Option<Cursor>) -> Answer<Option<CursorText>> {
    stored_option(next.map(Cursor::to_text).as_deref())
}

/// What an environment used.
pub(crate) fn usage(usage: Usage) -> UsageAnswer {
    let plan = match usage.tenant.environment {
        Environment::Live => usage.app.plan.clone(),
        // test has its own count and no plan
        Environment::Test => Plan::default(),
    };
    let limit = plan.call_limit;
    let used = usage.calls_used;
    UsageAnswer {
        app_id: usage.tenant.app_id,
        environment: usage.tenant.environment,
        plan: PlanUsage {
            name: plan.name,
            status: plan.status,
            billing_url: plan.billing_url,
            call_limit: limit,
            calls_used: used,
            calls_remaining: limit.map(|limit| limit.saturating_sub(used)),
            period_start: usage.period.0,
            period_end: usage.period.1,
            overage_calls: limit.map_or(0, |limit| used.saturating_sub(limit)),
        },
        active_connections: usage.counts.active,
        total_connections: usage.counts.total(),
        breakdown: usage
            .labels
            .into_iter()
            .map(|(label, calls)| LabelUsage { label, calls })
            .collect(),
        series: usage.days.into_iter().map(day_calls).collect(),
    }
}

/// The calls of a day.
pub(crate) fn day_calls((day, used): (i32, DayUsage)) -> DayCalls {
    DayCalls { day: Day::from_number(day), allowed: used.allowed, refused: used.refused }
}
