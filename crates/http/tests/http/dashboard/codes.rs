//! One-time codes: ten minutes, one use, five tries.

use std::collections::BTreeSet;
use std::time::Duration;

use agentadmit_http::HttpOptions;
use serde_json::{Value, json};

use super::{Browser, new_code, own_page, sign_in};
use crate::support::{Ask, Service};

/// The code with its last character changed.
fn nearly(code: &str) -> String {
    let (head, last) = code.split_at(code.len() - 1);
    format!("{head}{}", if last == "0" { "1" } else { "0" })
}

/// Addresses may fail ten times a minute: a minute later nobody remembers.
fn pass_a_minute(service: &Service) {
    service.clock.advance(Duration::from_mins(1));
}

#[tokio::test]
async fn a_code_opens_one_session_once() {
    let service = Service::start();
    let code = new_code(&service).await;
    let browser = Browser::of(&service.ask(sign_in(&code)).await);
    let session = browser.get(&service, super::SESSION).await.expect(200);
    assert_eq!(session["kind"], "operator");
    assert_eq!(session["label"], "Operator on the machine");
    assert_eq!(session["idle_expires_at"], "2026-11-22T12:30:00.000Z");
    assert_eq!(session["expires_at"], "2026-11-23T00:00:00.000Z");
    assert!(session.get("account_id").is_none() && session.get("apps").is_none());
    service.ask(sign_in(&code)).await.expect_error(401, "invalid_code");
}

#[tokio::test]
async fn a_code_is_read_as_people_type() {
    for typed in [
        |code: &str| code.to_lowercase(),
        |code: &str| code.replace('-', ""),
        |code: &str| code.replace('-', " "),
        |code: &str| format!(" {code} "),
        |code: &str| code.replace('0', "o").replace('1', "l"),
    ] {
        let service = Service::start();
        let code = typed(&new_code(&service).await);
        service.ask(sign_in(&code)).await.expect(200);
    }
}

#[tokio::test]
async fn a_code_lives_ten_minutes() {
    let service = Service::start();
    let (first, second) = (new_code(&service).await, new_code(&service).await);
    service.clock.advance(Duration::from_millis(599_999));
    service.ask(sign_in(&first)).await.expect(200);
    service.clock.advance(Duration::from_millis(1));
    service.ask(sign_in(&second)).await.expect_error(401, "invalid_code");
}

#[tokio::test]
async fn the_fifth_wrong_try_voids_a_code_and_no_other() {
    let service = Service::start();
    let (code, other) = (new_code(&service).await, new_code(&service).await);
    let wrong = nearly(&code);
    for _ in 0..4 {
        service.ask(sign_in(&wrong)).await.expect_error(401, "invalid_code");
    }
    let browser = Browser::of(&service.ask(sign_in(&code)).await);

    let code = new_code(&service).await;
    for _ in 0..5 {
        service.ask(sign_in(&nearly(&code))).await.expect_error(401, "invalid_code");
    }
    pass_a_minute(&service);
    service.ask(sign_in(&code)).await.expect_error(401, "invalid_code");
    service.ask(sign_in(&other)).await.expect(200);

    let log = browser.get(&service, "/v1/operator/audit?event=sign_in_refused").await.expect(200);
    let refused = log["events"].as_array().unwrap();
    assert_eq!(refused.len(), 9);
    assert_eq!(refused[0]["details"]["code_is_void"], true);
    assert_eq!(refused[1]["details"]["code_is_void"], false);
}

#[tokio::test]
async fn wrong_used_void_and_expired_are_one_answer() {
    let service = Service::start();
    let expired = new_code(&service).await;
    service.clock.advance(Duration::from_mins(10));
    let used = new_code(&service).await;
    service.ask(sign_in(&used)).await.expect(200);
    let wrong = nearly(&new_code(&service).await);
    let mut answers = BTreeSet::new();
    for code in [expired.as_str(), &used, &wrong, "0000-0000-0000-0000"] {
        let reply = service.ask(sign_in(code)).await;
        let mut body = reply.expect_error(401, "invalid_code");
        body["request_id"] = json!(null);
        answers.insert((body.to_string(), reply.headers.len()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn what_is_no_code_costs_no_try() {
    let service = Service::start();
    for code in ["", "U", "8Q4M-9XKD-02TB-WR5", "8Q4M-9XKD-02TB-WR5H-0", "8Q4M-9XKD-02TB-WR5U"] {
        for _ in 0..4 {
            let refused = service.ask(sign_in(code)).await.expect_error(422, "invalid_request");
            assert_eq!(refused["field"], "code", "{code}");
            let told = refused["error_description"].as_str().unwrap();
            assert!(code.len() < 2 || !told.contains(code), "{told}");
        }
    }
    let code = new_code(&service).await;
    service.ask(sign_in(&code)).await.expect(200);
}

#[tokio::test]
async fn an_address_fails_ten_times_a_minute() {
    let service = Service::start();
    for _ in 0..10 {
        service.ask(sign_in("0000-0000-0000-0000")).await.expect_error(401, "invalid_code");
    }
    let code = new_code(&service).await;
    let refused = service.ask(sign_in(&code)).await;
    assert_eq!(refused.expect_error(429, "rate_limited")["limit"], "address");
    assert_eq!(refused.header("retry-after"), "60");
    pass_a_minute(&service);
    service.ask(sign_in(&code)).await.expect(200);
}

#[tokio::test]
async fn one_of_many_tries_with_one_code_wins() {
    let service = Service::start();
    let code = new_code(&service).await;
    let tries = (0..8).map(|_| service.ask(sign_in(&code)));
    let replies = futures_join(tries).await;
    let won = replies.iter().filter(|status| **status == 200).count();
    assert_eq!((won, replies.len()), (1, 8), "{replies:?}");
}

/// The statuses of requests that are under way at the same time.
async fn futures_join<F>(asks: impl Iterator<Item = F>) -> Vec<u16>
where
    F: Future<Output = crate::support::Reply>,
{
    let mut waiting: Vec<_> = asks.map(Box::pin).collect();
    let mut statuses = vec![0; waiting.len()];
    std::future::poll_fn(|context| {
        let mut is_over = true;
        for (ask, status) in waiting.iter_mut().zip(&mut statuses) {
            if *status == 0 {
                match ask.as_mut().poll(context) {
                    std::task::Poll::Ready(reply) => *status = reply.status,
                    std::task::Poll::Pending => is_over = false,
                }
            }
        }
        if is_over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    statuses
}

#[tokio::test]
async fn with_the_twenty_first_code_the_oldest_is_void() {
    let service = Service::start();
    let oldest = new_code(&service).await;
    let mut newer = Vec::new();
    for _ in 0..20 {
        service.clock.advance(Duration::from_millis(1));
        newer.push(new_code(&service).await);
    }
    service.ask(sign_in(&oldest)).await.expect_error(401, "invalid_code");
    service.ask(sign_in(&newer[0])).await.expect(200);
}

#[tokio::test]
async fn an_operator_makes_codes_and_ends_with_them() {
    let service = Service::start();
    let (operator_id, token) = service.operator(&json!({"name": "Ann"})).await;
    let ask = || Ask::new("POST", "/v1/operator/sign-in-codes").bearer(&token);
    let made = service.ask(ask()).await;
    let answer = made.expect(201);
    assert_eq!(answer["dashboard_url"], "https://service.example/dashboard");
    assert_eq!(answer["expires_at"], "2026-11-22T12:10:00.000Z");
    let left = service.ask(ask()).await.text("code");
    let browser = Browser::of(&service.ask(sign_in(&made.text("code"))).await);
    assert_eq!(browser.get(&service, super::SESSION).await.text("label"), "Ann");

    // the token ends, and with it what it opened and what it could still open
    let path = format!("/v1/operator/operators/{operator_id}");
    service.local("DELETE", &path, &Value::Null).await.expect(200);
    browser.get(&service, super::SESSION).await.expect_error(401, "unauthenticated");
    service.ask(sign_in(&left)).await.expect_error(401, "invalid_code");
    let sessions = service.local("GET", "/v1/operator/sessions", &Value::Null).await.expect(200);
    assert_eq!(sessions["sessions"], json!([]));
}

#[tokio::test]
async fn billing_and_sessions_make_no_codes() {
    let service = Service::start();
    let (_, billing) = service.operator(&json!({"access": "billing"})).await;
    let ask = Ask::new("POST", "/v1/operator/sign-in-codes");
    service.ask(ask.bearer(&billing)).await.expect_error(403, "forbidden");
    let browser = Browser::signed_in(&service).await;
    let ask = Ask::new("POST", "/v1/operator/sign-in-codes");
    service.ask(browser.with(ask)).await.expect_error(403, "forbidden");
}

#[tokio::test]
async fn a_service_without_a_dashboard_has_none() {
    let options = HttpOptions { dashboard: None, ..HttpOptions::default() };
    let service = Service::with(agentadmit_engine::WriterOptions::default(), options);
    let code = new_code(&service).await;
    service.ask(sign_in(&code)).await.expect_error(404, "not_found");
    service.ask(own_page(Ask::get(super::SESSION))).await.expect_error(404, "not_found");
    service.ask(Ask::get("/dashboard")).await.expect_error(404, "not_found");
    // a cookie is nothing there
    let cookie = "__Host-agentadmit-session=x".to_owned();
    let browser = Browser { cookie, session_id: String::new(), account_id: String::new() };
    let refused = browser.get(&service, "/v1/operator/apps").await;
    refused.expect_error(401, "invalid_operator_token");
}
