//! Junk and noise of one caller cost the others nothing: not their limits, not their places in the
//! queue, not the log.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_protocol::secret::{Secret, SecretKind};
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::model::ModelStore;
use agentadmit_store::{FakeClock, WriterOptions};
use agentadmit_store_sqlite::StoreOptions;
use agentadmit_testkit::client::{Client, Reply, Request, Sent};
use agentadmit_testkit::evidence::{records, verify_export};
use agentadmit_testkit::gate::SyncGate;
use agentadmit_testkit::power::PowerVfs;
use agentadmit_testkit::service::{ServiceOptions, TestService};
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits, text};
use serde_json::json;

/// Calls a second of a key, by default; its burst is twice that.
const KEY_BURST: usize = 4_000;
/// The same of a connection.
const CONNECTION_BURST: u64 = 100;

fn clock() -> Arc<FakeClock> {
    // a full minute, so that a minute passes when the test says so
    Arc::new(FakeClock::new(Timestamp::from_millis(1_800_000_000_000)))
}

/// Well-formed, and nobody's.
fn unknown_token(number: usize) -> String {
    let mut random = [7; 32];
    random[..8].copy_from_slice(&number.to_be_bytes());
    Secret::mint(SecretKind::AccessToken, random).expose().to_owned()
}

/// Many clients at full speed; the answers of all.
fn flood(app: &App, count: usize, request: impl Fn(usize) -> Request + Sync) -> Vec<Reply> {
    const CLIENTS: usize = 16;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|first| {
                let request = &request;
                scope.spawn(move || {
                    let mut client = app.client();
                    let numbers = (first..count).step_by(CLIENTS);
                    numbers.map(|number| client.ask(&request(number))).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

/// Counted refusals by reason: how many records, and how many refusals they tell of.
fn refusals(app: &App, reason: &str) -> (usize, u64) {
    let export = app.client().ask(&app.export());
    let report = verify_export(&export.body);
    assert!(report.ok, "{:?}", report.findings);
    let records = records(&export.body);
    let of_reason = records.iter().filter(|it| it["reason"] == reason);
    let told = of_reason.clone().map(|it| it["count"].as_u64().unwrap_or(1)).sum();
    (of_reason.count(), told)
}

#[test]
fn junk_uses_up_nobodys_limit_and_hardly_any_log() {
    let clock = clock();
    let store = ModelStore::new([1; 32], WriterOptions::default(), Arc::clone(&clock) as _);
    let service =
        TestService::start(Arc::new(store), Arc::clone(&clock) as _, ServiceOptions::default());
    let app = service.operator().app(&json!({}));
    let alice = app.connect_many(1).remove(0);
    let dead: Vec<_> = (0..20).map(|_| app.connect_many(1).remove(0)).collect();
    for connection in &dead {
        app.client().ask(&app.revoke(&json!({"connection_id": connection.id}))).expect(200);
    }

    // the clock stands: whatever is taken from a limit stays taken. Few too many, since each makes its
    // connection wait
    let junk = flood(&app, KEY_BURST + 100, |number| match number % 5 {
        0 => app.verify("ag_at_junk", SCOPES[0]),
        1 => app.verify(&dead[number % dead.len()].access_token, SCOPES[0]),
        _ => app.verify(&unknown_token(number), SCOPES[0]),
    });
    assert_eq!(count(&junk, 403), KEY_BURST, "junk has a bucket of its own");
    assert_eq!(count(&junk, 429), 100);
    let one_too_many = junk.iter().find(|reply| reply.status == 429).unwrap();
    assert_eq!(one_too_many.expect_error(429, "rate_limited")["limit"], "key");
    assert!(one_too_many.header("Retry-After").is_some());

    // what cannot even be read, and what has no good key
    let unreadable = flood(&app, 1_000, |number| match number % 4 {
        0 => app.by_key(Request::post("/v1/verify", &json!({"tokken": "x"}))),
        1 => app.by_key(Request::new("POST", "/v1/verify").body("application/json", "{")),
        2 => app.by_key(Request::new("POST", "/v1/verify").body("text/plain", "hello")),
        _ => Request::post("/v1/verify", &json!({"token": "x"})).bearer("aa_test_junk"),
    });
    assert!(unreadable.iter().all(|reply| matches!(reply.status, 400 | 401 | 415 | 422)));

    let verified = app.client().ask(&app.verify(&alice.access_token, SCOPES[0]));
    verified.expect(200);
    let left = (CONNECTION_BURST - 1).to_string();
    assert_eq!(verified.header("X-RateLimit-Limit"), Some("100"));
    assert_eq!(verified.header("X-RateLimit-Remaining"), Some(left.as_str()));
    let both = r#""key";r=3999;t=1, "connection";r=99;t=1"#;
    assert_eq!(verified.header("RateLimit"), Some(both), "not one call was taken from the key");

    for reason in ["malformed", "unknown"] {
        assert_eq!(refusals(&app, reason).0, 1, "{reason}: the first of a minute");
    }
    assert!(refusals(&app, "revoked").0 <= 5, "some dead connections, and one for all others");

    // a minute later the rest is told, and nothing is told twice
    clock.advance(Duration::from_mins(1));
    for token in ["ag_at_junk", &unknown_token(0), &dead[0].access_token] {
        app.client().ask(&app.verify(token, SCOPES[0])).expect(403);
    }
    service.engine().clone().shut_down().unwrap();
    let told = ["malformed", "unknown", "revoked"].map(|reason| refusals(&app, reason));
    assert_eq!(told.iter().map(|(_, told)| told).sum::<u64>(), KEY_BURST as u64 + 3);
    assert!(told.iter().map(|(records, _)| records).sum::<usize>() <= 16, "{told:?}");
}

#[test]
fn an_agent_that_calls_too_often_costs_the_others_nothing() {
    let clock = clock();
    let store = ModelStore::new([1; 32], WriterOptions::default(), Arc::clone(&clock) as _);
    let service = TestService::start(Arc::new(store), clock, ServiceOptions::default());
    let app = service.operator().app(&json!({}));
    let connections = app.connect_many(2);
    let noise = flood(&app, 1_000, |_| app.verify(&connections[0].access_token, SCOPES[0]));
    assert_eq!(count(&noise, 200) as u64, CONNECTION_BURST);
    let refused = noise.iter().filter(|reply| reply.status != 200);
    for reply in refused {
        assert_eq!(reply.expect_error(429, "rate_limited")["limit"], "connection");
    }
    let verified = app.client().ask(&app.verify(&connections[1].access_token, SCOPES[0]));
    verified.expect(200);
    let both = r#""key";r=3899;t=1, "connection";r=99;t=1"#;
    assert_eq!(verified.header("RateLimit"), Some(both), "what was refused was not charged");
}

/// A service whose disk is as slow as the test wants, with few places to wait.
struct Slow {
    gate: SyncGate,
    service: TestService,
}

/// Places of one app.
const PER_APP: usize = 16;
/// Calls in a batch.
const BATCH: usize = 4;

impl Slow {
    fn new() -> Self {
        let vfs = PowerVfs::new();
        let limits = AdmissionLimits {
            queue: 8 * PER_APP,
            per_app: PER_APP,
            batch: BATCH,
            ..AdmissionLimits::default()
        };
        let store = StoreOptions { clock: clock(), ..StoreOptions::repeatable_for_tests([1; 32]) };
        let options = ServiceOptions { limits, retention: None };
        let service = TestService::on_power(&vfs, store, options).unwrap();
        Self { gate: SyncGate::before(&vfs), service }
    }

    /// Closes the gate, puts one batch of one call before it, and then as many calls into the
    /// app's lane as it takes.
    fn fill_lane(&self, app: &App, access_token: &str) -> Vec<(Client, Sent)> {
        let verify = || begin(app, &app.verify(access_token, SCOPES[0]));
        self.gate.close();
        let mut waiting = vec![verify()];
        self.gate.wait_for_sync();
        waiting.extend((0..PER_APP).map(|_| verify()));
        while self.queued() < PER_APP as u64 {
            thread::yield_now();
        }
        waiting
    }

    fn queued(&self) -> u64 {
        self.service.engine().stats().queued.load(Ordering::SeqCst)
    }

    fn reserved(&self) -> u64 {
        self.service.engine().stats().reserved_queued.load(Ordering::SeqCst)
    }
}

fn begin(app: &App, request: &Request) -> (Client, Sent) {
    let mut client = app.client();
    let sent = client.begin(request).unwrap();
    (client, sent)
}

#[test]
fn a_revoke_sent_into_a_full_queue_is_answered_first() {
    let slow = Slow::new();
    let app = slow.service.operator().app(&no_rate_limits());
    let alice = app.connect_many(1).remove(0);
    let waiting = slow.fill_lane(&app, &alice.access_token);
    let full = app.client().ask(&app.verify(&alice.access_token, SCOPES[0]));
    full.expect_error(503, "unavailable");
    assert!(full.header("Retry-After").is_some());

    let revoke = app.revoke(&json!({"connection_id": alice.id}));
    let (mut client, sent) = begin(&app, &revoke);
    while slow.reserved() == 0 {
        thread::yield_now();
    }
    // the batch at the disk, then the one that begins with the revocation
    slow.gate.let_one_pass();
    slow.gate.wait_for_sync();
    slow.gate.let_one_pass();
    assert_eq!(text(&client.finish(sent).unwrap().expect(200), "status"), "revoked");

    slow.gate.open();
    let mut answers = waiting.into_iter().map(|(mut client, sent)| client.finish(sent).unwrap());
    answers.next().unwrap().expect(200);
    for late in answers {
        assert_eq!(late.expect_error(403, "invalid_token")["reason"], "revoked");
    }
}

#[test]
fn one_noisy_app_leaves_the_others_their_share() {
    let slow = Slow::new();
    let operator = slow.service.operator();
    let (noisy, quiet) = (operator.app(&no_rate_limits()), operator.app(&no_rate_limits()));
    let (loud, soft) = (noisy.connect_many(1).remove(0), quiet.connect_many(1).remove(0));
    let waiting = slow.fill_lane(&noisy, &loud.access_token);
    let one_too_many = noisy.client().ask(&noisy.verify(&loud.access_token, SCOPES[0]));
    one_too_many.expect_error(503, "unavailable");

    let verify = quiet.verify(&soft.access_token, SCOPES[0]);
    let (mut client, sent) = begin(&quiet, &verify);
    while slow.queued() < PER_APP as u64 + 1 {
        thread::yield_now();
    }
    // the very next batch holds the quiet app's call, although 16 of the noisy one came before
    slow.gate.let_one_pass();
    slow.gate.wait_for_sync();
    slow.gate.let_one_pass();
    client.finish(sent).unwrap().expect(200);
    slow.gate.wait_for_sync();
    let unheard = waiting.iter().filter(|(client, _)| !client.hears().unwrap());
    assert!(unheard.count() >= PER_APP - BATCH, "the noisy app still waits");

    slow.gate.open();
    for (mut client, sent) in waiting {
        client.finish(sent).unwrap().expect(200);
    }
}
