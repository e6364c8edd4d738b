//! A search looks at a bounded number of records, and at few in a closed segment.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::environment::Environment;
use agentadmit_store::conformance::world::{World, user_id};
use agentadmit_store::views::{AuditFilter, ChainKind, LogPosition};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use common::{Place, many_agents};

const BUDGET: u64 = 40;

fn open(place: &Place, segment_records: u64) -> World {
    let options = StoreOptions { search_budget: BUDGET, segment_records, ..place.options(1) };
    let store = SqliteStore::open(place.path(), options, Access::Service).unwrap();
    place.world(&Arc::new(store))
}

/// Records in the open segment: closed ones end where a block does.
fn in_tail(place: &Place, end: LogPosition) -> u64 {
    let sql = "SELECT first_pos FROM audit_segments ORDER BY segment DESC LIMIT 1";
    let first: LogPosition = place.raw().query_row(sql, [], |row| row.get(0)).unwrap();
    u64::try_from(end + 1 - first).unwrap()
}

#[test]
fn a_closed_segment_is_not_walked_through() {
    let place = Place::new();
    let world = open(&place, 1_000);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 1_000);
    let of_agent = AuditFilter { connection_id: Some(agents[3].id), ..AuditFilter::default() };
    let of_user = AuditFilter {
        tenant: Some(caller.tenant),
        user_id: Some(user_id("user-00000003")),
        ..AuditFilter::default()
    };
    let of_event = AuditFilter { event: Some(AuditEvent::AppCreated), ..AuditFilter::default() };
    let filters = [of_agent, of_user, of_event];
    for filter in &filters {
        // in the tail: the budget ends long before the record
        let page = world.read(|views| views.audit(filter, None, 10));
        assert!(page.records.is_empty() && page.next.is_some(), "{page:?}");
    }
    world.maintain();
    let tail = in_tail(&place, world.read(|views| views.log_end()));
    for filter in &filters {
        // past what is left in the tail, one page finds everything
        let mut page = world.read(|views| views.audit(filter, None, 10));
        for _ in 0..=tail / BUDGET {
            if page.records.is_empty() {
                page = world.read(|views| views.audit(filter, page.next, 10));
            }
        }
        assert!(!page.records.is_empty() && page.next.is_none(), "{filter:?}: {page:?}");
        assert_eq!(page.records, world.search(filter, 10));
    }
}

#[test]
fn a_chain_is_read_in_bounded_slices() {
    let place = Place::new();
    let world = open(&place, 1_000);
    let caller = world.key(&world.app(), Environment::Live);
    many_agents(&world, &caller, 500);
    // two segments are closed; the tail has hundreds of records and none of the register
    world.maintain();
    let (chains, end) =
        world.read(|views| Ok((views.chains(Some(caller.tenant))?, views.log_end()?)));
    let register = chains.iter().find(|chain| chain.kind == ChainKind::Register).unwrap();
    let (mut found, mut slices, mut after) = (0, 0, 0);
    loop {
        let slice = world.read(|views| views.chain_records(register.id, after, end, 1_000));
        found += slice.records.len();
        slices += 1;
        let Some(next) = slice.next else { break };
        assert!(next - after <= 2_000, "a slice ends where its budget does");
        after = next;
    }
    assert_eq!(u64::try_from(found).unwrap(), register.head.seq);
    let in_tail = in_tail(&place, end);
    assert!(in_tail > 4 * BUDGET, "{in_tail} records in the tail");
    assert!(slices > in_tail / BUDGET, "{slices} slices for {in_tail} records");
    assert!(slices <= in_tail / BUDGET + 3, "{slices} slices: closed segments go by their index");
}

#[test]
fn short_pages_lead_to_everything() {
    let place = Place::new();
    let world = open(&place, 1_000_000);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 100);
    for agent in &agents {
        let filter = AuditFilter { connection_id: Some(agent.id), ..AuditFilter::default() };
        // issued, exchanged, verified
        assert_eq!(world.search(&filter, 2).len(), 3);
    }
    assert_eq!(world.log_of(Some(caller.tenant)).len(), 304);
}
