//! A service in memory, and how tests ask it.

use std::sync::Arc;

use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_engine::keyring::SecretKey;
use agentadmit_engine::{Engine, EngineOptions, Keyring, WriterOptions};
use agentadmit_http::dashboard::DashboardOptions;
use agentadmit_http::{HttpOptions, LocalOperator, ServiceState, router};
use agentadmit_protocol::account::SignUp;
use agentadmit_protocol::secret::{Secret, SecretKind};
use agentadmit_testkit::store::{FakeClock, Store, model::ModelStore};
use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The service's own address in these tests.
pub(crate) const ISSUER: &str = "https://service.example";

/// A service in memory.
pub(crate) struct Service {
    pub(crate) router: Router,
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<FakeClock>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A member of the body as text.
    pub(crate) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body, when the status is this.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        self.json()
    }

    /// An error as the contract has it: status, code, sentence, request id.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.text("error").as_str()), (status, code), "{self}");
        assert!(!self.text("error_description").is_empty(), "{self}");
        assert_eq!(self.text("request_id"), self.header("x-request-id"), "{self}");
        assert_eq!(self.text("request_id").len(), 26, "{self}");
        assert_eq!(self.header("content-type"), "application/json", "{self}");
        let waits = self.headers.contains_key("retry-after");
        assert_eq!(waits, matches!(status, 429 | 503), "Retry-After on {self}");
        let challenges = self.headers.contains_key("www-authenticate");
        assert_eq!(challenges, status == 401, "WWW-Authenticate on {self}");
        self.json()
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// A request in the making.
pub(crate) struct Ask {
    builder: http::request::Builder,
    body: Body,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Self { builder: Request::builder().method(method).uri(path), body: Body::empty() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        Self::new("POST", path).json(body)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn form(self, pairs: &[(&str, &str)]) -> Self {
        let form: String =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body("application/x-www-form-urlencoded", form)
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// A body that does not say what it is.
    pub(crate) fn untyped(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn bearer(self, credential: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {credential}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// A header that need not be a text.
    pub(crate) fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.builder = self.builder.header(name, HeaderValue::from_bytes(value).unwrap());
        self
    }

    pub(crate) fn extension<T: Clone + Send + Sync + 'static>(mut self, extension: T) -> Self {
        self.builder = self.builder.extension(extension);
        self
    }

    /// As the command line on the machine asks.
    pub(crate) fn local(self) -> Self {
        self.extension(LocalOperator::trusted())
    }
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::signing_up(SignUp::Invite)
    }

    /// A service where these make accounts.
    pub(crate) fn signing_up(sign_up: SignUp) -> Self {
        let dashboard = DashboardOptions { sign_up, ..DashboardOptions::default() };
        let options = HttpOptions { dashboard: Some(dashboard), ..HttpOptions::default() };
        Self::with(WriterOptions::default(), options)
    }

    pub(crate) fn with(writer: WriterOptions, options: HttpOptions) -> Self {
        let clock = Arc::new(FakeClock::new("2026-11-22T12:00:00.000Z".parse().unwrap()));
        let store = Arc::new(ModelStore::new([1; 32], writer, Arc::clone(&clock) as _));
        Self::on(store, clock, options)
    }

    /// On a store that the test brings.
    pub(crate) fn on(store: Arc<dyn Store>, clock: Arc<FakeClock>, options: HttpOptions) -> Self {
        let keyring = Keyring::open(&*store, &SecretKey::new([2; 32])).unwrap();
        let engine = EngineOptions {
            issuer: ISSUER.to_owned(),
            limits: AdmissionLimits::patient(),
            retention: None,
            is_service: true,
        };
        let engine = Engine::start(store, Arc::clone(&clock) as _, keyring, engine).unwrap();
        let router = router(ServiceState::new(engine.clone(), options));
        Self { router, engine, clock }
    }

    /// An answer whose body is not taken yet.
    pub(crate) async fn begin(&self, ask: Ask) -> Response<Body> {
        self.router.clone().oneshot(ask.builder.body(ask.body).unwrap()).await.unwrap()
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Reply {
        let (parts, body) = self.begin(ask).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// As the command line on the machine asks.
    pub(crate) async fn local(&self, method: &str, path: &str, body: &Value) -> Reply {
        let ask = Ask::new(method, path).local();
        self.ask(if body.is_null() { ask } else { ask.json(body) }).await
    }

    /// A new operator's id and token.
    pub(crate) async fn operator(&self, body: &Value) -> (String, String) {
        let made = self.local("POST", "/v1/operator/operators", body).await;
        made.expect(201);
        (made.text("operator_id"), made.text("operator_token"))
    }

    /// A new app with two scopes and these settings.
    pub(crate) async fn app(&self, settings: &Value) -> App<'_> {
        let body = json!({"name": "Shop", "settings": settings, "scopes": [
            {"name": "orders:read", "description": "Read orders"},
            {"name": "orders:write", "description": "Change orders", "sensitive": true},
        ]});
        let app_id = self.local("POST", "/v1/operator/apps", &body).await.text("app_id");
        let mut app = App { service: self, app_id, test: String::new(), live: String::new() };
        app.test = app.key(&json!({"environment": "test"})).await.1;
        app.live = app.key(&json!({"environment": "live"})).await.1;
        app
    }
}

/// An app with a key for each environment.
#[expect(clippy::struct_field_names, reason = "the contract calls it so")]
pub(crate) struct App<'s> {
    pub(crate) service: &'s Service,
    pub(crate) app_id: String,
    pub(crate) test: String,
    pub(crate) live: String,
}

/// A connection that was exchanged.
pub(crate) struct Granted {
    pub(crate) connection_id: String,
    pub(crate) connection_token: String,
    pub(crate) access_token: String,
}

impl App<'_> {
    /// A new key's id and secret.
    pub(crate) async fn key(&self, body: &Value) -> (String, String) {
        let path = format!("/v1/operator/apps/{}/api-keys", self.app_id);
        let made = self.service.local("POST", &path, body).await;
        made.expect(201);
        (made.text("key_id"), made.text("api_key"))
    }

    /// An answer to the app's live key.
    pub(crate) async fn ask(&self, ask: Ask) -> Reply {
        self.service.ask(ask.bearer(&self.live)).await
    }

    /// A new live connection's id and token.
    pub(crate) async fn issue(&self, user_id: &str) -> (String, String) {
        let path = format!("/v1/apps/{}/token", self.app_id);
        let body = json!({"user_id": user_id, "scopes": ["orders:read"], "user_label": "Ann"});
        let issued = self.ask(Ask::post(&path, &body)).await;
        issued.expect(201);
        (issued.text("connection_id"), issued.text("token"))
    }

    /// A new live connection with its agent.
    pub(crate) async fn grant(&self, user_id: &str) -> Granted {
        let (connection_id, connection_token) = self.issue(user_id).await;
        let exchanged = self.exchange(&connection_token).await;
        exchanged.expect(200);
        let access_token = exchanged.text("access_token");
        Granted { connection_id, connection_token, access_token }
    }

    pub(crate) async fn exchange(&self, token: &str) -> Reply {
        self.ask(Ask::post("/v1/token/exchange", &json!({"token": token}))).await
    }

    pub(crate) async fn verify(&self, token: &str, scope: &str) -> Reply {
        let body =
            json!({"token": token, "scope_used": scope, "endpoint": "/orders", "method": "GET"});
        self.ask(Ask::post("/v1/verify", &body)).await
    }
}

/// A well-formed secret that nobody was given.
pub(crate) fn unknown(kind: SecretKind) -> String {
    Secret::mint(kind, [0x5a; 32]).expose().to_owned()
}
