//! Clients that register themselves (RFC 7591).

use std::time::Duration;

use agentadmit_http::address::PeerAddress;
use serde_json::{Value, json};

use super::{CALLBACK, service};
use crate::support::{Ask, Service};

#[tokio::test]
async fn a_client_is_answered_what_it_is_known_as() {
    let service = service();
    let said = json!({
        "redirect_uris": [CALLBACK],
        "client_name": "Planner",
        "grant_types": ["authorization_code", "implicit"],
        "software_id": "unheard of",
        "application_type": "web",
    });
    let reply = service.ask(Ask::post("/oauth/register", &said)).await;
    let answer = reply.expect(201);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.text("client_id").starts_with("client_"), "{reply}");
    assert!(reply.text("client_secret").starts_with("ag_cs_"), "{reply}");
    assert_eq!(answer["client_secret_expires_at"], 0);
    assert_eq!(answer["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(answer["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(answer["response_types"], json!(["code"]));
    assert_eq!(answer["redirect_uris"], json!([CALLBACK]));
    assert_eq!(answer["software_id"], Value::Null);
    let public = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let answer = service.ask(Ask::post("/oauth/register", &public)).await.expect(201);
    assert_eq!((&answer["client_secret"], &answer["client_name"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_in_the_words_of_the_standard() {
    let service = service();
    let register = async |ask: Ask| service.ask(ask).await;
    for (said, code, field) in [
        (json!({}), "invalid_redirect_uri", "redirect_uris"),
        (json!({"redirect_uris": ["http://a.example/"]}), "invalid_redirect_uri", "redirect_uris"),
        (
            json!({"redirect_uris": ["https://a.example/#x"]}),
            "invalid_redirect_uri",
            "redirect_uris",
        ),
        (json!({"redirect_uris": ["data:text/html,x"]}), "invalid_redirect_uri", "redirect_uris"),
        (json!({"redirect_uris": "x"}), "invalid_client_metadata", "redirect_uris"),
        (
            json!({"redirect_uris": [CALLBACK], "client_name": "\u{202e}x"}),
            "invalid_client_metadata",
            "client_name",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt"}),
            "invalid_client_metadata",
            "jwks",
        ),
    ] {
        let error = register(Ask::post("/oauth/register", &said)).await.expect_error(400, code);
        assert_eq!(error["field"], field, "{said}");
    }
    for body in ["", "{", "[]", "null", "{\"redirect_uris\":[],\"redirect_uris\":[]}"] {
        let ask = Ask::new("POST", "/oauth/register").body("application/json", body);
        register(ask).await.expect_error(400, "invalid_client_metadata");
    }
    let large = json!({"redirect_uris": [CALLBACK], "x": "y".repeat(9_000)});
    let large = register(Ask::post("/oauth/register", &large)).await;
    large.expect_error(400, "invalid_client_metadata");
    let form = Ask::new("POST", "/oauth/register").form(&[("redirect_uris", CALLBACK)]);
    register(form).await.expect_error(415, "unsupported_media_type");
}

async fn one(service: &Service, address: &str) -> u16 {
    let body = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let peer = PeerAddress(format!("{address}:1").parse().unwrap());
    service.ask(Ask::post("/oauth/register", &body).extension(peer)).await.status
}

/// Agents of one provider register from one address, so that it alone is no reason; but nobody drives
/// out the others.
#[tokio::test]
async fn a_flood_is_stopped_and_others_still_get_in() {
    let service = service();
    for _ in 0..60 {
        assert_eq!(one(&service, "198.51.100.1").await, 201);
    }
    assert_eq!(one(&service, "198.51.100.1").await, 429);
    assert_eq!(one(&service, "198.51.100.2").await, 201);
    service.clock.advance(Duration::from_mins(1));
    assert_eq!(one(&service, "198.51.100.1").await, 201);
}

/// Each request for access is a row and a record that no credential answers for: a flood of them stops at
/// the address that makes it.
#[tokio::test]
async fn a_flood_of_requests_is_stopped_and_others_still_come_through() {
    let service = service();
    let _app = super::shop(&service).await;
    let client = super::registered(&service, json!({})).await;
    let asked = super::asked(&client, &[]);
    let path = format!("/oauth/authorize?{}", super::query(&asked));
    let device = [("client_id", client.as_str()), ("resource", super::RESOURCE)];
    let from = |address: &str, ask: Ask| {
        ask.extension(PeerAddress(format!("{address}:1").parse().unwrap()))
    };
    let flooder = "198.51.100.1";
    let begun = |ask: Ask| service.ask(from(flooder, ask));
    for _ in 0..200 {
        assert_eq!(begun(Ask::get(&path)).await.status, 303);
        assert_eq!(begun(Ask::new("POST", "/oauth/par").form(&asked)).await.status, 201);
        let started = Ask::new("POST", "/oauth/device_authorization").form(&device);
        assert_eq!(begun(started).await.status, 200);
    }
    let page = begun(Ask::get(&path)).await;
    assert_eq!((page.status, page.header("retry-after")), (429, "60"));
    let pushed = begun(Ask::new("POST", "/oauth/par").form(&asked)).await;
    assert_eq!(pushed.expect_error(429, "rate_limited")["limit"], "address");
    let started = begun(Ask::new("POST", "/oauth/device_authorization").form(&device)).await;
    started.expect_error(429, "rate_limited");
    let others = service.ask(from("198.51.100.2", Ask::get(&path))).await;
    assert_eq!(others.status, 303);
    service.clock.advance(Duration::from_mins(1));
    assert_eq!(begun(Ask::get(&path)).await.status, 303);
}

/// A client that never got a grant is forgotten after a day.
#[tokio::test]
async fn a_client_that_nobody_uses_is_forgotten() {
    let service = service();
    let app = super::shop(&service).await;
    let unused = super::registered(&service, json!({})).await;
    let used = super::registered(&service, json!({})).await;
    let long = [("decision", "grant"), ("duration", "604800"), ("scope", "orders:read")];
    let back = super::Browser::default().decided(&app, &super::asked(&used, &[]), &long).await;
    let code = super::parameter(&back, "code");
    let tokens = super::token(&service, &super::exchange(&used, &code)).await;
    service.clock.advance(Duration::from_hours(25));
    // upkeep runs beside batches
    let is_gone = async || {
        let path = format!("/oauth/authorize?{}", super::query(&super::asked(&unused, &[])));
        service.ask(Ask::get(&path)).await.status == 400
    };
    while !is_gone().await {
        app.issue("u1").await;
    }
    super::refreshed(&app, &used, &tokens.text("refresh_token")).await.expect(200);
}
