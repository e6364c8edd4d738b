//! The write-ahead log goes into the database, whatever else there is to do.

mod common;

use std::time::Duration;

use agentadmit_protocol::environment::Environment;
use agentadmit_store::Store as _;
use common::{Place, many_agents};

#[test]
fn upkeep_that_never_ends_does_not_keep_the_log_from_being_emptied() {
    let place = Place::new();
    let store = place.service(1);
    let world = place.world(&store);
    let caller = world.key(&world.app(), Environment::Live);
    many_agents(&world, &caller, 2_000);
    let size = || std::fs::metadata(place.path()).unwrap().len();
    let before = size();
    world.pass(2);
    let report = store.maintain(Duration::ZERO).unwrap();
    assert!(report.more, "there is more to fold than one slice");
    assert!(size() > before + 500_000, "{} bytes after {before}", size());
}
