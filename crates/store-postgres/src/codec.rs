//! How values become `PostgreSQL`'s columns: row blobs, ids, tenants, chains. What all stores in SQL
//! have in common is in [`agentadmit_store::tables`].

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_protocol::audit::AuditHash;
use agentadmit_protocol::id::{AccountId, AppId, ChainId, ConnectionId};
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{chain_kind, environment as environment_of, uncount};
use agentadmit_store::tables::unpack;
use agentadmit_store::views::Chain;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

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
    Ok(unpack(column(row, number)?)?)
}

pub(crate) fn app_uuid(id: AppId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

/// The column of an account; of operators: the nil UUID.
pub(crate) fn account_uuid(id: Option<AccountId>) -> Uuid {
    id.map_or_else(Uuid::nil, |id| uuid(id.as_bytes()))
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
    let environment = environment_of(i64::from(environment))?;
    Ok(Some(Tenant::new(AppId::from_bytes(app_id.into_bytes()), environment)))
}

pub(crate) fn connection_id(row: &Row) -> Result<ConnectionId, StoreError> {
    Ok(ConnectionId::from_bytes(column::<Uuid>(row, 0)?.into_bytes()))
}

/// A hash out of a column.
pub(crate) fn hash(bytes: &[u8]) -> Result<AuditHash, StoreError> {
    bytes.try_into().map(AuditHash::from_bytes).map_err(corrupt)
}

/// A chain from the columns `chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq,
/// head_hash`.
pub(crate) fn chain(row: &Row) -> Result<Chain, StoreError> {
    let head = |seq, bytes| -> Result<ChainHead, StoreError> {
        Ok(ChainHead { seq: uncount(column(row, seq)?), hash: hash(column(row, bytes)?)? })
    };
    Ok(Chain {
        id: ChainId::from_bytes(column::<Uuid>(row, 0)?.into_bytes()),
        tenant: tenant(column(row, 1)?, column(row, 2)?)?,
        kind: chain_kind(column(row, 3)?),
        open: column(row, 4)?,
        tail: head(5, 6)?,
        head: head(7, 8)?,
    })
}
