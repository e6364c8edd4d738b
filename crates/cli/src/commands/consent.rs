//! `agentadmit consent-sessions`.

use serde_json::json;

use super::{object, text, words};
use crate::args::{ConsentSessionsCommand, NewSession};
use crate::client::{Request, Side, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, card};

const SESSION: &[(&str, &str)] =
    &[("session", "session_id"), ("address", "session_url"), ("until", "expires_at")];

pub(super) async fn run(
    at: &Transport,
    command: ConsentSessionsCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let ConsentSessionsCommand::Create(new) = command;
    if at.side() != Side::App {
        return Err(Failure::usage(
            "an app asks its users, no operator: set AGENTADMIT_API_KEY and --service, and no \
             operator token",
        ));
    }
    let answer = at.call(request(&new)).await?;
    output.result(&answer, |answer| card(answer, SESSION))?;
    Ok(Exit::Done)
}

fn request(new: &NewSession) -> Request {
    let body = object([
        ("user_id", text(new.user.as_ref())),
        ("user_label", text(new.user_label.as_ref())),
        ("scopes", words(&new.scope)),
        ("preselected", words(&new.preselect)),
        ("connection_id", text(new.connection)),
        ("add_scopes", words(&new.add_scope)),
        ("duration_seconds", new.duration_seconds.map(|seconds| json!(seconds))),
        ("purpose", text(new.purpose.as_ref())),
        ("return_url", text(new.return_url.as_ref())),
        ("locale", text(new.locale.as_ref())),
    ]);
    Request::post(format!("/v1/apps/{}/consent-sessions", new.app), body)
}
