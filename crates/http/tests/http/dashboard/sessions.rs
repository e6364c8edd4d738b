//! Sessions: their cookie, their limits, their ends, and what they leave in the log.

use std::time::Duration;

use agentadmit_engine::WriterOptions;
use agentadmit_http::HttpOptions;
use agentadmit_http::dashboard::DashboardOptions;
use serde_json::{Value, json};

use super::{Browser, SESSION, new_code, own_page, sign_in};
use crate::support::{Ask, Service};

const MINUTE: Duration = Duration::from_mins(1);

/// A service whose dashboard has an address of its own.
fn at(url: &str) -> Service {
    let dashboard = DashboardOptions { url: Some(url.to_owned()), ..DashboardOptions::default() };
    let options = HttpOptions { dashboard: Some(dashboard), ..HttpOptions::default() };
    Service::with(WriterOptions::default(), options)
}

#[tokio::test]
async fn the_cookie_is_tied_to_the_host_and_kept_from_scripts() {
    for (url, name, secure) in [
        ("https://ops.example", "__Host-agentadmit-session", " Secure;"),
        ("http://127.0.0.1:8700", "agentadmit-session", ""),
    ] {
        let service = at(url);
        let reply = service.ask(sign_in(&new_code(&service).await)).await;
        let set = reply.header("set-cookie");
        let (pair, rest) = set.split_once("; ").unwrap();
        let (given, secret) = pair.split_once('=').unwrap();
        assert_eq!((given, secret.len()), (name, 43));
        assert_eq!(rest, format!("Path=/; Max-Age=43200;{secure} HttpOnly; SameSite=Strict"));
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(!String::from_utf8_lossy(&reply.body).contains(secret));

        let browser = Browser::of(&reply);
        browser.get(&service, "/v1/operator/apps").await.expect(200);
        let out = service.ask(browser.with(Ask::new("DELETE", SESSION))).await;
        out.expect(204);
        assert_eq!(
            out.header("set-cookie"),
            format!("{name}=; Path=/; Max-Age=0;{secure} HttpOnly; SameSite=Strict")
        );
        browser.get(&service, SESSION).await.expect_error(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_browser_may_call_this_machine_by_any_name() {
    let service = at("http://127.0.0.1:8700");
    let browser = Browser::signed_in(&service).await;
    for (origin, status) in [
        ("http://127.0.0.1:8700", 200),
        ("http://localhost:8700", 200),
        ("http://localhost:3000", 403),
        ("https://service.example", 403),
    ] {
        let ask = browser.with(Ask::get(SESSION)).header("origin", origin);
        assert_eq!(service.ask(ask).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn a_session_ends_without_use() {
    let service = Service::start();
    let browser = Browser::signed_in(&service).await;
    for _ in 0..4 {
        service.clock.advance(29 * MINUTE);
        browser.get(&service, "/v1/operator/apps").await.expect(200);
    }
    let session = browser.get(&service, SESSION).await.expect(200);
    assert_eq!(session["idle_expires_at"], "2026-11-22T14:26:00.000Z");
    service.clock.advance(30 * MINUTE);
    browser.get(&service, "/v1/operator/apps").await.expect_error(401, "unauthenticated");
    browser.get(&service, SESSION).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_whatever_it_does() {
    let service = Service::start();
    let browser = Browser::signed_in(&service).await;
    for _ in 0..28 {
        service.clock.advance(25 * MINUTE);
        browser.get(&service, SESSION).await.expect(200);
    }
    service.clock.advance(19 * MINUTE + Duration::from_millis(59_999));
    let session = browser.get(&service, SESSION).await.expect(200);
    assert_eq!(session["idle_expires_at"], session["expires_at"]);
    service.clock.advance(Duration::from_millis(1));
    browser.get(&service, SESSION).await.expect_error(401, "unauthenticated");
}

/// An attacker who plants a cookie before the sign-in has nothing after it.
#[tokio::test]
async fn a_sign_in_makes_a_new_session_and_ends_the_one_before() {
    let service = Service::start();
    let planted = Browser::signed_in(&service).await;
    let code = new_code(&service).await;
    let reply = service.ask(planted.alone(sign_in(&code))).await;
    let browser = Browser::of(&reply);
    assert_ne!(browser.cookie, planted.cookie);
    assert_ne!(browser.session_id, planted.session_id);
    planted.get(&service, SESSION).await.expect_error(401, "unauthenticated");
    browser.get(&service, SESSION).await.expect(200);

    // nor does a cookie that nobody was given become one
    let made_up = "__Host-agentadmit-session=chosenbyanattacker".to_owned();
    let planted = Browser { cookie: made_up, session_id: String::new(), account_id: String::new() };
    let code = new_code(&service).await;
    let browser = Browser::of(&service.ask(planted.alone(sign_in(&code))).await);
    assert_ne!(browser.cookie, planted.cookie);
    planted.get(&service, SESSION).await.expect_error(401, "unauthenticated");
    // a wrong code leaves the session as it is
    let wrong = service.ask(browser.alone(sign_in("0000-0000-0000-0000"))).await;
    wrong.expect_error(401, "invalid_code");
    assert!(!wrong.headers.contains_key("set-cookie"));
    browser.get(&service, SESSION).await.expect(200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let service = Service::start();
    let first = Browser::signed_in(&service).await;
    service.clock.advance(MINUTE);
    let second = Browser::signed_in(&service).await;
    let list = second.get(&service, "/v1/operator/sessions").await.expect(200);
    let shown: Vec<(&str, bool)> = list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["session_id"].as_str().unwrap(), one["current"].as_bool().unwrap()))
        .collect();
    assert_eq!(shown, [(second.session_id.as_str(), true), (&first.session_id, false)]);

    let path = format!("/v1/operator/sessions/{}", first.session_id);
    let ended = service.ask(second.with(Ask::new("DELETE", &path))).await.expect(200);
    assert_eq!(ended["status"], "ended");
    first.get(&service, SESSION).await.expect_error(401, "unauthenticated");
    let again = service.ask(second.with(Ask::new("DELETE", &path))).await;
    assert!(matches!(again.status, 200 | 404), "gone, sooner or later: {again}");
    let list = second.get(&service, "/v1/operator/sessions").await.expect(200);
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
    // signing out twice is the same as once
    service.ask(second.with(Ask::new("DELETE", SESSION))).await.expect(204);
    service.ask(second.with(Ask::new("DELETE", SESSION))).await.expect(204);
}

#[tokio::test]
async fn records_name_the_session_and_never_its_secret() {
    let service = Service::start();
    let code = new_code(&service).await;
    let browser = Browser::of(&service.ask(sign_in(&code)).await);
    let body = json!({"name": "Shop"});
    let made = service.ask(browser.with(Ask::post("/v1/operator/apps", &body))).await;
    made.expect(201);
    service.ask(browser.with(Ask::new("DELETE", SESSION))).await.expect(204);

    let log = service.local("GET", "/v1/operator/audit", &Value::Null).await.expect(200);
    let records = log["events"].as_array().unwrap();
    let actor = format!("session:{}", browser.session_id);
    for event in ["signed_in", "app_created", "session_ended"] {
        let of_event: Vec<_> = records.iter().filter(|record| record["event"] == event).collect();
        assert!(!of_event.is_empty(), "{event}");
        assert!(of_event.iter().all(|record| record["actor"] == actor.as_str()), "{event}");
    }
    let made = records.iter().find(|record| record["event"] == "sign_in_code_created").unwrap();
    assert_eq!(made["actor"], "system");
    let all = log.to_string();
    let (_, secret) = browser.cookie.split_once('=').unwrap();
    assert!(!all.contains(secret) && !all.contains(&code) && !all.contains(&code.replace('-', "")));
}

#[tokio::test]
async fn the_operator_api_on_its_own_address_has_the_dashboard() {
    let service = Service::start();
    let state = agentadmit_http::ServiceState::new(service.engine.clone(), HttpOptions::default());
    let agentadmit_http::Routers { app, operator } = agentadmit_http::routers(state);
    let code = new_code(&service).await;
    let apps =
        Service { router: app, engine: service.engine.clone(), clock: service.clock.clone() };
    apps.ask(sign_in(&code)).await.expect_error(404, "not_found");
    apps.ask(own_page(Ask::get(SESSION))).await.expect_error(404, "not_found");
    let operators =
        Service { router: operator, engine: service.engine.clone(), clock: service.clock.clone() };
    let browser = Browser::of(&operators.ask(sign_in(&code)).await);
    browser.get(&operators, "/v1/operator/apps").await.expect(200);
}
