//! Closed segments and retention: the answers stay, and what is trimmed is said.

use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::time::Timestamp;

use super::busy::{as_writer, busy, filters, scan};
use super::export;
use super::world::{Agent, Caller, World, assert_allowed};
use super::{Backend, check};
use crate::clock::Clock;
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::upkeep::{AcceptClock, CloseChains, SLICE, Trim};
use crate::views::{AuditFilter, ConnectionFilter};
use crate::writer::WriterOptions;

/// Small segments, so that a busy store has many.
fn segmented(backend: &Backend<'_>) -> World {
    World::with(backend, WriterOptions::default(), 50)
}

/// Trims all that is wholly older than this.
fn trim(world: &World, before: Timestamp) -> usize {
    let mut trimmed = 0;
    while world.run(&Trim { before }) {
        trimmed += 1;
        assert!(trimmed < 10_000, "trimming does not end");
    }
    trimmed
}

pub(super) fn maintenance_changes_no_answer(backend: &Backend<'_>) {
    let world = segmented(backend);
    let (callers, agents) = busy(&world);
    let answers = |world: &World| {
        let connections = check::connections(world, &ConnectionFilter::default(), 10);
        let activity: Vec<_> = connections
            .iter()
            .map(|connection| world.read(|views| views.activity(connection.id)))
            .collect();
        let chains = check::all_chains(world);
        let ends = world.read(|views| Ok((views.log_end()?, views.newest_record_at()?)));
        (world.log(), connections, activity, chains, ends)
    };
    let before = answers(&world);
    world.maintain();
    assert_eq!(answers(&world), before);
    check::everything(&world);
    for (caller, agents) in callers.iter().zip(&agents) {
        assert_allowed(&caller.verify(&agents[3]));
    }
    check::everything(&world);
    world.maintain();
    check::everything(&world);
    export::assert_sound(&world);
}

pub(super) fn an_index_finds_what_a_scan_finds(backend: &Backend<'_>) {
    let world = segmented(backend);
    let (callers, agents) = busy(&world);
    world.maintain();
    // a tail again, after the closed segments
    for agent in &agents[0][3..6] {
        callers[0].verify(agent);
    }
    let filters = filters(&world, &callers, &agents);
    let log = world.log();
    for filter in &filters {
        assert_eq!(world.search(filter, 50), scan(&log, filter), "{filter:?}");
    }
    for filter in filters.iter().step_by(37) {
        assert_eq!(world.search(filter, 3), scan(&log, filter), "{filter:?} in small pages");
    }
    for caller in &callers {
        let of = |record: &&agentadmit_protocol::audit::AuditRecord| {
            (record.app_id, record.environment)
                == (Some(caller.tenant.app_id), Some(caller.tenant.environment))
        };
        let expected: Vec<_> = log.iter().filter(of).cloned().collect();
        assert_eq!(world.log_of(Some(caller.tenant)), expected);
    }
}

pub(super) fn trimming_keeps_what_is_younger(backend: &Backend<'_>) {
    let world = segmented(backend);
    busy(&world);
    assert_eq!(trim(&world, world.now()), 0, "no segment is closed yet");
    world.pass(3_600);
    let (callers, agents) = busy(&world);
    world.maintain();
    let before = world.log();
    let bound = before[before.len() / 2].occurred_at;
    assert!(trim(&world, bound) > 1);
    world.maintain();
    let after = world.log();
    let first_kept = before.iter().position(|record| record.id == after[0].id).unwrap();
    assert!(first_kept > 0);
    assert!(before[..first_kept].iter().all(|record| record.occurred_at < bound));
    let kept = before.len() - first_kept;
    assert_eq!(after[..kept], before[first_kept..], "the rest is as it was");
    let new = after[kept..].iter().map(|record| record.event);
    assert!(new.into_iter().all(|event| event == AuditEvent::AuditTrimmed));
    check::everything(&world);
    for filter in filters(&world, &callers, &agents).iter().step_by(11) {
        assert_eq!(world.search(filter, 50), scan(&after, filter), "{filter:?}");
    }
    assert_allowed(&callers[0].verify(&agents[0][3]));
    assert!(trim(&world, world.now().plus_seconds(1)) > 0);
    world.maintain();
    assert_allowed(&callers[0].verify(&agents[0][3]));
    check::everything(&world);
}

pub(super) fn a_trimmed_export_verifies(backend: &Backend<'_>) {
    let world = segmented(backend);
    for round in 0..3 {
        let (callers, agents) = busy(&world);
        as_writer(&world, 100 + round, &callers[0].verify_verb(agents[0][3].access_token));
        world.run(&CloseChains::Others);
        if round == 1 {
            world.run(&CloseChains::Own);
        }
        world.pass(3_600);
        world.maintain();
        export::assert_sound(&world);
        assert!(trim(&world, world.now().plus_seconds(-7_200)) > 0 || round == 0);
        world.maintain();
        check::everything(&world);
        export::assert_sound(&world);
    }
    assert!(trim(&world, world.now()) > 0);
    world.maintain();
    check::everything(&world);
    export::assert_sound(&world);
}

pub(super) fn a_segment_goes_by_slices_of_tenants(backend: &Backend<'_>) {
    const SEGMENT: usize = 800;
    let world = World::with(backend, WriterOptions::default(), SEGMENT);
    let apps: Vec<_> = (0..SLICE / 2 + 2).map(|_| world.app()).collect();
    // a record of the service's own
    world.granted(&AcceptClock { credential: OperatorCredential::Local });
    let mut callers: Vec<Caller<'_>> = Vec::new();
    for app in &apps {
        callers.extend(Environment::ALL.iter().map(|environment| world.key(app, *environment)));
    }
    let agents: Vec<Agent> = callers.iter().map(|caller| caller.connect("ann")).collect();
    // a whole segment, and a tail after it
    let issue = callers[0].issue("bob");
    let mut fill = |tx: &mut Tx<'_>| {
        while usize::try_from(tx.rows.log_end()?).unwrap() < SEGMENT {
            assert!(issue.run(tx)?.is_ok());
        }
        Ok(())
    };
    world.store.transaction("fill", &mut fill).unwrap();
    world.pass(10);
    for (caller, agent) in callers.iter().zip(&agents) {
        assert_allowed(&caller.verify(agent));
    }
    world.maintain();
    let before = world.now().plus_seconds(-5);
    let trimmed = || world.events(AuditEvent::AuditTrimmed).len();
    let mut slices = 0;
    while world.run(&Trim { before }) {
        slices += 1;
        assert!(trimmed() <= slices * (SLICE + 1), "a slice is bounded");
        export::assert_sound(&world);
        // maintenance and calls go on between two slices
        world.maintain();
        assert_allowed(&callers[1].verify(&agents[1]));
    }
    assert_eq!(slices, 2, "{} tenants", callers.len());
    assert_eq!(trimmed(), callers.len() + 1, "each tenant's register, and the service's own");
    world.maintain();
    assert!(world.log().iter().all(|record| record.occurred_at >= before));
    check::everything(&world);
    export::assert_sound(&world);
}

pub(super) fn a_chain_trimmed_away_may_be_closed_later(backend: &Backend<'_>) {
    let world = segmented(backend);
    let (callers, agents) = busy(&world);
    as_writer(&world, 100, &callers[0].verify_verb(agents[0][3].access_token));
    world.pass(3_600);
    let fill = |world: &World| {
        for agent in &agents[0][3..6] {
            for _ in 0..40 {
                callers[0].verify(agent);
            }
        }
        world.pass(3_600);
        world.maintain();
    };
    fill(&world);
    // everything of that writer's chain goes, the chain is still open
    assert!(trim(&world, world.now().plus_seconds(-1_800)) > 0);
    export::assert_sound(&world);
    fill(&world);
    world.run(&CloseChains::Others);
    export::assert_sound(&world);
    world.pass(3_600);
    // the word that it was trimmed goes, the word that it was closed is still in the tail
    fill(&world);
    assert!(trim(&world, world.now().plus_seconds(-5_400)) > 0);
    export::assert_sound(&world);
    check::everything(&world);
    assert!(trim(&world, world.now()) > 0);
    export::assert_sound(&world);
    check::everything(&world);
}

pub(super) fn time_bounds_hold_after_a_clock_was_set_back(backend: &Backend<'_>) {
    let world = segmented(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let calls = |number| {
        for _ in 0..number {
            world.pass_ms(1_000);
            assert_allowed(&caller.verify(&agent));
        }
    };
    calls(120);
    let set_back = world.now().plus_seconds(-60);
    world.clock.set_wall(set_back);
    world.store.clock().accept();
    world.granted(&AcceptClock { credential: OperatorCredential::Local });
    assert_eq!(world.read(|views| views.newest_record_at()), Some(set_back));
    calls(120);
    for maintained in [false, true] {
        if maintained {
            world.maintain();
        }
        let start = world.log()[0].occurred_at;
        for (from, to) in [(0, 50), (50, 61), (60, 121), (100, 130), (119, 120), (170, 400)] {
            let filter = AuditFilter {
                from: Some(start.plus_seconds(from)),
                to: Some(start.plus_seconds(to)),
                ..AuditFilter::default()
            };
            let expected = scan(&world.log(), &filter);
            assert!(!expected.is_empty());
            assert_eq!(world.search(&filter, 9), expected, "{filter:?} maintained: {maintained}");
        }
    }
    assert_eq!(world.clock.read().wall, world.now());
    check::everything(&world);
}
