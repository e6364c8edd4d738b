//! `agentadmit doctor`: what is wrong with a service and an app in front of it.

use std::path::PathBuf;

use agentadmit_config::StoreLocation;
use agentadmit_protocol::environment::Environment;
use clap::Args;
use url::Url;

/// Says whether a service can answer now, for health checks
///
/// Asks `/readyz`, which says what a balancer wants to know: whether this node would answer a verify.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  agentadmit ready
  agentadmit ready --service https://auth.example.com

Exits 0 when it can, 1 when it says that it cannot and why, 3 when nobody answers.")]
pub(crate) struct Ready {
    /// The service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8700")]
    pub(crate) service: Url,
    /// Trust the certificates in this PEM file, beside the system's own
    #[arg(long, value_name = "FILE", env = "AGENTADMIT_CA_FILE", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Checks a running service and an app in front of it, and says what is wrong and what to do
///
/// Reads `agentadmit.yaml` of this folder, or what `--config` names; with nothing but `--service`
/// it looks at the service alone. Every check has a name, which docs/doctor.md explains. It changes
/// nothing. The app is asked with an access token that was never issued, so that anything but a
/// refusal is a finding; only routes that read are asked, unless `--probe-writes` says otherwise.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  agentadmit doctor
  agentadmit doctor --service https://auth.example.com --app https://shop.example.com --probe /
  agentadmit doctor --service http://127.0.0.1:8700 --store sqlite:/var/lib/agentadmit/store.db

Exits 0 when all is well, 1 with a finding, 3 when something could not be found out.")]
pub(crate) struct Doctor {
    /// The app's configuration; without it `agentadmit.yaml` here, if there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The service, if not the configuration's
    #[arg(long, value_name = "URL")]
    pub(crate) service: Option<String>,
    /// The app as people and agents reach it, if not the configuration's `public_url`
    #[arg(long, value_name = "URL")]
    pub(crate) app: Option<String>,
    /// The environment that the app should be in: another one's key is a finding
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<Environment>,
    /// This configuration leaves the app's own servers (an MCP server that runs on users'
    /// machines): a key that may do more than verify is a finding
    #[arg(long)]
    pub(crate) shipped: bool,
    /// Ask this path of the app, too, as an agent with a dead token; may be repeated
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub(crate) probe: Vec<String>,
    /// Ask also the routes that write, with an empty body: a route that is open does what it does
    #[arg(long)]
    pub(crate) probe_writes: bool,
    /// Look at store, disk and log through this store of this machine
    #[arg(long, value_name = "sqlite:PATH", conflicts_with_all = ["operator_url", "operator_token_file"])]
    pub(crate) store: Option<StoreLocation>,
    /// Where the operator API answers, if it has an address of its own (`serve --operator-listen`)
    #[arg(long, value_name = "URL")]
    pub(crate) operator_url: Option<String>,
    /// File that holds the operator token; else `AGENTADMIT_OPERATOR_TOKEN`
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_token_file: Option<PathBuf>,
    /// Trust the certificates in this PEM file, beside the system's own
    #[arg(long, value_name = "FILE", env = "AGENTADMIT_CA_FILE", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,
}

fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && !text.contains(['?', '#']);
    if is_path { Ok(text.to_owned()) } else { Err("must be a path that begins with /".to_owned()) }
}
