//! The doors for off-the-shelf OAuth clients.

use agentadmit_protocol::secret::SecretKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::{App, Ask, Reply, Service, unknown};

const INTROSPECT: &str = "/oauth/introspect";
const REVOKE: &str = "/oauth/revoke";

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

async fn introspect(app: &App<'_>, token: &str) -> Reply {
    app.ask(Ask::new("POST", INTROSPECT).form(&[("token", token)])).await
}

#[tokio::test]
async fn introspection_is_that_of_the_standard() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let active = introspect(&app, &granted.access_token).await;
    let body = active.expect(200);
    assert_eq!(active.header("cache-control"), "no-store");
    assert_eq!(body["active"], true);
    assert_eq!((&body["scope"], &body["sub"]), (&json!("orders:read"), &json!("u1")));
    assert_eq!((&body["client_id"], &body["token_type"]), (&json!(app.app_id), &json!("Bearer")));
    assert_eq!(body["exp"].as_i64().unwrap() - body["iat"].as_i64().unwrap(), 2_592_000);
    assert_eq!(body["iss"], crate::support::ISSUER);
    for token in ["nonsense", &unknown(SecretKind::AccessToken), &granted.connection_token] {
        assert_eq!(introspect(&app, token).await.body, br#"{"active":false}"#, "{token}");
    }
    let other = service.app(&json!({})).await;
    assert_eq!(introspect(&other, &granted.access_token).await.body, br#"{"active":false}"#);
}

#[tokio::test]
async fn revocation_is_that_of_the_standard() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let revoke =
        async |token: &str| app.ask(Ask::new("POST", REVOKE).form(&[("token", token)])).await;
    for token in [
        "nonsense",
        &unknown(SecretKind::AccessToken),
        &granted.access_token,
        &granted.access_token,
    ] {
        let reply = revoke(token).await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, b"".as_slice()), "{token}");
    }
    app.verify(&granted.access_token, "orders:read").await.expect_error(403, "invalid_token");
    let (_, pending) = app.issue("u1").await;
    revoke(&pending).await.expect(200);
    app.exchange(&pending).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_client_proves_itself_in_each_way() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let token = granted.access_token.as_str();
    let (id, key) = (app.app_id.as_str(), app.live.as_str());
    let encoded = key.replace('_', "%5F");
    for ask in [
        Ask::new("POST", INTROSPECT).form(&[("token", token)]).bearer(key),
        Ask::new("POST", INTROSPECT).form(&[("token", token), ("client_id", id)]).bearer(key),
        Ask::new("POST", INTROSPECT)
            .form(&[("token", token)])
            .header("authorization", &basic(id, key)),
        Ask::new("POST", INTROSPECT)
            .form(&[("token", token)])
            .header("authorization", &basic(id, &encoded)),
        Ask::new("POST", INTROSPECT).form(&[
            ("token", token),
            ("client_id", id),
            ("client_secret", key),
        ]),
    ] {
        assert_eq!(service.ask(ask).await.expect(200)["active"], true);
    }
}

#[tokio::test]
async fn a_client_that_does_not_is_told_so() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let other = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let token = ("token", granted.access_token.as_str());
    let (id, key) = (app.app_id.as_str(), app.live.as_str());
    let form = |pairs: &[(&str, &str)]| Ask::new("POST", INTROSPECT).form(pairs);
    let with = |ask: Ask, value: &str| ask.header("authorization", value);
    for (ask, challenge) in [
        (with(form(&[token]), &basic(&other.app_id, key)), "Basic"),
        (with(form(&[token]), &basic("app_x", key)), "Basic"),
        (with(form(&[token]), &basic(id, "x")), "Basic"),
        (with(form(&[token]), &basic(id, &unknown(SecretKind::ApiKeyLive))), "Basic"),
        (with(form(&[token]), "Basic !!!"), "Basic"),
        (with(form(&[token]), &format!("Basic {}", STANDARD.encode("no colon"))), "Basic"),
        (form(&[token, ("client_id", id), ("client_secret", "x")]), "Basic"),
        (form(&[token, ("client_id", &other.app_id), ("client_secret", key)]), "Basic"),
        (form(&[token, ("client_secret", key)]), "Basic"),
        (form(&[token, ("client_id", &other.app_id)]).bearer(key), "Bearer"),
        (form(&[token]).bearer(&granted.access_token), "Bearer"),
    ] {
        let reply = service.ask(ask).await;
        reply.expect_error(401, "invalid_client");
        assert!(reply.header("www-authenticate").starts_with(challenge), "{reply}");
    }
}
