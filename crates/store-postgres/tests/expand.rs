//! Migrations are applied while nodes of the version before run: a step adds, and what takes something
//! away says who must be gone (CONTRIBUTING, "A migration").

use agentadmit_store::tables::history::Migration;
use agentadmit_store_postgres::WithRows;
use agentadmit_store_postgres::migrations::MIGRATIONS;
use agentadmit_testkit::postgres::Cluster;

/// What takes something away that a node of an older version may use, or makes it fail.
const TAKES_AWAY: &[&str] = &[
    "DROP TABLE",
    "DROP COLUMN",
    "DROP FUNCTION",
    "DROP VIEW",
    "DROP DEFAULT",
    "DROP CONSTRAINT",
    "RENAME",
    "TRUNCATE",
    "SET NOT NULL",
    "ALTER TYPE",
    " TYPE ",
    "SET SCHEMA",
    "REVOKE ",
];

/// What is wrong with a step that is applied while nodes of an older version run, or while nodes
/// run at all.
fn wrong(step: &Migration) -> Vec<String> {
    let with_rows = WithRows::of(step);
    let code: Vec<&str> =
        with_rows.rest.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let code = code.join(" ").to_uppercase();
    let mut wrong = Vec::new();
    let mut made = Vec::new();
    for statement in code.split(';') {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let text = words.join(" ");
        let after = |word: &str| {
            let at = words.iter().position(|one| *one == word)?;
            Some((*words.get(at + 1)?).to_owned())
        };
        if text.starts_with("CREATE TABLE") {
            made.extend(after("TABLE"));
            continue;
        }
        // an index has a name for those alone who make and drop it
        if step.needs().is_none() && !text.starts_with("ALTER INDEX") {
            let taken = TAKES_AWAY.iter().filter(|what| text.contains(**what));
            wrong.extend(taken.map(|what| format!("{what}: name who may be there, `-- needs: N`")));
        }
        let is_new = |table: Option<String>| table.is_some_and(|table| made.contains(&table));
        if text.starts_with("ALTER TABLE") && !is_new(after("TABLE")) {
            let adds = text.contains("ADD COLUMN");
            if adds && text.contains("NOT NULL") && !text.contains("DEFAULT") {
                wrong.push("a column that older nodes do not fill".to_owned());
            }
            if text.contains("ADD CONSTRAINT") && !text.contains("NOT VALID") {
                wrong.push("a constraint that reads the table with everybody waiting".to_owned());
            }
        }
        let indexes = text.starts_with("CREATE INDEX") || text.starts_with("CREATE UNIQUE INDEX");
        if indexes && !is_new(after("ON")) && !text.contains(" ONLY ") {
            wrong.push("an index on a table with rows: nobody writes meanwhile".to_owned());
        }
        if text.contains("CONCURRENTLY") {
            wrong.push("what is done outside of a transaction stands first".to_owned());
        }
    }
    wrong
}

#[test]
fn every_step_can_be_applied_while_nodes_of_the_version_before_run() {
    for step in MIGRATIONS {
        assert_eq!(wrong(step), Vec::<String>::new(), "{} {}", step.version, step.name);
    }
}

#[test]
fn what_would_break_older_nodes_is_found() {
    let step = |sql| Migration { version: 9, name: "nine", sql };
    for bad in [
        "ALTER TABLE grants DROP COLUMN row",
        "DROP TABLE\n  fold",
        "ALTER TABLE grants RENAME row TO body",
        "ALTER TABLE grants ADD COLUMN body bytea NOT NULL",
        "ALTER TABLE grants ALTER COLUMN row TYPE text",
        "ALTER TABLE grants ADD CONSTRAINT c CHECK (token_key > 0)",
        "CREATE INDEX i ON grants (row)",
        "ALTER TABLE grants ADD COLUMN body bytea; CREATE INDEX CONCURRENTLY i ON grants (body)",
    ] {
        assert_ne!(wrong(&step(bad)), Vec::<String>::new(), "{bad}");
    }
    for good in [
        "-- needs: 8\nALTER TABLE grants DROP COLUMN row",
        "ALTER TABLE grants ADD COLUMN body bytea",
        "ALTER TABLE grants ADD COLUMN body bytea NOT NULL DEFAULT ''",
        "CREATE TABLE t (a bigint NOT NULL); CREATE INDEX i ON t (a)",
        "-- why\nCREATE INDEX CONCURRENTLY i ON grants (row); ALTER TABLE grants ADD COLUMN body bytea",
    ] {
        assert_eq!(wrong(&step(good)), Vec::<String>::new(), "{good}");
    }
}

/// What the way of a verify reads and writes (ARCHITECTURE, "The way of one verify"): statements of one
/// kind of lock, which another kind makes wait.
const ON_THE_WAY_OF_A_VERIFY: &str = "api_keys|apps|environments|grants|oauth_secrets|audit_log.*|\
    usage|chains|writers|log_state|audit_parts|nodes|plan_leases";

/// Steps are applied in one transaction, so what one of them locks stays locked until the last is done. A
/// verify reads (ACCESS SHARE, ROW SHARE) and writes (ROW EXCLUSIVE): it waits for none of these.
#[test]
fn no_step_makes_a_verify_wait() {
    let server = Cluster::start();
    let (first, later) = MIGRATIONS.split_first().unwrap();
    server.sql(first.sql);
    let held = |sql: &str| {
        let before = server.sql("SELECT string_agg(oid::text, ',') FROM pg_class");
        server.sql(&format!(
            "{sql};
             SELECT string_agg(DISTINCT c.relname || ' ' || l.mode, ', ') FROM pg_locks AS l
             JOIN pg_class AS c ON c.oid = l.relation
             LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
             LEFT JOIN pg_class AS t ON t.oid = i.indrelid
             WHERE l.pid = pg_backend_pid() AND c.relkind IN ('r', 'p', 'i')
             AND coalesce(t.relname, c.relname) ~ '^({ON_THE_WAY_OF_A_VERIFY})$'
             AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
             AND c.oid IN ({before})"
        ))
    };
    for step in later {
        let WithRows { indexes, rest } = WithRows::of(step);
        for index in indexes {
            server.sql(index.sql);
        }
        assert_eq!(held(rest), "", "{} {}", step.version, step.name);
    }
    // what would be seen
    for bad in [
        "CREATE INDEX i ON grants (row)",
        "ALTER TABLE audit_log ADD COLUMN more bigint",
        "DROP INDEX chains_by_tenant",
        "LOCK TABLE writers IN SHARE MODE",
    ] {
        assert_ne!(held(bad), "", "{bad}");
    }
}
