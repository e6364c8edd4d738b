//! `POST /v1/apps/{app_id}/consent-sessions`: what an app may ask for.

use std::time::Duration;

use serde_json::json;

use super::{BACK, Browser, ann, asked, form_token, html, opened, shop, yes};
use crate::support::{Ask, ISSUER, Service};

#[tokio::test]
async fn a_session_is_an_address_for_ten_minutes() {
    let service = Service::start();
    let app = shop(&service).await;
    let answer = asked(&app, &ann()).await;
    let body = answer.expect(201);
    assert!(answer.text("session_id").starts_with("cs_"));
    assert_eq!(body["expires_at"], "2026-11-22T12:10:00.000Z");
    let url = answer.text("session_url");
    let start = format!("{ISSUER}/consent/{}?code=", answer.text("session_id"));
    assert!(url.starts_with(&start), "{url}");
    assert_eq!(url.len(), start.len() + 43, "256 bits and nothing else");
    assert_eq!(answer.header("cache-control"), "no-store");

    let events = app.ask(Ask::get("/v1/audit?event=consent_session_created")).await.expect(200);
    let event = &events["events"][0];
    assert_eq!(event["user_id"], "u1");
    assert_eq!(event["details"]["consent_session"], answer.text("session_id"));
    assert!(!events.to_string().contains(&url[start.len()..]), "the code is written nowhere");
}

#[tokio::test]
async fn what_is_asked_must_be_there() {
    let service = Service::start();
    let app = shop(&service).await;
    for (change, status, code, field) in [
        (json!({"scopes": ["orders:delete"]}), 400, "invalid_scope", "scopes"),
        (json!({"scopes": ["orders:read", "orders:read"]}), 400, "invalid_scope", "scopes"),
        (json!({"preselected": ["orders:write"]}), 400, "invalid_scope", "preselected"),
        (json!({"preselected": ["manage:connections"]}), 400, "invalid_scope", "preselected"),
        (
            json!({"scopes": ["files:read"], "preselected": ["orders:read"]}),
            400,
            "invalid_scope",
            "preselected",
        ),
        (json!({"return_url": "https://shop.example/"}), 422, "invalid_request", "return_url"),
        (json!({"return_url": format!("{BACK}#x")}), 422, "invalid_request", "return_url"),
        (json!({"add_scopes": ["files:read"]}), 422, "invalid_request", "add_scopes"),
        (json!({"duration_seconds": 60}), 422, "invalid_request", "duration_seconds"),
        (json!({"user_id": null}), 422, "invalid_request", "user_id"),
    ] {
        let mut body = ann();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = asked(&app, &body).await.expect_error(status, code);
        assert_eq!(refused["field"], field, "{change}");
    }
}

#[tokio::test]
async fn an_app_has_durations_of_its_own() {
    let service = Service::start();
    let app = shop(&service).await;
    for (durations, status, code) in [
        (json!([{"seconds": 59}]), 400, "invalid_duration"),
        (json!([{"seconds": 31_536_001}]), 400, "invalid_duration"),
        (json!([{"seconds": 60}, {"label": "again", "seconds": 60}]), 400, "invalid_duration"),
        (json!([{"label": "no end said"}]), 422, "invalid_request"),
        (json!([{"seconds": 60, "words": "a minute"}]), 422, "invalid_request"),
        (json!([{"seconds": "60"}]), 422, "invalid_request"),
        (json!(vec![json!({"seconds": 60}); 21]), 422, "invalid_request"),
    ] {
        let mut body = ann();
        body["durations"] = durations;
        let refused = asked(&app, &body).await.expect_error(status, code);
        assert!(refused["field"].as_str().unwrap().starts_with("durations"), "{body}: {refused}");
    }
    let mut body = ann();
    body["durations"] = json!([
        {"label": "This afternoon", "seconds": 14_400},
        {"seconds": 604_800},
        {"seconds": 259_200},
        {"label": "<b>For ever</b>", "seconds": null},
    ]);
    let session = opened(&app, &body).await;
    let mut browser = Browser::default();
    let page = browser.enter(&service, &session).await;
    let text = html(&page);
    let names = ["This afternoon", "1 week", "3 days", "&lt;b&gt;For ever&lt;/b&gt;"];
    let places: Vec<usize> = names.iter().map(|name| text.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "in the app's order: {text}");
    assert!(!text.contains("1 hour") && !text.contains("30 days"), "{text}");
    assert!(text.contains(r#"value="14400" checked"#), "the first one is chosen: {text}");
    let token = form_token(&page);
    // what was not offered is not granted: an hour is none of them
    let refused = browser.post(&service, &session, &yes(&token, &["orders:read"])).await;
    refused.expect(422);
    assert!(html(&refused).contains("Choose for how long"));
    let ever = [("form_token", &*token), ("decision", "grant"), ("scope", "orders:read")];
    let ever = [&ever[..], &[("duration", "until_revoked")]].concat();
    browser.post(&service, &session, &ever).await.expect(200);
    let granted = app.ask(Ask::get("/v1/connections")).await.expect(200);
    assert_eq!(granted["connections"][0]["expires_at"], json!(null));

    // an operator's no to grants without an end stands above the app's list
    let forbid = json!({"settings": {"allow_until_revoked": false}});
    let path = format!("/v1/operator/apps/{}", app.app_id);
    service.local("PATCH", &path, &forbid).await.expect(200);
    let session = opened(&app, &body).await;
    let mut browser = Browser::default();
    let page = browser.enter(&service, &session).await;
    assert!(html(&page).contains("3 days") && !html(&page).contains("For ever"));
    let token = form_token(&page);
    let mut ever = ever;
    ever[0].1 = &token;
    browser.post(&service, &session, &ever).await.expect(422);
}

#[tokio::test]
async fn a_key_opens_so_many_a_second() {
    let service = Service::start();
    let app = shop(&service).await;
    let ask = |user: usize| json!({"user_id": format!("u{user}")});
    for user in 0..40 {
        opened(&app, &ask(user)).await;
    }
    let refused = asked(&app, &ask(40)).await;
    assert_eq!(refused.expect_error(429, "rate_limited")["limit"], "key");
    assert_eq!(refused.header("retry-after"), "1");
    // another key, and every other call of this one, goes on
    let other = shop(&service).await;
    opened(&other, &ask(0)).await;
    app.ask(Ask::get("/v1/connections")).await.expect(200);
    service.clock.advance(Duration::from_millis(50));
    opened(&app, &ask(40)).await;
    asked(&app, &ask(41)).await.expect_error(429, "rate_limited");
}

#[tokio::test]
async fn more_is_asked_of_the_owner_alone() {
    let service = Service::start();
    let app = shop(&service).await;
    let granted = app.grant("u1").await;
    let id = granted.connection_id.as_str();
    for (body, status, code, field) in [
        (json!({"connection_id": id}), 422, "invalid_request", "add_scopes"),
        (
            json!({"connection_id": id, "add_scopes": ["orders:read"]}),
            422,
            "invalid_request",
            "add_scopes",
        ),
        (
            json!({"connection_id": id, "add_scopes": ["orders:delete"]}),
            400,
            "invalid_scope",
            "add_scopes",
        ),
        (
            json!({"connection_id": id, "duration_seconds": 60}),
            400,
            "invalid_duration",
            "duration_seconds",
        ),
        (json!({"connection_id": id, "scopes": ["files:read"]}), 422, "invalid_request", "scopes"),
        (
            json!({"connection_id": id, "durations": [{"seconds": 60}]}),
            422,
            "invalid_request",
            "durations",
        ),
        (
            json!({"connection_id": id, "preselected": ["files:read"]}),
            422,
            "invalid_request",
            "preselected",
        ),
    ] {
        let refused = asked(&app, &body).await.expect_error(status, code);
        assert_eq!(refused["field"], field, "{body}");
    }
    let body = json!({"connection_id": id, "user_id": "u2", "add_scopes": ["files:read"]});
    asked(&app, &body).await.expect_error(404, "not_found");
    let other = shop(&service).await;
    let body = json!({"connection_id": id, "add_scopes": ["files:read"]});
    asked(&other, &body).await.expect_error(404, "not_found");
    opened(&app, &body).await;
    app.ask(Ask::post("/v1/revoke", &json!({"user_id": "u1"}))).await.expect(200);
    asked(&app, &body).await.expect_error(409, "conflict");
}
