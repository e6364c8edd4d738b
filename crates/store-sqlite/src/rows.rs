//! The writes: `Rows` over SQL, in the one writing transaction.

use agentadmit_core::app::{App, CatalogueScope, DayUsage, EnvironmentState, Tenant};
use agentadmit_core::connection::{Activity, Connection, Status};
use agentadmit_core::consent::ConsentSession;
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_core::dashboard::{self, WaitingCode};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{self, count, limit};
use agentadmit_store::views::{Chain, Found, Milestone, OldestSegment, Rows};

use crate::codec::{self, ChainEnds, Packed, TenantKey};
use crate::connections::key_is_taken;
use crate::session::{Role, Session, not_a_writer};
use crate::sql;
use crate::statements as st;
use crate::views::{account_key, packed};

impl Rows for Session<'_> {
    fn put_app(&mut self, app: &App) -> Result<(), StoreError> {
        self.cache.apps.remove(&app.id);
        sql::run(self.conn, st::PUT_APP, (app.id.as_bytes(), Packed(app)))?;
        Ok(())
    }

    fn put_environment(
        &mut self,
        tenant: Tenant,
        state: &EnvironmentState,
    ) -> Result<(), StoreError> {
        self.cache.environments.remove(&tenant);
        sql::run(self.conn, st::PUT_ENVIRONMENT, (TenantKey::from(tenant), Packed(state)))?;
        Ok(())
    }

    fn count_connections(
        &mut self,
        tenant: Tenant,
        status: Status,
        delta: i64,
    ) -> Result<(), StoreError> {
        let of = |wanted: Status| if status == wanted { delta } else { 0 };
        let deltas = (
            TenantKey::from(tenant),
            of(Status::Pending),
            of(Status::Active),
            of(Status::Revoked),
            of(Status::Expired),
        );
        sql::run(self.conn, st::ADD_COUNTS, deltas)?;
        Ok(())
    }

    fn put_scope(&mut self, tenant: Tenant, scope: &CatalogueScope) -> Result<(), StoreError> {
        let name = scope.scope.name.as_str();
        let row = (TenantKey::from(tenant), scope.id, name, Packed(scope));
        sql::run(self.conn, st::PUT_SCOPE, row)?;
        Ok(())
    }

    fn remove_scope(&mut self, tenant: Tenant, name: &ScopeName) -> Result<(), StoreError> {
        sql::run(self.conn, st::REMOVE_SCOPE, (TenantKey::from(tenant), name.as_str()))?;
        Ok(())
    }

    fn count_holders(
        &mut self,
        tenant: Tenant,
        scope_id: u32,
        delta: i64,
    ) -> Result<(), StoreError> {
        sql::run(self.conn, st::COUNT_HOLDERS, (TenantKey::from(tenant), scope_id, delta))?;
        Ok(())
    }

    fn clear_holders(&mut self, tenant: Tenant) -> Result<(), StoreError> {
        sql::run(self.conn, st::CLEAR_HOLDERS, [TenantKey::from(tenant)])?;
        Ok(())
    }

    fn put_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        let token_key = key.hash.key();
        self.cache.api_keys.clear();
        let known: Option<ApiKey> = sql::one(self.conn, st::API_KEY, [token_key], packed)?;
        if known.is_some_and(|known| known.id != key.id) {
            return Err(key_is_taken());
        }
        let (app_id, id) = (key.app_id.as_bytes(), key.id.as_bytes());
        sql::run(self.conn, st::DROP_API_KEY, (app_id, id, token_key))?;
        sql::run(self.conn, st::PUT_API_KEY, (token_key, app_id, id, Packed(key)))?;
        Ok(())
    }

    fn put_public_keys(&mut self, app_id: AppId, keys: &[PublicKey]) -> Result<(), StoreError> {
        sql::run(self.conn, st::DROP_PUBLIC_KEYS, [app_id.as_bytes()])?;
        for (position, key) in (0_i64..).zip(keys) {
            let row = (app_id.as_bytes(), position, Packed(key));
            sql::run(self.conn, st::PUT_PUBLIC_KEY, row)?;
        }
        Ok(())
    }

    fn spend_assertion(
        &mut self,
        app_id: AppId,
        jti: &SecretHash,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = (app_id.as_bytes(), jti.as_bytes(), until.as_millis());
        Ok(sql::run(self.conn, st::SPEND_ASSERTION, row)? == 1)
    }

    fn forget_assertions(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let bound = (now.as_millis(), limit(most));
        let over: Vec<([u8; 16], [u8; 32])> =
            sql::many(self.conn, st::OVER_ASSERTIONS, bound, |row| Ok((row.get(0)?, row.get(1)?)))?;
        for key in &over {
            sql::run(self.conn, st::FORGET_ASSERTION, (key.0, key.1))?;
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }

    fn put_operator(&mut self, operator: &Operator) -> Result<(), StoreError> {
        let token_key = operator.hash.key();
        let known: Option<Operator> = sql::one(self.conn, st::OPERATOR, [token_key], packed)?;
        if known.is_some_and(|known| known.id != operator.id) {
            return Err(key_is_taken());
        }
        // after a rotation the row stands under another secret
        sql::run(self.conn, st::DROP_OPERATOR, (operator.id.as_bytes(), token_key))?;
        let row = (token_key, operator.id.as_bytes(), Packed(operator));
        sql::run(self.conn, st::PUT_OPERATOR, row)?;
        Ok(())
    }

    fn put_waiting_code(&mut self, code: &WaitingCode) -> Result<(), StoreError> {
        let row = (code.handle, code.expires_at.as_millis(), Packed(code));
        sql::run(self.conn, st::PUT_WAITING_CODE, row)?;
        Ok(())
    }

    fn drop_waiting_code(&mut self, handle: u32) -> Result<(), StoreError> {
        sql::run(self.conn, st::DROP_WAITING_CODE, [handle])?;
        Ok(())
    }

    fn put_session(&mut self, session: &dashboard::Session) -> Result<(), StoreError> {
        let row = (
            session.id.as_bytes(),
            session.cookie.key(),
            account_key(session.holder.account_id()),
            session.ends_at().as_millis(),
            Packed(session),
        );
        sql::run(self.conn, st::PUT_SESSION, row)?;
        Ok(())
    }

    fn forget_sessions(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let bound = (now.as_millis(), limit(most));
        let codes: Vec<i64> =
            sql::many(self.conn, st::OVER_WAITING_CODES, bound, |row| row.get(0))?;
        for handle in &codes {
            sql::run(self.conn, st::DROP_WAITING_CODE, [handle])?;
        }
        let over: Vec<[u8; 16]> = sql::many(self.conn, st::OVER_SESSIONS, bound, |row| row.get(0))?;
        for id in &over {
            sql::run(self.conn, st::FORGET_SESSION, [id])?;
        }
        Ok(u64::try_from(over.len().max(codes.len())).unwrap_or(u64::MAX))
    }

    fn put_milestone(&mut self, milestone: Milestone, at: Timestamp) -> Result<(), StoreError> {
        sql::run(self.conn, st::PUT_MILESTONE, (milestone as u8, at.as_millis()))?;
        Ok(())
    }

    fn put_connection(
        &mut self,
        before: Option<&Connection>,
        after: &Connection,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.write_connection(before, after, due)
    }

    /// Nothing to write: the record of the call, appended in the same transaction, says it.
    fn note_activity(&mut self, _: ConnectionId, _: Activity) -> Result<(), StoreError> {
        Ok(())
    }

    fn put_consent_session(&mut self, session: &ConsentSession) -> Result<(), StoreError> {
        let open_until = session.is_undecided().then_some(session.expires_at);
        let row = (
            session.id.as_bytes(),
            TenantKey::from(session.tenant),
            session.user_id.as_str(),
            column::millis(open_until),
            session.kept_until().as_millis(),
            Packed(session),
        );
        sql::run(self.conn, st::PUT_CONSENT_SESSION, row)?;
        Ok(())
    }

    fn forget_consent_sessions(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let bound = (now.as_millis(), limit(most));
        let over: Vec<[u8; 16]> =
            sql::many(self.conn, st::OVER_CONSENT_SESSIONS, bound, |row| row.get(0))?;
        for id in &over {
            sql::run(self.conn, st::FORGET_CONSENT_SESSION, [id])?;
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }

    fn add_usage(&mut self, tenant: Tenant, day: i32, usage: DayUsage) -> Result<(), StoreError> {
        let Role::Writer(pending) = &mut self.role else { return Err(not_a_writer()) };
        pending.said.add_usage(tenant, day, usage);
        Ok(())
    }

    fn add_refusals(
        &mut self,
        tenant: Tenant,
        day: i32,
        code: &str,
        refused: u64,
    ) -> Result<(), StoreError> {
        let row = (TenantKey::from(tenant), day, code, count(refused));
        sql::run(self.conn, st::ADD_REFUSALS, row).map(|_| ())
    }

    fn register(&mut self, tenant: Option<Tenant>) -> Found<Chain> {
        let found = sql::one(self.conn, st::REGISTER, [TenantKey(tenant)], codec::chain)?;
        Ok(self.brought_up(found.into_iter().collect::<Vec<_>>())?.pop())
    }

    fn writer_chain(&mut self, tenant: Option<Tenant>, writer: u64) -> Found<Chain> {
        let key = (TenantKey(tenant), count(writer));
        let found = sql::one(self.conn, st::WRITER_CHAIN, key, codec::chain)?;
        Ok(self.brought_up(found.into_iter().collect::<Vec<_>>())?.pop())
    }

    fn open_chains_of(&mut self, writer: u64, most: usize) -> Result<Vec<Chain>, StoreError> {
        let key = (count(writer), limit(most));
        let found = sql::many(self.conn, st::OPEN_CHAINS_OF, key, codec::chain)?;
        self.brought_up(found)
    }

    fn open_chains_of_others(
        &mut self,
        writer: u64,
        most: usize,
    ) -> Result<Vec<Chain>, StoreError> {
        let mut chains = Vec::new();
        for others in [st::OPEN_CHAINS_BELOW, st::OPEN_CHAINS_ABOVE] {
            let key = (count(writer), limit(most.saturating_sub(chains.len())));
            chains.extend(sql::many(self.conn, others, key, codec::chain)?);
        }
        self.brought_up(chains)
    }

    fn put_chain(&mut self, chain: &Chain) -> Result<(), StoreError> {
        let id = chain.id.as_bytes();
        if !chain.is_live() {
            // no record of it is left, and none will come
            sql::run(self.conn, st::DROP_CHAIN, [id])?;
            return Ok(());
        }
        let ends = ChainEnds { tail: chain.tail, head: chain.head };
        if sql::run(self.conn, st::MOVE_CHAIN, (id, Packed(&ends), chain.open))? == 0 {
            let tenant = TenantKey(chain.tenant);
            let row = (id, tenant, column::writer(chain), chain.open, Packed(&ends));
            sql::run(self.conn, st::PUT_CHAIN, row)?;
        }
        Ok(())
    }

    fn move_chain(&mut self, chain: &Chain) -> Result<(), StoreError> {
        match &mut self.role {
            Role::Writer(pending) if !pending.is_more => {
                pending.said.move_chain(chain.id, chain.head);
                Ok(())
            }
            _ => self.put_chain(chain),
        }
    }

    fn append(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        self.append_record(record)
    }

    fn oldest_segment(&mut self, before: Timestamp, tenants: usize) -> Found<OldestSegment> {
        self.droppable_segment(before, tenants)
    }

    fn let_go_of_oldest_segment(&mut self, tenant: Option<Tenant>) -> Result<(), StoreError> {
        self.let_go_of_segment(tenant)
    }

    fn drop_oldest_segment(&mut self) -> Result<(), StoreError> {
        self.drop_segment()
    }

    fn put_sealed_secret(&mut self, name: &str, sealed: &[u8]) -> Result<(), StoreError> {
        sql::run(self.conn, st::PUT_SEALED_SECRET, (name, sealed))?;
        Ok(())
    }
}
