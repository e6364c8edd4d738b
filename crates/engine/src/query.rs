//! Questions: what lists, searches and sums are made of. Each is asked on one snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::app::{App, ConnectionCounts, DayUsage, Tenant};
use agentadmit_core::connection::{Activity, Connection, Standing, Status};
use agentadmit_core::credential::ApiKey;
use agentadmit_core::plan;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AccountId, AppId, ConnectionId};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::verbs::Answered;
use agentadmit_store::{StoreError, Views};

use crate::cursor::Cursor;

use agentadmit_store::views::UserCount;
pub use agentadmit_store::views::{AuditFilter, ConnectionFilter};

/// The largest page of a list.
pub const MAX_PAGE: usize = 200;
/// The page of a list that names no size.
pub const DEFAULT_PAGE: usize = 50;

/// A connection as lists show it: the row, and what is true of it now.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionView {
    /// The row.
    pub connection: Connection,
    /// Where it stands.
    pub standing: Standing,
    /// The scopes that count now.
    pub scopes: Vec<ScopeName>,
    /// What its agent did.
    pub activity: Activity,
}

/// A page of connections.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionPage {
    /// Newest first.
    pub connections: Vec<ConnectionView>,
    /// How many the filter matches in all.
    pub total: u64,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// A connection and everything that is true of it at `now`.
///
/// # Errors
/// The store's.
pub fn view(
    views: &mut dyn Views,
    connection: Connection,
    now: Timestamp,
) -> Result<ConnectionView, StoreError> {
    let app = views.app(connection.tenant.app_id)?.ok_or_else(|| {
        StoreError::Corrupt(format!("the connection {} has no app", connection.id))
    })?;
    let activity = views.activity(connection.id)?;
    let environment = views.environment(connection.tenant)?;
    let scopes = connection.live_scopes(&environment).cloned().collect();
    let standing = connection.standing(&app, activity.last_used_at, now);
    Ok(ConnectionView { connection, standing, scopes, activity })
}

/// One connection of a tenant; `tenant` is `None` for operators.
///
/// # Errors
/// The store's.
pub fn connection(
    views: &mut dyn Views,
    tenant: Option<Tenant>,
    id: ConnectionId,
    now: Timestamp,
) -> Result<Answered<ConnectionView>, StoreError> {
    let found = views.connection(id)?;
    match found.filter(|found| tenant.is_none_or(|tenant| found.tenant == tenant)) {
        Some(found) => view(views, found, now).map(Ok),
        None => Ok(Err(Refusal::not_found("connection"))),
    }
}

/// A page of connections. The filter's status is held against what is true now: where time has ended
/// a connection a moment ago, a page may be shorter than its limit and still have a next one.
///
/// # Errors
/// The store's.
pub fn connections(
    views: &mut dyn Views,
    filter: &ConnectionFilter,
    before: Option<ConnectionId>,
    limit: usize,
    now: Timestamp,
) -> Result<ConnectionPage, StoreError> {
    let rows = views.connections(filter, before, limit)?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|last| Cursor::Connection(last.id));
    let mut connections = Vec::with_capacity(rows.len());
    for row in rows {
        let view = view(views, row, now)?;
        if filter.status.is_none_or(|status| status == view.standing.status()) {
            connections.push(view);
        }
    }
    Ok(ConnectionPage { connections, total: views.connection_total(filter)?, next })
}

/// A person and what can act for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id, as the apps say it.
    pub user_id: UserId,
    /// Apps with connections of theirs, whatever became of them.
    pub apps: u64,
    /// Connections that are pending or active.
    pub live: u64,
    /// Connections that there ever were.
    pub connections: u64,
}

/// People of all apps whose ids begin so, and whether there are more.
///
/// # Errors
/// The store's.
pub fn people(
    views: &mut dyn Views,
    prefix: &str,
    after: Option<&UserId>,
    limit: usize,
) -> Result<(Vec<Person>, bool), StoreError> {
    let mut users = views.users(prefix, after, limit.saturating_add(1))?;
    let is_more = users.len() > limit;
    users.truncate(limit);
    let counts = views.user_counts(&users)?;
    let mut people = Vec::with_capacity(users.len());
    for user_id in users {
        let (mut apps, mut live, mut connections) = (BTreeSet::new(), 0, 0);
        for count in counts.iter().filter(|count| count.user_id == user_id) {
            apps.insert(count.tenant.app_id);
            connections += count.rows.total();
            live += live_of(views, count)?;
        }
        let apps = u64::try_from(apps.len()).unwrap_or(u64::MAX);
        people.push(Person { user_id, apps, live, connections });
    }
    Ok((people, is_more))
}

/// How many of a user's rows are live, a mark on their app considered.
fn live_of(views: &mut dyn Views, count: &UserCount) -> Result<u64, StoreError> {
    let rows = count.rows.pending + count.rows.active;
    let app = views.app(count.tenant.app_id)?;
    match app {
        None => Ok(0),
        Some(app) if app.deleted_at.is_some() => Ok(0),
        Some(app) if app.revoked_before.is_some() && rows > 0 => {
            let mut live = 0;
            for status in [Status::Pending, Status::Active] {
                let (tenant, user_id) = (Some(count.tenant), Some(count.user_id.clone()));
                let filter =
                    ConnectionFilter { tenant, user_id, status: Some(status), app_id: None };
                live += views.connection_total(&filter)?;
            }
            Ok(live)
        }
        Some(_) => Ok(rows),
    }
}

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// Apps that are not deleted.
    pub apps: u64,
    /// Operators whose token is good.
    pub operators: u64,
    /// Connections by status.
    pub counts: ConnectionCounts,
    /// The day of today, and its calls.
    pub today: (i32, DayUsage),
    /// Refusals of today by code or reason, the most first.
    pub refusals: Vec<(String, u64)>,
    /// Calls per day.
    pub days: Vec<(i32, DayUsage)>,
}

/// Apps read at a time.
const APPS: usize = 1_000;

/// Everything at a glance, of one environment or of both: as much work as there are apps, however
/// many connections and records they have.
///
/// # Errors
/// The store's.
pub fn overview(
    views: &mut dyn Views,
    environment: Option<Environment>,
    days: i32,
    now: Timestamp,
) -> Result<Overview, StoreError> {
    let (mut apps, mut after) = (0, None);
    loop {
        let page = views.apps(after, APPS)?;
        apps += page.iter().filter(|app| app.deleted_at.is_none()).count();
        match page.last() {
            Some(last) if page.len() == APPS => after = Some(last.id),
            _ => break,
        }
    }
    let operators = views.operators()?.iter().filter(|operator| operator.is_good(now)).count();
    let today = plan::day(now);
    let days = views.all_usage(environment, today.saturating_sub(days - 1), today)?;
    let calls = days.iter().find(|(day, _)| *day == today).map(|(_, usage)| *usage);
    Ok(Overview {
        apps: u64::try_from(apps).unwrap_or(u64::MAX),
        operators: u64::try_from(operators).unwrap_or(u64::MAX),
        counts: views.all_connection_counts(environment)?,
        today: (today, calls.unwrap_or_default()),
        refusals: views.all_refusals(environment, today, today)?,
        days,
    })
}

/// Apps of which an account is a member, by id, after `after`, at most `limit`; deleted ones too. As many
/// look-ups as it has apps.
///
/// # Errors
/// The store's.
pub fn apps_of(
    views: &mut dyn Views,
    account_id: AccountId,
    after: Option<AppId>,
    limit: usize,
) -> Result<Vec<App>, StoreError> {
    let members = views.memberships_of(account_id)?;
    let wanted = members.iter().map(|member| member.app_id).filter(|id| Some(*id) > after);
    let mut apps = Vec::new();
    for app_id in wanted.take(limit) {
        apps.extend(views.app(app_id)?.map(Arc::unwrap_or_clone));
    }
    Ok(apps)
}

/// An API key, and when its newest record was written.
pub type UsedKey = (ApiKey, Option<Timestamp>);

/// The API keys of an app, oldest first.
///
/// # Errors
/// The store's.
pub fn api_keys(
    views: &mut dyn Views,
    app_id: AppId,
) -> Result<Answered<Vec<UsedKey>>, StoreError> {
    if views.app(app_id)?.is_none() {
        return Ok(Err(Refusal::not_found("app")));
    }
    let keys = views.api_keys(app_id)?.into_iter();
    keys.map(|key| views.key_last_used_at(key.id).map(|used| (key, used)))
        .collect::<Result<_, _>>()
        .map(Ok)
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordPage {
    /// Newest first.
    pub records: Vec<AuditRecord>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// A page of a search in the log.
///
/// # Errors
/// The store's.
pub fn audit(
    views: &mut dyn Views,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<RecordPage, StoreError> {
    let page = views.audit(filter, before, limit)?;
    Ok(RecordPage { records: page.records, next: page.next.map(Cursor::Log) })
}

/// The calls of an environment, with the plan they count against.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// The app, for its plan.
    pub app: Arc<App>,
    /// The environment.
    pub tenant: Tenant,
    /// Allowed calls in the plan's present period; 0 in the test environment's plan.
    pub calls_used: u64,
    /// The plan's present period.
    pub period: (Timestamp, Timestamp),
    /// Connections by status.
    pub counts: ConnectionCounts,
    /// Allowed calls per agent label.
    pub labels: Vec<(Option<String>, u64)>,
    /// Calls per day (days since the Unix epoch).
    pub days: Vec<(i32, DayUsage)>,
}

/// The most labels of a breakdown.
const MAX_LABELS: usize = 100;
/// The most days of a series.
pub const MAX_DAYS: i32 = 366;

/// The usage of a tenant from one moment's day to another's; both default to the plan's period.
///
/// # Errors
/// The store's.
pub fn usage(
    views: &mut dyn Views,
    app: Arc<App>,
    tenant: Tenant,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    now: Timestamp,
) -> Result<Answered<Usage>, StoreError> {
    let period = plan::period(now);
    let from = plan::day(from.unwrap_or(period.0));
    let to = plan::day(to.unwrap_or(now));
    if to < from || to - from >= MAX_DAYS {
        let text = "`to` must lie at or after `from`, and at most 366 days later";
        return Ok(Err(Refusal::new(ErrorCode::InvalidRequest, text).field("to")));
    }
    let used = views.usage(tenant, plan::day(period.0), plan::day(now))?;
    Ok(Ok(Usage {
        calls_used: used.iter().map(|(_, usage)| usage.allowed).sum(),
        period,
        counts: views.connection_counts(tenant)?,
        labels: views.usage_by_label(tenant, from, to, MAX_LABELS)?,
        days: views.usage(tenant, from, to)?,
        app,
        tenant,
    }))
}
