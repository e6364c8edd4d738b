//! What a batch will look up, fetched in the round trip that begins it.
//!
//! It is read after the lane is locked, in one statement, and so as of one moment after the batch was
//! sealed. What was not foreseen, or is changed by a verb that locks it first, is read anew.

use agentadmit_core::app::Tenant;
use agentadmit_core::credential::ApiKey;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::AppId;
use agentadmit_store::tables::column::count;
use agentadmit_store::tables::unpack;
use agentadmit_store::views::{Chain, ChainKind};
use agentadmit_store::{Foreseen, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::codec::{self, column, packed, tenant};
use crate::leases::Limited;
use crate::link::Waiting;
use crate::session::Session;
use crate::statements as st;

/// The statements that fetch it.
pub(crate) fn statements(foreseen: &Foreseen, writer: u64) -> Vec<Waiting> {
    if foreseen.calls.is_empty() {
        return Vec::new();
    }
    // no token has the key 0 but by chance, and then it is read for nothing
    let tokens = foreseen.calls.iter().map(|(_, token)| token.map_or(0, |token| token.key()));
    let keys: Vec<i64> = foreseen.calls.iter().map(|(key, _)| key.key()).collect();
    vec![
        Waiting {
            sql: st::FORESEEN,
            params: vec![Box::new(keys.clone()), Box::new(tokens.collect::<Vec<_>>())],
        },
        Waiting { sql: st::FORESEEN_CHAINS, params: vec![Box::new(count(writer)), Box::new(keys)] },
    ]
}

impl Session<'_> {
    /// Keeps what came, and tells the writer whose apps have limits.
    pub(crate) fn take_foreseen(
        &mut self,
        foreseen: &Foreseen,
        answers: &[Vec<Row>],
        limited: &mut Limited,
    ) -> Result<(), StoreError> {
        let [rows, chains, ..] = answers else { return Ok(()) };
        for (key, token) in &foreseen.calls {
            // what does not come is not there
            self.cache.api_keys.insert(key.key(), None);
            if let Some(token) = token {
                self.cache.grants.insert(token.key(), None);
                self.cache.oauth_secrets.insert(token.key(), None);
            }
        }
        for row in rows {
            self.take_row(row)?;
        }
        for row in rows {
            let (kind, key): (i32, i64) = (column(row, 0)?, column(row, 1)?);
            if let (0, Some(Some(found))) = (kind, self.cache.api_keys.get(&key)) {
                limited.learn(key, self.limited(found));
            }
        }
        for row in chains {
            let chain = codec::chain(row)?;
            let pending = self.pending()?;
            pending.known_chains.insert(chain.id, chain.clone());
            if let Some(tenant) = chain.tenant {
                pending.own_chains.insert(tenant, Some(chain));
            }
        }
        Ok(())
    }

    fn take_row(&mut self, row: &Row) -> Result<(), StoreError> {
        let (kind, key): (i32, i64) = (column(row, 0)?, column(row, 1)?);
        let id = AppId::from_bytes(column::<Uuid>(row, 2)?.into_bytes());
        match kind {
            0 => {
                let found: ApiKey = packed(row, 4)?;
                for environment in Environment::ALL {
                    let tenant = Tenant::new(found.app_id, *environment);
                    self.pending()?.own_chains.entry(tenant).or_insert(None);
                    self.cache.environments.entry(tenant).or_default();
                }
                self.cache.api_keys.insert(key, Some(found));
            }
            1 => {
                self.cache.apps.insert(id, Some(packed(row, 4)?));
            }
            2 => {
                let state: Option<&[u8]> = column(row, 4)?;
                if let (Some(tenant), Some(state)) =
                    (tenant(column(row, 2)?, column(row, 3)?)?, state)
                {
                    self.cache.environments.insert(tenant, unpack(state)?);
                }
            }
            3 => self.remember(key, Some(packed(row, 4)?)),
            _ => self.remember_secret(key, Some(packed(row, 4)?)),
        }
        Ok(())
    }

    /// The writer's chain of a tenant, where it was foreseen.
    #[expect(clippy::option_option, reason = "whether it was foreseen, and whether there is one")]
    pub(crate) fn foreseen_chain(&mut self, tenant: Tenant, writer: u64) -> Option<Option<Chain>> {
        // once: the transaction keeps it from there on
        let chain = self.pending().ok()?.own_chains.remove(&tenant)?;
        match chain {
            Some(chain) if chain.kind != (ChainKind::Writer { writer }) => None,
            chain => Some(chain),
        }
    }
}
