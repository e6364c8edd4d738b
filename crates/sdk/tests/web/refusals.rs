//! What an agent sees from an app when it may not, and when nobody can say: never data.

use std::time::Duration;

use agentadmit::axum::{AgentRouter, require_scope_if_agent};
use agentadmit_testkit::client::{Reply, Request};
use serde_json::json;

use crate::support::{Mode, Options, Shop, World};

const DATA: &str = "three loaves";

fn routes(router: AgentRouter<Shop>) -> AgentRouter<Shop> {
    router.get("/orders", require_scope_if_agent(["read:orders"]), async || DATA).get(
        "/close",
        require_scope_if_agent(["close:shop"]),
        async || DATA,
    )
}

fn orders(world: &World, token: &str) -> Reply {
    let reply = world.ask(&Request::get("/orders").bearer(token));
    assert_eq!(reply.status == 200, reply.body == DATA.as_bytes(), "{reply:?}");
    reply
}

#[test]
fn each_reason_of_a_dead_token() {
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    orders(&world, &agent.access_token).expect(200);
    world.revoke(&agent);
    let never = "ag_at_0000000000000000000000000000000000000000000abcdef";
    for (token, reason) in [(agent.access_token.as_str(), "revoked"), (never, "malformed")] {
        let reply = orders(&world, token);
        let error = reply.expect_error(401, "invalid_token");
        assert_eq!(error["reason"], reason);
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.starts_with(r#"Bearer error="invalid_token", "#), "{challenge}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(!String::from_utf8_lossy(&reply.body).contains(token));
    }
}

#[test]
fn a_missing_scope_is_named() {
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:profile"]);
    let reply = orders(&world, &agent.access_token);
    let error = reply.expect_error(403, "insufficient_scope");
    assert_eq!(error["required_scope"], "read:orders");
    assert_eq!(error["granted_scopes"], json!(["read:profile"]));
    assert!(error["audit_id"].as_str().unwrap().starts_with("evt_"));
}

#[test]
fn an_admin_scope_is_worth_nothing_when_the_user_is_no_admin() {
    let world = World::start(routes);
    let agent = world.connect("alice", &["close:shop"]);
    let close = || world.ask(&Request::get("/close").bearer(&agent.access_token));
    close().expect_error(403, "forbidden");
    world.shop.admins.lock().insert("alice".to_owned());
    assert_eq!(close().status, 200);
    world.shop.admins.lock().clear();
    close().expect_error(403, "forbidden");
}

#[test]
fn a_user_who_is_gone_ends_what_the_agent_may() {
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    world.shop.gone.lock().insert("alice".to_owned());
    orders(&world, &agent.access_token).expect_error(403, "user_unknown");
    world.shop.gone.lock().clear();
    orders(&world, &agent.access_token).expect(200);
    world.shop.is_broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let reply = orders(&world, &agent.access_token);
    reply.expect_error(503, "authorization_unavailable");
    assert!(!String::from_utf8_lossy(&reply.body).contains("10.1.2.3"));
}

#[test]
fn an_agent_never_gets_another_users_data() {
    let world = World::start(routes);
    for user in ["twin", "nameless"] {
        let agent = world.connect(user, &["read:orders"]);
        orders(&world, &agent.access_token).expect_error(403, "user_unknown");
    }
}

#[test]
fn the_connections_limit_shows_its_numbers_and_the_keys_does_not() {
    let rate_limits =
        json!({"rate_limit": {"per_key_per_second": null, "per_connection_per_second": 1}});
    let world = World::with(&Options { rate_limits, ..Options::default() }, routes);
    let agent = world.connect("alice", &["read:orders"]);
    let reply = (0..20)
        .map(|_| orders(&world, &agent.access_token))
        .find(|reply| reply.status != 200)
        .unwrap();
    assert_eq!(reply.expect_error(429, "rate_limited")["limit"], "connection");
    for header in ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
    {
        assert!(reply.header(header).is_some(), "{header}");
    }

    let settings = |it: &mut agentadmit::Settings| it.max_retries = 0;
    let world = World::with(&Options { settings, ..Options::default() }, routes);
    let agent = world.connect("alice", &["read:orders"]);
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("retry-after", "7".to_owned()),
        ("x-ratelimit-limit", "4000".to_owned()),
    ];
    let body = r#"{"error":"rate_limited","error_description":"x","request_id":"r","limit":"key"}"#;
    *world.spy.mode.lock() = Mode::Answer(429, headers, body.to_owned());
    let reply = orders(&world, &agent.access_token);
    reply.expect_error(429, "rate_limited");
    assert_eq!(reply.header("retry-after"), Some("7"));
    assert_eq!(reply.header("x-ratelimit-limit"), None);
}

/// A yes as the service writes it, about this connection.
fn yes(world: &World, more: &[(&str, serde_json::Value)]) -> String {
    let mut answer = json!({
        "active": true, "app_id": world.app.app_id, "environment": "test",
        "connection_id": "conn_01h455vb4pex5vsknk084sn02q", "user_id": "alice", "user_label": null,
        "agent_label": null, "scopes": ["read:orders"], "created_at": "2026-01-01T00:00:00.000Z",
        "expires_at": null, "purpose": null, "user_intent": null,
        "audit_id": "evt_01h455vb4pex5vsknk084sn02q",
    });
    for (member, value) in more {
        answer[*member] = value.clone();
    }
    answer.to_string()
}

#[test]
fn a_token_for_another_resource_opens_nothing() {
    let mcp: fn(&mut agentadmit::Settings) =
        |it| it.resource = Some("https://shop.example/mcp".parse().unwrap());
    let plain: fn(&mut agentadmit::Settings) = |_| {};
    let client = ("client_id", json!("https://client.example/me"));
    for (settings, own, others) in [
        (
            plain,
            ["https://shop.example", "https://shop.example/"],
            ["https://shop.example/mcp", "https://other.example", "https://shop.example:8443"],
        ),
        (
            mcp,
            ["https://shop.example/mcp", "https://shop.example/mcp"],
            ["https://shop.example", "https://shop.example/mcp/", "https://shop.example/MCP"],
        ),
    ] {
        let world = World::with(&Options { settings, ..Options::default() }, routes);
        let agent = world.connect("alice", &["read:orders"]);
        let ask = |resource: &str| {
            let more = [client.clone(), ("resource", json!(resource))];
            world.spy.answer(200, "application/json", yes(&world, &more));
            orders(&world, &agent.access_token)
        };
        for resource in own {
            ask(resource).expect(200);
        }
        for resource in others {
            let reply = ask(resource);
            assert_eq!(reply.expect_error(401, "invalid_token")["reason"], "other_resource");
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(challenge.contains("resource_metadata=\"https://shop.example/.well-known/"));
        }
        // a token that was handed over names no resource
        world.spy.answer(200, "application/json", yes(&world, &[("resource", json!(null))]));
        orders(&world, &agent.access_token).expect(200);
    }
}

#[test]
fn what_is_not_a_yes_is_503_and_never_data() {
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    let json_type = "application/json";
    // the referee: the same answer without a fault is taken
    world.spy.answer(200, json_type, yes(&world, &[]));
    orders(&world, &agent.access_token).expect(200);
    let other_app = json!("app_01h455vb4pex5vsknk084sn02q");
    for (status, content_type, body) in [
        (200, json_type, yes(&world, &[("active", json!(false))])),
        (200, json_type, yes(&world, &[("active", json!("true"))])),
        (200, json_type, yes(&world, &[("active", json!(1))])),
        (200, json_type, yes(&world, &[("app_id", other_app)])),
        (200, json_type, yes(&world, &[("environment", json!("live"))])),
        (200, json_type, yes(&world, &[("scopes", json!(["read:profile"]))])),
        (200, json_type, yes(&world, &[("scopes", json!([]))])),
        (200, "text/html", yes(&world, &[])),
        (200, json_type, "<html>welcome to the wifi</html>".to_owned()),
        (200, json_type, String::new()),
        (200, json_type, "{}".to_owned()),
        (201, json_type, yes(&world, &[])),
        (204, json_type, String::new()),
        (302, json_type, yes(&world, &[])),
        (
            400,
            json_type,
            r#"{"error":"invalid_request","error_description":"x","request_id":"r"}"#.to_owned(),
        ),
        (
            401,
            json_type,
            r#"{"error":"invalid_api_key","error_description":"x","request_id":"r"}"#.to_owned(),
        ),
        (
            403,
            json_type,
            r#"{"error":"forbidden","error_description":"x","request_id":"r"}"#.to_owned(),
        ),
        (403, "text/html", "blocked by a proxy".to_owned()),
        (
            403,
            json_type,
            r#"{"active":"false","error":"invalid_token","error_description":"x"}"#.to_owned(),
        ),
        (404, json_type, String::new()),
        (500, json_type, String::new()),
        (
            503,
            json_type,
            r#"{"error":"unavailable","error_description":"x","request_id":"r"}"#.to_owned(),
        ),
    ] {
        world.spy.answer(status, content_type, body.clone());
        let reply = orders(&world, &agent.access_token);
        reply.expect_error(503, "authorization_unavailable");
        assert!(reply.header("retry-after").is_some());
        assert!(reply.header("www-authenticate").is_none(), "good tokens are not thrown away");
    }
    // an unknown class of refusal is a refusal
    let new = r#"{"active":true,"error":"confirmation_required","error_description":"x","request_id":"r"}"#;
    world.spy.answer(403, json_type, new);
    orders(&world, &agent.access_token).expect_error(403, "confirmation_required");
}

#[test]
fn a_service_that_is_slow_or_gone_is_503() {
    let settings = |it: &mut agentadmit::Settings| it.timeout = Duration::from_secs(1);
    let slow = World::with(&Options { settings, ..Options::default() }, routes);
    *slow.spy.mode.lock() = Mode::Silent;
    let token = slow.connect("alice", &["read:orders"]).access_token;
    // where the machine stands still for long, it is over before the service is asked
    let asked = (0..10).map(|_| {
        orders(&slow, &token).expect_error(503, "authorization_unavailable");
        slow.spy.take_verifies()
    });
    assert_eq!(asked.into_iter().find(|asked| *asked > 0), Some(1));
    // the app's users are let alone
    assert_eq!(slow.ask(&Request::get("/orders").header("Cookie", "session=alice")).status, 200);

    let settings = |it: &mut agentadmit::Settings| {
        // a port that was free a moment ago
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        it.service_url = format!("http://{closed}").parse().unwrap();
    };
    let gone = World::with(&Options { settings, ..Options::default() }, routes);
    orders(&gone, &token).expect_error(503, "authorization_unavailable");
}

#[test]
fn the_agents_address_comes_from_trusted_proxies_alone() {
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    let forwarded = || {
        Request::get("/orders")
            .bearer(&agent.access_token)
            .header("X-Forwarded-For", "198.51.100.7")
    };
    assert_eq!(world.ask(&forwarded()).status, 200);
    assert_eq!(world.spy.take()[0].body["agent_ip"], "127.0.0.1");
    let settings =
        |it: &mut agentadmit::Settings| it.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let world = World::with(&Options { settings, ..Options::default() }, routes);
    let agent = world.connect("alice", &["read:orders"]);
    let forwarded = Request::get("/orders")
        .bearer(&agent.access_token)
        .header("X-Forwarded-For", "198.51.100.7");
    assert_eq!(world.ask(&forwarded).status, 200);
    assert_eq!(world.spy.take()[0].body["agent_ip"], "198.51.100.7");
}
