//! What is hot goes by a key or appends, also when the tables are large: the statements that verifies,
//! exchanges and revocations really send are heard on the wire and shown to the planner.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use agentadmit_protocol::settings::{OnLimit, Plan, PlanStatus, RateLimits, Settings};
use agentadmit_store::conformance::clients;
use agentadmit_store::conformance::world::{Caller, World, agent, assert_allowed, exchange};
use agentadmit_store::verbs::Verb as _;
use agentadmit_store::verbs::revoke::RevokeTarget;
use agentadmit_store::verbs::verify::Verify;
use agentadmit_store::{FakeClock, Foreseen, Store as _, Tx};
use agentadmit_store_postgres::statements::ALL;
use agentadmit_store_postgres::{PostgresOptions, PostgresStore, Time};
use agentadmit_testkit::postgres::{Database, PostgresServer, Proxy};

/// Tables of a few rows, all of which are wanted.
const SMALL_TABLES: &[&str] = &["audit_parts", "fold", "log_state", "nodes", "writers"];
/// Statements that must be among those that were heard, or the test hears the wrong ones.
const MUST_BE_HEARD: &[&str] = &[
    "LOCK_LANE",
    "LOG_STATE",
    "FORESEEN",
    "FORESEEN_CHAINS",
    "HOLD_SHORT",
    "STANDINGS",
    "SPEND_LEASE",
    "PUT_LEASE",
    "APPEND",
    "ADD_USAGE",
    "MOVE_CHAINS",
    "MOVE_LANE",
    "DROP_GRANT",
    "NEW_GRANT",
    "MOVE_CONNECTION",
    "NEW_CONNECTION_TOKEN",
    "OAUTH_SECRET",
    "PUT_OAUTH_SECRET",
    "OAUTH_GRANT",
    "PUT_GRANT",
    "LIVE_OF_USER",
    "LOCK_APP",
];
/// Rows of what grows; some of each, in the shape that the hot way meets them. Of what a batch has ten of,
/// by the planner's guess, there are so many that reading all of them is no choice, however the sample
/// of `ANALYZE` falls out.
const FILL: &str = "
INSERT INTO apps SELECT gen_random_uuid(), false, sha256(i::text::bytea)
  FROM generate_series(1, 3000) AS i;
INSERT INTO environments (app_id, env) SELECT app_id, env FROM apps, generate_series(0, 1) AS env
  ON CONFLICT DO NOTHING;
INSERT INTO scopes SELECT app_id, env, n, 'scope ' || n, 0, sha256('scope') FROM apps,
  generate_series(0, 1) AS env, generate_series(100, 104) AS n;
INSERT INTO api_keys SELECT row_number() OVER (), app_id, gen_random_uuid(), sha256('key')
  FROM apps, generate_series(1, 3);
INSERT INTO connections SELECT app_id, 0, gen_random_uuid(), 'user ' || n % 7, (n % 4)::smallint,
  row_number() OVER (), n FROM apps, generate_series(1, 40) AS n;
INSERT INTO grants SELECT app_id, token_key, sha256('grant') FROM connections
  ON CONFLICT DO NOTHING;
INSERT INTO connection_tokens SELECT -token_key, connection_id FROM connections
  ON CONFLICT DO NOTHING;
INSERT INTO activity SELECT connection_id, 1, 1 FROM connections ON CONFLICT DO NOTHING;
INSERT INTO key_use SELECT key_id, 1 FROM api_keys ON CONFLICT DO NOTHING;
INSERT INTO usage SELECT app_id, 0, 20000 + day, lane, 1, 1 FROM apps, generate_series(1, 20) AS day,
  generate_series(100, 101) AS lane;
INSERT INTO usage_labels SELECT app_id, 0, 20000 + day, 'label', 1 FROM apps,
  generate_series(1, 20) AS day;
INSERT INTO plan_leases SELECT app_id, 0, lane, 20000, 5 FROM apps, generate_series(100, 107) AS lane;
INSERT INTO chains SELECT gen_random_uuid(), app_id, 0, writer, writer % 2 = 0, 0, sha256(''), 0,
  sha256('') FROM apps, generate_series(100, 109) AS writer;
INSERT INTO chains SELECT gen_random_uuid(), app_id, env, NULL, true, 0, sha256(''), 0, sha256('')
  FROM apps, generate_series(0, 1) AS env ON CONFLICT DO NOTHING;
INSERT INTO consent_sessions SELECT gen_random_uuid(), app_id, 0, 'user ' || n, n, n, sha256('')
  FROM apps, generate_series(1, 5) AS n;
INSERT INTO oauth_secrets SELECT -token_key, app_id, token_key, token_key, sha256('') FROM connections
  ON CONFLICT DO NOTHING;
INSERT INTO oauth_grants SELECT connection_id, sha256('') FROM connections ON CONFLICT DO NOTHING;
INSERT INTO authorization_requests SELECT gen_random_uuid(), app_id, n, sha256('') FROM apps,
  generate_series(1, 5) AS n;
INSERT INTO resources SELECT 'https://' || app_id, app_id, 0 FROM apps;
INSERT INTO oauth_clients SELECT gen_random_uuid(), n, sha256('') FROM generate_series(1, 5000) AS n;
INSERT INTO spent_assertions SELECT app_id, sha256(n::text::bytea), n FROM apps,
  generate_series(1, 10) AS n;
INSERT INTO audit_log SELECT 1000000 + row_number() OVER (), 1, 0, app_id, gen_random_uuid(), n, n, 1,
  gen_random_uuid(), gen_random_uuid(), 'user', NULL, NULL, sha256('') FROM apps,
  generate_series(1, 40) AS n;
INSERT INTO apps SELECT gen_random_uuid(), false, sha256(i::text::bytea)
  FROM generate_series(1, 30000) AS i;
INSERT INTO environments (app_id, env) SELECT app_id, env FROM apps, generate_series(0, 1) AS env
  ON CONFLICT DO NOTHING;
INSERT INTO api_keys SELECT 1000000 + row_number() OVER (), app_id, gen_random_uuid(), sha256('key')
  FROM apps;
ANALYZE;
";

fn psql(database: &Database, script: &str) -> String {
    let mut psql = Command::new("psql")
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"])
        .arg(database.psql_url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    assert!(output.status.success(), "the script failed");
    String::from_utf8(output.stdout).unwrap()
}

/// Verifies of a batch as the service runs them.
fn admit(store: &PostgresStore, verbs: &[Verify]) {
    let mut foreseen = Foreseen::default();
    for verb in verbs {
        verb.foresee(&mut foreseen);
    }
    let mut work = |tx: &mut Tx<'_>| verbs.iter().try_for_each(|verb| verb.run(tx).map(drop));
    store.transaction_ahead("admit", &foreseen, &mut work).unwrap();
}

/// Everything hot, once with a plan that has a limit and once without.
fn everything_hot(world: &World, store: &PostgresStore, caller: &Caller<'_>) {
    for _ in 0..2 {
        let issued = caller.issued("ann");
        let exchanged = world.granted(&exchange(issued.token.hash()));
        let known = agent(&issued, &exchanged);
        assert_allowed(&caller.verify(&known));
        let others = [(); 3].map(|()| caller.connect("bob"));
        let pending = caller.issued("bob");
        for times in [1, 20, 400] {
            let tokens = others.iter().map(|other| other.access_token);
            let tokens = tokens.chain([known.access_token, pending.token.hash()]);
            let verbs: Vec<Verify> = tokens.map(|token| caller.verify_verb(token)).collect();
            admit(store, &verbs.iter().cycle().take(times).cloned().collect::<Vec<_>>());
        }
        let [first, second, _] = &others;
        caller.revoke(first.id);
        world.run(&caller.revoke_verb(RevokeTarget::Token(second.access_token))).unwrap();
        let bob = RevokeTarget::User("bob".parse().unwrap());
        world.run(&caller.revoke_verb(bob)).unwrap();
        // a token that is presented again
        let _replayed = world.run(&exchange(issued.token.hash()));
    }
}

/// Codes, refreshes and calls of OAuth clients, one of them dead.
fn everything_hot_of_clients(world: &World, store: &PostgresStore, caller: &Caller<'_>) {
    let known = caller.connect("ann");
    let tokens = clients::connected(caller, "eve");
    let next = world.granted(&clients::refresh(&tokens.tokens.refresh));
    let access = [&tokens, &next].map(|tokens| tokens.tokens.access.hash());
    for times in [1, 20, 400] {
        let all = access.into_iter().chain([known.access_token]);
        let verbs: Vec<Verify> = all.map(|token| caller.verify_verb(token)).collect();
        admit(store, &verbs.iter().cycle().take(times).cloned().collect::<Vec<_>>());
    }
    let _refused = world.run(&clients::exchange(&tokens.tokens.refresh));
    world.run(&caller.revoke_verb(RevokeTarget::Token(access[0]))).unwrap();
    let verbs = access.map(|token| caller.verify_verb(token));
    admit(store, &verbs);
}

#[test]
fn what_is_hot_scans_no_table_that_grows() {
    let (database, proxy) = (PostgresServer::shared().database(), Proxy::before_shared());
    let clock = Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()));
    let settings = PostgresOptions {
        time: Time::Given(Arc::<FakeClock>::clone(&clock)),
        writers: 1,
        fold_every: Duration::ZERO,
        ..PostgresOptions::new()
    };
    let store = Arc::new(PostgresStore::open(&proxy.url(&database), settings).unwrap());
    let world = World { store: Arc::<PostgresStore>::clone(&store), clock };
    let rate_limit = RateLimits { per_key_per_second: None, per_connection_per_second: None };
    let callers = [clients::settings(clients::RESOURCE), Settings::default()]
        .map(|settings| world.caller_with(Settings { rate_limit, ..settings }));
    let [free, limited] = &callers;
    let app = world.read(|views| views.app(limited.tenant.app_id)).unwrap();
    let (status, call_limit, on_limit) = (PlanStatus::Active, Some(100_000), OnLimit::Refuse);
    world.plan(&app, Plan { status, call_limit, on_limit, ..Plan::default() });
    // what set this up is not hot
    let before = proxy.statements();
    everything_hot(&world, &store, free);
    everything_hot(&world, &store, limited);
    everything_hot_of_clients(&world, &store, free);
    let names: BTreeMap<&str, &str> = ALL.iter().map(|(name, sql)| (*sql, *name)).collect();
    let heard = proxy.statements();
    let heard: BTreeMap<&str, &str> = heard
        .iter()
        .filter(|sql| !before.contains(*sql) || names.contains_key(sql.as_str()))
        .map(|sql| {
            let name = names.get(sql.as_str());
            let name =
                name.unwrap_or_else(|| panic!("this is not in the list of statements: {sql}"));
            (*name, sql.as_str())
        })
        .filter(|(name, _)| !["BEGIN", "BEGIN_SNAPSHOT", "COMMIT", "ROLLBACK"].contains(name))
        .collect();
    for name in MUST_BE_HEARD {
        assert!(heard.contains_key(name), "{name} was not heard");
    }
    psql(&database, FILL);
    for (name, plan) in plans(&database, &heard) {
        for scan in plan.split("Seq Scan on ").skip(1) {
            let table = scan.split_whitespace().next().unwrap();
            assert!(SMALL_TABLES.contains(&table), "{name} scans {table}:\n{plan}");
        }
    }
}

/// The plans that are made for all parameters, with the planner as it is.
fn plans(database: &Database, heard: &BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    let mut script = "SET plan_cache_mode = force_generic_plan;\n".to_owned();
    for (name, sql) in heard {
        let params = (1..100).take_while(|number| sql.contains(&format!("${number}"))).count();
        let nulls = vec!["NULL"; params].join(", ");
        let arguments = if params == 0 { String::new() } else { format!("({nulls})") };
        writeln!(
            script,
            "\\echo == {name}\nPREPARE the_{name} AS {sql};\nEXPLAIN (COSTS OFF) EXECUTE the_{name}{arguments};"
        )
        .unwrap();
    }
    let text = psql(database, &script);
    let plans = text.split("== ").skip(1).map(|plan| plan.split_once('\n').unwrap());
    let plans: BTreeMap<String, String> =
        plans.map(|(name, plan)| (name.to_owned(), plan.to_owned())).collect();
    assert_eq!(plans.len(), heard.len());
    plans
}
