//! What operators see and end across all apps.

use std::time::Duration;

use agentadmit_protocol::secret::SecretKind;
use serde_json::{Value, json};

use crate::support::{Ask, Service, unknown};

#[tokio::test]
async fn everything_at_a_glance() {
    let service = Service::start();
    let (shop, bank) = (service.app(&json!({})).await, service.app(&json!({})).await);
    let gone = service.app(&json!({})).await;
    let path = format!("/v1/operator/apps/{}", gone.app_id);
    service.local("DELETE", &path, &Value::Null).await.expect(200);
    let (first, second) = (shop.grant("u1").await, bank.grant("u1").await);
    shop.verify(&first.access_token, "orders:read").await.expect(200);
    service.clock.advance(Duration::from_hours(24));
    bank.verify(&second.access_token, "orders:read").await.expect(200);
    for _ in 0..2 {
        bank.verify(&second.access_token, "files:write").await.expect(403);
    }
    let body = json!({"token": unknown(SecretKind::AccessToken)});
    shop.ask(Ask::post("/v1/verify", &body)).await.expect(403);
    service.operator(&json!({})).await;
    let path = "/v1/operator/overview";
    let seen = service.local("GET", path, &Value::Null).await.expect(200);
    assert_eq!((&seen["apps"], &seen["operators"]), (&json!(2), &json!(1)));
    let connections = json!({"pending": 0, "active": 2, "revoked": 0, "expired": 0});
    assert_eq!(seen["connections"], connections);
    assert_eq!(seen["today"], json!({"day": "2026-11-23", "allowed": 1, "refused": 2}));
    let refusals = json!([
        {"code": "insufficient_scope", "count": 2}, {"code": "unknown", "count": 1},
    ]);
    assert_eq!(seen["refusals"], refusals);
    let yesterday = json!({"day": "2026-11-22", "allowed": 1, "refused": 0});
    assert_eq!(seen["series"], json!([yesterday, seen["today"]]));
    let path = "/v1/operator/overview?days=1&environment=test";
    let seen = service.local("GET", path, &Value::Null).await.expect(200);
    assert_eq!((&seen["connections"]["active"], &seen["series"]), (&json!(0), &json!([])));
    assert_eq!(seen["today"]["allowed"], 0);
}

#[tokio::test]
async fn a_person_is_found_and_ended_in_all_apps() {
    let service = Service::start();
    let (shop, bank) = (service.app(&json!({})).await, service.app(&json!({})).await);
    let mut granted = Vec::new();
    for app in [&shop, &bank] {
        granted.push((app, app.grant("ann@example.com").await));
    }
    let (spared, (_, pending)) = (bank.grant("anna").await, bank.issue("ann@example.com").await);
    let found = service.local("GET", "/v1/operator/users?prefix=ann&limit=1", &Value::Null).await;
    let found = found.expect(200);
    let ann = json!({"user_id": "ann@example.com", "apps": 2, "live": 3, "connections": 3});
    assert_eq!(found, json!({"users": [ann], "next_after": "ann@example.com"}));
    let path = "/v1/operator/users?prefix=ann&after=ann@example.com";
    let rest = service.local("GET", path, &Value::Null).await.expect(200);
    assert_eq!((&rest["users"][0]["user_id"], &rest["next_after"]), (&json!("anna"), &Value::Null));
    let path = "/v1/operator/connections?user_id=ann%40example.com&status=active";
    let list = service.local("GET", path, &Value::Null).await.expect(200);
    assert_eq!(
        (&list["total"], list["connections"].as_array().map(Vec::len)),
        (&json!(2), Some(2))
    );

    let path = "/v1/operator/connections/revoke";
    let body = json!({"user_id": "ann@example.com", "all_apps": true, "reason": "left"});
    let ended = service.local("POST", path, &body).await.expect(200);
    assert_eq!((&ended["count"], &ended["apps"]), (&json!(3), &json!(2)));
    for (app, granted) in &granted {
        app.verify(&granted.access_token, "orders:read").await.expect_error(403, "invalid_token");
    }
    bank.exchange(&pending).await.expect_error(400, "invalid_grant");
    bank.verify(&spared.access_token, "orders:read").await.expect(200);
    let again = service.local("POST", path, &body).await.expect(200);
    assert_eq!((&again["count"], &again["apps"]), (&json!(0), &json!(0)));
    let path = "/v1/operator/audit?event=connection_revoked";
    let log = service.local("GET", path, &Value::Null).await.expect(200);
    let records = log["events"].as_array().unwrap();
    assert_eq!(records.len(), 3, "one for each connection");
    assert!(records.iter().all(|record| record["reason"] == "left"), "{log}");
    let found = service.local("GET", "/v1/operator/users?prefix=ann@", &Value::Null).await;
    assert_eq!(found.expect(200)["users"][0]["live"], 0);
}

#[tokio::test]
async fn connections_of_all_apps_are_listed_by_where_they_stand() {
    let service = Service::start();
    let (shop, bank) = (service.app(&json!({})).await, service.app(&json!({})).await);
    for user in ["u1", "u2"] {
        shop.grant(user).await;
        bank.grant(user).await;
        bank.issue(user).await;
    }
    let list = async |status: &str| {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/operator/connections?limit=1&status={status}{cursor}");
            let page = service.local("GET", &path, &Value::Null).await.expect(200);
            let total = page["total"].as_u64().unwrap();
            for one in page["connections"].as_array().unwrap() {
                seen.push(one["connection_id"].as_str().unwrap().to_owned());
            }
            let Some(next) = page["next_cursor"].as_str() else {
                assert_eq!(total, seen.len() as u64, "{status}");
                assert!(seen.is_sorted_by(|a, b| a > b), "newest first, each once: {seen:?}");
                return seen.len();
            };
            cursor = format!("&cursor={next}");
        }
    };
    assert_eq!((list("active").await, list("pending").await), (4, 2));
    let body = json!({"app_id": bank.app_id});
    service.local("POST", "/v1/operator/connections/revoke", &body).await.expect(200);
    assert_eq!((list("active").await, list("pending").await), (2, 0));
    assert_eq!((list("revoked").await, list("expired").await), (4, 0));
}

#[tokio::test]
async fn an_operator_narrows_and_sets_scopes_as_an_app_does() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let scopes = format!("/v1/operator/apps/{}/scopes?environment=live", app.app_id);
    let shown = service.local("GET", &scopes, &Value::Null).await.expect(200);
    assert_eq!(shown["environment"], "live");
    let body = json!({"scopes": [{"name": "new:one", "description": "New"}]});
    service.local("PUT", &scopes, &body).await.expect_error(409, "conflict");
    let test = scopes.replace("live", "test");
    let put = service.local("PUT", &test, &body).await.expect(200);
    assert_eq!((&put["environment"], &put["added"]), (&json!("test"), &json!(["new:one"])));
    assert_eq!(service.local("GET", &scopes, &Value::Null).await.expect(200), shown);

    let path = format!("/v1/operator/connections/{}", granted.connection_id);
    let end = json!({"expires_at": "2026-11-22T13:00:00Z"});
    let view = service.local("PATCH", &path, &end).await.expect(200);
    assert_eq!(view["expires_at"], "2026-11-22T13:00:00.000Z");
    assert_eq!(view["app_id"], app.app_id.as_str());
    let later = json!({"expires_at": "2026-11-22T13:00:01Z"});
    service.local("PATCH", &path, &later).await.expect_error(400, "invalid_duration");
    service.clock.advance(Duration::from_hours(1));
    app.verify(&granted.access_token, "orders:read").await.expect_error(403, "invalid_token");
    service.local("PATCH", &path, &end).await.expect_error(409, "conflict");
}
