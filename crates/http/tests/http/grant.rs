//! The way of a grant: issue, exchange, verify, narrow, revoke.

use std::time::Duration;

use agentadmit_protocol::secret::SecretKind;
use serde_json::json;

use crate::support::{Ask, Service, unknown};

const KEY: &str = "0123456789abcdefghijkl";

#[tokio::test]
async fn a_grant_from_issue_to_revocation() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;

    let allowed = app.verify(&granted.access_token, "orders:read").await;
    let body = allowed.expect(200);
    assert_eq!(body["active"], true);
    assert_eq!(body["app_id"], app.app_id.as_str());
    assert_eq!(body["environment"], "live");
    assert_eq!(body["connection_id"], granted.connection_id.as_str());
    assert_eq!(body["scopes"], json!(["orders:read"]));
    assert_eq!(body["expires_at"], "2026-12-22T12:00:00.000Z");
    assert!(body["audit_id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!(allowed.header("cache-control"), "no-store");

    let refused = app.verify(&granted.access_token, "orders:write").await;
    let body = refused.expect_error(403, "insufficient_scope");
    assert_eq!(body["active"], true);
    assert_eq!(body["required_scope"], "orders:write");
    assert_eq!(body["granted_scopes"], json!(["orders:read"]));
    assert!(body["audit_id"].as_str().unwrap().starts_with("evt_"));

    let shown = app.ask(Ask::get(&format!("/v1/connections/{}", granted.connection_id))).await;
    let shown = shown.expect(200);
    assert_eq!((&shown["status"], &shown["calls"]), (&json!("active"), &json!(1)));

    let revoke = json!({"connection_id": granted.connection_id, "reason": "lost laptop"});
    let revoked = app.ask(Ask::post("/v1/revoke", &revoke)).await.expect(200);
    assert_eq!(revoked["status"], "revoked");
    assert_eq!(revoked["connection_id"], granted.connection_id.as_str());
    assert!(revoked.get("count").is_none());
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(app.ask(Ask::post("/v1/revoke", &revoke)).await.expect(200), revoked);

    let dead = app.verify(&granted.access_token, "orders:read").await;
    let body = dead.expect_error(403, "invalid_token");
    assert_eq!((&body["active"], &body["reason"]), (&json!(false), &json!("revoked")));
    assert!(body.get("audit_id").is_none());
}

#[tokio::test]
async fn every_reason_of_a_dead_token() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let other = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let reason = async |app: &crate::support::App<'_>, token: &str| {
        let body = app.verify(token, "orders:read").await.expect_error(403, "invalid_token");
        assert_eq!(body["active"], false);
        (body["reason"].as_str().unwrap().to_owned(), body["error_description"].to_string())
    };
    assert_eq!(reason(&app, "nonsense").await.0, "malformed");
    assert_eq!(reason(&app, &granted.access_token.to_uppercase()).await.0, "malformed");
    assert_eq!(reason(&app, &unknown(SecretKind::AccessToken)).await.0, "unknown");
    assert_eq!(reason(&other, &granted.access_token).await.0, "unknown");
    let (_, pending) = app.issue("u1").await;
    let (malformed, text) = reason(&app, &pending).await;
    assert_eq!(malformed, "malformed");
    assert!(text.contains("exchange"), "{text}");
    app.exchange(&pending).await.expect(200);
    let body = json!({"token": granted.access_token});
    let by_test_key = Ask::post("/v1/verify", &body).bearer(&app.test);
    assert_eq!(service.ask(by_test_key).await.text("reason"), "unknown");
    service.clock.advance(Duration::from_hours(30 * 24));
    assert_eq!(reason(&app, &granted.access_token).await.0, "expired");
}

#[tokio::test]
async fn an_issue_says_its_duration() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let path = format!("/v1/apps/{}/token", app.app_id);
    let issue = async |more: serde_json::Value| {
        let mut body = json!({"user_id": "u", "scopes": ["orders:read"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.ask(Ask::post(&path, &body)).await
    };
    let minute = issue(json!({"duration_seconds": 60})).await.expect(201);
    assert_eq!(minute["expires_at"], "2026-11-22T12:01:00.000Z");
    assert_eq!(minute["token_expires_at"], minute["expires_at"]);
    let ever = issue(json!({"until_revoked": true})).await.expect(201);
    assert_eq!(ever["expires_at"], json!(null));
    assert_eq!(ever["token_expires_at"], "2026-11-22T12:10:00.000Z");
    for bad in [
        json!({"duration_seconds": 59}),
        json!({"duration_seconds": 31_536_001}),
        json!({"duration_seconds": -1}),
        json!({"duration_seconds": 60, "until_revoked": true}),
    ] {
        issue(bad).await.expect_error(400, "invalid_duration");
    }
    let strict = service.app(&json!({"allow_until_revoked": false})).await;
    let body = json!({"user_id": "u", "scopes": ["orders:read"], "until_revoked": true});
    let path = format!("/v1/apps/{}/token", strict.app_id);
    strict.ask(Ask::post(&path, &body)).await.expect_error(400, "invalid_duration");
}

#[tokio::test]
async fn a_replay_revokes_and_a_repetition_does_not() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let exchange = async |token: &str, key: &str| {
        let ask = Ask::post("/v1/token/exchange", &json!({"token": token}));
        app.ask(ask.header("idempotency-key", key)).await
    };
    let (id, token) = app.issue("u1").await;
    let first = exchange(&token, KEY).await;
    first.expect(200);
    let again = exchange(&token, KEY).await;
    again.expect(200);
    assert_ne!(first.text("access_token"), again.text("access_token"));
    let dead = app.verify(&first.text("access_token"), "orders:read").await;
    dead.expect_error(403, "invalid_token");
    app.verify(&again.text("access_token"), "orders:read").await.expect(200);

    let other = "ABCDEFGHIJKLMNOPQRSTUV";
    exchange(&token, other).await.expect_error(400, "invalid_grant");
    let shown = app.ask(Ask::get(&format!("/v1/connections/{id}"))).await;
    assert_eq!(shown.text("status"), "revoked");
    let replays = app.ask(Ask::get("/v1/audit?event=connection_token_replayed")).await.expect(200);
    assert_eq!(replays["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_exchange_answers_what_an_agent_needs() {
    let service = Service::start();
    let app = service.app(&json!({"logo_uri": "https://shop.example/logo.png"})).await;
    let (id, token) = app.issue("u1").await;
    service.clock.advance(Duration::from_millis(1_500));
    let body = json!({"token": token, "agent_label": "Helper", "agent_ip": "192.0.2.7"});
    let exchanged = service.ask(Ask::post("/v1/token/exchange", &body)).await;
    let answer = exchanged.expect(200);
    assert_eq!(exchanged.header("cache-control"), "no-store");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 2_592_000 - 2);
    assert_eq!(
        (&answer["scopes"], &answer["scope"]),
        (&json!(["orders:read"]), &json!("orders:read"))
    );
    assert_eq!((&answer["connection_id"], &answer["user_label"]), (&json!(id), &json!("Ann")));
    assert_eq!(answer["app"]["id"], app.app_id.as_str());
    assert_eq!(answer["app"]["logo_uri"], "https://shop.example/logo.png");
    let shown = app.ask(Ask::get(&format!("/v1/connections/{id}"))).await;
    assert_eq!(shown.text("agent_label"), "Helper");
}

#[tokio::test]
async fn a_token_of_another_app_is_not_spent() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let other = service.app(&json!({})).await;
    let (_, token) = app.issue("u1").await;
    let body = json!({"token": token});
    other.exchange(&token).await.expect_error(400, "invalid_grant");
    let by_test = Ask::post("/v1/token/exchange", &body).bearer(&app.test);
    service.ask(by_test).await.expect_error(400, "invalid_grant");
    app.exchange(&token).await.expect(200);
}

#[tokio::test]
async fn connections_are_listed_narrowed_and_ended_by_user() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let first = app.grant("u1").await;
    service.clock.advance(Duration::from_secs(1));
    app.grant("u1").await;
    service.clock.advance(Duration::from_secs(1));
    app.grant("u2").await;

    let page = app.ask(Ask::get("/v1/connections?limit=2")).await.expect(200);
    assert_eq!((page["connections"].as_array().unwrap().len(), &page["total"]), (2, &json!(3)));
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = app.ask(Ask::get(&format!("/v1/connections?limit=2&cursor={cursor}"))).await;
    let rest = rest.expect(200);
    assert_eq!(rest["connections"][0]["connection_id"], first.connection_id.as_str());
    assert_eq!(rest["next_cursor"], json!(null));

    let path = format!("/v1/connections/{}", first.connection_id);
    let narrow = json!({"expires_at": "2026-11-23T00:00:00Z", "user_label": "Bea"});
    let narrowed = app.ask(Ask::new("PATCH", &path).json(&narrow)).await.expect(200);
    assert_eq!(narrowed["expires_at"], "2026-11-23T00:00:00.000Z");
    assert_eq!(narrowed["user_label"], "Bea");
    let later = json!({"expires_at": "2026-11-24T00:00:00Z"});
    let later = app.ask(Ask::new("PATCH", &path).json(&later)).await;
    assert_eq!(later.expect_error(400, "invalid_duration")["field"], "expires_at");
    let nothing = json!({"remove_scopes": ["orders:read"]});
    let nothing = app.ask(Ask::new("PATCH", &path).json(&nothing)).await;
    nothing.expect_error(400, "invalid_scope");

    let others = app.ask(Ask::new("DELETE", &format!("{path}?user_id=u2"))).await;
    others.expect_error(404, "not_found");
    let own = app.ask(Ask::new("DELETE", &format!("{path}?user_id=u1"))).await;
    assert_eq!(own.expect(200)["connection_id"], first.connection_id.as_str());
    let all = app.ask(Ask::post("/v1/revoke", &json!({"user_id": "u1"}))).await.expect(200);
    assert_eq!(all["count"], 1);
    let ended = app.ask(Ask::new("PATCH", &path).json(&json!({"user_label": "C"}))).await;
    ended.expect_error(409, "conflict");
    let active = app.ask(Ask::get("/v1/connections?status=active")).await.expect(200);
    assert_eq!(active["connections"][0]["user_id"], "u2");
}

#[tokio::test]
async fn both_prefixes_are_the_same_and_operators_have_one() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let body = json!({"token": granted.access_token, "scope_used": "orders:read"});
    let answer = app.ask(Ask::post("/api/v1/verify", &body)).await;
    answer.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    app.ask(Ask::get("/api/v1/connections")).await.expect(200);
    let operator = Ask::get("/api/v1/operator/apps").local();
    service.ask(operator).await.expect_error(404, "not_found");
}
