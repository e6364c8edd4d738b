//! A connection token that was handed over, and an MCP server over HTTP: `connect` and `mcp-bridge`.

use std::borrow::Cow;
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

use agentadmit::axum::AgentAdmit;
use agentadmit::mcp::ToolGuard;
use agentadmit::protocol::text::UserId;
use agentadmit::settings::{ApiKey, Settings};
use agentadmit::{App, AppError, User};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use http::StatusCode;
use http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};

use super::bridge::Client;
use super::hostile::{Liar, answer};
use super::world::{Handed, World};
use crate::doctor::front::serve;
use crate::support::Ran;

/// A server with two tools.
struct Notes;

impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object"}).as_object().cloned().unwrap();
        let tool = |name: &'static str| Tool::new(name, "One of them", schema.clone());
        Ok(ListToolsResult::with_all_items(vec![tool("list_notes"), tool("add_note")]))
    }

    async fn call_tool(
        &self,
        asked: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text(asked.name)]).into())
    }
}

struct Anybody;

#[derive(Clone)]
struct Person;

impl User for Person {
    fn user_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("u_ada"))
    }
}

impl App for Anybody {
    type User = Person;

    async fn current_user(&self, _: &Parts) -> Result<Option<Person>, AppError> {
        Ok(None)
    }

    async fn load_user(&self, _: &UserId) -> Result<Option<Person>, AppError> {
        Ok(Some(Person))
    }
}

/// Where the MCP server stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// In the app, which exchanges tokens.
    InApp,
    /// By itself: nothing but the endpoint, and the metadata that lead to the service.
    Apart,
}

/// An MCP server of the world's app, on an origin of its own: the address of its endpoint.
fn notes(world: &World, place: Place) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let key = ApiKey::new(world.api_key.as_str()).unwrap();
    let mut settings = Settings::new(world.service.url.parse().unwrap(), key);
    settings.app_id = Some(world.app_id.parse().unwrap());
    settings.name = Some("Notes".parse().unwrap());
    settings.public_url = Some(origin.parse().unwrap());
    settings.resource = Some(format!("{origin}/mcp").parse().unwrap());
    let agents = AgentAdmit::new(settings, Anybody).unwrap();
    let map = [("list_notes", "read:orders"), ("add_note", "create:refunds")];
    let server = StreamableHttpService::new(
        || Ok(Notes),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let guard = ToolGuard::new(map).unwrap();
    let router = agents.router().mcp("/mcp", &guard, server).with_state(());
    let hidden = from_fn(move |request: Request, next: Next| async move {
        let is_app = request.uri().path().contains("agentadmit");
        if is_app && place == Place::Apart {
            return StatusCode::NOT_FOUND.into_response();
        }
        next.run(request).await
    });
    serve(listener, router.layer(hidden));
    format!("{origin}/mcp")
}

impl World {
    /// `connect` to an address, with a token in the environment.
    fn hands_over(&self, url: &str, handed: &Handed, more: &[&str]) -> Ran {
        let mut command = self.machine(&["connect", url]);
        Ran::of(command.args(more).env("AGENTADMIT_CONNECTION_TOKEN", &handed.token))
    }

    fn bridge_to(&self, url: &str) -> Client {
        Client::start(self.machine(&["mcp-bridge", url]))
    }

    /// What is kept of an address.
    fn kept_of(&self, url: &str) -> Value {
        let kept = fs::read_to_string(self.credentials()).unwrap();
        serde_json::from_str::<Value>(&kept).unwrap()["apps"][url]["grant"].clone()
    }
}

#[test]
fn a_token_opens_the_server_that_was_typed() {
    let world = World::new();
    let url = notes(&world, Place::InApp);
    let handed = world.grant(&["read:orders"]);
    let ran = world.hands_over(&url, &handed, &[]).ok();
    assert!(ran.stdout.contains(&format!("({url})")), "{}", ran.stdout);
    assert_eq!(world.kept_of(&url)["connection_id"], handed.connection_id.as_str());

    let client = world.bridge_to(&url);
    assert_eq!(client.call("list_notes", &json!({})).ok().text(), "list_notes");
    let said = client.call("add_note", &json!({})).refused();
    assert!(said.contains("create:refunds"), "{said}");
    let ended = Ran::of(&mut world.machine(&["connect", "end", &url])).ok().stdout;
    assert!(ended.starts_with("Ended the connection"), "{ended}");
    assert_eq!(world.connection(&handed)["status"], "revoked");
    let said = client.call("list_notes", &json!({})).refused();
    assert!(said.contains("agentadmit connect"), "{said}");
}

#[test]
fn a_bridge_exchanges_its_own_token_once() {
    let world = World::new();
    let url = notes(&world, Place::InApp);
    let handed = world.grant(&["read:orders"]);
    for _ in 0..2 {
        let mut command = world.machine(&["mcp-bridge", &url]);
        command.env("AGENTADMIT_CONNECTION_TOKEN", &handed.token);
        let client = Client::start(command);
        client.call("list_notes", &json!({})).ok();
        let (code, said) = client.end();
        assert_eq!((code, said.contains("ag_")), (Some(0), false), "{said}");
    }
    assert_eq!(world.connection(&handed)["status"], "active");
    let client = world.bridge_to(&url);
    world.revoke(&handed);
    let said = client.call("list_notes", &json!({})).refused();
    assert!(said.contains("agentadmit connect"), "{said}");
}

#[test]
fn a_server_by_itself_gets_no_token_until_its_service_is_typed() {
    let world = World::new();
    let url = notes(&world, Place::Apart);
    let handed = world.grant(&["read:orders"]);
    let refused = world.hands_over(&url, &handed, &[]).exits(2);
    let how = format!("--service {}", world.service.url);
    assert!(refused.stderr.contains(&how), "{}", refused.stderr);
    let elsewhere = Liar::new(|_, _| answer(200, &json!({})));
    let refused = world.hands_over(&url, &handed, &["--service", &elsewhere.url]).exits(1);
    assert!(refused.stderr.contains("another service"), "{}", refused.stderr);
    assert_eq!(elsewhere.heard(), "");
    assert_eq!(world.connection(&handed)["status"], "pending");

    let service = world.service.url.as_str();
    world.hands_over(&url, &handed, &["--service", service]).ok();
    assert_eq!(world.connection(&handed)["agent_label"], "agentadmit connect");
    world.bridge_to(&url).call("list_notes", &json!({})).ok();

    let second = world.grant(&["read:orders"]);
    let mut command = world.machine(&["mcp-bridge", &url, "--service", service]);
    command.env("AGENTADMIT_CONNECTION_TOKEN", &second.token);
    Client::start(command).call("list_notes", &json!({})).ok();
    assert_eq!(world.connection(&second)["status"], "active");
}

#[test]
fn a_server_that_names_its_own_service_gets_nothing() {
    let world = World::new();
    let handed = world.grant(&["read:orders"]);
    let evil = Liar::new(|own, path| match path {
        "/.well-known/oauth-protected-resource/mcp" => {
            answer(200, &json!({"resource": format!("{own}/mcp"), "authorization_servers": [own]}))
        }
        "/mcp" => answer(401, &json!({})),
        _ => answer(404, &json!({})),
    });
    let url = format!("{}/mcp", evil.url);
    let refused = world.hands_over(&url, &handed, &[]).exits(2);
    assert!(refused.stderr.contains("did not type"), "{}", refused.stderr);
    let refused = world.hands_over(&url, &handed, &["--service", &world.service.url]).exits(1);
    assert!(refused.stderr.contains("is not sent"), "{}", refused.stderr);
    let mut command = world.machine(&["mcp-bridge", &url]);
    Ran::of(command.env("AGENTADMIT_CONNECTION_TOKEN", &handed.token)).exits(2);
    assert!(!evil.heard().contains("ag_ct_"), "{}", evil.heard());
    assert_eq!(world.connection(&handed)["status"], "pending");
}

#[test]
fn a_token_that_was_used_for_another_address_is_not_presented_again() {
    let world = World::new();
    let url = notes(&world, Place::InApp);
    let handed = world.grant(&["read:orders"]);
    world.connect(&handed.token, &[]).ok();
    let refused = world.hands_over(&url, &handed, &[]).exits(1);
    assert!(refused.stderr.contains("used before"), "{}", refused.stderr);
    assert_eq!(world.connection(&handed)["status"], "active");
}
