//! Devices without a browser.

use std::time::Duration;

use serde_json::json;

use super::browser::{Browser, YES};
use super::{DEVICE_GRANT, RESOURCE, expect_page, registered, service, shop, token};
use crate::support::{App, Ask, ISSUER, Reply, Service};

async fn begin(service: &Service, client: &str, more: &[(&str, &str)]) -> Reply {
    let mut form = vec![("client_id", client), ("resource", RESOURCE)];
    for (name, value) in more {
        form.retain(|(known, _)| known != name);
        form.push((name, value));
    }
    service.ask(Ask::new("POST", "/oauth/device_authorization").form(&form)).await
}

async fn poll(service: &Service, client: &str, device_code: &str) -> Reply {
    let form = [("grant_type", DEVICE_GRANT), ("client_id", client), ("device_code", device_code)];
    token(service, &form).await
}

/// A person types a code.
async fn typed(browser: &mut Browser, service: &Service, code: &str) -> Reply {
    let ask = Ask::new("POST", "/oauth/device").form(&[("user_code", code)]);
    browser
        .send(service, ask.header("origin", "null").header("sec-fetch-site", "same-origin"))
        .await
}

/// Where the page after a good code leads.
fn leads_to(page: &Reply) -> String {
    page.expect(200);
    let html = String::from_utf8(page.body.clone()).unwrap();
    let (_, rest) = html.split_once("request_id=").unwrap();
    rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

async fn decide(app: &App<'_>, code: &str, said: &[(&str, &str)]) -> Reply {
    let mut browser = Browser::default();
    let id = leads_to(&typed(&mut browser, app.service, code).await);
    let path = Browser::bound(app, &id, "u1").await;
    let page = browser.continues(app.service, &path).await;
    let shown = browser.get(app.service, &page).await;
    assert!(
        String::from_utf8_lossy(&shown.body).contains("only if that device is yours"),
        "{shown}"
    );
    browser.decides(app.service, &page, said).await
}

#[tokio::test]
async fn a_device_gets_what_its_user_grants_elsewhere() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let begun = begin(&service, &client, &[("scope", "orders:read")]).await;
    let answer = begun.expect(200);
    assert_eq!((&answer["expires_in"], &answer["interval"]), (&json!(600), &json!(5)));
    assert_eq!(answer["verification_uri"], format!("{ISSUER}/oauth/device"));
    let (device, code) = (begun.text("device_code"), begun.text("user_code"));
    assert_eq!(
        begun.text("verification_uri_complete"),
        format!("{ISSUER}/oauth/device?user_code={code}")
    );

    poll(&service, &client, &device).await.expect_error(400, "authorization_pending");
    // sooner than 5 s
    poll(&service, &client, &device).await.expect_error(400, "slow_down");
    service.clock.advance(Duration::from_secs(6));
    poll(&service, &client, &device).await.expect_error(400, "slow_down");
    service.clock.advance(Duration::from_secs(30));
    poll(&service, &client, &device).await.expect_error(400, "authorization_pending");

    let page = service.ask(Ask::get(&format!("/oauth/device?user_code={code}"))).await;
    expect_page(&page, 200);
    let html = String::from_utf8(page.body.clone()).unwrap();
    assert!(html.contains(&format!("value=\"{code}\"")) && html.contains("<svg"), "{html}");
    let arabic = Ask::new("POST", "/oauth/device").form(&[("user_code", "x")]);
    let arabic = arabic.header("sec-fetch-site", "same-origin").header("accept-language", "ar");
    let arabic = service.ask(arabic).await;
    assert!(String::from_utf8_lossy(&arabic.body).contains("lang=\"ar\" dir=\"rtl\""), "{arabic}");
    let done = decide(&app, &code.to_lowercase().replace('-', " "), YES).await;
    expect_page(&done, 200);
    assert!(String::from_utf8_lossy(&done.body).contains("The device may begin"), "{done}");

    service.clock.advance(Duration::from_secs(30));
    let tokens = poll(&service, &client, &device).await;
    assert_eq!(tokens.expect(200)["scope"], "orders:read");
    app.verify(&tokens.text("access_token"), "orders:read").await.expect(200);
    super::refreshed(&app, &client, &tokens.text("refresh_token")).await.expect(200);
}

#[tokio::test]
async fn a_device_hears_no_and_that_it_is_too_late() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let refused = begin(&service, &client, &[]).await;
    expect_page(&decide(&app, &refused.text("user_code"), &[("decision", "deny")]).await, 200);
    let device = refused.text("device_code");
    poll(&service, &client, &device).await.expect_error(400, "access_denied");

    let late = begin(&service, &client, &[]).await;
    let device = late.text("device_code");
    // another client's device code is nobody's
    let other = registered(&service, json!({})).await;
    poll(&service, &other, &device).await.expect_error(400, "invalid_grant");
    service.clock.advance(Duration::from_mins(10));
    poll(&service, &client, &device).await.expect_error(400, "expired_token");
    let page = typed(&mut Browser::default(), &service, &late.text("user_code")).await;
    expect_page(&page, 422);
    poll(&service, &client, "nonsense").await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn what_a_device_asks_is_checked() {
    let service = service();
    let _app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let browsers = registered(&service, json!({"grant_types": ["authorization_code"]})).await;
    for (changes, status, error) in [
        (&[("resource", "")][..], 400, "invalid_target"),
        (&[("resource", "https://nobody.example/")], 400, "invalid_target"),
        (&[("scope", "files:read")], 400, "invalid_scope"),
        (&[("client_id", "")], 401, "invalid_client"),
        (&[("client_id", &browsers)], 400, "unauthorized_client"),
    ] {
        begin(&service, &client, changes).await.expect_error(status, error);
    }
}

/// 34 bits must be guessed within ten minutes: ten wrong ones a minute from an address, a hundred from
/// everywhere.
#[tokio::test]
async fn codes_cannot_be_tried_out() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let begun = begin(&service, &client, &[]).await;
    let mut browser = Browser::default();
    for text in ["", "x", "AAAA-AAAA", "WDJB-MJH", "WDJB-MJHTT", "%00", "<script>"] {
        let page = typed(&mut browser, &service, text).await;
        expect_page(&page, 422);
        assert!(!String::from_utf8_lossy(&page.body).contains("<script>"), "{page}");
    }
    for number in 0..10 {
        let guess = format!("WDJB-MJ{}{}", char::from(b"BCDFGHJKLM"[number]), "T");
        expect_page(&typed(&mut browser, &service, &guess).await, 422);
    }
    let page = typed(&mut browser, &service, &begun.text("user_code")).await;
    expect_page(&page, 429);
    assert!(!page.header("retry-after").is_empty());
    service.clock.advance(Duration::from_mins(1));
    decide(&app, &begun.text("user_code"), YES).await.expect(200);
    // a code is used once
    let page = typed(&mut browser, &service, &begun.text("user_code")).await;
    expect_page(&page, 422);
}

#[tokio::test]
async fn the_page_takes_its_own_form_alone() {
    let service = service();
    let _app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let code = begin(&service, &client, &[]).await.text("user_code");
    let form = || Ask::new("POST", "/oauth/device").form(&[("user_code", &code)]);
    for ask in [
        form(),
        form().header("origin", "https://evil.example"),
        form().header("origin", "null"),
        form().header("sec-fetch-site", "cross-site"),
    ] {
        expect_page(&service.ask(ask).await, 403);
    }
    let untyped = Ask::new("POST", "/oauth/device").untyped("x").header("origin", ISSUER);
    expect_page(&service.ask(untyped).await, 415);
}
