//! `agentadmit demo`: the whole story over real HTTP, with every party a process of its own.
//!
//! | part | process |
//! | --- | --- |
//! | `service` | this binary's `serve`, on a temporary store |
//! | the shop | the example `examples/axum-shop`, which lets agents in through the SDK |
//! | `agent` | a program that knows an address and a token |
//!
//! | module | what |
//! | --- | --- |
//! | `cast` | who plays, and how each is told what to do |
//! | `story`, `evidence`, `plan` | the user and the operator; what must come of every step |
//! | `visit` | the agent for whoever has none at hand, and `agentadmit agent` |
//! | `transcript`, `print` | what happened, for programs and for people |

mod agent;
mod cast;
mod evidence;
mod plan;
mod print;
mod process;
mod service;
mod story;
mod transcript;
mod visit;

use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use crate::args::Demo;
use crate::exit::{Exit, Failure};

pub use process::runs_again_as;
pub(crate) use story::documented;
pub(crate) use visit::play_agent;

/// Plays the story, and stays up unless it is told not to.
///
/// # Errors
/// When a process or the network fails; a step that is not as documented is [`Exit::No`].
pub(crate) async fn run(demo: &Demo, json: bool) -> Result<Exit, Failure> {
    let no_signals = |error: std::io::Error| Failure::could_not(error.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let ends_by_itself = demo.once || json;
    tokio::select! {
        told = story::tell(demo.once, json) => told,
        _ = interrupt.recv() => Ok(if ends_by_itself { Exit::Signal(2) } else { Exit::Done }),
        _ = terminate.recv() => Ok(Exit::Signal(15)),
    }
}

/// Serves the shop, with the `agentadmit.yaml` of this folder.
///
/// # Errors
/// When it cannot listen, or is not told what to serve.
pub(crate) async fn run_app(address: SocketAddr, until_stdin_ends: bool) -> Result<Exit, Failure> {
    let configuration = Path::new(agentadmit::config::FILE_NAME);
    let stop =
        async move { if until_stdin_ends { process::stdin_ends().await } else { pending().await } };
    let served = axum_shop::serve(address, configuration, stop).await;
    served.map(|()| Exit::Done).map_err(|error| Failure::could_not(error.to_string()))
}

/// Runs the agent.
///
/// # Errors
/// When it is told something that it cannot read.
pub(crate) async fn run_agent() -> Result<Exit, Failure> {
    agent::run().await.map_err(|error| Failure::could_not(error.to_string()))?;
    Ok(Exit::Done)
}
