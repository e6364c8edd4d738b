//! `agentadmit plan`.

use serde_json::{Value, json};

use super::text;
use crate::args::PlanCommand;
use crate::client::{Request, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, card};

const PLAN: &[(&str, &str)] = &[
    ("name", "name"),
    ("status", "status"),
    ("call limit", "call_limit"),
    ("period", "period"),
    ("at the limit", "on_limit"),
    ("billing", "billing_url"),
];

pub(super) async fn run(
    at: &Transport,
    command: PlanCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let PlanCommand::Put(plan) = command;
    let body = json!({
        "name": plan.name,
        "status": plan.status,
        "call_limit": plan.call_limit,
        "period": "month",
        "on_limit": plan.on_limit,
        "billing_url": text(plan.billing_url).unwrap_or(Value::Null),
    });
    let path = format!("/v1/operator/apps/{}/plan", plan.app);
    let answer = at.call(Request::put(path, body)).await?;
    output.result(&answer, |answer| card(answer, PLAN))?;
    Ok(Exit::Done)
}
