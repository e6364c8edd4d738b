//! `contract/tool-guard-cases.json`: what a guard of MCP tools says, row by row.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::LazyLock;

use agentadmit::axum::AgentRouter;
use agentadmit::mcp::ToolGuard;
use agentadmit::protocol::secret::{Secret, SecretKind};
use agentadmit_testkit::client::{Reply, Request};
use agentadmit_testkit::world::text;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::any;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Mode, ORIGIN, Options, Shop, World};

const METADATA_URL: &str = "https://shop.example/.well-known/oauth-protected-resource/mcp";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: Vec<String>,
    guard: Rules,
    challenges: HashMap<String, String>,
    tokens: HashMap<String, String>,
    callers: HashMap<String, Caller>,
    requests: HashMap<String, Asked>,
    services: HashMap<String, Answer>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    tools: BTreeMap<String, String>,
    first_scopes: String,
    open_methods: Vec<String>,
    max_message_bytes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    headers: Vec<(String, String)>,
    query: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    method: Option<String>,
    message: Option<Value>,
    body: Option<String>,
    #[serde(default)]
    length: usize,
    #[serde(default)]
    headers: Vec<(String, String)>,
    endpoint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    request: String,
    caller: String,
    service: Option<String>,
    status: u16,
    error: Option<String>,
    rpc: Option<Value>,
    challenge: Option<String>,
    ran: bool,
    calls: usize,
    /// This guard stands before a server, never inside.
    #[serde(rename = "inside", default)]
    _inside: Option<String>,
}

fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract/tool-guard-cases.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    });
    &TABLE
}

/// What reached the server: headers and body.
type Reached = Mutex<Vec<(HeaderMap, String)>>;

static REACHED: Reached = Mutex::new(Vec::new());

async fn answer(
    State(reached): State<&'static Reached>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    reached.lock().push((headers, String::from_utf8(body.to_vec()).unwrap()));
    (StatusCode::OK, [("mcp-session-id", "s.1")], "{}")
}

fn routes(router: AgentRouter<Shop>) -> AgentRouter<Shop> {
    let rules = &table().guard;
    let guard = ToolGuard::new(rules.tools.clone())
        .unwrap()
        .first_scopes(&rules.first_scopes)
        .unwrap()
        .open_methods(rules.open_methods.clone())
        .max_message_bytes(rules.max_message_bytes);
    router.mcp("/mcp", &guard, Router::new().route("/mcp", any(answer)).with_state(&REACHED))
}

fn tokens(world: &World) -> HashMap<String, String> {
    let both = ["read:orders", "write:orders"];
    let revoked = world.connect("alice", &both);
    world.revoke(&revoked);
    let issued = world.app.client().ask(&world.app.issue("alice", &both)).expect(201);
    let unknown = Secret::mint(SecretKind::AccessToken, [1; 32]).expose().to_owned();
    let made = [
        ("agent", world.connect("alice", &both).access_token),
        ("reader", world.connect("alice", &["read:orders"]).access_token),
        ("lacking", world.connect("alice", &["read:profile"]).access_token),
        ("other", world.connect("bob", &both).access_token),
        ("revoked", revoked.access_token),
        ("unknown", unknown),
        ("connection", text(&issued, "token")),
    ];
    let made: HashMap<String, String> =
        made.into_iter().map(|(name, token)| (name.to_owned(), token)).collect();
    assert!(table().tokens.keys().all(|name| made.contains_key(name)));
    made
}

fn filled(text: &str, tokens: &HashMap<String, String>) -> String {
    tokens
        .iter()
        .fold(text.to_owned(), |text, (name, token)| text.replace(&format!("{{{name}}}"), token))
}

fn body_of(asked: &Asked, tokens: &HashMap<String, String>) -> String {
    let body = match (&asked.message, &asked.body) {
        (Some(message), _) => filled(&message.to_string(), tokens),
        (None, body) => body.clone().unwrap_or_default(),
    };
    let spaces = asked.length.saturating_sub(body.len());
    body + &" ".repeat(spaces)
}

fn request(
    asked: &'static Asked,
    caller: &'static Caller,
    tokens: &HashMap<String, String>,
) -> Request {
    let query = caller.query.as_deref();
    let query = query.map_or_else(String::new, |it| format!("?{}", filled(it, tokens)));
    let method = asked.method.as_deref().unwrap_or("POST");
    let mut request = Request::new(method, format!("/mcp{query}"));
    for (name, value) in caller.headers.iter().chain(&asked.headers) {
        request = request.header(name, filled(value, tokens));
    }
    if asked.method.is_some() { request } else { request.raw_body(body_of(asked, tokens)) }
}

/// What the service says to a case.
fn mode_of(case: &Case) -> Mode {
    let Some(name) = &case.service else { return Mode::Forward };
    let Answer { status, headers, body } = &table().services[name];
    let mut all = vec![("content-type", "application/json".to_owned())];
    all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.clone())));
    Mode::Answer(*status, all, body.to_string())
}

/// The code of an error of JSON-RPC, or that a tool was not run.
fn rpc(body: &Value) -> Option<Value> {
    let code = body.pointer("/error/code").cloned();
    let is_refused = body.pointer("/result/isError") == Some(&Value::Bool(true));
    code.or_else(|| is_refused.then(|| json!("refused")))
}

fn challenge(case: &Case, tool_scopes: Option<&String>) -> Option<String> {
    let template = &table().challenges[case.challenge.as_ref()?];
    let first = &table().guard.first_scopes;
    let filled = template
        .replace("{metadata}", METADATA_URL)
        .replace("{scope}", tool_scopes.unwrap_or(first))
        .replace("{first}", first);
    Some(filled)
}

fn check(world: &World, case: &Case, reply: &Reply, body: &str) {
    let asked = &table().requests[&case.request];
    let shown = String::from_utf8_lossy(&reply.body);
    let place = format!("{} by {}: {} {shown}", case.request, case.caller, reply.status);
    let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let tool = asked.endpoint.strip_prefix("tool:");
    let scopes = tool.and_then(|tool| table().guard.tools.get(tool));
    assert_eq!(reply.status, case.status, "{place}");
    assert_eq!(said["error"].as_str(), case.error.as_deref(), "{place}");
    assert_eq!(rpc(&said), case.rpc, "{place}");
    assert_eq!(reply.header("www-authenticate"), challenge(case, scopes).as_deref(), "{place}");

    let reached = std::mem::take(&mut *REACHED.lock());
    assert_eq!(reached.len(), usize::from(case.ran), "{place}");
    for (headers, received) in reached {
        assert!(!headers.contains_key("authorization"), "{place}");
        assert!(headers.get("mcp-session-id").is_none_or(|it| it == "s.1"), "{place}");
        assert_eq!(received, body, "{place}");
    }
    let calls = world.spy.take();
    assert_eq!(calls.len(), case.calls, "{place}");
    for call in calls {
        assert_eq!(call.body["endpoint"], asked.endpoint.as_str(), "{place}");
        assert_eq!(call.body["scope_used"].as_str(), scopes.map(String::as_str), "{place}");
        assert_eq!(call.body["method"], "CALL", "{place}");
    }
}

#[test]
fn every_row() {
    let settings = |settings: &mut agentadmit::Settings| {
        settings.resource = Some(format!("{ORIGIN}/mcp").parse().unwrap());
        settings.max_retries = 0;
    };
    let world = World::with(&Options { settings, ..Options::default() }, routes);
    let mut tokens = tokens(&world);
    let agent = &table().callers["agent"];
    let begun = world.ask(&request(&table().requests["initialize"], agent, &tokens));
    tokens.insert("session".to_owned(), begun.header("mcp-session-id").unwrap().to_owned());
    REACHED.lock().clear();
    for case in &table().cases {
        let asked = &table().requests[&case.request];
        world.spy.take();
        *world.spy.mode.lock() = mode_of(case);
        let reply = world.ask(&request(asked, &table().callers[&case.caller], &tokens));
        check(&world, case, &reply, &body_of(asked, &tokens));
    }
    assert!(table().cases.len() > 100);
}
