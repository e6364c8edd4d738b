//! What a backend implements: keyed reads and pages ([`Views`]), and writes ([`Rows`]).
//!
//! Every method is one keyed look-up, one page, or one write. None decides anything.

use std::sync::Arc;

use agentadmit_core::app::{
    App, CatalogueScope, ConnectionCounts, DayUsage, EnvironmentState, Tenant,
};
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_core::audit::register::NamedHead;
use agentadmit_core::connection::{Activity, Connection, Status};
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_protocol::audit::{AuditEvent, AuditRecord};
use agentadmit_protocol::id::{AppId, ChainId, ConnectionId, KeyId, OperatorId};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;

use crate::store::StoreError;

/// The result of one look-up.
pub type Found<T> = Result<Option<T>, StoreError>;

/// A position in the log: ascending as records are appended, never used again.
pub type LogPosition = i64;

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
            && self.from.is_none_or(|from| record.occurred_at >= from)
            && self.to.is_none_or(|to| record.occurred_at < to)
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

/// A stretch of the log in the order it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSlice {
    /// Oldest first.
    pub records: Vec<AuditRecord>,
    /// The position of the last record looked at, to go on after; `None` when the end was reached.
    pub next: Option<LogPosition>,
}

/// Some tenants' part of a segment of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldestSegment {
    /// The last record there of each chain of these tenants.
    pub last: Vec<(Chain, ChainHead)>,
    /// Whether nobody else has anything in it. The service's own chains come with the rest.
    pub is_rest: bool,
}

/// A chain of audit records: one tenant's, one writer's (PROTOCOL, Chains).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub id: ChainId,
    /// Whose records it holds; `None` for the service's own.
    pub tenant: Option<Tenant>,
    /// What it is for.
    pub kind: ChainKind,
    /// The first record that is kept, and what stood before it.
    pub tail: ChainHead,
    /// The newest record.
    pub head: ChainHead,
    /// Whether more records may come.
    pub open: bool,
}

impl Chain {
    /// Its newest record, by name.
    pub fn named_head(&self) -> NamedHead {
        NamedHead { chain: self.id, seq: self.head.seq, hash: self.head.hash }
    }
}

/// What a chain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainKind {
    /// The one register of a tenant: which chains were opened, closed, trimmed, and checkpoints.
    Register,
    /// One writer's records.
    Writer {
        /// The writer: a random number of one database session.
        writer: u64,
    },
}

/// Keyed reads and pages, on one snapshot. What every call reads comes in an [`Arc`]: the calls of one
/// transaction share it.
pub trait Views {
    /// An app by its id, deleted or not.
    fn app(&mut self, id: AppId) -> Found<Arc<App>>;
    /// Apps by id, after `after`, at most `limit`; deleted ones too.
    fn apps(&mut self, after: Option<AppId>, limit: usize) -> Result<Vec<App>, StoreError>;
    /// An environment's state; the default for one that was never written.
    fn environment(&mut self, tenant: Tenant) -> Result<Arc<EnvironmentState>, StoreError>;
    /// Connections by status.
    fn connection_counts(&mut self, tenant: Tenant) -> Result<ConnectionCounts, StoreError>;
    /// The catalogue, in the order in which the scopes came.
    fn catalogue(&mut self, tenant: Tenant) -> Result<Vec<CatalogueScope>, StoreError>;
    /// How many connections that have not ended hold this scope.
    fn holders(&mut self, tenant: Tenant, scope_id: u32) -> Result<u64, StoreError>;

    /// An API key by the hash of its secret.
    fn api_key(&mut self, hash: &SecretHash) -> Found<Arc<ApiKey>>;
    /// An API key of this app by its id.
    fn api_key_by_id(&mut self, app_id: AppId, id: KeyId) -> Found<ApiKey>;
    /// All keys of an app, oldest first.
    fn api_keys(&mut self, app_id: AppId) -> Result<Vec<ApiKey>, StoreError>;
    /// All public keys of an app (at most five).
    fn public_keys(&mut self, app_id: AppId) -> Result<Vec<PublicKey>, StoreError>;

    /// An operator by the hash of the token.
    fn operator(&mut self, hash: &SecretHash) -> Found<Operator>;
    /// All operators that there ever were, oldest first.
    fn operators(&mut self) -> Result<Vec<Operator>, StoreError>;

    /// The connection that this access token opens, whatever its state.
    fn connection_by_access_token(&mut self, hash: &SecretHash) -> Found<Connection>;
    /// The connection that was issued with this connection token, whatever its state.
    fn connection_by_connection_token(&mut self, hash: &SecretHash) -> Found<Connection>;
    /// A connection by its id.
    fn connection(&mut self, id: ConnectionId) -> Found<Connection>;
    /// Connections, newest first, with ids below `before`, at most `limit`. A status that the filter
    /// names is held against row and marks ([`runs`]); the caller looks again at times.
    fn connections(
        &mut self,
        filter: &ConnectionFilter,
        before: Option<ConnectionId>,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError>;
    /// How many connections the filter matches, marks considered: by the counts of the environment,
    /// or, where a user is named, by counting that user's.
    fn connection_total(&mut self, filter: &ConnectionFilter) -> Result<u64, StoreError>;
    /// Ids of a user's connections that neither their row nor a mark on their app has ended, oldest
    /// first, at most `limit`.
    fn live_connections_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
        limit: usize,
    ) -> Result<Vec<ConnectionId>, StoreError>;
    /// Connections that may have ended by time at `now` (none that has not is missing), at most
    /// `limit`, the most overdue first.
    fn due_connections(
        &mut self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConnectionId>, StoreError>;
    /// What an agent did with a connection, exact as of now.
    fn activity(&mut self, id: ConnectionId) -> Result<Activity, StoreError>;
    /// When the newest record was written that this API key or public key is the actor of, exact as
    /// of now. Retention takes records and leaves this.
    fn key_last_used_at(&mut self, id: KeyId) -> Found<Timestamp>;

    /// Calls per day, from day `from` to day `to` inclusive (days since the Unix epoch), days
    /// without calls left out.
    fn usage(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError>;
    /// Allowed calls per agent label in these days, the most first, at most `limit`; folded in the
    /// background, so a few seconds late.
    fn usage_by_label(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
        limit: usize,
    ) -> Result<Vec<(Option<String>, u64)>, StoreError>;

    /// Searches the log, newest first, below `before`.
    fn audit(
        &mut self,
        filter: &AuditFilter,
        before: Option<LogPosition>,
        limit: usize,
    ) -> Result<AuditPage, StoreError>;
    /// Reads the log in the order it was written, after `after`, up to and with `up_to`: all
    /// records (`None`) or a tenant's.
    fn log(
        &mut self,
        tenant: Option<Tenant>,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError>;
    /// Reads one chain in order, as [`Views::log`] reads a tenant's log. A slice may be short, even
    /// empty, and still have a next one: a backend looks at a bounded number of records.
    fn chain_records(
        &mut self,
        chain: ChainId,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
    ) -> Result<LogSlice, StoreError>;
    /// The newest position in the log; 0 when it is empty.
    fn log_end(&mut self) -> Result<LogPosition, StoreError>;
    /// When the newest record was written.
    fn newest_record_at(&mut self) -> Found<Timestamp>;
    /// Every chain of a tenant that has records left or is open; `None` for the service's own.
    fn chains(&mut self, tenant: Option<Tenant>) -> Result<Vec<Chain>, StoreError>;
    /// A secret of the service itself, encrypted (PROTOCOL, principle 6), by its name.
    fn sealed_secret(&mut self, name: &str) -> Found<Vec<u8>>;
}

/// Keyed writes, in the same transaction as the reads. Reads see them.
pub trait Rows: Views {
    /// From here on (`true`), until `false`: nothing that is read is changed, records are appended and
    /// calls counted, and it is enough that what is read is what stood there at one moment of this
    /// transaction. A store with several writers need not keep others from changing it then.
    fn share(&mut self, _is_shared: bool) {}

    /// Writes an app.
    fn put_app(&mut self, app: &App) -> Result<(), StoreError>;
    /// Writes an environment's state.
    fn put_environment(
        &mut self,
        tenant: Tenant,
        state: &EnvironmentState,
    ) -> Result<(), StoreError>;
    /// Adds to the number of connections of one status.
    fn count_connections(
        &mut self,
        tenant: Tenant,
        status: Status,
        delta: i64,
    ) -> Result<(), StoreError>;
    /// Adds or replaces a scope of the catalogue.
    fn put_scope(&mut self, tenant: Tenant, scope: &CatalogueScope) -> Result<(), StoreError>;
    /// Takes a scope out of the catalogue, with its count of holders.
    fn remove_scope(&mut self, tenant: Tenant, name: &ScopeName) -> Result<(), StoreError>;
    /// Adds to the number of holders of a scope; nothing for a scope that is gone.
    fn count_holders(
        &mut self,
        tenant: Tenant,
        scope_id: u32,
        delta: i64,
    ) -> Result<(), StoreError>;
    /// Nobody holds any scope of this environment any more.
    fn clear_holders(&mut self, tenant: Tenant) -> Result<(), StoreError>;

    /// Adds or replaces an API key (by its id).
    fn put_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError>;
    /// Replaces all public keys of an app.
    fn put_public_keys(&mut self, app_id: AppId, keys: &[PublicKey]) -> Result<(), StoreError>;
    /// Spends the `jti` of a client assertion; `false` when it was spent before. Kept until
    /// `until`.
    fn spend_assertion(
        &mut self,
        app_id: AppId,
        jti: &SecretHash,
        until: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Forgets assertions spent whose time is over, at most `limit`.
    fn forget_assertions(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError>;
    /// Adds or replaces an operator (by its id).
    fn put_operator(&mut self, operator: &Operator) -> Result<(), StoreError>;
    /// An operator by its id.
    fn operator_by_id(&mut self, id: OperatorId) -> Found<Operator>;

    /// Writes a connection. `before` is the row as it stands (`None` for a new one); `due` is when
    /// [`Views::due_connections`] shall name it.
    fn put_connection(
        &mut self,
        before: Option<&Connection>,
        after: &Connection,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError>;
    /// Notes a call of a connection. Cheap: no row of the connection is written now.
    fn note_activity(&mut self, id: ConnectionId, activity: Activity) -> Result<(), StoreError>;
    /// Adds calls to a day.
    fn add_usage(&mut self, tenant: Tenant, day: i32, usage: DayUsage) -> Result<(), StoreError>;

    /// A tenant's register, if it has one.
    fn register(&mut self, tenant: Option<Tenant>) -> Found<Chain>;
    /// The open chain of a writer for a tenant, if it has one.
    fn writer_chain(&mut self, tenant: Option<Tenant>, writer: u64) -> Found<Chain>;
    /// Open chains of this writer, by id, at most `limit`.
    fn open_chains_of(&mut self, writer: u64, limit: usize) -> Result<Vec<Chain>, StoreError>;
    /// Open chains of writers other than `writer`, by id, at most `limit`.
    fn open_chains_of_others(
        &mut self,
        writer: u64,
        limit: usize,
    ) -> Result<Vec<Chain>, StoreError>;
    /// Adds or replaces a chain.
    fn put_chain(&mut self, chain: &Chain) -> Result<(), StoreError>;
    /// Appends a record to the log.
    fn append(&mut self, record: &AuditRecord) -> Result<(), StoreError>;

    /// The oldest closed segment, if all of it was written before `before`: what at most `tenants`
    /// of those have in it that have not let go of it. `None` when nothing can be trimmed.
    fn oldest_segment(&mut self, before: Timestamp, tenants: usize) -> Found<OldestSegment>;
    /// A tenant lets go of the oldest closed segment: [`Views::log`] of that tenant and
    /// [`Views::chain_records`] of its chains do not see it from now on. Other reads may, until the
    /// segment is dropped.
    fn let_go_of_oldest_segment(&mut self, tenant: Option<Tenant>) -> Result<(), StoreError>;
    /// Marks the oldest closed segment as dropped: no read sees it from now on; its rows go in
    /// slices of [`crate::Store::maintain`].
    fn drop_oldest_segment(&mut self) -> Result<(), StoreError>;
    /// Keeps a secret of the service itself, encrypted.
    fn put_sealed_secret(&mut self, name: &str, sealed: &[u8]) -> Result<(), StoreError>;
}
