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

/// Brings a store to this version's schema
///
/// `serve` refuses a store of an earlier version until this was run. Migrations go forward only:
/// make a backup first. A store in a file must not be in use; the nodes of a database may run on,
/// and an empty database gets the whole schema.
#[derive(Debug, Args)]
#[command(after_long_help = "\
With --plan it ends with 1 where something would be done, and with 0 where nothing would.

Examples:
  agentadmit migrate --store sqlite:store.db --plan
  agentadmit migrate --store postgres://agentadmit@db.example/agentadmit")]
pub(crate) struct Migrate {
    /// The store: `sqlite:PATH` or `postgres://...`
    #[arg(
        long,
        value_name = "STORE",
        env = "AGENTADMIT_STORE",
        hide_env_values = true,
        help_heading = "Where"
    )]
    pub(crate) store: StoreLocation,
    /// Only say what would be done, with its SQL, and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
}

/// Looks after a store directly, without its service
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Store {
    /// The store: `sqlite:PATH` or `postgres://...`
    #[arg(
        long,
        global = true,
        value_name = "STORE",
        env = "AGENTADMIT_STORE",
        hide_env_values = true
    )]
    #[arg(help_heading = "Where")]
    pub(crate) store: Option<StoreLocation>,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum StoreCommand {
    /// Says that this machine's clock is right although it lies behind the newest record
    ///
    /// Until then a service that doubts its clock refuses to verify. The acceptance is recorded.
    #[command(after_long_help = "\
Example:
  agentadmit store accept-clock --store sqlite:store.db")]
    AcceptClock,
    /// Checks every audit chain of the store from its first kept record on, and its file if it is one
    #[command(after_long_help = "\
Example:
  agentadmit store check --store sqlite:store.db --json")]
    Check,
    /// Moves a store in a file into an empty PostgreSQL database
    ///
    /// Nobody may use the file meanwhile: the service must be stopped, so that everything it has answered is
    /// copied. All of it is copied or nothing: in one transaction, in which every row is counted and every audit
    /// chain hashed again before it is committed. The file stays as it is.
    #[command(after_long_help = "\
With --plan it says what would be copied and changes nothing; that goes while the service runs.
A running service can be copied as of one moment: `agentadmit backup`, and then the copy of the backup.
Nodes on the database need the file's secret key: AGENTADMIT_SECRET_KEY=$(cat store.db.key).

Examples:
  agentadmit store copy --from sqlite:store.db --to postgres://agentadmit@db.example/agentadmit --plan
  agentadmit store copy --from sqlite:store.db --to postgres://agentadmit@db.example/agentadmit")]
    Copy(StoreCopy),
    /// Makes harmless a store that came back from a snapshot or in a recovered database
    ///
    /// A database that was recovered to a moment, a volume that was put back from a snapshot: the store
    /// does not know what has ended since. Connection tokens that were pending die, sessions of people
    /// end, active connections wait for an operator (`agentadmit connections resume`), and what the
    /// store that was there before knows as ended stays so, where it can still be read. Run it before
    /// any service is started on the store. If it breaks off, run it again.
    #[command(after_long_help = "\
Examples:
  agentadmit store after-restore --store postgres://agentadmit@db/agentadmit
  agentadmit store after-restore --store postgres://agentadmit@new/agentadmit \\
      --former postgres://agentadmit@old/agentadmit")]
    AfterRestore {
        /// The store that was there before, if it can still be read: what it knows as ended stays so
        #[arg(long, value_name = "STORE")]
        former: Option<StoreLocation>,
        /// Active connections stay active. Somebody may have revoked one since
        #[arg(long)]
        keep_connections: bool,
    },
}

/// Where from and where to.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreCopy {
    /// The store to copy: `sqlite:PATH`
    #[arg(long, value_name = "STORE", help_heading = "Where")]
    pub(crate) from: StoreLocation,
    /// The database to copy it into: `postgres://...`
    #[arg(
        long,
        value_name = "STORE",
        env = "AGENTADMIT_COPY_TO",
        hide_env_values = true,
        help_heading = "Where"
    )]
    pub(crate) to: StoreLocation,
    /// Only say what would be copied, and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
}
