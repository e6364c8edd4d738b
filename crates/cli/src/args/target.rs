//! Where a command acts: on a running service, or on a store of this machine.

use std::path::PathBuf;

use agentadmit_config::StoreLocation;
use agentadmit_protocol::api::query::PageLimit;
use clap::Args;

/// The flags that say where an administrative command acts.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct Target {
    /// Act on this running service, with an operator token [env: `AGENTADMIT_SERVICE_URL`]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "store")]
    pub(crate) service: Option<String>,
    /// Act on this store of this machine, without a token; a service may be running on it
    /// [env: `AGENTADMIT_STORE`]
    #[arg(long, global = true, value_name = "sqlite:PATH")]
    pub(crate) store: Option<StoreLocation>,
    /// File that holds the operator token; else `AGENTADMIT_OPERATOR_TOKEN`. A token is never a
    /// flag's value: others could read it in the list of processes
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "store")]
    pub(crate) operator_token_file: Option<PathBuf>,
    /// Trust the certificates in this PEM file for https
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "AGENTADMIT_CA_FILE",
        hide_env_values = true
    )]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Which part of a list is shown.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Page")]
pub(crate) struct Page {
    /// How many items, at most
    #[arg(long, value_name = "N", value_parser = page_limit)]
    pub(crate) limit: Option<u16>,
    /// Go on where the page before ended: its `next_cursor`
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

fn page_limit(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|limit| PageLimit::new(*limit).is_some())
        .ok_or_else(|| format!("must be a whole number from 1 to {}", PageLimit::MAX))
}
