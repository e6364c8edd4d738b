//! Every statement goes by a key or an index: asked of SQLite, statement by statement.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use agentadmit_store_sqlite::statements::{ALL, SMALL_TABLES};
use common::Place;
use rusqlite::Connection;

fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get(3).unwrap());
    }
    steps
}

fn store() -> (Place, Connection) {
    let place = Place::new();
    drop(place.service(1));
    let conn = place.raw();
    (place, conn)
}

#[test]
fn no_statement_scans_a_table() {
    let (_place, conn) = store();
    for (name, sql) in ALL {
        let plan = plan(&conn, sql);
        let scans = plan.iter().any(|step| step.starts_with("SCAN"));
        assert_eq!(scans, SMALL_TABLES.contains(name), "{name}: {plan:?}");
    }
}

#[test]
fn nothing_that_can_be_long_is_sorted() {
    let (_place, conn) = store();
    // one tenant's labels, which are summed first, one tenant's chains, and sums by day and by code
    let sorted: Vec<_> = ALL
        .iter()
        .filter(|(_, sql)| plan(&conn, sql).iter().any(|step| step.contains("TEMP B-TREE")))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(sorted, ["ALL_USAGE", "ALL_REFUSALS", "USAGE_LABELS", "CHAINS"]);
}

#[test]
fn searches_of_closed_segments_go_by_the_index_of_terms() {
    let (_place, conn) = store();
    let by_key = |bounds: &str| {
        format!("SEARCH audit_terms USING PRIMARY KEY (segment=? AND term=? AND {bounds})")
    };
    let up = by_key("pos>?");
    let down = [by_key("pos>? AND pos<?"), "SCALAR SUBQUERY 1".to_owned(), up.clone()];
    for (name, expected) in [("HITS_DOWN", &down[..]), ("HITS_UP", &[up][..])] {
        let (_, sql) = ALL.iter().find(|(known, _)| *known == name).unwrap();
        assert_eq!(plan(&conn, sql), expected, "{name}");
    }
}

#[test]
fn a_scan_would_be_seen() {
    let (_place, conn) = store();
    let plan = plan(&conn, "SELECT row FROM grants WHERE row = ?1");
    assert!(plan.iter().any(|step| step.starts_with("SCAN")), "{plan:?}");
}

#[test]
fn every_table_and_index_is_documented() {
    let (_place, conn) = store();
    let document = include_str!("../../../docs/STORAGE.md");
    let sql = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";
    let mut statement = conn.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let missing: Vec<String> =
        names.map(Result::unwrap).filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/STORAGE.md does not name {missing:?}");
}
