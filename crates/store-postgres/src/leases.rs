//! What a lane keeps for itself of a plan's limit.
//!
//! A lane's row in `plan_leases` is written by its own batches, which hold the lane's row in `writers`
//! from their beginning, and by whoever takes the lease back, which needs that row too. More is taken
//! out of a limit only by who holds the app. Calls go from a lease into the usage in one commit, so a
//! statement that reads both sees each call once.

use agentadmit_core::app::Tenant;
use agentadmit_core::clock::Reading;
use agentadmit_core::credential::ApiKey;
use agentadmit_core::plan::{self, Month, Standing};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::AppId;
use agentadmit_store::maps::{KeyMap, KeySet};
use agentadmit_store::tables::column::{count, uncount};
use agentadmit_store::views::Found;
use agentadmit_store::{Foreseen, StoreError, WriterState};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::codec::{app_uuid, column, tenant_key};
use crate::link::{Param, Waiting};
use crate::session::Session;
use crate::statements as st;

/// Keys that are remembered as those of apps with a limit.
const MOST: usize = 4_096;

/// API keys whose apps refuse at a limit, as this writer last saw them: a hint that saves round trips
/// and decides nothing.
#[derive(Debug, Default)]
pub(crate) struct Limited(KeyMap<i64, AppId>);

/// What a transaction knows of leases.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    /// The lane's own, as their rows have them.
    own: KeyMap<Tenant, (Month, u64)>,
    /// Read after the app was held.
    standings: KeyMap<Tenant, (Month, Standing)>,
    /// Apps from whose limits nobody else takes more.
    held: KeySet<AppId>,
    /// Tenants with a standing: what they keep afterwards is decided anew.
    whole: KeySet<Tenant>,
    /// Apps that this transaction changes: nobody keeps anything of theirs.
    changed: KeySet<AppId>,
}

/// What a batch asks for beforehand about the limits of its apps.
pub(crate) struct Ahead {
    keys: Vec<i64>,
    lane: i32,
    month: Month,
}

fn live(app_id: AppId) -> Tenant {
    Tenant::new(app_id, Environment::Live)
}

impl Limited {
    /// What to ask for beforehand; nothing where no app of these calls has a limit.
    pub(crate) fn ahead(
        &self,
        foreseen: &Foreseen,
        state: &WriterState,
        lane: i32,
        now: &Reading,
    ) -> Option<Ahead> {
        if self.0.is_empty() {
            return None;
        }
        let month = plan::month(now.wall);
        let is_open = |key: &i64| {
            self.0.get(key).is_some_and(|app| !state.knows_as_used_up(live(*app), now.monotonic_ns))
        };
        let keys: Vec<i64> = foreseen.calls.iter().map(|(key, _)| key.key()).collect();
        let keys: Vec<i64> = keys.into_iter().filter(is_open).collect();
        (!keys.is_empty()).then_some(Ahead { keys, lane, month })
    }

    /// Remembers what a batch saw of its keys.
    pub(crate) fn learn(&mut self, key: i64, app_id: Option<AppId>) {
        match app_id {
            None => {
                self.0.remove(&key);
            }
            Some(app_id) => {
                if self.0.len() >= MOST {
                    self.0.clear();
                }
                self.0.insert(key, app_id);
            }
        }
    }
}

impl Ahead {
    fn params(&self) -> Vec<Param> {
        let env = Environment::Live as i16;
        vec![
            Box::new(self.keys.clone()),
            Box::new(env),
            Box::new(self.lane),
            Box::new(self.month.first),
        ]
    }

    /// Holds the apps whose lease is too small for these calls, before anything of theirs is read.
    pub(crate) fn hold(&self) -> Waiting {
        Waiting { sql: st::HOLD_SHORT, params: self.params() }
    }

    /// Reads the lane's leases, and the standing of the apps that are held.
    pub(crate) fn standings(&self) -> Waiting {
        let mut params = self.params();
        params.push(Box::new(self.month.last));
        Waiting { sql: st::STANDINGS, params }
    }
}

impl Session<'_> {
    /// Keeps what came of [`Ahead`].
    pub(crate) fn take_standings(
        &mut self,
        ahead: &Ahead,
        held: &[Row],
        standings: &[Row],
    ) -> Result<(), StoreError> {
        let known = &mut self.pending()?.leases;
        for row in held {
            known.held.insert(AppId::from_bytes(column::<Uuid>(row, 0)?.into_bytes()));
        }
        for row in standings {
            let app_id = AppId::from_bytes(column::<Uuid>(row, 0)?.into_bytes());
            let tenant = live(app_id);
            known.own.insert(tenant, (ahead.month, uncount(column(row, 1)?)));
            let used: Option<i64> = column(row, 2)?;
            if let (true, Some(used)) = (known.held.contains(&app_id), used) {
                let leased = uncount(column(row, 3)?);
                let standing = Standing { used: uncount(used), leased };
                known.standings.insert(tenant, (ahead.month, standing));
            }
        }
        Ok(())
    }

    /// Whether a key's app refuses at a limit, so that leases are asked for beforehand the next time.
    pub(crate) fn limited(&self, key: &ApiKey) -> Option<AppId> {
        let app = self.cache.apps.get(&key.app_id)?.as_ref()?;
        let is_live = key.environment == Environment::Live;
        (is_live && plan::refusal_limit(&app.plan).is_some()).then_some(key.app_id)
    }

    pub(crate) fn own_lease(&mut self, tenant: Tenant, month: Month) -> Found<u64> {
        let pending = self.pending()?;
        let app_id = tenant.app_id;
        if pending.leases.held.contains(&app_id) || pending.locked.contains(&app_id) {
            return Ok(None);
        }
        if let Some((of, calls)) = pending.leases.own.get(&tenant)
            && *of == month
        {
            return Ok(Some(*calls));
        }
        let lane = pending.lane;
        let (app_id, env) = tenant_key(Some(tenant));
        let row = self.one(st::LEASE, &[&app_id, &env, &lane, &month.first])?;
        let calls = row.map_or(Ok(0), |row| column(&row, 0).map(uncount))?;
        self.pending()?.leases.own.insert(tenant, (month, calls));
        Ok(Some(calls))
    }

    pub(crate) fn read_standing(
        &mut self,
        tenant: Tenant,
        month: Month,
    ) -> Result<Standing, StoreError> {
        self.hold_for_plan(tenant.app_id)?;
        let known = &mut self.pending()?.leases;
        known.whole.insert(tenant);
        if let Some((of, standing)) = known.standings.remove(&tenant)
            && of == month
        {
            return Ok(standing);
        }
        let lane = self.pending()?.lane;
        let (app_id, env) = tenant_key(Some(tenant));
        let row = self.one(st::STANDING, &[&app_id, &env, &lane, &month.first, &month.last])?;
        row.map_or(Ok(Standing::default()), |row| {
            let (used, leased) = (uncount(column(&row, 0)?), uncount(column(&row, 1)?));
            Ok(Standing { used, leased })
        })
    }

    /// Takes back what lanes keep that have no batch under way, those of dead nodes among them.
    pub(crate) fn take_leases_back(&mut self, tenant: Tenant) -> Result<(), StoreError> {
        let lane = self.pending()?.lane;
        let (app_id, env) = tenant_key(Some(tenant));
        let idle = self.many(st::IDLE_LEASES, &[&app_id, &env, &lane])?;
        let idle = idle.iter().map(|row| column(row, 0)).collect::<Result<Vec<i32>, _>>()?;
        if !idle.is_empty() {
            // a statement of its own: the last batch of such a lane may have ended just now
            self.now(st::TAKE_LEASES_BACK, &[&app_id, &env, &idle])?;
        }
        Ok(())
    }

    pub(crate) fn keep_lease(
        &mut self,
        tenant: Tenant,
        month: Month,
        calls: u64,
    ) -> Result<(), StoreError> {
        let pending = self.pending()?;
        if pending.leases.changed.contains(&tenant.app_id) {
            return Ok(());
        }
        let is_whole = pending.leases.whole.contains(&tenant);
        let known = pending.leases.own.get(&tenant).filter(|(of, _)| *of == month);
        let known = known.map(|(_, calls)| *calls);
        if known == Some(calls) {
            return Ok(());
        }
        let lane = pending.lane;
        let (app_id, env) = tenant_key(Some(tenant));
        let mut params: Vec<Param> =
            vec![Box::new(app_id), Box::new(env), Box::new(lane), Box::new(month.first)];
        params.push(Box::new(count(calls)));
        if is_whole {
            return self.later_still(st::PUT_LEASE, params);
        }
        // somebody who changed the app has taken it back meanwhile: then this is decided anew
        params.push(Box::new(count(known.unwrap_or(0))));
        self.later_still(st::SPEND_LEASE, params)
    }

    /// An app is changed, perhaps its plan: what is kept of its limit was kept of the former one.
    pub(crate) fn drop_leases(&mut self, app_id: AppId) -> Result<(), StoreError> {
        self.pending()?.leases.changed.insert(app_id);
        self.later(st::DROP_LEASES, vec![Box::new(app_uuid(app_id))])
    }
}

impl Leases {
    /// Holds an app; whether that is new.
    pub(crate) fn hold(&mut self, app_id: AppId) -> bool {
        self.held.insert(app_id)
    }
}
