//! `agentadmit audit`: reading, exporting and checking the log.

use std::path::PathBuf;

use agentadmit_protocol::audit::{Actor, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConnectionId};
use clap::{Args, Subcommand, ValueEnum};

use super::{Page, Target};

/// Reads, exports and checks the audit log
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Shows records, newest first
    ///
    /// With an operator token, or on a store: of all apps or of those that the flags name. With
    /// `AGENTADMIT_API_KEY` and no operator token: of the key's own app and environment.
    #[command(after_long_help = "\
Examples:
  agentadmit audit list --store sqlite:store.db --limit 20
  agentadmit audit list --service http://127.0.0.1:8700 --event connection_revoked --json
  agentadmit audit list --service http://127.0.0.1:8700 --outcome refused --actor key:key_…")]
    List(ListRecords),
    /// Streams records to stdout or a file; a full NDJSON export can be verified offline
    ///
    /// Exports the records of one app and environment; without --app, those of the service itself.
    /// With any other filter the export says that it is filtered, and only each record's own hash
    /// can be checked.
    #[command(after_long_help = "\
Examples:
  agentadmit audit export --store sqlite:store.db --app app_… --environment live --out live.ndjson
  agentadmit audit verify live.ndjson")]
    Export(Export),
    /// Has a running service check its whole log, and shows how far it is
    ///
    /// Every record is hashed again and every chain followed to its head, beside everything else
    /// that the service does. Exit code 1 when something is wrong. A check that runs already is waited
    /// for. Where the service does not run, `agentadmit store check` does the same.
    #[command(after_long_help = "\
Examples:
  agentadmit audit check --service https://auth.example.com --operator-token-file token")]
    Check,
    /// Checks an NDJSON export without the service: every hash, every chain, every checkpoint
    ///
    /// Says altered, missing, inserted, reordered, cut off, or chain left out, with file and line.
    /// What is newer than the last checkpoint that you keep elsewhere can be cut off unseen: keep
    /// the newest `checkpoint` record of each day, and pass it with --checkpoint. Without --keys
    /// the signatures are checked with the keys that stand in the file itself.
    #[command(after_long_help = "\
Examples:
  agentadmit audit verify live.ndjson
  agentadmit audit verify live.ndjson --checkpoint kept.ndjson --keys keys.json

keys.json is what GET /v1/audit/keys answers.")]
    Verify(VerifyFile),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ListRecords {
    #[command(flatten)]
    pub(crate) filter: RecordFilter,
    #[command(flatten)]
    pub(crate) page: Page,
}

/// Which records.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filter")]
pub(crate) struct RecordFilter {
    /// Only of this app
    #[arg(long, value_name = "APP_ID")]
    pub(crate) app: Option<AppId>,
    /// Only of this environment
    #[arg(long, value_name = "test|live")]
    pub(crate) environment: Option<Environment>,
    /// Only about this connection
    #[arg(long, value_name = "CONNECTION_ID")]
    pub(crate) connection: Option<ConnectionId>,
    /// Only about this user
    #[arg(long, value_name = "USER_ID")]
    pub(crate) user: Option<String>,
    /// Only this event, such as `connection_revoked`
    #[arg(long, value_name = "EVENT")]
    pub(crate) event: Option<String>,
    /// Only what was done with this credential, such as `key:key_…` or `system`
    #[arg(long, value_name = "ACTOR")]
    pub(crate) actor: Option<Actor>,
    /// Only what ended like this
    #[arg(long, value_name = "allowed|refused|done")]
    pub(crate) outcome: Option<Outcome>,
    /// Only for exactly this reason, such as `insufficient_scope`
    #[arg(long, value_name = "REASON")]
    pub(crate) reason: Option<String>,
    /// Not before this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Before this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) filter: RecordFilter,
    /// The form of the export
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ExportForm,
    /// Write to this new file instead of stdout; it gets its name when it is complete
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    /// One JSON object a line; can be verified
    #[default]
    Ndjson,
    /// For people and their spreadsheets
    Csv,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyFile {
    /// The export
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A checkpoint record that was kept elsewhere, or several, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The service's audit keys, kept elsewhere
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
}
