//! `agentadmit store accept-clock` beside a running service: the service needs no restart.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use agentadmit_engine::keyring::SecretKey;
use agentadmit_store::{Clock, FakeClock, SystemClock};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use agentadmit_testkit::client::{Client, Request};
use agentadmit_testkit::service::{ServiceOptions, TestService, secret_key};
use agentadmit_testkit::world::{SCOPES, no_rate_limits};

const HOUR_S: i64 = 3_600;

fn accept(store: &Path, key: &SecretKey) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentadmit"));
    command.args(["store", "accept-clock", "--store"]).arg(format!("sqlite:{}", store.display()));
    let output = command.env("AGENTADMIT_SECRET_KEY", &*key.to_text()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The service's clock stood wrong by so many seconds and is set right, while the service runs.
fn set_right_after(wrong_by_s: i64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let right = || SystemClock::new().read().wall;
    let clock = Arc::new(FakeClock::new(right().plus_seconds(wrong_by_s)));
    let options = StoreOptions { clock: Arc::clone(&clock) as _, ..StoreOptions::new() };
    let store = SqliteStore::open(&path, options, Access::Service).unwrap();
    let service =
        TestService::start(Arc::new(store), Arc::clone(&clock) as _, ServiceOptions::default());
    let app = service.operator().app(&no_rate_limits());
    let mut client = Client::new(service.address());
    let connection = app.connect(&mut client, "ann", &SCOPES);
    let verify = app.verify(&connection.access_token, SCOPES[0]);
    let ready = Request::get("/readyz");
    client.ask(&verify).expect(200);
    client.ask(&ready).expect(200);

    clock.set_wall(right());
    client.ask(&verify).expect(503);
    client.ask(&ready).expect(503);
    accept(&path, &secret_key());
    clock.set_wall(right());
    client.ask(&verify).expect(200);
    client.ask(&ready).expect(200);

    // what was accepted is accepted once
    clock.set_wall(right().plus_seconds(3 * HOUR_S));
    client.ask(&verify).expect(503);
    clock.set_wall(right());
    while client.ask(&ready).status != 200 {
        thread::yield_now();
    }
    client.ask(&verify).expect(200);
}

#[test]
fn a_service_whose_clock_stood_ahead_goes_on() {
    set_right_after(3 * HOUR_S);
}

#[test]
fn a_service_whose_clock_stood_behind_goes_on() {
    set_right_after(-3 * HOUR_S);
}
