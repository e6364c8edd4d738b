//! A whole store, table by table, as one backend hands it to another (`agentadmit store copy`).
//!
//! The row blobs of all stores in SQL are the same. What is found by columns has them here, in the
//! shape in which the tables of many nodes have them: a tenant is two columns, an id is a UUID.

use std::collections::HashMap;

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::{ChainHead, record_hash};
use agentadmit_protocol::audit::{Actor, AuditEvent, AuditRecord};
use agentadmit_protocol::id::ChainId;
use agentadmit_protocol::text::{Label, UserId};

use crate::store::StoreError;
use crate::tables::column::count;
use crate::tables::log::{calls_of, tenant_of};
use crate::tables::pack;
use crate::views::{Chain, LogPosition};

/// One column of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// No value.
    Null,
    /// `smallint`.
    Small(i16),
    /// `integer`.
    Int(i32),
    /// `bigint`.
    Big(i64),
    /// `boolean`.
    Bool(bool),
    /// `uuid`.
    Uuid([u8; 16]),
    /// `bytea`.
    Bytes(Vec<u8>),
    /// `text`.
    Text(String),
}

/// What kind of value a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `smallint`.
    Small,
    /// `integer`.
    Int,
    /// `bigint`.
    Big,
    /// `boolean`.
    Bool,
    /// `uuid`.
    Uuid,
    /// `bytea`.
    Bytes,
    /// `text`.
    Text,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [(&'static str, Kind)],
}

/// A stretch of the log by which retention goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRow {
    /// Its number.
    pub segment: i32,
    /// Its first position.
    pub first_pos: LogPosition,
    /// Its last one; `None` while it is open.
    pub last_pos: Option<LogPosition>,
    /// When its newest record was written, once it is closed.
    pub last_at: Option<i64>,
    /// How far it is.
    pub state: i16,
}

/// What is known of a store as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The segments that reads see, oldest first; the last one is open.
    pub segments: Vec<SegmentRow>,
    /// The newest position; 0 when there never was a record.
    pub end: LogPosition,
    /// When the newest record was written.
    pub newest_at: Option<i64>,
    /// Up to where the log is folded.
    pub folded_to: LogPosition,
}

/// A store that is read as a whole, as of one moment.
pub trait Source {
    /// What it is as a whole.
    ///
    /// # Errors
    /// The store's.
    fn outline(&mut self) -> Result<Outline, StoreError>;

    /// How many rows a table of [`TABLES`] has.
    ///
    /// # Errors
    /// The store's.
    fn count(&mut self, table: &Table) -> Result<u64, StoreError>;

    /// Hands every row of a table of [`TABLES`] to `take`.
    ///
    /// # Errors
    /// The store's, and those of `take`.
    fn rows(&mut self, table: &Table, take: Take<'_>) -> Result<(), StoreError>;

    /// Hands the records of a segment to `take`, oldest first.
    ///
    /// # Errors
    /// The store's, and those of `take`.
    fn records(
        &mut self,
        segment: &SegmentRow,
        take: &mut dyn FnMut(LogPosition, AuditRecord) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
}

/// What is done with a row.
pub type Take<'t> = &'t mut dyn FnMut(Vec<Cell>) -> Result<(), StoreError>;

macro_rules! tables {
    ($($name:ident { $($column:ident: $kind:ident),+ $(,)? })+) => {
        /// Every table but the log and what belongs to it.
        pub const TABLES: &[Table] = &[$(Table {
            name: stringify!($name),
            columns: &[$((stringify!($column), Kind::$kind)),+],
        }),+];
    };
}

tables! {
    apps { app_id: Uuid, limited: Bool, row: Bytes }
    environments {
        app_id: Uuid, env: Small, state: Bytes, pending: Big, active: Big, revoked: Big, expired: Big,
    }
    scopes { app_id: Uuid, env: Small, scope_id: Big, name: Text, holders: Big, row: Bytes }
    api_keys { token_key: Big, app_id: Uuid, key_id: Uuid, row: Bytes }
    public_keys { app_id: Uuid, position: Big, row: Bytes }
    spent_assertions { app_id: Uuid, jti: Bytes, until: Big }
    operators { token_key: Big, operator_id: Uuid, row: Bytes }
    grants { app_id: Uuid, token_key: Big, row: Bytes }
    connections {
        app_id: Uuid, env: Small, connection_id: Uuid, user_id: Text, status: Small, token_key: Big,
        due_at: Big,
    }
    connection_tokens { token_key: Big, connection_id: Uuid }
    activity { connection_id: Uuid, calls: Big, last_used_at: Big }
    usage { app_id: Uuid, env: Small, day: Int, lane: Int, allowed: Big, refused: Big }
    usage_labels { app_id: Uuid, env: Small, day: Int, label: Text, calls: Big }
    key_use { key_id: Uuid, last_used_at: Big }
    consent_sessions {
        session_id: Uuid, app_id: Uuid, env: Small, user_id: Text, open_until: Big, kept_until: Big,
        row: Bytes,
    }
    accounts { account_id: Uuid, row: Bytes }
    members { app_id: Uuid, account_id: Uuid, row: Bytes }
    invites { token_key: Big, invite_id: Uuid, app_id: Uuid, expires_at: Big, row: Bytes }
    resources { uri: Text, app_id: Uuid, env: Small }
    authorization_requests { request_id: Uuid, app_id: Uuid, kept_until: Big, row: Bytes }
    oauth_secrets { token_key: Big, app_id: Uuid, grant_key: Big, forget_at: Big, row: Bytes }
    oauth_grants { connection_id: Uuid, row: Bytes }
    oauth_clients { client_id: Uuid, reap_at: Big, row: Bytes }
    passkeys { passkey: Bytes, account_id: Uuid, created_at: Big, row: Bytes }
    challenges { challenge: Bytes, expires_at: Big, row: Bytes }
    waiting_codes { handle: Big, expires_at: Big, row: Bytes }
    dashboard_sessions { session_id: Uuid, token_key: Big, account: Uuid, ends_at: Big, row: Bytes }
    milestones { milestone: Small, at: Big }
    refusals { app_id: Uuid, env: Small, day: Int, code: Text, lane: Int, count: Big }
    sealed_secrets { name: Text, sealed: Bytes }
    audit_segment_chains {
        segment: Big, app_id: Uuid, env: Small, chain: Uuid, last_seq: Big, last_hash: Bytes,
    }
    chains {
        chain: Uuid, app_id: Uuid, env: Small, writer: Big, open: Bool, tail_seq: Big, tail_hash: Bytes,
        head_seq: Big, head_hash: Bytes,
    }
}

/// The log.
pub const LOG: Table = Table {
    name: "audit_log",
    columns: &[
        ("pos", Kind::Big),
        ("part", Kind::Int),
        ("env", Kind::Small),
        ("app_id", Kind::Uuid),
        ("chain", Kind::Uuid),
        ("seq", Kind::Big),
        ("at", Kind::Big),
        ("calls", Kind::Big),
        ("connection_id", Kind::Uuid),
        ("key_id", Kind::Uuid),
        ("user_id", Kind::Text),
        ("event", Kind::Text),
        ("label", Kind::Text),
        ("row", Kind::Bytes),
    ],
};

/// The two columns of a tenant; of the service's own: the nil UUID and -1.
pub fn tenant_cells(tenant: Option<Tenant>) -> [Cell; 2] {
    match tenant {
        None => [Cell::Uuid([0; 16]), Cell::Small(-1)],
        Some(tenant) => {
            [Cell::Uuid(*tenant.app_id.as_bytes()), Cell::Small(tenant.environment as i16)]
        }
    }
}

/// The columns of a chain.
pub fn chain_cells(chain: &Chain) -> Vec<Cell> {
    let [app_id, env] = tenant_cells(chain.tenant);
    let writer = crate::tables::column::writer(chain);
    vec![
        Cell::Uuid(*chain.id.as_bytes()),
        app_id,
        env,
        optional(writer),
        Cell::Bool(chain.open),
        Cell::Big(count(chain.tail.seq)),
        Cell::Bytes(chain.tail.hash.as_bytes().to_vec()),
        Cell::Big(count(chain.head.seq)),
        Cell::Bytes(chain.head.hash.as_bytes().to_vec()),
    ]
}

/// A number that may be missing.
pub fn optional(number: Option<i64>) -> Cell {
    number.map_or(Cell::Null, Cell::Big)
}

/// The columns of a record in [`LOG`].
///
/// # Errors
/// A record that cannot be packed.
pub fn record_cells(
    position: LogPosition,
    part: i32,
    record: &AuditRecord,
) -> Result<Vec<Cell>, StoreError> {
    let [app_id, env] = tenant_cells(tenant_of(record));
    let calls = calls_of(record).map(i64::from);
    let text = |text: Option<&str>| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
    let label = record.agent_label.as_ref().filter(|_| calls > Some(0));
    let event = (record.event != AuditEvent::Verified).then(|| record.event.as_str());
    Ok(vec![
        Cell::Big(position),
        Cell::Int(part),
        env,
        app_id,
        Cell::Uuid(*record.chain.as_bytes()),
        Cell::Big(count(record.seq)),
        Cell::Big(record.occurred_at.as_millis()),
        optional(calls),
        record.connection_id.map_or(Cell::Null, |id| Cell::Uuid(*id.as_bytes())),
        match record.actor {
            Actor::Key(id) => Cell::Uuid(*id.as_bytes()),
            _ => Cell::Null,
        },
        text(record.user_id.as_ref().map(UserId::as_str)),
        text(event),
        text(label.map(Label::as_str)),
        Cell::Bytes(pack(record)?),
    ])
}

/// Every chain, hashed again record by record, from its tail to its head.
#[derive(Debug)]
pub struct ChainCheck {
    chains: HashMap<ChainId, (Chain, ChainHead)>,
    scratch: Vec<u8>,
    records: u64,
}

impl ChainCheck {
    /// Of these chains.
    pub fn new(chains: impl IntoIterator<Item = Chain>) -> Self {
        let at_tail = |chain: Chain| (chain.id, (chain.clone(), chain.tail));
        Self { chains: chains.into_iter().map(at_tail).collect(), scratch: Vec::new(), records: 0 }
    }

    /// The next record of the log.
    ///
    /// # Errors
    /// It was altered, does not follow, or is of no chain.
    pub fn step(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        let (id, seq) = (record.chain, record.seq);
        let bad = |what: &str| StoreError::Corrupt(format!("chain {id}, record {seq}: {what}"));
        let (chain, at) = self.chains.get_mut(&id).ok_or_else(|| bad("is of no known chain"))?;
        if seq <= chain.tail.seq {
            // trimmed; its segment is on its way out
            return Ok(());
        }
        if record_hash(record, &mut self.scratch) != record.hash {
            return Err(bad("its hash does not match it"));
        }
        if seq != at.seq + 1 || record.prev_hash != at.hash {
            return Err(bad("does not follow the one before"));
        }
        *at = ChainHead { seq, hash: record.hash };
        self.records += 1;
        Ok(())
    }

    /// Every record was shown. Says how many chains and records there are.
    ///
    /// # Errors
    /// A chain does not reach its head.
    pub fn finish(self) -> Result<(u64, u64), StoreError> {
        for (id, (chain, at)) in &self.chains {
            if *at != chain.head {
                let text = format!("chain {id} ends at {} and not at {}", at.seq, chain.head.seq);
                return Err(StoreError::Corrupt(text));
            }
        }
        Ok((self.chains.len() as u64, self.records))
    }
}
