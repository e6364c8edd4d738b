//! `POST /token/exchange` of the app: what is forwarded, and what is not.

use agentadmit_testkit::client::{Reply, Request};
use agentadmit_testkit::world::text;
use serde_json::{Value, json};

use crate::support::{Options, World, mounted};

const KEY: &str = "abcdefghijklmnopqrstuvwxyz";

fn world() -> World {
    let settings =
        |it: &mut agentadmit::Settings| it.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    World::with(&Options { settings, ..Options::default() }, |router| router)
}

fn token(world: &World) -> String {
    let issue = world.app.issue("alice", &["read:orders"]);
    text(&world.app.client().ask(&issue).expect(201), "token")
}

fn exchange(body: &Value) -> Request {
    Request::post(mounted("/token/exchange"), body)
}

#[test]
fn token_label_key_and_address_are_forwarded_and_nothing_else() {
    let world = world();
    let request = exchange(&json!({"token": token(&world), "agent_label": "Baker"}))
        .header("Idempotency-Key", KEY)
        .header("X-Forwarded-For", "198.51.100.7")
        .header("Cookie", "session=alice")
        .header("X-Other", "secret");
    let reply = world.ask(&request);
    let exchanged = reply.expect(200);
    assert!(text(&exchanged, "access_token").starts_with("ag_at_"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let seen = world.spy.take();
    assert_eq!(seen.len(), 1);
    let call = &seen[0];
    assert_eq!(call.path, "/v1/token/exchange");
    let members: Vec<&str> = call.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["agent_ip", "agent_label", "token"]);
    assert_eq!(call.body["agent_ip"], "198.51.100.7");
    assert_eq!(call.headers["idempotency-key"], KEY);
    let key = format!("Bearer {}", world.app.key);
    assert_eq!(call.headers["authorization"], key.as_str());
    assert!(!call.headers.contains_key("cookie") && !call.headers.contains_key("x-other"));
}

#[test]
fn what_is_wrong_is_said_with_the_contracts_words() {
    let world = world();
    let good = token(&world);
    let at = |number: u8, request: Request| -> Reply {
        // each from an address of its own: failures are counted by address
        world.ask(&request.header("X-Forwarded-For", format!("198.51.100.{number}")))
    };
    let field = |error: Value| error.get("field").and_then(Value::as_str).map(str::to_owned);
    at(1, exchange(&json!({"token": &good[..20]}))).expect_error(400, "invalid_request");
    at(1, exchange(&json!({"token": "nonsense"}))).expect_error(400, "invalid_grant");
    for (body, wrong) in [
        (json!({"token": good, "agent_ip": "192.0.2.1"}), "agent_ip"),
        (json!({"token": good, "scopes": []}), "scopes"),
        (json!({"token": 7}), "token"),
        (json!({}), "token"),
        (json!({"token": good, "agent_label": "a\nb"}), "agent_label"),
    ] {
        let error = at(2, exchange(&body)).expect_error(422, "invalid_request");
        assert_eq!(field(error).as_deref(), Some(wrong));
    }
    let short = exchange(&json!({"token": good})).header("Idempotency-Key", "short");
    assert_eq!(
        field(at(3, short).expect_error(422, "invalid_request")).as_deref(),
        Some("Idempotency-Key")
    );
    let large = json!({"token": good, "agent_label": "x".repeat(5_000)});
    at(3, exchange(&large)).expect_error(413, "body_too_large");
    let form = Request::new("POST", mounted("/token/exchange"))
        .body("application/x-www-form-urlencoded", format!("token={good}"));
    at(3, form).expect_error(400, "invalid_request");
    let in_query =
        Request::post(mounted(&format!("/token/exchange?token={good}")), &json!({"token": good}));
    at(3, in_query).expect_error(400, "invalid_request");
    let with_query = Request::post(mounted("/token/exchange?a=b"), &json!({"token": good}));
    at(3, with_query).expect_error(400, "invalid_request");
    let in_cookie = exchange(&json!({"token": good})).header("Cookie", format!("t={good}"));
    at(3, in_cookie).expect_error(400, "invalid_request");
    let two = exchange(&json!({"token": good})).bearer("a").bearer("b");
    at(3, two).expect_error(400, "invalid_request");
    // none of this has spent it
    at(4, exchange(&json!({"token": good}))).expect(200);
    at(4, exchange(&json!({"token": good}))).expect_error(400, "invalid_grant");
}

#[test]
fn ten_failures_a_minute_for_each_address() {
    let world = world();
    let good = token(&world);
    let from = |address: &str, token: &str| {
        world.ask(&exchange(&json!({"token": token})).header("X-Forwarded-For", address))
    };
    for _ in 0..10 {
        from("198.51.100.1", "nonsense").expect_error(400, "invalid_grant");
    }
    world.spy.take();
    let reply = from("198.51.100.1", &good);
    let error = reply.expect_error(429, "rate_limited");
    assert_eq!((&error["limit"], reply.header("retry-after")), (&json!("address"), Some("60")));
    assert!(world.spy.take().is_empty(), "the service was not asked");
    from("198.51.100.2", "nonsense").expect_error(400, "invalid_grant");
    world.clock.advance(std::time::Duration::from_mins(1));
    from("198.51.100.1", &good).expect(200);
}

#[test]
fn the_apps_own_trouble_is_503_and_no_redirect_is_followed() {
    let world = world();
    let good = token(&world);
    for (status, body) in [
        (401, r#"{"error":"invalid_api_key","error_description":"x","request_id":"r"}"#),
        (403, "forbidden by a proxy"),
        (200, "{}"),
        (302, ""),
        (500, ""),
    ] {
        let location = format!("http://{}/elsewhere", world.address);
        let headers = vec![("content-type", "application/json".to_owned()), ("location", location)];
        *world.spy.mode.lock() = crate::support::Mode::Answer(status, headers, body.to_owned());
        let reply = world.ask(&exchange(&json!({"token": good})));
        reply.expect_error(503, "authorization_unavailable");
        assert!(!String::from_utf8_lossy(&reply.body).contains(&good));
    }
    assert_eq!(world.spy.take().len(), 5, "one call each");
    *world.spy.mode.lock() = crate::support::Mode::Forward;
    world.ask(&exchange(&json!({"token": good}))).expect(200);
}
