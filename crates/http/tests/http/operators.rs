//! The operator API: apps, keys, plans, operators, suspended connections.

use std::time::Duration;

use agentadmit_engine::WriterOptions;
use agentadmit_http::HttpOptions;
use agentadmit_protocol::secret::SecretKind;
use serde_json::{Value, json};

use crate::support::{Ask, Service, unknown};

#[tokio::test]
async fn an_app_lives_and_ends() {
    let service = Service::start();
    let app = service.app(&json!({"idle_days": 30})).await;
    let (granted, (_, pending)) = (app.grant("u1").await, app.issue("u1").await);
    let path = format!("/v1/operator/apps/{}", app.app_id);
    let change =
        json!({"name": "Store", "description": "Sells", "settings": {"on_replay": "refuse"}});
    let view = service.local("PATCH", &path, &change).await.expect(200);
    assert_eq!((&view["name"], &view["description"]), (&json!("Store"), &json!("Sells")));
    assert_eq!(view["settings"]["idle_days"], 30);
    assert_eq!(view["settings"]["on_replay"], "refuse");
    let cleared = service.local("PATCH", &path, &json!({"description": null})).await.expect(200);
    assert_eq!(cleared["description"], json!(null));
    assert_eq!(service.local("GET", &path, &Value::Null).await.expect(200), cleared);

    let deleted = service.local("DELETE", &path, &Value::Null).await.expect(200);
    assert_eq!((&deleted["connections"], &deleted["keys"]), (&json!(2), &json!(2)));
    app.verify(&granted.access_token, "orders:read").await.expect_error(401, "invalid_api_key");
    let body = json!({"token": pending});
    service.ask(Ask::post("/v1/token/exchange", &body)).await.expect_error(400, "invalid_grant");
    service.local("DELETE", &path, &Value::Null).await.expect_error(404, "not_found");
    let shown = service.local("GET", &path, &Value::Null).await.expect(200);
    assert_eq!(shown["deleted_at"], deleted["deleted_at"]);
}

#[tokio::test]
async fn apps_are_paged() {
    let service = Service::start();
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(service.app(&json!({})).await.app_id);
        service.clock.advance(Duration::from_millis(2));
    }
    let mut seen = Vec::new();
    let mut path = "/v1/operator/apps?limit=2".to_owned();
    loop {
        let page = service.local("GET", &path, &Value::Null).await.expect(200);
        let apps = page["apps"].as_array().unwrap();
        seen.extend(apps.iter().map(|app| app["app_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/operator/apps?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn keys_are_masked_rotated_and_revoked() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let body = json!({"environment": "test", "permissions": ["manage"], "name": "CI"});
    let (key_id, secret) = app.key(&body).await;
    assert!(secret.starts_with("aa_test_"));
    let keys = format!("/v1/operator/apps/{}/api-keys", app.app_id);
    let list = service.local("GET", &keys, &Value::Null).await;
    list.expect(200);
    assert!(!String::from_utf8_lossy(&list.body).contains(&secret));
    let usage = |key: &str| Ask::get("/v1/usage").bearer(key);

    let rotate = format!("{keys}/{key_id}/rotate");
    let next = service.local("POST", &rotate, &Value::Null).await;
    let body = next.expect(201);
    assert_eq!((&body["permissions"], &body["name"]), (&json!(["manage"]), &json!("CI")));
    assert_eq!(body["replaces"]["key_id"], key_id.as_str());
    assert_eq!(body["replaces"]["expires_at"], "2026-11-23T12:00:00.000Z");
    service.ask(usage(&secret)).await.expect(200);
    service.clock.advance(Duration::from_hours(24));
    service.ask(usage(&secret)).await.expect_error(401, "invalid_api_key");
    service.local("POST", &rotate, &Value::Null).await.expect_error(409, "conflict");

    let rotate = format!("{keys}/{}/rotate", next.text("key_id"));
    let third = service.local("POST", &rotate, &json!({"overlap_seconds": 0})).await;
    third.expect(201);
    service.ask(usage(&next.text("api_key"))).await.expect_error(401, "invalid_api_key");
    service.ask(usage(&third.text("api_key"))).await.expect(200);
    let path = format!("{keys}/{}", third.text("key_id"));
    let revoked = service.local("DELETE", &path, &Value::Null).await.expect(200);
    assert_eq!(revoked["status"], "revoked");
    assert_eq!(service.local("DELETE", &path, &Value::Null).await.expect(200), revoked);
    service.ask(usage(&third.text("api_key"))).await.expect_error(401, "invalid_api_key");
    let other = service.app(&json!({})).await;
    let elsewhere = path.replace(&app.app_id, &other.app_id);
    service.local("DELETE", &elsewhere, &Value::Null).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn a_listing_says_when_a_key_was_last_used() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let (key_id, secret) =
        app.key(&json!({"environment": "live", "permissions": ["verify"]})).await;
    let keys = format!("/v1/operator/apps/{}/api-keys", app.app_id);
    let last_used = async || {
        let list = service.local("GET", &keys, &Value::Null).await.expect(200);
        let listed = list["api_keys"].as_array().unwrap().iter();
        let mut its = listed.filter(|key| key["key_id"] == key_id.as_str());
        its.next().unwrap()["last_used_at"].clone()
    };
    assert_eq!(last_used().await, Value::Null);
    service.clock.advance(Duration::from_mins(1));
    let body = json!({"token": unknown(SecretKind::AccessToken)});
    service.ask(Ask::post("/v1/verify", &body).bearer(&secret)).await.expect(403);
    assert_eq!(last_used().await, "2026-11-22T12:01:00.000Z");
}

#[tokio::test]
async fn operators_come_and_go_but_not_the_last() {
    let service = Service::start();
    let (id, token) = service.operator(&json!({"name": "Ann"})).await;
    let ask = |method: &str, path: &str| Ask::new(method, path).bearer(&token);
    let path = format!("/v1/operator/operators/{id}");
    service.ask(ask("DELETE", &path)).await.expect_error(409, "conflict");
    let list = service.ask(ask("GET", "/v1/operator/operators")).await;
    assert_eq!(list.expect(200)["operators"][0]["access"], "full");
    assert!(!String::from_utf8_lossy(&list.body).contains(&token));
    let rotated = service.ask(ask("POST", &format!("{path}/rotate"))).await;
    rotated.expect(201);
    service
        .ask(ask("GET", "/v1/operator/operators"))
        .await
        .expect_error(401, "invalid_operator_token");
    let (_, second) = service.operator(&json!({})).await;
    let revoked = service.ask(Ask::new("DELETE", &path).bearer(&second)).await.expect(200);
    assert_eq!((&revoked["operator_id"], &revoked["status"]), (&json!(id), &json!("revoked")));
}

#[tokio::test]
async fn operators_revoke_by_connection_user_and_app() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let one = app.grant("u1").await;
    app.grant("u2").await;
    let three = app.grant("u3").await;
    let revoke =
        async |body: Value| service.local("POST", "/v1/operator/connections/revoke", &body).await;
    let body = revoke(json!({"connection_id": one.connection_id})).await.expect(200);
    assert_eq!(body["connection_id"], one.connection_id.as_str());
    let body = revoke(json!({"app_id": app.app_id, "user_id": "u2"})).await.expect(200);
    assert_eq!(body["count"], 1);
    let whole = json!({"app_id": app.app_id, "environment": "live"});
    assert_eq!(revoke(whole).await.expect_error(422, "invalid_request")["field"], "environment");
    app.verify(&three.access_token, "orders:read").await.expect(200);
    let body = revoke(json!({"app_id": app.app_id})).await.expect(200);
    assert_eq!(body["count"], 1);
    app.verify(&three.access_token, "orders:read").await.expect_error(403, "invalid_token");
    let path = format!("/v1/operator/connections?app_id={}", app.app_id);
    let list = service.local("GET", &path, &Value::Null).await.expect(200);
    let statuses = list["connections"].as_array().unwrap().iter().map(|one| &one["status"]);
    assert_eq!(statuses.collect::<Vec<_>>(), ["revoked"; 3]);
    assert_eq!(list["connections"][0]["environment"], "live");
    assert_eq!(list["connections"][0]["suspended"], false);
}

#[tokio::test]
async fn live_can_require_a_plan() {
    let writer = WriterOptions { live_requires_plan: true };
    let service = Service::with(writer, HttpOptions::default());
    let made = service.local("POST", "/v1/operator/apps", &json!({"name": "Shop"})).await;
    let app = format!("/v1/operator/apps/{}", made.text("app_id"));
    let plan = |status: &str| json!({"name": "pro", "status": status, "call_limit": null, "billing_url": "https://pay.example/"});
    let key = async || {
        let body = json!({"environment": "live"});
        service.local("POST", &format!("{app}/api-keys"), &body).await
    };
    service.local("PUT", &format!("{app}/plan"), &plan("none")).await.expect(200);
    let refused = key().await.expect_error(403, "subscription_required");
    assert_eq!(refused["billing_url"], "https://pay.example/");
    service.local("PUT", &format!("{app}/plan"), &plan("trial")).await.expect(200);
    let live = key().await.text("api_key");
    service.local("PUT", &format!("{app}/plan"), &plan("cancelled")).await.expect(200);
    let issue = format!("/v1/apps/{}/token", made.text("app_id"));
    let issue = Ask::post(&issue, &json!({"user_id": "u", "scopes": ["a:b"]})).bearer(&live);
    service.ask(issue).await.expect_error(403, "subscription_required");
    let revoke = Ask::post("/v1/revoke", &json!({"user_id": "u"})).bearer(&live);
    assert_eq!(service.ask(revoke).await.expect(200)["count"], 0);
}

#[tokio::test]
async fn hosted_apps_issue_on_the_consent_page_only() {
    let service = Service::start();
    let app = service.app(&json!({"issuance": "hosted"})).await;
    let path = format!("/v1/apps/{}/token", app.app_id);
    let body = json!({"user_id": "u", "scopes": ["orders:read"]});
    app.ask(Ask::post(&path, &body)).await.expect_error(403, "hosted_consent_required");
    service.ask(Ask::post(&path, &body).bearer(&app.test)).await.expect(201);
}

#[tokio::test]
async fn a_catalogue_changes_only_where_it_may() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let path = format!("/v1/apps/{}/scopes", app.app_id);
    let only_write = json!({"scopes": [{"name": "orders:write", "description": "Change"}]});
    let held = app.ask(Ask::new("PUT", &path).json(&only_write)).await;
    let text = held.expect_error(409, "conflict")["error_description"].to_string();
    assert!(text.contains("orders:read (held by 1)"), "{text}");
    // the test environment has its own catalogue, and nobody holds anything there
    let by_test = service.ask(Ask::new("PUT", &path).json(&only_write).bearer(&app.test)).await;
    assert_eq!(by_test.expect(200)["environment"], "test");
    app.verify(&granted.access_token, "orders:read").await.expect(200);

    let mut remove = only_write.clone();
    remove["remove"] = json!(["orders:read"]);
    let changed = app.ask(Ask::new("PUT", &path).json(&remove)).await.expect(200);
    assert_eq!(changed["removed"], json!(["orders:read"]));
    assert_eq!(changed["updated"], json!(["orders:write"]));
    let back = json!({"scopes": [{"name": "orders:write", "description": "Change"},
        {"name": "orders:read", "description": "Read"}]});
    let changed = app.ask(Ask::new("PUT", &path).json(&back)).await.expect(200);
    assert_eq!((&changed["added"], &changed["updated"]), (&json!(["orders:read"]), &json!([])));
    app.verify(&granted.access_token, "orders:read").await.expect_error(403, "insufficient_scope");
    let shown = app.ask(Ask::get(&path)).await.expect(200);
    assert_eq!(shown["scopes"], changed["scopes"]);
}

#[tokio::test]
async fn an_operator_sees_how_the_service_is_doing() {
    let service = Service::start();
    service.app(&json!({})).await.grant("u1").await;
    let health = service.local("GET", "/v1/operator/health", &Value::Null).await.expect(200);
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["issuer"], crate::support::ISSUER);
    assert_eq!(health["now"], health["log"]["newest_record_at"]);
    assert!(health["log"]["end"].as_i64().unwrap() > 0, "{health}");
    assert!(health["store"]["write_microseconds"].is_u64(), "{health}");
    assert_eq!(health["store"]["free_bytes"], Value::Null, "a store in memory has no disk");

    service.clock.advance(Duration::from_millis(1_500));
    let later = service.local("GET", "/v1/operator/health", &Value::Null).await.expect(200);
    assert_ne!(later["now"], health["now"]);
    assert_eq!(later["log"], health["log"], "a look is no record");
}
