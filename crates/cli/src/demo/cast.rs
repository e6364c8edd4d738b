//! Who plays in the story: the service, the shop, the agent, and a user with a browser.

use std::fs;
use std::path::{Path, PathBuf};

use agentadmit::config::FILE_NAME;
use agentadmit_protocol::scope::Scope;
use agentadmit_store::{Clock as _, SystemClock};
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use url::Url;

use super::process::{Process, this_binary};
use super::service::{Registered, Service};
use super::transcript::Party;
use crate::exit::Failure;
use crate::http_client::{self, HttpClient};

/// What was sent and what came of it: the `request` and the `answer` of a step.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) request: Value,
    pub(super) answer: Value,
}

impl Exchange {
    /// A request with its answer, as far as a transcript shows them.
    pub(super) fn http(
        method: &Method,
        path: &str,
        body: Option<&Value>,
        (status, answer): (u16, &Value),
    ) -> Self {
        Self {
            request: json!({"method": method.as_str(), "path": path, "body": body}),
            answer: json!({"status": status, "body": answer}),
        }
    }

    /// The body that came.
    pub(super) fn body(&self) -> &Value {
        self.answer.get("body").unwrap_or(&Value::Null)
    }
}

/// The processes of the story.
pub(super) struct Cast {
    pub(super) service: Service,
    folder: PathBuf,
    shop: Option<(Process, Url)>,
}

impl Cast {
    /// Starts the service; the others come when their turn is.
    pub(super) async fn start(folder: &Path) -> Result<Self, Failure> {
        let service = Service::start(folder).await?;
        // it listens where there is room, which no file knows before
        let lines = axum_shop::CONFIGURATION.lines();
        let kept: Vec<&str> = lines.filter(|line| !line.starts_with("public_url:")).collect();
        fs::write(folder.join(FILE_NAME), kept.join("\n"))
            .map_err(|error| Failure::could_not(error.to_string()))?;
        Ok(Self { service, folder: folder.to_owned(), shop: None })
    }

    /// A command that the shop's people type, in the shop's folder and under its key.
    pub(super) fn as_shop(&self, shop: &Registered) -> Result<tokio::process::Command, Failure> {
        let mut command = this_binary()?;
        command
            .env("AGENTADMIT_SERVICE_URL", self.service.url.as_str())
            .env("AGENTADMIT_APP_ID", &shop.app_id)
            .env("AGENTADMIT_API_KEY", &shop.api_key)
            .current_dir(&self.folder);
        Ok(command)
    }

    /// The scopes of the shop's `agentadmit.yaml`.
    pub(super) fn scopes(&self, shop: &Registered) -> Result<Vec<Scope>, Failure> {
        let environment = |name: &str| match name {
            "AGENTADMIT_SERVICE_URL" => Some(self.service.url.to_string()),
            "AGENTADMIT_APP_ID" => Some(shop.app_id.clone()),
            _ => None,
        };
        let read = agentadmit::config::load(Some(&self.folder.join(FILE_NAME)), &environment);
        let settings = read.into_settings();
        settings.map(|settings| settings.scopes).map_err(|error| Failure::usage(error.to_string()))
    }

    /// Starts the shop.
    pub(super) async fn open_shop(&mut self, shop: &Registered) -> Result<Party, Failure> {
        let mut command = self.as_shop(shop)?;
        command.args(["__demo-app", "127.0.0.1:0", "--until-stdin-ends"]);
        let mut process = Process::start(command)?;
        let address = process.ready().await?;
        let url = Url::parse(&address).map_err(|error| Failure::could_not(error.to_string()))?;
        let party = party("shop", &process, Some(&url));
        self.shop = Some((process, url));
        Ok(party)
    }

    /// Lets users of the consent page come back to the shop.
    pub(super) async fn lead_back(&self, shop: &Registered) -> Result<(), Failure> {
        let path = format!("/v1/operator/apps/{}", shop.app_id);
        let body = json!({"settings": {"redirect_uris": [self.shop_url()?.as_str()]}});
        let (status, said) = self.service.as_operator(Method::PATCH, &path, &body).await?;
        if status == 200 {
            return Ok(());
        }
        Err(Failure::could_not(format!("the shop's address was not registered: {said}")))
    }

    /// The service as a party of the story.
    pub(super) fn service_party(&self) -> Party {
        party("service", &self.service.process, Some(&self.service.url))
    }

    /// Where the shop is.
    pub(super) fn shop_url(&self) -> Result<Url, Failure> {
        let shop = self.shop.as_ref().map(|(_, url)| url.clone());
        shop.ok_or_else(|| Failure::could_not("the shop is not open"))
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

fn party(name: &'static str, process: &Process, url: Option<&Url>) -> Party {
    Party { name, address: url.map(origin), process: process.id() }
}

/// An address as people write it.
pub(super) fn origin(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// The agent, as whoever gives it words sees it.
pub(super) struct Agent {
    _process: Process,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Agent {
    /// Starts the agent with what its human gives it.
    pub(super) async fn start(address: &Url, token: &str) -> Result<(Self, Party), Failure> {
        let mut command = this_binary()?;
        command.arg("__demo-agent");
        let mut process = Process::start(command)?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::could_not("the agent has no stdin and stdout"));
        };
        let party = party("agent", &process, None);
        let mut agent = Self { _process: process, stdin, answers: BufReader::new(stdout).lines() };
        agent.say(&json!({"address": origin(address), "token": token}).to_string()).await?;
        Ok((agent, party))
    }

    /// Gives it a word; says what it sent for that, and what came.
    pub(super) async fn act(&mut self, word: &str) -> Result<Exchange, Failure> {
        self.say(word).await?;
        let line = self.answers.next_line().await.map_err(gone)?.unwrap_or_default();
        let said: Value = serde_json::from_str(&line)
            .map_err(|error| Failure::could_not(format!("the agent said nothing: {error}")))?;
        if let Some(why) = said.get("failed") {
            return Err(Failure::could_not(format!("the agent failed at `{word}`: {why}")));
        }
        let part = |name: &str| said.get(name).cloned().unwrap_or_default();
        Ok(Exchange { request: part("request"), answer: part("answer") })
    }

    async fn say(&mut self, line: &str) -> Result<(), Failure> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.map_err(gone)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn gone(error: std::io::Error) -> Failure {
    Failure::could_not(format!("the agent is gone: {error}"))
}

/// A user's browser: it keeps the shop's cookie, and says where its pages are from.
pub(super) struct Browser {
    shop: Url,
    cookie: Option<String>,
    client: HttpClient,
}

impl Browser {
    pub(super) fn new(shop: Url) -> Self {
        Self { shop, cookie: None, client: HttpClient::default() }
    }

    /// Sends what a page's script sends: JSON, with the cookie.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Exchange, Failure> {
        let answer = self.ask(&method, path, "application/json", body.to_string()).await?;
        let status = answer.status().as_u16();
        let (_, said) = http_client::json(answer).await.map_err(Failure::could_not)?;
        Ok(Exchange::http(&method, path, Some(body), (status, &said)))
    }

    /// Sends the log-in form and keeps the cookie that comes back.
    pub(super) async fn sign_in(
        &mut self,
        login: &str,
        password: &str,
    ) -> Result<Exchange, Failure> {
        let form = format!("login={login}&password={password}");
        let kind = "application/x-www-form-urlencoded";
        let answer = self.ask(&Method::POST, "/login", kind, form).await?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let (session, rest) = header(SET_COOKIE).and_then(|cookie| cookie.split_once(';')).unzip();
        self.cookie = session.map(str::to_owned);
        let cookie = rest.map(|rest| format!("session=…;{rest}"));
        let request = json!({
            "method": "POST", "path": "/login", "body": format!("login={login}&password=…"),
        });
        let headers = json!({"location": header(LOCATION), "set-cookie": cookie});
        let answer = json!({"status": answer.status().as_u16(), "headers": headers});
        Ok(Exchange { request, answer })
    }

    async fn ask(
        &self,
        method: &Method,
        path: &str,
        kind: &str,
        body: String,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(ORIGIN, origin(&self.shop))
            .header(CONTENT_TYPE, kind);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request
            .body(Full::new(body.into()))
            .map_err(|error| Failure::could_not(error.to_string()))?;
        let answer = self.client.request(&self.shop, request).await;
        answer.map_err(|error| Failure::could_not(error.to_string()))
    }
}

/// Reads how long things take.
#[derive(Clone, Copy)]
pub(super) struct Stopwatch(SystemClock);

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self(SystemClock::new())
    }

    /// Milliseconds since it was made.
    #[expect(clippy::cast_precision_loss, reason = "a story is shorter than 100 days")]
    pub(super) fn ms(self) -> f64 {
        self.0.read().monotonic_ns as f64 / 1e6
    }

    /// The minute that the wall clock is in: within one, the log is the same each time.
    pub(super) fn minute(self) -> i64 {
        self.0.read().wall.as_millis() / 60_000
    }
}
