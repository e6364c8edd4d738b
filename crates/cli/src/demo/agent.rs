//! The demo's agent: a program that knows an address and a token, and nothing else. It imports
//! nothing of AgentAdmit and nothing of this program (a test holds it to that); all it does is
//! HTTP, WebSocket and JSON. Where things are, what they are called and what it may do, it reads in
//! the document that the address offers.
//!
//! The first line on stdin is what its human gives it: `{"address": "http://…", "token": "…"}`.
//! Each further line is a word of [`Agent::act`]; it does that, and says on stdout what it sent and
//! what came of it: `{"request": {…}, "answer": {…}}`.

use std::io::{Write as _, stdin, stdout};
use std::net::TcpStream as BlockingStream;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where an address says what it offers to agents.
const DOCUMENT: &str = "/.well-known/agentadmit";
/// How long the agent waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what stdin says until it ends. One thing at a time: waiting for the next line may block.
pub(super) async fn run() -> Outcome<()> {
    let mut lines = stdin().lines();
    let Some(given) = lines.next() else { return Ok(()) };
    let given: Value = serde_json::from_str(&given?)?;
    let mut agent = Agent {
        address: text(&given, "address").trim_start_matches("http://").to_owned(),
        connection_token: text(&given, "token").to_owned(),
        ..Agent::default()
    };
    for word in lines {
        let said = agent.act(&word?).await.unwrap_or_else(|why| json!({"failed": why.to_string()}));
        let mut out = stdout();
        writeln!(out, "{said}")?;
        out.flush()?;
    }
    Ok(())
}

/// What an agent knows.
#[derive(Default)]
struct Agent {
    /// Where its human sent it: `host:port`.
    address: String,
    /// What its human gave it.
    connection_token: String,
    /// What it got for that; it shows it to nobody but the address.
    access_token: Option<String>,
    /// What that allows.
    scopes: Vec<Value>,
    /// What the address offers, in its own words.
    document: Value,
    /// The last data that it read.
    read: Value,
    /// A conversation that is open.
    socket: Option<WebSocket<BlockingStream>>,
}

impl Agent {
    async fn act(&mut self, word: &str) -> Outcome<Value> {
        match word {
            "discover" => self.discover().await,
            "exchange" => self.exchange().await,
            "read" => self.read().await,
            "overstep" => self.overstep().await,
            "grant-yourself" => self.grant_itself().await,
            "listen" => self.listen(),
            "ask" => self.ask(),
            other => Err(format!("I do not know how to {other}").into()),
        }
    }

    /// Reads what the address offers.
    async fn discover(&mut self) -> Outcome<Value> {
        let (said, document) = self.send(Method::GET, DOCUMENT, None).await?;
        self.document = document;
        Ok(said)
    }

    /// Exchanges the token, or tries to once more.
    async fn exchange(&mut self) -> Outcome<Value> {
        let path = self.path_of(text(&self.document, "token_exchange_endpoint"))?;
        let body = json!({"token": self.connection_token, "agent_label": "Demo agent"});
        let (mut said, answer) = self.send(Method::POST, &path, Some(&body)).await?;
        if let Some(token) = answer.get("access_token").and_then(Value::as_str) {
            self.access_token = Some(token.to_owned());
            self.scopes =
                answer.get("scopes").and_then(Value::as_array).cloned().unwrap_or_default();
            if let Some(shown) = said.pointer_mut("/answer/body/access_token") {
                *shown = json!("ag_at_…");
            }
        }
        Ok(said)
    }

    /// Reads what it may read.
    async fn read(&mut self) -> Outcome<Value> {
        let route = self.route(|agent, route| {
            // what stands in braces would have to be known
            let is_plain = text(route, "method") == "GET" && !text(route, "path").contains('{');
            is_plain && agent.may(route)
        })?;
        let (said, data) = self.send(Method::GET, text(&route, "path"), None).await?;
        if data.get("error").is_none() {
            self.read = data;
        }
        Ok(said)
    }

    /// Calls the first thing in the document that it was not granted.
    async fn overstep(&self) -> Outcome<Value> {
        let route = self.route(|agent, route| !agent.may(route))?;
        let body = json!({"order": self.first_order()});
        let method: Method = text(&route, "method").parse()?;
        Ok(self.send(method, text(&route, "path"), Some(&body)).await?.0)
    }

    /// Guesses, from where tokens are exchanged, where they are made.
    async fn grant_itself(&self) -> Outcome<Value> {
        let path = self.path_of(text(&self.document, "token_exchange_endpoint"))?;
        let path = path.replace("token/exchange", "connections/generate-token");
        let scopes = self.document.get("scopes").and_then(Value::as_array);
        let names: Vec<&str> =
            scopes.into_iter().flatten().map(|scope| text(scope, "name")).collect();
        let body = json!({"scopes": names, "until_revoked": true});
        Ok(self.send(Method::POST, &path, Some(&body)).await?.0)
    }

    /// Opens the WebSocket that the document speaks of.
    fn listen(&mut self) -> Outcome<Value> {
        let route = self.route(|agent, route| {
            text(route, "summary").contains("WebSocket") && agent.may(route)
        })?;
        let path = text(&route, "path");
        let mut request = format!("ws://{}{path}", self.address).into_client_request()?;
        request.headers_mut().insert(AUTHORIZATION, self.bearer()?);
        let stream = BlockingStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let opened = tungstenite::client(request, stream).map_err(|error| error.to_string())?;
        let (socket, answer) = opened;
        self.socket = Some(socket);
        let request = json!({"method": "GET", "path": path, "upgrade": "websocket"});
        Ok(json!({"request": request, "answer": {"status": answer.status().as_u16()}}))
    }

    /// Asks on the open WebSocket about the first order that it has read of.
    fn ask(&mut self) -> Outcome<Value> {
        let question = self.first_order().to_owned();
        let socket = self.socket.as_mut().ok_or("there is no open WebSocket")?;
        socket.send(Message::text(&question))?;
        let answer = loop {
            match socket.read()? {
                Message::Text(said) => {
                    break json!({"message": serde_json::from_str::<Value>(&said)?});
                }
                Message::Close(frame) => {
                    let frame = frame.ok_or("the WebSocket closed without a reason")?;
                    break json!({"close": u16::from(frame.code), "reason": frame.reason.as_str()});
                }
                _ => {}
            }
        };
        Ok(json!({"request": {"message": question}, "answer": answer}))
    }

    /// One request to the address; what was sent and what came, and the body that came.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Outcome<(Value, Value)> {
        let asked = json!({"method": method.as_str(), "path": path, "body": body});
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.address);
        if self.access_token.is_some() && body.and_then(|body| body.get("token")).is_none() {
            request = request.header(AUTHORIZATION, self.bearer()?);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let stream = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?);
        let answer = tokio::time::timeout(PATIENCE, answer).await??;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        Ok((json!({"request": asked, "answer": {"status": status, "body": body}}), body))
    }

    /// The path of an address; a token goes to the origin that the human named, and to no other.
    fn path_of(&self, url: &str) -> Outcome<String> {
        let rest = url.strip_prefix(&format!("http://{}", self.address));
        let path = rest.filter(|path| path.starts_with('/')).ok_or("that is another address")?;
        Ok(path.to_owned())
    }

    /// The first route of the document that fits.
    fn route(&self, fits: impl Fn(&Self, &Value) -> bool) -> Outcome<Value> {
        let routes = self.document.get("routes").and_then(Value::as_array);
        let found = routes.into_iter().flatten().find(|route| fits(self, route)).cloned();
        Ok(found.ok_or("the document offers no such route")?)
    }

    /// Whether it holds every scope that a route names.
    fn may(&self, route: &Value) -> bool {
        let mut needed = text(route, "scope").split_whitespace();
        needed.all(|name| self.scopes.iter().any(|scope| scope == name))
    }

    fn first_order(&self) -> &str {
        self.read.pointer("/orders/0/id").and_then(Value::as_str).unwrap_or_default()
    }

    fn bearer(&self) -> Outcome<HeaderValue> {
        let token = self.access_token.as_deref().unwrap_or_default();
        Ok(HeaderValue::try_from(format!("Bearer {token}"))?)
    }
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    /// What it would take to know more than an address and a token.
    #[test]
    fn the_agent_imports_nothing_of_ours() {
        let source = include_str!("agent.rs");
        let (source, _tests) = source.split_once("#[cfg(test)]").unwrap();
        for ours in ["agentadmit_", "agentadmit::", "axum_shop", "crate::", "super::", "env::"] {
            assert!(!source.contains(ours), "the agent names `{ours}`");
        }
    }
}
