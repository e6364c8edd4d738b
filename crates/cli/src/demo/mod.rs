//! `agentadmit demo`: the whole story over real HTTP, with every party a process of its own.
//!
//! | part | process |
//! | --- | --- |
//! | `service` | this binary's `serve`, on a temporary store |
//! | `app` | a small shop with users of its own, which lets agents in |
//! | `agent` | a program that knows an address and a token |
//! | `cast` | who plays, and how each is told what to do |
//! | `story` | the user and the operator; checks every answer |

mod agent;
mod app;
mod cast;
mod print;
mod process;
mod service;
mod story;

use tokio::signal::unix::{SignalKind, signal};

use crate::args::Demo;
use crate::exit::{Exit, Failure};

/// Plays the story, and stays up unless it is told not to.
///
/// # Errors
/// When a process or the network fails; a step that is not as documented is [`Exit::No`].
pub(crate) async fn run(demo: &Demo) -> Result<Exit, Failure> {
    let no_signals = |error: std::io::Error| Failure::could_not(error.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    tokio::select! {
        told = story::tell(demo.once) => told,
        _ = interrupt.recv() => Ok(if demo.once { Exit::Signal(2) } else { Exit::Done }),
        _ = terminate.recv() => Ok(Exit::Signal(15)),
    }
}

/// Serves the sample app.
///
/// # Errors
/// When it cannot listen or is not told what to serve.
pub(crate) async fn run_app() -> Result<Exit, Failure> {
    app::run().await.map(|()| Exit::Done)
}

/// Runs the agent.
///
/// # Errors
/// When it is told something that it cannot read.
pub(crate) async fn run_agent() -> Result<Exit, Failure> {
    agent::run().await.map_err(|error| Failure::could_not(error.to_string()))?;
    Ok(Exit::Done)
}
