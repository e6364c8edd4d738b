//! `agentadmit serve`: its flags, and the file that can hold them.

use std::path::PathBuf;

use agentadmit_config::ServeOptions;
use clap::Args;

/// Runs the service
///
/// Answers on `--listen` until SIGTERM or SIGINT; then it takes no new connections, answers what
/// was sent to it, and exits 0. SIGHUP reads the certificate anew. When it is ready its last line
/// on stderr is `listening on http://…`.
///
/// Every flag is also an environment variable, and a key of the TOML file that `--config` names
/// (`public_url = "https://…"`); an argument wins over the environment, and that over the file.
/// Two secrets come from the environment alone: `AGENTADMIT_SECRET_KEY` seals the service's own keys
/// (without it a file PATH.key of mode 0600 is made beside the store at the first start), and
/// `AGENTADMIT_OPERATOR_TOKEN` becomes the first operator of a store that never had one.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  agentadmit serve --store sqlite:agentadmit.db
  agentadmit serve --store sqlite:/var/lib/agentadmit/store.db --listen 0.0.0.0:8700 \\
      --behind-proxy --trusted-proxies 10.0.0.0/8 --public-url https://auth.example.com")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) options: ServeOptions,
    /// TOML file with any of these options
    #[arg(
        long,
        value_name = "FILE",
        env = "AGENTADMIT_CONFIG",
        hide_env_values = true,
        help_heading = "Configuration"
    )]
    pub(crate) config: Option<PathBuf>,
}
