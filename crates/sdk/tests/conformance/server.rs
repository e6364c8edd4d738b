//! An MCP server with the tools, resources and prompts that the conformance suite of MCP prescribes, behind
//! the guard: the fixture of `web/tests/oauth/server-suite.ts`, and nothing to copy from.
//!
//! `mcp-conformance ADDRESS` listens there and says on stderr where; its settings are in `agentadmit.yaml`
//! and in the environment, as those of any app.

mod input;
mod rest;
mod suite;
mod tools;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use agentadmit::axum::AgentAdmit;
use agentadmit::mcp::ToolGuard;
use agentadmit::protocol::text::UserId;
use agentadmit::{App, AppError, Settings, User};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::Method;
use http::request::Parts;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::net::TcpListener;
use tokio::sync::watch;

use suite::{Shared, Suite};

/// Where clients knock.
const ENDPOINT: &str = "/mcp";
/// What every tool needs.
const SCOPE: &str = "suite:use";
/// What the suite asks for beside tools: the same for everybody who is let in.
const OPEN: [&str; 9] = [
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "subscriptions/listen",
];

/// The streams that clients listen to: by session, and whether they came back to one that was closed.
type Listening = watch::Sender<BTreeSet<(String, bool)>>;

/// An app without anything but the server.
struct Nothing;

/// Whoever granted the access.
#[derive(Clone)]
struct Person(String);

impl User for Person {
    fn user_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.0))
    }
}

impl App for Nothing {
    type User = Person;

    async fn current_user(&self, _: &Parts) -> Result<Option<Person>, AppError> {
        Ok(None)
    }

    async fn load_user(&self, id: &UserId) -> Result<Option<Person>, AppError> {
        Ok(Some(Person(id.as_str().to_owned())))
    }
}

/// Remembers who listens: what belongs to no request is told them there.
async fn noted(State(listening): State<Listening>, request: Request, next: Next) -> Response {
    let is_stream = request.method() == Method::GET;
    let id = suite::session_of(request.headers()).filter(|_| is_stream);
    let is_back = request.headers().contains_key("last-event-id");
    let answer = next.run(request).await;
    if let Some(id) = id.filter(|_| answer.status().is_success()) {
        listening.send_modify(|all| {
            all.insert((id, is_back));
        });
    }
    answer
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = env::args().nth(1).ok_or("say where to listen: mcp-conformance ADDRESS")?;
    let listener = TcpListener::bind(address).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let mut settings = Settings::from_file(Path::new("agentadmit.yaml"))?;
    let public_url = settings.public_url.get_or_insert(origin.parse()?).clone();
    settings.resource.get_or_insert(public_url.join(ENDPOINT)?);
    let agents = AgentAdmit::new(settings, Nothing)?;

    let (listening, sessions) = (Listening::default(), Arc::new(LocalSessionManager::default()));
    let shared = Arc::new(Shared::new(Arc::clone(&sessions), listening.clone())?);
    let guard = ToolGuard::new(shared.tools.iter().map(|tool| (tool.name.clone(), SCOPE)))?;
    let hosts = ["localhost", "127.0.0.1", "[::1]"];
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(hosts.map(|host| format!("http://{host}:*")));
    let server =
        StreamableHttpService::new(move || Ok(Suite::new(Arc::clone(&shared))), sessions, config);
    let server =
        Router::new().route_service(ENDPOINT, server).layer(from_fn_with_state(listening, noted));
    let router = agents.router().mcp(ENDPOINT, &guard.open_methods(OPEN), server).with_state(());
    writeln!(std::io::stderr(), "listening on {origin}")?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}
