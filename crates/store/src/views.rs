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
use agentadmit_core::consent::ConsentSession;
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_core::dashboard::{Session, WaitingCode};
use agentadmit_core::plan::{Month, Standing};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{
    AccountId, AppId, ChainId, ConnectionId, ConsentSessionId, KeyId, OperatorId, SessionId,
};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;

use crate::accounts::{AccountRows, AccountViews};
use crate::oauth::{OAuthRows, OAuthViews};
use crate::store::StoreError;

pub use crate::selection::{
    AuditFilter, AuditPage, ConnectionFilter, Run, UserCount, is_shown_as, runs,
};

/// The result of one look-up.
pub type Found<T> = Result<Option<T>, StoreError>;

/// What happens once in the life of a store. The number stands in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Milestone {
    /// An operator signed in to the dashboard.
    FirstSignIn = 1,
}

/// A position in the log: ascending as records are appended, never used again.
pub type LogPosition = i64;

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

    /// Whether it has records, or some may come.
    pub fn is_live(&self) -> bool {
        self.open || self.tail.seq < self.head.seq
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
pub trait Views: AccountViews + OAuthViews {
    /// An app by its id, deleted or not.
    fn app(&mut self, id: AppId) -> Found<Arc<App>>;
    /// Apps by id, after `after`, at most `limit`; deleted ones too.
    fn apps(&mut self, after: Option<AppId>, limit: usize) -> Result<Vec<App>, StoreError>;
    /// An environment's state; the default for one that was never written.
    fn environment(&mut self, tenant: Tenant) -> Result<Arc<EnvironmentState>, StoreError>;
    /// Connections by status.
    fn connection_counts(&mut self, tenant: Tenant) -> Result<ConnectionCounts, StoreError>;
    /// Connections of all apps by status: of one environment, or of both.
    fn all_connection_counts(
        &mut self,
        environment: Option<Environment>,
    ) -> Result<ConnectionCounts, StoreError>;
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
    /// An operator by its id.
    fn operator_by_id(&mut self, id: OperatorId) -> Found<Operator>;
    /// All operators that there ever were, oldest first.
    fn operators(&mut self) -> Result<Vec<Operator>, StoreError>;
    /// A code of the dashboard that waits, by its first group.
    fn waiting_code(&mut self, handle: u32) -> Found<WaitingCode>;
    /// All codes that wait, the one that ends first first.
    fn waiting_codes(&mut self) -> Result<Vec<WaitingCode>, StoreError>;
    /// A session of the dashboard by the hash of its cookie, whatever its state.
    fn session(&mut self, cookie: &SecretHash) -> Found<Session>;
    /// A session of the dashboard by its id.
    fn session_by_id(&mut self, id: SessionId) -> Found<Session>;
    /// Sessions of an account (`None`: of operators), newest first, with ids below `before`, at most
    /// `limit`; also those that are over and not yet forgotten.
    fn sessions_of(
        &mut self,
        account_id: Option<AccountId>,
        before: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError>;
    /// When something happened that happens once in the life of a store.
    fn milestone(&mut self, milestone: Milestone) -> Found<Timestamp>;

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
    /// Where anything stands in this user's name: environments with connections of theirs, whatever
    /// became of them, or with sessions of the consent page that are undecided; after `after`, at
    /// most `limit`, ascending.
    fn tenants_of_user(
        &mut self,
        user_id: &UserId,
        after: Option<Tenant>,
        limit: usize,
    ) -> Result<Vec<Tenant>, StoreError>;
    /// Users of all apps who ever had a connection and whose ids begin so, after `after`, at most
    /// `limit`, ascending byte by byte.
    fn users(
        &mut self,
        prefix: &str,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError>;
    /// The connections of these users, by user and environment, ascending.
    fn user_counts(&mut self, users: &[UserId]) -> Result<Vec<UserCount>, StoreError>;
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

    /// A session of the consent page by its id.
    fn consent_session(&mut self, id: ConsentSessionId) -> Found<ConsentSession>;
    /// Sessions in which this user may still decide after `now`, the one that ends first first, at
    /// most `limit`. Marks on the app are not looked at.
    fn consent_sessions_of(
        &mut self,
        tenant: Tenant,
        user_id: &UserId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConsentSession>, StoreError>;

    /// Calls per day, from day `from` to day `to` inclusive (days since the Unix epoch), days
    /// without calls left out.
    fn usage(
        &mut self,
        tenant: Tenant,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError>;
    /// Calls of all apps per day, as [`Views::usage`]: of one environment, or of both.
    fn all_usage(
        &mut self,
        environment: Option<Environment>,
        from: i32,
        to: i32,
    ) -> Result<Vec<(i32, DayUsage)>, StoreError>;
    /// Refusals of all apps in these days, as the log counts them, by the code or reason that was
    /// answered: of one environment, or of both. The most first.
    fn all_refusals(
        &mut self,
        environment: Option<Environment>,
        from: i32,
        to: i32,
    ) -> Result<Vec<(String, u64)>, StoreError>;
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
pub trait Rows: Views + AccountRows + OAuthRows {
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
    /// Adds or replaces a code of the dashboard (by its first group).
    fn put_waiting_code(&mut self, code: &WaitingCode) -> Result<(), StoreError>;
    /// Takes a code of the dashboard away.
    fn drop_waiting_code(&mut self, handle: u32) -> Result<(), StoreError>;
    /// Adds or replaces a session of the dashboard (by its id).
    fn put_session(&mut self, session: &Session) -> Result<(), StoreError>;
    /// Forgets sessions of the dashboard that are over at `now`, and codes, at most `limit` of each;
    /// says how many it was of the more.
    fn forget_sessions(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError>;
    /// Notes when something happened for the first time.
    fn put_milestone(&mut self, milestone: Milestone, at: Timestamp) -> Result<(), StoreError>;

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
    /// Adds or replaces a session of the consent page.
    fn put_consent_session(&mut self, session: &ConsentSession) -> Result<(), StoreError>;
    /// Forgets sessions that need not be kept at `now`, at most `limit`.
    fn forget_consent_sessions(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError>;
    /// Adds calls to a day.
    fn add_usage(&mut self, tenant: Tenant, day: i32, usage: DayUsage) -> Result<(), StoreError>;

    /// Adds refusals to a day.
    fn add_refusals(
        &mut self,
        tenant: Tenant,
        day: i32,
        code: &str,
        count: u64,
    ) -> Result<(), StoreError>;
    /// How many nodes let calls through now, this one included.
    fn nodes(&mut self) -> u32 {
        1
    }
    /// What this writer keeps for itself of a plan's limit. `None`: the transaction keeps all others
    /// from taking any of it, or there are none, so that [`Rows::standing`] costs nothing more.
    fn lease(&mut self, _tenant: Tenant, _month: Month) -> Found<u64> {
        Ok(None)
    }
    /// What has come of a plan's limit. Until the transaction is over nobody else takes more of it for
    /// themselves, and the app stays as [`Views::app`] then shows it.
    fn standing(&mut self, tenant: Tenant, month: Month) -> Result<Standing, StoreError> {
        let days = self.usage(tenant, month.first, month.last)?;
        let used = days.iter().map(|(_, usage)| usage.allowed).sum();
        Ok(Standing { used, leased: 0 })
    }
    /// As [`Rows::standing`], after the leases of all writers without a transaction under way were
    /// taken back.
    fn standing_without_idle(
        &mut self,
        tenant: Tenant,
        month: Month,
    ) -> Result<Standing, StoreError> {
        self.standing(tenant, month)
    }
    /// This writer keeps so many calls for itself from now on; written together with the usage of
    /// this transaction.
    fn put_lease(&mut self, _: Tenant, _: Month, _calls: u64) -> Result<(), StoreError> {
        Ok(())
    }

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
    /// As [`Rows::put_chain`], of a chain whose head moved on by records that this transaction appended,
    /// when no more are appended. A store that reads the head out of its log need not write it now.
    fn move_chain(&mut self, chain: &Chain) -> Result<(), StoreError> {
        self.put_chain(chain)
    }
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
