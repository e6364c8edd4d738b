//! The app as a protected resource: what it says of itself, and how it leads a client to a token.

use agentadmit::axum::{AgentRouter, require_scope, require_scope_if_agent};
use agentadmit_testkit::client::{Reply, Request};
use axum::response::IntoResponse;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Options, Shop, World};

const METADATA: &str = "/.well-known/oauth-protected-resource";

fn at(resource: &str, routes: fn(AgentRouter<Shop>) -> AgentRouter<Shop>) -> World {
    let settings: fn(&mut agentadmit::Settings) = match resource {
        "https://shop.example/mcp" => {
            |it| it.resource = Some("https://shop.example/mcp".parse().unwrap())
        }
        _ => |it| it.authorization_server = Some("https://agents.example/".parse().unwrap()),
    };
    World::with(&Options { settings, ..Options::default() }, routes)
}

fn metadata(reply: &Reply) -> Value {
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    reply.expect(200)
}

#[test]
fn the_metadata_name_the_resource_and_its_server() {
    let world = at("", |router| router);
    let said = metadata(&world.ask(&Request::get(METADATA)));
    assert_eq!(
        said,
        json!({
            "resource": "https://shop.example",
            "authorization_servers": ["https://agents.example"],
            // neither an admin's nor sensitive
            "scopes_supported": ["read:orders", "write:orders", "read:profile"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Shop",
        })
    );
    assert_eq!(world.ask(&Request::get(format!("{METADATA}/mcp"))).status, 404);
    world.ask(&Request::new("POST", METADATA)).expect_error(405, "method_not_allowed");
    let document = world.ask(&Request::get("/.well-known/agentadmit")).expect(200);
    assert_eq!(
        document["oauth"],
        json!({
            "resource": "https://shop.example",
            "resource_metadata": format!("https://shop.example{METADATA}"),
            "authorization_server": "https://agents.example",
        })
    );
    assert!(world.spy.take().is_empty(), "the service is not asked");
}

#[test]
fn a_resource_with_a_path_has_its_metadata_at_that_path_too() {
    let world = at("https://shop.example/mcp", |router| {
        router.get("/orders", require_scope(["read:orders"]), async || "three loaves")
    });
    let service = world.agents().settings().issuer();
    for path in [METADATA.to_owned(), format!("{METADATA}/mcp")] {
        let said = metadata(&world.ask(&Request::get(path)));
        assert_eq!(said["resource"], "https://shop.example/mcp");
        assert_eq!(said["authorization_servers"], json!([service]));
    }
    assert_eq!(world.ask(&Request::get(format!("{METADATA}/mcp/"))).status, 404);
    let challenge = world.ask(&Request::get("/orders"));
    assert_eq!(
        challenge.header("www-authenticate"),
        Some(
            r#"Bearer resource_metadata="https://shop.example/.well-known/oauth-protected-resource/mcp", scope="read:orders""#
        )
    );
}

#[test]
fn an_apps_own_401_leads_clients_to_a_token_where_agents_may_come() {
    let world = World::start(|router| {
        let guard = || require_scope_if_agent(["read:orders"]);
        let own = |challenge: &'static str| {
            async move || {
                (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)], "who are you?")
                    .into_response()
            }
        };
        router
            .get("/plain", guard(), async || StatusCode::UNAUTHORIZED)
            .get("/bearer", guard(), own("bearer"))
            .get("/basic", guard(), own(r#"Basic realm="shop""#))
            .get("/another", guard(), own(r#"Bearer resource_metadata="https://else.example""#))
            .get("/forbidden", guard(), async || StatusCode::FORBIDDEN)
            .merge(
                axum::Router::new()
                    .route("/login", axum::routing::get(async || StatusCode::UNAUTHORIZED)),
            )
    });
    let ours = r#"Bearer resource_metadata="https://shop.example/.well-known/oauth-protected-resource", scope="read:orders""#;
    let other = r#"Bearer resource_metadata="https://else.example""#;
    let basic = r#"Basic realm="shop""#;
    for (path, wanted) in [
        ("/plain", vec![ours]),
        ("/bearer", vec![ours]),
        ("/basic", vec![ours, basic]),
        ("/another", vec![other]),
        ("/forbidden", vec![]),
        ("/login", vec![]),
    ] {
        let reply = world.ask(&Request::get(path));
        let values: Vec<&str> = reply.headers_named("www-authenticate").collect();
        assert_eq!(values, wanted, "{path}");
    }
    // an agent that was let in and hears the app's 401 has a good token
    let agent = world.connect("alice", &["read:orders"]);
    let reply = world.ask(&Request::get("/plain").bearer(&agent.access_token));
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, None));
}
