//! `agentadmit consent-sessions`.

use agentadmit_protocol::api::consent::Locale;
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::scope::ScopeName;
use clap::{Args, Subcommand};

use super::Target;

/// Opens the hosted consent page for a user, as an app does
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct ConsentSessions {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: ConsentSessionsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentSessionsCommand {
    /// Opens a session and prints its address, for one browser, once
    ///
    /// In the name of an app: with `AGENTADMIT_API_KEY`, and without an operator token.
    #[command(after_long_help = "\
Examples:
  agentadmit consent-sessions create --service https://auth.example.com --app app_… --user u_123
  agentadmit consent-sessions create --service https://auth.example.com --app app_… \\
    --connection conn_… --add-scope orders:write")]
    Create(Box<NewSession>),
}

#[derive(Debug, Args)]
pub(crate) struct NewSession {
    /// The key's own app
    #[arg(long, value_name = "APP_ID")]
    pub(crate) app: AppId,
    /// The user who is asked
    #[arg(long, value_name = "USER_ID", required_unless_present = "connection")]
    pub(crate) user: Option<String>,
    /// How the app calls the user
    #[arg(long, value_name = "NAME", conflicts_with = "connection")]
    pub(crate) user_label: Option<String>,
    /// A scope that may be chosen; again for each. Without it: all but admin scopes
    #[arg(long, value_name = "NAME", conflicts_with = "connection")]
    pub(crate) scope: Vec<ScopeName>,
    /// A scope that is chosen when the page opens; again for each
    #[arg(long, value_name = "NAME", conflicts_with = "connection")]
    pub(crate) preselect: Vec<ScopeName>,
    /// Ask for more for this connection instead of a new one
    #[arg(long, value_name = "CONNECTION_ID")]
    pub(crate) connection: Option<ConnectionId>,
    /// A scope on top of what the connection holds; again for each
    #[arg(long, value_name = "NAME", requires = "connection")]
    pub(crate) add_scope: Vec<ScopeName>,
    /// How long the connection shall live from the user's yes on
    #[arg(long, value_name = "SECONDS", requires = "connection")]
    pub(crate) duration_seconds: Option<u32>,
    /// What the app says it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) purpose: Option<String>,
    /// Where the user goes back to: one of the app's `redirect_uris`
    #[arg(long, value_name = "URL")]
    pub(crate) return_url: Option<String>,
    /// The page's language, such as `en` or `ar`; else the browser's
    #[arg(long, value_name = "TAG")]
    pub(crate) locale: Option<Locale>,
}
