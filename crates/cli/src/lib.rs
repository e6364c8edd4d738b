//! The command line `agentadmit`: the only place where all parts of the service meet.
//!
//! | module | what |
//! | --- | --- |
//! | `args` | what can be typed, with its help |
//! | `config` | where `serve` takes its configuration from |
//! | `serve`, `signals` | the service, from start to drained end |
//! | `embedded` | the service in the process of another command |
//! | `client`, `http_client`, `local` | one way in for every command: an HTTP request, to a service or to the same routes on a store |
//! | `commands` | the administrative commands, those of app developers, and those of whoever has agents |
//! | `storage`, `secret_key` | opening a store, its key |
//! | `demo` | the whole story |
//! | [`test_service`] | the service for an app's own tests |
//! | `exit`, `output` | exit codes, stdout and stderr, and no secret on them |
//! | `generate` | the generated files of the repository |

mod args;
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
mod secret_key;
mod serve;
mod sign_in;
mod signals;
mod storage;
pub mod test_service;
#[cfg_attr(not(feature = "otel"), path = "traces_off.rs")]
mod traces;

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;

use clap::Parser as _;
use clap::error::ErrorKind;
use tokio::runtime::{Builder, Runtime};

use args::{Cli, Command};
use exit::{Exit, Failure};
use output::Output;

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    main_with(&std::env::args_os().collect::<Vec<_>>()).into()
}

/// Runs the command that these arguments name, the program's own name first: for a program that
/// holds this one, such as a Python interpreter. Answers the exit code.
pub fn main_with(arguments: &[OsString]) -> u8 {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => finish(run(cli.command, Output::new(cli.json)), Output::new(cli.json)),
        Err(error) => not_understood(&error, arguments),
    }
    .code()
}

pub use demo::runs_again_as;

fn run(command: Command, output: Output) -> Result<Exit, Failure> {
    let runtime = runtime(&command)?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(&args).await,
            Command::Demo(args) => demo::run(&args, output.is_json()).await,
            Command::DemoApp { address, until_stdin_ends } => {
                demo::run_app(address, until_stdin_ends).await
            }
            Command::DemoAgent => demo::run_agent().await,
            Command::Agent(args) => demo::play_agent(args.url, output.is_json()).await,
            Command::Generate { what } => generate::run(what).await,
            command => commands::run(command, output).await,
        }
    });
    // a thread that reads stdin would be waited for
    runtime.shutdown_background();
    done
}

/// The service uses every core, and where there is one only it needs no scheduler for several; a
/// command needs one.
fn runtime(command: &Command) -> Result<Runtime, Failure> {
    let has_several = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let mut builder = match command {
        Command::Serve(_) | Command::Dev(_) if has_several => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::could_not(format!("the system gives no threads: {error}")))
}

fn finish(done: Result<Exit, Failure>, output: Output) -> Exit {
    done.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    })
}

/// Help and version are what was asked for; anything else is wrong usage.
fn not_understood(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let is_an_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if wants_json && !is_an_answer {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ").to_owned();
        return finish(Err(Failure::usage(text)), Output::new(true));
    }
    // whoever closed stdout or stderr does not want to know
    let _closed = error.print();
    if is_an_answer { Exit::Done } else { Exit::Usage }
}
