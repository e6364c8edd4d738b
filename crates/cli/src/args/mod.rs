//! What can be typed: commands, flags, and their help.

mod accounts;
mod admin;
mod agent;
mod audit;
mod consent;
mod developer;
mod doctor;
mod serve;
mod store;
mod target;

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use accounts::{Developer, DeveloperCommand, MembersCommand};
pub(crate) use admin::{
    ApiKeys, ApiKeysCommand, Apps, AppsCommand, Connections, ConnectionsCommand, NewApp, Operator,
    OperatorCommand, Plan, PlanCommand, PublicKeys, PublicKeysCommand, PutPublicKeys, Revoke,
    UpdateApp, Usage, Yes,
};
pub(crate) use agent::{
    Connect, ConnectCommand, ConnectTo, CredentialsFile, EndConnection, McpBridge,
};
pub(crate) use audit::{
    Audit, AuditCommand, Export, ExportForm, ListRecords, RecordFilter, VerifyFile,
};
pub(crate) use consent::{ConsentSessions, ConsentSessionsCommand, NewSession};
pub(crate) use developer::{AppConfig, Check, Completions, Dev, Init, Keys, PlayAgent, Sync};
pub(crate) use doctor::{Doctor, Ready};
pub(crate) use serve::Serve;
pub(crate) use store::{Backup, Migrate, Restore, Store, StoreCommand, StoreCopy};
pub(crate) use target::{Page, Target};

const EXIT_CODES: &str = "\
Exit codes:
  0        done
  1        the answer is no: a finding, a refusal, a chain that does not verify
  2        wrong usage, or an unreadable configuration
  3        it could not be found out or done: network, disk, store, service
  128 + n  ended by signal n (`serve` exits 0 after a drained SIGTERM or SIGINT)

Results go to stdout, progress to stderr. Secrets are printed once and never logged.";

/// Lets users admit their own AI agents into your app, and take that back at once
///
/// The service that issues, exchanges, verifies, revokes and records agents' connections, its
/// administration, and a demonstration of the whole story.
#[derive(Debug, Parser)]
#[command(name = "agentadmit", version, after_help = EXIT_CODES, max_term_width = 100)]
#[command(
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Print results as JSON on stdout; errors too, as the wire's error object
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Dev(Dev),
    Agent(PlayAgent),
    Connect(Connect),
    McpBridge(McpBridge),
    Check(Check),
    Sync(Sync),
    Keys(Keys),
    Serve(Box<Serve>),
    Demo(Demo),
    Operator(Operator),
    Developer(Developer),
    Apps(Apps),
    ApiKeys(ApiKeys),
    PublicKeys(PublicKeys),
    Plan(Plan),
    Connections(Connections),
    ConsentSessions(ConsentSessions),
    Audit(Audit),
    Usage(Usage),
    Doctor(Box<Doctor>),
    Ready(Ready),
    Backup(Backup),
    Restore(Restore),
    Migrate(Migrate),
    Store(Store),
    Completions(Completions),
    /// Prints a generated file of the repository
    #[command(name = "__generate", hide = true)]
    Generate {
        /// Which file
        what: Generated,
    },
    /// The demo's shop
    #[command(name = "__demo-app", hide = true)]
    DemoApp {
        /// Where it listens
        #[arg(default_value = "127.0.0.1:0")]
        address: SocketAddr,
        /// End when stdin does
        #[arg(long)]
        until_stdin_ends: bool,
    },
    /// The demo's agent
    #[command(name = "__demo-agent", hide = true)]
    DemoAgent,
}

/// Plays the whole story over real HTTP: grant, exchange, call, overstep, revoke, replay, audit
///
/// Starts the service, a shop and an agent as programs of their own on free ports of this machine,
/// and lets a user of the shop grant, watch and take back. Every request and answer that is shown
/// was really sent and received. Without `--once` it then stays up until Ctrl-C and leads you through
/// the same by hand: the shop's page, the consent page, and the agent's first call, when you paste
/// its message. With `--json` it ends after the story and prints the transcript, whose form is in
/// `docs/demo.md`. Nothing is left behind, and no network is needed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  agentadmit demo
  agentadmit demo --once --json

Exits 0 only if every step behaved as documented. NO_COLOR=1 turns colours off.")]
pub(crate) struct Demo {
    /// End after the story instead of staying up
    #[arg(long)]
    pub(crate) once: bool,
}

/// A file that this program prints and the repository keeps.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Generated {
    /// `contract/openapi.json`
    Openapi,
    /// `contract/error-codes.json`
    ErrorCodes,
    /// `docs/cli.md`
    CliReference,
    /// `docs/demo-transcript.json`
    DemoTranscript,
    /// `contract/agentadmit.schema.json`
    ConfigurationSchema,
    /// `docs/configuration.md`
    Configuration,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_says_what_it_is_for() {
        fn check(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path}: {} has no help", argument.get_id());
            }
            for inner in command.get_subcommands() {
                let path = format!("{path} {}", inner.get_name());
                assert!(inner.get_about().is_some(), "{path} has no about");
                let is_leaf = inner.get_subcommands().next().is_none();
                let example = inner.get_after_long_help().map(ToString::to_string);
                let has_example = example.is_some_and(|text| text.contains("agentadmit "));
                assert!(!is_leaf || inner.is_hide_set() || has_example, "{path} has no example");
                check(inner, &path);
            }
        }
        check(&Cli::command(), "agentadmit");
    }
}
