//! The credential table's column for sessions of the dashboard: what each route answers to one that
//! is good, to one that is not, and to one that did not come from our own page.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Browser, own_page, sign_in};
use crate::credentials::{ROWS, Row, Wants, World};
use crate::support::{Ask, Reply, Service};

/// What of the operator API no session can do.
const NOT_BY_SESSION: [&str; 2] = ["/v1/operator/clock/accept", "/v1/operator/sign-in-codes"];

fn is_operators(row: &Row) -> bool {
    matches!(row.wants, Wants::Operator { .. } | Wants::Machine)
}

/// Requests that a session's browser may be made to send, and what each is answered.
type Foreign = (&'static str, fn(&Browser, Ask) -> Ask, u16, &'static str);

const FOREIGN: [Foreign; 8] = [
    ("no header", |browser, ask| browser.alone(ask), 403, "cross_site_request"),
    (
        "another word in the header",
        |browser, ask| browser.alone(ask).header("agentadmit-dashboard", "true"),
        403,
        "cross_site_request",
    ),
    (
        "a foreign origin",
        |browser, ask| browser.with(ask).header("origin", "https://evil.example"),
        403,
        "cross_site_request",
    ),
    (
        "our name on another port",
        |browser, ask| browser.with(ask).header("origin", "https://service.example:8443"),
        403,
        "cross_site_request",
    ),
    (
        "a sibling's page",
        |browser, ask| {
            let ask = browser.alone(ask).header("agentadmit-dashboard", "1");
            ask.header("sec-fetch-site", "same-site")
        },
        403,
        "cross_site_request",
    ),
    (
        "another site's page",
        |browser, ask| {
            let ask = browser.alone(ask).header("agentadmit-dashboard", "1");
            ask.header("sec-fetch-site", "cross-site")
        },
        403,
        "cross_site_request",
    ),
    (
        "no origin at all",
        |browser, ask| {
            let ask = browser.alone(ask).header("agentadmit-dashboard", "1");
            ask.header("origin", "null")
        },
        403,
        "cross_site_request",
    ),
    (
        "a Bearer beside it",
        |browser, ask| browser.with(ask).bearer("aa_op_x"),
        400,
        "invalid_request",
    ),
];

fn expect(row: &Row, what: &str, reply: &Reply, expected: (u16, &str)) {
    let found = (reply.status, reply.text("error"));
    let place = format!("{} {} with {what}: {reply}", row.method, row.path);
    assert_eq!((found.0, found.1.as_str()), expected, "{place}");
    if reply.status >= 400 {
        reply.expect_error(expected.0, expected.1);
    }
}

/// Sessions that are good no more, by how that came.
async fn ended(service: &Service) -> Vec<(&'static str, Browser)> {
    let over = Browser::signed_in(service).await;
    service.clock.advance(Duration::from_mins(30));
    let signed_out = Browser::signed_in(service).await;
    service.ask(signed_out.with(Ask::new("DELETE", super::SESSION))).await.expect(204);
    let by_other = Browser::signed_in(service).await;
    let path = format!("/v1/operator/sessions/{}", by_other.session_id);
    service.local("DELETE", &path, &Value::Null).await.expect(200);
    let mut all = vec![
        ("an idle session", over),
        ("a session that signed out", signed_out),
        ("a session that was ended", by_other),
    ];
    for (what, ending) in [("a revoked token's", ""), ("a rotated token's", "/rotate")] {
        let (operator_id, token) = service.operator(&json!({})).await;
        let code = Ask::new("POST", "/v1/operator/sign-in-codes").bearer(&token);
        let code = service.ask(code).await.text("code");
        let browser = Browser::of(&service.ask(sign_in(&code)).await);
        let method = if ending.is_empty() { "DELETE" } else { "POST" };
        let path = format!("/v1/operator/operators/{operator_id}{ending}");
        let done = service.local(method, &path, &Value::Null).await;
        assert!(done.status < 300, "{done}");
        all.push((what, browser));
    }
    let name = all[0].1.cookie.split('=').next().unwrap().to_owned();
    for (what, secret) in [("an empty cookie", String::new()), ("a made-up cookie", "x".repeat(43))]
    {
        let cookie = format!("{name}={secret}");
        all.push((what, Browser { cookie, session_id: String::new(), account_id: String::new() }));
    }
    all
}

#[tokio::test]
async fn no_route_opens_for_a_session_that_is_over_or_from_elsewhere() {
    let service = Service::start();
    let world = World::new(&service).await;
    let ended = ended(&service).await;
    let good = Browser::signed_in(&service).await;
    let twice = Browser { cookie: format!("{0}; {0}", good.cookie), ..good.clone() };
    let is_meant = |row: &&Row| {
        is_operators(row) || row.path == super::SESSION || matches!(row.wants, Wants::Developer)
    };
    for row in ROWS.iter().filter(is_meant) {
        let signs_in_or_out = row.path == super::SESSION && row.method != "GET";
        for (what, as_foreign, status, code) in FOREIGN {
            if signs_in_or_out && what == "a Bearer beside it" {
                continue;
            }
            // the table's request has the header already where the page is meant
            let ask = match row.path {
                super::SESSION => Ask::new(row.method, row.path),
                _ => world.request(row),
            };
            let reply = service.ask(as_foreign(&good, ask)).await;
            expect(row, what, &reply, (status, code));
        }
        if signs_in_or_out {
            continue;
        }
        for (what, browser) in ended.iter().chain([&("the cookie twice", twice.clone())]) {
            let ask = match row.path {
                super::SESSION => Ask::new(row.method, row.path),
                _ => world.request(row),
            };
            let reply = service.ask(browser.with(ask)).await;
            expect(row, what, &reply, (401, "unauthenticated"));
        }
    }
    let nobody = service.ask(own_page(Ask::get(super::SESSION))).await;
    nobody.expect_error(401, "unauthenticated");
    let nobody = service.ask(own_page(Ask::new("DELETE", super::SESSION))).await;
    nobody.expect_error(401, "unauthenticated");
    // after all that was refused nothing has changed
    good.get(&service, super::SESSION).await.expect(200);
    world.app.verify(&world.granted.access_token, "orders:read").await.expect(200);
}

#[tokio::test]
async fn every_route_of_operators_opens_for_a_session() {
    for row in ROWS.iter().filter(|row| is_operators(row)) {
        let service = Service::start();
        let world = World::new(&service).await;
        let browser = Browser::signed_in(&service).await;
        let reply = service.ask(browser.with(world.request(row))).await;
        if NOT_BY_SESSION.contains(&row.path) {
            expect(row, "a session", &reply, (403, "forbidden"));
        } else {
            assert!((200..300).contains(&reply.status), "{} {}: {reply}", row.method, row.path);
        }
    }
}

/// An app's own routes know nothing of sessions.
#[tokio::test]
async fn no_route_of_apps_opens_for_a_session() {
    let service = Service::start();
    let world = World::new(&service).await;
    let browser = Browser::signed_in(&service).await;
    for row in ROWS {
        let code = match row.wants {
            Wants::App { .. } => "invalid_api_key",
            Wants::Client => "invalid_client",
            _ => continue,
        };
        if row.path == "/v1/token/exchange" {
            continue;
        }
        let reply = service.ask(browser.with(world.request(row))).await;
        expect(row, "a session", &reply, (401, code));
    }
}

/// Every operation of the document that changes something, asked by a browser that another site
/// drives.
#[tokio::test]
async fn nothing_is_changed_for_another_site() {
    let service = Service::start();
    let world = World::new(&service).await;
    let browser = Browser::signed_in(&service).await;
    let document = serde_json::to_value(agentadmit_http::openapi()).unwrap();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let by_session = operation["security"].to_string().contains("dashboard_session");
            if method == "get" || !(by_session || path.starts_with("/dashboard")) {
                continue;
            }
            let row =
                ROWS.iter().find(|row| row.path == path && row.method.eq_ignore_ascii_case(method));
            let ask = match path.as_str() {
                super::SESSION => Ask::new(&method.to_uppercase(), path),
                _ => world.request(row.unwrap()),
            };
            // a form of another site: the cookie comes, the header cannot
            let ask = browser.alone(ask).header("origin", "https://evil.example");
            let ask = ask.header("sec-fetch-site", "cross-site");
            service.ask(ask).await.expect_error(403, "cross_site_request");
            tried += 1;
        }
    }
    assert!(tried >= 30, "{tried}");
    browser.get(&service, super::SESSION).await.expect(200);
}
