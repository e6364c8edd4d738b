//! Refresh tokens: replaced with each use; the same again within the grace gets the same answer, and
//! later ends the grant.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::{refreshed, registered, service, shop, token, tokens};
use crate::support::Ask;

#[tokio::test]
async fn a_refresh_token_is_replaced_and_forgives_for_half_a_minute() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let first = tokens(&app, &client).await;
    let refresh = first.text("refresh_token");
    service.clock.advance(Duration::from_mins(1));
    let second = refreshed(&app, &client, &refresh).await;
    let answer = second.expect(200);
    assert_ne!(second.text("refresh_token"), refresh);
    assert_ne!(second.text("access_token"), first.text("access_token"));
    // whoever shares it, or lost the answer, hears the same, word for word
    service.clock.advance(Duration::from_secs(29));
    for _ in 0..20 {
        assert_eq!(refreshed(&app, &client, &refresh).await.expect(200), answer);
    }
    app.verify(&second.text("access_token"), "orders:read").await.expect(200);
    // and later it is a thief's
    service.clock.advance(Duration::from_secs(1));
    refreshed(&app, &client, &refresh).await.expect_error(400, "invalid_grant");
    for token in [first.text("access_token"), second.text("access_token")] {
        app.verify(&token, "orders:read").await.expect_error(403, "invalid_token");
    }
    refreshed(&app, &client, &second.text("refresh_token"))
        .await
        .expect_error(400, "invalid_grant");
    let events = app.ask(Ask::get("/v1/audit?event=refresh_token_replayed")).await;
    assert_eq!(events.expect(200)["events"].as_array().unwrap().len(), 1);
}

/// Sessions of one agent side by side renew at the same moment: whoever comes first decides, and all
/// hear the same, until somebody comes with what was replaced long ago.
#[tokio::test]
async fn twenty_that_share_a_token_go_on() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let refresh = tokens(&app, &client).await.text("refresh_token");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("refresh_token", refresh.as_str()),
    ];
    let body = super::query(&form);
    let mut all = JoinSet::new();
    for _ in 0..20 {
        let request = http::Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body.clone()))
            .unwrap();
        let answer = service.router.clone().oneshot(request);
        all.spawn(async move {
            let (parts, body) = answer.await.unwrap().into_parts();
            (parts.status.as_u16(), body.collect().await.unwrap().to_bytes())
        });
    }
    let answers: Vec<_> = all.join_all().await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let answer: serde_json::Value = serde_json::from_slice(&answers[0].1).unwrap();
    let member = |name: &str| answer[name].as_str().unwrap().to_owned();
    app.verify(&member("access_token"), "orders:read").await.expect(200);

    // they renew once more; whoever comes after the grace with what they shared at first is a thief, and
    // ends it for all
    let newest = refreshed(&app, &client, &member("refresh_token")).await;
    newest.expect(200);
    service.clock.advance(Duration::from_secs(30));
    app.verify(&newest.text("access_token"), "orders:read").await.expect(200);
    refreshed(&app, &client, &refresh).await.expect_error(400, "invalid_grant");
    for token in [&newest.text("access_token"), &member("access_token")] {
        app.verify(token, "orders:read").await.expect_error(403, "invalid_token");
    }
    for token in [newest.text("refresh_token"), member("refresh_token")] {
        refreshed(&app, &client, &token).await.expect_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_and_its_grants() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let other = registered(&service, json!({})).await;
    let first = tokens(&app, &client).await;
    let (refresh, access) = (first.text("refresh_token"), first.text("access_token"));
    let form = |changes: &[(&'static str, String)]| -> Vec<(&'static str, String)> {
        let mut form = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", client.clone()),
            ("refresh_token", refresh.clone()),
        ];
        for (name, value) in changes {
            form.retain(|(known, _)| known != name);
            form.push((name, value.clone()));
        }
        form
    };
    for (name, value, status, error) in [
        ("client_id", other.as_str(), 400, "invalid_grant"),
        ("refresh_token", &access, 400, "invalid_grant"),
        ("refresh_token", "nonsense", 400, "invalid_grant"),
        ("refresh_token", "", 400, "invalid_request"),
        ("scope", "orders:write", 400, "invalid_scope"),
        ("scope", "orders:write files:read", 400, "invalid_scope"),
        ("scope", "!", 400, "invalid_scope"),
        ("resource", "https://other.example/", 400, "invalid_target"),
    ] {
        let form = form(&[(name, value.to_owned())]);
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = token(&service, &form).await;
        let found = (reply.status, reply.text("error"));
        assert_eq!(found, (status, error.to_owned()), "{name}={value}: {reply}");
    }
    // nothing of that has spent it; what the user left out is not held against the client, nor given
    let asked = form(&[("scope", "orders:read files:read".to_owned())]);
    let asked: Vec<(&str, &str)> =
        asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let renewed = token(&service, &asked).await;
    renewed.expect(200);
    assert_eq!(renewed.text("scope"), "orders:read");
}

#[tokio::test]
async fn a_client_ends_its_own_grants_alone() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let other = registered(&service, json!({})).await;
    let revoke = async |client: &str, token: &str| {
        let form = [("client_id", client), ("token", token)];
        service.ask(Ask::new("POST", "/oauth/revoke").form(&form)).await.expect(200);
    };
    for by in ["access_token", "refresh_token"] {
        let tokens = tokens(&app, &client).await;
        let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
        revoke(&other, &tokens.text(by)).await;
        revoke(&client, "nonsense").await;
        app.verify(&access, "orders:read").await.expect(200);
        revoke(&client, &tokens.text(by)).await;
        app.verify(&access, "orders:read").await.expect_error(403, "invalid_token");
        refreshed(&app, &client, &refresh).await.expect_error(400, "invalid_grant");
        revoke(&client, &tokens.text(by)).await;
    }
    let form = [("client_id", "client_01kb5m4v5ye5rvd0c2tqj3n8xa"), ("token", "x")];
    let reply = service.ask(Ask::new("POST", "/oauth/revoke").form(&form)).await;
    reply.expect_error(401, "invalid_client");
}
