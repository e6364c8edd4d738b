//! What only the command line can do, on the machine of the store: `backup`, `restore`, `migrate`,
//! `store`.

use std::path::PathBuf;

use agentadmit_config::StoreLocation;
use clap::{Args, Subcommand};

/// Copies a store, which may be in use, and verifies the copy
///
/// Copies in steps beside the running service. The copy gets its name when it was read back and
/// found whole; a copy that is not is deleted. The secret key is not in it: keep it elsewhere.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  agentadmit backup --store sqlite:store.db /backups/store-monday.db")]
pub(crate) struct Backup {
    /// The store that is copied
    #[arg(
        long,
        value_name = "sqlite:PATH",
        env = "AGENTADMIT_STORE",
        hide_env_values = true,
        help_heading = "Where"
    )]
    pub(crate) store: StoreLocation,
    /// The file that is written; it must not be there yet
    #[arg(value_name = "FILE")]
    pub(crate) to: PathBuf,
}

/// Puts a backup in the place of a store that is not in use
///
/// Access does not come back silently: connection tokens that wait in the backup are dead, every
/// connection that was active is suspended until an operator lifts it (`connections resume`), and
/// what the present store knows as revoked stays so. The present store is kept beside the new one.
/// The service must be stopped, and use the same secret key as when the backup was made.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  agentadmit restore --store sqlite:store.db /backups/store-monday.db")]
pub(crate) struct Restore {
    /// The store that is replaced
    #[arg(
        long,
        value_name = "sqlite:PATH",
        env = "AGENTADMIT_STORE",
        hide_env_values = true,
        help_heading = "Where"
    )]
    pub(crate) store: StoreLocation,
    /// Leave the backup's connections active: everything revoked since it was made lives again,
    /// unless the present store can still be read
    #[arg(long)]
    pub(crate) keep_connections: bool,
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) from: PathBuf,
}

/// Brings a store that is not in use to this version's schema
///
/// `serve` refuses a store of an earlier version until this was run. Migrations go forward only:
/// make a backup first.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  agentadmit migrate --store sqlite:store.db --plan")]
pub(crate) struct Migrate {
    /// The store
    #[arg(
        long,
        value_name = "sqlite:PATH",
        env = "AGENTADMIT_STORE",
        hide_env_values = true,
        help_heading = "Where"
    )]
    pub(crate) store: StoreLocation,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) plan: bool,
}

/// Looks after a store on its own machine
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Store {
    /// The store
    #[arg(
        long,
        global = true,
        value_name = "sqlite:PATH",
        env = "AGENTADMIT_STORE",
        hide_env_values = true
    )]
    #[arg(help_heading = "Where")]
    pub(crate) store: Option<StoreLocation>,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum StoreCommand {
    /// Says that this machine's clock is right although it lies behind the newest record
    ///
    /// Until then a service that doubts its clock refuses to verify. The acceptance is recorded.
    #[command(after_long_help = "\
Example:
  agentadmit store accept-clock --store sqlite:store.db")]
    AcceptClock,
    /// Checks the store's file, and every audit chain in it from its first kept record on
    #[command(after_long_help = "\
Example:
  agentadmit store check --store sqlite:store.db --json")]
    Check,
}
