//! No opening of a store repeats the secrets of another one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_store::FakeClock;
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use common::Place;

/// Opens a new store and makes one key in it; two stores that draw alike make the same one.
fn first_key(options: &StoreOptions) -> SecretHash {
    let place = Place::new();
    let options = StoreOptions { clock: Arc::<FakeClock>::clone(&place.clock), ..options.clone() };
    let store = Arc::new(SqliteStore::open(place.path(), options, Access::Service).unwrap());
    let world = place.world(&store);
    world.key(&world.app(), Environment::Live).key.hash
}

#[test]
fn each_opening_draws_its_own_randomness() {
    let options = StoreOptions::new();
    assert_ne!(first_key(&options), first_key(&options), "of one value of options");
    assert_ne!(first_key(&StoreOptions::default()), first_key(&options));
}

#[test]
fn only_the_constructor_for_tests_repeats() {
    let repeated = StoreOptions::repeatable_for_tests([7; 32]);
    assert_eq!(first_key(&repeated), first_key(&repeated));
    assert_ne!(first_key(&repeated), first_key(&StoreOptions::repeatable_for_tests([8; 32])));
}
