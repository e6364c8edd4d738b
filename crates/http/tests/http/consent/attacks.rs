//! What an attacker can try: other browsers, other sites, other addresses, hostile texts.

use std::collections::BTreeSet;

use serde_json::json;

use super::{BACK, Browser, ann, form_token, html, opened, shop, shown_token, yes};
use crate::support::{Ask, Reply, Service};

async fn connections(app: &crate::support::App<'_>) -> u64 {
    app.ask(Ask::get("/v1/connections")).await.expect(200)["total"].as_u64().unwrap()
}

#[tokio::test]
async fn a_code_is_spent_by_the_first_browser() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let (mut first, mut second) = (Browser::default(), Browser::default());
    first.enter(&service, &session).await;
    let refused = second.get(&service, &session.path).await;
    refused.expect(409);
    assert!(html(&refused).contains("This page is open elsewhere"));
    assert_eq!(second.cookie, None);
    // the first may follow its link again
    let again = first.get(&service, &session.path).await;
    assert_eq!((again.status, again.header("location")), (303, session.id.as_str()));
    assert!(again.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn another_browser_sees_and_decides_nothing() {
    let service = Service::start();
    let app = shop(&service).await;
    let (session, other) = (opened(&app, &ann()).await, opened(&app, &ann()).await);
    let (mut owner, mut thief) = (Browser::default(), Browser::default());
    let token = form_token(&owner.enter(&service, &session).await);
    // without a cookie: first a page that goes on by itself, then a plain no
    let bounced = thief.get(&service, &session.page()).await;
    bounced.expect(200);
    let text = html(&bounced);
    assert!(text.contains(&format!("0;url={}?continue", session.id)), "{text}");
    assert!(!text.contains("Ann") && !text.contains("<form"), "{text}");
    let refused = thief.get(&service, &format!("{}?continue", session.page())).await;
    refused.expect(409);
    assert!(!html(&refused).contains("Ann"), "{refused}");
    thief.post(&service, &session, &yes(&token, &["orders:read"])).await.expect(409);

    // with a cookie of another session, under its own name and under the victim's
    thief.enter(&service, &other).await;
    thief.post(&service, &session, &yes(&token, &["orders:read"])).await.expect(409);
    let secret = thief.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    let name = owner.cookie.clone().unwrap().split_once('=').unwrap().0.to_owned();
    thief.cookie = Some(format!("{name}={secret}"));
    thief.post(&service, &session, &yes(&token, &["orders:read"])).await.expect(409);
    thief.get(&service, &session.page()).await.expect(409);
    assert_eq!(connections(&app).await, 0);
}

/// Session fixation: who opens the link first has the session, and nobody can be made to have one of
/// the attacker's choosing: the cookie is made by the service, for one session.
#[tokio::test]
async fn a_cookie_that_was_planted_is_worth_nothing() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    let page = browser.enter(&service, &session).await;
    let name = browser.cookie.clone().unwrap().split_once('=').unwrap().0.to_owned();
    let token = form_token(&page);
    let own = browser.cookie.clone().unwrap();
    for cookie in [
        format!("{name}=planted"),
        format!("{own}; {name}=planted"),
        format!("{name}=planted; {own}"),
        format!("{name}="),
    ] {
        let ask = Ask::new("POST", &session.page())
            .form(&yes(&token, &["orders:read"]))
            .header("sec-fetch-site", "same-origin")
            .header("cookie", &cookie);
        service.ask(ask).await.expect(409);
    }
    let fresh = opened(&app, &ann()).await;
    let planted = format!("{}=planted", name.replace(&session.id, &fresh.id));
    let reply = service.ask(Ask::get(&fresh.path).header("cookie", &planted)).await;
    reply.expect(303);
    assert!(!reply.header("set-cookie").contains("planted"));
    assert_eq!(connections(&app).await, 0);
}

#[tokio::test]
async fn the_cookie_is_for_this_host_alone() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let reply = service.ask(Ask::get(&session.path)).await;
    let cookie = reply.header("set-cookie");
    assert!(cookie.starts_with(&format!("__Host-agentadmit-{}=", session.id)), "{cookie}");
    let attributes: BTreeSet<&str> = cookie.split("; ").skip(1).collect();
    let wanted = ["Path=/", "Max-Age=4200", "Secure", "HttpOnly", "SameSite=Strict"];
    assert_eq!(attributes, BTreeSet::from(wanted));
    assert_eq!(reply.header("referrer-policy"), "no-referrer", "the code goes nowhere else");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn nothing_but_a_visit_spends_the_code() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    service.ask(Ask::new("HEAD", &session.path)).await.expect(405);
    for (name, value) in
        [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")]
    {
        let reply = service.ask(Ask::get(&session.path).header(name, value)).await;
        assert_eq!(reply.status, 503, "{name}");
        assert!(reply.headers.get("set-cookie").is_none());
    }
    let other = opened(&app, &ann()).await;
    for code in
        ["", "x", "%00", "ag_ct_x", &"a".repeat(5_000), &other.path[other.path.len() - 43..]]
    {
        let path = format!("{}?code={code}", session.page());
        Browser::default().get(&service, &path).await.expect(404);
    }
    Browser::default().enter(&service, &session).await;
}

/// CSRF: a form from elsewhere, without the token, or with another one.
#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let service = Service::start();
    let app = shop(&service).await;
    let (session, other) = (opened(&app, &ann()).await, opened(&app, &ann()).await);
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    let foreign = form_token(&Browser::default().enter(&service, &other).await);
    let form = |token: &str| {
        let form = yes(token, &["orders:read"]);
        Ask::new("POST", &session.page()).form(&form)
    };
    let ours = |ask: Ask| ask.header("sec-fetch-site", "same-origin");
    for (what, ask) in [
        ("no origin at all", form(&token)),
        ("another site", form(&token).header("sec-fetch-site", "cross-site")),
        ("a sibling", form(&token).header("sec-fetch-site", "same-site")),
        ("another origin", form(&token).header("origin", "https://evil.example")),
        ("an unknown origin", form(&token).header("origin", "null")),
        (
            "an origin that begins like ours",
            form(&token).header("origin", "https://service.example.evil.example"),
        ),
        ("contradicting headers", ours(form(&token)).header("origin", "https://evil.example")),
        ("another session's token", ours(form(&foreign))),
        ("no token", ours(form(""))),
        ("nonsense", ours(form("x"))),
    ] {
        let refused = browser.send(&service, ask).await;
        assert_eq!(refused.status, 403, "{what}: {refused}");
        assert!(html(&refused).contains("That could not be read"), "{what}");
    }
    assert_eq!(connections(&app).await, 0);
    let form = yes(&token, &["orders:read"]);
    let ask = Ask::new("POST", &session.page()).form(&form);
    let good = browser.send(&service, ask.header("origin", "https://service.example")).await;
    good.expect(200);
}

fn headers(page: &Reply) -> [&str; 7] {
    [
        "x-frame-options",
        "referrer-policy",
        "cache-control",
        "x-content-type-options",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "content-security-policy",
    ]
    .map(|name| page.header(name))
}

/// Clickjacking, sniffing, leaking: the same headers on every page, errors too.
#[tokio::test]
async fn every_page_keeps_to_itself() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    let page = browser.enter(&service, &session).await;
    let strict = ["DENY", "no-referrer", "no-store", "nosniff", "same-origin", "same-origin"];
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; \
                  img-src 'self' https://cdn.example; form-action 'self' https://shop.example; \
                  frame-ancestors 'none'; base-uri 'none'";
    assert_eq!(headers(&page), [&strict[..], &[policy]].concat()[..]);
    let token = form_token(&page);
    let granted = browser.post(&service, &session, &yes(&token, &["orders:read"])).await;
    let pages = [
        granted,
        browser.get(&service, &session.page()).await,
        Browser::default().get(&service, &session.page()).await,
        Browser::default().get(&service, "/consent/nonsense").await,
        Browser::default().get(&service, "/consent/cs_00000000000000000000000000?continue").await,
        browser.post(&service, &session, &[("decision", "x")]).await,
    ];
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                  form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for page in pages {
        assert_eq!(headers(&page), [&strict[..], &[policy]].concat()[..], "{page}");
        let text = html(&page);
        assert!(!text.contains("<style") && !text.contains(" style="), "{text}");
        assert!(!text.contains(" onclick") && !text.contains("javascript:"), "{text}");
        assert_eq!(text.matches("<script").count(), 1, "{text}");
    }
}

/// XSS: whatever an app or a user can set is text on every page.
#[tokio::test]
async fn hostile_texts_are_texts() {
    let service = Service::start();
    let hostile = r#""><script>alert(1)</script><img src=x onerror=alert(1)>'&{what}"#;
    let body = json!({"name": hostile, "settings": {
        "redirect_uris": ["https://shop.example/'\"><script>alert(1)</script>"],
        "logo_uri": "https://cdn.example/\"onerror=alert(1)//"},
        "scopes": [{"name": "orders:read", "description": hostile, "category": hostile, "sensitive": true}]});
    let made = service.local("POST", "/v1/operator/apps", &body).await;
    made.expect(201);
    let app_id = made.text("app_id");
    let mut app =
        crate::support::App { service: &service, app_id, test: String::new(), live: String::new() };
    app.live = app.key(&json!({"environment": "live"})).await.1;
    let asked = json!({"user_id": hostile, "user_label": hostile, "purpose": hostile,
        "return_url": "https://shop.example/'\"><script>alert(1)</script>",
        "prompt_templates": [{"name": hostile, "text": hostile}]});
    let session = opened(&app, &asked).await;
    let mut browser = Browser::default();
    let page = browser.enter(&service, &session).await;
    let token = form_token(&page);
    let mut form = yes(&token, &[]);
    form.extend([
        ("agent_label", hostile),
        ("user_intent", hostile),
        ("template", "0"),
        ("field.0.what", hostile),
    ]);
    let again = browser.post(&service, &session, &form).await;
    again.expect(422);
    form.push(("scope", "orders:read"));
    let granted = browser.post(&service, &session, &form).await;
    granted.expect(200);
    // what the user typed, on the next page
    let next = opened(&app, &asked).await;
    let next = Browser::default().enter(&service, &next).await;
    for page in [page, again, granted, next] {
        let text = html(&page);
        assert!(text.contains("&lt;script&gt;alert(1)"), "{text}");
        assert!(!text.contains("<script>"), "{text}");
        assert!(!text.contains("<img src=x"), "{text}");
        assert!(!text.contains("\"onerror"), "{text}");
        let policy = page.header("content-security-policy");
        assert!(
            !policy.contains("alert") && !policy.contains('\\') && policy.matches('"').count() == 0
        );
    }
}

/// Open redirects: nothing that a request says leads elsewhere.
#[tokio::test]
async fn the_way_back_is_the_registered_one() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    for name in ["return_url", "redirect_uri", "next", "logo_uri"] {
        let form =
            [("form_token", token.as_str()), ("decision", "deny"), (name, "https://evil.example")];
        browser.post(&service, &session, &form).await.expect(400);
    }
    let path = format!("{}?return_url=https://evil.example", session.page());
    assert!(!html(&browser.get(&service, &path).await).contains("evil"));
    let form = [("form_token", token.as_str()), ("decision", "deny")];
    let denied = browser.post(&service, &session, &form).await;
    assert!(denied.header("location").starts_with(BACK), "{}", denied.header("location"));
    for url in [
        "https://evil.example/",
        "https://shop.example@evil.example/",
        "javascript:alert(1)",
        "//evil.example",
    ] {
        let mut body = ann();
        body["return_url"] = json!(url);
        super::asked(&app, &body).await.expect_error(422, "invalid_request");
    }
}

#[tokio::test]
async fn a_picture_without_tls_is_not_shown() {
    let service = Service::start();
    let app = service.app(&json!({"logo_uri": "http://127.0.0.1:9/logo.png"})).await;
    let session = opened(&app, &json!({"user_id": "u1"})).await;
    let page = Browser::default().enter(&service, &session).await;
    assert!(!html(&page).contains("<img"), "initials instead");
    assert!(page.header("content-security-policy").contains("img-src 'self';"));
}

/// A key that was revoked since opened nothing: a thief who opened pages with it gains nothing.
#[tokio::test]
async fn a_page_dies_with_its_key() {
    let service = Service::start();
    let app = shop(&service).await;
    let (key_id, key) = app.key(&json!({"environment": "live", "permissions": ["issue"]})).await;
    let path = format!("/v1/apps/{}/consent-sessions", app.app_id);
    let opened = service.ask(Ask::post(&path, &ann()).bearer(&key)).await;
    opened.expect(201);
    let (id, url) = (opened.text("session_id"), opened.text("session_url"));
    let path = url.strip_prefix(crate::support::ISSUER).unwrap().to_owned();
    let session = super::Opened { id, path };
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    let revoke = format!("/v1/operator/apps/{}/api-keys/{key_id}", app.app_id);
    service.local("DELETE", &revoke, &serde_json::Value::Null).await.expect(200);
    browser.post(&service, &session, &yes(&token, &["orders:read"])).await.expect(410);
    assert_eq!(connections(&app).await, 0);
}

/// The token is in the body of one answer to a `POST`, and nowhere else that is kept.
#[tokio::test]
async fn the_token_is_in_no_address_and_no_header() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    let granted = browser.post(&service, &session, &yes(&token, &["orders:read"])).await;
    let secret = shown_token(&granted);
    assert!(!format!("{:?}", granted.headers).contains(&secret));
    let text = html(&granted);
    for attribute in ["href=\"", "action=\"", "value=\"", "src=\""] {
        for value in text.split(attribute).skip(1) {
            assert!(!value.split('"').next().unwrap().contains(&secret), "{attribute}");
        }
    }
    let audit = app.ask(Ask::get("/v1/audit")).await;
    audit.expect(200);
    assert!(!String::from_utf8_lossy(&audit.body).contains(&secret));
}
