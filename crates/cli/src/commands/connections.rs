//! `agentadmit connections`.

use serde_json::json;

use super::apps::must_be_sure;
use super::{more, object, own_data_only, text};
use crate::args::{ConnectionsCommand, Revoke};
use crate::client::{Request, Side, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, card, table};

const COLUMNS: &[(&str, &str)] = &[
    ("CONNECTION", "connection_id"),
    ("STATUS", "status"),
    ("USER", "user_id"),
    ("AGENT", "agent_label"),
    ("SCOPES", "scopes"),
    ("CALLS", "calls"),
    ("LAST USED", "last_used_at"),
    ("EXPIRES", "expires_at"),
];
const CONNECTION: &[(&str, &str)] = &[
    ("connection", "connection_id"),
    ("app", "app_id"),
    ("environment", "environment"),
    ("status", "status"),
    ("suspended", "suspended"),
    ("user", "user_id"),
    ("user label", "user_label"),
    ("agent", "agent_label"),
    ("scopes", "scopes"),
    ("purpose", "purpose"),
    ("user's intent", "user_intent"),
    ("created", "created_at"),
    ("exchanged", "exchanged_at"),
    ("last used", "last_used_at"),
    ("calls", "calls"),
    ("expires", "expires_at"),
    ("revoked", "revoked_at"),
    ("revoked by", "revoked_by"),
];
const REVOKED: &[(&str, &str)] = &[
    ("connection", "connection_id"),
    ("connections ended", "count"),
    ("in apps", "apps"),
    ("status", "status"),
    ("at", "revoked_at"),
];

pub(super) async fn run(
    at: &Transport,
    command: ConnectionsCommand,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        ConnectionsCommand::List { app, environment, user, status, page } => {
            own_data_only(at, app.is_some() || environment.is_some())?;
            let request = Request::get(connections(at))
                .with("app_id", app.as_ref())
                .with("environment", environment.as_ref())
                .with("user_id", user.as_ref())
                .with("status", status.as_ref())
                .with("limit", page.limit.as_ref())
                .with("cursor", page.cursor.as_ref());
            let answer = at.call(request).await?;
            output.result(&answer, |answer| table(&answer["connections"], COLUMNS))?;
            more(output, &answer);
        }
        ConnectionsCommand::Show { connection_id } => {
            let path = format!("{}/{connection_id}", connections(at));
            let answer = at.call(Request::get(path)).await?;
            output.result(&answer, |answer| card(answer, CONNECTION))?;
        }
        ConnectionsCommand::Revoke(revoke) => {
            let answer = at.call(revocation(at, revoke)?).await?;
            output.result(&answer, |answer| card(answer, REVOKED))?;
        }
        ConnectionsCommand::Resume { connection_id, app, all } => {
            let body = object([
                ("connection_id", text(connection_id)),
                ("app_id", text(app)),
                ("all", all.then_some(json!(true))),
            ]);
            let answer = at.call(Request::post("/v1/operator/connections/resume", body)).await?;
            let members = [("connections resumed", "count"), ("at", "resumed_at")];
            output.result(&answer, |answer| card(answer, &members))?;
        }
    }
    Ok(Exit::Done)
}

fn connections(at: &Transport) -> &'static str {
    match at.side() {
        Side::Operator => "/v1/operator/connections",
        Side::App => "/v1/connections",
    }
}

fn revocation(at: &Transport, revoke: Revoke) -> Result<Request, Failure> {
    let is_elsewhere = revoke.app.is_some() || revoke.environment.is_some() || revoke.all_apps;
    own_data_only(at, is_elsewhere)?;
    if revoke.all_apps {
        must_be_sure(revoke.sure, "this ends all connections of the user in all apps")?;
    }
    let everything_of_an_app = revoke.app.is_some() && revoke.user.is_none();
    if everything_of_an_app {
        must_be_sure(revoke.sure, "this ends all connections of the app")?;
    }
    let path = match at.side() {
        Side::Operator => "/v1/operator/connections/revoke",
        Side::App => "/v1/revoke",
    };
    if revoke.connection_id.is_none() && revoke.app.is_none() && revoke.user.is_none() {
        return Err(Failure::usage(
            "name a connection, or whose: --app APP_ID, with --user USER_ID for one user, or --user \
             USER_ID --all-apps",
        ));
    }
    let body = object([
        ("connection_id", text(revoke.connection_id)),
        ("app_id", text(revoke.app)),
        ("environment", text(revoke.environment)),
        ("user_id", text(revoke.user)),
        ("all_apps", revoke.all_apps.then_some(json!(true))),
        ("reason", text(revoke.reason)),
    ]);
    Ok(Request::post(path, body))
}
