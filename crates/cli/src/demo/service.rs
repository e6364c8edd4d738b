//! The demo's service: `serve` on a temporary store, and the operator's part of the story.

use std::path::Path;

use agentadmit_protocol::secret::{Secret, SecretKind};
use http::Method;
use serde_json::Value;
use url::Url;

use super::process::{Process, this_binary};
use crate::exit::Failure;
use crate::http_client::{self, HttpClient};
use crate::storage;

/// The running service, and what an operator made on it.
pub(super) struct Service {
    pub(super) process: Process,
    pub(super) url: Url,
    operator_token: Secret,
    client: HttpClient,
}

/// A registered app.
pub(super) struct Registered {
    pub(super) app_id: String,
    pub(super) api_key: String,
}

impl Service {
    /// Starts `serve` on a store in `folder`, on a free port.
    pub(super) async fn start(folder: &Path) -> Result<Self, Failure> {
        let operator_token = Secret::mint(SecretKind::OperatorToken, storage::seed()?);
        let mut command = this_binary()?;
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(format!("sqlite:{}", folder.join("store.db").display()))
            .env("AGENTADMIT_OPERATOR_TOKEN", operator_token.expose());
        let mut process = Process::start(command)?;
        let address = process.ready().await?;
        let url = Url::parse(&address).map_err(|error| Failure::could_not(error.to_string()))?;
        Ok(Self { process, url, operator_token, client: HttpClient::default() })
    }

    /// A request in the operator's name.
    pub(super) async fn as_operator(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Value), Failure> {
        self.send(method, path, self.operator_token.expose(), Some(body)).await
    }

    /// Where the dashboard is and a code to sign in there with, if this service has one.
    pub(super) async fn dashboard(&self) -> Result<Option<(String, String)>, Failure> {
        let path = "/v1/operator/sign-in-codes";
        let token = self.operator_token.expose();
        let (status, made) = self.send(Method::POST, path, token, None).await?;
        let text = |name: &str| made.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(text("dashboard_url").zip(text("code")).filter(|_| status == 201))
    }

    /// A request in the app's name.
    pub(super) async fn as_app(
        &self,
        app: &Registered,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Failure> {
        self.send(method, path, &app.api_key, body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Failure> {
        let could_not = |cause: String| Failure::could_not(cause);
        let url = self.url.join(path).map_err(|error| could_not(error.to_string()))?;
        let answer = self.client.send(method, &url, Some(bearer), body).await;
        let answer = answer.map_err(|error| could_not(error.to_string()))?;
        let (status, body) = http_client::json(answer).await.map_err(could_not)?;
        Ok((status.as_u16(), body))
    }
}
