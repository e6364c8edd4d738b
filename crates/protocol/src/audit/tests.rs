use super::*;

fn record() -> AuditRecord {
    AuditRecord {
        id: EventId::from_bytes([1; 16]),
        chain: ChainId::from_bytes([2; 16]),
        seq: 7,
        occurred_at: Timestamp::from_millis(1_700_000_000_123),
        app_id: Some(AppId::from_bytes([3; 16])),
        environment: Some(Environment::Live),
        event: AuditEvent::ScopesChanged,
        connection_id: None,
        user_id: UserId::new("u-1").ok(),
        agent_label: Label::new("Ägent").ok(),
        agent_ip: AgentIp::new("192.0.2.1").ok(),
        scope: Some("a:b c:d".to_owned()),
        endpoint: Endpoint::new("/orders/{id}").ok(),
        method: Method::new("GET").ok(),
        outcome: Outcome::Done,
        reason: None,
        actor: Actor::Key(KeyId::from_bytes([4; 16])),
        on_behalf_of: OnBehalfOf::new("admin:a-1").ok(),
        request_id: Some("req_1".to_owned()),
        count: 1,
        details: Some(Details::new(&serde_json::json!({"b": 1, "a": {"old": null}})).unwrap()),
        prev_hash: AuditHash::ZERO,
        hash: AuditHash::from_bytes([0xab; 32]),
    }
}

#[test]
fn the_members_stand_in_the_order_of_the_contract() {
    let json = serde_json::to_string(&record()).unwrap();
    let names = [
        "id",
        "chain",
        "seq",
        "occurred_at",
        "app_id",
        "environment",
        "event",
        "connection_id",
        "user_id",
        "agent_label",
        "agent_ip",
        "scope",
        "endpoint",
        "method",
        "outcome",
        "reason",
        "actor",
        "on_behalf_of",
        "request_id",
        "count",
        "details",
        "prev_hash",
        "hash",
    ];
    let places: Vec<usize> =
        names.iter().map(|name| json.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{json}");
    assert!(json.contains(r#""connection_id":null"#));
    assert!(json.contains(r#""details":{"a":{"old":null},"b":1}"#), "{json}");
    assert!(json.contains(r#""prev_hash":"00000000"#) && json.contains(r#""hash":"abababab"#));
}

#[test]
fn a_record_is_the_same_from_the_wire_and_from_a_row() {
    let record = record();
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<AuditRecord>(&json).unwrap(), record);
    let row = postcard::to_allocvec(&record).unwrap();
    assert_eq!(postcard::from_bytes::<AuditRecord>(&row).unwrap(), record);
}

#[test]
fn missing_unknown_and_repeated_members_are_refused() {
    let json = serde_json::to_string(&record()).unwrap();
    let missing = json.replacen(r#""reason":null,"#, "", 1);
    let unknown = json.replacen('{', r#"{"approved_by":"me","#, 1);
    let repeated = json.replacen('{', r#"{"count":2,"#, 1);
    let repeated_inside = json.replacen(r#""b":1"#, r#""b":1,"b":1"#, 1);
    for changed in [missing, unknown, repeated, repeated_inside] {
        assert_ne!(changed, json);
        assert!(serde_json::from_str::<AuditRecord>(&changed).is_err(), "{changed}");
    }
}

#[test]
fn actors_have_one_text_each() {
    for actor in [
        Actor::Key(KeyId::from_bytes([1; 16])),
        Actor::Operator(OperatorId::from_bytes([2; 16])),
        Actor::Agent(ConnectionId::from_bytes([3; 16])),
        Actor::System,
    ] {
        assert_eq!(actor.to_string().parse(), Ok(actor));
        let row = postcard::to_allocvec(&actor).unwrap();
        assert_eq!(postcard::from_bytes::<Actor>(&row).unwrap(), actor);
    }
    let key = KeyId::from_bytes([1; 16]);
    for text in ["", "system:", "key:", &format!("operator:{key}"), &format!("KEY:{key}")] {
        assert_eq!(text.parse::<Actor>(), Err(InvalidActor), "{text}");
    }
}

#[test]
fn hashes_are_lower_case_hex() {
    let hash =
        AuditHash::from_bytes(core::array::from_fn(|index| u8::try_from(index * 7).unwrap()));
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert!(hash.to_string().to_uppercase().parse::<AuditHash>().is_err());
    assert!("00".parse::<AuditHash>().is_err());
}

#[test]
fn on_behalf_of_names_one_of_three() {
    let connection = ConnectionId::from_bytes([1; 16]);
    for text in ["user:1", "admin:a:b", &format!("agent:{connection}")] {
        assert!(OnBehalfOf::new(text).is_ok(), "{text}");
    }
    for text in ["", "user", "user:", "agent:1", "system", "User:1", "user:\n"] {
        assert!(OnBehalfOf::new(text).is_err(), "{text}");
    }
}

#[test]
fn positions_of_events_never_change() {
    let row = |event: AuditEvent| postcard::to_allocvec(&event).unwrap();
    assert_eq!(row(AuditEvent::ConnectionCreated), [0]);
    assert_eq!(row(AuditEvent::Verified), [3]);
    assert_eq!(row(AuditEvent::ScopesChanged), [11]);
    assert_eq!(row(AuditEvent::Checkpoint), [26]);
    assert_eq!(row(AuditEvent::ClockAccepted), [28]);
}
