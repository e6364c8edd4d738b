//! SIGKILL under load, restart on the same file: every answer that a client received still holds
//! (PROTOCOL, principle 5).

use std::sync::Mutex;

use agentadmit_testkit::evidence::Evidence;
use agentadmit_testkit::load::Load;
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::rounds;
use agentadmit_testkit::world::no_rate_limits;

/// Goes on until the service is gone.
const LOAD: Load = Load { clients: 16, lives: 10_000, calls: 6 };

#[test]
fn after_each_kill_everything_that_was_answered_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    let service = Mutex::new(ServiceProcess::start(env!("CARGO_BIN_EXE_agentadmit"), store));
    let mut app = service.lock().unwrap().operator().app(&no_rate_limits());
    let mut all = Evidence::default();
    for round in 0..rounds(5, 100) {
        let kill_at = 300 + u64::try_from(round).unwrap() * 997 % 700;
        let evidence = LOAD.run(&app, &|answers| {
            if answers == kill_at {
                service.lock().unwrap().kill();
            }
        });
        assert!(evidence.records() > 50, "the load was no load: {}", evidence.records());
        let mut service = service.lock().unwrap();
        service.restart();
        app.address = service.address();
        assert_eq!(evidence.missing(&app), [], "round {round}");
        all.merge(evidence);
    }
    // and nothing of the rounds before was lost by those after
    assert_eq!(all.missing(&app), []);
}
