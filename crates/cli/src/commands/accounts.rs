//! `agentadmit developer`, and what `agentadmit apps` does about members.

use serde_json::{Value, json};

use super::apps::{APPS, must_be_sure};
use super::{more, object};
use crate::args::{DeveloperCommand, MembersCommand};
use crate::client::{Request, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, card, table};

const ACCOUNTS: &str = "/v1/operator/accounts";
const COLUMNS: &[(&str, &str)] = &[
    ("ACCOUNT", "account_id"),
    ("NAME", "label"),
    ("CREATED", "created_at"),
    ("SUSPENDED", "suspended_at"),
    ("DELETED", "deleted_at"),
    ("APPS", "apps"),
];
const ACCOUNT: &[(&str, &str)] = &[
    ("account", "account_id"),
    ("name", "label"),
    ("created", "created_at"),
    ("suspended", "suspended_at"),
    ("apps", "apps"),
];
const DELETED: &[(&str, &str)] =
    &[("account", "account_id"), ("status", "status"), ("at", "deleted_at")];
const MEMBER_COLUMNS: &[(&str, &str)] =
    &[("ACCOUNT", "account_id"), ("NAME", "label"), ("ROLE", "role"), ("SINCE", "joined_at")];
const MEMBER: &[(&str, &str)] =
    &[("account", "account_id"), ("name", "label"), ("role", "role"), ("since", "joined_at")];
const REMOVED: &[(&str, &str)] =
    &[("app", "app_id"), ("account", "account_id"), ("status", "status")];
const LINK_COLUMNS: &[(&str, &str)] = &[
    ("LINK", "invite_id"),
    ("KIND", "kind"),
    ("ROLE", "role"),
    ("ACCOUNT", "account_id"),
    ("BY", "by"),
    ("GOOD UNTIL", "expires_at"),
];
const LINK: &[(&str, &str)] =
    &[("link", "url"), ("code", "code"), ("id", "invite_id"), ("good until", "expires_at")];
const TAKEN_BACK: &[(&str, &str)] = &[("id", "invite_id"), ("status", "status")];

pub(super) async fn run(
    at: &Transport,
    command: DeveloperCommand,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        DeveloperCommand::List(page) => {
            let request = Request::get(ACCOUNTS)
                .with("limit", page.limit.as_ref())
                .with("cursor", page.cursor.as_ref());
            let answer = at.call(request).await?;
            output.result(&answer, |answer| table(&answer["accounts"], COLUMNS))?;
            more(output, &answer);
        }
        DeveloperCommand::Invite(good) => {
            link(at, format!("{ACCOUNTS}/invites"), within(good.seconds), output).await?;
        }
        DeveloperCommand::Invites => links(at, format!("{ACCOUNTS}/invites"), output).await?,
        DeveloperCommand::RevokeInvite { invite_id } => {
            take_back(at, format!("{ACCOUNTS}/invites/{invite_id}"), output).await?;
        }
        DeveloperCommand::SignInLink { account_id, seconds } => {
            let path = format!("{ACCOUNTS}/{account_id}/sign-in-link");
            link(at, path, within(seconds), output).await?;
        }
        DeveloperCommand::Suspend { account_id } => {
            let request = Request::post_nothing(format!("{ACCOUNTS}/{account_id}/suspend"));
            let answer = at.call(request).await?;
            output.result(&answer, |answer| card(answer, ACCOUNT))?;
        }
        DeveloperCommand::Resume { account_id } => {
            let request = Request::post_nothing(format!("{ACCOUNTS}/{account_id}/resume"));
            let answer = at.call(request).await?;
            output.result(&answer, |answer| card(answer, ACCOUNT))?;
        }
        DeveloperCommand::Delete { account_id, sure } => {
            must_be_sure(sure, "deleting an account shuts its developer out for good")?;
            let answer = at.call(Request::delete(format!("{ACCOUNTS}/{account_id}"))).await?;
            output.result(&answer, |answer| card(answer, DELETED))?;
        }
    }
    Ok(Exit::Done)
}

pub(super) async fn members(
    at: &Transport,
    command: MembersCommand,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        MembersCommand::Members { app_id } => {
            let answer = at.call(Request::get(format!("{APPS}/{app_id}/members"))).await?;
            output.result(&answer, |answer| table(&answer["members"], MEMBER_COLUMNS))?;
        }
        MembersCommand::SetRole { app_id, account_id, role } => {
            let path = format!("{APPS}/{app_id}/members/{account_id}");
            let answer = at.call(Request::patch(path, json!({ "role": role }))).await?;
            output.result(&answer, |answer| card(answer, MEMBER))?;
        }
        MembersCommand::RemoveMember { app_id, account_id } => {
            let path = format!("{APPS}/{app_id}/members/{account_id}");
            let answer = at.call(Request::delete(path)).await?;
            output.result(&answer, |answer| card(answer, REMOVED))?;
        }
        MembersCommand::Invite { app_id, role, seconds } => {
            let seconds = seconds.seconds.map(Value::from);
            let body = object([("role", Some(json!(role))), ("seconds", seconds)]);
            link(at, format!("{APPS}/{app_id}/invites"), body, output).await?;
        }
        MembersCommand::Invites { app_id } => {
            links(at, format!("{APPS}/{app_id}/invites"), output).await?;
        }
        MembersCommand::RevokeInvite { app_id, invite_id } => {
            take_back(at, format!("{APPS}/{app_id}/invites/{invite_id}"), output).await?;
        }
    }
    Ok(Exit::Done)
}

fn within(seconds: Option<u32>) -> Value {
    object([("seconds", seconds.map(Value::from))])
}

async fn link(at: &Transport, path: String, body: Value, output: Output) -> Result<(), Failure> {
    let answer = at.call(Request::post(path, body)).await?;
    output.result(&answer, |answer| card(answer, LINK))?;
    output.hint("hand it over as you would a password: whoever has it can use it, once");
    if answer.get("url").is_none_or(Value::is_null) {
        output.hint("the link is the dashboard's address with /join# and the code behind it");
    }
    Ok(())
}

async fn links(at: &Transport, path: String, output: Output) -> Result<(), Failure> {
    let answer = at.call(Request::get(path)).await?;
    output.result(&answer, |answer| table(&answer["invites"], LINK_COLUMNS))
}

async fn take_back(at: &Transport, path: String, output: Output) -> Result<(), Failure> {
    let answer = at.call(Request::delete(path)).await?;
    output.result(&answer, |answer| card(answer, TAKEN_BACK))
}
