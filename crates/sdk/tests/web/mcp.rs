//! An MCP server behind `ToolGuard`: what its clients hear, and what reaches it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use agentadmit::axum::AgentRouter;
use agentadmit::mcp::{MAX_MESSAGE_BYTES, ToolGuard, auth_context};
use agentadmit_testkit::client::{Client, Reply, Request};
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::HeaderMap;
use http::request::Parts;
use serde_json::{Value, json};

use crate::streams::{HALF_A_MINUTE, Raw, TURN, bearer, send, sse, until_it_waits};
use crate::support::{Customer, Mode, ORIGIN, Options, Shop, World, by_user};

const METADATA: &str = "/.well-known/oauth-protected-resource";
const LEADS: &str =
    "resource_metadata=\"https://shop.example/.well-known/oauth-protected-resource/mcp\"";
const NEWEST: &str = "2026-07-28";

fn guard() -> ToolGuard {
    let map =
        [("look", "read:orders"), ("order", "read:orders write:orders"), ("wait", "read:orders")];
    let guard = ToolGuard::new(map).unwrap().first_scopes("read:orders").unwrap();
    guard.open_methods(["prompts/list"])
}

/// A server that says what it was asked, and knows more tools than the map names.
fn routes(router: AgentRouter<Shop>) -> AgentRouter<Shop> {
    let server = Router::new().route("/mcp", post(answer).get(sse).delete(|| async { "ended" }));
    router.mcp("/mcp", &guard(), server)
}

async fn answer(headers: HeaderMap, parts: Asking, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    if message["params"]["name"] == "wait" {
        std::future::pending::<()>().await;
    }
    let tools = json!([{"name": "look"}, {"name": "wipe"}, {"name": "order"}]);
    let result = match message["method"].as_str() {
        Some("tools/list") => json!({"tools": tools}),
        _ => json!({
            "body": String::from_utf8(body.to_vec()).unwrap(),
            "authorization": headers.contains_key("authorization"),
            "session": headers.get("mcp-session-id").map(|it| it.to_str().unwrap()),
            "user": auth_context::<Customer>(&parts.0).unwrap().user().name,
            "method": parts.0.method.as_str(),
        }),
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    if headers.contains_key("x-events") {
        let events = format!(": ping\n\nid: 7\ndata: {answer}\n\n");
        return ([("content-type", "text/event-stream")], events).into_response();
    }
    ([("mcp-session-id", "s.1")], Json(answer)).into_response()
}

/// The request without its body.
struct Asking(Parts);

impl<S: Sync> axum::extract::FromRequestParts<S> for Asking {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.clone()))
    }
}

fn world() -> World {
    let settings = |settings: &mut agentadmit::Settings| {
        settings.resource = Some(format!("{ORIGIN}/mcp").parse().unwrap());
    };
    World::with(&Options { settings, ..Options::default() }, routes)
}

fn message(method: &str, params: &Value) -> Request {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    Request::post("/mcp", &message)
}

fn call(tool: &str) -> Request {
    message("tools/call", &json!({"name": tool, "arguments": {}}))
}

fn challenge(reply: &Reply) -> &str {
    reply.header("www-authenticate").unwrap()
}

#[test]
fn a_client_finds_its_way() {
    let world = world();
    let first = format!("Bearer {LEADS}, scope=\"read:orders\"");
    let all = format!("Bearer {LEADS}, scope=\"read:orders write:orders\"");
    for (request, expected) in [
        (message("initialize", &json!({})), &first),
        (message("tools/list", &json!({})), &first),
        (Request::get("/mcp"), &first),
        (Request::new("DELETE", "/mcp"), &first),
        (Request::new("POST", "/mcp").raw_body("[]"), &first),
        (call("wipe"), &first),
        (call("order"), &all),
    ] {
        let reply = world.ask(&request);
        assert_eq!((reply.status, challenge(&reply)), (401, expected.as_str()), "{request:?}");
    }
    for path in [METADATA.to_owned(), format!("{METADATA}/mcp")] {
        let said = world.ask(&Request::get(path)).expect(200);
        assert_eq!(said["resource"], format!("{ORIGIN}/mcp"));
    }
    world.ask(&by_user("alice", call("look"))).expect_error(403, "agent_required");
    assert!(world.spy.take().is_empty(), "nobody is not asked about");
}

#[test]
fn what_is_no_good_token_is_401_and_what_is_not_enough_403() {
    let world = world();
    let agent = world.connect("alice", &["read:orders"]);
    let token = agent.access_token.as_str();
    let lacking = world.ask(&call("order").bearer(token));
    let refused = lacking.expect_error(403, "insufficient_scope");
    assert_eq!(refused["required_scope"], "write:orders");
    let all =
        format!("Bearer error=\"insufficient_scope\", {LEADS}, scope=\"read:orders write:orders\"");
    assert_eq!(challenge(&lacking), all);

    let twice = call("look").bearer(token).bearer(token);
    world.ask(&twice).expect_error(400, "invalid_request");
    let in_query = Request::get(format!("/mcp?access_token={token}"));
    world.ask(&in_query).expect_error(400, "invalid_request");
    *world.spy.mode.lock() = Mode::Answer(500, vec![], String::new());
    world.ask(&call("look").bearer(token)).expect_error(503, "authorization_unavailable");
    *world.spy.mode.lock() = Mode::Forward;

    world.revoke(&agent);
    let dead = world.ask(&message("tools/list", &json!({})).bearer(token));
    dead.expect_error(401, "invalid_token");
    let expected = format!("Bearer error=\"invalid_token\", {LEADS}, scope=\"read:orders\"");
    assert_eq!(challenge(&dead), expected);
    world.ask(&Request::get("/mcp").bearer(token)).expect_error(401, "invalid_token");
}

#[test]
fn each_request_is_one_question() {
    let world = world();
    let agent = world.connect("alice", &["read:orders", "write:orders"]);
    for (request, endpoint, scope) in [
        (call("order"), "tool:order", json!("read:orders write:orders")),
        (call("wipe"), "tool:wipe", Value::Null),
        (message("tools/list", &json!({})), "mcp:tools/list", Value::Null),
        (message("resources/read", &json!({})), "mcp:resources/read", Value::Null),
        (Request::new("DELETE", "/mcp"), "mcp:DELETE", Value::Null),
        (Request::new("POST", "/mcp").raw_body("[]"), "mcp:POST", Value::Null),
    ] {
        world.spy.take();
        world.ask(&request.bearer(&agent.access_token));
        let asked = world.spy.take();
        assert_eq!(asked.len(), 1, "{endpoint}");
        let said = &asked[0].body;
        assert_eq!(said["endpoint"], endpoint);
        assert_eq!(said["method"], "CALL");
        assert_eq!(said["scope_used"], scope);
    }
}

#[test]
fn the_server_gets_the_message_as_it_came_and_not_the_token() {
    let world = world();
    let agent = world.connect("alice", &["read:orders"]);
    let body = r#" {"id": 7, "jsonrpc":"2.0","params" :{"name":"look","arguments":{"a":1,"a":2}},"method":"tools/call"}"#;
    let request = Request::new("POST", "/mcp").raw_body(body).bearer(&agent.access_token);
    let said = world.ask(&request).expect(200);
    assert_eq!(said["id"], 7);
    let expected = json!({"body": body, "authorization": false, "session": null, "user": "alice", "method": "POST"});
    assert_eq!(said["result"], expected);
}

#[test]
fn what_the_map_does_not_name_is_neither_run_nor_listed() {
    let world = world();
    let agent = world.connect("alice", &["read:orders"]);
    let ask = |request: Request| world.ask(&request.bearer(&agent.access_token));
    let refused = ask(call("wipe")).expect(200);
    assert_eq!(refused["id"], 1);
    let result = &refused["result"];
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().unwrap().contains("not open to agents"));
    assert_eq!(result["resultType"], Value::Null);
    let newest = ask(call("wipe").header("MCP-Protocol-Version", NEWEST)).expect(200);
    assert_eq!(newest["result"]["resultType"], "complete");

    let mapped = json!([{"name": "look"}, {"name": "order"}]);
    let listed = ask(message("tools/list", &json!({}))).expect(200);
    assert_eq!(listed["result"]["tools"], mapped);
    let events = ask(message("tools/list", &json!({})).header("X-Events", "1"));
    let events = String::from_utf8(events.body).unwrap();
    let (before, data) = events.split_once("data: ").unwrap();
    assert_eq!(before, ": ping\n\nid: 7\n");
    let said: Value = serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap();
    assert_eq!(said["result"]["tools"], mapped);
}

#[test]
fn a_method_that_knows_no_scope_is_closed_until_it_is_opened() {
    let world = world();
    let agent = world.connect("alice", &["read:orders"]);
    let ask = |request: Request| world.ask(&request.bearer(&agent.access_token));
    for method in ["resources/read", "completion/complete", "nothing/like/it", ""] {
        let refused = ask(message(method, &json!({}))).expect(200);
        assert_eq!(refused["error"]["code"], -32601, "{method}");
        ask(message(method, &json!({})).header("MCP-Protocol-Version", NEWEST)).expect(404);
    }
    for method in ["initialize", "ping", "logging/setLevel", "server/discover", "prompts/list"] {
        assert!(ask(message(method, &json!({}))).expect(200)["result"]["body"].is_string());
    }
    let note =
        |method: &str| ask(Request::post("/mcp", &json!({"jsonrpc": "2.0", "method": method})));
    assert!(note("notifications/initialized").expect(200)["result"].is_object());
    assert_eq!(note("resources/subscribe").expect(200)["error"]["code"], -32601);
    let answer = Request::post("/mcp", &json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    assert!(ask(answer).expect(200)["result"].is_object(), "an answer to the server's question");
}

#[test]
fn what_is_no_single_message_never_reaches_the_server() {
    let world = world();
    let agent = world.connect("alice", &["read:orders"]);
    let ask = |body: &str| {
        let request = Request::new("POST", "/mcp").header("Content-Type", "application/json");
        world.ask(&request.raw_body(body).bearer(&agent.access_token)).expect(400)
    };
    let look = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look"}}"#;
    assert_eq!(ask(&format!(" [{look}]"))["error"]["code"], -32600);
    let two = look.replace(r#""name""#, r#""name":"look","name""#);
    for body in ["", "{", "tools/call", &two] {
        assert_eq!(ask(body)["error"]["code"], -32700, "{body}");
    }
    let nameless = message("tools/call", &json!({"name": 7})).bearer(&agent.access_token);
    assert_eq!(world.ask(&nameless).expect(200)["error"]["code"], -32602);
}

#[test]
fn a_message_has_a_bound() {
    let world = world();
    let agent = world.connect("alice", &["read:orders"]);
    let of = |length: usize| {
        let mut body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
        body.extend(std::iter::repeat_n(' ', length - body.len()));
        world.ask(&Request::new("POST", "/mcp").raw_body(body).bearer(&agent.access_token))
    };
    of(MAX_MESSAGE_BYTES).expect(200);
    of(MAX_MESSAGE_BYTES + 1).expect_error(413, "body_too_large");
}

#[test]
fn a_session_is_good_for_its_user_alone() {
    let world = world();
    let [alice, bob] = ["alice", "bob"].map(|user| world.connect(user, &["read:orders"]));
    let begun = world.ask(&message("initialize", &json!({})).bearer(&alice.access_token));
    let session = begun.header("mcp-session-id").unwrap().to_owned();
    assert!(session.starts_with("s.1."), "{session}");
    let with = |request: Request, token: &str, session: &str| {
        world.ask(&request.bearer(token).header("Mcp-Session-Id", session))
    };
    let said = with(call("look"), &alice.access_token, &session).expect(200);
    assert_eq!(said["result"]["session"], "s.1");
    let other = world.connect("alice", &["read:orders"]).access_token;
    with(call("look"), &other, &session).expect(200);
    for request in [call("look"), Request::get("/mcp"), Request::new("DELETE", "/mcp")] {
        with(request.clone(), &bob.access_token, &session).expect_error(404, "not_found");
        with(request, &alice.access_token, "s.1").expect_error(404, "not_found");
    }
    assert_eq!(with(Request::new("DELETE", "/mcp"), &alice.access_token, &session).body, b"ended");
}

#[test]
fn a_stream_ends_within_30_s_of_the_revocation() {
    let _turn = TURN.lock();
    let world = world();
    let agent = world.connect("alice", &["read:orders"]);
    let mut stream = Raw::events_at(&world, "/mcp", &bearer(&agent.access_token));
    assert_eq!(stream.status, 200);
    assert!(send("data: {}\n\n"));
    assert_eq!(stream.chunk().as_deref(), Some("data: {}\n\n"));
    until_it_waits(&world, HALF_A_MINUTE);
    world.spy.take();
    world.clock.advance(HALF_A_MINUTE);
    until_it_waits(&world, HALF_A_MINUTE);
    assert_eq!(world.spy.take()[0].body["endpoint"], "mcp:GET");
    world.revoke(&agent);
    world.clock.advance(HALF_A_MINUTE);
    assert_eq!(stream.chunk(), None, "broken off, not ended");
}

#[test]
fn a_tool_that_takes_long_hands_nothing_over_after_the_revocation() {
    let world = Arc::new(world());
    let agent = world.connect("alice", &["read:orders"]);
    let request = call("wait").bearer(&agent.access_token);
    let address = world.address;
    let waiting = thread::spawn(move || Client::new(address).ask(&request));
    until_it_waits(&world, HALF_A_MINUTE);
    world.spy.take();
    world.clock.advance(HALF_A_MINUTE);
    until_it_waits(&world, HALF_A_MINUTE);
    let asked = world.spy.take();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body["scope_used"], "read:orders");
    world.revoke(&agent);
    world.clock.advance(HALF_A_MINUTE + Duration::from_millis(1));
    let reply = waiting.join().unwrap();
    reply.expect_error(401, "invalid_token");
    assert!(challenge(&reply).ends_with("scope=\"read:orders\""), "{}", challenge(&reply));
}
