//! How many bytes a row takes, as `docs/STORAGE.md` says.
//!
//! `cargo nextest run -p agentadmit-store-sqlite --no-capture -E 'binary(sizes)'` prints the table.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use agentadmit_protocol::settings::{RateLimits, Settings};
use agentadmit_protocol::text::{AgentIp, Endpoint, Method};
use agentadmit_store::conformance::world::Agent;
use agentadmit_store::record::Origin;
use agentadmit_store::verbs::Verb;
use agentadmit_store::verbs::verify::Verify;
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use common::{Place, many_agents};

const CONNECTIONS: usize = 5_000;
const CALLS: usize = 4;

/// Bytes of payload and of pages, by table and index.
fn sizes(place: &Place) -> BTreeMap<String, (i64, i64, i64)> {
    let conn = place.raw();
    let sql = "SELECT name, ncell, payload, pgsize FROM dbstat('main', 1)";
    let mut statement = conn.prepare(sql).unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn rows_are_as_small_as_documented() {
    let place = Place::new();
    let records = 3 * CONNECTIONS + CALLS * CONNECTIONS;
    let options = StoreOptions { segment_records: records as u64, ..place.options(1) };
    let store = SqliteStore::open(place.path(), options, Access::Service).unwrap();
    let world = place.world(&Arc::new(store));
    let no_limit = RateLimits { per_key_per_second: None, per_connection_per_second: None };
    let caller = world.caller_with(Settings { rate_limit: no_limit, ..Settings::default() });
    let agents = many_agents(&world, &caller, CONNECTIONS);
    let call = |agent: &Agent| Verify {
        origin: Origin {
            request_id: Some("req_01jv7y3k9dq2v8x6n4m5b7c1a0".to_owned()),
            on_behalf_of: None,
            agent_ip: Some(AgentIp::new("203.0.113.77").unwrap()),
            endpoint: Some(Endpoint::new("/orders/{order_id}").unwrap()),
            method: Some(Method::new("GET").unwrap()),
        },
        ..caller.verify_verb(agent.access_token)
    };
    for _ in 0..CALLS {
        for some in agents.chunks(500) {
            world.pass(1);
            let calls: Vec<_> = some.iter().map(call).collect();
            world
                .store
                .transaction("calls", &mut |tx| {
                    calls.iter().try_for_each(|call| call.run(tx).map(|_| ()))
                })
                .unwrap();
        }
    }
    world.maintain();
    let sizes = sizes(&place);
    println!("| table or index | rows | bytes per row | with its share of pages |");
    for (name, (cells, payload, pages)) in sizes.iter().filter(|(_, size)| size.0 > 100) {
        println!("| {name} | {cells} | {} | {} |", payload / cells, pages / cells);
    }
    let (bundles, payload, pages) = sizes["activity"];
    let connections = i64::try_from(CONNECTIONS).unwrap();
    let (payload, pages) = (payload / connections, pages / connections);
    println!("activity: {bundles} rows, {payload} bytes per connection, {pages} in pages");
    assert!((10..=MOST_ACTIVITY).contains(&pages), "{pages}");
    let bytes = |names: &[&str]| names.iter().map(|name| sizes[*name].2).sum::<i64>();
    let per_connection = bytes(&[
        "grants",
        "connections",
        "connections_by_user",
        "connections_by_status",
        "connections_by_end",
        "connection_tokens",
        "activity",
    ]) / connections;
    let records = i64::try_from(records).unwrap();
    let (per_record, per_record_index) =
        (bytes(&["audit_log"]) / records, bytes(&["audit_terms"]) / records);
    println!("{per_connection} bytes per connection, {per_record} + {per_record_index} per record");
    assert!((400..=MOST_PER_CONNECTION).contains(&per_connection), "{per_connection}");
    assert!((200..=MOST_PER_RECORD).contains(&per_record), "{per_record}");
    assert!((5..=MOST_INDEX_PER_RECORD).contains(&per_record_index), "{per_record_index}");
}

/// What the document says, rounded up.
const MOST_PER_CONNECTION: i64 = 600;
const MOST_ACTIVITY: i64 = 25;
const MOST_PER_RECORD: i64 = 300;
const MOST_INDEX_PER_RECORD: i64 = 15;
