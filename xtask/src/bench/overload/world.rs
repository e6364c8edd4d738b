//! Who asks: the app that floods, with connections that it may revoke; an operator; a second app.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(super) use crate::soak::make_operator;

use super::super::ask::{Asker, question, verify};

/// Credentials, and what they are good for.
pub(super) struct World {
    /// Verifies of the app that floods.
    pub(super) verify: String,
    /// Revocations of some of its connections.
    pub(super) revokes: Vec<String>,
    /// The operator's call, which writes.
    pub(super) operator: String,
    /// Verifies of the other app.
    pub(super) other_app: String,
}

impl World {
    pub(super) fn make(address: SocketAddr, filled: &Path, operator: &str) -> Result<Self> {
        let first_line = |name: &str| -> Result<String> {
            let text = fs::read_to_string(filled.join(name))?;
            Ok(text.lines().next().with_context(|| format!("{name} is empty"))?.to_owned())
        };
        let (api_key, access_token) = (first_line("api_key")?, first_line("tokens")?);
        let mut client = Asker::connect(address)?;
        let list = question("GET", "/v1/connections?limit=500", &api_key, None);
        let list: Value = serde_json::from_str(&client.ask(&list)?.expect_ok()?.body)?;
        let connections = list.get("connections").and_then(Value::as_array);
        let revokes = connections
            .context("a list of connections")?
            .iter()
            .map(|connection| {
                let body = json!({"connection_id": connection.get("connection_id")}).to_string();
                question("POST", "/v1/revoke", &api_key, Some(&body))
            })
            .collect();
        Ok(Self {
            verify: verify(&api_key, &access_token),
            revokes,
            operator: question("GET", "/v1/operator/health", operator.trim(), None),
            other_app: other_app(&mut client, operator.trim())?,
        })
    }
}

/// Makes a second app with one connection; its verify.
fn other_app(client: &mut Asker, operator: &str) -> Result<String> {
    let mut post = |path: &str, bearer: &str, body: &Value| -> Result<Value> {
        let answer = client.ask(&question("POST", path, bearer, Some(&body.to_string())))?;
        anyhow::ensure!(answer.status < 300, "{path} was answered {}", answer.body);
        Ok(serde_json::from_str(&answer.body)?)
    };
    let app = json!({
        "name": "Other",
        "scopes": [{"name": "orders:read", "description": "Read orders"}],
        "settings": {
            "rate_limit": {"per_key_per_second": null, "per_connection_per_second": null}
        },
    });
    let app = post("/v1/operator/apps", operator, &app)?;
    let app_id = text(&app, "app_id")?;
    let path = format!("/v1/operator/apps/{app_id}/api-keys");
    let key = post(&path, operator, &json!({"environment": "test"}))?;
    let key = text(&key, "api_key")?;
    let issue = json!({"user_id": "u1", "scopes": ["orders:read"]});
    let issued = post(&format!("/v1/apps/{app_id}/token"), key, &issue)?;
    let exchanged = post("/v1/token/exchange", key, &json!({"token": text(&issued, "token")?}))?;
    Ok(verify(key, text(&exchanged, "access_token")?))
}

fn text<'a>(answer: &'a Value, member: &str) -> Result<&'a str> {
    let found = answer.get(member).and_then(Value::as_str);
    found.with_context(|| format!("an answer without {member}"))
}
