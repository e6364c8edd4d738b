//! Notes for agents: an MCP server over streamable HTTP, with the pages on which its users sign in and
//! let agents in.
//!
//! What AgentAdmit adds is in this file: which scopes each tool needs, and the two traits below.
//!
//! | module | what |
//! | --- | --- |
//! | `tools` | the tools, as `rmcp` has them |
//! | `notes` | the notes themselves |
//! | `people` | users, passwords, sessions; nothing there knows of agents |

mod notes;
mod people;
#[cfg(test)]
mod tests;
mod tools;

use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use agentadmit::axum::AgentAdmit;
use agentadmit::error::ConfigurationError;
use agentadmit::mcp::ToolGuard;
use agentadmit::protocol::text::UserId;
use agentadmit::{App, AppError, Settings, User};
use axum::Router;
use axum::http::request::Parts;
use axum::routing::{get, post};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::net::{TcpListener, TcpSocket};

use notes::Notes;
use people::{People, Person};
use tools::Tools;

/// Where MCP clients knock.
const ENDPOINT: &str = "/mcp";

/// Everything that the app knows. Cheap to clone.
#[derive(Clone, Default)]
struct Book {
    people: Arc<People>,
    notes: Arc<Notes>,
}

/// What each tool needs. What is not named here, no agent may call.
fn guard() -> Result<ToolGuard, ConfigurationError> {
    ToolGuard::new([
        ("list_notes", "notes:read"),
        ("read_note", "notes:read"),
        ("add_note", "notes:write"),
        ("delete_note", "notes:write notes:delete"),
    ])?
    .first_scopes("notes:read")
}

/// The MCP server behind its guard, with everything that AgentAdmit mounts.
fn routes(agents: &AgentAdmit<Book>, book: Book) -> Result<Router, ConfigurationError> {
    let notes = Arc::clone(&book.notes);
    let sessions = Arc::new(LocalSessionManager::default());
    let config = reachable_at(agents.settings());
    let server =
        StreamableHttpService::new(move || Ok(Tools::new(Arc::clone(&notes))), sessions, config);
    let pages = Router::new()
        .route("/", get(people::home))
        .route("/login", post(people::log_in))
        .route("/logout", post(people::log_out));
    Ok(agents.router().mcp(ENDPOINT, &guard()?, server).merge(pages).with_state(book))
}

/// Only requests that were meant for this server, whoever a name in DNS points at it (MCP, Streamable
/// HTTP, "Security Warning"): by its public address, and on this machine.
fn reachable_at(settings: &Settings) -> StreamableHttpServerConfig {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
    let mut origins: Vec<String> = hosts.iter().map(|host| format!("http://{host}:*")).collect();
    if let Some(url) = &settings.public_url {
        hosts.extend(url.host_str().map(str::to_owned));
        let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        origins.push(format!("{}://{host}{port}", url.scheme()));
    }
    StreamableHttpServerConfig::default().with_allowed_hosts(hosts).with_allowed_origins(origins)
}

/// How AgentAdmit finds the users.
impl App for Book {
    type User = Person;

    async fn current_user(&self, request: &Parts) -> Result<Option<Person>, AppError> {
        Ok(self.people.signed_in(&request.headers))
    }

    async fn load_user(&self, id: &UserId) -> Result<Option<Person>, AppError> {
        Ok(Person::by_id(id.as_str()))
    }
}

impl User for Person {
    fn user_id(&self) -> Option<Cow<'_, str>> {
        Some(self.id.into())
    }

    fn user_label(&self) -> Option<Cow<'_, str>> {
        Some(self.name.into())
    }
}

/// Serves the notes until `stop` ends, and says on stderr where.
///
/// # Errors
/// What is wrong with `agentadmit.yaml`, or the address.
pub async fn serve(
    address: SocketAddr,
    configuration: &Path,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut settings = Settings::from_file(configuration)?;
    let listener = listen(address)?;
    let origin = format!("http://{}", listener.local_addr()?);
    // on one machine the server is where it listens; behind a proxy, `public_url` says where
    let public_url = settings.public_url.get_or_insert(origin.parse()?).clone();
    settings.resource.get_or_insert(public_url.join(ENDPOINT)?);
    let agents = AgentAdmit::new(settings, Book::default())?;
    // what it knows is in `agents`
    let router = routes(&agents, agents.app().clone())?;
    writeln!(std::io::stderr(), "listening on {origin}")?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).with_graceful_shutdown(stop).await?)
}

/// Listens with room for a burst: of more that connect at one moment than wait in the queue, the system
/// throws some away, and they come back a second later. The standard library's queue holds 128.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4_096)
}
