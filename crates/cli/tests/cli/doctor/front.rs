//! A proxy as people put in front of services and apps, which a test can make misbehave.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::runtime::Builder;

/// A request on its way.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// Sent by doctor itself, and not by the app or under an operator token.
    pub(super) fn is_doctors(&self) -> bool {
        let agent = self.headers.get("user-agent").and_then(|value| value.to_str().ok());
        agent.is_some_and(|agent| agent.starts_with("agentadmit-doctor/"))
    }
}

/// An answer on its way back.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answered {
    pub(super) fn page(status: u16, text: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/html".parse().unwrap());
        Self { status, headers, body: text.as_bytes().to_vec() }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// With its JSON changed.
    pub(super) fn edited(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut body = serde_json::from_slice(&self.body).unwrap();
        edit(&mut body);
        self.body = body.to_string().into_bytes();
        self.headers.remove("content-length");
        self
    }
}

/// What the proxy does with a request; the second argument passes it on.
type Habit = Box<dyn Fn(Asked, &dyn Fn(Asked) -> Answered) -> Answered + Send + Sync>;

/// The proxy. It passes everything on unchanged until it is told otherwise.
pub(super) struct Front {
    pub(super) url: String,
    upstream: Arc<OnceLock<String>>,
    habit: Arc<Mutex<Habit>>,
}

impl Front {
    pub(super) fn new() -> Self {
        let upstream: Arc<OnceLock<String>> = Arc::default();
        let passes_on: Habit = Box::new(|asked, pass_on| pass_on(asked));
        let habit = Arc::new(Mutex::new(passes_on));
        let (known, has) = (Arc::clone(&upstream), Arc::clone(&habit));
        let router = Router::new().fallback(move |request: Request| {
            let (known, has) = (Arc::clone(&known), Arc::clone(&has));
            async move {
                let asked = read(request).await;
                let answered = tokio::task::spawn_blocking(move || {
                    let upstream = known.get().unwrap();
                    has.lock().unwrap()(asked, &|asked| forward(upstream, &asked))
                });
                written(answered.await.unwrap())
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = serve(listener, router);
        Self { url, upstream, habit }
    }

    pub(super) fn leads_to(&self, url: &str) {
        self.upstream.set(url.to_owned()).unwrap();
    }

    /// From now on it does this with what doctor itself sends, and passes the rest on.
    pub(super) fn does(
        &self,
        habit: impl Fn(Asked, &dyn Fn(Asked) -> Answered) -> Answered + Send + Sync + 'static,
    ) {
        self.does_to_all(
            move |asked, pass_on| {
                if asked.is_doctors() { habit(asked, pass_on) } else { pass_on(asked) }
            },
        );
    }

    /// The same with everything.
    pub(super) fn does_to_all(
        &self,
        habit: impl Fn(Asked, &dyn Fn(Asked) -> Answered) -> Answered + Send + Sync + 'static,
    ) {
        *self.habit.lock().unwrap() = Box::new(habit);
    }

    /// From now on the JSON of one path is another.
    pub(super) fn edits(
        &self,
        path: &'static str,
        edit: impl Fn(&mut Value) + Send + Sync + 'static,
    ) {
        self.does_to_all(move |asked, pass_on| {
            let is_it = asked.path.split('?').next() == Some(path);
            let answered = pass_on(asked);
            if is_it { answered.edited(&edit) } else { answered }
        });
    }
}

/// Serves a router on a thread of its own until the tests end.
pub(crate) fn serve(listener: TcpListener, router: Router) -> String {
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    url
}

async fn read(request: Request) -> Asked {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().unwrap().to_string();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Asked { method: head.method, path, headers: head.headers, body }
}

fn written(answered: Answered) -> Response {
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap();
    *response.headers_mut() = answered.headers;
    response
}

fn forward(upstream: &str, asked: &Asked) -> Answered {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .build()
        .into();
    let mut request = ureq::http::Request::builder()
        .method(asked.method.clone())
        .uri(format!("{upstream}{}", asked.path));
    for (name, value) in &asked.headers {
        if !matches!(name.as_str(), "host" | "connection" | "content-length") {
            request = request.header(name, value);
        }
    }
    let request = request.body(asked.body.clone()).unwrap();
    let mut answer = agent.run(request).unwrap();
    let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap();
    let mut headers = answer.headers().clone();
    for name in ["content-length", "transfer-encoding", "connection"] {
        headers.remove(name);
    }
    Answered { status: answer.status().as_u16(), headers, body }
}
