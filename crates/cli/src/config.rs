//! Where `serve` takes its configuration from: argument over environment over file (PROTOCOL,
//! Configuration and command line).

use std::fs;
use std::path::Path;

use agentadmit_config::{ServeConfig, ServeOptions};

use crate::args::Serve;
use crate::exit::Failure;

/// Puts arguments, environment and file together, and checks the whole.
///
/// # Errors
/// Wrong usage: what is missing, contradictory or unsafe, and what to do.
pub(crate) fn resolve(arguments: &Serve) -> Result<ServeConfig, Failure> {
    // clap has put the environment under the arguments already
    let said = arguments.options.clone();
    let options = match &arguments.config {
        Some(file) => said.or(read_file(file)?),
        None => said,
    };
    Ok(ServeConfig::check(options)?)
}

fn read_file(path: &Path) -> Result<ServeOptions, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    Ok(ServeOptions::from_toml(&text, &shown.to_string())?)
}
