//! Calls per connection are exact, whatever crashes and whichever process appends.

mod common;

use std::time::Duration;

use agentadmit_core::connection::Activity;
use agentadmit_protocol::environment::Environment;
use agentadmit_store::Store;
use agentadmit_store::conformance::check;
use agentadmit_store::conformance::world::{Agent, Caller, World, assert_allowed};
use agentadmit_store::copy::{Cell, Source, TABLES};
use agentadmit_store::views::ConnectionFilter;
use agentadmit_store_sqlite::SqliteStore;
use common::{Place, many_agents, used};

fn calls(world: &World, agent: &Agent) -> u64 {
    world.read(|views| views.activity(agent.id)).calls
}

fn labels(world: &World, caller: &Caller<'_>) -> u64 {
    let of = caller.tenant;
    let labels = world.read(|views| views.usage_by_label(of, i32::MIN, i32::MAX, 100));
    labels.iter().map(|(_, calls)| calls).sum()
}

#[test]
fn a_crash_anywhere_in_a_fold_loses_and_repeats_nothing() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 2_300);
    let mut slices = 0;
    loop {
        // one slice at a time
        let more = store.maintain(Duration::ZERO).unwrap().more;
        // calls go on while a window is being folded
        assert_allowed(&caller.verify(&agents[slices]));
        assert_allowed(&caller.verify(&agents[2_299 - slices]));

        let killed = place.killed();
        let restarted = killed.service(2);
        let after = killed.world(&restarted);
        check::activity(&after, &after.log());
        check::key_use(&after, &after.log());
        after.maintain();
        check::activity(&after, &after.log());
        check::key_use(&after, &after.log());
        assert_eq!(labels(&after, &caller), 2_300 + 2 * (slices as u64 + 1));
        slices += 1;
        if !more || slices > 5 {
            break;
        }
    }
    assert!(slices >= 3, "{slices} slices: the window was folded at once");
}

#[test]
fn what_was_folded_is_not_read_again() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    assert_allowed(&caller.verify(&agent));
    world.maintain();
    drop((world, store));
    // the tables alone know of the call now
    place.raw().execute("DELETE FROM activity", []).unwrap();
    let store = place.service(2);
    assert_eq!(calls(&place.world(&store), &agent), 0);
}

#[test]
fn a_copy_has_a_row_for_each_connection() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    many_agents(&world, &caller, 300);
    drop(caller);
    drop((world, store));
    let mut whole = SqliteStore::open_whole(place.path(), place.options(2)).unwrap();
    let table = TABLES.iter().find(|table| table.name == "activity").unwrap();
    let mut rows = Vec::new();
    let mut take = |row: Vec<Cell>| {
        rows.push(format!("{row:?}"));
        Ok(())
    };
    whole.rows(table, &mut take).unwrap();
    let wanted = used(&place).into_iter().map(|(id, calls, at)| {
        let id = Cell::Uuid(id.try_into().unwrap());
        format!("{:?}", vec![id, Cell::Big(calls), Cell::Big(at)])
    });
    assert_eq!(rows, wanted.collect::<Vec<_>>());
    assert_eq!((rows.len(), whole.count(table).unwrap()), (300, 300));
}

#[test]
fn records_without_a_use_are_not_read_again_either() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    world.key(&world.app(), Environment::Live);
    world.maintain();
    drop((world, store));
    let sql = "SELECT folded_to, (SELECT max(pos) FROM audit_log) FROM fold";
    let (folded_to, newest): (i64, i64) = place
        .raw()
        .query_row(sql, [], |row| Ok((row.get(0).unwrap(), row.get(1).unwrap())))
        .unwrap();
    assert!(newest > 0);
    assert_eq!(folded_to, newest);
}

#[test]
fn another_process_may_append() {
    let place = Place::new();
    let service = place.service(1);
    let here = place.world(&service);
    let caller = here.key(&here.app(), Environment::Live);
    let agent = caller.connect("ann");
    assert_allowed(&caller.verify(&agent));

    let command = place.command(2);
    let there = place.world(&command);
    let other = Caller { world: &there, ..caller.clone() };
    assert_allowed(&other.verify(&agent));
    assert_allowed(&other.verify(&agent));
    for world in [&here, &there] {
        assert_eq!(calls(world, &agent), 3);
    }
    // the service folds, also what the command appended, and the command notices
    here.maintain();
    assert_allowed(&other.verify(&agent));
    for world in [&here, &there] {
        assert_eq!(calls(world, &agent), 4);
    }
    assert_allowed(&caller.verify(&agent));
    here.maintain();
    for world in [&here, &there] {
        assert_eq!(calls(world, &agent), 5);
        check::activity(world, &world.log());
        check::key_use(world, &world.log());
    }
    assert_eq!(labels(&here, &caller), 5);
    // a command does not maintain a store that has a service
    assert_eq!(command.maintain(Duration::MAX).unwrap().rows, 0);
}

#[test]
fn readers_stay_exact_while_it_is_folded() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agents = many_agents(&world, &caller, 600);
    let all = |world: &World| {
        let ids: Vec<_> = check::connections(world, &ConnectionFilter::default(), 1_000)
            .iter()
            .map(|connection| connection.id)
            .collect();
        world.read(|views| {
            ids.iter().try_fold(Activity::default(), |sum, id| Ok(sum.and(views.activity(*id)?)))
        })
    };
    let rounds = 30_u64;
    std::thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let mut last = 600;
            while last < 600 + rounds {
                let now = all(&world).calls;
                assert!((last..=600 + rounds).contains(&now), "{now} calls after {last}");
                last = now;
            }
        });
        for agent in agents.iter().take(usize::try_from(rounds).unwrap()) {
            assert_allowed(&caller.verify(agent));
            store.maintain(Duration::MAX).unwrap();
        }
        reader.join().unwrap();
    });
}
