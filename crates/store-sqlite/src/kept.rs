//! What the writing connection keeps from one transaction to the next: the rows that every verify
//! reads.
//!
//! They count only where SQLite itself says, inside the new transaction, that nobody has written
//! since. Its `data_version` moves with the first look at what another connection has committed, of
//! whatever process: that is when it forgets the pages in its own memory, out of which these rows
//! would be read. `total_changes` moves with every row that this connection writes, also where no
//! verb does. What a verb changes it takes out, and a transaction that is rolled back keeps nothing.

use std::sync::Arc;

use agentadmit_core::app::{App, EnvironmentState, Tenant};
use agentadmit_core::credential::ApiKey;
use agentadmit_protocol::id::AppId;
use agentadmit_store::StoreError;
use agentadmit_store::maps::KeyMap;
use rusqlite::Connection;

use crate::sql;
use crate::statements as st;

/// Entries per kind that a [`Cache`] keeps.
pub(crate) const CACHED: usize = 1_024;

/// Rows that a transaction reads for most of its calls, as they stand in it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    pub(crate) apps: KeyMap<AppId, Arc<App>>,
    pub(crate) environments: KeyMap<Tenant, Arc<EnvironmentState>>,
    pub(crate) api_keys: KeyMap<i64, Arc<ApiKey>>,
}

impl Cache {
    /// Forgets the kinds that have no room left: who calls now is not who called once.
    fn make_room(&mut self) {
        if self.apps.len() >= CACHED {
            self.apps.clear();
        }
        if self.environments.len() >= CACHED {
            self.environments.clear();
        }
        if self.api_keys.len() >= CACHED {
            self.api_keys.clear();
        }
    }
}

/// A state of the database, as SQLite tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Moves when another connection has committed.
    others: i64,
    /// Rows that this connection has written.
    own: u64,
}

impl Moment {
    /// The state that the transaction of `conn` has before it.
    pub(crate) fn of(conn: &Connection) -> Result<Self, StoreError> {
        let others = sql::one(conn, st::DATA_VERSION, [], |row| row.get(0))?
            .ok_or_else(|| StoreError::Corrupt("the database has no version".to_owned()))?;
        Ok(Self { others, own: conn.total_changes() })
    }

    /// The state that the transaction of `conn`, which began at this one, leaves behind.
    fn after(self, conn: &Connection) -> Self {
        Self { own: conn.total_changes(), ..self }
    }
}

/// What a transaction leaves to the next one.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    cache: Cache,
    /// `None`: of no state at all.
    moment: Option<Moment>,
}

impl Kept {
    /// What the transaction of `conn` that began at `began` keeps, once it is committed.
    pub(crate) fn of(cache: Cache, began: Moment, conn: &Connection) -> Self {
        Self { cache, moment: Some(began.after(conn)) }
    }

    /// What of it holds at a moment; `None` where anybody may have written since.
    pub(crate) fn at(self, moment: Moment) -> Option<Cache> {
        if self.moment != Some(moment) {
            return None;
        }
        let mut cache = self.cache;
        cache.make_room();
        Some(cache)
    }
}
