//! What makes a store one: all or nothing, a clock that is believed, snapshots, durable answers.

use agentadmit_core::clock::Doubt;
use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::secret::SecretHash;

use super::busy::busy;
use super::portrait::portrait;
use super::world::{World, assert_allowed, exchange};
use super::{Backend, check};
use crate::store::{StoreError, write};
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::revoke::RevokeTarget;
use crate::verbs::upkeep::AcceptClock;

pub(super) fn a_failed_transaction_leaves_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, agents) = busy(&world);
    let caller = &callers[0];
    let agent = agents[0][3];
    let pending = caller.issued("ann");
    let before = portrait(&world);
    let (issue, verify, malformed) = (
        caller.issue("new"),
        caller.verify_verb(agent.access_token),
        caller.verify_verb(SecretHash::of(b"junk")),
    );
    let verbs = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        assert!(issue.run(tx)?.is_ok());
        assert_allowed(&verify.run(tx)?);
        malformed.run(tx)?;
        assert!(exchange(pending.token.hash()).run(tx)?.is_ok());
        let target = RevokeTarget::Connection { id: agent.id, owner: None };
        assert!(caller.revoke_verb(target).run(tx)?.is_ok());
        tx.rows.put_sealed_secret("name", b"sealed")?;
        Ok(())
    };
    let failed = world.store.transaction("failing", &mut |tx| {
        verbs(tx)?;
        Err(StoreError::Unavailable("the test says so".to_owned()))
    });
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert_eq!(portrait(&world), before);
    assert_eq!(world.read(|views| views.sealed_secret("name")), None);
    world.maintain();
    check::everything(&world);
    assert_allowed(&caller.verify(&agent));
    world.run(&malformed);
    let last = world.log().pop().unwrap();
    assert_eq!(last.event, AuditEvent::Refused, "a lost first record is written again");
    world.granted(&exchange(pending.token.hash()));
    check::everything(&world);
}

pub(super) fn a_failed_clock_leaves_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let before = portrait(&world);
    world.clock.set_wall(world.now().plus_seconds(-6));
    assert!(matches!(
        write(&*world.store, &caller.issue("ann")),
        Err(StoreError::Clock(Doubt::Behind { behind_ms: 6_000 }))
    ));
    assert_eq!(portrait(&world), before);
}

pub(super) fn a_clock_behind_is_refused_until_accepted(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let newest = world.now();
    assert_eq!(world.store.clock().doubt(), None);

    world.clock.set_wall(newest.plus_seconds(-5));
    let record = world.record(assert_allowed(&caller.verify(&agent)));
    assert_eq!(record.occurred_at, newest, "a little behind stands still");

    world.clock.set_wall(newest.plus_seconds(-30));
    let doubt = Doubt::Behind { behind_ms: 30_000 };
    assert_eq!(world.store.clock().doubt(), Some(doubt));
    let verify = caller.verify_verb(agent.access_token);
    let answer = write(&*world.store, &verify);
    assert!(matches!(answer, Err(StoreError::Clock(found)) if found == doubt), "{answer:?}");

    world.clock.set_wall(newest.plus_seconds(1));
    assert_eq!(world.store.clock().doubt(), None, "set right by itself");
    assert_allowed(&caller.verify(&agent));

    world.clock.set_wall(newest.plus_seconds(-30));
    world.store.clock().accept();
    assert_eq!(world.store.clock().doubt(), None);
    world.granted(&AcceptClock { credential: OperatorCredential::Local });
    let accepted = world.events(AuditEvent::ClockAccepted).pop().unwrap();
    assert_eq!(accepted.occurred_at, newest.plus_seconds(-30));
    let record = world.record(assert_allowed(&caller.verify(&agent)));
    assert_eq!(record.occurred_at, newest.plus_seconds(-30), "its floor is the new one");
    assert_eq!(world.store.clock().doubt(), None);
    world.clock.set_wall(newest.plus_seconds(-40));
    let doubt = Doubt::Behind { behind_ms: 10_000 };
    assert_eq!(world.store.clock().doubt(), Some(doubt), "accepted once is not for ever");
    assert!(matches!(write(&*world.store, &verify), Err(StoreError::Clock(found)) if found == doubt));
    check::everything(&world);
}

pub(super) fn a_clock_that_jumps_is_refused(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let right = world.now();
    world.clock.set_wall(right.plus_seconds(3_601));
    let doubt = Doubt::Jumped { jump_ms: 3_601_000 };
    assert_eq!(world.store.clock().doubt(), Some(doubt));
    let verify = caller.verify_verb(agent.access_token);
    assert!(matches!(write(&*world.store, &verify), Err(StoreError::Clock(_))));
    world.clock.set_wall(right);
    assert_allowed(&caller.verify(&agent));
    world.clock.set_wall(right.plus_seconds(3_601));
    world.store.clock().accept();
    assert_eq!(world.store.clock().doubt(), None);
    let record = world.record(assert_allowed(&caller.verify(&agent)));
    assert_eq!(record.occurred_at, right.plus_seconds(3_601));
    world.pass(7_200);
    assert_allowed(&caller.verify(&agent));
    check::everything(&world);
}

pub(super) fn a_snapshot_stands_still(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let mut inside = None;
    let mut writes = 0;
    world
        .store
        .snapshot("still", &mut |views| {
            let before = (views.connection(agent.id)?, views.log_end()?);
            // a writer is not held up by a reader, and the reader does not see it
            if writes == 0 {
                caller.revoke(agent.id);
                writes += 1;
            }
            let after = (views.connection(agent.id)?, views.log_end()?);
            inside = Some((before, after));
            Ok(())
        })
        .unwrap();
    let (before, after) = inside.unwrap();
    assert_eq!(before, after);
    assert!(world.connection(agent.id).has_ended(), "the next one does");
    let failed = world.store.snapshot("failing", &mut |_| {
        Err(StoreError::Unavailable("the test says so".to_owned()))
    });
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
}

pub(super) fn what_is_returned_is_read(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    for round in 0..50 {
        let issued = caller.issued("ann");
        assert_eq!(world.connection(issued.connection.id), issued.connection, "round {round}");
        let ids = world.read(|views| {
            let user = issued.connection.user_id.clone();
            views.live_connections_of(caller.tenant, &user, 1_000)
        });
        assert!(ids.contains(&issued.connection.id));
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "oldest first");
        if round % 3 == 0 {
            caller.revoke(issued.connection.id);
        }
    }
    let limited = world.read(|views| {
        views.live_connections_of(caller.tenant, &super::world::user_id("ann"), 5)
    });
    assert_eq!(limited.len(), 5);
}

pub(super) fn apps_are_listed_by_id(backend: &Backend<'_>) {
    let world = World::open(backend);
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(world.app());
        world.pass_ms(number % 3);
    }
    made.sort_by_key(|app| app.id);
    assert_eq!(check::apps(&world), made);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = world.read(|views| views.apps(after, 3));
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        paged.extend(page);
    }
    assert_eq!(paged, made);
    let unknown = agentadmit_protocol::id::AppId::from_bytes([3; 16]);
    assert_eq!(world.read(|views| views.app(unknown)), None);
}
