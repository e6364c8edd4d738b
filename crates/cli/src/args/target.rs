//! Where a command acts: on a running service, or on a store of this machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use agentadmit_protocol::api::query::PageLimit;
use clap::Args;
use serde::Deserialize;

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

/// Where a store is: `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct StoreLocation(PathBuf);

impl StoreLocation {
    /// The database file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:{}", self.0.display())
    }
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a store is named sqlite:PATH, such as sqlite:/var/lib/agentadmit/store.db")]
pub(crate) struct InvalidLocation;

impl FromStr for StoreLocation {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self(PathBuf::from(path))),
            _ => Err(InvalidLocation),
        }
    }
}

impl TryFrom<String> for StoreLocation {
    type Error = InvalidLocation;

    fn try_from(text: String) -> Result<Self, InvalidLocation> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_kind_and_path() {
        let store: StoreLocation = "sqlite:a/b.db".parse().unwrap();
        assert_eq!(store.path(), Path::new("a/b.db"));
        assert_eq!(store.to_string(), "sqlite:a/b.db");
        for text in ["", "sqlite:", "a/b.db", "postgres://h/db", "SQLITE:x"] {
            assert_eq!(text.parse::<StoreLocation>(), Err(InvalidLocation), "{text}");
        }
    }
}
