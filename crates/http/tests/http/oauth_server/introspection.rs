//! Tokens of OAuth clients at the doors of apps.

use serde_json::json;

use super::{RESOURCE, registered, service, shop, tokens, with_resource};
use crate::support::{App, Ask, Reply};

async fn introspect(app: &App<'_>, key: &str, token: &str) -> Reply {
    app.service
        .ask(Ask::new("POST", "/oauth/introspect").form(&[("token", token)]).bearer(key))
        .await
}

#[tokio::test]
async fn a_token_is_good_for_its_own_app_and_environment_alone() {
    let service = service();
    let app = shop(&service).await;
    let other = with_resource(&service, "https://other.example/").await;
    let client = registered(&service, json!({})).await;
    let tokens = tokens(&app, &client).await;
    let access = tokens.text("access_token");
    let active = introspect(&app, &app.live, &access).await.expect(200);
    assert_eq!(active["active"], true);
    assert_eq!((&active["client_id"], &active["aud"]), (&json!(client), &json!(RESOURCE)));
    assert_eq!((&active["scope"], &active["sub"]), (&json!("orders:read"), &json!("u1")));
    // the access token's own end, not that of the grant
    let now = "2026-11-22T12:00:00Z".parse::<agentadmit_protocol::time::Timestamp>().unwrap();
    assert_eq!(active["exp"].as_i64().unwrap(), now.as_millis() / 1_000 + 600);
    for (app, key) in [(&app, &app.test), (&other, &other.live)] {
        let reply = introspect(app, key, &access).await;
        assert_eq!(reply.body, br#"{"active":false}"#, "{reply}");
    }
    other.verify(&access, "orders:read").await.expect_error(403, "invalid_token");
    // what is no access token opens nothing
    for token in [tokens.text("refresh_token"), client] {
        let reply = introspect(&app, &app.live, &token).await;
        assert_eq!(reply.body, br#"{"active":false}"#, "{reply}");
        app.verify(&token, "orders:read").await.expect_error(403, "invalid_token");
    }
}

/// A resource is one app's: nobody else may say that it is his.
#[tokio::test]
async fn a_resource_is_one_apps() {
    let service = service();
    let _app = shop(&service).await;
    let body = json!({"name": "Evil", "settings": {
        "resources": [{"uri": "https://shop.example", "environment": "live"}],
    }});
    service.local("POST", "/v1/operator/apps", &body).await.expect_error(409, "conflict");
}

/// An app ends grants of OAuth clients as it ends any other.
#[tokio::test]
async fn an_app_ends_what_clients_hold() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    for by in ["access_token", "refresh_token"] {
        let tokens = tokens(&app, &client).await;
        let ask = Ask::new("POST", "/oauth/revoke").form(&[("token", &tokens.text(by))]);
        app.ask(ask).await.expect(200);
        let access = tokens.text("access_token");
        app.verify(&access, "orders:read").await.expect_error(403, "invalid_token");
    }
    let tokens = tokens(&app, &client).await;
    app.ask(Ask::post("/v1/revoke", &json!({"user_id": "u1"}))).await.expect(200);
    app.verify(&tokens.text("access_token"), "orders:read")
        .await
        .expect_error(403, "invalid_token");
    super::refreshed(&app, &client, &tokens.text("refresh_token"))
        .await
        .expect_error(400, "invalid_grant");
}
