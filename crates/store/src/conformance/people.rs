//! One person in many apps: who there is, what can act for them, and the end of it all.

use agentadmit_core::app::ConnectionCounts;
use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::text::{Text, UserId};

use super::world::{World, assert_allowed, assert_dead, exchange, user_id};
use super::{Backend, check};
use crate::record::Origin;
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::apps::DeleteApp;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::person::{
    CONNECTIONS_PER_SLICE, EndPerson, Next, PersonEnded, TENANTS_PER_SLICE,
};
use crate::views::{ConnectionFilter, UserCount};

fn end(user: &str) -> EndPerson {
    EndPerson {
        credential: OperatorCredential::Local,
        user_id: user_id(user),
        reason: Some(Text::new("left the company").unwrap()),
        after: None,
        origin: Origin::default(),
    }
}

/// Slice after slice; what each did.
fn end_all(world: &World, user: &str) -> Vec<PersonEnded> {
    let (mut verb, mut slices) = (end(user), Vec::new());
    loop {
        let ended = world.granted(&verb);
        let next = ended.next;
        slices.push(ended);
        match next {
            Next::Done => return slices,
            Next::After(after) => verb.after = after,
        }
        assert!(slices.len() < 1_000, "it comes to an end");
    }
}

pub(super) fn everything_of_a_person_ends(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (shop, bank) = (world.caller(), world.caller());
    let shop_app = world.read(|views| views.app(shop.tenant.app_id)).unwrap();
    let test = world.key(&shop_app, Environment::Test);
    let agents: Vec<_> = [&shop, &bank, &test].map(|caller| caller.connect("ann")).into();
    let pending = bank.issued("ann");
    let spared = [(&shop, shop.connect("ann2")), (&bank, bank.connect("bob"))];
    let asked = world.granted(&world.caller().ask("ann"));
    bank.revoke(bank.connect("ann").id);

    let slices = end_all(&world, "ann");
    assert_eq!(slices.len(), 1);
    let mut apps = vec![shop.tenant.app_id, bank.tenant.app_id];
    apps.sort_unstable();
    assert_eq!((slices[0].count, &slices[0].apps), (4, &apps));
    for (caller, agent) in [&shop, &bank, &test].into_iter().zip(&agents) {
        assert_dead(&caller.verify(agent), InvalidTokenReason::Revoked);
    }
    assert_eq!(world.refused(&exchange(pending.token.hash())), ErrorCode::InvalidGrant);
    let session = world.read(|views| views.consent_session(asked.session.id)).unwrap();
    assert!(session.expires_at <= world.now(), "nobody asks her any more");
    for (caller, agent) in &spared {
        assert_allowed(&caller.verify(agent));
    }
    let records = world.events(AuditEvent::ConnectionRevoked);
    let said: Vec<_> = records.iter().filter(|r| r.reason.is_some()).collect();
    assert_eq!(said.len(), 4, "a record for each connection");
    assert!(said.iter().all(|record| record.user_id == Some(user_id("ann"))));
    assert_eq!(end_all(&world, "ann")[0].count, 0, "again ends nothing");
    assert_eq!(end_all(&world, "nobody")[0].count, 0);
    check::everything(&world);
}

pub(super) fn a_person_of_many_connections_ends_in_slices(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (first, second) = (world.caller(), world.caller());
    let many = CONNECTIONS_PER_SLICE + 50;
    for (caller, count) in [(&first, many), (&second, 60)] {
        let issue = caller.issue("ann");
        let mut work = |tx: &mut Tx<'_>| {
            for _ in 0..count {
                assert!(issue.run(tx)?.is_ok());
            }
            Ok(())
        };
        world.store.transaction("many", &mut work).unwrap();
    }
    let slices = end_all(&world, "ann");
    let counts: Vec<u64> = slices.iter().map(|slice| slice.count).collect();
    assert!(counts.iter().all(|count| *count <= CONNECTIONS_PER_SLICE as u64), "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), (many + 60) as u64, "{counts:?}");
    assert!(counts.len() > 1, "{counts:?}");
    check::everything(&world);
}

pub(super) fn a_person_of_many_apps_ends_in_slices(backend: &Backend<'_>) {
    let world = World::open(backend);
    let apps = TENANTS_PER_SLICE + 2;
    let callers: Vec<_> = (0..apps).map(|_| world.caller()).collect();
    for caller in &callers {
        caller.issued("ann");
    }
    let credential = OperatorCredential::Local;
    let app_id = callers[3].tenant.app_id;
    world.granted(&DeleteApp { credential, app_id, origin: Origin::default() });
    let slices = end_all(&world, "ann");
    let counts: Vec<u64> = slices.iter().map(|slice| slice.count).collect();
    assert_eq!((counts.len(), counts.iter().sum()), (2, apps as u64 - 1), "{counts:?}");
    let tenants = world.read(|views| views.tenants_of_user(&user_id("ann"), None, 1_000));
    assert_eq!(tenants.len(), apps, "what was is still to be seen");
    let filter = ConnectionFilter { user_id: Some(user_id("ann")), ..Default::default() };
    assert_eq!(check::connections(&world, &filter, 10).len(), apps);
    assert_eq!(world.read(|views| views.connection_total(&filter)), apps as u64);
}

pub(super) fn people_are_found_by_the_beginning_of_their_id(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (shop, bank) = (world.caller(), world.caller());
    for user in ["ann", "anna", "bob", "Ann", "an", "ännchen", "ann%", "zoe"] {
        shop.connect(user);
    }
    bank.connect("ann");
    bank.issued("ann");
    bank.revoke(bank.connect("anna").id);
    let found = |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let after = after.map(user_id);
        let users = world.read(|views| views.users(prefix, after.as_ref(), limit));
        users.into_iter().map(String::from).collect()
    };
    assert_eq!(found("ann", None, 10), ["ann", "ann%", "anna"]);
    assert_eq!(found("ann", None, 2), ["ann", "ann%"]);
    assert_eq!(found("ann", Some("ann%"), 10), ["anna"]);
    assert_eq!(found("ann", Some("Z"), 10), ["ann", "ann%", "anna"], "what stands before");
    assert_eq!(found("ann", Some("b"), 10), Vec::<String>::new());
    let all = ["Ann", "an", "ann", "ann%", "anna", "bob", "zoe", "ännchen"];
    assert_eq!(found("", None, 10), all, "byte by byte");
    assert_eq!(found("x", None, 10), Vec::<String>::new());

    let users: Vec<UserId> = ["anna", "ann", "nobody"].map(user_id).into();
    let counts = world.read(|views| views.user_counts(&users));
    let count = |caller: &super::world::Caller<'_>, user, pending, active, revoked| UserCount {
        user_id: user_id(user),
        tenant: caller.tenant,
        rows: ConnectionCounts { pending, active, revoked, expired: 0 },
    };
    let mut expected = vec![
        count(&shop, "ann", 0, 1, 0),
        count(&bank, "ann", 1, 1, 0),
        count(&shop, "anna", 0, 1, 0),
        count(&bank, "anna", 0, 0, 1),
    ];
    expected.sort_by(|a, b| (&a.user_id, a.tenant).cmp(&(&b.user_id, b.tenant)));
    assert_eq!(counts, expected);
    assert_eq!(world.read(|views| views.user_counts(&[])), vec![]);
}
