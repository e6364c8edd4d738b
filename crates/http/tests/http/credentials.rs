//! The credential table: what every route answers without, and with the wrong, credential.

use std::collections::BTreeSet;
use std::time::Duration;

use agentadmit_protocol::secret::SecretKind;
use serde_json::{Value, json};

use crate::dashboard::{Browser, account_link, app_link, new_code};
use crate::oauth_server;
use crate::support::{App, Ask, Granted, Reply, Service, unknown};

/// A route: method, path, body, and whose credential it wants.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    body: fn(&World<'_>) -> Value,
    pub(crate) wants: Wants,
}

pub(crate) enum Wants {
    /// Nothing: anyone may ask.
    Nothing,
    /// An app's credential with this permission, or any that is good with [`NO_PERMISSION`]. What another app's key, and the app's own key of
    /// the other environment, are answered.
    App { permission: &'static str, other_app: Expected, other_environment: Expected },
    /// The same in OAuth's words.
    Client,
    /// That, or nothing: `crate::oauth` plays what the token alone opens.
    ClientOrHolder,
    /// An operator's token; whether one limited to `billing` is enough.
    Operator { billing: bool },
    /// The command line on the machine.
    Machine,
    /// A session of the dashboard; `crate::dashboard` plays it.
    Session,
    /// A developer's session of the dashboard.
    Developer,
    /// What a passkey signed; `crate::dashboard` plays it.
    Passkey,
}

/// Status and code; no code for an answer that is no error.
pub(crate) type Expected = (u16, &'static str);

/// What a route needs that any good credential may ask.
const NO_PERMISSION: &str = "";
const NOT_FOUND: Expected = (404, "not_found");
const EMPTY: Expected = (200, "");

const fn row(
    method: &'static str,
    path: &'static str,
    body: fn(&World<'_>) -> Value,
    wants: Wants,
) -> Row {
    Row { method, path, body, wants }
}

const fn app(permission: &'static str, other_app: Expected, other_environment: Expected) -> Wants {
    Wants::App { permission, other_app, other_environment }
}

/// The only route about the own passkeys that needs no passkey.
const OPTIONS: &str = "/dashboard/passkeys/options";
const FULL: Wants = Wants::Operator { billing: false };

fn none(_: &World<'_>) -> Value {
    Value::Null
}

/// An answer to a challenge that nobody made: who may answer is played in `crate::dashboard`.
fn no_challenge(_: &World<'_>) -> Value {
    json!({"challenge_id": "a".repeat(43), "credential": {
        "rawId": "AQID", "response": {
            "clientDataJSON": "e30", "attestationObject": "oA", "authenticatorData": "AA",
            "signature": "AA"
        }
    }})
}

pub(crate) const ROWS: &[Row] = &[
    row("GET", "/healthz", none, Wants::Nothing),
    row("GET", "/readyz", none, Wants::Nothing),
    row("GET", "/openapi.json", none, Wants::Nothing),
    row("GET", "/metrics", none, FULL),
    row("GET", "/v1/audit/keys", none, Wants::Nothing),
    row("GET", "/v1/apps/{app_id}/jwks", none, Wants::Nothing),
    row(
        "POST",
        "/v1/verify",
        |world| json!({"token": world.granted.access_token}),
        app("verify", (403, "invalid_token"), (403, "invalid_token")),
    ),
    row(
        "POST",
        "/v1/token/exchange",
        |world| json!({"token": world.pending}),
        app("verify", (400, "invalid_grant"), (400, "invalid_grant")),
    ),
    row(
        "POST",
        "/v1/apps/{app_id}/token",
        |_| json!({"user_id": "u", "scopes": ["orders:read"]}),
        app("issue", NOT_FOUND, (201, "")),
    ),
    row(
        "POST",
        "/v1/apps/{app_id}/consent-sessions",
        |_| json!({"user_id": "u", "scopes": ["orders:read"]}),
        app("issue", NOT_FOUND, (201, "")),
    ),
    row(
        "GET",
        "/v1/apps/{app_id}/authorization-requests/{request_id}",
        none,
        app("issue", NOT_FOUND, NOT_FOUND),
    ),
    row(
        "POST",
        "/v1/apps/{app_id}/authorization-requests/{request_id}",
        |_| json!({"user_id": "u"}),
        app("issue", NOT_FOUND, NOT_FOUND),
    ),
    row("GET", "/v1/connections", none, app("manage", EMPTY, EMPTY)),
    row("GET", "/v1/connections/{connection_id}", none, app("manage", NOT_FOUND, NOT_FOUND)),
    row(
        "PATCH",
        "/v1/connections/{connection_id}",
        |_| json!({"user_label": "Bea"}),
        app("manage", NOT_FOUND, NOT_FOUND),
    ),
    row("GET", "/v1/apps/{app_id}/scopes", none, app("manage", NOT_FOUND, EMPTY)),
    row(
        "PUT",
        "/v1/apps/{app_id}/scopes",
        |_| json!({"scopes": [{"name": "orders:read", "description": "Read orders"}]}),
        app("manage", NOT_FOUND, EMPTY),
    ),
    row("GET", "/v1/audit", none, app("manage", EMPTY, EMPTY)),
    row("GET", "/v1/audit/export", none, app("manage", EMPTY, EMPTY)),
    row("GET", "/v1/usage", none, app("manage", EMPTY, EMPTY)),
    row("GET", "/v1/credential", none, app(NO_PERMISSION, EMPTY, EMPTY)),
    row(
        "POST",
        "/v1/revoke",
        |world| json!({"connection_id": world.granted.connection_id}),
        app("manage", NOT_FOUND, NOT_FOUND),
    ),
    row("DELETE", "/v1/connections/{connection_id}", none, app("manage", NOT_FOUND, NOT_FOUND)),
    row("GET", "/.well-known/oauth-authorization-server", none, Wants::Nothing),
    row("GET", "/.well-known/openid-configuration", none, Wants::Nothing),
    row("POST", "/oauth/par", none, Wants::Nothing),
    row("POST", "/oauth/token", none, Wants::Nothing),
    row("POST", "/oauth/device_authorization", none, Wants::Nothing),
    row(
        "POST",
        "/oauth/register",
        |_| json!({"redirect_uris": ["https://client.example/cb"]}),
        Wants::Nothing,
    ),
    row("POST", "/oauth/introspect", none, Wants::Client),
    row("POST", "/oauth/revoke", none, Wants::ClientOrHolder),
    row("GET", "/v1/operator/apps", none, FULL),
    row("POST", "/v1/operator/apps", |_| json!({"name": "New"}), FULL),
    row("GET", "/v1/operator/apps/{app_id}", none, FULL),
    row("PATCH", "/v1/operator/apps/{app_id}", |_| json!({"name": "Other"}), FULL),
    row("GET", "/v1/operator/apps/{app_id}/usage", none, FULL),
    row(
        "PUT",
        "/v1/operator/apps/{app_id}/plan",
        |_| json!({"name": "pro", "status": "active", "call_limit": null}),
        Wants::Operator { billing: true },
    ),
    row("GET", "/v1/operator/apps/{app_id}/api-keys", none, FULL),
    row("POST", "/v1/operator/apps/{app_id}/api-keys", |_| json!({"environment": "test"}), FULL),
    row("POST", "/v1/operator/apps/{app_id}/api-keys/{key_id}/rotate", none, FULL),
    row("DELETE", "/v1/operator/apps/{app_id}/api-keys/{key_id}", none, FULL),
    row("GET", "/v1/operator/apps/{app_id}/public-keys", none, FULL),
    row("PUT", "/v1/operator/apps/{app_id}/public-keys", |_| json!({"keys": []}), FULL),
    row("GET", "/v1/operator/apps/{app_id}/scopes", none, FULL),
    row(
        "PUT",
        "/v1/operator/apps/{app_id}/scopes",
        |_| json!({"scopes": [{"name": "orders:read", "description": "Read orders"}]}),
        FULL,
    ),
    row("GET", "/v1/operator/health", none, FULL),
    row("GET", "/v1/operator/overview", none, FULL),
    row("GET", "/v1/operator/users", none, FULL),
    row("GET", "/v1/operator/connections", none, FULL),
    row("GET", "/v1/operator/connections/{connection_id}", none, FULL),
    row(
        "PATCH",
        "/v1/operator/connections/{connection_id}",
        |_| json!({"user_label": "Bea"}),
        FULL,
    ),
    row(
        "POST",
        "/v1/operator/connections/resume",
        |world| json!({"connection_id": world.granted.connection_id}),
        FULL,
    ),
    row(
        "POST",
        "/v1/operator/connections/revoke",
        |world| json!({"connection_id": world.granted.connection_id}),
        FULL,
    ),
    row("GET", "/v1/operator/audit", none, FULL),
    row("GET", "/v1/operator/audit/export", none, FULL),
    row("GET", "/v1/operator/audit/verification", none, FULL),
    row("POST", "/v1/operator/audit/verification", none, FULL),
    row("POST", "/v1/operator/clock/accept", none, Wants::Machine),
    row("GET", "/v1/operator/operators", none, FULL),
    row("POST", "/v1/operator/operators", |_| json!({"name": "second"}), FULL),
    row("POST", "/v1/operator/operators/{operator_id}/rotate", none, FULL),
    row("POST", "/v1/operator/sign-in-codes", none, FULL),
    row("GET", "/v1/operator/sessions", none, FULL),
    row("DELETE", "/v1/operator/sessions/{session_id}", none, FULL),
    row("DELETE", "/v1/operator/operators/{operator_id}", none, FULL),
    row("GET", "/v1/operator/apps/{app_id}/members", none, FULL),
    row(
        "PATCH",
        "/v1/operator/apps/{app_id}/members/{account_id}",
        |_| json!({"role": "owner"}),
        FULL,
    ),
    row("GET", "/v1/operator/apps/{app_id}/invites", none, FULL),
    row("POST", "/v1/operator/apps/{app_id}/invites", |_| json!({"role": "viewer"}), FULL),
    row("DELETE", "/v1/operator/apps/{app_id}/invites/{invite_id}", none, FULL),
    row("DELETE", "/v1/operator/apps/{app_id}/members/{account_id}", none, FULL),
    row("GET", "/v1/operator/accounts", none, FULL),
    row("GET", "/v1/operator/accounts/invites", none, FULL),
    row("POST", "/v1/operator/accounts/invites", |_| json!({"seconds": 60}), FULL),
    row("DELETE", "/v1/operator/accounts/invites/{invite_id}", none, FULL),
    row("POST", "/v1/operator/accounts/{account_id}/sign-in-link", none, FULL),
    row("POST", "/v1/operator/accounts/{account_id}/suspend", none, FULL),
    row("POST", "/v1/operator/accounts/{account_id}/resume", none, FULL),
    row("DELETE", "/v1/operator/accounts/{account_id}", none, FULL),
    row("DELETE", "/v1/operator/apps/{app_id}", none, FULL),
    row("GET", "/dashboard/sign-up", none, Wants::Nothing),
    row("POST", "/dashboard/invite", |world| json!({"code": world.link}), Wants::Nothing),
    row(
        "POST",
        "/dashboard/invite/use",
        |world| json!({"code": world.link, "label": "Eve"}),
        Wants::Nothing,
    ),
    row("GET", "/dashboard/account", none, Wants::Developer),
    row("POST", "/dashboard/passkeys/sign-in/options", none, Wants::Nothing),
    row(
        "POST",
        "/dashboard/passkeys/sign-up/options",
        |world| json!({"label": "Eve", "code": world.link}),
        Wants::Nothing,
    ),
    row("POST", "/dashboard/passkeys/sign-in", no_challenge, Wants::Passkey),
    row("POST", "/dashboard/passkeys/sign-up", no_challenge, Wants::Passkey),
    row("POST", "/dashboard/passkeys/options", none, Wants::Developer),
    row("POST", "/dashboard/passkeys", no_challenge, Wants::Developer),
    row("DELETE", "/dashboard/passkeys/{credential_id}", none, Wants::Developer),
    row("PATCH", "/dashboard/account", |_| json!({"label": "Eva"}), Wants::Developer),
    row("POST", "/dashboard/session", |world| json!({"code": world.code}), Wants::Nothing),
    row("GET", "/dashboard/session", none, Wants::Session),
    row("DELETE", "/dashboard/session", none, Wants::Session),
];

/// Everything that a row may name, and every kind of credential.
pub(crate) struct World<'s> {
    service: &'s Service,
    pub(crate) app: App<'s>,
    pub(crate) granted: Granted,
    pending: String,
    /// An OAuth client, and what it asks the app for.
    client_id: String,
    request_id: String,
    key_id: String,
    operator_id: String,
    session_id: String,
    code: String,
    /// A viewer of the app.
    account_id: String,
    app_invite_id: String,
    account_invite_id: String,
    /// The code of a link to a new account.
    link: String,
    pub(crate) operator: String,
    billing: String,
    other_app: String,
    /// Credentials that are no app's, whatever is asked.
    bad_for_apps: Vec<(&'static str, String)>,
    /// Credentials that are no operator's, whatever is asked.
    bad_for_operators: Vec<(&'static str, String)>,
}

impl<'s> World<'s> {
    pub(crate) async fn new(service: &'s Service) -> Self {
        let app = oauth_server::shop(service).await;
        let other = service.app(&json!({})).await;
        let granted = app.grant("u1").await;
        let (_, pending) = app.issue("u1").await;
        let (_, operator) = service.operator(&json!({})).await;
        let (operator_id, _) = service.operator(&json!({})).await;
        let (_, billing) = service.operator(&json!({"access": "billing"})).await;

        let soon = json!({"environment": "live", "expires_at": "2026-11-22T12:00:01Z"});
        let (_, expired) = app.key(&soon).await;
        let (_, expired_operator) =
            service.operator(&json!({"expires_at": "2026-11-22T12:00:01Z"})).await;
        service.clock.advance(Duration::from_secs(1));
        let (key_id, revoked) = app.key(&json!({"environment": "live"})).await;
        let path = format!("/v1/operator/apps/{}/api-keys/{key_id}", app.app_id);
        service.local("DELETE", &path, &Value::Null).await.expect(200);
        let (gone, revoked_operator) = service.operator(&json!({})).await;
        let path = format!("/v1/operator/operators/{gone}");
        service.local("DELETE", &path, &Value::Null).await.expect(200);
        let deleted = service.app(&json!({})).await;
        let path = format!("/v1/operator/apps/{}", deleted.app_id);
        service.local("DELETE", &path, &Value::Null).await.expect(200);

        let no_secret = ("no secret", "nonsense".to_owned());
        let agents = ("an agent's", granted.access_token.clone());
        let connection_token = ("a connection token", pending.clone());
        let bad_for_apps = vec![
            no_secret.clone(),
            agents.clone(),
            connection_token.clone(),
            ("unknown", unknown(SecretKind::ApiKeyLive)),
            ("expired", expired),
            ("revoked", revoked),
            ("of a deleted app", deleted.live.clone()),
            ("an operator's", operator.clone()),
            ("three parts", "a.b.c".to_owned()),
        ];
        let bad_for_operators = vec![
            no_secret,
            agents,
            connection_token,
            ("unknown", unknown(SecretKind::OperatorToken)),
            ("expired", expired_operator),
            ("revoked", revoked_operator),
            ("an app's", app.live.clone()),
        ];
        let (key_id, _) = app.key(&json!({"environment": "test"})).await;
        let other_app = other.live.clone();
        let session_id = Browser::signed_in(service).await.session_id;
        let code = new_code(service).await;
        let invites = format!("/v1/operator/apps/{}/invites", app.app_id);
        let viewer = app_link(service, &app.app_id, "viewer").await;
        let account_id = Browser::joined(service, &viewer, "Vera").await.account_id;
        let app_invite = service.local("POST", &invites, &json!({"role": "viewer"})).await;
        let account_invite =
            service.local("POST", "/v1/operator/accounts/invites", &Value::Null).await;
        let link = account_link(service).await;
        let client_id = oauth_server::registered(service, json!({})).await;
        let request_id = oauth_server::begun(&app, &client_id).await;
        Self {
            service,
            app,
            granted,
            pending,
            client_id,
            request_id,
            key_id,
            operator_id,
            session_id,
            code,
            account_id,
            app_invite_id: app_invite.text("invite_id"),
            account_invite_id: account_invite.text("invite_id"),
            link,
            operator,
            billing,
            other_app,
            bad_for_apps,
            bad_for_operators,
        }
    }

    pub(crate) fn request(&self, row: &Row) -> Ask {
        let is_apps = row.path.starts_with("/v1/operator/apps");
        let invite_id = if is_apps { &self.app_invite_id } else { &self.account_invite_id };
        let path = row
            .path
            .replace("{app_id}", &self.app.app_id)
            .replace("{connection_id}", &self.granted.connection_id)
            .replace("{key_id}", &self.key_id)
            .replace("{operator_id}", &self.operator_id)
            .replace("{session_id}", &self.session_id)
            .replace("{request_id}", &self.request_id)
            .replace("{account_id}", &self.account_id)
            .replace("{invite_id}", invite_id)
            .replace("{credential_id}", "AQID");
        let mut ask = Ask::new(row.method, &path);
        let is_page = matches!(row.wants, Wants::Nothing | Wants::Passkey);
        if row.path.starts_with("/dashboard") && is_page {
            ask = ask.header("agentadmit-dashboard", "1");
        }
        match row.path {
            "/oauth/introspect" | "/oauth/revoke" => {
                return ask.form(&[("token", &self.granted.access_token)]);
            }
            "/oauth/token" => {
                let grant = "urn:agentadmit:params:oauth:grant-type:connection-token";
                return ask.form(&[("grant_type", grant), ("connection_token", &self.pending)]);
            }
            "/oauth/par" => return ask.form(&oauth_server::asked(&self.client_id, &[])),
            "/oauth/device_authorization" => {
                let client = ("client_id", self.client_id.as_str());
                return ask.form(&[client, ("resource", oauth_server::RESOURCE)]);
            }
            _ => {}
        }
        match (row.body)(self) {
            Value::Null => ask,
            body => ask.json(&body),
        }
    }

    async fn ask(&self, row: &Row, credential: &str) -> Reply {
        self.service.ask(self.request(row).bearer(credential)).await
    }

    /// No credential, credentials of another form, and two at once.
    fn without_a_way_in(&self, row: &Row) -> [Ask; 3] {
        [
            self.request(row),
            self.request(row).header("authorization", "Digest x"),
            self.request(row).bearer("a").bearer("b"),
        ]
    }

    async fn expect_no_way_in(
        &self,
        row: &Row,
        code: &str,
        asks: impl IntoIterator<Item = (Ask, &str)>,
    ) {
        for (ask, challenge) in asks {
            let reply = self.service.ask(ask).await;
            reply.expect_error(401, code);
            assert_eq!(reply.header("www-authenticate"), challenge, "{} {}", row.method, row.path);
        }
    }

    async fn expect_bad(&self, row: &Row, credentials: &[(&str, String)], code: &str) {
        for (what, credential) in credentials {
            let reply = self.ask(row, credential).await;
            let found = (reply.status, reply.text("error"));
            let place = format!("{} {} with {what}: {reply}", row.method, row.path);
            assert_eq!(found, (401, code.to_owned()), "{place}");
            assert_eq!(
                reply.header("www-authenticate"),
                r#"Bearer error="invalid_token""#,
                "{place}"
            );
            assert!(!String::from_utf8_lossy(&reply.body).contains(credential.as_str()), "{place}");
        }
    }

    async fn expect_elsewhere(&self, row: &Row, credential: &str, expected: Expected) {
        let reply = self.ask(row, credential).await;
        let place = format!("{} {}: {reply}", row.method, row.path);
        assert_eq!((reply.status, reply.text("error").as_str()), expected, "{place}");
        let body = String::from_utf8_lossy(&reply.body);
        assert!(!body.contains(&self.granted.connection_id), "{place}");
    }
}

const BEARER: [&str; 3] = ["Bearer", "Bearer", r#"Bearer error="invalid_request""#];

#[tokio::test]
async fn no_route_opens_for_the_wrong_credential() {
    let service = Service::start();
    let world = World::new(&service).await;
    for row in ROWS {
        match &row.wants {
            // `crate::dashboard` plays what wants a session
            Wants::Nothing | Wants::Session | Wants::Developer | Wants::Passkey => {}
            Wants::App { permission, other_app, other_environment } => {
                let anonymous = row.path == "/v1/token/exchange";
                if !anonymous {
                    let asks = world.without_a_way_in(row).into_iter().zip(BEARER);
                    world.expect_no_way_in(row, "invalid_api_key", asks).await;
                }
                world.expect_bad(row, &world.bad_for_apps, "invalid_api_key").await;
                let others: Vec<&str> = ["verify", "issue", "manage"]
                    .into_iter()
                    .filter(|one| one != permission)
                    .collect();
                let key = json!({"environment": "live", "permissions": others});
                let (_, lacking) = world.app.key(&key).await;
                let reply = world.ask(row, &lacking).await;
                match *permission {
                    NO_PERMISSION => reply.expect(200),
                    _ => reply.expect_error(403, "forbidden"),
                };
                world.expect_elsewhere(row, &world.other_app, *other_app).await;
                world.expect_elsewhere(row, &world.app.test, *other_environment).await;
            }
            Wants::Client | Wants::ClientOrHolder => {
                let basic = r#"Basic realm="agentadmit", charset="UTF-8""#;
                let challenges = [basic, basic, BEARER[2]];
                let asks = world.without_a_way_in(row);
                let skipped = usize::from(matches!(row.wants, Wants::ClientOrHolder));
                let asks = asks.into_iter().zip(challenges).skip(skipped);
                world.expect_no_way_in(row, "invalid_client", asks).await;
                world.expect_bad(row, &world.bad_for_apps, "invalid_client").await;
                let key = json!({"environment": "live", "permissions": ["issue", "manage"]});
                let (_, lacking) = world.app.key(&key).await;
                world.ask(row, &lacking).await.expect_error(403, "forbidden");
                world.expect_elsewhere(row, &world.other_app, EMPTY).await;
                world.expect_elsewhere(row, &world.app.test, EMPTY).await;
            }
            Wants::Operator { billing } => {
                let asks = world.without_a_way_in(row).into_iter().zip(BEARER);
                world.expect_no_way_in(row, "invalid_operator_token", asks).await;
                world.expect_bad(row, &world.bad_for_operators, "invalid_operator_token").await;
                if !billing {
                    world.ask(row, &world.billing).await.expect_error(403, "forbidden");
                }
            }
            Wants::Machine => {
                let asks = world.without_a_way_in(row).into_iter().zip(BEARER);
                world.expect_no_way_in(row, "invalid_operator_token", asks).await;
                world.expect_bad(row, &world.bad_for_operators, "invalid_operator_token").await;
                world.ask(row, &world.operator).await.expect_error(403, "forbidden");
            }
        }
    }
    // after all that was refused nothing has changed
    world.app.verify(&world.granted.access_token, "orders:read").await.expect(200);
    world.app.exchange(&world.pending).await.expect(200);
}

#[tokio::test]
async fn every_route_opens_for_the_right_credential() {
    for row in ROWS {
        let service = Service::start();
        let world = World::new(&service).await;
        let reply = match &row.wants {
            Wants::Nothing => service.ask(world.request(row)).await,
            Wants::App { .. } | Wants::Client | Wants::ClientOrHolder => {
                world.ask(row, &world.app.live).await
            }
            Wants::Operator { billing: true } => world.ask(row, &world.billing).await,
            Wants::Operator { billing: false } => world.ask(row, &world.operator).await,
            Wants::Machine => service.ask(world.request(row).local()).await,
            Wants::Session => {
                let browser = Browser::signed_in(&service).await;
                service.ask(browser.with(world.request(row))).await
            }
            // what it signs is not to be written in a table
            Wants::Passkey => continue,
            Wants::Developer if row.path.contains("passkeys") && row.path != OPTIONS => continue,
            Wants::Developer => {
                let link = account_link(&service).await;
                let browser = Browser::joined(&service, &link, "Dan").await;
                service.ask(browser.with(world.request(row))).await
            }
        };
        assert!((200..300).contains(&reply.status), "{} {}: {reply}", row.method, row.path);
    }
}

#[test]
fn the_table_names_every_route_of_the_document() {
    let document = serde_json::to_value(agentadmit_http::openapi()).unwrap();
    let documented: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let tabled: BTreeSet<String> =
        ROWS.iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    assert_eq!(documented, tabled);
}

#[tokio::test]
async fn nothing_from_a_socket_is_the_local_operator() {
    let service = Service::start();
    for (name, value) in
        [("LocalOperator", "trusted"), ("X-Local-Operator", "1"), ("Forwarded", "for=127.0.0.1")]
    {
        let ask = Ask::get("/v1/operator/apps").header(name, value);
        service.ask(ask).await.expect_error(401, "invalid_operator_token");
    }
    service.ask(Ask::get("/v1/operator/apps").local()).await.expect(200);
}
