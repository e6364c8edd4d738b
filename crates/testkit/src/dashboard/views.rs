//! The views of the dashboard: each with the request that its page sends, and the question behind it.

use agentadmit_core::app::Tenant;
use agentadmit_core::connection::Status;
use agentadmit_engine::query::{self, AuditFilter, ConnectionFilter};
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::{StoreError, Views};
use anyhow::{Result, anyhow};

use super::fill::{EVERYWHERE, Filled, tenant};

/// What a page of a list holds when nothing is said.
const PAGE: usize = 50;

/// Asks a store; says how many rows or records the answer has.
pub type Question =
    Box<dyn Fn(&mut dyn Views, Timestamp) -> Result<usize, StoreError> + Send + Sync>;

/// One request of a page.
pub struct View {
    /// What is looked at.
    pub name: &'static str,
    /// The request's path and query.
    pub path: String,
    /// The same, asked of the store.
    pub question: Question,
}

fn view(
    name: &'static str,
    path: impl Into<String>,
    question: impl Fn(&mut dyn Views, Timestamp) -> Result<usize, StoreError> + Send + Sync + 'static,
) -> View {
    View { name, path: path.into(), question: Box::new(question) }
}

fn connections(
    name: &'static str,
    query: &str,
    filter: ConnectionFilter,
    before: Option<ConnectionId>,
) -> View {
    view(name, format!("/v1/operator/connections?limit=50{query}"), move |views, now| {
        Ok(query::connections(views, &filter, before, PAGE, now)?.connections.len())
    })
}

fn audit(name: &'static str, query: &str, filter: AuditFilter) -> View {
    view(name, format!("/v1/operator/audit?limit=50{query}"), move |views, _| {
        Ok(query::audit(views, &filter, None, PAGE)?.records.len())
    })
}

/// Every view, on a store that was filled so.
///
/// # Errors
/// None in practice: the texts are constant.
pub fn all(filled: &Filled) -> Result<Vec<View>> {
    let everywhere: UserId = EVERYWHERE.parse().map_err(|why| anyhow!("{EVERYWHERE}: {why}"))?;
    let mut views = totals(filled);
    views.extend(lists(filled, &everywhere));
    views.extend(searches(filled, &everywhere));
    Ok(views)
}

fn totals(filled: &Filled) -> Vec<View> {
    let app_id = filled.app_id;
    let tenant: Tenant = tenant(app_id);
    vec![
        view("overview", "/v1/operator/overview", |views, now| {
            Ok(query::overview(views, None, 30, now)?.days.len())
        }),
        view("overview of 92 days", "/v1/operator/overview?days=92", |views, now| {
            Ok(query::overview(views, None, 92, now)?.days.len())
        }),
        view("apps", "/v1/operator/apps?limit=50", |views, _| Ok(views.apps(None, PAGE)?.len())),
        view("an app's usage", format!("/v1/operator/apps/{app_id}/usage"), move |views, now| {
            let Some(app) = views.app(app_id)? else { return Ok(0) };
            Ok(query::usage(views, app, tenant, (None, None), now)?
                .map_or(0, |usage| usage.days.len()))
        }),
        view(
            "an app's keys, last use",
            format!("/v1/operator/apps/{app_id}/api-keys"),
            move |views, _| Ok(query::api_keys(views, app_id)?.map_or(0, |keys| keys.len())),
        ),
        view("an app's scopes", format!("/v1/operator/apps/{app_id}/scopes"), move |views, _| {
            Ok(views.catalogue(tenant)?.len())
        }),
    ]
}

fn lists(filled: &Filled, everywhere: &UserId) -> Vec<View> {
    let (app_id, id, user_id) = (filled.app_id, filled.connection_id, filled.user_id.clone());
    let everybody = ConnectionFilter::default;
    let of_status = |name, word: &str, status| {
        let filter = ConnectionFilter { status: Some(status), ..everybody() };
        connections(name, &format!("&status={word}"), filter, None)
    };
    let of_user = |name, user: &UserId| {
        let filter = ConnectionFilter { user_id: Some(user.clone()), ..everybody() };
        let user: String = url_encoded(user.as_str());
        connections(name, &format!("&user_id={user}"), filter, None)
    };
    let of_app = ConnectionFilter { app_id: Some(app_id), ..everybody() };
    let of_app_active = ConnectionFilter { status: Some(Status::Active), ..of_app.clone() };
    vec![
        connections("connections", "", everybody(), None),
        connections(
            "connections, from the middle on",
            &format!("&cursor={}", agentadmit_engine::cursor::Cursor::Connection(id).to_text()),
            everybody(),
            Some(id),
        ),
        of_status("connections that are active", "active", Status::Active),
        of_status("connections that are pending", "pending", Status::Pending),
        of_status("connections that were revoked", "revoked", Status::Revoked),
        of_status("connections that time ended", "expired", Status::Expired),
        connections("connections of an app", &format!("&app_id={app_id}"), of_app, None),
        connections(
            "  that are active",
            &format!("&app_id={app_id}&status=active"),
            of_app_active,
            None,
        ),
        of_user("connections of a person", &user_id),
        of_user("connections of the person in every app", everywhere),
        view("one connection", format!("/v1/operator/connections/{id}"), move |views, now| {
            Ok(query::connection(views, None, id, now)?.map_or(0, |_| 1))
        }),
        view("people", "/v1/operator/users?limit=50", |views, _| {
            Ok(query::people(views, "", None, PAGE)?.0.len())
        }),
        view("people by prefix", "/v1/operator/users?limit=50&prefix=user-00012", |views, _| {
            Ok(query::people(views, "user-00012", None, PAGE)?.0.len())
        }),
        view("the person in every app", "/v1/operator/users?prefix=everywhere", |views, _| {
            Ok(query::people(views, "everywhere", None, PAGE)?.0.len())
        }),
    ]
}

fn searches(filled: &Filled, everywhere: &UserId) -> Vec<View> {
    let (app_id, id, user_id) = (filled.app_id, filled.connection_id, &filled.user_id);
    let everything = AuditFilter::default;
    let user = url_encoded(user_id.as_str());
    let (everywhere, encoded) = (everywhere.clone(), url_encoded(everywhere.as_str()));
    vec![
        audit("newest records, as live activity asks", "", everything()),
        audit(
            "records of an app",
            &format!("&app_id={app_id}"),
            AuditFilter { app_id: Some(app_id), ..everything() },
        ),
        audit(
            "records of a connection",
            &format!("&connection_id={id}"),
            AuditFilter { connection_id: Some(id), ..everything() },
        ),
        audit(
            "records of a person",
            &format!("&user_id={user}"),
            AuditFilter { user_id: Some(user_id.clone()), ..everything() },
        ),
        audit(
            "records of the person in every app",
            &format!("&user_id={encoded}"),
            AuditFilter { user_id: Some(everywhere), ..everything() },
        ),
        audit(
            "revocations in all apps",
            "&event=connection_revoked",
            AuditFilter { event: Some(AuditEvent::ConnectionRevoked), ..everything() },
        ),
        audit(
            "new connections of an app",
            &format!("&app_id={app_id}&event=connection_created"),
            AuditFilter {
                app_id: Some(app_id),
                event: Some(AuditEvent::ConnectionCreated),
                ..everything()
            },
        ),
        audit(
            "what was refused in all apps",
            "&outcome=refused",
            AuditFilter { outcome: Some(Outcome::Refused), ..everything() },
        ),
        audit(
            "what an app's key did",
            &format!("&app_id={app_id}&actor=key:{}", filled.key_id),
            AuditFilter {
                app_id: Some(app_id),
                actor: Some(Actor::Key(filled.key_id)),
                ..everything()
            },
        ),
    ]
}

fn url_encoded(text: &str) -> String {
    text.replace('%', "%25").replace('@', "%40")
}
