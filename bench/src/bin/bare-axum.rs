//! A second yardstick of `cargo xtask bench`: axum on as many threads, which reads the same body
//! as a verify and gives every one the same answer. What lies between it and bare hyper is the price of
//! routing, extractors and JSON; what lies below it is ours.
//!
//! Prints `listening on http://…` on stderr when it is ready, as the service does.

#![expect(clippy::print_stderr, reason = "a program talks to its caller")]

use anyhow::Result;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a verify sends.
#[derive(Deserialize)]
struct Question {
    #[serde(rename = "token")]
    _token: String,
    #[serde(rename = "scope_used")]
    _scope_used: String,
    #[serde(rename = "endpoint")]
    _endpoint: String,
    #[serde(rename = "method")]
    _method: String,
}

/// What bare hyper answers too.
#[derive(Serialize)]
struct Answer {
    active: bool,
    app_id: &'static str,
    environment: &'static str,
    connection_id: &'static str,
    user_id: &'static str,
    audit_id: &'static str,
    scopes: [&'static str; 0],
}

fn main() -> Result<()> {
    agentadmit_bench::runtime()?.block_on(serve())
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    let router = Router::new().route("/v1/verify", post(answer));
    axum::serve(listener, router).await?;
    Ok(())
}

async fn answer(Json(_): Json<Question>) -> Json<Answer> {
    Json(Answer {
        active: true,
        app_id: "app_01h2xcehg0f3bbbz9vbb3zb9e1",
        environment: "test",
        connection_id: "conn_01h2xcehg0f3bbbz9vbb3zb9e1",
        user_id: "user-00001",
        audit_id: "evt_01h2xcehg0f3bbbz9vbb3zb9e1",
        scopes: [],
    })
}
