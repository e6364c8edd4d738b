//! The commands of the operator API.

use std::path::PathBuf;

use agentadmit_protocol::api::connections::ConnectionStatus;
use agentadmit_protocol::api::operator::OperatorAccess;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConnectionId, KeyId, OperatorId, SessionId};
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::settings::{OnLimit, PlanStatus};
use clap::{Args, Subcommand};

use super::{MembersCommand, Page, Target};

/// Says aloud that something is meant that cannot be taken back.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Yes {
    /// Yes, I mean it: this cannot be taken back
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Makes and ends operators: whoever runs the service
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Operator {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: OperatorCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Makes an operator and prints the token, this once
    ///
    /// On a store this needs no token: it is how the first operator comes into being.
    #[command(after_long_help = "\
Example:
  agentadmit operator create --store sqlite:store.db --name ops")]
    Create {
        /// A name for people
        #[arg(long)]
        name: Option<String>,
        /// What the token may do: `full`, or `billing` for a payment system that sets plans
        #[arg(long, value_name = "ACCESS", default_value = "full")]
        access: OperatorAccess,
        /// When the token dies by itself (RFC 3339)
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Lists operators, never their tokens
    #[command(after_long_help = "\
Example:
  agentadmit operator list --service https://auth.example.com --operator-token-file token")]
    List,
    /// Replaces an operator's token and prints the new one, this once
    #[command(after_long_help = "\
Example:
  agentadmit operator rotate op_… --store sqlite:store.db")]
    Rotate {
        /// Whose token
        operator_id: OperatorId,
    },
    /// Ends an operator: the token is dead when the answer is there
    #[command(after_long_help = "\
Example:
  agentadmit operator revoke op_… --store sqlite:store.db")]
    Revoke {
        /// Whose token
        operator_id: OperatorId,
    },
    /// Makes a one-time code to sign in to the dashboard with, and prints it, this once
    ///
    /// It opens one session within 10 minutes, and is void after 5 wrong tries.
    #[command(after_long_help = "\
Example:
  agentadmit operator sign-in --store sqlite:store.db")]
    SignIn,
    /// Lists the operators' sessions of the dashboard, newest first
    #[command(after_long_help = "\
Example:
  agentadmit operator sessions --store sqlite:store.db")]
    Sessions,
    /// Ends a session of the dashboard: it is over when the answer is there
    #[command(after_long_help = "\
Example:
  agentadmit operator end-session ses_… --store sqlite:store.db")]
    EndSession {
        /// Which
        session_id: SessionId,
    },
}

/// Registers apps, shows and changes them
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Apps {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: AppsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppsCommand {
    /// Registers an app
    #[command(after_long_help = "\
Example:
  agentadmit apps create --store sqlite:store.db --name Shop \\
      --scope orders:read='Read your orders' --scope orders:write='Change your orders'")]
    Create(NewApp),
    /// Lists apps, oldest first
    #[command(after_long_help = "\
Example:
  agentadmit apps list --store sqlite:store.db")]
    List(Page),
    /// Shows an app with its settings and plan
    #[command(after_long_help = "\
Example:
  agentadmit apps show app_… --store sqlite:store.db --json")]
    Show {
        /// Which app
        app_id: AppId,
    },
    /// Changes an app's name, description or settings; what is not named stays
    #[command(after_long_help = "\
Example:
  agentadmit apps update app_… --store sqlite:store.db --set scope_used=required --set idle_days=30")]
    Update(UpdateApp),
    /// Deletes an app: keys are dead and connections revoked when the answer is there
    ///
    /// Its audit records stay until their retention ends. The id is never used again.
    #[command(after_long_help = "\
Example:
  agentadmit apps delete app_… --yes --store sqlite:store.db")]
    Delete {
        /// Which app
        app_id: AppId,
        #[command(flatten)]
        sure: Yes,
    },
    #[command(flatten)]
    Members(MembersCommand),
}

#[derive(Debug, Args)]
pub(crate) struct NewApp {
    /// What users see
    #[arg(long)]
    pub(crate) name: String,
    /// What it is
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// A scope of the first catalogue, with what users read about it; may be repeated
    #[arg(long = "scope", value_name = "NAME=DESCRIPTION")]
    pub(crate) scopes: Vec<String>,
    /// JSON file with the first catalogue: a list of scopes, or an object with `scopes`
    #[arg(long, value_name = "FILE", conflicts_with = "scopes")]
    pub(crate) scopes_file: Option<PathBuf>,
    /// A setting that differs from its default; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateApp {
    /// Which app
    pub(crate) app_id: AppId,
    /// What users see
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What it is; empty takes it away
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// A setting that changes; `null` where none is allowed; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,
}

/// Makes and ends an app's API keys
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct ApiKeys {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: ApiKeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeysCommand {
    /// Makes a key and prints it, this once
    ///
    /// A key that leaves the app's own servers, such as one inside an MCP server on a user's
    /// machine, gets `--permission verify` and nothing else.
    #[command(after_long_help = "\
Example:
  agentadmit api-keys create --store sqlite:store.db --app app_… --environment test")]
    Create(NewKey),
    /// Lists an app's keys, masked
    #[command(after_long_help = "\
Example:
  agentadmit api-keys list --store sqlite:store.db --app app_…")]
    List {
        /// Whose keys
        #[arg(long, value_name = "APP_ID")]
        app: AppId,
    },
    /// Makes a successor with the same rights; the old key lives on for the overlap
    #[command(after_long_help = "\
Example:
  agentadmit api-keys rotate key_… --store sqlite:store.db --app app_… --overlap 3600")]
    Rotate {
        /// Which key
        key_id: KeyId,
        /// Whose key
        #[arg(long, value_name = "APP_ID")]
        app: AppId,
        #[command(flatten)]
        overlap: Overlap,
    },
    /// Ends a key: it is dead when the answer is there
    #[command(after_long_help = "\
Example:
  agentadmit api-keys revoke key_… --store sqlite:store.db --app app_…")]
    Revoke {
        /// Which key
        key_id: KeyId,
        /// Whose key
        #[arg(long, value_name = "APP_ID")]
        app: AppId,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Overlap {
    /// How long the old key lives on; 0 ends it with the answer [default: 86400]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=604_800))]
    pub(crate) overlap: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct NewKey {
    /// Whose key
    #[arg(long, value_name = "APP_ID")]
    pub(crate) app: AppId,
    /// The environment that it sees, and the only one
    #[arg(long, value_name = "test|live")]
    pub(crate) environment: Environment,
    /// What it may do: verify, issue, manage; all of them when nothing is said
    #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
    pub(crate) permissions: Vec<Permission>,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// When it dies by itself (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<String>,
}

/// Registers an app's own RS256 keys
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct PublicKeys {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: PublicKeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PublicKeysCommand {
    /// Sets all of an app's public keys; one that is missing is revoked
    #[command(after_long_help = "\
Example:
  agentadmit public-keys put --store sqlite:store.db --app app_… --environment live jwks.json")]
    Put(PutPublicKeys),
    /// Lists an app's public keys
    #[command(after_long_help = "\
Example:
  agentadmit public-keys list --store sqlite:store.db --app app_…")]
    List {
        /// Whose keys
        #[arg(long, value_name = "APP_ID")]
        app: AppId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PutPublicKeys {
    /// Whose keys
    #[arg(long, value_name = "APP_ID")]
    pub(crate) app: AppId,
    /// The environment of keys in the file that name none
    #[arg(long, value_name = "test|live")]
    pub(crate) environment: Option<Environment>,
    /// What keys in the file that say nothing about it may do; all of it by default
    #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
    pub(crate) permissions: Vec<Permission>,
    /// JSON file: a JWK set, a list of JWKs or one JWK; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Sets what an app pays for
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: PlanCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Sets an app's plan, whole
    #[command(after_long_help = "\
Example:
  agentadmit plan put --store sqlite:store.db --app app_… --name pro --status active \\
      --call-limit 1000000 --on-limit overage")]
    Put(PutPlan),
}

#[derive(Debug, Args)]
pub(crate) struct PutPlan {
    /// Whose plan
    #[arg(long, value_name = "APP_ID")]
    pub(crate) app: AppId,
    /// The plan's name
    #[arg(long)]
    pub(crate) name: String,
    /// none, trial, active, `past_due` or cancelled
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: PlanStatus,
    /// Allowed calls of the live environment in a month; without it there is no limit
    #[arg(long, value_name = "N")]
    pub(crate) call_limit: Option<u64>,
    /// What happens at the limit: overage, or refuse
    #[arg(long, value_name = "WHAT", default_value = "overage")]
    pub(crate) on_limit: OnLimit,
    /// Where the plan is paid
    #[arg(long, value_name = "URL")]
    pub(crate) billing_url: Option<String>,
}

/// Shows and ends connections
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Connections {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: ConnectionsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionsCommand {
    /// Lists connections, newest first
    ///
    /// With an operator token, or on a store: of all apps or of those that the flags name. With
    /// `AGENTADMIT_API_KEY` and no operator token: of the key's own app and environment.
    #[command(after_long_help = "\
Example:
  agentadmit connections list --store sqlite:store.db --status active")]
    List {
        /// Only this app's
        #[arg(long, value_name = "APP_ID")]
        app: Option<AppId>,
        /// Only of this environment
        #[arg(long, value_name = "test|live")]
        environment: Option<Environment>,
        /// Only this user's
        #[arg(long, value_name = "USER_ID")]
        user: Option<String>,
        /// Only those that stand so: pending, active, revoked or expired
        #[arg(long, value_name = "STATUS")]
        status: Option<ConnectionStatus>,
        #[command(flatten)]
        page: Page,
    },
    /// Shows one connection
    #[command(after_long_help = "\
Example:
  agentadmit connections show conn_… --store sqlite:store.db")]
    Show {
        /// Which connection
        connection_id: ConnectionId,
    },
    /// Ends one connection, all of a user of an app, all of an app, or all of a user in all apps
    ///
    /// With --all-apps everything that can act for one person ends, whatever app and environment it
    /// is of: each connection with a record of its own, and what the user is asked at the moment.
    /// Where the command was cut off, the same command ends the rest.
    #[command(after_long_help = "\
Examples:
  agentadmit connections revoke conn_… --store sqlite:store.db
  agentadmit connections revoke --app app_… --user u_123 --store sqlite:store.db
  agentadmit connections revoke --user u_123 --all-apps --yes --store sqlite:store.db")]
    Revoke(Revoke),
    /// Lifts the suspension of connections that came out of a backup
    #[command(after_long_help = "\
Example:
  agentadmit connections resume --app app_… --store sqlite:store.db")]
    Resume {
        /// One connection
        #[arg(required_unless_present_any = ["app", "all"], conflicts_with_all = ["app", "all"])]
        connection_id: Option<ConnectionId>,
        /// All of this app's
        #[arg(long, value_name = "APP_ID", conflicts_with = "all")]
        app: Option<AppId>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// One connection
    #[arg(conflicts_with_all = ["app", "environment", "user"])]
    pub(crate) connection_id: Option<ConnectionId>,
    /// Whose connections
    #[arg(long, value_name = "APP_ID")]
    pub(crate) app: Option<AppId>,
    /// Only of this environment; both when nothing is said
    #[arg(long, value_name = "test|live")]
    pub(crate) environment: Option<Environment>,
    /// Only this user's
    #[arg(long, value_name = "USER_ID")]
    pub(crate) user: Option<String>,
    /// This user's in all apps, in both environments
    #[arg(long, requires = "user", conflicts_with_all = ["app", "environment"])]
    pub(crate) all_apps: bool,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) sure: Yes,
}

/// Shows an app's calls, connections and plan
///
/// With an operator token, or on a store: of the app that --app names. With `AGENTADMIT_API_KEY` and
/// no operator token: of the key's own app and environment.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  agentadmit usage --store sqlite:store.db --app app_… --from 2026-01-01 --json")]
pub(crate) struct Usage {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Whose usage
    #[arg(long, value_name = "APP_ID")]
    pub(crate) app: Option<AppId>,
    /// Of which environment [default: live]
    #[arg(long, value_name = "test|live")]
    pub(crate) environment: Option<Environment>,
    /// The first day, such as 2026-01-31
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// The last day
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<String>,
}
