//! The commands of whoever lets an agent work for them: `connect` and `mcp-bridge`.

use std::path::PathBuf;

use agentadmit_protocol::text::Label;
use clap::{Args, Subcommand};

/// Connects this machine's agents to an app or an MCP server: asks you, and keeps what you grant
///
/// Finds out what is at URL and who lets agents in there, and asks you: with a link that opens in this
/// machine's browser, or, where there is none, with a code that you type on any other device, as you
/// prefer with --browser and --device. What you grant is kept in a file that only you can read, and is
/// renewed as long as it lasts. An app may also have given you a connection token, which works once: it
/// comes from a file, from `AGENTADMIT_CONNECTION_TOKEN`, or from stdin (--token), where it is typed
/// unseen and the whole message of the app will do; never from an argument, which others could read in
/// the list of processes. It goes to URL's own origin and to no other, whatever the app says; for an MCP
/// server that exchanges no tokens, to the service that you name with --service.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_long_help = "\
Examples:
  agentadmit connect https://shop.example
  agentadmit connect https://notes.example/mcp --device
  agentadmit connect https://notes.example/mcp --token --service https://agents.example
  agentadmit connect https://shop.example --token-file token.txt --label \"Night job\"
  agentadmit connect list
  agentadmit connect end https://shop.example")]
pub(crate) struct Connect {
    #[command(subcommand)]
    pub(crate) command: Option<ConnectCommand>,
    #[command(flatten)]
    pub(crate) to: ConnectTo,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectCommand {
    /// Lists the connections that this machine keeps, never their credentials
    #[command(after_long_help = "\
Example:
  agentadmit connect list --json")]
    List(CredentialsFile),
    /// Ends a connection where it was granted, and forgets its credential
    ///
    /// What an authorization server gave ends there (RFC 7009), for every agent that has it; so does a
    /// connection that was handed over as a token. Where nobody can be asked, nothing is forgotten; where
    /// the server has no way to end it, the credential is forgotten, and you end the connection in the app.
    #[command(after_long_help = "\
Example:
  agentadmit connect end https://shop.example")]
    End(EndConnection),
}

#[derive(Debug, Args)]
pub(crate) struct EndConnection {
    /// The app or the MCP server, as you connected to it
    pub(crate) url: String,
    /// Forget the credential without ending the connection
    #[arg(long)]
    pub(crate) only_here: bool,
    #[command(flatten)]
    pub(crate) credentials: CredentialsFile,
    /// Trust the certificates in this PEM file instead of the machine's own
    #[arg(long, value_name = "FILE", env = "AGENTADMIT_CA_FILE", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// How a person is asked, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Ways {
    /// Ask in a browser on this machine: the one that `BROWSER` names, else the desktop's own
    #[arg(long, conflicts_with_all = ["device", "token", "token_file"])]
    pub(crate) browser: bool,
    /// Ask with a code that is typed on any device
    #[arg(long, conflicts_with_all = ["token", "token_file"])]
    pub(crate) device: bool,
    /// Ask for a connection token on stdin
    #[arg(long, conflicts_with = "token_file")]
    pub(crate) token: bool,
    /// A scope to ask for, once for each; without it, what the app or the last refusal names
    #[arg(long, value_name = "NAME", conflicts_with_all = ["token", "token_file"])]
    pub(crate) scope: Vec<String>,
    /// The `client_id` of this agent, where it has one: the https address of its metadata document, or
    /// what was agreed on with the authorization server
    #[arg(long, value_name = "ID", env = "AGENTADMIT_CLIENT_ID", conflicts_with_all = ["token", "token_file"])]
    pub(crate) client_id: Option<String>,
    /// File that holds the secret of that client
    #[arg(long, value_name = "FILE", requires = "client_id")]
    pub(crate) client_secret_file: Option<PathBuf>,
}

impl Ways {
    /// Whether somebody said how a person is to be asked.
    pub(crate) const fn is_said(&self) -> bool {
        self.browser || self.device
    }
}

#[derive(Debug, Args)]
pub(crate) struct ConnectTo {
    /// The app, the address that you would open yourself; or the address of an MCP server
    #[arg(required = true)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) ways: Ways,
    /// File that holds the connection token, or the app's message with it
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The `AgentAdmit` service that the token is from, for an MCP server that exchanges none itself
    #[arg(long, value_name = "URL", conflicts_with_all = ["browser", "device"])]
    pub(crate) service: Option<String>,
    /// How the agent is called in the app's list of your connections
    #[arg(long, value_name = "NAME", default_value = "agentadmit connect")]
    pub(crate) label: Label,
    #[command(flatten)]
    pub(crate) credentials: CredentialsFile,
    /// Trust the certificates in this PEM file instead of the machine's own
    #[arg(long, value_name = "FILE", env = "AGENTADMIT_CA_FILE", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Serves an app's routes, or an MCP server over HTTP, to an MCP client on stdin and stdout
///
/// For the configuration of an MCP client: each route of the app at URL becomes a tool, with the schema
/// that the app's OpenAPI document gives, if it has one. If an MCP server is there, its own tools pass,
/// and everything else that it says. The credential is what `agentadmit connect` kept, or what the connection token in `AGENTADMIT_CONNECTION_TOKEN` or a file is exchanged for, once,
/// however often the client starts the bridge. The client and its model see no token, and one in an
/// argument is refused. What is connected, widened or ended while the bridge runs counts from the next
/// call on. A refusal is a result that says what to ask the human for; a scope that is missing is asked
/// for by the next `agentadmit connect`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  agentadmit mcp-bridge https://shop.example
  agentadmit mcp-bridge https://notes.example/mcp

The same in the configuration of an MCP client:
  {\"mcpServers\": {\"shop\": {
    \"command\": \"agentadmit\", \"args\": [\"mcp-bridge\", \"https://shop.example\"]}}}

Exits 0 when the client closes stdin.")]
pub(crate) struct McpBridge {
    /// The app, the address that you would open yourself; or the address of an MCP server
    pub(crate) url: String,
    /// File that holds the connection token, or the app's message with it
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The `AgentAdmit` service that the token is from, for an MCP server that exchanges none itself
    #[arg(long, value_name = "URL")]
    pub(crate) service: Option<String>,
    /// How the agent is called in the app's list of your connections, if this exchanges the token
    #[arg(long, value_name = "NAME", default_value = "MCP bridge")]
    pub(crate) label: Label,
    /// The largest answer that a model gets, in KiB; what is larger is cut
    #[arg(long, value_name = "KIB", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) max_answer: u16,
    #[command(flatten)]
    pub(crate) credentials: CredentialsFile,
    /// Trust the certificates in this PEM file instead of the machine's own
    #[arg(long, value_name = "FILE", env = "AGENTADMIT_CA_FILE", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialsFile {
    /// Where credentials are kept [default: agentadmit/credentials.json in `$XDG_CONFIG_HOME`, else
    /// in ~/.config]
    #[arg(long, value_name = "FILE", env = "AGENTADMIT_CREDENTIALS", hide_env_values = true)]
    pub(crate) credentials: Option<PathBuf>,
}
