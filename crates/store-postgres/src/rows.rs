//! The writes: `Rows` over SQL, in a writing transaction.

use std::sync::Arc;

use agentadmit_core::app::{App, CatalogueScope, DayUsage, EnvironmentState, Tenant};
use agentadmit_core::connection::{Activity, Connection, Status};
use agentadmit_core::consent::ConsentSession;
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_core::dashboard::{self, WaitingCode};
use agentadmit_core::plan::{self, Month, Standing};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{count, limit, millis};
use agentadmit_store::tables::pack;
use agentadmit_store::views::{Chain, Found, Milestone, OldestSegment, Rows};

use crate::codec::{account_uuid, app_uuid, tenant_key, uuid};
use crate::session::Session;
use crate::statements as st;

impl Rows for Session<'_> {
    fn share(&mut self, is_shared: bool) {
        self.is_shared = is_shared;
    }

    fn put_app(&mut self, app: &App) -> Result<(), StoreError> {
        self.lock_app(app.id)?;
        self.cache.apps.insert(app.id, Some(Arc::new(app.clone())));
        let limited = plan::refusal_limit(&app.plan).is_some();
        self.drop_leases(app.id)?;
        let row = pack(app)?;
        let params: Vec<crate::link::Param> =
            vec![Box::new(app_uuid(app.id)), Box::new(limited), Box::new(row)];
        self.later(st::PUT_APP, params)
    }

    fn put_environment(
        &mut self,
        tenant: Tenant,
        state: &EnvironmentState,
    ) -> Result<(), StoreError> {
        self.lock_app(tenant.app_id)?;
        self.cache.environments.insert(tenant, Arc::new(state.clone()));
        let (app_id, env) = tenant_key(Some(tenant));
        let row = pack(state)?;
        self.later(st::PUT_ENVIRONMENT, vec![Box::new(app_id), Box::new(env), Box::new(row)])
    }

    fn count_connections(
        &mut self,
        tenant: Tenant,
        status: Status,
        delta: i64,
    ) -> Result<(), StoreError> {
        self.lock_app(tenant.app_id)?;
        let of = |wanted: Status| Box::new(if status == wanted { delta } else { 0 });
        let (app_id, env) = tenant_key(Some(tenant));
        self.later(
            st::ADD_COUNTS,
            vec![
                Box::new(app_id),
                Box::new(env),
                of(Status::Pending),
                of(Status::Active),
                of(Status::Revoked),
                of(Status::Expired),
            ],
        )
    }

    fn put_scope(&mut self, tenant: Tenant, scope: &CatalogueScope) -> Result<(), StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        self.later(
            st::PUT_SCOPE,
            vec![
                Box::new(app_id),
                Box::new(env),
                Box::new(i64::from(scope.id)),
                Box::new(scope.scope.name.as_str().to_owned()),
                Box::new(pack(scope)?),
            ],
        )
    }

    fn remove_scope(&mut self, tenant: Tenant, name: &ScopeName) -> Result<(), StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        let name = name.as_str().to_owned();
        self.later(st::REMOVE_SCOPE, vec![Box::new(app_id), Box::new(env), Box::new(name)])
    }

    fn count_holders(
        &mut self,
        tenant: Tenant,
        scope_id: u32,
        delta: i64,
    ) -> Result<(), StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        self.later(
            st::COUNT_HOLDERS,
            vec![Box::new(app_id), Box::new(env), Box::new(i64::from(scope_id)), Box::new(delta)],
        )
    }

    fn clear_holders(&mut self, tenant: Tenant) -> Result<(), StoreError> {
        self.lock_app(tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(tenant));
        self.later(st::CLEAR_HOLDERS, vec![Box::new(app_id), Box::new(env)])
    }

    fn put_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        self.lock_app(key.app_id)?;
        self.cache.api_keys.clear();
        let (app_id, id, token_key) =
            (app_uuid(key.app_id), uuid(key.id.as_bytes()), key.hash.key());
        self.later(st::DROP_API_KEY, vec![Box::new(app_id), Box::new(id), Box::new(token_key)])?;
        self.later(
            st::PUT_API_KEY,
            vec![Box::new(token_key), Box::new(app_id), Box::new(id), Box::new(pack(key)?)],
        )
    }

    fn put_public_keys(&mut self, app_id: AppId, keys: &[PublicKey]) -> Result<(), StoreError> {
        self.lock_app(app_id)?;
        let app_id = app_uuid(app_id);
        self.later(st::DROP_PUBLIC_KEYS, vec![Box::new(app_id)])?;
        for (position, key) in (0_i64..).zip(keys) {
            let row = pack(key)?;
            self.later(
                st::PUT_PUBLIC_KEY,
                vec![Box::new(app_id), Box::new(position), Box::new(row)],
            )?;
        }
        Ok(())
    }

    fn spend_assertion(
        &mut self,
        app_id: AppId,
        jti: &SecretHash,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let jti = jti.as_bytes().as_slice();
        let spent =
            self.now(st::SPEND_ASSERTION, &[&app_uuid(app_id), &jti, &until.as_millis()])?;
        Ok(spent == 1)
    }

    fn forget_assertions(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.now(st::FORGET_ASSERTIONS, &[&now.as_millis(), &limit(most)])
    }

    fn put_operator(&mut self, operator: &Operator) -> Result<(), StoreError> {
        self.lock_service()?;
        let (id, token_key) = (uuid(operator.id.as_bytes()), operator.hash.key());
        // after a rotation the row stands under another secret
        self.later(st::DROP_OPERATOR, vec![Box::new(id), Box::new(token_key)])?;
        let row = pack(operator)?;
        self.later(st::PUT_OPERATOR, vec![Box::new(token_key), Box::new(id), Box::new(row)])
    }

    fn put_waiting_code(&mut self, code: &WaitingCode) -> Result<(), StoreError> {
        self.lock_service()?;
        let (handle, expires_at) = (i64::from(code.handle), code.expires_at.as_millis());
        let row = pack(code)?;
        self.later(
            st::PUT_WAITING_CODE,
            vec![Box::new(handle), Box::new(expires_at), Box::new(row)],
        )
    }

    fn drop_waiting_code(&mut self, handle: u32) -> Result<(), StoreError> {
        self.lock_service()?;
        self.later(st::DROP_WAITING_CODE, vec![Box::new(i64::from(handle))])
    }

    fn put_session(&mut self, session: &dashboard::Session) -> Result<(), StoreError> {
        self.lock_service()?;
        self.later(
            st::PUT_SESSION,
            vec![
                Box::new(uuid(session.id.as_bytes())),
                Box::new(session.cookie.key()),
                Box::new(account_uuid(session.holder.account_id())),
                Box::new(session.ends_at().as_millis()),
                Box::new(pack(session)?),
            ],
        )
    }

    fn forget_sessions(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let codes = self.now(st::FORGET_WAITING_CODES, &[&now.as_millis(), &limit(most)])?;
        let sessions = self.now(st::FORGET_SESSIONS, &[&now.as_millis(), &limit(most)])?;
        Ok(codes.max(sessions))
    }

    fn put_milestone(&mut self, milestone: Milestone, at: Timestamp) -> Result<(), StoreError> {
        self.lock_service()?;
        let at = at.as_millis();
        self.later(st::PUT_MILESTONE, vec![Box::new(milestone as i16), Box::new(at)])
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
        self.lock_app(session.tenant.app_id)?;
        let (app_id, env) = tenant_key(Some(session.tenant));
        let open_until = session.is_undecided().then_some(session.expires_at);
        self.later(
            st::PUT_CONSENT_SESSION,
            vec![
                Box::new(uuid(session.id.as_bytes())),
                Box::new(app_id),
                Box::new(env),
                Box::new(session.user_id.as_str().to_owned()),
                Box::new(millis(open_until)),
                Box::new(session.kept_until().as_millis()),
                Box::new(pack(session)?),
            ],
        )
    }

    fn forget_consent_sessions(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.now(st::FORGET_CONSENT_SESSIONS, &[&now.as_millis(), &limit(most)])
    }

    fn add_usage(&mut self, tenant: Tenant, day: i32, usage: DayUsage) -> Result<(), StoreError> {
        self.pending()?.usage.add(tenant, day, usage);
        Ok(())
    }

    fn nodes(&mut self) -> u32 {
        self.pending().map_or(1, |pending| pending.nodes)
    }

    fn lease(&mut self, tenant: Tenant, month: Month) -> Found<u64> {
        self.own_lease(tenant, month)
    }

    fn standing(&mut self, tenant: Tenant, month: Month) -> Result<Standing, StoreError> {
        self.read_standing(tenant, month)
    }

    fn standing_without_idle(
        &mut self,
        tenant: Tenant,
        month: Month,
    ) -> Result<Standing, StoreError> {
        self.hold_for_plan(tenant.app_id)?;
        self.take_leases_back(tenant)?;
        self.read_standing(tenant, month)
    }

    fn put_lease(&mut self, tenant: Tenant, month: Month, calls: u64) -> Result<(), StoreError> {
        self.keep_lease(tenant, month, calls)
    }

    fn add_refusals(
        &mut self,
        tenant: Tenant,
        day: i32,
        code: &str,
        refused: u64,
    ) -> Result<(), StoreError> {
        let (app_id, env) = tenant_key(Some(tenant));
        let lane = self.pending()?.lane;
        self.later(
            st::ADD_REFUSALS,
            vec![
                Box::new(app_id),
                Box::new(env),
                Box::new(day),
                Box::new(code.to_owned()),
                Box::new(lane),
                Box::new(count(refused)),
            ],
        )
    }

    fn register(&mut self, tenant: Option<Tenant>) -> Found<Chain> {
        self.find_register(tenant)
    }

    fn writer_chain(&mut self, tenant: Option<Tenant>, writer: u64) -> Found<Chain> {
        let foreseen = tenant.and_then(|tenant| self.foreseen_chain(tenant, writer));
        if let Some(foreseen) = foreseen {
            return Ok(foreseen);
        }
        let (app_id, env) = tenant_key(tenant);
        Ok(self.find_chains(st::WRITER_CHAIN, &[&app_id, &env, &count(writer)])?.pop())
    }

    fn open_chains_of(&mut self, writer: u64, most: usize) -> Result<Vec<Chain>, StoreError> {
        self.find_chains(st::OPEN_CHAINS_OF, &[&count(writer), &limit(most)])
    }

    fn open_chains_of_others(
        &mut self,
        writer: u64,
        most: usize,
    ) -> Result<Vec<Chain>, StoreError> {
        self.find_chains(st::OPEN_CHAINS_OF_OTHERS, &[&count(writer), &limit(most)])
    }

    fn put_chain(&mut self, chain: &Chain) -> Result<(), StoreError> {
        self.write_chain(chain)
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
        self.lock_service()?;
        let (name, sealed) = (name.to_owned(), sealed.to_vec());
        self.later(st::PUT_SEALED_SECRET, vec![Box::new(name), Box::new(sealed)])
    }
}
