//! Developers come in: links, sign-up modes, members, and the attacks on them.

use std::time::Duration;

use agentadmit_engine::WriterOptions;
use agentadmit_http::HttpOptions;
use agentadmit_http::dashboard::DashboardOptions;
use agentadmit_protocol::account::SignUp;
use serde_json::{Value, json};

use super::{Browser, SESSION, account_link, app_link, new_code, own_page, sign_in, use_link};
use crate::support::{Ask, Reply, Service};

const APPS: &str = "/v1/operator/apps";
const INVITE: &str = "/dashboard/invite";

fn shown(code: &str) -> Ask {
    own_page(Ask::post(INVITE, &json!({"code": code})))
}

async fn developer(service: &Service, label: &str) -> Browser {
    let link = account_link(service).await;
    Browser::joined(service, &link, label).await
}

impl Browser {
    async fn send(&self, service: &Service, method: &str, path: &str, body: &Value) -> Reply {
        let ask = Ask::new(method, path);
        service.ask(self.with(if body.is_null() { ask } else { ask.json(body) })).await
    }
}

#[tokio::test]
async fn a_developer_comes_with_a_link_and_has_an_app_with_a_test_key() {
    let options = WriterOptions { live_requires_plan: true };
    let dashboard = DashboardOptions { sign_up: SignUp::Invite, ..DashboardOptions::default() };
    let http = HttpOptions { dashboard: Some(dashboard), ..HttpOptions::default() };
    let service = Service::with(options, http);
    let made =
        service.local("POST", "/v1/operator/accounts/invites", &json!({"seconds": 60})).await;
    assert_eq!(made.json()["url"], Value::Null, "the command line knows no address");
    let (_, token) = service.operator(&json!({})).await;
    let made = Ask::post("/v1/operator/accounts/invites", &json!({"seconds": 60})).bearer(&token);
    let made = service.ask(made).await;
    let code = made.text("code");
    assert_eq!(made.text("url"), format!("https://service.example/dashboard/join#{code}"));
    assert_eq!(made.text("expires_at"), "2026-11-22T12:01:00.000Z");

    let seen = service.ask(shown(&code)).await.expect(200);
    assert_eq!((&seen["kind"], &seen["makes_account"]), (&json!("sign_up"), &json!(true)));
    assert_eq!(service.ask(shown(&code)).await.expect(200), seen, "to look spends nothing");
    let nameless = own_page(Ask::post("/dashboard/invite/use", &json!({"code": code})));
    let refused = service.ask(nameless).await.expect_error(422, "invalid_request");
    assert_eq!(refused["field"], "label");

    let reply = service.ask(use_link(&code, "Dan")).await;
    assert_eq!(reply.text("kind"), "developer");
    assert_eq!(reply.json()["apps"], json!([]));
    let dan = Browser::of(&reply);
    let app = dan.send(&service, "POST", APPS, &json!({"name": "Dans"})).await.expect(201);
    let keys = format!("{APPS}/{}/api-keys", app["app_id"].as_str().unwrap());
    dan.send(&service, "POST", &keys, &json!({"environment": "test"})).await.expect(201);
    let live = dan.send(&service, "POST", &keys, &json!({"environment": "live"})).await;
    live.expect_error(403, "subscription_required");
    let session = dan.get(&service, SESSION).await.expect(200);
    assert_eq!(session["apps"], json!([{"app_id": app["app_id"], "role": "owner"}]));
    let path = format!("{APPS}/{}", app["app_id"].as_str().unwrap());
    let resource = json!([{"uri": "https://bank.example/", "environment": "live"}]);
    for (member, value) in [
        ("rate_limit", json!({"per_key_per_second": null})),
        ("resources", resource),
        ("redirect_uris", json!(["http://127.0.0.1:8000/", "https://bank.example/"])),
    ] {
        let settings = json!({"settings": {member: value}});
        let refused = dan.send(&service, "PATCH", &path, &settings).await;
        let field = format!("settings.{member}");
        assert_eq!(refused.expect_error(403, "forbidden")["field"], field.as_str());
        let made = json!({"name": "Another", "settings": settings["settings"]});
        let refused = dan.send(&service, "POST", APPS, &made).await;
        assert_eq!(refused.expect_error(403, "forbidden")["field"], field.as_str());
    }

    let log = service.local("GET", "/v1/operator/audit?limit=200", &Value::Null).await.json();
    let events = log["events"].as_array().unwrap();
    let actor = |event: &str| {
        events.iter().find(|record| record["event"] == event).expect(event)["actor"].clone()
    };
    let dan_himself = json!(format!("account:{}", dan.account_id));
    for event in ["invite_used", "account_created", "app_created", "member_added", "key_created"] {
        assert_eq!(actor(event), dan_himself, "{event}");
    }
    let signed_in = events.iter().find(|record| record["event"] == "signed_in").unwrap();
    assert_eq!(signed_in["details"]["method"], "link");
    assert!(!log.to_string().contains(&code), "no record holds the code");
}

#[tokio::test]
async fn a_link_is_good_once_and_for_its_time() {
    let service = Service::start();
    let used = account_link(&service).await;
    service.ask(use_link(&used, "Dan")).await.expect(200);
    let over =
        service.local("POST", "/v1/operator/accounts/invites", &json!({"seconds": 60})).await;
    service.clock.advance(Duration::from_mins(1));
    let path = "/v1/operator/accounts/invites";
    let taken_back = service.local("POST", path, &Value::Null).await;
    let listed = service.local("GET", path, &Value::Null).await.expect(200);
    assert_eq!(listed["invites"].as_array().unwrap().len(), 1, "{listed}");
    assert!(!listed.to_string().contains(&taken_back.text("code")));
    let one = format!("{path}/{}", taken_back.text("invite_id"));
    service.local("DELETE", &one, &Value::Null).await.expect(200);
    service.local("DELETE", &one, &Value::Null).await.expect_error(404, "not_found");
    for code in [used, over.text("code"), taken_back.text("code"), "a".repeat(43)] {
        for ask in [shown(&code), use_link(&code, "Eve")] {
            let refused = service.ask(ask).await.expect_error(404, "not_found");
            assert_eq!(refused["field"], "code");
        }
    }
}

#[tokio::test]
async fn two_who_race_for_a_link_are_one_account() {
    let service = Service::start();
    let link = account_link(&service).await;
    let (one, two) =
        tokio::join!(service.ask(use_link(&link, "Ann")), service.ask(use_link(&link, "Bob")));
    let mut found = [one.status, two.status];
    found.sort_unstable();
    assert_eq!(found, [200, 404]);
    let accounts = service.local("GET", "/v1/operator/accounts", &Value::Null).await.expect(200);
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn accounts_are_made_where_the_operator_lets_them() {
    for (mode, word, makes) in [
        (SignUp::Closed, "closed", false),
        (SignUp::Invite, "invite", true),
        (SignUp::Open, "open", true),
    ] {
        let service = Service::signing_up(mode);
        let app = service.app(&json!({})).await;
        let told = service.ask(Ask::get("/dashboard/sign-up")).await.expect(200);
        assert_eq!(told, json!({"mode": word, "rp_id": "service.example"}));
        for code in [account_link(&service).await, app_link(&service, &app.app_id, "owner").await] {
            for ask in [shown(&code), use_link(&code, "Dan")] {
                let reply = service.ask(ask).await;
                if makes {
                    reply.expect(200);
                } else {
                    reply.expect_error(403, "forbidden");
                }
            }
        }
    }
}

#[tokio::test]
async fn who_is_signed_in_joins_with_the_account_that_there_is() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let dan = developer(&service, "Dan").await;
    let code = app_link(&service, &app.app_id, "viewer").await;
    let seen = service.ask(dan.with(Ask::post(INVITE, &json!({"code": code})))).await.expect(200);
    assert_eq!(seen["app"], json!({"app_id": app.app_id, "name": "Shop"}));
    assert_eq!(
        (&seen["kind"], &seen["role"], &seen["label"], &seen["makes_account"]),
        (&json!("member"), &json!("viewer"), &json!("Dan"), &json!(false))
    );
    let anybody = service.ask(shown(&code)).await.expect(200);
    assert_eq!((&anybody["label"], &anybody["makes_account"]), (&Value::Null, &json!(true)));

    let used = Ask::post("/dashboard/invite/use", &json!({"code": code}));
    let reply = service.ask(dan.with(used)).await;
    let again = Browser::of(&reply);
    assert_eq!(again.account_id, dan.account_id);
    assert_ne!((&again.cookie, &again.session_id), (&dan.cookie, &dan.session_id));
    dan.get(&service, SESSION).await.expect_error(401, "unauthenticated");
    let members = format!("{APPS}/{}/members", app.app_id);
    let members = again.get(&service, &members).await.expect(200);
    assert_eq!(members["members"][0]["label"], "Dan");
    let code = app_link(&service, &app.app_id, "owner").await;
    let twice = Ask::post("/dashboard/invite/use", &json!({"code": code}));
    service.ask(again.with(twice)).await.expect_error(409, "conflict");
}

#[tokio::test]
async fn a_planted_session_is_nobodys() {
    let service = Service::start();
    let mallory = developer(&service, "Mallory").await;
    let link = account_link(&service).await;
    // the victim's browser holds the attacker's cookie, and uses a link of its own
    let used = Ask::post("/dashboard/invite/use", &json!({"code": link, "label": "Ann"}));
    let ann = Browser::of(&service.ask(mallory.with(used)).await);
    assert_ne!(ann.cookie, mallory.cookie);
    assert_ne!(ann.account_id, mallory.account_id);
    mallory.get(&service, SESSION).await.expect_error(401, "unauthenticated");
    let name = ann.cookie.split('=').next().unwrap();
    let link = account_link(&service).await;
    let made_up = format!("{name}={}", "x".repeat(43));
    let used = Ask::post("/dashboard/invite/use", &json!({"code": link, "label": "Bob"}));
    let reply = service.ask(own_page(used.header("cookie", &made_up))).await;
    assert_ne!(Browser::of(&reply).cookie, made_up);
}

#[tokio::test]
async fn links_are_not_guessed_and_who_tries_holds_no_operator_up() {
    let service = Service::start();
    let good = account_link(&service).await;
    for turn in 0..10 {
        let code = format!("{turn:043}");
        let ask = if turn % 2 == 0 { shown(&code) } else { use_link(&code, "Eve") };
        service.ask(ask).await.expect_error(404, "not_found");
    }
    for ask in [shown(&good), use_link(&good, "Ann")] {
        let refused = service.ask(ask).await;
        assert_eq!(refused.expect_error(429, "rate_limited")["limit"], "address");
    }
    let code = new_code(&service).await;
    service.ask(sign_in(&code)).await.expect(200);
    service.clock.advance(Duration::from_mins(1));
    service.ask(use_link(&good, "Ann")).await.expect(200);
}

#[tokio::test]
async fn a_suspended_account_is_shut_at_once() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let dan = developer(&service, "Dan").await;
    let account = format!("/v1/operator/accounts/{}", dan.account_id);
    let post = |rest: &'static str| {
        let path = format!("{account}/{rest}");
        let service = &service;
        async move { service.local("POST", &path, &Value::Null).await }
    };
    let link = post("sign-in-link").await;
    assert_eq!(link.text("expires_at"), "2026-11-22T13:00:00.000Z");
    let suspended = post("suspend").await.expect(200);
    assert_eq!(suspended["suspended_at"], "2026-11-22T12:00:00.000Z");
    for path in [SESSION, APPS, "/dashboard/account"] {
        dan.get(&service, path).await.expect_error(401, "unauthenticated");
    }
    service.ask(use_link(&link.text("code"), "")).await.expect_error(422, "invalid_request");
    let back = own_page(Ask::post("/dashboard/invite/use", &json!({"code": link.text("code")})));
    service.ask(back).await.expect_error(404, "not_found");
    let code = app_link(&service, &app.app_id, "owner").await;
    let joins = Ask::post("/dashboard/invite/use", &json!({"code": code}));
    service.ask(dan.with(joins)).await.expect_error(404, "not_found");
    post("sign-in-link").await.expect_error(409, "conflict");

    assert_eq!(post("resume").await.expect(200)["suspended_at"], Value::Null);
    let seen = service.ask(shown(&link.text("code"))).await.expect(200);
    assert_eq!((&seen["kind"], &seen["label"]), (&json!("sign_in"), &json!("Dan")));
    let back = own_page(Ask::post("/dashboard/invite/use", &json!({"code": link.text("code")})));
    let dan = Browser::of(&service.ask(back).await);
    dan.get(&service, APPS).await.expect(200);
    let deleted = service.local("DELETE", &account, &Value::Null).await.expect(200);
    assert_eq!(deleted["status"], "deleted");
    dan.get(&service, APPS).await.expect_error(401, "unauthenticated");
    service.local("DELETE", &account, &Value::Null).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn an_app_keeps_an_owner_and_who_leaves_sees_nothing() {
    let service = Service::start();
    let ann = developer(&service, "Ann").await;
    let app = ann.send(&service, "POST", APPS, &json!({"name": "Anns"})).await.expect(201);
    let app = format!("{APPS}/{}", app["app_id"].as_str().unwrap());
    let member = |browser: &Browser| format!("{app}/members/{}", browser.account_id);
    let made =
        ann.send(&service, "POST", &format!("{app}/invites"), &json!({"role": "viewer"})).await;
    let bob = Browser::joined(&service, &made.text("code"), "Bob").await;
    bob.get(&service, &app).await.expect(200);
    let viewer = json!({"role": "viewer"});
    ann.send(&service, "PATCH", &member(&ann), &viewer).await.expect_error(409, "conflict");
    ann.send(&service, "DELETE", &member(&ann), &Value::Null).await.expect_error(409, "conflict");
    let owner = json!({"role": "owner"});
    bob.send(&service, "PATCH", &member(&bob), &owner).await.expect_error(403, "forbidden");
    let changed = ann.send(&service, "PATCH", &member(&bob), &owner).await.expect(200);
    assert_eq!((&changed["role"], &changed["label"]), (&json!("owner"), &json!("Bob")));
    ann.send(&service, "DELETE", &member(&ann), &Value::Null).await.expect(200);
    for path in [app.clone(), format!("{app}/members"), format!("{app}/api-keys")] {
        ann.get(&service, &path).await.expect_error(404, "not_found");
    }
    // an operator takes the last one too
    service.local("DELETE", &member(&bob), &Value::Null).await.expect(200);
    bob.get(&service, &app).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn the_own_account_and_the_own_sessions() {
    let service = Service::start();
    let operator = Browser::signed_in(&service).await;
    operator.get(&service, "/dashboard/account").await.expect_error(403, "forbidden");
    let daniel = json!({"label": "Daniel"});
    let refused = operator.send(&service, "PATCH", "/dashboard/account", &daniel).await;
    refused.expect_error(403, "forbidden");
    let (dan, eve) = (developer(&service, "Dan").await, developer(&service, "Eve").await);
    let renamed = dan.send(&service, "PATCH", "/dashboard/account", &daniel).await.expect(200);
    assert_eq!(dan.get(&service, "/dashboard/account").await.expect(200), renamed);
    assert_eq!(renamed["label"], "Daniel");

    let sessions = dan.get(&service, "/v1/operator/sessions").await.expect(200);
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(sessions["sessions"][0]["session_id"], dan.session_id);
    assert_eq!(sessions["sessions"][0]["current"], true);
    for other in [&eve, &operator] {
        let path = format!("/v1/operator/sessions/{}", other.session_id);
        dan.send(&service, "DELETE", &path, &Value::Null).await.expect_error(404, "not_found");
        other.get(&service, SESSION).await.expect(200);
    }
    let own = format!("/v1/operator/sessions/{}", dan.session_id);
    dan.send(&service, "DELETE", &own, &Value::Null).await.expect(200);
    dan.get(&service, SESSION).await.expect_error(401, "unauthenticated");
}
