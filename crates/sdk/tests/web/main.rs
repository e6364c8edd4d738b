//! The guards, the mounted routes, the discovery document and streams, over real HTTP: an axum app
//! in front of the real service, with a spy between them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod authorize;
mod consent;
mod discovery;
mod exchange;
mod guards;
mod layers;
mod mcp;
mod mcp_table;
mod mounted;
mod page;
mod refusals;
mod resource;
mod streams;
mod support;
