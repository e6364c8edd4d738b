//! src/main.rs: an app that lets its users' agents in.

use std::borrow::Cow;
use std::net::SocketAddr;

use agentadmit::axum::{AgentAdmit, AuthContext, require_scope_if_agent};
use agentadmit::protocol::text::UserId;
use agentadmit::{App, AppError, Settings, User};
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router};

#[derive(Clone)]
struct Customer(String);

impl User for Customer {
    fn user_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::from(&self.0))
    }
}

struct Shop;

impl App for Shop {
    type User = Customer;

    /// Your own log-in: whose session is this?
    async fn current_user(&self, request: &Parts) -> Result<Option<Customer>, AppError> {
        let cookie = request.headers.get("cookie").and_then(|cookie| cookie.to_str().ok());
        Ok(cookie.and_then(|it| it.strip_prefix("session=ada-")).map(|_| Customer("ada".into())))
    }

    /// Your own table of users: in whose name does this agent call?
    async fn load_user(&self, id: &UserId) -> Result<Option<Customer>, AppError> {
        Ok(Some(Customer(id.as_str().to_owned())))
    }
}

async fn orders(auth: AuthContext<Customer>) -> Json<String> {
    Json(format!("the orders of {}", auth.user().0))
}

/// The app's routes: `/orders` is open to agents, `/account` is not.
pub fn app(settings: Settings) -> Result<Router, AppError> {
    let agents = AgentAdmit::new(settings, Shop)?;
    let reading = require_scope_if_agent(["read:orders"]).summary("Your orders");
    let unguarded = Router::new().route("/account", get(|| async { "closed to agents" }));
    Ok(agents.router().get("/orders", reading, orders).merge(unguarded).with_state(()))
}

#[tokio::main]
async fn main() -> Result<(), AppError> {
    let app = app(Settings::from_file("agentadmit.yaml")?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
