//! One exchange succeeds, ever, however many race (PROTOCOL, `POST /v1/token/exchange`), on a real
//! SQLite file and real sockets.

use std::sync::Barrier;
use std::thread;

use agentadmit_testkit::client::Client;
use agentadmit_testkit::evidence::{records, verify_export};
use agentadmit_testkit::rounds;
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits, text};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Exchanges at once.
const RACERS: usize = 64;
/// How often.
const RACES: usize = 200;

/// Lets all racers act at the same moment, race after race, over kept connections. `judge` sees
/// what came of each race before the next one begins.
fn races<T: Send>(
    app: &App,
    races: usize,
    act: impl Fn(&mut Client, usize) -> T + Sync,
    judge: impl Fn(usize, Vec<T>),
) {
    let (start, end) = (Barrier::new(RACERS + 1), Barrier::new(RACERS + 1));
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..RACERS {
            scope.spawn(|| {
                let mut client = Client::new(app.address);
                for round in 0..races {
                    start.wait();
                    let outcome = act(&mut client, round);
                    outcomes.lock().push(outcome);
                    end.wait();
                }
            });
        }
        for round in 0..races {
            start.wait();
            end.wait();
            judge(round, std::mem::take(&mut *outcomes.lock()));
        }
    });
}

/// As many connection tokens as there are races.
fn issue_all(app: &App, races: usize) -> Vec<Value> {
    let mut client = app.client();
    (0..races).map(|n| client.ask(&app.issue(&format!("u{n}"), &SCOPES)).expect(201)).collect()
}

#[test]
fn of_64_exchanges_at_once_one_wins_and_the_replay_ends_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let service = TestService::on_sqlite(&folder.path().join("store.db"));
    let app = service.operator().app(&no_rate_limits());
    let issued = issue_all(&app, RACES);
    races(
        &app,
        RACES,
        |client, round| client.ask(&app.exchange(&text(&issued[round], "token"))),
        |round, answers| {
            let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
            assert_eq!((won.len(), lost.len()), (1, RACERS - 1), "race {round}");
            let texts: Vec<_> =
                lost.iter().map(|it| it.expect_error(400, "invalid_grant")).collect();
            let told = |body: &Value| body["error_description"].clone();
            assert!(
                texts.iter().all(|body| told(body) == told(&texts[0])),
                "one and the same text"
            );

            let mut client = app.client();
            let shown = client.ask(&app.show(&text(&issued[round], "connection_id"))).expect(200);
            assert_eq!(shown["status"], "revoked", "race {round}");
            let verified = client.ask(&app.verify(&won[0].text("access_token"), SCOPES[0]));
            assert_eq!(verified.expect_error(403, "invalid_token")["reason"], "revoked");
        },
    );

    let export = app.client().ask(&app.export());
    let report = verify_export(&export.body);
    assert!(report.ok, "{:?}", report.findings);
    let records = records(&export.body);
    for connection in &issued {
        let of_connection =
            || records.iter().filter(|it| it["connection_id"] == connection["connection_id"]);
        let count = |event: &str| of_connection().filter(|it| it["event"] == event).count();
        assert_eq!(count("connection_exchanged"), 1);
        assert_eq!(count("connection_token_replayed"), 1, "later ones of an hour are counted");
        assert_eq!(count("connection_revoked"), 1);
    }
}

#[test]
fn of_64_exchanges_with_one_idempotency_key_one_access_token_lives() {
    let folder = tempfile::tempdir().unwrap();
    let service = TestService::on_sqlite(&folder.path().join("store.db"));
    let app = service.operator().app(&no_rate_limits());
    // each race is twice the work: the exchange, and what became of its token
    let count = rounds(RACES / 2, RACES);
    let issued = issue_all(&app, count);
    let key = |round: usize| format!("0123456789abcdefghijkl-{round}");
    let all_have_exchanged = Barrier::new(RACERS);
    races(
        &app,
        count,
        |client, round| {
            let exchange = app.exchange(&text(&issued[round], "token"));
            let exchanged = client.ask(&exchange.header("Idempotency-Key", key(round)));
            all_have_exchanged.wait();
            let access_token = text(&exchanged.expect(200), "access_token");
            client.ask(&app.verify(&access_token, SCOPES[0]))
        },
        |round, verified| {
            let (living, dead): (Vec<_>, Vec<_>) = verified.iter().partition(|it| it.status == 200);
            assert_eq!((living.len(), dead.len()), (1, RACERS - 1), "race {round}");
            assert_eq!(living[0].json()["connection_id"], issued[round]["connection_id"]);
            for reply in dead {
                reply.expect_error(403, "invalid_token");
            }
            let show = app.show(&text(&issued[round], "connection_id"));
            assert_eq!(app.client().ask(&show).expect(200)["status"], "active");
        },
    );
    let export = app.client().ask(&app.export());
    assert!(verify_export(&export.body).ok);
    let replayed = |it: &&Value| it["event"] == json!("connection_token_replayed");
    assert_eq!(records(&export.body).iter().filter(replayed).count(), 0);
}
