//! `agentadmit usage`.

use std::fmt::Write as _;

use agentadmit_protocol::environment::Environment;
use serde_json::Value;

use super::own_data_only;
use crate::args::Usage;
use crate::client::{Request, Side, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, card, table};

const PLAN: &[(&str, &str)] = &[
    ("plan", "name"),
    ("status", "status"),
    ("period from", "period_start"),
    ("period to", "period_end"),
    ("calls used", "calls_used"),
    ("call limit", "call_limit"),
    ("calls remaining", "calls_remaining"),
    ("calls over the limit", "overage_calls"),
];
const TOTALS: &[(&str, &str)] = &[
    ("app", "app_id"),
    ("environment", "environment"),
    ("active connections", "active_connections"),
    ("connections", "total_connections"),
];

pub(super) async fn run(at: &Transport, usage: Usage, output: Output) -> Result<Exit, Failure> {
    own_data_only(at, usage.app.is_some() || usage.environment.is_some())?;
    let request = match (at.side(), usage.app) {
        (Side::App, _) => Request::get("/v1/usage"),
        (Side::Operator, Some(app)) => {
            let environment = usage.environment.unwrap_or(Environment::Live);
            Request::get(format!("/v1/operator/apps/{app}/usage"))
                .with("environment", Some(&environment))
        }
        (Side::Operator, None) => return Err(Failure::usage("say whose usage: --app APP_ID")),
    };
    let request = request.with("from", usage.from.as_ref()).with("to", usage.to.as_ref());
    let answer = at.call(request).await?;
    output.result(&answer, shown)?;
    Ok(Exit::Done)
}

fn shown(answer: &Value) -> String {
    let days = [("DAY", "day"), ("ALLOWED", "allowed"), ("REFUSED", "refused")];
    let labels = [("AGENT", "label"), ("CALLS", "calls")];
    let mut text = card(answer, TOTALS);
    text.push_str(&card(&answer["plan"], PLAN));
    // writing into a String cannot fail
    let _never = write!(text, "\n{}", table(&answer["breakdown"], &labels));
    let _never = write!(text, "\n{}", table(&answer["series"], &days));
    text
}
