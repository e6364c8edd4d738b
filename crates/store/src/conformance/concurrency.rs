//! Many threads on one store: promises hold for whoever asks at the same moment.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::settings::{OnReplay, RateLimits, Settings};

use super::hammer::Hammer;
use super::world::{World, assert_allowed, exchange};
use super::{Backend, check};
use crate::store::write;
use crate::verbs::verify::VerifyAnswer;

fn unlimited() -> Settings {
    let rate_limit = RateLimits { per_key_per_second: None, per_connection_per_second: None };
    Settings { rate_limit, on_replay: OnReplay::Refuse, ..Settings::default() }
}

pub(super) fn one_of_many_exchanges_wins(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller_with(unlimited());
    for _ in 0..4 {
        let issued = caller.issued("ann");
        let exchange = exchange(issued.token.hash());
        let store = &world.store;
        let won: Vec<_> = thread::scope(|scope| {
            let race = |_| scope.spawn(|| write(&**store, &exchange).unwrap().ok());
            let racers: Vec<_> = (0..64).map(race).collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(won.len(), 1, "one of 64");
        assert_allowed(&caller.verify(&super::world::agent(&issued, &won[0])));
    }
    assert_eq!(world.events(AuditEvent::ConnectionExchanged).len(), 4);
    check::everything(&world);
}

pub(super) fn no_call_after_a_revocation_passes(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller_with(unlimited());
    for _ in 0..10 {
        let agent = caller.connect("ann");
        let verify = caller.verify_verb(agent.access_token);
        let (store, revoked, passed) = (&world.store, AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..100_000 {
                        let started_after = revoked.load(Ordering::SeqCst);
                        match write(&**store, &verify).unwrap() {
                            VerifyAnswer::Allowed { .. } => {
                                assert!(!started_after, "a call passed that began afterwards");
                                passed.fetch_add(1, Ordering::SeqCst);
                            }
                            VerifyAnswer::Dead { .. } => return,
                            other => panic!("{other:?}"),
                        }
                    }
                    panic!("it is never revoked");
                });
            }
            while passed.load(Ordering::SeqCst) < 20 {
                thread::yield_now();
            }
            caller.revoke(agent.id);
            revoked.store(true, Ordering::SeqCst);
        });
    }
    check::everything(&world);
}

pub(super) fn many_writers_make_sound_chains(backend: &Backend<'_>) {
    let world = World::with(backend, crate::writer::WriterOptions::default(), 100);
    let callers = [world.caller_with(unlimited()), world.caller_with(unlimited())];
    let agents = callers.each_ref().map(|caller| caller.connect("ann"));
    thread::scope(|scope| {
        for thread in 0..8 {
            let (caller, agent, world) = (&callers[thread % 2], &agents[thread % 2], &world);
            scope.spawn(move || {
                for call in 0..50 {
                    assert_allowed(&caller.verify(agent));
                    if call % 10 == 0 {
                        caller.issued("bob");
                        world.maintain();
                        world.pass_ms(1);
                    }
                }
            });
        }
    });
    for agent in &agents {
        assert_eq!(world.read(|views| views.activity(agent.id)).calls, 200);
    }
    check::everything(&world);
}

pub(super) fn a_burst_is_never_exceeded(backend: &Backend<'_>) {
    let world = World::open(backend);
    let rate_limit = RateLimits { per_key_per_second: None, per_connection_per_second: Some(20) };
    let caller = world.caller_with(Settings { rate_limit, ..Settings::default() });
    let agent = caller.connect("ann");
    let passed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    if matches!(caller.verify(&agent), VerifyAnswer::Allowed { .. }) {
                        passed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(passed.load(Ordering::SeqCst), 40, "the burst, on a clock that stands still");
    check::everything(&world);
}

pub(super) fn a_plan_is_never_exceeded(backend: &Backend<'_>) {
    let world = World::open(backend);
    let hammer = Hammer { limit: 150, threads: 8, calls: 40, most_early: 0 };
    let used = hammer.strike(&world, &[&*world.store]);
    assert_eq!(used, 150, "one writer refuses none early");
    check::everything(&world);
}
