//! The canonical form against a referee, and the vectors that all languages share.

use agentadmit_protocol::audit::{
    Actor, AuditEvent, AuditHash, AuditRecord, Details, OnBehalfOf, Outcome,
};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId, ConnectionId, EventId, KeyId, OperatorId};
use agentadmit_protocol::text::{AgentIp, Endpoint, Label, Method, UserId};
use agentadmit_protocol::time::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use super::canonical::{CanonicalError, canonical_json, write_canonical};
use super::chain::{ChainHead, record_hash, seal};

/// Any text, with what needs escapes more often than chance would have it.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        (0_u32..0x20).prop_filter_map("a character", char::from_u32),
        prop::sample::select(vec!['"', '\\', '/', '\u{7f}', '\u{2028}', '\u{ffff}', '\u{10ffff}']),
    ];
    prop::collection::vec(character, 0..24).prop_map(String::from_iter)
}

/// Any text that `T` accepts; often none.
fn accepted<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A JSON value of the kinds that `details` may hold.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            object(inner).prop_map(Value::from),
        ]
    })
}

fn object<S: Strategy<Value = Value>>(
    member: S,
) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    prop::collection::vec((text(), member), 0..6).prop_map(serde_json::Map::from_iter)
}

fn details() -> impl Strategy<Value = Option<Details>> {
    prop::option::of(object(json()).prop_map(|members| {
        serde_json::from_value(Value::Object(members)).unwrap_or_else(|error| {
            unreachable!("an object of such members is a record's details: {error}")
        })
    }))
}

fn actor() -> impl Strategy<Value = Actor> {
    (0..4, any::<[u8; 16]>()).prop_map(|(kind, bytes)| match kind {
        0 => Actor::Key(KeyId::from_bytes(bytes)),
        1 => Actor::Operator(OperatorId::from_bytes(bytes)),
        2 => Actor::Agent(ConnectionId::from_bytes(bytes)),
        _ => Actor::System,
    })
}

prop_compose! {
    fn record()(
        ids in any::<([u8; 16], [u8; 16], Option<[u8; 16]>, Option<[u8; 16]>)>(),
        numbers in (0..1_u64 << 53, any::<u32>(), -70_000_000_000_000..260_000_000_000_000_i64),
        words in (
            prop::option::of(prop::sample::select(Environment::ALL)),
            prop::sample::select(AuditEvent::ALL),
            prop::sample::select(Outcome::ALL),
        ),
        typed in (text(), "\\PC{1,40}", any::<std::net::IpAddr>(), text(), "[A-Z]{0,17}", text()),
        free in prop::array::uniform3(prop::option::of(text())),
        actor in actor(),
        details in details(),
        hashes in any::<([u8; 32], [u8; 32])>(),
    ) -> AuditRecord {
        let (id, chain, app_id, connection_id) = ids;
        let (seq, count, millis) = numbers;
        let (environment, event, outcome) = words;
        let (user_id, agent_label, agent_ip, endpoint, method, on_behalf_of) = typed;
        let [scope, reason, request_id] = free;
        AuditRecord {
            id: EventId::from_bytes(id),
            chain: ChainId::from_bytes(chain),
            seq,
            occurred_at: Timestamp::from_millis(millis),
            app_id: app_id.map(AppId::from_bytes),
            environment,
            event,
            connection_id: connection_id.map(ConnectionId::from_bytes),
            user_id: accepted::<UserId>(&user_id),
            agent_label: accepted::<Label>(&agent_label),
            agent_ip: accepted::<AgentIp>(&agent_ip.to_string()),
            scope,
            endpoint: accepted::<Endpoint>(&endpoint),
            method: accepted::<Method>(&method),
            outcome,
            reason,
            actor,
            on_behalf_of: accepted::<OnBehalfOf>(&format!("user:{on_behalf_of}")),
            request_id,
            count,
            details,
            prev_hash: AuditHash::from_bytes(hashes.0),
            hash: AuditHash::from_bytes(hashes.1),
        }
    }
}

/// What the referee makes of the record as it stands on the wire, without `hash`.
fn by_referee(record: &AuditRecord) -> String {
    let mut wire = serde_json::to_value(record).unwrap();
    assert!(wire.as_object_mut().unwrap().remove("hash").is_some());
    serde_json_canonicalizer::to_string(&wire).unwrap()
}

proptest! {
    #[test]
    fn records_are_written_as_the_referee_writes_them(record in record()) {
        let mut written = Vec::new();
        write_canonical(&record, &mut written);
        prop_assert_eq!(String::from_utf8(written).unwrap(), by_referee(&record));
    }

    #[test]
    fn values_are_written_as_the_referee_writes_them(value in json()) {
        let expected = serde_json_canonicalizer::to_string(&value).unwrap();
        prop_assert_eq!(canonical_json(&value), Ok(expected));
    }

    #[test]
    fn every_member_counts_in_the_hash(record in record(), other in record()) {
        let mut scratch = Vec::new();
        let (a, b) = (record_hash(&record, &mut scratch), record_hash(&other, &mut scratch));
        let mut same = other;
        same.hash = record.hash;
        prop_assert_eq!(a == b, same == record);
    }

    #[test]
    fn sealing_links_records(mut records in prop::collection::vec(record(), 1..5)) {
        let (mut head, mut scratch) = (ChainHead::START, b"left over".to_vec());
        for (position, record) in records.iter_mut().enumerate() {
            let before = head;
            head = seal(record, &before, &mut scratch);
            prop_assert_eq!(record.seq, position as u64 + 1);
            prop_assert_eq!(record.prev_hash, before.hash);
            prop_assert_eq!(record.hash, record_hash(record, &mut Vec::new()));
            prop_assert_eq!((head.seq, head.hash), (record.seq, record.hash));
        }
    }
}

#[test]
fn numbers_that_languages_write_differently_are_refused() {
    for number in ["0.5", "1.0", "1e3", "-0", "9007199254740992", "-9007199254740992", "1e400"] {
        let Ok(value) = serde_json::from_str::<Value>(number) else { continue };
        assert_eq!(canonical_json(&value), Err(CanonicalError::Number), "{number}");
    }
    for number in ["0", "-1", "9007199254740991", "-9007199254740991"] {
        let value = serde_json::from_str::<Value>(number).unwrap();
        assert_eq!(canonical_json(&value).as_deref(), Ok(number));
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| (0..levels).fold(Value::Null, |inner, _| Value::from(vec![inner]));
    assert!(canonical_json(&nested(64)).is_ok());
    assert_eq!(canonical_json(&nested(65)), Err(CanonicalError::Depth));
}

#[derive(serde::Deserialize)]
struct Vectors {
    records: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    record: AuditRecord,
    canonical: String,
    hash: String,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../../contract/vectors/audit.json");
    serde_json::from_str::<Vectors>(text).map(|vectors| vectors.records).unwrap_or_default()
}

#[test]
fn the_vectors_hold() {
    let vectors = vectors();
    assert!(vectors.len() >= 6);
    for Vector { name, record, canonical, hash } in vectors {
        let mut scratch = Vec::new();
        assert_eq!(record_hash(&record, &mut scratch).to_string(), hash, "{name}");
        assert_eq!(scratch, canonical.as_bytes(), "{name}");
        assert_eq!(record.hash.to_string(), hash, "{name}");
        let wire = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<AuditRecord>(&wire).unwrap(), record, "{name}");
    }
}

#[test]
fn the_first_three_vectors_are_a_chain() {
    let (mut head, mut scratch) = (ChainHead::START, Vec::new());
    for Vector { name, record, .. } in vectors().into_iter().take(3) {
        let mut sealed = record.clone();
        head = seal(&mut sealed, &head, &mut scratch);
        assert_eq!(sealed, record, "{name}");
    }
    assert_eq!(head.seq, 3);
}
