//! `agentadmit mcp-bridge`: the real program as a child, the official client in front of it, a real app
//! and service behind it.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rmcp::model::{CallToolRequestParams, CallToolResult, SubscriptionFilter, Tool};
use rmcp::service::{NotificationContext, RoleClient, RunningService, Subscription};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _};
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::world::{Handed, World};

/// How long a client waits for what it is told without asking.
const PATIENCE: Duration = Duration::from_mins(2);

/// An MCP client, and the bridge that it has started.
pub(super) struct Client {
    runtime: Runtime,
    session: Option<RunningService<RoleClient, Ears>>,
    heard: UnboundedReceiver<()>,
    pub(super) bridge: Child,
}

/// What a client hears without having asked: that the list of tools has changed.
struct Ears(UnboundedSender<()>);

impl ClientHandler for Ears {
    fn on_tool_list_changed(
        &self,
        _: NotificationContext<RoleClient>,
    ) -> impl Future<Output = ()> + Send + '_ {
        self.0.send(()).unwrap();
        std::future::ready(())
    }
}

impl Client {
    /// Starts the bridge, as a client does that has it in its configuration.
    pub(super) fn start(command: std::process::Command) -> Self {
        Self::speaking(command, ClientLifecycleMode::Initialize)
    }

    /// The same, with or without a handshake.
    pub(super) fn speaking(command: std::process::Command, how: ClientLifecycleMode) -> Self {
        let (tell, heard) = unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (client, bridge) = runtime.block_on(async {
            let mut bridge = command.kill_on_drop(true).spawn().unwrap();
            let pipes = (bridge.stdout.take().unwrap(), bridge.stdin.take().unwrap());
            let transport = AsyncRwTransport::new(pipes.0, pipes.1);
            (Ears(tell).serve_with_lifecycle(transport, how).await.unwrap(), bridge)
        });
        Self { runtime, session: Some(client), heard, bridge }
    }

    /// Waits until the client hears that the list has changed.
    pub(super) fn hears_of_a_change(&mut self) {
        let heard = self.runtime.block_on(async { timeout(PATIENCE, self.heard.recv()).await });
        heard.unwrap().unwrap();
    }

    /// What a client of the newest revision asks for: to be told.
    pub(super) fn listens(&self) -> Subscription {
        let wanted = SubscriptionFilter::builder().tools_list_changed().build();
        self.runtime.block_on(self.client().listen(wanted)).unwrap()
    }

    /// Waits until a subscription says something.
    pub(super) fn is_told(&self, subscription: &mut Subscription) {
        let told = async { timeout(PATIENCE, subscription.next()).await };
        self.runtime.block_on(told).unwrap().unwrap().unwrap();
    }

    fn client(&self) -> &RunningService<RoleClient, Ears> {
        self.session.as_ref().unwrap()
    }

    pub(super) fn tools(&self) -> Vec<Tool> {
        self.runtime.block_on(self.client().list_all_tools()).unwrap()
    }

    pub(super) fn tool(&self, name: &str) -> Tool {
        self.tools().into_iter().find(|tool| tool.name == name).unwrap()
    }

    pub(super) fn call(&self, name: &'static str, arguments: &Value) -> Result {
        let mut call = CallToolRequestParams::new(name);
        call.arguments = arguments.as_object().cloned();
        let result = self.runtime.block_on(self.client().call_tool(call));
        Result(result.unwrap())
    }

    /// What the client was told when the conversation began.
    pub(super) fn instructions(&self) -> String {
        let info = self.client().peer_info().unwrap();
        info.instructions.clone().unwrap_or_default()
    }

    /// Closes stdin; how the bridge ends, and what it said on stderr.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let client = self.session.take().unwrap();
        let (runtime, bridge) = (&self.runtime, &mut self.bridge);
        runtime.block_on(async {
            let stderr = bridge.stderr.take().unwrap();
            client.cancel().await.unwrap();
            let said = tokio::spawn(async move {
                let (mut stderr, mut said) = (stderr, String::new());
                tokio::io::AsyncReadExt::read_to_string(&mut stderr, &mut said).await.unwrap();
                said
            });
            let status = bridge.wait().await.unwrap();
            (status.code(), said.await.unwrap())
        })
    }
}

/// What a call came to.
pub(super) struct Result(CallToolResult);

impl Result {
    /// Every text of it.
    pub(super) fn text(&self) -> String {
        let texts = self.0.content.iter().filter_map(|block| block.as_text());
        texts.map(|text| text.text.as_str()).collect::<Vec<&str>>().join("\n")
    }

    #[track_caller]
    pub(super) fn ok(self) -> Self {
        assert_ne!(self.0.is_error, Some(true), "{}", self.text());
        self
    }

    #[track_caller]
    pub(super) fn refused(self) -> String {
        assert_eq!(self.0.is_error, Some(true), "{}", self.text());
        self.text()
    }

    fn value(&self) -> &Value {
        self.0.structured_content.as_ref().unwrap()
    }
}

impl World {
    /// A bridge that was given a token by its environment.
    fn bridge(&self, handed: &Handed) -> Client {
        Client::start(self.bridge_with(handed))
    }

    /// How it is started.
    pub(super) fn bridge_with(&self, handed: &Handed) -> std::process::Command {
        let mut command = self.machine(&["mcp-bridge", &self.app]);
        command.env("AGENTADMIT_CONNECTION_TOKEN", &handed.token);
        command
    }

    /// She narrows or widens it in the app.
    pub(super) fn change(&self, handed: &Handed, change: &Value) {
        let path = format!("/v1/connections/{}", handed.connection_id);
        assert_eq!(self.service.request("PATCH", &path, &self.api_key, change).0, 200);
    }
}

#[test]
fn a_client_lists_and_calls_an_apps_routes() {
    let world = World::new();
    let client = world.bridge(&world.grant(&["read:orders"]));
    let instructions = client.instructions();
    assert!(instructions.starts_with("Tools of Corner shop"), "{instructions}");

    let listed = client.tool("get_orders_order_id");
    let schema = Value::Object((*listed.input_schema).clone());
    assert_eq!(schema["required"], json!(["order_id"]));
    assert_eq!(schema["properties"]["order_id"], json!({"type": "string", "description": "Which"}));
    assert_eq!(schema["properties"]["X-Trace"]["type"], "string");
    let description = listed.description.unwrap();
    assert!(description.contains("One of them. Needs read:orders: granted."), "{description}");
    let hints = listed.annotations.unwrap();
    assert_eq!((hints.read_only_hint, hints.destructive_hint), (Some(true), Some(false)));
    let refund = client.tool("post_orders_order_id_refund");
    let schema = Value::Object((*refund.input_schema).clone());
    assert_eq!(schema["properties"]["body"]["properties"]["cents"]["type"], "integer");
    assert!(refund.description.unwrap().contains("not granted"));

    let orders = client.call("get_orders", &json!({"status": ["open", "a&b=c"], "limit": 3})).ok();
    assert_eq!(orders.value()["query"], "status=open&status=a%26b%3Dc&limit=3");
    assert_eq!(orders.value()["orders"][0]["id"], "A-1001");
    let text: Value = serde_json::from_str(&orders.text()).unwrap();
    assert_eq!(&text, orders.value());
    let one = json!({"order_id": "A 1ä?", "X-Trace": "t-1"});
    let order = client.call("get_orders_order_id", &one).ok();
    assert_eq!(order.value(), &json!({"id": "A 1ä?", "trace": "t-1"}));
    assert_eq!(client.end().0, Some(0));
}

#[test]
fn bodies_errors_and_missing_scopes() {
    let world = World::new();
    let handed = world.grant(&["read:orders", "create:refunds"]);
    let client = world.bridge(&handed);
    let wanted = json!({"order_id": "A-1001", "body": {"cents": 5, "why": "ä"}});
    let refund = client.call("post_orders_order_id_refund", &wanted).ok();
    assert_eq!(refund.value(), &json!({"order": "A-1001", "asked": {"cents": 5, "why": "ä"}}));
    let said = client.call("get_orders_order_id", &json!({"order_id": "none"})).refused();
    assert!(said.contains("answers 404: there is no such order"), "{said}");
    let wanted = json!({"order_id": "A-1001", "body": {"cents": "x"}});
    let said = client.call("post_orders_order_id_refund", &wanted).refused();
    assert!(said.contains("answers 422"), "{said}");

    // narrowed in the app while the bridge runs
    world.change(&handed, &json!({"remove_scopes": ["create:refunds"]}));
    let wanted = json!({"order_id": "A-1001", "body": {"cents": 5}});
    let said = client.call("post_orders_order_id_refund", &wanted).refused();
    for words in [
        "has not granted create:refunds (Ask for money back)",
        "Granted is read:orders.",
        &format!("at {}/agentadmit", world.app),
    ] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    // what was learned of it stands in the list
    let listed = client.tool("post_orders_order_id_refund").description.unwrap();
    assert!(listed.contains("Needs create:refunds: not granted."), "{listed}");
    client.call("get_orders", &json!({})).ok();
}

#[test]
fn what_is_large_binary_or_endless_behaves() {
    let world = World::new();
    let client = world.bridge(&world.grant(&["read:orders"]));
    let large = client.call("get_large", &json!({})).ok();
    let text = large.text();
    assert!(text.len() < 300 * 1024 && text.len() > 256 * 1024, "{}", text.len());
    assert!(text.ends_with("with a filter or a page, if the tool has one."));
    let picture = client.call("get_picture", &json!({})).ok();
    let image = picture.0.content[0].as_image().unwrap();
    assert_eq!((image.mime_type.as_str(), image.data.as_str()), ("image/png", "iVBORwD/"));
    let list = client.call("get_list", &json!({})).ok();
    assert_eq!(list.text(), "[1,2]");
    let nothing = client.call("delete_orders_order_id", &json!({"order_id": "A-1"})).ok();
    assert_eq!(nothing.text(), "Done (204); the answer is empty.");
    let said = client.call("get_away", &json!({})).refused();
    assert!(said.contains("answers 302, a redirect"), "{said}");
    let said = client.call("get_busy", &json!({})).refused();
    assert!(said.contains("Wait 7 s"), "{said}");
}

#[test]
fn arguments_lead_nowhere_else() {
    let world = World::new();
    let client = world.bridge(&world.grant(&["read:orders", "create:refunds"]));
    for id in ["..", ".", "../agentadmit", "a/b", "a\\b", "A-1001/refund", ""] {
        let said = client.call("get_orders_order_id", &json!({"order_id": id})).refused();
        assert!(said.contains("`order_id` must not"), "{id:?}: {said}");
    }
    for (arguments, words) in [
        (json!({}), "`order_id` is missing"),
        (json!({"order_id": {"a": 1}}), "`order_id` must be a text"),
        (json!({"order_id": "a", "Host": "evil.example"}), "no argument `Host`"),
        (json!({"order_id": "a", "X-Trace": "a\r\nHost: evil"}), "no value of a header"),
    ] {
        let said = client.call("get_orders_order_id", &arguments).refused();
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    assert_eq!(world.heard(), Vec::<String>::new());
}

#[test]
fn the_token_is_in_nothing_that_anybody_sees() {
    let world = World::new();
    let handed = world.grant(&["read:orders", "create:refunds"]);
    let client = world.bridge(&handed);
    let kept = fs::read_to_string(world.credentials()).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let access = kept["apps"][&world.app]["grant"]["access_token"].as_str().unwrap().to_owned();

    // an app that repeats the header, plainly and escaped
    for tool in ["get_echo", "get_echo_escaped"] {
        let echo = client.call(tool, &json!({})).ok();
        let seen = format!("{} {:?}", echo.text(), echo.0.structured_content);
        assert!(seen.contains("Bearer ag_at_…") && !seen.contains(&access[6..]), "{seen}");
    }
    // a model that was talked into sending one
    for arguments in [
        json!({"order_id": &access}),
        json!({"order_id": "a", "agentadmit_token": "x"}),
        json!({"order_id": "a", "X-Trace": format!("x{}", handed.token)}),
        json!({"order_id": ["a", {"b": &access}]}),
    ] {
        let said = client.call("get_orders_order_id", &arguments).refused();
        assert!(said.contains("a token has no place in arguments"), "{said}");
    }
    let in_body = json!({"order_id": "a", "body": {"cents": 1, "why": {access: 1}}});
    client.call("post_orders_order_id_refund", &in_body).refused();

    let process = client.bridge.id().unwrap();
    let arguments = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
    assert!(!arguments.contains("ag_"), "{arguments}");
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    assert_eq!(children, "", "a child would have the environment");
    let listed = serde_json::to_string(&client.tools()).unwrap();
    assert!(!listed.contains("ag_"), "{listed}");
    let (_, said) = client.end();
    assert!(said.contains("connected to Corner shop") && !said.contains("ag_"), "{said}");
}

#[test]
fn what_a_human_ends_or_connects_counts_from_the_next_call() {
    let world = World::new();
    let client = Client::start(world.machine(&["mcp-bridge", &world.app]));
    assert!(client.tool("get_orders").description.unwrap().contains("Needs read:orders."));
    let said = client.call("get_orders", &json!({})).refused();
    let how = format!("`agentadmit connect {}`", world.app);
    assert!(said.contains("nobody has connected") && said.contains(&how), "{said}");

    let handed = world.grant(&["read:orders"]);
    world.connect(&handed.token, &[]).ok();
    client.call("get_orders", &json!({})).ok();
    world.revoke(&handed);
    let said = client.call("get_orders", &json!({})).refused();
    assert!(said.contains("Do not try again") && said.contains(&how), "{said}");

    world.connect(&world.grant(&["read:orders"]).token, &[]).ok();
    client.call("get_orders", &json!({})).ok();
    let end = ["connect", "end", &world.app];
    crate::support::Ran::of(&mut world.machine(&end)).ok();
    let said = client.call("get_orders", &json!({})).refused();
    assert!(said.contains("nobody has connected"), "{said}");
}

#[test]
fn a_token_in_the_configuration_works_again_and_again() {
    let world = World::new();
    let handed = world.grant(&["read:orders"]);
    let started: Vec<Client> = (0..5).map(|_| world.bridge(&handed)).collect();
    for client in &started {
        client.call("get_orders", &json!({})).ok();
    }
    drop(started);
    // the next day
    let client = world.bridge(&handed);
    client.call("get_orders", &json!({})).ok();
    assert_eq!(world.connection(&handed)["status"], "active");
    // a token that was handed over later takes its place, also for who has the old one configured
    let later = world.grant(&["read:orders"]);
    world.connect(&later.token, &[]).ok();
    world.revoke(&handed);
    client.call("get_orders", &json!({})).ok();
    assert_eq!(world.connection(&later)["status"], "active");
}

#[test]
fn an_app_without_a_description_is_called_freely() {
    let world = World::new();
    let client = world.bridge(&world.grant(&["read:orders"]));
    let free = client.tool("get_list");
    let schema = Value::Object((*free.input_schema).clone());
    assert_eq!(schema["properties"]["query"]["type"], "object");
    client.call("get_list", &json!({"query": {"a": "b c", "d": [1, true]}})).ok();
    assert_eq!(world.heard(), ["GET /list?a=b+c&d=1&d=true"]);
}
