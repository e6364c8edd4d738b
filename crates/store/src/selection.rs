//! Which rows a list shows, and which records a search does.

use agentadmit_core::app::{App, ConnectionCounts, Tenant};
use agentadmit_core::connection::Status;
use agentadmit_protocol::audit::{Actor, AuditEvent, AuditRecord, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::text::{Text, UserId};
use agentadmit_protocol::time::Timestamp;

use crate::views::LogPosition;

/// Which connections a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Only this app's; `None` is every app's (operators).
    pub app_id: Option<AppId>,
    /// Only of one environment; `None` is both (operators).
    pub tenant: Option<Tenant>,
    /// Only this user's.
    pub user_id: Option<UserId>,
    /// Only those of this status, marks on their app considered (`Connection::status`).
    pub status: Option<Status>,
}

/// A user's connections in one environment of one app, counted by what their rows say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCount {
    /// The user.
    pub user_id: UserId,
    /// Where.
    pub tenant: Tenant,
    /// By status of the rows; marks on the app are not considered.
    pub rows: ConnectionCounts,
}

/// A part of a list of connections: rows of one status, between two ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// What the rows say.
    pub row_status: Status,
    /// Ids above this one.
    pub after: Option<ConnectionId>,
    /// Ids up to this one.
    pub up_to: Option<ConnectionId>,
}

impl ConnectionFilter {
    /// The environments that it names; `None` where it names no app.
    pub fn tenants(&self) -> Option<Vec<Tenant>> {
        let mut named = match (self.tenant, self.app_id) {
            (Some(tenant), _) => vec![tenant],
            (None, Some(app_id)) => Environment::ALL
                .iter()
                .map(|environment| Tenant::new(app_id, *environment))
                .collect(),
            (None, None) => return None,
        };
        named.retain(|tenant| self.app_id.is_none_or(|app_id| tenant.app_id == app_id));
        Some(named)
    }
}

impl Run {
    const ALL: [Self; 4] = [
        Self::of(Status::Pending),
        Self::of(Status::Active),
        Self::of(Status::Revoked),
        Self::of(Status::Expired),
    ];

    const fn of(row_status: Status) -> Self {
        Self { row_status, after: None, up_to: None }
    }
}

/// The rows of one app that a list of this status (`None`: of all) consists of.
///
/// A mark on the app revokes connections without a write to their rows. Ids begin with the time of
/// creation, so a mark divides each run in two: what is at or before it counts as revoked, whatever
/// the row still says.
pub fn runs(status: Option<Status>, app: Option<&App>) -> Vec<Run> {
    let Some(status) = status else { return Run::ALL.to_vec() };
    let is_deleted = app.is_some_and(|app| app.deleted_at.is_some());
    let marked = app.and_then(|app| app.revoked_before).map(last_id_at);
    let own = Run::of(status);
    match status {
        Status::Expired => vec![own],
        Status::Pending | Status::Active if is_deleted => Vec::new(),
        Status::Pending | Status::Active => vec![Run { after: marked, ..own }],
        Status::Revoked => {
            let mut runs = vec![own];
            if is_deleted || marked.is_some() {
                let up_to = marked.filter(|_| !is_deleted);
                runs.push(Run { up_to, ..Run::of(Status::Pending) });
                runs.push(Run { up_to, ..Run::of(Status::Active) });
            }
            runs
        }
    }
}

/// Whether a row of this status and id is shown as one of `status`, a mark on its app considered.
pub fn is_shown_as(status: Status, app: &App, row_status: Status, id: ConnectionId) -> bool {
    runs(Some(status), Some(app)).iter().any(|run| {
        run.row_status == row_status
            && run.after.is_none_or(|after| id > after)
            && run.up_to.is_none_or(|up_to| id <= up_to)
    })
}

/// The greatest id of a connection that was created at this moment or before.
fn last_id_at(at: Timestamp) -> ConnectionId {
    ConnectionId::v7(at, [0xff; 10])
}

/// Which records a search of the log shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only of one app and environment; `None` is everything (operators).
    pub tenant: Option<Tenant>,
    /// Only of one app, both environments (operators).
    pub app_id: Option<AppId>,
    /// Only about this connection.
    pub connection_id: Option<ConnectionId>,
    /// Only about this user.
    pub user_id: Option<UserId>,
    /// Only this event.
    pub event: Option<AuditEvent>,
    /// Only what was done with this credential.
    pub actor: Option<Actor>,
    /// Only what ended like this.
    pub outcome: Option<Outcome>,
    /// Only for exactly this reason.
    pub reason: Option<Text>,
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether a record is one that the search shows.
    pub fn matches(&self, record: &AuditRecord) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let tenant = self.tenant.as_ref();
        is(tenant.map(|tenant| &tenant.app_id), record.app_id.as_ref())
            && is(tenant.map(|tenant| &tenant.environment), record.environment.as_ref())
            && is(self.app_id.as_ref(), record.app_id.as_ref())
            && is(self.connection_id.as_ref(), record.connection_id.as_ref())
            && is(self.user_id.as_ref(), record.user_id.as_ref())
            && is(self.event.as_ref(), Some(&record.event))
            && is(self.actor.as_ref(), Some(&record.actor))
            && is(self.outcome.as_ref(), Some(&record.outcome))
            && self
                .reason
                .as_ref()
                .is_none_or(|reason| record.reason.as_deref() == Some(reason.as_str()))
            && self.from.is_none_or(|from| record.occurred_at >= from)
            && self.to.is_none_or(|to| record.occurred_at < to)
    }

    /// The events that records of this search are of, where it is known that they are few: what a
    /// store's index of events can go by.
    pub fn few_events(&self) -> Option<Vec<AuditEvent>> {
        let few = |is_one: fn(AuditEvent) -> bool| {
            Some(AuditEvent::ALL.iter().copied().filter(|event| is_one(*event)).collect())
        };
        match (self.event, self.outcome, &self.reason) {
            (Some(AuditEvent::Verified), _, _) => None,
            (Some(event), _, _) => Some(vec![event]),
            (None, Some(Outcome::Refused), _) => few(AuditEvent::may_refuse),
            (None, _, Some(_)) => few(AuditEvent::may_have_reason),
            (None, _, None) => None,
        }
    }

    /// Whether it asks for what no store has an index or a column for: then the records themselves
    /// are looked at.
    pub fn needs_a_look(&self) -> bool {
        self.actor.is_some() || self.outcome.is_some() || self.reason.is_some()
    }
}

/// A page of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditPage {
    /// Newest first.
    pub records: Vec<AuditRecord>,
    /// Where the next page goes on (exclusive), if there is more to look at. A page may be short,
    /// even empty, and still have a next one: a search stops at its budget.
    pub next: Option<LogPosition>,
}
