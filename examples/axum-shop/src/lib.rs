//! A small shop that lets its customers' agents in.
//!
//! What AgentAdmit adds is in this file: the guards of the routes, and the two traits below them.
//! Everything else is a shop as you know it.
//!
//! | module | what |
//! | --- | --- |
//! | `customers` | users, passwords, sessions; nothing there knows of agents |
//! | `orders` | orders and refunds |
//! | `live` | news of orders while they happen: a WebSocket and an event stream |
//! | `pages` | the home page |

mod customers;
mod live;
mod orders;
mod pages;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use agentadmit::axum::{AgentAdmit, require_scope_if_agent};
use agentadmit::error::ConfigurationError;
use agentadmit::protocol::text::UserId;
use agentadmit::{App, AppError, Settings, User};
use axum::Router;
use axum::http::request::Parts;
use axum::routing::{get, post};
use tokio::net::{TcpListener, TcpSocket};

use customers::{Customer, Customers};
use orders::Orders;

/// The example's own `agentadmit.yaml`.
pub const CONFIGURATION: &str = include_str!("../agentadmit.yaml");

/// Everything that the shop knows. Cheap to clone.
#[derive(Clone, Default)]
struct Shop {
    customers: Arc<Customers>,
    orders: Arc<Orders>,
    /// Where its home page is, and where AgentAdmit's page leads back to.
    address: Arc<str>,
}

/// The shop, with everything that AgentAdmit mounts.
///
/// # Errors
/// What is wrong with the settings.
pub fn router(settings: Settings) -> Result<Router, ConfigurationError> {
    let address = settings.public_url.as_ref().map_or("", |url| url.as_str());
    let shop = Shop { address: address.into(), ..Shop::default() };
    Ok(routes(&AgentAdmit::new(settings, shop.clone())?, shop))
}

/// The routes with a guard are open to agents that hold the scope, and to the shop's customers as
/// before. Every other route stays closed to agents.
fn routes(agents: &AgentAdmit<Shop>, shop: Shop) -> Router {
    let reading = || require_scope_if_agent(["read:orders"]);
    let refunding = || require_scope_if_agent(["create:refunds"]);
    agents
        .router()
        .get("/orders", reading().summary("Your orders"), orders::list)
        .get("/orders/events", reading().summary("An event stream of news"), live::events)
        .get("/orders/live", reading().summary("A WebSocket: send an order's id"), live::socket)
        .post("/refunds", refunding().summary("Ask for a refund of {\"order\"}"), orders::refund)
        .merge(
            Router::new()
                .route("/", get(pages::home))
                .route("/login", post(customers::log_in))
                .route("/logout", post(customers::log_out)),
        )
        .with_state(shop)
}

/// How AgentAdmit finds the shop's users.
impl App for Shop {
    type User = Customer;

    async fn current_user(&self, request: &Parts) -> Result<Option<Customer>, AppError> {
        Ok(self.customers.signed_in(&request.headers))
    }

    async fn load_user(&self, id: &UserId) -> Result<Option<Customer>, AppError> {
        Ok(Customer::by_id(id.as_str()))
    }

    fn admins(&self) -> bool {
        true
    }

    async fn is_admin(&self, customer: &Customer) -> bool {
        customer.is_admin
    }
}

impl User for Customer {
    fn user_id(&self) -> Option<Cow<'_, str>> {
        Some(self.id.into())
    }

    fn user_label(&self) -> Option<Cow<'_, str>> {
        Some(self.name.into())
    }
}

/// Serves the shop until `stop` ends, and says on stderr where.
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
    // on one machine the shop is where it listens; behind a proxy, `public_url` says where
    settings.public_url.get_or_insert(origin.parse()?);
    let router = router(settings)?;
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
