//! The commands of whoever builds an app.

use std::net::SocketAddr;
use std::path::PathBuf;

use agentadmit_protocol::scope::ScopeName;
use clap::Args;
use clap_complete::Shell;
use url::Url;

/// The app's configuration, and what is said beside it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct AppConfig {
    /// The app's configuration; its folder is the app's
    #[arg(long, value_name = "FILE", default_value = agentadmit::config::FILE_NAME)]
    pub(crate) config: PathBuf,
    /// Another service than the configuration names [env: `AGENTADMIT_SERVICE_URL`]
    #[arg(long, value_name = "URL")]
    pub(crate) service_url: Option<String>,
}

/// Begins an app: writes agentadmit.yaml and a key pair
///
/// Writes a commented agentadmit.yaml with example scopes, an RS256 key pair (the private key with
/// mode 0600) and lines for .gitignore. `check` accepts it as it is. Files that are there already
/// stay: without --force nothing is written then; with it, a private key that is replaced is kept
/// beside the new one as …old.pem.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  agentadmit init
  agentadmit init --name \"Corner shop\" && agentadmit dev -- ./my-app")]
pub(crate) struct Init {
    /// The file to write; the others go beside it
    #[arg(long, value_name = "FILE", default_value = agentadmit::config::FILE_NAME)]
    pub(crate) config: PathBuf,
    /// What people call the app [default: the folder's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Overwrite what is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Replaces the app's key pair in three steps, with no moment in which it cannot sign
///
/// Without a flag: writes a new RS256 pair as the next one (or, where there is none yet, as the
/// first) and prints the operator's command that registers it. The app goes on signing with the
/// old key. `--activate` asks the service whether it knows the next key, and only then makes it the
/// app's key. `--drop-old` removes the old key here; while the service still accepts it, it fails
/// and prints the operator's command that ends that.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  agentadmit keys               # then run the command that it prints, as an operator
  agentadmit keys --activate
  agentadmit keys --drop-old")]
pub(crate) struct Keys {
    #[command(flatten)]
    pub(crate) app: AppConfig,
    /// Sign with the next key from now on, if the service knows it
    #[arg(long, conflicts_with_all = ["drop_old", "force"])]
    pub(crate) activate: bool,
    /// Remove the old key, if the service accepts it no more
    #[arg(long, conflicts_with = "force")]
    pub(crate) drop_old: bool,
    /// Replace a next key that was never activated
    #[arg(long)]
    pub(crate) force: bool,
}

/// Checks configuration and keys; every finding says the line and what to write instead
///
/// Reads the configuration as the app does and prints what is wrong, a summary of the scopes, and
/// where each value came from. Exits 1 on any finding. What `dev` or an operator fills in later is
/// a note, and a finding only with --live.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  agentadmit check
  agentadmit check --live --online --json")]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) app: AppConfig,
    /// Notes are findings: the app is about to serve people
    #[arg(long)]
    pub(crate) live: bool,
    /// Ask the service too: whether it knows the key, and has the same scopes. A missing app id or
    /// key is a finding then
    #[arg(long)]
    pub(crate) online: bool,
}

/// Sends the scopes of agentadmit.yaml to the service, and says what changed
///
/// The catalogue of the API key's own environment becomes what the file says. A scope that is gone
/// from the file while connections hold it is a conflict, and nothing changes, until `--remove`
/// names it: then every connection loses it, for good.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  agentadmit sync
  agentadmit sync --remove create:refunds")]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(crate) app: AppConfig,
    /// Take this scope away from connections that hold it
    #[arg(long, value_name = "NAME")]
    pub(crate) remove: Vec<ScopeName>,
}

/// Runs a service for development in this folder, and your app with it
///
/// The service keeps its store in .agentadmit/ beside the configuration, where the next start finds
/// everything again. The first start makes the app and a test key, writes the app's id into the
/// line that `init` left for it, and the key to .agentadmit/dev.env (mode 0600, not for git), where
/// SDKs find it for a service on this machine. Every start sends the scopes of the configuration.
///
/// COMMAND is your app: it runs with `AGENTADMIT_SERVICE_URL`, `AGENTADMIT_APP_ID` and
/// `AGENTADMIT_API_KEY` set, gets the signals, and when it ends so does the service, with its exit
/// code. Without COMMAND the service runs until Ctrl-C.
///
/// When your app answers at its `public_url`, `dev` says where to go: let an agent in, be the agent,
/// see what it did. Users of the consent page may come back to that address.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  agentadmit dev
  agentadmit dev -- cargo run
  agentadmit dev --listen 127.0.0.1:0 -- ./run-tests")]
pub(crate) struct Dev {
    /// The app's configuration; its folder is the app's
    #[arg(long, value_name = "FILE", default_value = agentadmit::config::FILE_NAME)]
    pub(crate) config: PathBuf,
    /// Where the service listens; port 0 takes a free port [default: the port of a `service_url` on
    /// this machine, else 127.0.0.1:8700]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// The app, and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// Plays an agent: takes the message that a page gave you, comes in, makes its first call
///
/// Reads the message, or the connection token alone, on stdin. Then it does what an agent does: it
/// reads what the app offers, exchanges the token, which works once, and calls the first route that
/// it may read. Every request and answer is shown, its secrets cut. For an app under development, on
/// plain http.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  agentadmit agent                         # paste the message
  agentadmit agent http://127.0.0.1:8000   # paste the token alone")]
pub(crate) struct PlayAgent {
    /// Where the app is [default: the address in the message]
    pub(crate) url: Option<Url>,
}

/// Prints a shell's completions
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  agentadmit completions bash > ~/.local/share/bash-completion/completions/agentadmit")]
pub(crate) struct Completions {
    /// For which shell
    pub(crate) shell: Shell,
}
