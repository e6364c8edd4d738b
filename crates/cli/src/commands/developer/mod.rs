//! The commands of whoever builds an app: `init`, `keys`, `check`, `sync`, `dev`, completions.

mod check;
mod dev;
mod dev_pages;
mod dev_state;
mod files;
mod init;
mod key_files;
mod keys;
mod online;
mod sync;

use std::path::Path;

use agentadmit::config::{self, Loaded, Sources};
use agentadmit::{Error, Settings};
use clap::CommandFactory as _;
use http::StatusCode;

pub(crate) use check::check;
pub(crate) use dev::dev;
pub(crate) use init::init;
pub(crate) use keys::keys;
pub(crate) use online::ONLINE_RULES;
pub(crate) use sync::sync;

use crate::args::{AppConfig, Cli, Completions};
use crate::exit::{Exit, Failure};
use crate::output::print;

/// Prints a shell's completions.
///
/// # Errors
/// stdout is closed.
pub(crate) fn completions(args: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut visible(&Cli::command()), "agentadmit", &mut script);
    print(&script)?;
    Ok(Exit::Done)
}

/// The commands without those that only our own programs call.
fn visible(all: &clap::Command) -> clap::Command {
    clap::Command::new("agentadmit")
        .args(all.get_arguments().cloned())
        .subcommands(all.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

/// Reads an app's configuration, and asks git about its secrets.
fn inspect(app: &AppConfig) -> Loaded {
    let arguments: Vec<(&str, String)> =
        app.service_url.iter().map(|url| ("service_url", url.clone())).collect();
    config::inspect(Sources {
        file: Some(&app.config),
        environment: &environment,
        arguments: &arguments,
    })
}

/// An app's settings.
///
/// # Errors
/// Wrong usage: every error of the configuration.
fn settings(app: &AppConfig) -> Result<Settings, Failure> {
    let arguments: Vec<(&str, String)> =
        app.service_url.iter().map(|url| ("service_url", url.clone())).collect();
    let sources =
        Sources { file: Some(&app.config), environment: &environment, arguments: &arguments };
    config::load_from(sources).into_settings().map_err(|error| Failure::usage(error.0))
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What a call to the service ended with instead of its answer.
fn failure(error: Error) -> Failure {
    match error {
        Error::Configuration(error) => {
            Failure::no(agentadmit_protocol::error::ErrorCode::InvalidApiKey, error.0)
        }
        Error::Refused(refused) => match StatusCode::from_u16(refused.status) {
            Ok(status) => Failure::answered(status, *refused.body),
            Err(_) => Failure::could_not(refused.to_string()),
        },
        other => Failure::could_not(other.to_string()),
    }
}

/// A path as the shell reads it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
