//! `agentadmit operator`.

use agentadmit_protocol::api::operator::OperatorAccess;
use serde_json::Value;

use super::{object, text};
use crate::args::OperatorCommand;
use crate::client::{Request, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, card, table};

const OPERATORS: &str = "/v1/operator/operators";
const COLUMNS: &[(&str, &str)] = &[
    ("OPERATOR", "operator_id"),
    ("NAME", "name"),
    ("ACCESS", "access"),
    ("CREATED", "created_at"),
    ("EXPIRES", "expires_at"),
    ("REVOKED", "revoked_at"),
];
const SESSION_COLUMNS: &[(&str, &str)] = &[
    ("SESSION", "session_id"),
    ("WHO", "label"),
    ("BEGAN", "created_at"),
    ("LAST USED", "last_used_at"),
    ("ENDS", "expires_at"),
];
const TOKEN: &[(&str, &str)] =
    &[("operator", "operator_id"), ("access", "access"), ("token", "operator_token")];

pub(super) async fn run(
    at: &Transport,
    command: OperatorCommand,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        OperatorCommand::Create { name, access, expires_at } => {
            create(at, name, access, expires_at, output).await?;
        }
        OperatorCommand::List => {
            let answer = at.call(Request::get(OPERATORS)).await?;
            let operators = |answer: &Value| table(&answer["operators"], COLUMNS);
            output.result(&answer, operators)?;
        }
        OperatorCommand::Rotate { operator_id } => {
            let path = format!("{OPERATORS}/{operator_id}/rotate");
            let answer = at.call(Request::post_nothing(path)).await?;
            output.result(&answer, |answer| card(answer, TOKEN))?;
            output.hint("keep the token now: it is shown this once; the one before is dead");
        }
        OperatorCommand::Revoke { operator_id } => {
            let answer = at.call(Request::delete(format!("{OPERATORS}/{operator_id}"))).await?;
            let columns = [("operator", "operator_id"), ("status", "status"), ("at", "revoked_at")];
            output.result(&answer, |answer| card(answer, &columns))?;
        }
        OperatorCommand::SignIn => {
            let answer = at.call(Request::post_nothing("/v1/operator/sign-in-codes")).await?;
            let rows = [("code", "code"), ("good until", "expires_at"), ("page", "dashboard_url")];
            output.result(&answer, |answer| card(answer, &rows))?;
            output.hint("type the code on the dashboard's page: it is shown this once");
        }
        OperatorCommand::Sessions => {
            let answer = at.call(Request::get("/v1/operator/sessions")).await?;
            let sessions = |answer: &Value| table(&answer["sessions"], SESSION_COLUMNS);
            output.result(&answer, sessions)?;
        }
        OperatorCommand::EndSession { session_id } => {
            let path = format!("/v1/operator/sessions/{session_id}");
            let answer = at.call(Request::delete(path)).await?;
            let columns = [("session", "session_id"), ("status", "status"), ("at", "ended_at")];
            output.result(&answer, |answer| card(answer, &columns))?;
        }
    }
    Ok(Exit::Done)
}

async fn create(
    at: &Transport,
    name: Option<String>,
    access: OperatorAccess,
    expires_at: Option<String>,
    output: Output,
) -> Result<(), Failure> {
    let body = object([
        ("name", text(name)),
        ("access", text(Some(access))),
        ("expires_at", text(expires_at)),
    ]);
    let answer = at.call(Request::post(OPERATORS, body)).await?;
    output.result(&answer, |answer| card(answer, TOKEN))?;
    output.hint("keep the token now: it is shown this once");
    Ok(())
}
