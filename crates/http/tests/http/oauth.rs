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

/// An agent that is done ends what it was handed: its access token is enough, and says nothing to others.
#[tokio::test]
async fn whoever_holds_a_handed_over_token_ends_it() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let revoke = async |form: &[(&str, &str)]| {
        let reply = service.ask(Ask::new("POST", REVOKE).form(form)).await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, b"".as_slice()), "{form:?}");
    };
    let kept = app.grant("u1").await;
    let (_, pending) = app.issue("u1").await;
    for token in ["nonsense", &unknown(SecretKind::AccessToken), &pending, &app.live] {
        revoke(&[("token", token)]).await;
    }
    app.exchange(&pending).await.expect(200);
    let client = crate::oauth_server::registered(&service, json!({})).await;
    for more in [None, Some(("token_type_hint", "access_token")), Some(("client_id", &*client))] {
        let granted = app.grant("u1").await;
        let form: Vec<_> =
            std::iter::once(("token", granted.access_token.as_str())).chain(more).collect();
        for _ in 0..2 {
            revoke(&form).await;
        }
        let dead = app.verify(&granted.access_token, "orders:read").await;
        assert_eq!(dead.expect_error(403, "invalid_token")["reason"], "revoked");
        let path =
            format!("/v1/audit?event=connection_revoked&connection_id={}", granted.connection_id);
        let events = app.ask(Ask::get(&path)).await.expect(200)["events"].clone();
        assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
        assert_eq!(events[0]["actor"], format!("agent:{}", granted.connection_id));
    }
    app.verify(&kept.access_token, "orders:read").await.expect(200);
}

#[tokio::test]
async fn ends_are_limited_and_say_nothing() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let ask = |token: &str| Ask::new("POST", REVOKE).form(&[("token", token)]);
    for _ in 0..600 {
        service.ask(ask("nonsense")).await.expect(200);
    }
    let granted = app.grant("u1").await;
    // a good token hears no more than a bad one
    for token in ["nonsense", &granted.access_token] {
        let refused = service.ask(ask(token)).await;
        assert_eq!(refused.expect_error(429, "rate_limited")["limit"], "address");
        assert_eq!(refused.header("retry-after"), "60");
    }
    // who says who it is, is not held up
    app.ask(ask(&granted.access_token)).await.expect(200);
    app.verify(&granted.access_token, "orders:read").await.expect_error(403, "invalid_token");
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
