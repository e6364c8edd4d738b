//! What others try with a browser that is signed in, and with codes that are not theirs.

use serde_json::json;

use super::{Browser, SESSION, new_code, own_page, sign_in};
use crate::support::{Ask, Service};

/// No address of another origin is ever told that it may ask: preflights get no `Access-Control-…`.
#[tokio::test]
async fn nobody_may_ask_from_another_origin() {
    let service = Service::start();
    let browser = Browser::signed_in(&service).await;
    for path in [SESSION, "/v1/operator/apps", "/dashboard"] {
        let ask = Ask::new("OPTIONS", path)
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "agentadmit-dashboard,content-type");
        let reply = service.ask(browser.alone(ask)).await;
        assert!(reply.status >= 400, "{path}: {reply}");
        let allows = reply.headers.keys().any(|name| name.as_str().starts_with("access-control"));
        assert!(!allows, "{path}: {reply}");
    }
}

/// A form of another site signs nobody in: not with a code of the attacker's own either.
#[tokio::test]
async fn another_site_signs_nobody_in() {
    let service = Service::start();
    let code = new_code(&service).await;
    let body = json!({"code": code});
    let form = Ask::new("POST", SESSION).body("text/plain", body.to_string());
    service.ask(form).await.expect_error(403, "cross_site_request");
    let form = own_page(Ask::new("POST", SESSION).body("text/plain", body.to_string()));
    service.ask(form).await.expect_error(415, "unsupported_media_type");
    let foreign = sign_in(&code).header("origin", "https://evil.example");
    service.ask(foreign).await.expect_error(403, "cross_site_request");
    service.ask(sign_in(&code)).await.expect(200);
}

/// A secret where it does not belong is no credential.
#[tokio::test]
async fn a_cookie_is_nowhere_but_in_the_cookie() {
    let service = Service::start();
    let browser = Browser::signed_in(&service).await;
    let (_, secret) = browser.cookie.split_once('=').unwrap();
    let bearer = own_page(Ask::get("/v1/operator/apps").bearer(secret));
    service.ask(bearer).await.expect_error(401, "invalid_operator_token");
    for path in [format!("{SESSION}?session={secret}"), format!("{SESSION}?code={secret}")] {
        let reply = service.ask(own_page(Ask::get(&path))).await;
        assert!(matches!(reply.status, 400 | 401), "{reply}");
        assert!(!String::from_utf8_lossy(&reply.body).contains(secret), "{reply}");
    }
    let code = new_code(&service).await;
    let ask = own_page(Ask::post(&format!("{SESSION}?code={code}"), &json!({"code": code})));
    let refused = service.ask(ask).await.expect_error(400, "invalid_request");
    assert_eq!(refused["field"], "code");
    assert!(!refused.to_string().contains(&code));
}
