//! How values become SQLite's columns: row blobs, tenants, chains. What all stores in SQL have in
//! common is in [`agentadmit_store::tables`].

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_protocol::id::{AppId, ChainId};
use agentadmit_store::tables::{self, BadRow, column};
use agentadmit_store::views::Chain;
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A value that is stored as one row blob.
#[derive(Debug)]
pub(crate) struct Packed<T>(pub(crate) T);

/// Values that stand behind each other in one row blob; at least one.
#[derive(Debug)]
pub(crate) struct PackedMany<T>(pub(crate) Vec<T>);

impl<T: DeserializeOwned> FromSql for Packed<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        tables::unpack(value.as_blob()?).map(Self).map_err(other)
    }
}

impl<T: DeserializeOwned> FromSql for PackedMany<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        tables::unpack_many(value.as_blob()?).map(Self).map_err(other)
    }
}

impl<T: Serialize> ToSql for Packed<&T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match tables::pack(self.0) {
            Ok(row) => Ok(ToSqlOutput::Owned(Value::Blob(row))),
            Err(bad) => Err(rusqlite::Error::ToSqlConversionFailure(Box::new(bad))),
        }
    }
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
        match bytes.split_last_chunk::<1>() {
            None => Ok(Self(None)),
            Some((app_id, [number])) => {
                let bad = |_| other(BadRow::Tenant(bytes.len()));
                let app_id = AppId::from_bytes(app_id.try_into().map_err(bad)?);
                let environment = column::environment(i64::from(*number)).map_err(other)?;
                Ok(Tenant::new(app_id, environment).into())
            }
        }
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
    let Packed(ends): Packed<ChainEnds> = row.get(4)?;
    Ok(Chain {
        id: ChainId::from_bytes(row.get(0)?),
        tenant: tenant.0,
        kind: column::chain_kind(row.get(2)?),
        tail: ends.tail,
        head: ends.head,
        open: row.get(3)?,
    })
}
