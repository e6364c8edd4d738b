//! How values become columns: row blobs, ids, tenants, counts.

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_core::connection::{Connection, State, Status};
use agentadmit_protocol::audit::AuditHash;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId, ConnectionId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::views::{Chain, ChainKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

/// The version of every row so far.
const VERSION: u8 = 1;

/// The blob of a value.
pub(crate) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut row = Vec::with_capacity(320);
    row.push(VERSION);
    postcard::to_extend(value, row).map_err(corrupt)
}

/// The value of a blob.
pub(crate) fn unpack<T: DeserializeOwned>(row: &[u8]) -> Result<T, StoreError> {
    match row.split_first() {
        Some((&VERSION, row)) => postcard::from_bytes(row).map_err(corrupt),
        Some((version, _)) => Err(StoreError::Corrupt(format!(
            "a row of version {version} is not known to this version of AgentAdmit"
        ))),
        None => Err(StoreError::Corrupt("an empty row".to_owned())),
    }
}

/// A value that no row may hold.
pub(crate) fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// A column, by its number.
pub(crate) fn column<'r, T: FromSql<'r>>(row: &'r Row, number: usize) -> Result<T, StoreError> {
    row.try_get(number).map_err(corrupt)
}

/// A packed column, by its number.
pub(crate) fn packed<T: DeserializeOwned>(row: &Row, number: usize) -> Result<T, StoreError> {
    unpack(column(row, number)?)
}

pub(crate) fn app_uuid(id: AppId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(crate) fn uuid(bytes: &[u8; 16]) -> Uuid {
    Uuid::from_bytes(*bytes)
}

/// The two columns of a tenant; of the service's own: the nil UUID and -1.
pub(crate) fn tenant_key(tenant: Option<Tenant>) -> (Uuid, i16) {
    match tenant {
        None => (Uuid::nil(), -1),
        Some(tenant) => (app_uuid(tenant.app_id), tenant.environment as i16),
    }
}

/// The tenant of two columns.
pub(crate) fn tenant(app_id: Uuid, environment: i16) -> Result<Option<Tenant>, StoreError> {
    if environment == -1 {
        return Ok(None);
    }
    let number = usize::try_from(environment).map_err(corrupt)?;
    let environment = Environment::ALL
        .get(number)
        .ok_or_else(|| StoreError::Corrupt(format!("there is no environment {number}")))?;
    Ok(Some(Tenant::new(AppId::from_bytes(app_id.into_bytes()), *environment)))
}

pub(crate) fn connection_id(row: &Row) -> Result<ConnectionId, StoreError> {
    Ok(ConnectionId::from_bytes(column::<Uuid>(row, 0)?.into_bytes()))
}

/// A count in a column; columns never hold more than `i64::MAX`.
pub(crate) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count out of a column; the schema keeps counts from being negative.
pub(crate) fn uncount(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A `LIMIT`.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A time in a column.
pub(crate) fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

/// A status in a column.
pub(crate) fn status_code(status: Status) -> i16 {
    match status {
        Status::Pending => 0,
        Status::Active => 1,
        Status::Revoked => 2,
        Status::Expired => 3,
    }
}

/// The row that a secret opens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The access token of a connection that has ended; while it is active its state has it.
    pub(crate) former_access: Option<SecretHash>,
    /// The connection.
    pub(crate) connection: Connection,
}

impl Grant {
    /// The access token that opens it, or opened it before it ended.
    pub(crate) fn access_token(&self) -> Option<&SecretHash> {
        match &self.connection.state {
            State::Pending => None,
            State::Active(access) => Some(&access.token),
            State::Revoked { .. } | State::Expired { .. } => self.former_access.as_ref(),
        }
    }

    /// The secret whose key the row stands under.
    pub(crate) fn opener(&self) -> &SecretHash {
        self.access_token().unwrap_or(&self.connection.connection_token)
    }
}

/// A hash out of a column.
pub(crate) fn hash(bytes: &[u8]) -> Result<AuditHash, StoreError> {
    bytes.try_into().map(AuditHash::from_bytes).map_err(corrupt)
}

/// A chain from the columns `chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq,
/// head_hash`.
pub(crate) fn chain(row: &Row) -> Result<Chain, StoreError> {
    let writer: Option<i64> = column(row, 3)?;
    let head = |seq, bytes| -> Result<ChainHead, StoreError> {
        Ok(ChainHead { seq: uncount(column(row, seq)?), hash: hash(column(row, bytes)?)? })
    };
    Ok(Chain {
        id: ChainId::from_bytes(column::<Uuid>(row, 0)?.into_bytes()),
        tenant: tenant(column(row, 1)?, column(row, 2)?)?,
        kind: writer
            .map_or(ChainKind::Register, |writer| ChainKind::Writer { writer: uncount(writer) }),
        open: column(row, 4)?,
        tail: head(5, 6)?,
        head: head(7, 8)?,
    })
}

/// The writer of a chain, as a column.
pub(crate) fn writer(chain: &Chain) -> Option<i64> {
    match chain.kind {
        ChainKind::Register => None,
        ChainKind::Writer { writer } => Some(count(writer)),
    }
}
