//! The log: chains and their register, searches, slices, checkpoints, exports.

use std::collections::BTreeSet;

use agentadmit_protocol::audit::{Actor, AuditEvent};

use super::busy::{as_writer, busy, filters, scan};
use super::export;
use super::world::{World, assert_allowed};
use super::{Backend, check};
use crate::verbs::upkeep::{Checkpoint, CloseChains};
use crate::views::{AuditFilter, ChainKind};

pub(super) fn chains_verify_from_their_beginning(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, _) = busy(&world);
    check::everything(&world);
    let log = world.log();
    assert!(log.len() > 200, "the check had something to check");
    let owners: BTreeSet<_> = log.iter().map(|r| (r.app_id, r.environment)).collect();
    assert!(owners.len() > callers.len(), "both environments of both apps");
}

pub(super) fn the_register_names_every_chain(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, agents) = busy(&world);
    as_writer(&world, 99, &callers[0].verify_verb(agents[0][3].access_token));
    for chain in check::all_chains(&world) {
        let ChainKind::Writer { writer } = chain.kind else { continue };
        let opened: Vec<_> = world
            .events(AuditEvent::ChainOpened)
            .into_iter()
            .filter(|record| {
                record.details.as_ref().unwrap().to_value()["chain"] == chain.id.to_string()
            })
            .collect();
        assert_eq!(opened.len(), 1, "{chain:?}");
        let record = &opened[0];
        assert_eq!(record.details.as_ref().unwrap().to_value()["writer"], writer.to_string());
        assert_eq!(record.actor, Actor::System);
        let chains = world.read(|views| views.chains(chain.tenant));
        let register = chains.iter().find(|chain| chain.kind == ChainKind::Register).unwrap();
        assert_eq!(record.chain, register.id);
    }
    check::everything(&world);
}

pub(super) fn every_filter_finds_what_a_scan_finds(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, agents) = busy(&world);
    let filters = filters(&world, &callers, &agents);
    let (log, mut hits) = (world.log(), 0);
    for filter in &filters {
        let found = world.search(filter, 50);
        hits += found.len();
        assert_eq!(found, scan(&log, filter), "{filter:?}");
    }
    assert!(hits > filters.len(), "most filters find something");
}

pub(super) fn pages_give_each_record_once_while_others_append(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, agents) = busy(&world);
    for filter in [
        AuditFilter::default(),
        AuditFilter { tenant: Some(callers[0].tenant), ..AuditFilter::default() },
        AuditFilter { event: Some(AuditEvent::Verified), ..AuditFilter::default() },
    ] {
        for size in [7, 1_000] {
            let expected = scan(&world.log(), &filter);
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = world.read(|views| views.audit(&filter, before, size));
                found.extend(page.records);
                world.pass_ms(100);
                assert_allowed(&callers[0].verify(&agents[0][3]));
                match page.next {
                    Some(next) => before = Some(next),
                    None => break,
                }
            }
            assert_eq!(found, expected, "pages of {size}");
        }
    }
}

pub(super) fn the_log_goes_forward_to_its_bound(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, agents) = busy(&world);
    let bound = world.read(|views| views.log_end());
    let before = world.log();
    assert_allowed(&callers[0].verify(&agents[0][3]));
    assert!(world.read(|views| views.log_end()) > bound);
    for tenant in [None, Some(callers[0].tenant), Some(callers[1].tenant)] {
        let expected: Vec<_> = before
            .iter()
            .filter(|record| {
                tenant.is_none_or(|t| {
                    (record.app_id, record.environment) == (Some(t.app_id), Some(t.environment))
                })
            })
            .cloned()
            .collect();
        for size in [1, 10, 10_000] {
            let (mut found, mut after) = (Vec::new(), 0);
            loop {
                let slice = world.read(|views| views.log(tenant, after, bound, size));
                assert!(slice.records.len() <= size);
                found.extend(slice.records);
                match slice.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            assert_eq!(found, expected, "slices of {size} of {tenant:?}");
        }
    }
}

pub(super) fn a_chain_reads_in_order(backend: &Backend<'_>) {
    let world = World::open(backend);
    busy(&world);
    let (log, end) = (world.log(), world.read(|views| views.log_end()));
    assert_eq!(usize::try_from(end).unwrap(), log.len(), "positions from 1, nothing trimmed");
    for chain in check::all_chains(&world) {
        let length = log.iter().filter(|record| record.chain == chain.id).count();
        assert_eq!(u64::try_from(length).unwrap(), chain.head.seq);
        for size in [1_000, 9] {
            for bound in [end, end / 2] {
                let (mut found, mut after) = (Vec::new(), 0);
                loop {
                    let slice =
                        world.read(|views| views.chain_records(chain.id, after, bound, size));
                    assert!(slice.records.len() <= size);
                    found.extend(slice.records);
                    match slice.next {
                        Some(next) => after = next,
                        None => break,
                    }
                }
                let expected = log[..usize::try_from(bound).unwrap()].iter();
                let expected: Vec<_> = expected.filter(|r| r.chain == chain.id).cloned().collect();
                assert_eq!(found, expected, "slices of {size} up to {bound}");
            }
        }
    }
}

pub(super) fn a_closed_chain_has_a_successor(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let before = world.record(assert_allowed(&caller.verify(&agent)));
    assert!(!world.run(&CloseChains::Own));
    let closed = world.events(AuditEvent::ChainClosed);
    let said: Vec<_> = closed.iter().map(|r| r.details.as_ref().unwrap().to_value()).collect();
    let own = said.iter().find(|details| details["chain"] == before.chain.to_string()).unwrap();
    assert_eq!(own["last_seq"], before.seq);
    assert_eq!(own["last_hash"], before.hash.to_string());
    let after = world.record(assert_allowed(&caller.verify(&agent)));
    assert_ne!(after.chain, before.chain);
    assert_eq!(after.seq, 1);
    let again = world.events(AuditEvent::ChainClosed).len();
    assert!(!world.run(&CloseChains::Own));
    assert_eq!(world.events(AuditEvent::ChainClosed).len(), again + 1, "only the new one was open");
    check::everything(&world);
    export::assert_sound(&world);
}

pub(super) fn chains_of_dead_writers_are_closed(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, agents) = busy(&world);
    for writer in [97, 98, 99] {
        for (caller, agents) in callers.iter().zip(&agents) {
            as_writer(&world, writer, &caller.verify_verb(agents[3].access_token));
        }
    }
    let open = |world: &World| {
        check::all_chains(world)
            .into_iter()
            .filter(|chain| chain.open && matches!(chain.kind, ChainKind::Writer { .. }))
            .count()
    };
    let before = open(&world);
    assert!(!world.run(&CloseChains::Others));
    assert_eq!(open(&world), before - 9);
    assert_eq!(world.events(AuditEvent::ChainClosed).len(), 9);
    assert_allowed(&callers[0].verify(&agents[0][3]));
    check::everything(&world);
    export::assert_sound(&world);
}

pub(super) fn a_checkpoint_names_the_heads(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, _) = busy(&world);
    let tenant = Some(callers[0].tenant);
    let before: BTreeSet<_> = world
        .read(|views| views.chains(tenant))
        .into_iter()
        .map(|chain| (chain.id.to_string(), chain.head.seq, chain.head.hash.to_string()))
        .collect();
    let sign = |message: &[u8]| export::sign(message);
    world.run(&Checkpoint { tenant, kid: export::KID, sign: &sign });
    let record = world.events(AuditEvent::Checkpoint).pop().unwrap();
    let details = record.details.unwrap().to_value();
    let heads: BTreeSet<_> = details["heads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|head| {
            let text = |name: &str| head[name].as_str().unwrap().to_owned();
            (text("chain"), head["seq"].as_u64().unwrap(), text("hash"))
        })
        .collect();
    assert_eq!(heads, before, "the register's own head is that before the checkpoint");
    assert_eq!(details["kid"], export::KID);
    check::everything(&world);
    let report = export::report(&export::bytes(&world, tenant));
    assert!(report.ok, "{:?}", report.findings);
    assert_eq!(report.checkpoints, 1, "its signature holds");
}

pub(super) fn an_untouched_export_verifies(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (callers, agents) = busy(&world);
    as_writer(&world, 99, &callers[0].verify_verb(agents[0][3].access_token));
    export::assert_sound(&world);
    let export = export::bytes(&world, Some(callers[0].tenant));
    let report = export::report(&export);
    assert!(report.records > 50 && report.chains == 3, "{report:?}");
    let text = String::from_utf8(export).unwrap();
    let altered = text.replacen("\"allowed\"", "\"refused\"", 1);
    assert!(!export::report(altered.as_bytes()).ok, "the verifier can find something");
}
