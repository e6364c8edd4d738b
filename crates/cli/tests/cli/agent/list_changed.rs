//! A list of tools that changes while `agentadmit mcp-bridge` runs: the client is told.

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, SubscriptionFilter,
    Tool,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ClientLifecycleMode, ServerHandler};
use serde_json::json;
use tokio::sync::watch;

use super::bridge::Client;
use super::world::World;
use crate::doctor::front::serve;
use crate::support::agentadmit;

/// A server that has one tool more once `grow` was called.
struct Growing {
    has_grown: watch::Receiver<bool>,
    grow: watch::Sender<bool>,
}

impl ServerHandler for Growing {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_tool_list_changed();
        ServerConfig::new(capabilities.build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let names: &[&'static str] =
            if *self.has_grown.borrow() { &["grow", "more"] } else { &["grow"] };
        let schema = json!({"type": "object"}).as_object().cloned().unwrap();
        let tool = |name: &&'static str| Tool::new(*name, "One of them", schema.clone());
        Ok(ListToolsResult::with_all_items(names.iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.grow.send_replace(true);
        if context.protocol_version().is_none_or(|it| it < ProtocolVersion::V_2026_07_28) {
            context.peer.notify_tool_list_changed().await.unwrap();
        }
        Ok(CallToolResult::success(vec![]).into())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        // from before the acknowledgment: this server is the request's own
        let mut grown = self.has_grown.clone();
        grown.changed().await.unwrap();
        subscription.sink().notify_tool_list_changed().await.unwrap();
        subscription.cancelled().await;
        Ok(())
    }
}

/// Serves it: its address.
fn growing() -> String {
    let grow = watch::Sender::new(false);
    let server = StreamableHttpService::new(
        move || Ok(Growing { has_grown: grow.subscribe(), grow: grow.clone() }),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("{}/mcp", serve(listener, Router::new().route_service("/mcp", server)))
}

fn names(client: &Client) -> Vec<String> {
    client.tools().iter().map(|tool| tool.name.to_string()).collect()
}

fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

/// A bridge to a server that lets everybody in.
fn bridge(url: &str, folder: &tempfile::TempDir) -> std::process::Command {
    let mut command = agentadmit();
    command.args(["mcp-bridge", url]).env("XDG_CONFIG_HOME", folder.path());
    command
}

#[test]
fn what_a_server_says_of_its_list_passes() {
    let (url, folder) = (growing(), tempfile::tempdir().unwrap());
    let mut client = Client::start(bridge(&url, &folder));
    assert_eq!(names(&client), ["grow"]);
    client.call("grow", &json!({})).ok();
    client.hears_of_a_change();
    assert_eq!(names(&client), ["grow", "more"]);
}

#[test]
fn a_client_without_a_handshake_is_told_where_it_listens() {
    let (url, folder) = (growing(), tempfile::tempdir().unwrap());
    let client = Client::speaking(bridge(&url, &folder), newest());
    assert_eq!(names(&client), ["grow"]);
    let mut subscription = client.listens();
    client.call("grow", &json!({})).ok();
    client.is_told(&mut subscription);
    assert_eq!(names(&client), ["grow", "more"]);
}

/// What the list of an app's tools says of the one that gives money back.
fn refund(client: &Client) -> String {
    client.tool("post_orders_order_id_refund").description.unwrap().into_owned()
}

#[test]
fn what_is_granted_meanwhile_changes_the_list_of_an_app() {
    let world = World::new();
    let mut client = Client::start(world.bridge_with(&world.grant(&["read:orders"])));
    assert!(refund(&client).contains("create:refunds: not granted"), "{}", refund(&client));
    // in a terminal beside it, and no call is made
    let wider = world.grant(&["read:orders", "create:refunds"]);
    world.connect(&wider.token, &[]).ok();
    client.hears_of_a_change();
    assert!(refund(&client).contains("create:refunds: granted"), "{}", refund(&client));

    // on the app's page: the bridge learns of it when it is refused
    world.change(&wider, &json!({"remove_scopes": ["create:refunds"]}));
    let wanted = json!({"order_id": "A-1001", "body": {"cents": 5}});
    client.call("post_orders_order_id_refund", &wanted).refused();
    client.hears_of_a_change();
    assert!(refund(&client).contains("create:refunds: not granted"), "{}", refund(&client));
}

#[test]
fn an_app_tells_a_client_without_a_handshake_too() {
    let world = World::new();
    let client = Client::speaking(world.bridge_with(&world.grant(&["read:orders"])), newest());
    let mut subscription = client.listens();
    assert!(refund(&client).contains("create:refunds: not granted"), "{}", refund(&client));
    let wider = world.grant(&["read:orders", "create:refunds"]);
    world.connect(&wider.token, &[]).ok();
    client.is_told(&mut subscription);
    assert!(refund(&client).contains("create:refunds: granted"), "{}", refund(&client));
}
