//! The books, recomputed: what a store keeps in passing must be what its rows and its log say.

use std::collections::{BTreeMap, BTreeSet};

use agentadmit_core::app::{App, ConnectionCounts, DayUsage, Tenant};
use agentadmit_core::audit::chain::{ChainHead, record_hash};
use agentadmit_core::connection::{Activity, Connection, State, Status};
use agentadmit_core::plan;
use agentadmit_protocol::audit::{Actor, AuditEvent, AuditRecord, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId, ConnectionId, KeyId};
use agentadmit_protocol::time::Timestamp;

use super::world::World;
use crate::views::{Chain, ChainKind, ConnectionFilter};

/// Every check of this file.
///
/// # Panics
/// When the books are wrong.
pub fn everything(world: &World) {
    let log = world.log();
    chains(world, &log);
    counts(world);
    lists(world);
    holders(world);
    if log.iter().all(|record| record.event != AuditEvent::AuditTrimmed) {
        activity(world, &log);
        key_use(world, &log);
        usage(world, &log);
        refusals(world, &log);
    }
}

/// All apps.
pub fn apps(world: &World) -> Vec<App> {
    let (mut apps, mut after): (Vec<App>, Option<AppId>) = (Vec::new(), None);
    loop {
        let page = world.read(|views| views.apps(after, 100));
        let Some(last) = page.last() else { return apps };
        after = Some(last.id);
        apps.extend(page);
    }
}

/// Both environments of all apps.
pub fn tenants(world: &World) -> Vec<Tenant> {
    let both = [Environment::Test, Environment::Live];
    let of = |app: &App| both.map(|environment| Tenant::new(app.id, environment));
    apps(world).iter().flat_map(of).collect()
}

/// All connections, newest first.
pub fn connections(world: &World, filter: &ConnectionFilter, page: usize) -> Vec<Connection> {
    let (mut all, mut before): (Vec<Connection>, Option<ConnectionId>) = (Vec::new(), None);
    loop {
        let found = world.read(|views| views.connections(filter, before, page));
        let Some(last) = found.last() else { return all };
        before = Some(last.id);
        all.extend(found);
    }
}

/// All chains with records left or open: each tenant's, and the service's own.
pub fn all_chains(world: &World) -> Vec<Chain> {
    let owners = tenants(world).into_iter().map(Some).chain([None]);
    owners.flat_map(|tenant| world.read(|views| views.chains(tenant))).collect()
}

/// Each chain is numbered without gaps from its tail to its head, each record links to the one
/// before it, and each hash is that of the record. Every record stands in a chain of its own
/// tenant, ids and positions rise.
pub fn chains(world: &World, log: &[AuditRecord]) {
    let chains: BTreeMap<ChainId, Chain> =
        all_chains(world).into_iter().map(|chain| (chain.id, chain)).collect();
    let mut heads: BTreeMap<ChainId, ChainHead> =
        chains.values().map(|chain| (chain.id, chain.tail)).collect();
    let mut seen = BTreeSet::new();
    let mut canonical = Vec::new();
    for record in log {
        assert!(seen.insert(record.id), "{} is in the log twice", record.id);
        let chain = chains.get(&record.chain).expect("a record's chain is known");
        let owner = record.app_id.zip(record.environment).map(|(app, env)| Tenant::new(app, env));
        assert_eq!(chain.tenant, owner, "{record:?} stands in a chain of another owner");
        let head = heads.get_mut(&record.chain).expect("every chain has a head");
        assert_eq!(record.seq, head.seq + 1, "{record:?} does not follow {head:?}");
        assert_eq!(record.prev_hash, head.hash, "{record:?} does not link");
        assert_eq!(record.hash, record_hash(record, &mut canonical), "{record:?} has another hash");
        *head = ChainHead { seq: record.seq, hash: record.hash };
    }
    for chain in chains.values() {
        assert_eq!(heads[&chain.id], chain.head, "{chain:?} ends elsewhere");
    }
    let mut registers = BTreeSet::new();
    for chain in chains.values().filter(|chain| chain.kind == ChainKind::Register) {
        assert!(registers.insert(chain.tenant), "{:?} has two registers", chain.tenant);
    }
}

/// The counts by status are those of the rows and of the marks on their apps.
pub fn counts(world: &World) {
    let apps: BTreeMap<AppId, App> = apps(world).into_iter().map(|app| (app.id, app)).collect();
    let mut recount: BTreeMap<Tenant, ConnectionCounts> =
        tenants(world).into_iter().map(|tenant| (tenant, ConnectionCounts::default())).collect();
    for connection in connections(world, &ConnectionFilter::default(), 1_000) {
        let counts = recount.get_mut(&connection.tenant).expect("a connection's tenant is known");
        let marked = apps[&connection.tenant.app_id].revokes(connection.created_at).is_some();
        *match connection.state {
            State::Expired { .. } => &mut counts.expired,
            State::Revoked { .. } => &mut counts.revoked,
            _ if marked => &mut counts.revoked,
            State::Pending => &mut counts.pending,
            State::Active(_) => &mut counts.active,
        } += 1;
    }
    for (tenant, counts) in recount {
        let kept = world.read(|views| views.connection_counts(tenant));
        assert_eq!(kept, counts, "connections of {tenant:?}");
        let filter = ConnectionFilter { tenant: Some(tenant), ..Default::default() };
        let total = world.read(|views| views.connection_total(&filter));
        assert_eq!(total, counts.total(), "connections of {tenant:?}");
    }
}

/// Lists and totals by status, of every tenant and of each of its users, are what rows and marks say.
pub fn lists(world: &World) {
    let apps: BTreeMap<AppId, App> = apps(world).into_iter().map(|app| (app.id, app)).collect();
    let all = connections(world, &ConnectionFilter::default(), 1_000);
    for status in Status::ALL {
        let mut expected = all.clone();
        expected.retain(|c| c.status(&apps[&c.tenant.app_id]) == status);
        let filter = ConnectionFilter { status: Some(status), ..ConnectionFilter::default() };
        assert_eq!(connections(world, &filter, 7), expected, "of all apps, {status:?}");
        let total = world.read(|views| views.connection_total(&filter));
        assert_eq!(total, expected.len() as u64, "of all apps, {status:?}");
    }
    for tenant in tenants(world) {
        let own = all.iter().filter(|connection| connection.tenant == tenant);
        let users: BTreeSet<_> = own.clone().map(|connection| &connection.user_id).collect();
        for user_id in users.into_iter().take(4).cloned().map(Some).chain([None]) {
            for status in Status::ALL {
                let expected: Vec<_> = own
                    .clone()
                    .filter(|c| user_id.as_ref().is_none_or(|user_id| c.user_id == *user_id))
                    .filter(|c| c.status(&apps[&tenant.app_id]) == status)
                    .cloned()
                    .collect();
                let user_id = user_id.clone();
                let (tenant, status) = (Some(tenant), Some(status));
                let filter = ConnectionFilter { tenant, user_id, status, app_id: None };
                assert_eq!(connections(world, &filter, 100), expected, "{filter:?}");
                let total = world.read(|views| views.connection_total(&filter));
                assert_eq!(total, expected.len() as u64, "{filter:?}");
            }
        }
    }
}

/// The holders of every scope are the connections that have not ended and hold it.
pub fn holders(world: &World) {
    let apps: BTreeMap<AppId, App> = apps(world).into_iter().map(|app| (app.id, app)).collect();
    let mut recount: BTreeMap<(Tenant, u32), u64> = BTreeMap::new();
    for connection in connections(world, &ConnectionFilter::default(), 1_000) {
        let marked = apps[&connection.tenant.app_id].revokes(connection.created_at).is_some();
        if !connection.has_ended() && !marked {
            for scope in &connection.scopes {
                *recount.entry((connection.tenant, scope.id)).or_default() += 1;
            }
        }
    }
    for tenant in tenants(world) {
        let catalogue = world.read(|views| views.catalogue(tenant));
        let live: Vec<u32> = catalogue.iter().map(|entry| entry.id).collect();
        assert_eq!(world.read(|views| views.environment(tenant)).live_scopes, live);
        for entry in catalogue {
            let kept = world.read(|views| views.holders(tenant, entry.id));
            let counted = recount.get(&(tenant, entry.id)).copied().unwrap_or(0);
            assert_eq!(kept, counted, "holders of {} in {tenant:?}", entry.scope.name);
        }
    }
}

/// What every agent did is what the log says.
pub fn activity(world: &World, log: &[AuditRecord]) {
    let mut recount: BTreeMap<ConnectionId, Activity> = BTreeMap::new();
    for record in log.iter().filter(|record| is_call_of_live_connection(record)) {
        let id = record.connection_id.expect("such a record names its connection");
        let calls = if record.outcome == Outcome::Allowed { u64::from(record.count) } else { 0 };
        let newer = Activity { calls, last_used_at: Some(record.occurred_at) };
        let known = recount.entry(id).or_default();
        *known = known.and(newer);
    }
    for connection in connections(world, &ConnectionFilter::default(), 1_000) {
        let kept = world.read(|views| views.activity(connection.id));
        let counted = recount.get(&connection.id).copied().unwrap_or_default();
        assert_eq!(kept, counted, "activity of {}", connection.id);
    }
}

/// The last use of every key is its newest record.
pub fn key_use(world: &World, log: &[AuditRecord]) {
    let mut recount: BTreeMap<KeyId, Timestamp> = BTreeMap::new();
    for record in log {
        if let Actor::Key(id) = record.actor {
            let known = recount.entry(id).or_insert(record.occurred_at);
            *known = record.occurred_at.max(*known);
        }
    }
    for app in apps(world) {
        for key in world.read(|views| views.api_keys(app.id)) {
            let kept = world.read(|views| views.key_last_used_at(key.id));
            assert_eq!(kept, recount.get(&key.id).copied(), "last use of {}", key.id);
        }
    }
}

/// The calls of every day are what the log says.
pub fn usage(world: &World, log: &[AuditRecord]) {
    let mut recount: BTreeMap<Tenant, BTreeMap<i32, DayUsage>> = BTreeMap::new();
    for record in log.iter().filter(|record| is_call_of_live_connection(record)) {
        let tenant = Tenant::new(
            record.app_id.expect("a call has an app"),
            record.environment.expect("a call has an environment"),
        );
        let days = recount.entry(tenant).or_default();
        let usage = days.entry(plan::day(record.occurred_at)).or_default();
        if record.outcome == Outcome::Allowed {
            usage.allowed += u64::from(record.count);
        } else {
            usage.refused += u64::from(record.count);
        }
    }
    for environment in [None, Some(Environment::Test), Some(Environment::Live)] {
        let mut all: BTreeMap<i32, DayUsage> = BTreeMap::new();
        for (tenant, days) in &recount {
            if environment.is_none_or(|only| only == tenant.environment) {
                for (day, usage) in days {
                    let known = all.entry(*day).or_default();
                    known.allowed += usage.allowed;
                    known.refused += usage.refused;
                }
            }
        }
        let kept = world.read(|views| views.all_usage(environment, i32::MIN, i32::MAX));
        assert_eq!(kept, Vec::from_iter(all), "usage of all apps, {environment:?}");
    }
    for tenant in tenants(world) {
        let kept = world.read(|views| views.usage(tenant, i32::MIN, i32::MAX));
        let counted: Vec<(i32, DayUsage)> =
            recount.remove(&tenant).unwrap_or_default().into_iter().collect();
        assert_eq!(kept, counted, "usage of {tenant:?}");
    }
}

/// The refusals by code are what the log says.
pub fn refusals(world: &World, log: &[AuditRecord]) {
    for environment in [None, Some(Environment::Test), Some(Environment::Live)] {
        let mut recount: BTreeMap<String, u64> = BTreeMap::new();
        for record in log.iter().filter(|record| record.event == AuditEvent::Refused) {
            if environment.is_none_or(|only| Some(only) == record.environment) {
                let code = record.reason.clone().expect("a refusal has a reason");
                *recount.entry(code).or_default() += u64::from(record.count);
            }
        }
        let kept = world.read(|views| views.all_refusals(environment, i32::MIN, i32::MAX));
        assert!(kept.is_sorted_by(|a, b| a.1 >= b.1), "the most first: {kept:?}");
        assert_eq!(BTreeMap::from_iter(kept), recount, "refusals of {environment:?}");
    }
}

/// Whether a record is of a call that a live connection made, allowed or not.
fn is_call_of_live_connection(record: &AuditRecord) -> bool {
    match record.event {
        AuditEvent::Verified | AuditEvent::Introspected => true,
        AuditEvent::Refused => {
            matches!(record.reason.as_deref(), Some("insufficient_scope" | "limit_exceeded"))
        }
        _ => false,
    }
}
