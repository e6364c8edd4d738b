//! The command line `agentadmit`: the only place where all parts of the service meet.
//!
//! | module | what |
//! | --- | --- |
//! | `args` | what can be typed, with its help |
//! | `config` | what `serve` runs with: argument over environment over file |
//! | `serve`, `signals` | the service, from start to drained end |
//! | `embedded` | the service in the process of another command |
//! | `client`, `http_client`, `local` | one way in for every command: an HTTP request, to a service or to the same routes on a store |
//! | `commands` | the administrative commands, and those of app developers |
//! | `storage`, `secret_key`, `chains` | opening a store, its key, checking its chains |
//! | `demo` | the whole story |
//! | `exit`, `output`, `redact` | exit codes, stdout and stderr, and no secret on them |
//! | `generate` | the generated files of the repository |

mod args;
mod chains;
mod client;
mod commands;
mod config;
mod demo;
mod embedded;
mod exit;
mod generate;
mod http_client;
mod local;
mod output;
mod redact;
mod secret_key;
mod serve;
mod signals;
mod storage;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use tokio::runtime::{Builder, Runtime};

use args::{Cli, Command};
use exit::{Exit, Failure};
use output::Output;

pub use config::check_configuration;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => finish(run(cli.command, Output::new(cli.json)), Output::new(cli.json)),
        Err(error) => not_understood(&error),
    }
}

fn run(command: Command, output: Output) -> Result<Exit, Failure> {
    if let Command::Generate { what } = command {
        return generate::run(what);
    }
    let runtime = runtime(&command)?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(&args).await,
            Command::Demo(args) => demo::run(&args).await,
            Command::DemoApp => demo::run_app().await,
            Command::DemoAgent => demo::run_agent().await,
            command => commands::run(command, output).await,
        }
    });
    // a thread that reads stdin would be waited for
    runtime.shutdown_background();
    done
}

/// The service uses every core; a command needs one.
fn runtime(command: &Command) -> Result<Runtime, Failure> {
    let mut builder = match command {
        Command::Serve(_) | Command::Dev(_) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::could_not(format!("the system gives no threads: {error}")))
}

fn finish(done: Result<Exit, Failure>, output: Output) -> ExitCode {
    let exit = done.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    });
    exit.into()
}

/// Help and version are what was asked for; anything else is wrong usage.
fn not_understood(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    let is_an_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if wants_json && !is_an_answer {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ").to_owned();
        return finish(Err(Failure::usage(text)), Output::new(true));
    }
    // whoever closed stdout or stderr does not want to know
    let _closed = error.print();
    if is_an_answer { Exit::Done.into() } else { Exit::Usage.into() }
}
