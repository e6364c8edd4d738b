//! The router, the guards and the extractors for axum.
//!
//! ```
//! use std::borrow::Cow;
//!
//! use agentadmit::axum::{AgentAdmit, AuthContext, require_scope_if_agent};
//! use agentadmit::protocol::text::UserId;
//! use agentadmit::settings::{ApiKey, Settings};
//! use agentadmit::{App, AppError, User};
//! use axum::routing::post;
//! use axum::{Json, Router};
//!
//! # #[derive(Clone, serde::Serialize)]
//! # struct Customer { name: String }
//! # impl User for Customer {
//! #     fn user_id(&self) -> Option<Cow<'_, str>> { Some(Cow::Borrowed(&self.name)) }
//! # }
//! # struct Shop;
//! # impl App for Shop {
//! #     type User = Customer;
//! #     async fn current_user(&self, _: &http::request::Parts) -> Result<Option<Customer>, AppError> { Ok(None) }
//! #     async fn load_user(&self, _: &UserId) -> Result<Option<Customer>, AppError> { Ok(None) }
//! # }
//! async fn list_orders(auth: AuthContext<Customer>) -> Json<String> {
//!     let who = auth.agent().map_or("you", |_| "your agent");
//!     Json(format!("{who} sees the orders of {}", auth.user().name))
//! }
//!
//! async fn log_in() -> &'static str {
//!     "closed to agents: no guard"
//! }
//!
//! fn app(settings: Settings) -> Result<Router, Box<dyn std::error::Error>> {
//!     let agents = AgentAdmit::new(settings, Shop)?;
//!     Ok(agents
//!         .router()
//!         .get("/orders", require_scope_if_agent(["read:orders"]).summary("Your orders"), list_orders)
//!         .merge(Router::new().route("/login", post(log_in)))
//!         .with_state(()))
//! }
//! ```
//!
//! Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: the agent's address stands in
//! audit records, and `trusted_proxies` and the limit of failed exchanges go by it.

mod extract;
mod form;
mod mounted;
mod router;
pub mod ws;

pub use crate::admit::AgentAdmit;
pub use crate::context::{Agent, AuthContext};
pub use crate::guard::{Guard, open_to_agents, require_scope, require_scope_if_agent};
pub use router::AgentRouter;
