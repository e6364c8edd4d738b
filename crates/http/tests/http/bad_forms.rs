//! The bad input table, forms: what `/oauth/introspect` and `/oauth/revoke` answer to a form, a
//! client or an address that is wrong. Every request of the table is made at both endpoints.

mod assertions;
mod clients;
mod forms;

use std::collections::BTreeMap;
use std::time::Duration;

use agentadmit_protocol::secret::SecretKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::assertion::Signer;
use crate::support::{App, Ask, Service, unknown};

const ENDPOINTS: [&str; 2] = ["/oauth/introspect", "/oauth/revoke"];
const FORM: &str = "application/x-www-form-urlencoded";

/// Status, code, and the parameter that is named.
type Expected = (u16, &'static str, Option<String>);

fn bad_client() -> Expected {
    (401, "invalid_client", None)
}

fn bad_request(field: Option<&str>) -> Expected {
    (400, "invalid_request", field.map(str::to_owned))
}

/// What the cases are made of: a live token, its app, and credentials that are good for something
/// else or for nothing any more.
struct World<'s> {
    service: &'s Service,
    app: &'s App<'s>,
    other: &'s App<'s>,
    token: String,
    signer: Signer,
    /// Secrets that prove no client, by what they are.
    bad_secrets: Vec<(&'static str, String)>,
}

impl<'s> World<'s> {
    async fn new(service: &'s Service, app: &'s App<'s>, other: &'s App<'s>) -> Self {
        let granted = app.grant("u1").await;
        let (_, pending) = app.issue("u1").await;
        let (_, operator) = service.operator(&json!({})).await;
        let (revoked_id, revoked) = app.key(&json!({"environment": "live"})).await;
        let path = format!("/v1/operator/apps/{}/api-keys/{revoked_id}", app.app_id);
        service.local("DELETE", &path, &Value::Null).await.expect(200);
        let soon = json!({"environment": "live", "expires_at": "2026-11-22T12:00:01Z"});
        let (_, expired) = app.key(&soon).await;
        service.clock.advance(Duration::from_secs(2));
        let gone = service.app(&json!({})).await;
        let path = format!("/v1/operator/apps/{}", gone.app_id);
        service.local("DELETE", &path, &Value::Null).await.expect(200);
        let key = &app.live;
        let bad_secrets = vec![
            ("nonsense", "x".to_owned()),
            ("a prefix", "aa_live_".to_owned()),
            ("a key that nobody has", unknown(SecretKind::ApiKeyLive)),
            ("a revoked key", revoked),
            ("an expired key", expired),
            ("a key of a deleted app", gone.live.clone()),
            ("a clipped key", key[..key.len() - 1].to_owned()),
            ("a key and more", format!("{key}0")),
            ("a key and a space", format!("{key} ")),
            ("a space and a key", format!(" {key}")),
            ("a key in capitals", key.to_uppercase()),
            ("a mistyped key", format!("{}{}", &key[..key.len() - 1], other_end(key))),
            ("a key of the other kind", key.replace("aa_live_", "aa_test_")),
            ("two keys", format!("{key},{key}")),
            ("a quoted key", format!("\"{key}\"")),
            ("an access token", granted.access_token.clone()),
            ("a connection token", pending),
            ("an operator token", operator),
        ];
        let signer = Signer::new(app, &json!(["verify", "issue", "manage"])).await;
        Self { service, app, other, token: granted.access_token, signer, bad_secrets }
    }

    /// A right form with more in it.
    fn form(&self, more: &[(&str, &str)]) -> String {
        let token = ("token", self.token.as_str());
        let pairs = std::iter::once(&token).chain(more);
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}

/// A last character that the text does not have.
fn other_end(text: &str) -> char {
    if text.ends_with('0') { '1' } else { '0' }
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The cases of one endpoint and what came of them.
struct Table<'w> {
    world: &'w World<'w>,
    endpoint: &'static str,
    tried: BTreeMap<&'static str, usize>,
}

impl Table<'_> {
    /// A request to the endpoint without a body and a credential.
    fn ask(&self) -> Ask {
        Ask::new("POST", self.endpoint)
    }

    /// A form from a client that has proved itself.
    fn proved(&self, body: impl Into<axum::body::Body>) -> Ask {
        self.ask().body(FORM, body).bearer(&self.world.app.live)
    }

    async fn expect(&mut self, group: &'static str, ask: Ask, expected: Expected, what: &str) {
        let reply = self.world.service.ask(ask).await;
        let body = reply.json();
        let field = body["field"].as_str().map(str::to_owned);
        let found = (reply.status, body["error"].as_str().unwrap_or_default(), field);
        assert_eq!(found, expected, "{} with {group}, {what}: {reply}", self.endpoint);
        reply.expect_error(expected.0, expected.1);
        let said = String::from_utf8_lossy(&reply.body);
        for secret in [&self.world.app.live, &self.world.other.live, &self.world.token] {
            assert!(!said.contains(secret.as_str()), "{group}, {what} is echoed: {reply}");
        }
        *self.tried.entry(group).or_default() += 1;
    }
}

#[tokio::test]
async fn every_bad_form_and_client_is_refused() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let other = service.app(&json!({})).await;
    let world = World::new(&service, &app, &other).await;
    for endpoint in ENDPOINTS {
        let mut table = Table { world: &world, endpoint, tried: BTreeMap::new() };
        table.forms().await;
        table.clients().await;
        table.assertions().await;
        let tried: usize = table.tried.values().sum();
        assert!(tried >= 100, "{endpoint}: {:?}", table.tried);
        // nothing was revoked, and nothing that is right is refused
        app.verify(&world.token, "orders:read").await.expect(200);
    }
    for endpoint in ENDPOINTS {
        let ask = Ask::new("POST", endpoint).body(FORM, world.form(&[])).bearer(&app.live);
        service.ask(ask).await.expect(200);
    }
    app.verify(&world.token, "orders:read").await.expect_error(403, "invalid_token");
}
