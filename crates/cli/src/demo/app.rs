//! The demo's app: a small shop with users and a log-in of its own, which lets its users' agents
//! in. It asks the service before every agent's request; it decides nothing about tokens itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::exit::Failure;
use crate::http_client::{self, HttpClient};
use crate::output::note;

/// What the app can be asked to let agents do; an operator registers the same.
pub(super) const SCOPES: &[(&str, &str)] =
    &[("orders:read", "Read your orders"), ("refunds:create", "Ask for refunds in your name")];

/// The app's own users. A real app hashes passwords; these are printed on the screen.
const USERS: &[User] = &[
    User { id: "u_ada", name: "Ada", password: "difference-engine", orders: &["A-1001", "A-1002"] },
    User { id: "u_bob", name: "Bob", password: "blue-submarine", orders: &["B-2001"] },
];

/// One of the app's users.
pub(super) struct User {
    id: &'static str,
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    orders: &'static [&'static str],
}

/// The user of the story.
pub(super) const ADA: &User = match USERS {
    [ada, ..] => ada,
    [] => &User { id: "", name: "", password: "", orders: &[] },
};

/// Serves the shop on a free port until stdin ends, and says on stderr where.
///
/// # Errors
/// When it cannot listen.
pub(super) async fn run() -> Result<(), Failure> {
    let could_not = |error: &dyn std::fmt::Display| Failure::could_not(error.to_string());
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| could_not(&error))?;
    let address = listener.local_addr().map_err(|error| could_not(&error))?;
    let origin = format!("http://{address}");
    let shop = Shop::from_environment(origin.clone())?;
    note(&format!("listening on {origin}"));
    axum::serve(listener, router(Arc::new(shop)))
        .with_graceful_shutdown(super::process::stdin_ends())
        .await
        .map_err(|error| could_not(&error))
}

fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/.well-known/agentadmit", get(discovery))
        .route("/login", post(log_in))
        .route("/orders", get(orders))
        .route("/refunds", post(refund))
        .route("/agentadmit/connections", get(connections))
        .route("/agentadmit/connections/generate-token", post(generate_token))
        .route("/agentadmit/connections/{connection_id}", delete(revoke))
        .route("/agentadmit/token/exchange", post(exchange))
        .with_state(shop)
}

struct Shop {
    origin: String,
    app_id: String,
    service: Url,
    api_key: String,
    client: HttpClient,
    sessions: Mutex<HashMap<String, &'static User>>,
}

type Shared = State<Arc<Shop>>;

/// The answer to whoever may not, or when something is not there.
struct Refused(Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// What a route answers.
type Answer = Result<Response, Refused>;

impl Shop {
    fn from_environment(origin: String) -> Result<Self, Failure> {
        let variable = |name: &str| {
            std::env::var(name).map_err(|_| Failure::usage(format!("{name} is not set")))
        };
        let service = agentadmit_config::service_url(&variable("AGENTADMIT_SERVICE_URL")?);
        Ok(Self {
            origin,
            app_id: variable("AGENTADMIT_APP_ID")?,
            service: service.map_err(Failure::usage)?,
            api_key: variable("AGENTADMIT_API_KEY")?,
            client: HttpClient::default(),
            sessions: Mutex::default(),
        })
    }

    /// Asks the service, with the app's own key.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Refused> {
        let unavailable = || {
            error(
                StatusCode::SERVICE_UNAVAILABLE,
                "authorization_unavailable",
                "the service cannot be asked",
            )
        };
        let url = self.service.join(path).map_err(|_| unavailable())?;
        let answer = self.client.send(method, &url, Some(&self.api_key), body).await;
        let answer = answer.map_err(|_| unavailable())?;
        http_client::json(answer).await.map_err(|_| unavailable())
    }

    /// Who asks: an agent where an agent's token is, whatever cookie comes with it; else a user.
    async fn caller(
        &self,
        headers: &HeaderMap,
        scope: &str,
        method: &str,
        route: &str,
    ) -> Result<Caller, Refused> {
        let Some(token) = agent_token(headers) else {
            return self.user(headers).map(Caller::User);
        };
        let call =
            json!({"token": token, "scope_used": scope, "endpoint": route, "method": method});
        let (status, answer) = self.ask(Method::POST, "/v1/verify", Some(&call)).await?;
        let ours = answer.get("app_id").and_then(Value::as_str) == Some(&self.app_id);
        match (status, answer.get("active").and_then(Value::as_bool)) {
            (StatusCode::OK, Some(true)) if ours => {
                let user_id = member(&answer, "user_id");
                let user = USERS.iter().find(|user| user.id == user_id);
                user.map(Caller::Agent).ok_or_else(|| {
                    error(StatusCode::FORBIDDEN, "user_unknown", "this user is gone")
                })
            }
            (StatusCode::FORBIDDEN, Some(false)) => Err(bad_token()),
            (StatusCode::FORBIDDEN, Some(true)) => {
                let shown = (StatusCode::FORBIDDEN, Json(without_ids(&answer)));
                Err(Refused(Box::new(shown.into_response())))
            }
            (StatusCode::TOO_MANY_REQUESTS, _) => {
                Err(error(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many calls"))
            }
            _ => Err(error(
                StatusCode::SERVICE_UNAVAILABLE,
                "authorization_unavailable",
                "the service could not be asked",
            )),
        }
    }

    /// The signed-in user; agents are nobody here.
    fn user(&self, headers: &HeaderMap) -> Result<&'static User, Refused> {
        if agent_token(headers).is_some() {
            let text = "an agent cannot do this, whatever it holds";
            return Err(error(StatusCode::FORBIDDEN, "agent_not_allowed", text));
        }
        let cookies = headers.get(COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let session = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="));
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let user = session.and_then(|session| sessions.get(session)).copied();
        user.ok_or_else(|| error(StatusCode::UNAUTHORIZED, "log_in_first", "nobody is signed in"))
    }
}

/// Who an order or refund is for.
enum Caller {
    User(&'static User),
    Agent(&'static User),
}

impl Caller {
    fn user(&self) -> &'static User {
        match self {
            Self::User(user) | Self::Agent(user) => user,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Agent(_) => "agent",
        }
    }
}

async fn index(State(shop): Shared) -> String {
    format!(
        "The demo shop.\n\nGET {0}/orders\nPOST {0}/refunds\nGET {0}/.well-known/agentadmit\n",
        shop.origin
    )
}

async fn discovery(State(shop): Shared) -> Json<Value> {
    let scopes: Vec<Value> = SCOPES
        .iter()
        .map(|(name, description)| json!({"name": name, "description": description}))
        .collect();
    Json(json!({
        "agentadmit_version": "1",
        "app": {"id": shop.app_id, "name": "Demo shop", "description": "Orders and refunds"},
        "service": shop.service.as_str().trim_end_matches('/'),
        "token_exchange_endpoint": format!("{}/agentadmit/token/exchange", shop.origin),
        "authorization": {
            "scheme": "Bearer", "header": "Authorization",
            "access_token_prefix": "ag_at_", "connection_token_prefix": "ag_ct_",
        },
        "scopes": scopes,
        "routes": [
            {"method": "GET", "path": "/orders", "scope": "orders:read", "summary": "Your orders"},
            {"method": "POST", "path": "/refunds", "scope": "refunds:create", "summary": "Ask for a refund"},
        ],
        "instructions": "POST {\"token\"} to token_exchange_endpoint once; send access_token as Bearer.",
    }))
}

async fn log_in(State(shop): Shared, Json(body): Json<Value>) -> Answer {
    let user = USERS.iter().find(|user| {
        user.name.eq_ignore_ascii_case(member(&body, "user"))
            && user.password == member(&body, "password")
    });
    let user = user.ok_or_else(|| {
        error(StatusCode::UNAUTHORIZED, "wrong_password", "no such user and password")
    })?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| {
        error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the system gives no randomness")
    })?;
    let session = format!("{:032x}", u128::from_be_bytes(random));
    let cookie = format!("session={session}; HttpOnly; SameSite=Strict; Path=/");
    shop.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(session, user);
    Ok(([(SET_COOKIE, cookie)], Json(json!({"user": user.name}))).into_response())
}

async fn orders(State(shop): Shared, headers: HeaderMap) -> Answer {
    let caller = shop.caller(&headers, "orders:read", "GET", "/orders").await?;
    let orders = json!({"orders": caller.user().orders, "asked_by": caller.kind()});
    Ok(Json(orders).into_response())
}

async fn refund(State(shop): Shared, headers: HeaderMap, Json(body): Json<Value>) -> Answer {
    let caller = shop.caller(&headers, "refunds:create", "POST", "/refunds").await?;
    let order = member(&body, "order");
    if !caller.user().orders.contains(&order) {
        return Err(error(StatusCode::NOT_FOUND, "not_found", "no such order"));
    }
    let refunded = json!({"refunded": order, "asked_by": caller.kind()});
    Ok((StatusCode::CREATED, Json(refunded)).into_response())
}

/// A user grants: the token goes to the human, never to an agent.
async fn generate_token(
    State(shop): Shared,
    headers: HeaderMap,
    Json(mut body): Json<Value>,
) -> Answer {
    let user = shop.user(&headers)?;
    if let Some(members) = body.as_object_mut() {
        members.insert("user_id".to_owned(), json!(user.id));
        members.insert("user_label".to_owned(), json!(user.name));
        members.insert("on_behalf_of".to_owned(), json!(format!("user:{}", user.id)));
    }
    let path = format!("/v1/apps/{}/token", shop.app_id);
    let (status, mut answer) = shop.ask(Method::POST, &path, Some(&body)).await?;
    if let (StatusCode::CREATED, Some(members)) = (status, answer.as_object_mut()) {
        let prompt = prompt(&shop.origin, members.get("token"));
        members.insert("prompt".to_owned(), json!(prompt));
    }
    Ok(forwarded(status, answer))
}

/// The message that a user pastes to an agent.
fn prompt(origin: &str, token: Option<&Value>) -> String {
    let token = token.and_then(Value::as_str).unwrap_or_default();
    format!(
        "You may use my account at {origin}. Read {origin}/.well-known/agentadmit, then exchange \
         this one-time token as it says: {token}"
    )
}

async fn connections(State(shop): Shared, headers: HeaderMap) -> Answer {
    let user = shop.user(&headers)?;
    let path = format!("/v1/connections?user_id={}", user.id);
    let (status, answer) = shop.ask(Method::GET, &path, None).await?;
    Ok(forwarded(status, answer))
}

async fn revoke(State(shop): Shared, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let user = shop.user(&headers)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !id.bytes().all(is_plain) {
        return Err(error(StatusCode::NOT_FOUND, "not_found", "no such connection"));
    }
    let path = format!("/v1/connections/{id}?user_id={}", user.id);
    let (status, answer) = shop.ask(Method::DELETE, &path, None).await?;
    Ok(forwarded(status, answer))
}

/// Forwards token and label to the service, under the app's own credential.
async fn exchange(State(shop): Shared, Json(body): Json<Value>) -> Answer {
    let body = json!({"token": body.get("token"), "agent_label": body.get("agent_label")});
    let (status, answer) = shop.ask(Method::POST, "/v1/token/exchange", Some(&body)).await?;
    Ok(forwarded(status, answer))
}

fn forwarded(status: StatusCode, answer: Value) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn agent_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, token) = value.split_once(' ')?;
    let is_agents = token.get(..3).is_some_and(|prefix| prefix.eq_ignore_ascii_case("ag_"));
    is_agents.then_some(token)
}

/// RFC 6750: the token is bad, get another one.
fn bad_token() -> Refused {
    let text = "the token opens no connection: ask the user for a new one";
    let Refused(mut answer) = error(StatusCode::UNAUTHORIZED, "invalid_token", text);
    let challenge = http::HeaderValue::from_static("Bearer error=\"invalid_token\"");
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    Refused(answer)
}

/// What an agent may know of a refusal.
fn without_ids(answer: &Value) -> Value {
    let mut shown = serde_json::Map::new();
    for name in ["error", "error_description", "required_scope", "granted_scopes"] {
        shown.extend(answer.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    Value::Object(shown)
}

fn error(status: StatusCode, code: &str, description: &str) -> Refused {
    let body = json!({"error": code, "error_description": description});
    Refused(Box::new((status, Json(body)).into_response()))
}

fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
