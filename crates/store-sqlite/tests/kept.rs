//! Rows that the writer keeps from one transaction to the next are never older than the database.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::settings::{OnLimit, Plan, PlanStatus};
use agentadmit_store::conformance::check;
use agentadmit_store::conformance::world::{
    Agent, Caller, SCOPES, World, assert_allowed, names, scope,
};
use agentadmit_store::record::Origin;
use agentadmit_store::verbs::Verb;
use agentadmit_store::verbs::apps::{DeleteApp, PutPlan};
use agentadmit_store::verbs::auth::OperatorCredential;
use agentadmit_store::verbs::catalogue::OperatorPutScopes;
use agentadmit_store::verbs::keys::RevokeApiKey;
use agentadmit_store::verbs::verify::{Denial, VerifyAnswer};
use agentadmit_store::{Store, StoreError, Tx};
use agentadmit_store_sqlite::steps;
use common::Place;

/// What somebody does to a caller and its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    KeyRevoked,
    PlanUsedUp,
    ScopeRemoved,
    AppDeleted,
}

const CHANGES: [Change; 4] =
    [Change::KeyRevoked, Change::PlanUsedUp, Change::ScopeRemoved, Change::AppDeleted];

impl Change {
    fn run(self, tx: &mut Tx<'_>, caller: &Caller<'_>) -> Result<(), StoreError> {
        let (app_id, origin) = (caller.tenant.app_id, Origin::default());
        let credential = OperatorCredential::Local;
        match self {
            Self::KeyRevoked => {
                let key_id = caller.key.id;
                RevokeApiKey { credential, app_id, key_id, origin }.run(tx)?.unwrap();
            }
            Self::PlanUsedUp => {
                let (status, on_limit) = (PlanStatus::Active, OnLimit::Refuse);
                let plan = Plan { status, call_limit: Some(0), on_limit, ..Plan::default() };
                PutPlan { credential, app_id, plan, origin }.run(tx)?.unwrap();
            }
            Self::ScopeRemoved => {
                let (environment, remove) = (caller.tenant.environment, names(&SCOPES[..1]));
                let scopes = SCOPES[1..].iter().map(|name| scope(name)).collect();
                OperatorPutScopes { credential, app_id, environment, scopes, remove, origin }
                    .run(tx)?
                    .unwrap();
            }
            Self::AppDeleted => {
                DeleteApp { credential, app_id, origin }.run(tx)?.unwrap();
            }
        }
        Ok(())
    }

    /// Whether this is what a call hears once it has happened.
    fn is_heard_in(self, answer: &VerifyAnswer) -> bool {
        match self {
            Self::KeyRevoked | Self::AppDeleted => matches!(answer, VerifyAnswer::Refused(_)),
            Self::PlanUsedUp => {
                matches!(answer, VerifyAnswer::Denied { denial: Denial::LimitExceeded, .. })
            }
            Self::ScopeRemoved => {
                matches!(answer, VerifyAnswer::Denied { denial: Denial::InsufficientScope(_), .. })
            }
        }
    }
}

fn write(world: &World, change: Change, caller: &Caller<'_>) {
    world.store.transaction("change", &mut |tx| change.run(tx, caller)).unwrap();
}

/// Calls until all rows of a call are kept: then it asks for the version of the database and for its
/// grant, on a statement that is held and not counted.
fn warm(caller: &Caller<'_>, agent: &Agent) {
    let statements = |_| {
        let (answer, steps) = steps::counted(|| caller.verify(agent));
        assert_allowed(&answer);
        steps.statements
    };
    assert!((0..5).map(statements).any(|count| count == 1), "nothing is kept");
}

#[test]
fn what_another_connection_commits_holds_in_the_next_transaction() {
    for change in CHANGES {
        let place = Place::new();
        let service = place.service(1);
        let here = place.world(&service);
        let caller = here.key(&here.app(), Environment::Live);
        let agent = caller.connect("ann");
        let command = place.command(2);
        let there = place.world(&command);
        warm(&caller, &agent);
        write(&there, change, &caller);
        let answer = caller.verify(&agent);
        assert!(change.is_heard_in(&answer), "{change:?}: {answer:?}");
        check::everything(&here);
    }
}

#[test]
fn whatever_another_connection_writes_is_looked_at() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    let raw = place.raw();
    for damage in ["UPDATE apps SET row = x'01ff'", "UPDATE environments SET state = x'01ff'"] {
        warm(&caller, &agent);
        let table = damage.split(' ').nth(1).unwrap();
        raw.execute_batch(&format!("CREATE TABLE former AS SELECT * FROM {table}")).unwrap();
        raw.execute(damage, []).unwrap();
        let verb = caller.verify_verb(agent.access_token);
        let failed = store.transaction("verify", &mut |tx| verb.run(tx).map(|_| ()));
        assert!(matches!(failed, Err(StoreError::Corrupt(_))), "{table}: {failed:?}");
        let mend = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM former;");
        raw.execute_batch(&format!("{mend} DROP TABLE former")).unwrap();
    }
    warm(&caller, &agent);
    check::everything(&world);
}

#[test]
fn what_a_transaction_changed_and_took_back_never_happened() {
    for change in CHANGES {
        let place = Place::new();
        let store = place.service(1);
        let world = place.world(&store);
        let caller = world.key(&world.app(), Environment::Live);
        let agent = caller.connect("ann");
        let verb = caller.verify_verb(agent.access_token);
        warm(&caller, &agent);
        let mut heard = None;
        let failed = store.transaction("taken back", &mut |tx| {
            assert_allowed(&verb.run(tx)?);
            change.run(tx, &caller)?;
            heard = Some(verb.run(tx)?);
            Err(StoreError::Unavailable("never mind".to_owned()))
        });
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
        assert!(change.is_heard_in(&heard.unwrap()), "{change:?} holds where it happened");
        assert_allowed(&caller.verify(&agent));
        warm(&caller, &agent);
        // and then it happens
        write(&world, change, &caller);
        let answer = caller.verify(&agent);
        assert!(change.is_heard_in(&answer), "{change:?}: {answer:?}");
        check::everything(&world);
    }
}

#[test]
fn upkeep_on_the_same_connection_makes_it_look_again() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    let agent = caller.connect("ann");
    warm(&caller, &agent);
    world.maintain();
    let (answer, steps) = steps::counted(|| caller.verify(&agent));
    assert_allowed(&answer);
    assert!(steps.statements > 1, "{steps:?}");
    warm(&caller, &agent);
}
