//! Stands between the shop and the service, counts, and answers falsely on demand.

use std::net::SocketAddr;
use std::sync::Arc;

use agentadmit_testkit::client::{Client, Request as Outgoing};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;

/// A call that the service saw.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

/// How calls are answered.
#[derive(Debug, Clone)]
pub(crate) enum Mode {
    /// By the service.
    Forward,
    /// By these instead, one after the other; by the service when there are no more.
    InTurn(Vec<(u16, String)>),
    /// By this instead.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Not at all.
    Silent,
}

pub(crate) struct Spy {
    service: SocketAddr,
    pub(crate) mode: Mutex<Mode>,
    seen: Mutex<Vec<Seen>>,
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const HEADERS: [&str; 3] = ["authorization", "content-type", "idempotency-key"];

impl Spy {
    pub(crate) fn new(service: SocketAddr) -> Self {
        Self { service, mode: Mutex::new(Mode::Forward), seen: Mutex::default() }
    }

    pub(crate) fn router(spy: Arc<Self>) -> Router {
        Router::new().fallback(pass_on).with_state(spy)
    }

    /// How this call is answered.
    fn next_mode(&self) -> Mode {
        let mut mode = self.mode.lock();
        if let Mode::InTurn(answers) = &mut *mode
            && !answers.is_empty()
        {
            let (status, body) = answers.remove(0);
            return Mode::Answer(
                status,
                vec![("content-type", "application/json".to_owned())],
                body,
            );
        }
        mode.clone()
    }

    /// Everything since the last call of this.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock())
    }

    /// How many verifies since the last call of this or of [`Self::take`].
    pub(crate) fn take_verifies(&self) -> usize {
        self.take().iter().filter(|seen| seen.path == "/v1/verify").count()
    }

    pub(crate) fn answer(&self, status: u16, content_type: &str, body: impl Into<String>) {
        let headers = vec![("content-type", content_type.to_owned())];
        *self.mode.lock() = Mode::Answer(status, headers, body.into());
    }
}

async fn pass_on(State(spy): State<Arc<Spy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
    spy.seen.lock().push(Seen {
        method: parts.method.to_string(),
        path: path.clone(),
        headers: parts.headers.clone(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    });
    let mode = spy.next_mode();
    match mode {
        Mode::Forward | Mode::InTurn(_) => {}
        Mode::Silent => std::future::pending().await,
        Mode::Answer(status, headers, body) => return built(status, headers, body.into_bytes()),
    }
    let method = METHODS.into_iter().find(|known| *known == parts.method.as_str()).unwrap();
    let mut outgoing = Outgoing::new(method, path);
    for name in HEADERS {
        if let Some(value) = parts.headers.get(name) {
            outgoing = outgoing.header(name, value.to_str().unwrap());
        }
    }
    if !bytes.is_empty() {
        // the content type is among the headers that were copied
        outgoing = outgoing.raw_body(bytes.to_vec());
    }
    let service = spy.service;
    let reply = tokio::task::spawn_blocking(move || Client::new(service).ask(&outgoing));
    let reply = reply.await.unwrap();
    let copied = [
        "content-type",
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ];
    let headers =
        copied.into_iter().filter_map(|name| Some((name, reply.header(name)?.to_owned())));
    built(reply.status, headers.collect(), reply.body)
}

fn built(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}
