//! A disk that is really full: the program on a small file system of its own.

use std::fs;

use agentadmit_testkit::disk::{SmallDisk, fill};
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::world::no_rate_limits;
use serde_json::json;

use crate::support::record_ids;

/// Their revocations take more room than the reserve has, if nothing of it is used again.
const MANY: usize = 400;
/// Verifies until the disk is full, and until it has room again: many more than either takes.
const MOST_ASKED: usize = 200_000;
/// Refusals of one revocation, which is asked for again at once.
const MOST_TRIES: usize = 20_000;

#[test]
fn a_full_disk_refuses_agents_and_lets_revocations_in() {
    let Some(disk) = SmallDisk::mount("64m") else {
        eprintln!("not run: a file system cannot be mounted here");
        return;
    };
    let store = disk.path("store.db");
    let service = ServiceProcess::start(env!("CARGO_BIN_EXE_agentadmit"), &store);
    let app = service.operator().app(&no_rate_limits());
    let mut client = app.client();
    let many = app.connect_many(MANY);
    let [first, second] =
        ["ann", "bob"].map(|user| app.connect(&mut client, user, &["read:orders"]));
    let allowed = client.ask(&app.verify(&first.access_token, "read:orders"));
    allowed.expect(200);

    fill(&disk.path("filler"));
    // the log that is there has room for some more, until the database would have to grow
    let mut answered = vec![allowed.text("audit_id")];
    let verify = app.verify(&first.access_token, "read:orders");
    let refused = (0..MOST_ASKED).map(|_| client.ask(&verify)).find(|reply| {
        let is_allowed = reply.status == 200;
        answered.extend(is_allowed.then(|| reply.text("audit_id")));
        !is_allowed
    });
    let refused = refused.expect("the disk is never full");
    refused.expect_error(503, "unavailable");
    let ready = client.ask(&agentadmit_testkit::client::Request::get("/readyz"));
    assert!(ready.expect(503).to_string().contains("the disk is full"));
    let address = format!("http://{}", service.address());
    let asked = service.command(&["ready", "--service", &address]).output().unwrap();
    assert_eq!(asked.status.code(), Some(1));
    let said = String::from_utf8(asked.stdout).unwrap();
    assert!(said.contains("disk       failing the disk is full"), "{said}");

    client.ask(&app.revoke(&json!({"connection_id": first.id}))).expect(200);
    assert!(!disk.path("store.db.reserve").exists(), "the reserve let it in");
    client.ask(&app.verify(&second.access_token, "read:orders")).expect_error(503, "unavailable");
    for one in &many {
        let revoke = app.revoke(&json!({"connection_id": one.id}));
        let tries = (0..MOST_TRIES).map(|_| client.ask(&revoke).status);
        let last = tries.take_while(|status| *status == 503).count();
        assert!(last < MOST_TRIES, "the reserve is used up for good");
    }

    fs::remove_file(disk.path("filler")).unwrap();
    let verify = app.verify(&second.access_token, "read:orders");
    let passed = (0..MOST_ASKED).map(|_| client.ask(&verify)).find(|reply| reply.status != 503);
    let passed = passed.expect("nobody is let in again");
    passed.expect(200);
    answered.push(passed.text("audit_id"));
    let revoked = client.ask(&app.verify(&first.access_token, "read:orders"));
    assert_eq!(revoked.expect(403)["reason"], "revoked");
    let export = String::from_utf8(client.ask(&app.export()).body).unwrap();
    let written = record_ids(&export);
    assert!(answered.iter().all(|id| written.contains(id)), "a record is missing");
}
