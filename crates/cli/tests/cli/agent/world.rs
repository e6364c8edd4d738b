//! A service, an app behind the SDK's guards, a user who grants, and a machine with agents on it.

use std::borrow::Cow;
use std::io::{Seek as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use agentadmit::axum::{AgentAdmit, AuthContext, require_scope_if_agent};
use agentadmit::protocol::text::UserId;
use agentadmit::settings::{ApiKey, Settings};
use agentadmit::{App, AppError, User};
use axum::Json;
use axum::extract::{Path, RawQuery, Request};
use axum::middleware::Next;
use axum::response::IntoResponse;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::doctor::front::serve;
use crate::support::{Ran, Service, Store, agentadmit, text};

pub(super) struct World {
    pub(super) store: Store,
    pub(super) service: Service,
    pub(super) app: String,
    pub(super) app_id: String,
    pub(super) api_key: String,
    heard: Heard,
}

/// What a user handed over.
pub(super) struct Handed {
    pub(super) token: String,
    pub(super) connection_id: String,
}

fn catalogue() -> Value {
    json!([
        {"name": "read:orders", "description": "See your orders"},
        {"name": "create:refunds", "description": "Ask for money back", "sensitive": true},
    ])
}

impl World {
    pub(super) fn new() -> Self {
        let store = Store::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let app = format!("http://{}", listener.local_addr().unwrap());
        let service = store.serve();
        let mut create = vec!["apps", "create", "--name", "Corner shop"];
        create.extend(["--scope", "read:orders=See your orders"]);
        create.extend(["--scope", "create:refunds=Ask for money back"]);
        let app_id = text(&store.run(&create).ok().json(), "app_id");
        let key = ["api-keys", "create", "--app", &app_id, "--environment", "test"];
        let api_key = text(&store.run(&key).ok().json(), "api_key");
        let mut settings =
            Settings::new(service.url.parse().unwrap(), ApiKey::new(api_key.as_str()).unwrap());
        settings.app_id = Some(app_id.parse().unwrap());
        settings.name = Some("Corner shop".parse().unwrap());
        settings.public_url = Some(app.parse().unwrap());
        settings.scopes = serde_json::from_value(catalogue()).unwrap();
        let heard = Heard::default();
        serve(listener, router(settings, &heard));
        Self { store, service, app, app_id, api_key, heard }
    }

    /// What the app was asked, beside what the SDK mounts: method, path and query.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Ada grants these scopes.
    pub(super) fn grant(&self, scopes: &[&str]) -> Handed {
        let wanted = json!({"user_id": "u_ada", "user_label": "Ada", "scopes": scopes});
        let path = format!("/v1/apps/{}/token", self.app_id);
        let (status, issued) = self.service.request("POST", &path, &self.api_key, &wanted);
        assert_eq!(status, 201, "{issued}");
        Handed { token: text(&issued, "token"), connection_id: text(&issued, "connection_id") }
    }

    /// Her connection as the service has it.
    pub(super) fn connection(&self, handed: &Handed) -> Value {
        let path = format!("/v1/connections/{}", handed.connection_id);
        let (status, found) = self.service.request("GET", &path, &self.api_key, &Value::Null);
        assert_eq!(status, 200, "{found}");
        found
    }

    /// She ends it.
    pub(super) fn revoke(&self, handed: &Handed) {
        let which = json!({"connection_id": handed.connection_id});
        let (status, ended) = self.service.request("POST", "/v1/revoke", &self.api_key, &which);
        assert_eq!(status, 200, "{ended}");
    }

    /// Where her machine keeps credentials.
    pub(super) fn credentials(&self) -> PathBuf {
        self.store.path("home/agentadmit/credentials.json")
    }

    /// The program on her machine.
    pub(super) fn machine(&self, arguments: &[&str]) -> Command {
        let mut command = agentadmit();
        command.args(arguments).env("XDG_CONFIG_HOME", self.store.path("home"));
        command
    }

    /// `connect` with this on stdin.
    pub(super) fn connect(&self, pasted: &str, more: &[&str]) -> Ran {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(pasted.as_bytes()).unwrap();
        file.rewind().unwrap();
        let mut arguments = vec!["connect", &self.app];
        arguments.extend(more);
        Ran::of(self.machine(&arguments).stdin(Stdio::from(file)))
    }
}

#[derive(Clone)]
struct Customer;

impl User for Customer {
    fn user_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("u_ada"))
    }
}

struct Users;

impl App for Users {
    type User = Customer;

    async fn current_user(&self, _: &http::request::Parts) -> Result<Option<Customer>, AppError> {
        Ok(None)
    }

    async fn load_user(&self, _: &UserId) -> Result<Option<Customer>, AppError> {
        Ok(Some(Customer))
    }
}

/// What the app was asked, beside what the SDK mounts.
type Heard = Arc<Mutex<Vec<String>>>;

type Reply = (StatusCode, Json<Value>);

async fn orders(_: AuthContext<Customer>, RawQuery(query): RawQuery) -> Json<Value> {
    Json(json!({"orders": [{"id": "A-1001"}], "query": query}))
}

async fn order(_: AuthContext<Customer>, Path(id): Path<String>, headers: HeaderMap) -> Reply {
    if id == "none" {
        let error = json!({"error": "not_found", "error_description": "there is no such order"});
        return (StatusCode::NOT_FOUND, Json(error));
    }
    let trace = headers.get("x-trace").map(|value| value.to_str().unwrap());
    (StatusCode::OK, Json(json!({"id": id, "trace": trace})))
}

async fn refund(
    _: AuthContext<Customer>,
    Path(order): Path<String>,
    Json(asked): Json<Value>,
) -> Reply {
    if !asked["cents"].is_u64() {
        let detail = json!({"detail": [{"loc": ["body", "cents"], "msg": "not an integer"}]});
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(detail));
    }
    (StatusCode::CREATED, Json(json!({"order": order, "asked": asked})))
}

async fn echo(_: AuthContext<Customer>, headers: HeaderMap) -> String {
    headers["authorization"].to_str().unwrap().to_owned()
}

async fn echo_escaped(_: AuthContext<Customer>, headers: HeaderMap) -> impl IntoResponse {
    let said = headers["authorization"].to_str().unwrap().replace("ag_", "\\u0061g_");
    ([(CONTENT_TYPE, "application/json")], format!("{{\"said\": [\"{said}\"]}}"))
}

/// What the app says of some of its routes.
fn description() -> Value {
    let id = json!({"name": "id", "in": "path", "required": true, "description": "Which",
        "schema": {"type": "string"}});
    let text = json!({"type": "string"});
    json!({
        "openapi": "3.1.0",
        "paths": {
            "/orders": {"get": {"parameters": [
                {"name": "status", "in": "query", "schema": {"type": "array", "items": text}},
                {"name": "limit", "in": "query", "schema": {"type": "integer"}},
            ]}},
            "/orders/{id}": {
                "parameters": [id],
                "get": {"parameters": [{"name": "X-Trace", "in": "header", "schema": text}]},
                "delete": {},
            },
            "/orders/{id}/refund": {"post": {"parameters": [id], "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refund"}}},
            }}},
        },
        "components": {"schemas": {"Refund": {"type": "object", "properties": {
            "cents": {"type": "integer"}, "why": {}, "again": {"$ref": "#/components/schemas/Refund"},
        }}}},
    })
}

fn router(settings: Settings, heard: &Heard) -> axum::Router {
    let reading = || require_scope_if_agent(["read:orders"]);
    let refunding = || require_scope_if_agent(["create:refunds"]);
    let address = settings.public_url.as_ref().unwrap().to_string();
    let described = format!("{}/openapi.json", address.trim_end_matches('/'));
    let agents = AgentAdmit::builder(settings, Users)
        .openapi_uri(described.parse().unwrap())
        .build()
        .unwrap();
    let heard = Arc::clone(heard);
    agents
        .router()
        .get("/orders", reading().summary("Your orders"), orders)
        .get("/orders/{order_id}", reading().summary("One of them"), order)
        .delete("/orders/{order_id}", reading(), async || StatusCode::NO_CONTENT)
        .post("/orders/{order_id}/refund", refunding().summary("Money back"), refund)
        .get("/large", reading(), async || "x".repeat(1 << 20))
        .get("/list", reading(), async || Json(json!([1, 2])))
        .get("/picture", reading(), async || {
            ([(CONTENT_TYPE, "image/png")], vec![0x89, b'P', b'N', b'G', 0, 0xff])
        })
        .get("/away", reading(), async || {
            (StatusCode::FOUND, [(LOCATION, "https://evil.example/")])
        })
        .get("/busy", reading(), async || (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "7")]))
        .get("/echo", reading(), echo)
        .get("/echo-escaped", reading(), echo_escaped)
        .with_state(())
        .route("/openapi.json", axum::routing::get(async || Json(description())))
        .layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            let asked = format!("{} {}", request.method(), request.uri());
            if !["/.well-known", "/openapi", "/agentadmit"].iter().any(|own| asked.contains(own)) {
                heard.lock().unwrap().push(asked);
            }
            next.run(request)
        }))
}
