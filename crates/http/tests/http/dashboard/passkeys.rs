//! Passkeys: signing up and in with one, those of the own account, and the attacks on them.

use std::time::Duration;

use agentadmit_engine::WriterOptions;
use agentadmit_http::HttpOptions;
use agentadmit_http::dashboard::DashboardOptions;
use agentadmit_protocol::account::SignUp;
use serde_json::{Value, json};

use super::authenticator::Authenticator;
use super::{Browser, SESSION, account_link, app_link, own_page, use_link};
use crate::support::{Ask, Reply, Service};

const PASSKEYS: &str = "/dashboard/passkeys";

async fn post(service: &Service, path: &str, body: &Value) -> Reply {
    let ask = Ask::new("POST", &format!("{PASSKEYS}{path}"));
    service.ask(own_page(if body.is_null() { ask } else { ask.json(body) })).await
}

/// What the browser is told, and which challenge that is. Time passes: so many may be asked for.
async fn told(service: &Service, path: &str, body: &Value) -> (Value, Value) {
    service.clock.advance(Duration::from_secs(10));
    let told = post(service, path, body).await.expect(200);
    (told["challenge_id"].clone(), told["options"].clone())
}

async fn sign_up(service: &Service, authenticator: &mut Authenticator, asked: &Value) -> Reply {
    let (challenge, options) = told(service, "/sign-up/options", asked).await;
    let made = json!({"challenge_id": challenge, "credential": authenticator.create(&options)});
    post(service, "/sign-up", &made).await
}

async fn sign_in(service: &Service, authenticator: &Authenticator) -> Reply {
    let (challenge, options) = told(service, "/sign-in/options", &Value::Null).await;
    let used = json!({"challenge_id": challenge, "credential": authenticator.get(&options)});
    post(service, "/sign-in", &used).await
}

/// A service where everybody makes an account, with one of them.
async fn ann() -> (Service, Authenticator, Browser) {
    let service = Service::signing_up(SignUp::Open);
    let mut authenticator = Authenticator::new(b"ann's");
    let reply = sign_up(&service, &mut authenticator, &json!({"label": "Ann"})).await;
    let ann = Browser::of(&reply);
    (service, authenticator, ann)
}

#[tokio::test]
async fn a_passkey_makes_an_account_and_signs_in() {
    let (service, mut authenticator, ann) = ann().await;
    let account = ann.get(&service, "/dashboard/account").await.expect(200);
    assert_eq!(
        (&account["label"], &account["account_id"]),
        (&json!("Ann"), &json!(ann.account_id))
    );
    let passkey = &account["passkeys"][0];
    assert_eq!((&passkey["name"], &passkey["last_used_at"]), (&json!("Passkey"), &Value::Null));
    assert_eq!(passkey["credential_id"], "YW5uJ3M");
    service.ask(ann.with(Ask::new("DELETE", SESSION))).await.expect(204);

    authenticator.counter = 7;
    let reply = sign_in(&service, &authenticator).await;
    let again = Browser::of(&reply);
    assert_eq!(
        (reply.text("kind"), again.account_id.clone()),
        ("developer".to_owned(), ann.account_id)
    );
    let account = again.get(&service, "/dashboard/account").await.expect(200);
    assert_ne!(account["passkeys"][0]["last_used_at"], Value::Null);
    let log = service.local("GET", "/v1/operator/audit?event=signed_in", &Value::Null).await.json();
    assert_eq!(log["events"][0]["details"]["method"], "passkey");
    let added = service.local("GET", "/v1/operator/audit?event=passkey_added", &Value::Null).await;
    assert_eq!(added.json()["events"][0]["actor"], format!("account:{}", again.account_id));
}

#[tokio::test]
async fn what_a_browser_is_told() {
    let (service, ..) = ann().await;
    let (_, creation) = told(&service, "/sign-up/options", &json!({"label": "Bob"})).await;
    assert_eq!(creation["rp"], json!({"id": "service.example", "name": "AgentAdmit"}));
    assert_eq!(creation["user"]["name"], "Bob");
    let wanted = &creation["authenticatorSelection"];
    assert_eq!(
        (&wanted["residentKey"], &wanted["userVerification"]),
        (&json!("required"), &json!("required"))
    );
    assert_eq!(creation["attestation"], "none");
    let (one, request) = told(&service, "/sign-in/options", &Value::Null).await;
    let (other, _) = told(&service, "/sign-in/options", &Value::Null).await;
    assert_ne!(one, other);
    assert_eq!(
        (&request["rpId"], &request["userVerification"]),
        (&json!("service.example"), &json!("required"))
    );
    assert_eq!(request["allowCredentials"], json!([]), "nobody learns who has passkeys");
}

/// What is wrong, and how it comes to be.
type Wrong = (&'static str, fn(&mut Authenticator));

/// Whatever is wrong is one answer, and the challenge is spent.
#[tokio::test]
async fn what_is_wrong_with_an_assertion_signs_nobody_in() {
    let (service, mut ann, browser) = ann().await;
    sign_in(&service, &ann).await.expect(200);
    let wrongs: [Wrong; 9] = [
        ("another origin", |it| it.origin = "https://evil.example".to_owned()),
        ("a name below ours", |it| it.origin = "https://a.service.example".to_owned()),
        ("plain http", |it| it.origin = "http://service.example".to_owned()),
        ("another port", |it| it.origin = "https://service.example:8443".to_owned()),
        ("another RP ID", |it| it.rp_id = "evil.example".to_owned()),
        ("a foreign frame", |it| it.cross_origin = true),
        ("no verification", |it| it.flags = 0b1),
        ("nobody there", |it| it.flags = 0b100),
        ("somebody else's handle", |it| it.user = vec![7; 16]),
    ];
    for (what, spoil) in wrongs {
        let mut spoilt = Authenticator::new(b"");
        std::mem::swap(&mut spoilt, &mut ann);
        let kept = (spoilt.origin.clone(), spoilt.rp_id.clone(), spoilt.user.clone(), spoilt.flags);
        spoil(&mut spoilt);
        let reply = sign_in(&service, &spoilt).await;
        assert_eq!(reply.status, 401, "{what}: {reply}");
        reply.expect_error(401, "invalid_passkey");
        assert!(!reply.headers.contains_key("set-cookie"), "{what}");
        (spoilt.origin, spoilt.rp_id, spoilt.user, spoilt.flags) = kept;
        spoilt.cross_origin = false;
        ann = spoilt;
    }
    // another key under the same name
    let mut forged = Authenticator::new(b"ann's");
    forged.user.clone_from(&ann.user);
    sign_in(&service, &forged).await.expect_error(401, "invalid_passkey");
    let unknown = Authenticator::new(b"nobody's");
    sign_in(&service, &unknown).await.expect_error(401, "invalid_passkey");
    sign_in(&service, &ann).await.expect(200);
    browser.get(&service, SESSION).await.expect(200);
}

#[tokio::test]
async fn a_challenge_is_answered_once_in_time_and_for_what_it_was_made() {
    let (service, ann, browser) = ann().await;
    let (challenge, options) = told(&service, "/sign-in/options", &Value::Null).await;
    let answer = json!({"challenge_id": challenge, "credential": ann.get(&options)});
    post(&service, "/sign-in", &answer).await.expect(200);
    post(&service, "/sign-in", &answer).await.expect_error(401, "invalid_passkey");

    // a bad answer spends it too
    let (challenge, options) = told(&service, "/sign-in/options", &Value::Null).await;
    let mut bad = ann.get(&options);
    bad["response"]["signature"] = json!("AAAA");
    let bad = json!({"challenge_id": challenge, "credential": bad});
    post(&service, "/sign-in", &bad).await.expect_error(401, "invalid_passkey");
    let good = json!({"challenge_id": challenge, "credential": ann.get(&options)});
    post(&service, "/sign-in", &good).await.expect_error(401, "invalid_passkey");

    // an answer to one challenge under the name of another
    let (_, first) = told(&service, "/sign-in/options", &Value::Null).await;
    let (second, _) = told(&service, "/sign-in/options", &Value::Null).await;
    let crossed = json!({"challenge_id": second, "credential": ann.get(&first)});
    post(&service, "/sign-in", &crossed).await.expect_error(401, "invalid_passkey");
    let made_up = json!({"challenge_id": "a".repeat(43), "credential": ann.get(&first)});
    post(&service, "/sign-in", &made_up).await.expect_error(401, "invalid_passkey");

    // one that was made to sign in makes no account, and the other way round
    let mut eve = Authenticator::new(b"eve's");
    let (challenge, mut options) = told(&service, "/sign-in/options", &Value::Null).await;
    options["user"] = json!({"id": "AAAAAAAAAAAAAAAAAAAAAA"});
    let made = json!({"challenge_id": challenge, "credential": eve.create(&options)});
    post(&service, "/sign-up", &made).await.expect_error(401, "invalid_passkey");
    let (challenge, options) = told(&service, "/sign-up/options", &json!({"label": "Eve"})).await;
    let used = json!({"challenge_id": challenge, "credential": ann.get(&options)});
    post(&service, "/sign-in", &used).await.expect_error(401, "invalid_passkey");
    let (challenge, options) = told(&service, "/sign-up/options", &json!({"label": "Eve"})).await;
    let made = json!({"challenge_id": challenge, "credential": eve.create(&options)});
    let added = browser.with(Ask::post(PASSKEYS, &made));
    service.ask(added).await.expect_error(401, "invalid_passkey");

    let (challenge, options) = told(&service, "/sign-in/options", &Value::Null).await;
    service.clock.advance(Duration::from_mins(5));
    let late = json!({"challenge_id": challenge, "credential": ann.get(&options)});
    post(&service, "/sign-in", &late).await.expect_error(401, "invalid_passkey");
}

#[tokio::test]
async fn a_copy_of_a_passkey_is_refused_and_recorded() {
    let (service, mut ann, _) = ann().await;
    ann.counter = 5;
    sign_in(&service, &ann).await.expect(200);
    let refusals = || async {
        let path = "/v1/operator/audit?event=sign_in_refused";
        service.local("GET", path, &Value::Null).await.json()["events"].clone()
    };
    // who has no key is not heard about counters
    let mut forged = Authenticator::new(b"ann's");
    forged.user.clone_from(&ann.user);
    forged.counter = 1;
    sign_in(&service, &forged).await.expect_error(401, "invalid_passkey");
    assert_eq!(refusals().await, json!([]));
    for counter in [5, 4, 0] {
        ann.counter = counter;
        sign_in(&service, &ann).await.expect_error(401, "invalid_passkey");
    }
    let refusals = refusals().await;
    assert_eq!(refusals.as_array().unwrap().len(), 3);
    assert_eq!(refusals[2]["details"]["counter"], 5);
    assert_eq!(refusals[2]["details"]["counter_before"], 5);
    assert_eq!(refusals[2]["reason"], "invalid_passkey");
    ann.counter = 6;
    sign_in(&service, &ann).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_passkey_makes_no_account() {
    let (service, ..) = ann().await;
    let wrongs: [Wrong; 5] = [
        ("another origin", |it| it.origin = "https://evil.example".to_owned()),
        ("another RP ID", |it| it.rp_id = "evil.example".to_owned()),
        ("a foreign frame", |it| it.cross_origin = true),
        ("no verification", |it| it.flags = 0b1),
        ("nobody there", |it| it.flags = 0b100),
    ];
    for (what, spoil) in wrongs {
        let mut eve = Authenticator::new(b"eve's");
        spoil(&mut eve);
        let reply = sign_up(&service, &mut eve, &json!({"label": "Eve"})).await;
        assert_eq!(reply.status, 401, "{what}: {reply}");
        reply.expect_error(401, "invalid_passkey");
    }
    // the name of a passkey that is somebody's
    let mut taken = Authenticator::new(b"ann's");
    let reply = sign_up(&service, &mut taken, &json!({"label": "Eve"})).await;
    reply.expect_error(409, "conflict");
    let (challenge, _) = told(&service, "/sign-up/options", &json!({"label": "Eve"})).await;
    for credential in [json!({}), json!({"rawId": 1}), json!({"response": {}})] {
        let made = json!({"challenge_id": challenge, "credential": credential});
        let refused = post(&service, "/sign-up", &made).await;
        assert!([401, 422].contains(&refused.status), "{refused}");
    }
    let accounts = service.local("GET", "/v1/operator/accounts", &Value::Null).await.expect(200);
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1, "{accounts}");
}

#[tokio::test]
async fn a_link_and_a_passkey_make_a_member() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let nobody = post(&service, "/sign-up/options", &json!({"label": "Dan"})).await;
    nobody.expect_error(403, "forbidden");
    let bad =
        post(&service, "/sign-up/options", &json!({"label": "D", "code": "a".repeat(43)})).await;
    assert_eq!(bad.expect_error(404, "not_found")["field"], "code");
    let code = app_link(&service, &app.app_id, "viewer").await;
    let mut authenticator = Authenticator::new(b"dan's");
    let reply = sign_up(&service, &mut authenticator, &json!({"label": "Dan", "code": code})).await;
    assert_eq!(reply.expect(200)["apps"], json!([{"app_id": app.app_id, "role": "viewer"}]));
    service.ask(use_link(&code, "Eve")).await.expect_error(404, "not_found");

    // a link that was used while the browser made its passkey
    let code = account_link(&service).await;
    let asked = json!({"label": "Eve", "code": code});
    let (challenge, options) = told(&service, "/sign-up/options", &asked).await;
    service.ask(use_link(&code, "Ann")).await.expect(200);
    let mut eve = Authenticator::new(b"eve's");
    let made = json!({"challenge_id": challenge, "credential": eve.create(&options)});
    post(&service, "/sign-up", &made).await.expect_error(404, "not_found");
    // a link that signs somebody in makes nobody else an account
    let account = Browser::of(&reply).account_id;
    let path = format!("/v1/operator/accounts/{account}/sign-in-link");
    let link = service.local("POST", &path, &Value::Null).await.text("code");
    let asked = post(&service, "/sign-up/options", &json!({"label": "Eve", "code": link})).await;
    asked.expect_error(404, "not_found");
}

#[tokio::test]
async fn further_passkeys_are_the_own_accounts() {
    let (service, first, ann) = ann().await;
    let mut second = Authenticator::new(b"second");
    let options = || service.ask(ann.with(Ask::new("POST", &format!("{PASSKEYS}/options"))));
    let told = options().await.expect(200);
    assert_eq!(told["options"]["excludeCredentials"][0]["id"], "YW5uJ3M");
    assert_eq!(told["options"]["user"]["name"], "Ann");
    let credential = second.create(&told["options"]);
    let made =
        json!({"challenge_id": told["challenge_id"], "credential": credential, "name": "Key"});
    // in another's browser it is worth nothing, and spent
    let mut eves = Authenticator::new(b"eve's");
    let eve = Browser::of(&sign_up(&service, &mut eves, &json!({"label": "Eve"})).await);
    let stolen = service.ask(eve.with(Ask::post(PASSKEYS, &made))).await;
    stolen.expect_error(401, "invalid_passkey");
    let told = options().await.expect(200);
    let credential = second.create(&told["options"]);
    let made =
        json!({"challenge_id": told["challenge_id"], "credential": credential, "name": "Key"});
    let added = service.ask(ann.with(Ask::post(PASSKEYS, &made))).await.expect(201);
    assert_eq!(added["name"], "Key");
    let id = added["credential_id"].as_str().unwrap();
    assert_eq!(Browser::of(&sign_in(&service, &second).await).account_id, ann.account_id);

    let path = format!("{PASSKEYS}/{id}");
    service.ask(eve.with(Ask::new("DELETE", &path))).await.expect_error(404, "not_found");
    let removed = service.ask(ann.with(Ask::new("DELETE", &path))).await.expect(200);
    assert_eq!(removed, json!({"credential_id": id, "status": "removed"}));
    sign_in(&service, &second).await.expect_error(401, "invalid_passkey");
    sign_in(&service, &first).await.expect(200);

    let operator = Browser::signed_in(&service).await;
    for ask in [
        Ask::new("POST", &format!("{PASSKEYS}/options")),
        Ask::post(PASSKEYS, &made),
        Ask::new("DELETE", &path),
    ] {
        service.ask(operator.with(ask)).await.expect_error(403, "forbidden");
    }
}

#[tokio::test]
async fn a_passkey_that_is_removed_takes_its_sessions_along() {
    let (service, first, ann) = ann().await;
    let told = service.ask(ann.with(Ask::new("POST", &format!("{PASSKEYS}/options")))).await;
    let told = told.expect(200);
    let mut second = Authenticator::new(b"second");
    let credential = second.create(&told["options"]);
    let made = json!({"challenge_id": told["challenge_id"], "credential": credential});
    let added = service.ask(ann.with(Ask::post(PASSKEYS, &made))).await.expect(201);
    let path = format!("{PASSKEYS}/{}", added["credential_id"].as_str().unwrap());
    // whoever found the second key has been in for a while
    let finder = Browser::of(&sign_in(&service, &second).await);
    let also = Browser::of(&sign_in(&service, &second).await);
    let link = format!("/v1/operator/accounts/{}/sign-in-link", ann.account_id);
    let code = service.local("POST", &link, &Value::Null).await.text("code");
    let by_link = Browser::of(&service.ask(use_link(&code, "Ann")).await);

    service.ask(ann.with(Ask::new("DELETE", &path))).await.expect(200);
    for gone in [&finder, &also] {
        gone.get(&service, SESSION).await.expect_error(401, "unauthenticated");
        gone.get(&service, "/v1/operator/apps").await.expect_error(401, "unauthenticated");
    }
    for stays in [&ann, &by_link] {
        stays.get(&service, SESSION).await.expect(200);
    }
    let ended = service.local("GET", "/v1/operator/audit?event=session_ended", &Value::Null).await;
    let actors = ended.json()["events"].as_array().unwrap().clone();
    assert_eq!(actors.len(), 2, "{ended}");
    assert!(actors.iter().all(|it| it["actor"] == format!("account:{}", ann.account_id)));

    // the own one is no exception: its answer is the last one
    let account = ann.get(&service, "/dashboard/account").await.expect(200);
    let path = format!("{PASSKEYS}/{}", account["passkeys"][0]["credential_id"].as_str().unwrap());
    service.ask(ann.with(Ask::new("DELETE", &path))).await.expect(200);
    ann.get(&service, SESSION).await.expect_error(401, "unauthenticated");
    sign_in(&service, &first).await.expect_error(401, "invalid_passkey");
    by_link.get(&service, SESSION).await.expect(200);
}

#[tokio::test]
async fn who_is_suspended_or_deleted_has_no_passkey() {
    let (service, authenticator, ann) = ann().await;
    let account = format!("/v1/operator/accounts/{}", ann.account_id);
    service.local("POST", &format!("{account}/suspend"), &Value::Null).await.expect(200);
    sign_in(&service, &authenticator).await.expect_error(401, "invalid_passkey");
    service.local("POST", &format!("{account}/resume"), &Value::Null).await.expect(200);
    sign_in(&service, &authenticator).await.expect(200);
    service.local("DELETE", &account, &Value::Null).await.expect(200);
    sign_in(&service, &authenticator).await.expect_error(401, "invalid_passkey");
    // and its authenticator may begin anew
    let mut same = Authenticator::new(b"ann's");
    sign_up(&service, &mut same, &json!({"label": "Ann"})).await.expect(200);
}

#[tokio::test]
async fn a_planted_session_ends_with_a_passkeys() {
    let (service, authenticator, _) = ann().await;
    let mut eves = Authenticator::new(b"eve's");
    let eve = Browser::of(&sign_up(&service, &mut eves, &json!({"label": "Eve"})).await);
    let (challenge, options) = told(&service, "/sign-in/options", &Value::Null).await;
    let used = json!({"challenge_id": challenge, "credential": authenticator.get(&options)});
    let ask = eve.with(Ask::post(&format!("{PASSKEYS}/sign-in"), &used));
    let ann = Browser::of(&service.ask(ask).await);
    assert_ne!(ann.cookie, eve.cookie);
    eve.get(&service, SESSION).await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn challenges_are_not_to_be_had_without_end() {
    let service = Service::signing_up(SignUp::Open);
    for _ in 0..10 {
        post(&service, "/sign-in/options", &Value::Null).await.expect(200);
    }
    for (path, body) in
        [("/sign-in/options", Value::Null), ("/sign-up/options", json!({"label": "Ann"}))]
    {
        let refused = post(&service, path, &body).await;
        assert_eq!(refused.expect_error(429, "rate_limited")["limit"], "address");
    }
}

#[tokio::test]
async fn passkeys_are_for_addresses_with_names() {
    for (url, rp_id, origin, works) in [
        ("http://127.0.0.1:8700", "localhost", "http://localhost:8700", true),
        ("http://127.0.0.1:8700", "localhost", "http://127.0.0.1:8700", false),
        ("https://ops.example:8443", "ops.example", "https://ops.example:8443", true),
        ("https://ops.example:8443", "ops.example", "https://service.example", false),
    ] {
        let dashboard = DashboardOptions {
            url: Some(url.to_owned()),
            sign_up: SignUp::Open,
            ..DashboardOptions::default()
        };
        let options = HttpOptions { dashboard: Some(dashboard), ..HttpOptions::default() };
        let service = Service::with(WriterOptions::default(), options);
        let mut authenticator = Authenticator::new(b"ann's");
        (authenticator.rp_id, authenticator.origin) = (rp_id.to_owned(), origin.to_owned());
        let reply = sign_up(&service, &mut authenticator, &json!({"label": "Ann"})).await;
        assert_eq!(reply.status, if works { 200 } else { 401 }, "{url} {origin}: {reply}");
    }
    let dashboard = DashboardOptions {
        url: Some("https://192.0.2.1".to_owned()),
        ..DashboardOptions::default()
    };
    let options = HttpOptions { dashboard: Some(dashboard), ..HttpOptions::default() };
    let service = Service::with(WriterOptions::default(), options);
    post(&service, "/sign-in/options", &Value::Null).await.expect_error(409, "conflict");
}
