//! A revocation that was answered holds for every call that starts after it (PROTOCOL, principle
//! 4): clients verify without pause while what they verify with is taken away, each in its way.
//!
//! A verifier reads the victim's flag *before* it sends; the revoker sets it after it read the
//! answer. So a verify that found the flag set began after the answer, and must be refused.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use agentadmit_testkit::client::{Client, Request};
use agentadmit_testkit::postgres::PostgresServer;
use agentadmit_testkit::rounds;
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::{App, Connection, Operator, SCOPES, catalogue, no_rate_limits};
use parking_lot::{Condvar, Mutex};
use serde_json::json;

/// Clients that verify without pause, for each revoker.
const VERIFIERS: usize = 3;
/// Clients that revoke, each with victims of its own.
const REVOKERS: usize = 2;
/// Victims of one shared app: some have a key of their own, and an app has 100 at most.
const VICTIMS_PER_APP: usize = 1_000;
/// What every verify asks for, and what narrowing takes away.
const SCOPE: &str = SCOPES[1];
/// The turn of nobody, after a verifier failed.
const FAILED: usize = usize::MAX;
const PATIENCE: Duration = Duration::from_mins(1);

/// How something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Revoke,
    Delete,
    Narrow,
    User,
    ByOperator,
    Key,
    RotatedKey,
    RemovedScope,
    AllOfApp,
    AppDeleted,
}

/// Of 50 revocations, most are of one connection and every other kind is there.
const ENDINGS: [(Ending, usize); 10] = [
    (Ending::Revoke, 18),
    (Ending::Delete, 8),
    (Ending::Narrow, 8),
    (Ending::User, 6),
    (Ending::ByOperator, 4),
    (Ending::Key, 2),
    (Ending::RotatedKey, 1),
    (Ending::RemovedScope, 1),
    (Ending::AllOfApp, 1),
    (Ending::AppDeleted, 1),
];

fn ending(number: usize) -> Ending {
    let mut within = number % 50;
    for (ending, share) in ENDINGS {
        if within < share {
            return ending;
        }
        within -= share;
    }
    unreachable!("the shares make 50")
}

/// What is verified with, and what has become of it.
struct Victim {
    ending: Ending,
    app: App,
    connections: Vec<Connection>,
    /// Its end was answered.
    ended: AtomicBool,
    /// Verifies that passed.
    allowed: AtomicUsize,
    /// Verifies that began after the answer, and were refused.
    refused_after: AtomicUsize,
}

impl Victim {
    fn new(operator: &Operator, shared: &App, client: &mut Client, number: usize) -> Self {
        let ending = ending(number);
        let app = match ending {
            Ending::Key | Ending::RotatedKey => {
                let key = operator.key(&shared.app_id, &json!({"environment": "test"}));
                shared.with_key(&key)
            }
            Ending::RemovedScope | Ending::AllOfApp | Ending::AppDeleted => {
                operator.app(&no_rate_limits())
            }
            _ => shared.clone(),
        };
        let user = format!("user-{number}");
        let count = if ending == Ending::User { 3 } else { 1 };
        let connections = (0..count).map(|_| app.connect(client, &user, &SCOPES)).collect();
        Self {
            ending,
            app,
            connections,
            ended: AtomicBool::new(false),
            allowed: AtomicUsize::new(0),
            refused_after: AtomicUsize::new(0),
        }
    }

    /// The request that ends it.
    fn end(&self, operator: &Operator) -> Request {
        let Connection { id, user_id, .. } = &self.connections[0];
        let app_id = &self.app.app_id;
        let by_operator = |request: Request| request.bearer(&operator.token);
        let key_path = format!("/v1/operator/apps/{app_id}/api-keys/{}", self.app.key_id);
        match self.ending {
            Ending::Revoke => self.app.revoke(&json!({"connection_id": id})),
            Ending::User => self.app.revoke(&json!({"user_id": user_id})),
            Ending::Delete => {
                let path = format!("/v1/connections/{id}?user_id={user_id}");
                self.app.by_key(Request::new("DELETE", path))
            }
            Ending::Narrow => {
                let path = format!("/v1/connections/{id}");
                let body = json!({"remove_scopes": [SCOPE]});
                self.app.by_key(Request::new("PATCH", path).json(&body))
            }
            Ending::RemovedScope => {
                let body = json!({"scopes": catalogue(&[SCOPES[0], SCOPES[2]]), "remove": [SCOPE]});
                let path = format!("/v1/apps/{app_id}/scopes");
                self.app.by_key(Request::new("PUT", path).json(&body))
            }
            Ending::ByOperator => {
                let body = json!({"connection_id": id});
                by_operator(Request::post("/v1/operator/connections/revoke", &body))
            }
            Ending::AllOfApp => {
                let body = json!({"app_id": app_id});
                by_operator(Request::post("/v1/operator/connections/revoke", &body))
            }
            Ending::Key => by_operator(Request::new("DELETE", key_path)),
            Ending::RotatedKey => {
                let path = format!("{key_path}/rotate");
                by_operator(Request::post(path, &json!({"overlap_seconds": 0})))
            }
            Ending::AppDeleted => {
                by_operator(Request::new("DELETE", format!("/v1/operator/apps/{app_id}")))
            }
        }
    }

    /// The refusal that every verify hears from then on.
    fn refusal(&self) -> (u16, &'static str) {
        match self.ending {
            Ending::Key | Ending::RotatedKey | Ending::AppDeleted => (401, "invalid_api_key"),
            Ending::Narrow | Ending::RemovedScope => (403, "insufficient_scope"),
            _ => (403, "invalid_token"),
        }
    }

    /// One verify. Panics when it was allowed on terms that had ended before it began.
    fn verify(&self, client: &mut Client, turn: usize) {
        let connection = &self.connections[turn % self.connections.len()];
        let had_ended = self.ended.load(Ordering::SeqCst);
        let reply = client.ask(&self.app.verify(&connection.access_token, SCOPE));
        if reply.status == 200 {
            assert!(!had_ended, "{:?} had been answered, and then: {reply:?}", self.ending);
            self.allowed.fetch_add(1, Ordering::SeqCst);
        } else {
            let (status, code) = self.refusal();
            reply.expect_error(status, code);
            if had_ended {
                self.refused_after.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// The victims of one revoker, in their order, and whose turn it is.
struct Row {
    victims: Vec<Victim>,
    turn: AtomicUsize,
    verified: (Mutex<()>, Condvar),
}

impl Row {
    fn new(victims: Vec<Victim>) -> Self {
        Self { victims, turn: AtomicUsize::new(0), verified: (Mutex::new(()), Condvar::new()) }
    }

    /// Ends one victim after the other, each while it is verified, and goes on when a verify that
    /// began after the answer was refused.
    fn revoke_all(&self, operator: &Operator) {
        let mut client = Client::new(operator.address);
        for victim in &self.victims {
            self.wait_until(&victim.allowed);
            client.ask(&victim.end(operator)).expect(match victim.ending {
                Ending::RotatedKey => 201,
                _ => 200,
            });
            victim.ended.store(true, Ordering::SeqCst);
            self.wait_until(&victim.refused_after);
            self.turn.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Verifies whatever has its turn.
    fn verify_all(&self, operator: &Operator) {
        let _wakes = WakeOnDrop(self);
        let mut client = Client::new(operator.address);
        let mut turn = 0;
        while let Some(victim) = self.victims.get(self.turn.load(Ordering::SeqCst)) {
            victim.verify(&mut client, turn);
            turn += 1;
            let (lock, changed) = &self.verified;
            drop(lock.lock());
            changed.notify_all();
        }
    }

    fn wait_until(&self, happened: &AtomicUsize) {
        let (lock, changed) = &self.verified;
        let mut guard = lock.lock();
        while happened.load(Ordering::SeqCst) == 0 {
            assert_ne!(self.turn.load(Ordering::SeqCst), FAILED, "a verifier failed");
            let timed_out = changed.wait_for(&mut guard, PATIENCE).timed_out();
            assert!(!timed_out, "nobody verifies any more");
        }
    }
}

/// Ends the waiting of the revoker when a verifier fails.
struct WakeOnDrop<'r>(&'r Row);

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.turn.store(FAILED, Ordering::SeqCst);
            self.0.verified.1.notify_all();
        }
    }
}

/// The victims of all revokers, made by as many clients.
fn victims(operator: &Operator, apps: &[App], count: usize) -> Vec<Row> {
    const MAKERS: usize = 16;
    let numbers = AtomicUsize::new(0);
    let rows: Vec<Mutex<Vec<Victim>>> = (0..REVOKERS).map(|_| Mutex::default()).collect();
    thread::scope(|scope| {
        for _ in 0..MAKERS {
            scope.spawn(|| {
                let mut client = Client::new(operator.address);
                loop {
                    let number = numbers.fetch_add(1, Ordering::SeqCst);
                    if number >= count {
                        return;
                    }
                    let app = &apps[number % apps.len()];
                    let victim = Victim::new(operator, app, &mut client, number);
                    rows[number % REVOKERS].lock().push(victim);
                }
            });
        }
    });
    rows.into_iter().map(|row| Row::new(row.into_inner())).collect()
}

/// Races on one service of one or several nodes.
fn race(nodes: &[Operator], apps: usize, count: usize) {
    let apps: Vec<App> = (0..apps).map(|_| nodes[0].app(&no_rate_limits())).collect();
    let rows = victims(&nodes[0], &apps, count);
    thread::scope(|scope| {
        for (turn, row) in rows.iter().enumerate() {
            for verifier in 0..VERIFIERS {
                let node = &nodes[(turn + verifier) % nodes.len()];
                scope.spawn(move || row.verify_all(node));
            }
            let node = &nodes[turn % nodes.len()];
            scope.spawn(move || row.revoke_all(node));
        }
    });
    let ended = rows.iter().flat_map(|row| &row.victims);
    let tested = ended.filter(|victim| victim.refused_after.load(Ordering::SeqCst) > 0);
    assert_eq!(tested.count(), count);
}

#[test]
fn no_verify_that_began_after_a_revocation_was_answered_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let service = TestService::on_sqlite(&folder.path().join("store.db"));
    let count = rounds(1_000, 10_000);
    race(&[service.operator()], count.div_ceil(VICTIMS_PER_APP), count);
}

#[test]
fn nor_on_another_node_or_by_another_writer() {
    if PostgresServer::is_left_out() {
        return;
    }
    for nodes in [1, 2, 4] {
        let database = PostgresServer::shared().database();
        let services: Vec<TestService> =
            (0..nodes).map(|_| TestService::on_postgres(&database.url())).collect();
        let operators: Vec<Operator> = services.iter().map(TestService::operator).collect();
        // apps enough for every writer to have some
        race(&operators, 10, rounds(50, 10_000));
        services.into_iter().for_each(TestService::stop);
    }
}

#[test]
fn narrowing_leaves_what_was_not_taken() {
    let service = TestService::on_model();
    let app = service.operator().app(&no_rate_limits());
    let mut client = app.client();
    let connection = app.connect(&mut client, "alice", &SCOPES);
    let path = format!("/v1/connections/{}", connection.id);
    let narrow = Request::new("PATCH", path).json(&json!({"remove_scopes": [SCOPE]}));
    client.ask(&app.by_key(narrow)).expect(200);
    client.ask(&app.verify(&connection.access_token, SCOPES[0])).expect(200);
    let refused = client.ask(&app.verify(&connection.access_token, SCOPE));
    assert_eq!(refused.expect_error(403, "insufficient_scope")["required_scope"], SCOPE);
}
