//! No byte of an answer is written to a socket before the sync of its batch returned.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use agentadmit_protocol::time::Timestamp;
use agentadmit_store::FakeClock;
use agentadmit_store_sqlite::{StoreOptions, Synchronous};
use agentadmit_testkit::client::{Client, Reply, Request};
use agentadmit_testkit::evidence::verify_export;
use agentadmit_testkit::gate::SyncGate;
use agentadmit_testkit::power::{FileKind, PowerVfs};
use agentadmit_testkit::service::{ServiceOptions, TestService};
use agentadmit_testkit::world::{App, SCOPES, catalogue, no_rate_limits, text};
use parking_lot::Mutex;
use serde_json::json;

/// When syncs of the write-ahead log began and returned, in ticks.
#[derive(Default)]
struct Syncs {
    began: Mutex<Vec<u64>>,
    whole: Mutex<Vec<(u64, u64)>>,
}

impl Syncs {
    fn of(vfs: &PowerVfs) -> Arc<Self> {
        let syncs = Arc::new(Self::default());
        let (began, returned) = (Arc::clone(&syncs), Arc::clone(&syncs));
        vfs.on_sync_started(move |event| {
            if event.file == FileKind::Wal {
                began.began.lock().push(event.tick);
            }
        });
        vfs.on_sync_returned(move |event| {
            if event.file == FileKind::Wal {
                let began = returned.began.lock().pop().unwrap_or(u64::MAX);
                returned.whole.lock().push((began, event.tick));
            }
        });
        syncs
    }

    /// Whether a whole sync lies between the request and the first byte of its answer.
    fn is_between(&self, reply: &Reply) -> bool {
        let whole = self.whole.lock();
        whole.iter().any(|(began, returned)| *began > reply.sent && *returned < reply.answered)
    }
}

/// A service whose clock stands still, so that nothing is synced but what is answered.
fn service(vfs: &PowerVfs, synchronous: Synchronous) -> TestService {
    let clock = FakeClock::new(Timestamp::from_millis(1_800_000_000_000));
    let clock = Arc::new(clock);
    let store = StoreOptions { clock, synchronous, ..StoreOptions::repeatable_for_tests([1; 32]) };
    TestService::on_power(vfs, store, ServiceOptions::default()).unwrap()
}

/// One request of each kind that changes something, in an order in which each succeeds.
fn everything_that_is_recorded(service: &TestService, app: &App) -> Vec<Reply> {
    let operator = service.operator();
    let by_operator = |request: Request| request.bearer(&operator.token);
    let mut client = app.client();
    let mut replies = Vec::new();
    let mut ask = |request: &Request| {
        let reply = client.ask(request);
        let body = reply.json();
        replies.push(reply);
        body
    };
    let issued = ask(&app.issue("alice", &SCOPES[..2]));
    let connection = text(&issued, "connection_id");
    let exchanged = ask(&app.exchange(&text(&issued, "token")));
    let access_token = text(&exchanged, "access_token");
    ask(&app.verify(&access_token, SCOPES[0]));
    ask(&app.verify(&access_token, SCOPES[2]));
    let path = format!("/v1/connections/{connection}");
    let narrow = Request::new("PATCH", path).json(&json!({"remove_scopes": [SCOPES[1]]}));
    ask(&app.by_key(narrow));
    let more = catalogue(&[SCOPES[0], SCOPES[1], SCOPES[2], "read:invoices"]);
    let path = format!("/v1/apps/{}/scopes", app.app_id);
    ask(&app.by_key(Request::new("PUT", path).json(&json!({"scopes": more}))));
    ask(&app.revoke(&json!({"connection_id": connection})));
    ask(&app.exchange(&text(&issued, "token")));
    let keys = format!("/v1/operator/apps/{}/api-keys", app.app_id);
    let key = ask(&by_operator(Request::post(&keys, &json!({"environment": "live"}))));
    ask(&by_operator(Request::new("DELETE", format!("{keys}/{}", text(&key, "key_id")))));
    let path = format!("/v1/operator/apps/{}", app.app_id);
    ask(&by_operator(Request::new("PATCH", &path).json(&json!({"name": "Shop 2"}))));
    ask(&by_operator(Request::new("DELETE", &path)));
    replies
}

#[test]
fn every_answer_comes_after_a_sync_that_began_after_its_request() {
    let vfs = PowerVfs::new();
    let service = service(&vfs, Synchronous::Full);
    let syncs = Syncs::of(&vfs);
    for _ in 0..20 {
        let app = service.operator().app(&no_rate_limits());
        let replies = everything_that_is_recorded(&service, &app);
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [201, 200, 200, 403, 200, 200, 200, 400, 201, 200, 200, 200]);
        for reply in &replies {
            assert!(syncs.is_between(reply), "answered before it was on the disk: {reply:?}");
        }
    }
}

#[test]
fn without_syncs_the_early_answer_is_found() {
    let vfs = PowerVfs::new();
    let service = service(&vfs, Synchronous::Off);
    let syncs = Syncs::of(&vfs);
    let app = service.operator().app(&no_rate_limits());
    let replies = everything_that_is_recorded(&service, &app);
    assert!(replies.iter().all(|reply| !syncs.is_between(reply)));
}

#[test]
fn while_the_disk_is_busy_nobody_hears_anything() {
    const CALLERS: usize = 16;
    let vfs = PowerVfs::new();
    let service = service(&vfs, Synchronous::Full);
    let app = service.operator().app(&no_rate_limits());
    let connections = app.connect_many(CALLERS);
    let gate = SyncGate::before(&vfs);
    gate.close();

    let stats = service.engine().stats();
    let in_hand = || stats.jobs.load(Ordering::SeqCst) + stats.queued.load(Ordering::SeqCst);
    let before = in_hand();
    let mut callers: Vec<_> = connections
        .iter()
        .map(|connection| {
            let mut client = Client::new(app.address);
            let sent = client.begin(&app.verify(&connection.access_token, SCOPES[0])).unwrap();
            (client, sent)
        })
        .collect();
    gate.wait_for_sync();
    // one batch is at the disk; the others come in and wait for it
    while in_hand() < before + CALLERS as u64 {
        thread::yield_now();
    }
    for (client, _) in &callers {
        assert!(!client.hears().unwrap(), "answered while the sync had not returned");
    }
    gate.open();
    for (client, sent) in &mut callers {
        client.finish(*sent).unwrap().expect(200);
    }
}

#[test]
fn what_could_not_be_synced_is_not_answered_as_done() {
    let vfs = PowerVfs::new();
    let service = service(&vfs, Synchronous::Full);
    let app = service.operator().app(&no_rate_limits());
    let connection = app.connect_many(1).remove(0);
    let mut client = app.client();
    vfs.fail_next_syncs(1);
    let failed = client.ask(&app.verify(&connection.access_token, SCOPES[0]));
    assert!(failed.expect_error(503, "unavailable").get("audit_id").is_none());
    assert!(failed.header("Retry-After").is_some());

    let verified = client.ask(&app.verify(&connection.access_token, SCOPES[0]));
    let audit_id = text(&verified.expect(200), "audit_id");
    let export = client.ask(&app.export());
    let report = verify_export(&export.body);
    assert!(report.ok, "{:?}", report.findings);
    let exported = String::from_utf8(export.body).unwrap();
    assert_eq!(exported.matches(&audit_id).count(), 1);
    assert_eq!(exported.matches(r#""event":"verified""#).count(), 1, "the failed one is not there");
}

#[test]
fn a_service_that_cannot_write_is_not_ready_until_it_can_though_nobody_calls() {
    let vfs = PowerVfs::new();
    let clock = Arc::new(FakeClock::new(Timestamp::from_millis(1_800_000_000_000)));
    let store = StoreOptions {
        clock: Arc::clone(&clock) as _,
        ..StoreOptions::repeatable_for_tests([1; 32])
    };
    let service = TestService::on_power(&vfs, store, ServiceOptions::default()).unwrap();
    let app = service.operator().app(&no_rate_limits());
    let connection = app.connect_many(1).remove(0);
    let mut client = app.client();
    let ready = Request::get("/readyz");
    client.ask(&ready).expect(200);
    vfs.fail_next_syncs(u32::MAX);
    client.ask(&app.verify(&connection.access_token, SCOPES[0])).expect(503);
    let answer = client.ask(&ready).expect(503);
    let store = answer["checks"].as_array().unwrap().iter().find(|it| it["name"] == "store");
    assert_eq!(store.unwrap()["detail"], "the store cannot be written; see the log");
    vfs.fail_next_syncs(0);
    // the store is looked at again when half a second has passed
    while client.ask(&ready).status != 200 {
        clock.advance(Duration::from_millis(500));
    }
    client.ask(&app.verify(&connection.access_token, SCOPES[0])).expect(200);
}
