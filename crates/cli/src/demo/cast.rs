//! Who plays in the story: the service, the shop, the agent, and a user with a browser.

use std::path::Path;

use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use url::Url;

use super::process::{Process, this_binary};
use super::service::{Registered, Service};
use crate::exit::Failure;
use crate::http_client::{self, HttpClient};

/// The processes of the story.
pub(super) struct Cast {
    pub(super) service: Service,
    shop: Option<(Process, Url)>,
    agent_id: Option<u32>,
}

impl Cast {
    /// Starts the service; the others come when their turn is.
    pub(super) async fn start(folder: &Path) -> Result<Self, Failure> {
        Ok(Self { service: Service::start(folder).await?, shop: None, agent_id: None })
    }

    /// Starts the shop with its key.
    pub(super) async fn open_shop(&mut self, shop: &Registered) -> Result<(), Failure> {
        let mut command = this_binary()?;
        command
            .arg("__demo-app")
            .env("AGENTADMIT_SERVICE_URL", self.service.url.as_str())
            .env("AGENTADMIT_APP_ID", &shop.app_id)
            .env("AGENTADMIT_API_KEY", &shop.api_key);
        let mut process = Process::start(command)?;
        let address = process.ready().await?;
        let url = Url::parse(&address).map_err(|error| Failure::could_not(error.to_string()))?;
        self.shop = Some((process, url));
        Ok(())
    }

    /// Starts the agent, which knows nothing yet.
    pub(super) fn agent(&mut self) -> Result<Agent, Failure> {
        let mut command = this_binary()?;
        command.arg("__demo-agent");
        let mut process = Process::start(command)?;
        self.agent_id = Some(process.id());
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::could_not("the agent has no stdin and stdout"));
        };
        Ok(Agent { _process: process, stdin, answers: BufReader::new(stdout).lines() })
    }

    /// Where the shop is.
    pub(super) fn shop_url(&self) -> Result<Url, Failure> {
        let shop = self.shop.as_ref().map(|(_, url)| url.clone());
        shop.ok_or_else(|| Failure::could_not("the shop is not open"))
    }

    /// Where the shop is, as people write it.
    pub(super) fn shop_address(&self) -> Result<String, Failure> {
        Ok(self.shop_url()?.as_str().trim_end_matches('/').to_owned())
    }

    /// Who runs where.
    pub(super) fn addresses(&self) -> Vec<String> {
        let service = (&self.service.process, &self.service.url);
        let shop = self.shop.as_ref().map(|(process, url)| (process, url));
        [("service", Some(service)), ("shop", shop)]
            .into_iter()
            .filter_map(|(name, running)| running.map(|running| (name, running)))
            .map(|(name, (process, url))| {
                let address = url.as_str().trim_end_matches('/');
                format!("{name:<8} {address}  (process {})", process.id())
            })
            .collect()
    }

    /// Waits until the service or the shop ends, which they should not, and says so.
    pub(super) async fn somebody_ends(&mut self) -> String {
        let Some((shop, _)) = &mut self.shop else { return "there is no shop".to_owned() };
        tokio::select! {
            status = self.service.process.ended() => {
                format!("the service ended ({status}):\n{}", self.service.process.log())
            }
            status = shop.ended() => format!("the shop ended ({status}):\n{}", shop.log()),
        }
    }
}

/// The agent, as whoever tells it what to do sees it.
pub(super) struct Agent {
    _process: Process,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Agent {
    /// Tells it to do something; says what it got for an answer.
    pub(super) async fn act(&mut self, order: &Value) -> Result<(u16, Value), Failure> {
        let gone =
            |error: std::io::Error| Failure::could_not(format!("the agent is gone: {error}"));
        self.stdin.write_all(format!("{order}\n").as_bytes()).await.map_err(gone)?;
        let line = self.answers.next_line().await.map_err(gone)?.unwrap_or_default();
        let said: Value = serde_json::from_str(&line)
            .map_err(|error| Failure::could_not(format!("the agent said nothing: {error}")))?;
        if let Some(why) = said.get("failed") {
            return Err(Failure::could_not(format!("the agent failed: {why}")));
        }
        let status = said.get("status").and_then(Value::as_u64).unwrap_or_default();
        let body = said.get("body").cloned().unwrap_or_default();
        Ok((u16::try_from(status).unwrap_or_default(), body))
    }

    /// Tells it to call the shop with what it has.
    pub(super) async fn call(
        &mut self,
        method: &str,
        path: &str,
        body: Value,
    ) -> Result<(u16, Value), Failure> {
        self.act(&json!({"do": "call", "method": method, "path": path, "body": body})).await
    }
}

/// A user's browser: it keeps the shop's cookie.
pub(super) struct Browser {
    shop: Url,
    cookie: Option<String>,
    client: HttpClient,
}

impl Browser {
    pub(super) fn new(shop: Url) -> Self {
        Self { shop, cookie: None, client: HttpClient::default() }
    }

    /// Sends a request with the cookie, if there is one.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Failure> {
        let (status, _, body) = self.exchange(method, path, body).await?;
        Ok((status, body))
    }

    /// Signs in: sends the form and keeps the cookie that comes back.
    pub(super) async fn sign_in(&mut self, form: &Value) -> Result<(u16, Value), Failure> {
        let (status, cookie, body) = self.exchange(Method::POST, "/login", Some(form)).await?;
        self.cookie = cookie.or_else(|| self.cookie.take());
        Ok((status, body))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Option<String>, Value), Failure> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(Full::new(body.into()))
            .map_err(|error| Failure::could_not(error.to_string()))?;
        let answer = self.client.request(&self.shop, request).await;
        let answer = answer.map_err(|error| Failure::could_not(error.to_string()))?;
        let cookie = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|value| value.split(';').next()).map(str::to_owned);
        let (status, body) = http_client::json(answer).await.map_err(Failure::could_not)?;
        Ok((status.as_u16(), cookie, body))
    }
}
