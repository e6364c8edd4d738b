//! Let your users' AI agents into your app.
//!
//! A signed-in user of your app picks scopes and a duration and gets a one-time token to hand to
//! the agent. Every request that the agent then makes is checked at the AgentAdmit service: this
//! crate validates nothing by itself, keeps no verdict, and has no switch to do so. A revocation
//! holds for the very next request. When the service cannot be asked, the agent is refused.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`client`] | asking the service: verify, issue, exchange, revoke, lists |
//! | `blocking` (feature `blocking`) | the same without an async runtime |
//! | [`app`] | what an app says of its users: the trait that it implements |
//! | [`admit`] | the one object that an app makes |
//! | [`guard`] | which requests pass: one verify for each of an agent's |
//! | `axum` | the router, the guards and the extractors for axum (feature `axum`) |
//! | `tower` | the same guards around any service of HTTP requests (feature `tower`) |
//! | `mcp` | the guard of the tools of an MCP server (feature `mcp`) |
//! | `stream` | asking again while a long answer goes out (feature `tower`) |
//! | [`mounted`] | the routes that the app serves for its users, its admins and their agents |
//! | [`discovery`] | what the app says of itself to agents |
//! | [`resource`] | the app as a protected resource of OAuth: its metadata and challenges |
//! | [`keys`] | the app's own RS256 key pair |
//! | [`settings`] | what an app runs with, complete and checked |
//! | [`config`] | `agentadmit.yaml` and its variables, with findings that name file and line |
//! | [`context`] | who makes a request: the app's user, or an agent for one |
//! | [`refusal`] | what an agent or a user hears instead of data |
//! | [`time`] | the clock, which a test can replace |

pub mod admit;
pub mod app;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "blocking")]
pub mod blocking;
pub mod client;
pub mod config;
pub mod context;
pub mod discovery;
pub mod error;
pub mod guard;
pub mod keys;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod mounted;
mod product;
pub mod refusal;
pub mod resource;
pub mod settings;
#[cfg(feature = "tower")]
pub mod stream;
pub mod time;
#[cfg(feature = "tower")]
pub mod tower;

pub use admit::AgentAdmit;
#[doc(inline)]
pub use agentadmit_protocol as protocol;
pub use app::{App, AppError, User};
pub use client::Client;
pub use context::{Agent, AuthContext};
pub use error::Error;
pub use settings::Settings;

/// The examples of the page are compiled with the tests.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/sdk-rust.md")]
struct Page;

/// The same of the page on MCP servers.
#[cfg(all(doctest, feature = "axum", feature = "mcp"))]
#[doc = include_str!("../../../docs/mcp-guide.md")]
struct McpPage;
