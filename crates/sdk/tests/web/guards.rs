//! `contract/guard-cases.json`: the guard table of PROTOCOL, cell by cell.

use std::collections::HashMap;
use std::path::Path;

use agentadmit::axum::{
    Agent, AgentRouter, AuthContext, Guard, open_to_agents, require_scope, require_scope_if_agent,
};
use agentadmit::protocol::secret::{Secret, SecretKind};
use agentadmit_testkit::client::Request;
use agentadmit_testkit::world::text;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Customer, Shop, World};

/// Where the metadata of the shop stand, which has no `resource` of its own.
const METADATA_URL: &str = "https://shop.example/.well-known/oauth-protected-resource";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: Vec<String>,
    #[serde(rename = "scopes")]
    _scopes: Vec<String>,
    challenges: HashMap<String, String>,
    tokens: HashMap<String, String>,
    callers: HashMap<String, Caller>,
    routes: Vec<Route>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    session: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    query: Option<String>,
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    name: String,
    guards: Vec<GuardCall>,
    open_to_agents: bool,
    scope_used: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardCall {
    guard: String,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    route: String,
    caller: String,
    status: u16,
    error: Option<String>,
    handler_ran: bool,
    calls: usize,
    told: Option<String>,
    challenge: Option<String>,
}

fn table() -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract/guard-cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

async fn plain() -> Json<Value> {
    Json(json!({"handler_ran": true}))
}

async fn context(auth: AuthContext<Customer>) -> Json<Value> {
    Json(json!({"handler_ran": true, "auth_ctx": auth}))
}

async fn agent(agent: Agent) -> Json<Value> {
    Json(json!({"handler_ran": true, "auth_ctx": {"type": "agent", "agent": agent}}))
}

fn routes(router: AgentRouter<Shop>) -> AgentRouter<Shop> {
    table().routes.iter().fold(router, add)
}

/// The route as an app writes it: scopes and the mark in its guard, the other guards as extractors.
fn add(router: AgentRouter<Shop>, route: &Route) -> AgentRouter<Shop> {
    let path = format!("/guard-cases/{}", route.name);
    if route.guards.is_empty() {
        return router.merge(Router::new().route(&path, post(plain)));
    }
    let has = |name: &str| route.guards.iter().any(|it| it.guard == name);
    let scoped = route.guards.iter().filter_map(|it| match it.guard.as_str() {
        "require_scope" => Some(require_scope(&it.scopes)),
        "require_scope_if_agent" => Some(require_scope_if_agent(&it.scopes)),
        _ => None,
    });
    let guard = scoped.reduce(Guard::and).unwrap_or_else(Guard::closed);
    let guard = if route.open_to_agents { guard.and(open_to_agents()) } else { guard };
    assert_eq!(guard.scope_used(), route.scope_used, "{}", route.name);
    if has("get_current_user_or_agent") {
        router.post(&path, guard, context)
    } else if has("get_agentadmit_user") {
        router.post(&path, guard, agent)
    } else {
        router.post(&path, guard, plain)
    }
}

fn tokens(world: &World) -> HashMap<String, String> {
    let both = ["read:orders", "write:orders"];
    let revoked = world.connect("alice", &both);
    world.revoke(&revoked);
    let issued = world.app.client().ask(&world.app.issue("alice", &both)).expect(201);
    let unknown = Secret::mint(SecretKind::AccessToken, [1; 32]).expose().to_owned();
    let orphan = world.connect("orphan", &both);
    world.shop.gone.lock().insert("orphan".to_owned());
    HashMap::from([
        ("agent".to_owned(), world.connect("alice", &both).access_token),
        ("lacking".to_owned(), world.connect("alice", &["read:profile"]).access_token),
        ("revoked".to_owned(), revoked.access_token),
        ("unknown".to_owned(), unknown),
        ("connection".to_owned(), text(&issued, "token")),
        ("orphan".to_owned(), orphan.access_token),
    ])
}

fn request(case: &Case, caller: &Caller, tokens: &HashMap<String, String>) -> Request {
    let filled = |text: &str| {
        tokens.iter().fold(text.to_owned(), |text, (name, token)| {
            text.replace(&format!("{{{name}}}"), token)
        })
    };
    let query = caller.query.as_deref().map_or_else(String::new, |it| format!("?{}", filled(it)));
    let mut request = Request::new("POST", format!("/guard-cases/{}{query}", case.route));
    if let Some(user) = &caller.session {
        request = request.header("Cookie", format!("session={user}"));
    }
    for (name, value) in &caller.headers {
        let name = match name.as_str() {
            "Authorization" => "Authorization",
            "Cookie" => "Cookie",
            "Content-Type" => "Content-Type",
            other => panic!("no header {other} in these cases"),
        };
        request = request.header(name, filled(value));
    }
    match &caller.body {
        Some(body) => request.raw_body(filled(body)),
        None => request,
    }
}

#[test]
fn every_cell_of_the_guard_table() {
    let Table { challenges, tokens: described, callers, routes: guarded, cases, .. } = table();
    let world = World::start(routes);
    let tokens = tokens(&world);
    assert!(described.keys().all(|name| tokens.contains_key(name)));
    assert_eq!(cases.len(), guarded.len() * callers.len(), "every cell has a case");
    for case in &cases {
        world.spy.take();
        let reply = world.ask(&request(case, &callers[&case.caller], &tokens));
        assert_eq!(reply.status, case.status, "{case:?} {reply:?}");
        if let Some(error) = &case.error {
            assert_eq!(reply.text("error"), *error, "{case:?} {reply:?}");
        }
        let body = reply.json();
        assert_eq!(body.get("handler_ran").is_some(), case.handler_ran, "{case:?} {reply:?}");
        let route = guarded.iter().find(|it| it.name == case.route).unwrap();
        if let Some(name) = &case.challenge {
            let wanted = filled(&challenges[name], route);
            assert_eq!(reply.header("www-authenticate"), Some(wanted.as_str()), "{case:?}");
        } else if reply.status != 401 {
            assert_eq!(reply.header("www-authenticate"), None, "{case:?}");
        }
        let told = body.pointer("/auth_ctx/type").and_then(Value::as_str);
        assert_eq!(told, case.told.as_deref(), "{case:?} {reply:?}");
        check_calls(&world, case, route);
    }
}

/// A challenge of the table as this shop writes it.
fn filled(challenge: &str, route: &Route) -> String {
    let challenge = challenge.replace("{metadata}", METADATA_URL);
    match &route.scope_used {
        Some(scope) => challenge.replace("{scope}", scope),
        None => challenge.replace(r#", scope="{scope}""#, ""),
    }
}

/// One request of an agent is one verify with everything in it; of anybody else none.
fn check_calls(world: &World, case: &Case, route: &Route) {
    let seen = world.spy.take();
    assert_eq!(seen.len(), case.calls, "{case:?} {seen:?}");
    for call in seen {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v1/verify"));
        let body = &call.body;
        assert_eq!(body.get("scope_used").and_then(Value::as_str), route.scope_used.as_deref());
        assert_eq!(body["endpoint"], format!("/guard-cases/{}", case.route));
        assert_eq!(body["method"], "POST");
        assert_eq!(body["agent_ip"], "127.0.0.1");
    }
}

async fn one(auth: AuthContext<Customer>) -> Json<AuthContext<Customer>> {
    Json(auth)
}

#[test]
fn auth_ctx_has_the_members_of_the_contract() {
    let world = World::start(|router| {
        let inner = router.agents().router().get(
            "/{order_id}",
            require_scope_if_agent(["read:orders"]),
            one,
        );
        router.nest("/orders", inner)
    });
    let agent = world.connect("alice", &["read:orders", "read:profile"]);
    let reply = world.ask(&Request::get("/orders/7?x=1").bearer(&agent.access_token)).expect(200);
    assert_eq!(reply["type"], "agent");
    assert_eq!(reply["user"], json!({"name": "alice", "user_id": "alice"}));
    let members: Vec<&str> =
        reply["agent"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut wanted = [
        "connection_id",
        "agent_label",
        "scopes",
        "expires_at",
        "purpose",
        "user_intent",
        "environment",
        "audit_id",
    ];
    wanted.sort_unstable();
    let mut members = members;
    members.sort_unstable();
    assert_eq!(members, wanted);
    let seen = world.spy.take();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body["endpoint"], "/orders/{order_id}", "the template, never the address");

    let of_user =
        world.ask(&Request::get("/orders/7").header("Cookie", "session=alice")).expect(200);
    assert_eq!(of_user, json!({"type": "user", "user": {"name": "alice"}, "agent": null}));
}

#[test]
fn what_nobody_routed_is_closed_to_agents() {
    let world =
        World::start(|router| router.get("/a", require_scope_if_agent(["read:orders"]), plain));
    let agent = world.connect("alice", &["read:orders"]);
    world.spy.take();
    let reply = world.ask(&Request::get("/nothing").bearer(&agent.access_token));
    reply.expect_error(403, "agent_not_allowed");
    world.ask(&Request::get("/nothing")).expect(404);
    let reply = world.ask(&Request::new("DELETE", "/a").bearer(&agent.access_token));
    assert_eq!(reply.status, 405);
    assert!(world.spy.take().is_empty());
}
