//! `agentadmit sync`: the catalogue of the file becomes that of the service.

use agentadmit::Client;
use agentadmit_protocol::api::scopes::{PutScopesAnswer, PutScopesRequest};
use agentadmit_protocol::scope::ScopeName;

use super::{failure, settings};
use crate::args;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Sends the scopes and says what changed.
///
/// # Errors
/// The configuration cannot be used, the service refused, or could not be asked.
pub(crate) async fn sync(args: args::Sync, output: Output) -> Result<Exit, Failure> {
    let settings = settings(&args.app)?;
    let needs = |what: &str, variable: &str| {
        let dev = "`agentadmit dev` makes one";
        Failure::usage(format!("there is no {what}: put it into {variable} ({dev})"))
    };
    if settings.app_id.is_none() {
        return Err(needs("app id", "app_id or AGENTADMIT_APP_ID"));
    }
    if settings.api_key.is_none() {
        return Err(needs("API key", "AGENTADMIT_API_KEY"));
    }
    let client = Client::new(&settings).map_err(|error| Failure::usage(error.0))?;
    let request = PutScopesRequest { scopes: settings.scopes.clone(), remove: args.remove };
    let answer = client.put_scopes(&request).await;
    if let Err(agentadmit::Error::Refused(refused)) = &answer
        && refused.status == 409
    {
        output
            .hint("`--remove NAME` takes a scope away from the connections that hold it, for good");
    }
    let answer = answer.map_err(failure)?;
    let value =
        serde_json::to_value(&answer).map_err(|error| Failure::could_not(error.to_string()))?;
    output.result(&value, |_| words(&answer))?;
    Ok(Exit::Done)
}

/// What changed, one line each.
pub(super) fn words(answer: &PutScopesAnswer) -> String {
    let mut lines = Vec::new();
    for (mark, names) in [("+", &answer.added), ("~", &answer.updated), ("-", &answer.removed)] {
        lines.extend(names.iter().map(|name: &ScopeName| format!("{mark} {name}")));
    }
    let count = answer.scopes.len();
    let scopes = if count == 1 { "scope" } else { "scopes" };
    let changed = if lines.is_empty() { ", nothing changed" } else { "" };
    lines.push(format!("{count} {scopes} in the {} environment{changed}", answer.environment));
    lines.join("\n")
}
