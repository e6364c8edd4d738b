//! A row of a real store that cannot be read: the call that needs it fails alone, and the calls that
//! share its batch are answered and recorded once, although their transaction was run again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::yield_now;

use agentadmit_protocol::id::ConnectionId;
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use agentadmit_testkit::client::{Client, Reply};
use agentadmit_testkit::evidence::{records, verify_export};
use agentadmit_testkit::service::{ServiceOptions, TestService};
use agentadmit_testkit::world::{App, Connection, SCOPES, no_rate_limits, text};
use rusqlite::params;

/// Calls that wait together.
const CALLS: usize = 9;

fn start(path: &Path) -> TestService {
    let store = StoreOptions::repeatable_for_tests([1; 32]);
    let clock = Arc::clone(&store.clock);
    let store = SqliteStore::open(path, store, Access::Service).unwrap();
    TestService::start(Arc::new(store), clock, ServiceOptions::default())
}

/// Asks for all of them at once: while somebody else writes to the store, a first call has a batch of
/// its own and holds the writer up, so that the others wait together.
fn ask_together(
    service: &TestService,
    store: &rusqlite::Connection,
    app: &App,
    (first, clients): (&mut Client, &mut [Client]),
    connections: &[Connection],
) -> Vec<Reply> {
    let stats = service.engine().stats();
    let ask =
        |client: &mut Client, token: &str| client.begin(&app.verify(token, SCOPES[0])).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = stats.jobs.load(Ordering::SeqCst);
    let first_sent = ask(first, "nobody's");
    while stats.jobs.load(Ordering::SeqCst) == before {
        yield_now();
    }
    let sent: Vec<_> = clients
        .iter_mut()
        .zip(connections)
        .map(|(client, agent)| ask(client, &agent.access_token))
        .collect();
    let all = u64::try_from(connections.len()).unwrap();
    while stats.queued.load(Ordering::SeqCst) < all {
        yield_now();
    }
    store.execute_batch("ROLLBACK").unwrap();
    first.finish(first_sent).unwrap().expect(403);
    clients.iter_mut().zip(sent).map(|(client, sent)| client.finish(sent).unwrap()).collect()
}

#[test]
fn the_others_of_its_batch_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let service = start(&path);
    let app = service.operator().app(&no_rate_limits());
    let connections = app.connect_many(CALLS);
    let store = rusqlite::Connection::open(&path).unwrap();
    // kept from round to round, so that nobody connects while the store is held
    let mut first = app.client();
    let mut clients: Vec<_> = connections.iter().map(|_| app.client()).collect();
    for client in clients.iter_mut().chain([&mut first]) {
        client.ask(&app.verify("nobody's", SCOPES[0])).expect(403);
    }
    let mut ask = || ask_together(&service, &store, &app, (&mut first, &mut clients), &connections);
    let damaged = CALLS / 2;
    let id: ConnectionId = connections[damaged].id.parse().unwrap();
    let key_of = "SELECT token_key FROM connections WHERE connection_id = ?1";
    let key: i64 = store.query_row(key_of, [id.as_bytes()], |row| row.get(0)).unwrap();
    let row_of = "SELECT row FROM grants WHERE token_key = ?1";
    let whole: Vec<u8> = store.query_row(row_of, [key], |row| row.get(0)).unwrap();
    let put = |row: &[u8]| {
        store
            .execute("UPDATE grants SET row = ?2 WHERE token_key = ?1", params![key, row])
            .unwrap();
    };
    let mut answered = BTreeSet::new();
    for row in [&[1, 0xff], &[9][..], &[], &whole[..whole.len() / 2]] {
        put(row);
        for (number, reply) in ask().iter().enumerate() {
            if number == damaged {
                reply.expect(500);
            } else {
                assert!(answered.insert(text(&reply.expect(200), "audit_id")));
            }
        }
    }
    put(&whole);
    for reply in ask() {
        answered.insert(text(&reply.expect(200), "audit_id"));
    }
    let export = app.client().ask(&app.export()).body;
    let report = verify_export(&export);
    assert!(report.ok, "{report:?}");
    let verified = records(&export).into_iter().filter(|record| record["event"] == "verified");
    let recorded: Vec<_> = verified.map(|record| text(&record, "id")).collect();
    assert_eq!(recorded.len(), answered.len(), "each of them once");
    assert_eq!(recorded.into_iter().collect::<BTreeSet<_>>(), answered);
}
