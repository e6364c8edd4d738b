//! What tests do with a service, in their own words: an operator makes apps and keys, an app makes
//! and ends connections, an agent exchanges.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::client::{Client, Reply, Request};

/// The scopes of every app here.
pub const SCOPES: [&str; 3] = ["read:orders", "write:orders", "read:profile"];

/// Settings under which nothing is refused for being fast.
pub fn no_rate_limits() -> Value {
    json!({"rate_limit": {"per_key_per_second": null, "per_connection_per_second": null}})
}

/// The catalogue with these names.
pub fn catalogue(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name, "description": format!("may {name}")})).collect()
}

/// Somebody with an operator token.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The service.
    pub address: SocketAddr,
    /// The operator token.
    pub token: String,
}

impl Operator {
    /// An answer of the operator API.
    ///
    /// # Panics
    /// When there is none.
    pub fn ask(&self, request: Request) -> Reply {
        Client::new(self.address).ask(&request.bearer(&self.token))
    }

    /// A new app with [`SCOPES`] and these settings, and a key of the test environment for all.
    ///
    /// # Panics
    /// When the service does not make it.
    pub fn app(&self, settings: &Value) -> App {
        let body = json!({"name": "Shop", "scopes": catalogue(&SCOPES), "settings": settings});
        let made = self.ask(Request::post("/v1/operator/apps", &body)).expect(201);
        let app_id = text(&made, "app_id");
        let key = self.key(&app_id, &json!({"environment": "test"}));
        App { address: self.address, app_id, key_id: key.key_id, key: key.secret }
    }

    /// A new key.
    ///
    /// # Panics
    /// When the service does not make it.
    pub fn key(&self, app_id: &str, body: &Value) -> Key {
        let path = format!("/v1/operator/apps/{app_id}/api-keys");
        let made = self.ask(Request::post(path, body)).expect(201);
        Key { key_id: text(&made, "key_id"), secret: text(&made, "api_key") }
    }

    /// Ends a key.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn revoke_key(&self, app_id: &str, key_id: &str) -> Reply {
        self.ask(Request::new("DELETE", format!("/v1/operator/apps/{app_id}/api-keys/{key_id}")))
    }
}

/// A key with its secret.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its id.
    pub key_id: String,
    /// The API key.
    pub secret: String,
}

/// An app that holds an API key.
#[derive(Debug, Clone)]
pub struct App {
    /// The service.
    pub address: SocketAddr,
    /// Its id.
    pub app_id: String,
    /// The key's id.
    pub key_id: String,
    /// The API key.
    pub key: String,
}

/// A connection that was exchanged.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its id.
    pub id: String,
    /// What its agent holds.
    pub access_token: String,
    /// Who granted it.
    pub user_id: String,
}

impl App {
    /// The same app with another key.
    #[must_use]
    pub fn with_key(&self, key: &Key) -> Self {
        Self { key_id: key.key_id.clone(), key: key.secret.clone(), ..self.clone() }
    }

    /// A client of the service.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A request under the app's key.
    #[must_use]
    pub fn by_key(&self, request: Request) -> Request {
        request.bearer(&self.key)
    }

    /// Asks for a connection token.
    pub fn issue(&self, user_id: &str, scopes: &[&str]) -> Request {
        let path = format!("/v1/apps/{}/token", self.app_id);
        self.by_key(Request::post(path, &json!({"user_id": user_id, "scopes": scopes})))
    }

    /// Exchanges a connection token under the app's credential.
    pub fn exchange(&self, token: &str) -> Request {
        self.by_key(Request::post("/v1/token/exchange", &json!({"token": token})))
    }

    /// Asks whether a call may proceed.
    pub fn verify(&self, access_token: &str, scope: &str) -> Request {
        let body = json!({"token": access_token, "scope_used": scope});
        self.by_key(Request::post("/v1/verify", &body))
    }

    /// Ends one connection (`{"connection_id"}`) or a user's (`{"user_id"}`).
    pub fn revoke(&self, whose: &Value) -> Request {
        self.by_key(Request::post("/v1/revoke", whose))
    }

    /// Shows one connection.
    pub fn show(&self, connection_id: &str) -> Request {
        self.by_key(Request::get(format!("/v1/connections/{connection_id}")))
    }

    /// A full export of the key's environment.
    pub fn export(&self) -> Request {
        self.by_key(Request::get("/v1/audit/export?format=ndjson"))
    }

    /// A connection with these scopes, issued and exchanged.
    ///
    /// # Panics
    /// When the service does not grant it.
    pub fn connect(&self, client: &mut Client, user_id: &str, scopes: &[&str]) -> Connection {
        let issued = client.ask(&self.issue(user_id, scopes)).expect(201);
        let exchanged = client.ask(&self.exchange(&text(&issued, "token"))).expect(200);
        Connection {
            id: text(&issued, "connection_id"),
            access_token: text(&exchanged, "access_token"),
            user_id: user_id.to_owned(),
        }
    }

    /// Many connections, each of a user of its own.
    ///
    /// # Panics
    /// When the service does not grant them.
    pub fn connect_many(&self, count: usize) -> Vec<Connection> {
        let mut client = self.client();
        (0..count).map(|n| self.connect(&mut client, &format!("user-{n}"), &SCOPES)).collect()
    }
}

/// A member of an answer as text.
///
/// # Panics
/// When it is none.
#[track_caller]
pub fn text(answer: &Value, member: &str) -> String {
    match answer.get(member).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => panic!("no text {member} in {answer}"),
    }
}
