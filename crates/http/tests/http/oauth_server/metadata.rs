//! What the server says of itself.

use agentadmit_engine::WriterOptions;
use agentadmit_fetch::{FetchLimits, Fetcher, Reach};
use agentadmit_http::HttpOptions;
use agentadmit_http::oauth::OAuthOptions;
use serde_json::{Value, json};

use crate::support::{Ask, ISSUER, Service};

#[tokio::test]
async fn the_metadata_is_that_of_the_standard() {
    let service = Service::start();
    let reply = service.ask(Ask::get("/.well-known/oauth-authorization-server")).await;
    let metadata = reply.expect(200);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(metadata["issuer"], ISSUER);
    for (member, path) in [
        ("authorization_endpoint", "/oauth/authorize"),
        ("token_endpoint", "/oauth/token"),
        ("registration_endpoint", "/oauth/register"),
        ("pushed_authorization_request_endpoint", "/oauth/par"),
        ("device_authorization_endpoint", "/oauth/device_authorization"),
        ("introspection_endpoint", "/oauth/introspect"),
        ("revocation_endpoint", "/oauth/revoke"),
    ] {
        assert_eq!(metadata[member], format!("{ISSUER}{path}"), "{member}");
        // and it is there
        let there = service.ask(Ask::new("DELETE", path)).await;
        assert_eq!(there.status, 405, "{path}");
    }
    for (member, value) in [
        ("response_types_supported", json!(["code"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("client_id_metadata_document_supported", json!(true)),
        (
            "token_endpoint_auth_methods_supported",
            json!(["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]),
        ),
    ] {
        assert_eq!(metadata[member], value, "{member}");
    }
    let alias = service.ask(Ask::get("/.well-known/openid-configuration")).await;
    assert_eq!(alias.expect(200), metadata);
    // an issuer without a path has no other form
    for path in ["oauth-authorization-server", "openid-configuration"] {
        let path = format!("/.well-known/{path}/oauth");
        service.ask(Ask::get(&path)).await.expect_error(404, "not_found");
    }
}

/// Clients that run in a browser read it, and what they are answered; nobody's cookie counts there.
#[tokio::test]
async fn clients_in_browsers_may_read_what_they_are_answered() {
    let service = Service::start();
    let get = Ask::get("/.well-known/oauth-authorization-server");
    let reply = service.ask(get.header("origin", "https://inspector.example")).await;
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    assert_eq!(reply.header("access-control-allow-credentials"), "");
    let preflight = Ask::new("OPTIONS", "/oauth/token")
        .header("origin", "https://inspector.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let reply = service.ask(preflight).await;
    assert_eq!(reply.status, 204, "{reply}");
    assert!(reply.header("access-control-allow-headers").contains("content-type"));
    // pages are nobody else's to read
    let page = Ask::get("/oauth/device").header("origin", "https://inspector.example");
    let page = service.ask(page).await;
    assert_eq!((page.status, page.header("access-control-allow-origin")), (200, ""));
}

#[tokio::test]
async fn registration_can_be_switched_off() {
    let fetcher = Fetcher::new(FetchLimits::default(), Reach::Public);
    let oauth = OAuthOptions { registration: false, fetcher };
    let options = HttpOptions { oauth, ..HttpOptions::default() };
    let service = Service::with(WriterOptions::default(), options);
    let metadata = service.ask(Ask::get("/.well-known/oauth-authorization-server")).await;
    assert_eq!(metadata.expect(200)["registration_endpoint"], Value::Null);
    let body = json!({"redirect_uris": ["https://a.example/cb"]});
    service.ask(Ask::post("/oauth/register", &body)).await.expect_error(404, "not_found");
}
