//! `agentadmit ready`: whether a service can answer now, as a container's health check asks.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::args::Ready;
use crate::exit::{Exit, Failure};
use crate::http_client::{self, HttpClient};
use crate::output::{Output, cell};

pub(super) async fn run(args: &Ready, output: Output) -> Result<Exit, Failure> {
    let could_not = |error: http_client::ClientError| Failure::could_not(error.to_string());
    let url = args.service.join("/readyz").map_err(|error| Failure::usage(error.to_string()))?;
    let client = HttpClient::new(args.ca_file.as_deref()).map_err(could_not)?;
    let answer = client.send(Method::GET, &url, None, None).await.map_err(could_not)?;
    let (status, body) = http_client::json(answer).await.map_err(Failure::could_not)?;
    let checks = body.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
    if !matches!(status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE) || checks.is_empty() {
        let words = format!("{url} answers {status}, which is no answer of an AgentAdmit service");
        return Err(Failure::could_not(words));
    }
    let is_ready = status == StatusCode::OK;
    output.result(&json!({"ready": is_ready, "checks": checks}), |_| {
        let line = |check: &Value| {
            let detail = check.get("detail").and_then(Value::as_str).unwrap_or_default();
            let (name, status) = (cell(check, "name"), cell(check, "status"));
            let said = format!("{name:<10} {status:<7} {detail}");
            said.trim_end().to_owned()
        };
        checks.iter().map(line).collect::<Vec<String>>().join("\n")
    })?;
    Ok(if is_ready { Exit::Done } else { Exit::No })
}
