//! Every statement can go by a key or an index: asked of the planner, statement by statement, with
//! the plan that it makes for all parameters.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use agentadmit_store_postgres::statements::ALL;
use agentadmit_testkit::postgres::{Database, PostgresServer};

/// Tables of a few rows, all of which are wanted: one per writer, per node, per part, per segment, or one.
const SMALL_TABLES: &[&str] =
    &["audit_parts", "audit_segments", "fold", "log_state", "nodes", "writers"];
/// Sums over all apps, which read their environments, two rows for each, and nothing else whole.
const OF_ALL_APPS: &[&str] = &["ALL_COUNTS", "ALL_USAGE", "ALL_REFUSALS"];
/// What has no plan.
const NO_PLAN: &[&str] = &["BEGIN", "BEGIN_SNAPSHOT", "COMMIT", "ROLLBACK"];

/// The plan of each statement.
fn plans(database: &Database) -> BTreeMap<String, String> {
    let mut script = "SET enable_seqscan = off; SET enable_bitmapscan = off;\n\
                      SET plan_cache_mode = force_generic_plan;\n"
        .to_owned();
    for (name, sql) in ALL.iter().filter(|(name, _)| !NO_PLAN.contains(name)) {
        let params = (1..100).take_while(|number| sql.contains(&format!("${number}"))).count();
        let nulls = vec!["NULL"; params].join(", ");
        let arguments = if params == 0 { String::new() } else { format!("({nulls})") };
        writeln!(
            script,
            "\\echo == {name}\nPREPARE the_{name} AS {sql};\nEXPLAIN (COSTS OFF) EXECUTE the_{name}{arguments};"
        )
        .unwrap();
    }
    let mut psql = Command::new("psql")
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"])
        .arg(database.psql_url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    assert!(output.status.success(), "a statement cannot be planned");
    let text = String::from_utf8(output.stdout).unwrap();
    let plans = text.split("== ").skip(1).map(|plan| plan.split_once('\n').unwrap());
    plans.map(|(name, plan)| (name.to_owned(), plan.to_owned())).collect()
}

#[test]
fn no_statement_scans_a_table() {
    let database = PostgresServer::shared().database();
    let plans = plans(&database);
    assert_eq!(plans.len() + NO_PLAN.len(), ALL.len());
    for (name, plan) in &plans {
        for scan in plan.split("Seq Scan on ").skip(1) {
            let table = scan.split_whitespace().next().unwrap();
            let is_small = SMALL_TABLES.contains(&table)
                || (OF_ALL_APPS.contains(&name.as_str()) && table == "environments");
            assert!(is_small, "{name} scans {table}:\n{plan}");
        }
    }
}

#[test]
fn a_batch_reads_by_keys_and_appends() {
    let database = PostgresServer::shared().database();
    let plans = plans(&database);
    let plan = plans.get("FORESEEN").unwrap();
    for step in [
        "Index Scan using api_keys_pkey on api_keys",
        "Index Scan using apps_pkey on apps",
        "Index Scan using environments_pkey on environments",
        // by the token, whichever of the two indexes with it the planner prefers
        "Index Scan using grants_",
        "token_key = c.token)",
        "Index Scan using oauth_secrets_pkey on oauth_secrets",
        "token_key = t.token)",
    ] {
        assert!(plan.contains(step), "{step} is missing in\n{plan}");
    }
    let appends = ["ADMIT", "APPEND", "MOVE_LANE", "ADD_USAGE", "MOVE_CHAINS"];
    for name in appends {
        assert!(!plans.get(name).unwrap().contains("Sort"), "{name}");
    }
}

#[test]
fn folding_reads_a_window_of_the_log_once() {
    let database = PostgresServer::shared().database();
    let plans = plans(&database);
    let plan = plans.get("FOLD").unwrap();
    let scans: Vec<&str> = plan.lines().filter(|line| line.contains(" on audit_log")).collect();
    let [scan] = scans.as_slice() else { panic!("{scans:?}\n{plan}") };
    assert!(scan.contains("Index Scan using audit_log_1_pkey on audit_log_1"), "{plan}");
}
