//! The commands about developers of apps: accounts, members, links.

use agentadmit_protocol::account::Role;
use agentadmit_protocol::id::{AccountId, AppId, InviteId};
use clap::{Args, Subcommand};

use super::{Page, Target, Yes};

/// Lets developers of apps in, and shuts them out
///
/// A developer has an account of the dashboard and sees the own apps alone. New accounts are made where
/// `serve --sign-up` lets them be made.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Developer {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: DeveloperCommand,
}

/// How long a link is good.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Seconds {
    /// How long the link is good: 60 to 2592000 [default: 259200]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(60..=2_592_000))]
    pub(crate) seconds: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeveloperCommand {
    /// Lists developers' accounts, oldest first
    #[command(after_long_help = "\
Example:
  agentadmit developer list --store sqlite:store.db")]
    List(Page),
    /// Makes a link to a new account and prints it, this once
    #[command(after_long_help = "\
Example:
  agentadmit developer invite --service https://auth.example.com --operator-token-file token")]
    Invite(Seconds),
    /// Lists the links to accounts that wait to be used, never their codes
    #[command(after_long_help = "\
Example:
  agentadmit developer invites --store sqlite:store.db")]
    Invites,
    /// Takes a link to an account back
    #[command(after_long_help = "\
Example:
  agentadmit developer revoke-invite inv_… --store sqlite:store.db")]
    RevokeInvite {
        /// Which link
        invite_id: InviteId,
    },
    /// Makes a link that signs a developer in and prints it, this once
    ///
    /// For one who has no passkey, or lost it.
    #[command(after_long_help = "\
Example:
  agentadmit developer sign-in-link acct_… --service https://auth.example.com \\
      --operator-token-file token")]
    SignInLink {
        /// Whom it signs in
        account_id: AccountId,
        /// How long the link is good: 60 to 86400 [default: 3600]
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(60..=86_400))]
        seconds: Option<u32>,
    },
    /// Suspends an account: nobody gets in with it when the answer is there
    #[command(after_long_help = "\
Example:
  agentadmit developer suspend acct_… --store sqlite:store.db")]
    Suspend {
        /// Which account
        account_id: AccountId,
    },
    /// Lets a suspended account in again
    #[command(after_long_help = "\
Example:
  agentadmit developer resume acct_… --store sqlite:store.db")]
    Resume {
        /// Which account
        account_id: AccountId,
    },
    /// Deletes an account for good; its apps stay
    #[command(after_long_help = "\
Example:
  agentadmit developer delete acct_… --yes --store sqlite:store.db")]
    Delete {
        /// Which account
        account_id: AccountId,
        #[command(flatten)]
        sure: Yes,
    },
}

/// Who else may do something with an app.
#[derive(Debug, Subcommand)]
pub(crate) enum MembersCommand {
    /// Lists an app's members: developers, and what each may do
    #[command(after_long_help = "\
Example:
  agentadmit apps members app_… --store sqlite:store.db")]
    Members {
        /// Which app
        app_id: AppId,
    },
    /// Gives a member another role
    #[command(after_long_help = "\
Example:
  agentadmit apps set-role app_… acct_… --role viewer --store sqlite:store.db")]
    SetRole {
        /// Which app
        app_id: AppId,
        /// Whose
        account_id: AccountId,
        /// What the member may do: `owner`, or `viewer` to look and change nothing
        #[arg(long, value_name = "ROLE")]
        role: Role,
    },
    /// Ends a membership
    #[command(after_long_help = "\
Example:
  agentadmit apps remove-member app_… acct_… --store sqlite:store.db")]
    RemoveMember {
        /// Which app
        app_id: AppId,
        /// Whose
        account_id: AccountId,
    },
    /// Makes a link to membership of an app and prints it, this once
    #[command(after_long_help = "\
Example:
  agentadmit apps invite app_… --role owner --service https://auth.example.com \\
      --operator-token-file token")]
    Invite {
        /// Which app
        app_id: AppId,
        /// What whoever uses it may do: `owner`, or `viewer` to look and change nothing
        #[arg(long, value_name = "ROLE")]
        role: Role,
        #[command(flatten)]
        seconds: Seconds,
    },
    /// Lists the links to an app that wait to be used, never their codes
    #[command(after_long_help = "\
Example:
  agentadmit apps invites app_… --store sqlite:store.db")]
    Invites {
        /// Which app
        app_id: AppId,
    },
    /// Takes a link to an app back
    #[command(after_long_help = "\
Example:
  agentadmit apps revoke-invite app_… inv_… --store sqlite:store.db")]
    RevokeInvite {
        /// Which app
        app_id: AppId,
        /// Which link
        invite_id: InviteId,
    },
}
