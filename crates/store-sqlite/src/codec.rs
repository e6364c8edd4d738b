//! How rows are written: one byte of version, then postcard.
//!
//! Structs are written as the core crate defines them, so a change of a stored struct needs a new
//! version here and a migration that rewrites the rows.

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_core::connection::{Connection, State, Status};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::views::{Chain, ChainKind};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of every row so far.
const VERSION: u8 = 1;

/// A value that is stored as one row blob.
#[derive(Debug)]
pub(crate) struct Packed<T>(pub(crate) T);

#[derive(Debug, thiserror::Error)]
enum BadRow {
    #[error("a row of version {0} is not known to this version of AgentAdmit")]
    Version(u8),
    #[error("an empty row")]
    Empty,
    #[error("a row that cannot be read: {0}")]
    Postcard(#[from] postcard::Error),
    #[error("a key of a tenant has {0} bytes")]
    Tenant(usize),
}

impl<T: DeserializeOwned> FromSql for Packed<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let row = versioned(value)?;
        postcard::from_bytes(row).map(Self).map_err(|error| other(error.into()))
    }
}

/// What stands behind the version of a row.
fn versioned(value: ValueRef<'_>) -> FromSqlResult<&[u8]> {
    let (version, row) = value.as_blob()?.split_first().ok_or_else(|| other(BadRow::Empty))?;
    if *version == VERSION { Ok(row) } else { Err(other(BadRow::Version(*version))) }
}

/// Values that stand behind each other in one row blob; at least one.
#[derive(Debug)]
pub(crate) struct PackedMany<T>(pub(crate) Vec<T>);

impl<T: DeserializeOwned> FromSql for PackedMany<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let mut rest = versioned(value)?;
        let mut values = Vec::new();
        while values.is_empty() || !rest.is_empty() {
            let (value, behind) =
                postcard::take_from_bytes(rest).map_err(|error| other(error.into()))?;
            values.push(value);
            rest = behind;
        }
        Ok(Self(values))
    }
}

impl<T: Serialize> ToSql for Packed<&T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        pack(self.0).map(|row| ToSqlOutput::Owned(Value::Blob(row)))
    }
}

/// The blob of a value.
pub(crate) fn pack<T: Serialize>(value: &T) -> rusqlite::Result<Vec<u8>> {
    let mut row = Vec::with_capacity(320);
    row.push(VERSION);
    postcard::to_extend(value, row)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Appends a value to a blob of several.
pub(crate) fn pack_behind<T: Serialize>(value: &T, row: &mut Vec<u8>) -> rusqlite::Result<()> {
    if row.is_empty() {
        row.reserve(2_048);
        row.push(VERSION);
    }
    // an error leaves the blob empty, and the transaction is rolled back
    *row = postcard::to_extend(value, std::mem::take(row))
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    Ok(())
}

fn other(error: BadRow) -> FromSqlError {
    FromSqlError::Other(Box::new(error))
}

/// The key of a tenant; empty for the service's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TenantKey(pub(crate) Option<Tenant>);

impl From<Tenant> for TenantKey {
    fn from(tenant: Tenant) -> Self {
        Self(Some(tenant))
    }
}

impl TenantKey {
    /// The bytes of the key.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.map_or_else(Vec::new, |tenant| {
            let mut key = Vec::with_capacity(17);
            key.extend_from_slice(tenant.app_id.as_bytes());
            key.push(tenant.environment as u8);
            key
        })
    }
}

impl ToSql for TenantKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Blob(self.bytes())))
    }
}

impl FromSql for TenantKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        let bad = || other(BadRow::Tenant(bytes.len()));
        match bytes.split_last_chunk::<1>() {
            None => Ok(Self(None)),
            Some((app_id, [environment])) => {
                let app_id = AppId::from_bytes(app_id.try_into().map_err(|_| bad())?);
                let environment = Environment::ALL.get(usize::from(*environment));
                Ok(Tenant::new(app_id, *environment.ok_or_else(bad)?).into())
            }
        }
    }
}

/// A time in a column.
pub(crate) fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
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

/// A status in a column.
pub(crate) fn status_code(status: Status) -> i64 {
    match status {
        Status::Pending => 0,
        Status::Active => 1,
        Status::Revoked => 2,
        Status::Expired => 3,
    }
}

/// What of a chain moves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChainEnds {
    pub(crate) tail: ChainHead,
    pub(crate) head: ChainHead,
}

/// A chain from the columns `chain, tenant, writer, open, row`.
pub(crate) fn chain(row: &Row<'_>) -> rusqlite::Result<Chain> {
    let tenant: TenantKey = row.get(1)?;
    let writer: Option<i64> = row.get(2)?;
    let Packed(ends): Packed<ChainEnds> = row.get(4)?;
    Ok(Chain {
        id: ChainId::from_bytes(row.get(0)?),
        tenant: tenant.0,
        kind: writer
            .map_or(ChainKind::Register, |writer| ChainKind::Writer { writer: uncount(writer) }),
        tail: ends.tail,
        head: ends.head,
        open: row.get(3)?,
    })
}

/// The writer of a chain, as a column.
pub(crate) fn writer(chain: &Chain) -> Option<i64> {
    match chain.kind {
        ChainKind::Register => None,
        ChainKind::Writer { writer } => Some(count(writer)),
    }
}
