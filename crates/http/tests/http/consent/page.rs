//! The way of a user through the page.

use std::time::Duration;

use serde_json::json;

use super::{
    BACK, Browser, Opened, ann, between, form_token, html, opened, shop, shown_token, yes,
};
use crate::support::{Ask, ISSUER, Service};

#[tokio::test]
async fn a_yes_shows_a_token_that_an_agent_can_use() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    let page = browser.enter(&service, &session).await;
    let text = html(&page);
    for shown in [
        "Let an AI agent use Shop for you?",
        "shop.example",
        "It would act as you: Ann.",
        "Plan my week",
        "See your orders",
        "Sensitive",
        "30 days",
        "Until <time datetime=\"2026-12-22T12:00:00.000Z\">Tuesday 22 December 2026, 12:00 UTC</time>",
        "Until I end it",
        "No agent uses Shop for you yet.",
        "https://cdn.example/logo.svg",
    ] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    assert!(!text.contains("everybody"), "an admin's scope is for admins");
    assert!(!text.contains(" checked id") && !text.contains("value=\"orders:write\" checked"));

    let token = form_token(&page);
    let mut form = yes(&token, &["orders:read", "orders:write"]);
    form.extend([("agent_label", "Planner"), ("user_intent", "Order less coffee")]);
    let granted = browser.post(&service, &session, &form).await;
    granted.expect(200);
    let secret = shown_token(&granted);
    let text = html(&granted);
    assert_eq!(text.matches(&secret).count(), 2, "alone, and in the message");
    assert!(text.contains("Address: https://shop.example\n"), "{text}");
    assert!(text.contains("https://shop.example/agents?tab=ai&amp;session_id="), "{text}");

    let exchanged = app.exchange(&secret).await;
    let answer = exchanged.expect(200);
    assert_eq!(answer["scope"], "orders:read orders:write");
    app.verify(&exchanged.text("access_token"), "orders:write").await.expect(200);
    let id = exchanged.text("connection_id");
    let shown = app.ask(Ask::get(&format!("/v1/connections/{id}"))).await.expect(200);
    for (member, value) in [
        ("user_id", "u1"),
        ("user_label", "Ann"),
        ("agent_label", "Planner"),
        ("user_intent", "Order less coffee"),
        ("purpose", "Plan my week"),
        ("expires_at", "2026-11-22T13:00:00.000Z"),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
}

#[tokio::test]
async fn the_token_is_shown_once() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    let form = yes(&token, &["orders:read"]);
    let secret = shown_token(&browser.post(&service, &session, &form).await);
    let again = browser.post(&service, &session, &form).await;
    let back = browser.get(&service, &session.page()).await;
    for page in [again, back] {
        page.expect(200);
        let text = html(&page);
        assert!(text.contains("You have allowed it") && !text.contains(&secret), "{text}");
        assert!(!text.contains("ag_ct_") && !text.contains("<form"), "{text}");
    }
    let connections = app.ask(Ask::get("/v1/connections")).await.expect(200);
    assert_eq!(connections["total"], 1, "one decision, one connection");
}

#[tokio::test]
async fn a_no_goes_back_and_grants_nothing() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    let form = [("form_token", token.as_str()), ("decision", "deny")];
    let denied = browser.post(&service, &session, &form).await;
    denied.expect(303);
    let back = format!("{BACK}&session_id={}&result=denied", session.id);
    assert_eq!(denied.header("location"), back);
    let yes = browser.post(&service, &session, &yes(&token, &["orders:read"])).await;
    assert!(html(&yes).contains("Nothing was allowed"), "a decision is final");
    let connections = app.ask(Ask::get("/v1/connections")).await.expect(200);
    assert_eq!(connections["total"], 0);
    let events = app.ask(Ask::get("/v1/audit?event=consent_session_denied")).await.expect(200);
    assert_eq!(events["events"][0]["on_behalf_of"], "user:u1");

    let session = opened(&app, &json!({"user_id": "u1"})).await;
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    let form = [("form_token", token.as_str()), ("decision", "deny")];
    let denied = browser.post(&service, &session, &form).await;
    denied.expect(200);
    assert!(html(&denied).contains("Nothing was allowed"));
}

#[tokio::test]
async fn a_page_is_over_after_ten_minutes() {
    let service = Service::start();
    let app = shop(&service).await;
    let (session, unopened) = (opened(&app, &ann()).await, opened(&app, &ann()).await);
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    service.clock.advance(Duration::from_mins(10));
    let page = browser.get(&service, &session.page()).await;
    page.expect(410);
    let back = format!(
        "https://shop.example/agents?tab=ai&amp;session_id={}&amp;result=expired",
        session.id
    );
    assert!(html(&page).contains(&back), "{page}");
    browser.post(&service, &session, &yes(&token, &["orders:read"])).await.expect(410);
    Browser::default().get(&service, &unopened.path).await.expect(410);
    let connections = app.ask(Ask::get("/v1/connections")).await.expect(200);
    assert_eq!(connections["total"], 0);
}

#[tokio::test]
async fn more_is_shown_side_by_side_and_the_token_stays() {
    let service = Service::start();
    let app = shop(&service).await;
    let granted = app.grant("u1").await;
    let body = json!({"connection_id": granted.connection_id, "return_url": BACK,
        "add_scopes": ["files:read", "orders:write"], "duration_seconds": 31_536_000});
    let session = opened(&app, &body).await;
    let mut browser = Browser::default();
    let page = browser.enter(&service, &session).await;
    let text = html(&page);
    let now = between(&text, "<h2>Now</h2>", "</section>");
    let then = between(&text, "<h2>If you allow it</h2>", "</section>");
    assert!(now.contains("See your orders") && !now.contains("Read your files"), "{now}");
    assert!(now.contains("Ends <time datetime=\"2026-12-22T12:00:00.000Z\">Tuesday"), "{now}");
    assert!(then.contains("See your orders") && then.contains("Read your files"), "{then}");
    assert!(then.contains("Ends <time datetime=\"2027-11-22T12:00:00.000Z\">Monday"), "{then}");
    let checked = |name: &str| {
        let rest = between(&text, &format!("value=\"{name}\""), ">");
        rest.contains("checked")
    };
    assert!(checked("files:read") && !checked("orders:write"), "nothing sensitive beforehand");

    let token = form_token(&page);
    let form = [("form_token", token.as_str()), ("decision", "grant"), ("scope", "files:read")];
    let widened = browser.post(&service, &session, &form).await;
    widened.expect(200);
    assert!(!html(&widened).contains("ag_ct_"), "nothing is handed over");
    app.verify(&granted.access_token, "files:read").await.expect(200);
    app.verify(&granted.access_token, "orders:write").await.expect_error(403, "insufficient_scope");
    let events = app.ask(Ask::get("/v1/audit?event=connection_widened")).await.expect(200);
    let event = &events["events"][0];
    assert_eq!(event["connection_id"], granted.connection_id.as_str());
    assert_eq!(event["details"]["added_scopes"], "files:read");
    assert_eq!(event["details"]["new_expires_at"], "2027-11-22T12:00:00.000Z");
}

#[tokio::test]
async fn a_task_is_put_at_the_end_of_the_message() {
    let service = Service::start();
    let app = shop(&service).await;
    let mut body = ann();
    body["prompt_templates"] = json!([
        {"name": "Reorder", "text": "Order {what} again, for {price} at most.", "scopes": ["orders:write"]},
        {"name": "Never", "text": "x", "scopes": ["manage:connections"]},
    ]);
    let session = opened(&app, &body).await;
    let mut browser = Browser::default();
    let page = browser.enter(&service, &session).await;
    let text = html(&page);
    assert!(
        text.contains("Reorder") && !text.contains("Never"),
        "what is not offered is not needed"
    );
    let token = form_token(&page);
    let with = |scopes: &[&'static str], more: &[(&'static str, &'static str)]| {
        let mut form: Vec<(String, String)> = yes(&token, scopes)
            .into_iter()
            .chain(more.iter().copied())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        form.push(("template".to_owned(), "0".to_owned()));
        form
    };
    let mut post = async |form: Vec<(String, String)>| {
        let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        browser.post(&service, &session, &form).await
    };
    let few = post(with(&["orders:read"], &[])).await;
    few.expect(422);
    assert!(html(&few).contains("needs more than you allow"), "{few}");
    let blank = post(with(&["orders:write"], &[("field.0.what", "coffee")])).await;
    blank.expect(422);
    let text = html(&blank);
    assert!(text.contains("Fill in every blank") && text.contains("value=\"coffee\""), "{text}");
    let filled = [("field.0.what", "{price}"), ("field.0.price", "5 €")];
    let granted = post(with(&["orders:write"], &filled)).await;
    granted.expect(200);
    let text = html(&granted);
    assert!(
        text.contains("To begin with: Order {price} again, for 5 € at most.</textarea>"),
        "{text}"
    );
}

#[tokio::test]
async fn the_page_speaks_the_users_language() {
    let service = Service::start();
    let app = shop(&service).await;
    let mut body = ann();
    body["locale"] = json!("ar");
    let session = opened(&app, &body).await;
    let page = Browser::default().enter(&service, &session).await;
    assert!(html(&page).contains(r#"<html lang="ar" dir="rtl">"#));
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    browser.enter(&service, &session).await;
    let ask = Ask::get(&session.page()).header("accept-language", "fr, ar;q=0.9, en;q=0.1");
    let page = browser.send(&service, ask).await;
    assert!(html(&page).contains(r#"<html lang="ar" dir="rtl">"#));
}

#[tokio::test]
async fn the_agents_that_there_are_are_shown() {
    let service = Service::start();
    let app = shop(&service).await;
    let granted = app.grant("u1").await;
    app.grant("u2").await;
    app.verify(&granted.access_token, "orders:read").await.expect(200);
    let session = opened(&app, &ann()).await;
    let page = Browser::default().enter(&service, &session).await;
    let text = html(&page);
    assert!(text.contains("Agents that may already use Shop for you (1)"), "{text}");
    assert!(text.contains(">Sunday 22 November 2026, 12:00 UTC</time>"), "{text}");
}

#[tokio::test]
async fn the_pages_own_files_are_served() {
    let service = Service::start();
    for (name, content_type) in [("consent.css", "text/css"), ("consent.js", "text/javascript")] {
        let asset = service.ask(Ask::get(&format!("/consent/assets/{name}"))).await;
        asset.expect(200);
        assert!(asset.header("content-type").starts_with(content_type), "{asset}");
        assert_eq!(asset.header("x-content-type-options"), "nosniff");
        assert_eq!(asset.header("cache-control"), "public, max-age=3600");
    }
}

/// An operator registers where an app is; a developer's own machine is nobody's address, but in development.
#[tokio::test]
async fn an_address_is_the_apps_where_somebody_vouches_for_it() {
    let service = Service::start();
    let (here, nothing) =
        ("http://127.0.0.1:8000/", "has given no address that this service knows");
    for (uris, environment, said) in [
        (json!([BACK]), "live", "Address known to this service: shop.example"),
        (json!([here]), "test", "Address known to this service: 127.0.0.1:8000"),
        (json!([here]), "live", nothing),
        (json!([]), "test", nothing),
    ] {
        let app = service.app(&json!({"redirect_uris": uris})).await;
        let key = if environment == "live" { &app.live } else { &app.test };
        let path = format!("/v1/apps/{}/consent-sessions", app.app_id);
        let answer = service.ask(Ask::post(&path, &json!({"user_id": "u1"})).bearer(key)).await;
        answer.expect(201);
        let url = answer.text("session_url");
        let path = url.strip_prefix(ISSUER).unwrap().to_owned();
        let opened = Opened { id: answer.text("session_id"), path };
        let page = Browser::default().enter(&service, &opened).await;
        assert!(html(&page).contains(said), "{uris} {environment}: {page}");
    }
}
