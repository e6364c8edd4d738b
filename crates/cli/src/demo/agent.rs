//! The demo's agent: a program that knows an address and a token, and nothing else. It imports
//! nothing of AgentAdmit; all it does is HTTP and JSON.
//!
//! It is told on stdin what to do, one JSON object a line, and says on stdout what came of it:
//!
//! ```text
//! {"do": "meet", "address": "http://127.0.0.1:1234", "token": "…"}
//! {"do": "exchange"}                                  -> {"status": 200, "body": {…}}
//! {"do": "call", "method": "GET", "path": "/orders"}  -> {"status": 200, "body": {…}}
//! {"do": "replay"}                                    -> {"status": 400, "body": {…}}
//! ```

use std::io::{Write as _, stdin, stdout};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Does what stdin says until it ends. One thing at a time: waiting for the next line may block.
pub(super) async fn run() -> Outcome<()> {
    let mut agent = Agent::default();
    for line in stdin().lines() {
        let order: Value = serde_json::from_str(&line?)?;
        let said = agent.act(&order).await.unwrap_or_else(|why| json!({"failed": why.to_string()}));
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
    /// Where to exchange, as the address itself says.
    exchange_path: String,
}

impl Agent {
    async fn act(&mut self, order: &Value) -> Outcome<Value> {
        match text(order, "do") {
            "meet" => {
                let address = text(order, "address");
                self.address = address.trim_start_matches("http://").to_owned();
                self.connection_token = text(order, "token").to_owned();
                self.discover().await
            }
            "exchange" => self.exchange().await,
            "call" => {
                let method: Method = text(order, "method").parse()?;
                let body = order.get("body").filter(|body| !body.is_null());
                self.call(method, text(order, "path"), body).await
            }
            "replay" => {
                let (status, body) = self.present().await?;
                Ok(json!({"status": status, "body": body}))
            }
            other => Err(format!("I do not know how to {other}").into()),
        }
    }

    /// The address says what it offers and where to exchange a token.
    async fn discover(&mut self) -> Outcome<Value> {
        let path = "/.well-known/agentadmit";
        let (status, body) = self.request(Method::GET, path, None, None).await?;
        let endpoint = text(&body, "token_exchange_endpoint");
        let origin = format!("http://{}", self.address);
        // a token goes to the address that the human named, and to no other
        let path = endpoint.strip_prefix(&origin).filter(|path| path.starts_with('/'));
        path.ok_or("the exchange is at another address")?.clone_into(&mut self.exchange_path);
        Ok(json!({"status": status, "body": body}))
    }

    async fn exchange(&mut self) -> Outcome<Value> {
        let (status, mut body) = self.present().await?;
        if let Some(token) = body.get_mut("access_token") {
            self.access_token = token.as_str().map(str::to_owned);
            *token = json!("(kept)");
        }
        Ok(json!({"status": status, "body": body}))
    }

    async fn present(&self) -> Outcome<(u16, Value)> {
        let body = json!({"token": self.connection_token, "agent_label": "Demo agent"});
        self.request(Method::POST, &self.exchange_path, None, Some(&body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let token = self.access_token.as_deref();
        let (status, body) = self.request(method, path, token, body).await?;
        Ok(json!({"status": status, "body": body}))
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Outcome<(u16, Value)> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.address);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let stream = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}
