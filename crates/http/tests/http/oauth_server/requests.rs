//! Authorization requests: what is refused, where the refusal goes, and who may finish what somebody
//! began.

use std::time::Duration;

use agentadmit_protocol::secret::SecretKind;
use serde_json::json;

use super::browser::{Browser, YES, bind, request_id};
use super::{
    CALLBACK, LOGIN, RESOURCE, asked, code, exchange, expect_page, expect_sent_back, location,
    parameter, query, registered, service, shop, token, with_resource,
};
use crate::support::{Ask, ISSUER, Reply, Service, unknown};

async fn authorize(service: &Service, pairs: &[(&str, &str)]) -> Reply {
    service.ask(Ask::get(&format!("/oauth/authorize?{}", query(pairs)))).await
}

#[tokio::test]
async fn a_client_gets_what_its_user_grants() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let mut browser = Browser::default();
    let id = browser.begin(&app, &asked(&client, &[])).await;

    // the app may look at what is asked for
    let path = format!("/v1/apps/{}/authorization-requests/{id}", app.app_id);
    let view = app.ask(Ask::get(&path)).await.expect(200);
    assert_eq!(view["client"], json!({"client_id": client, "name": "Planner", "host": null}));
    assert_eq!(view["scopes"], json!(["orders:read", "orders:write"]));
    assert_eq!(
        (&view["resource"], &view["expires_at"]),
        (&json!(RESOURCE), &json!("2026-11-22T12:10:00.000Z"))
    );

    let path = Browser::bound(&app, &id, "u1").await;
    let page = browser.continues(&service, &path).await;
    let shown = browser.get(&service, &page).await;
    let html = String::from_utf8(shown.body.clone()).unwrap();
    for text in ["Planner", "client.example", "Ann", "Nobody has checked"] {
        assert!(html.contains(text), "{text} in {html}");
    }
    assert!(!html.contains("on this computer"), "{html}");
    let policy = shown.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https:;"), "{policy}");

    let back = browser.decides(&service, &page, YES).await;
    assert_eq!(back.status, 303, "{back}");
    assert_eq!(location(&back).0, CALLBACK);
    assert_eq!(
        (parameter(&back, "state").as_str(), parameter(&back, "iss").as_str()),
        ("s t&te", ISSUER)
    );
    let code = parameter(&back, "code");
    // the page once more: it says so, and shows no token
    let again = browser.get(&service, &page).await;
    let text = String::from_utf8_lossy(&again.body).into_owned();
    assert!(text.contains("The program has been told") && !text.contains("ag_"), "{text}");
    let reply = token(&service, &exchange(&client, &code)).await;
    let answer = reply.expect(200);
    assert_eq!(reply.header("cache-control"), "no-store");
    // fewer than were asked for, and the answer says so
    assert_eq!(
        (&answer["scope"], &answer["token_type"]),
        (&json!("orders:read"), &json!("Bearer"))
    );
    assert_eq!(answer["expires_in"], 600);
    let access = reply.text("access_token");
    let verified = app.verify(&access, "orders:read").await.expect(200);
    assert_eq!((&verified["client_id"], &verified["resource"]), (&json!(client), &json!(RESOURCE)));
    assert_eq!((&verified["user_id"], &verified["agent_label"]), (&json!("u1"), &json!("Planner")));
    app.verify(&access, "orders:write").await.expect_error(403, "insufficient_scope");
    // the same thing as one made by hand-over
    let listed = app.ask(Ask::get("/v1/connections?user_id=u1")).await.expect(200);
    assert_eq!(listed["connections"][0]["connection_id"], answer["connection_id"]);
    let revoked = format!("/v1/connections/{}", answer["connection_id"].as_str().unwrap());
    app.ask(Ask::new("DELETE", &revoked)).await.expect(200);
    app.verify(&access, "orders:read").await.expect_error(403, "invalid_token");
    super::refreshed(&app, &client, &reply.text("refresh_token"))
        .await
        .expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_user_who_says_no_is_sent_back_with_that() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let back =
        Browser::default().decided(&app, &asked(&client, &[]), &[("decision", "deny")]).await;
    expect_sent_back(&back, "access_denied");
    let total = app.ask(Ask::get("/v1/connections")).await.expect(200)["total"].clone();
    assert_eq!(total, 0);
}

/// Until client and address are known to belong together nobody is sent anywhere: an open redirect
/// would lead users of this service to whoever wrote the link.
#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_the_clients() {
    let service = service();
    let _app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let unknown_client = "client_01kb5m4v5ye5rvd0c2tqj3n8xa";
    for (changes, status) in [
        (&[("redirect_uri", "https://client.example/cb/")][..], 400),
        (&[("redirect_uri", "https://client.example/c")], 400),
        (&[("redirect_uri", "https://client.example/cb?x=1")], 400),
        (&[("redirect_uri", "https://client.example/CB")], 400),
        (&[("redirect_uri", "https://client.example:443/cb")], 400),
        (&[("redirect_uri", "http://client.example/cb")], 400),
        (&[("redirect_uri", "https://client.example.evil.example/cb")], 400),
        (&[("redirect_uri", "https://client.example/cb#x")], 400),
        (&[("redirect_uri", "javascript:alert(1)")], 400),
        (&[("redirect_uri", "http://127.0.0.1/cb")], 400),
        (&[("redirect_uri", "")], 400),
        (&[("client_id", "")], 400),
        (&[("client_id", "nonsense")], 400),
        (&[("client_id", unknown_client)], 400),
        (&[("request_uri", "urn:x")], 400),
        (&[("request_uri", "https://client.example/request.jwt")], 400),
    ] {
        let reply = authorize(&service, &asked(&client, changes)).await;
        expect_page(&reply, status);
    }
    let good = asked(&client, &[]);
    for twice in ["client_id", "redirect_uri"] {
        let mut pairs = good.clone();
        pairs.extend(good.iter().filter(|(name, _)| *name == twice));
        expect_page(&authorize(&service, &pairs).await, 400);
    }
    for raw in ["client_id=%ff", "client_id=%", "=&=&&"] {
        let reply = service.ask(Ask::get(&format!("/oauth/authorize?{raw}"))).await;
        expect_page(&reply, 400);
    }
    // what the link says is shown as text, if at all
    let reply = authorize(&service, &asked("<script>alert(1)</script>", &[])).await;
    expect_page(&reply, 400);
    assert!(!String::from_utf8_lossy(&reply.body).contains("<script>alert"), "{reply}");
}

#[tokio::test]
async fn from_there_on_the_client_is_told() {
    let service = service();
    let app = shop(&service).await;
    let _other = with_resource(&service, "https://other.example/").await;
    let client = registered(&service, json!({})).await;
    let device_only = registered(&service, json!({"grant_types": [super::DEVICE_GRANT]})).await;
    for (changes, error) in [
        (&[("response_type", "")][..], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("request", "a.b.c")], "request_not_supported"),
        // PKCE: missing, plain, the default that is plain, and none that could be one
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge", "x")], "invalid_request"),
        (&[("scope", "orders:read files:read")], "invalid_scope"),
        (&[("scope", "openid")], "invalid_scope"),
        (&[("resource", "")], "invalid_target"),
        (&[("resource", "https://nobody.example/")], "invalid_target"),
        (&[("resource", "shop.example")], "invalid_target"),
        (&[("resource", "https://shop.example/mcp")], "invalid_target"),
        (&[("client_id", &device_only)], "unauthorized_client"),
    ] {
        let reply = authorize(&service, &asked(&client, changes)).await;
        expect_sent_back(&reply, error);
        assert!(!reply.headers.contains_key("set-cookie"));
    }
    let good = asked(&client, &[]);
    for (twice, error) in [
        ("scope", "invalid_request"),
        ("code_challenge", "invalid_request"),
        ("response_type", "invalid_request"),
        ("resource", "invalid_target"),
    ] {
        let mut pairs = good.clone();
        pairs.extend(good.iter().filter(|(name, _)| *name == twice));
        expect_sent_back(&authorize(&service, &pairs).await, error);
    }
    // a state that is there twice is nobody's
    let mut pairs = good.clone();
    pairs.push(("state", "other"));
    let reply = authorize(&service, &pairs).await;
    assert_eq!(
        (parameter(&reply, "error").as_str(), parameter(&reply, "state").as_str()),
        ("invalid_request", "")
    );
    // offline_access is no scope, and does no harm; an empty path and `/` are one resource
    let changes = [("scope", "offline_access orders:read"), ("resource", "https://shop.example")];
    let id = Browser::default().begin(&app, &asked(&client, &changes)).await;
    bind(&app, &id, "u1").await.expect(200);
}

#[tokio::test]
async fn a_body_does_as_well_as_a_query() {
    let service = service();
    let _app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let ask = Ask::new("POST", "/oauth/authorize").form(&asked(&client, &[]));
    request_id(&service.ask(ask).await);
    expect_page(&service.ask(Ask::new("POST", "/oauth/authorize").untyped("x")).await, 415);
}

#[tokio::test]
async fn an_app_without_a_sign_in_of_its_own_is_no_target() {
    let service = service();
    let resources = json!([{"uri": RESOURCE, "environment": "live"}]);
    let _app = service.app(&json!({"resources": resources})).await;
    let client = registered(&service, json!({})).await;
    expect_sent_back(&authorize(&service, &asked(&client, &[])).await, "invalid_target");
}

/// The victim's browser, the attacker's request: he sends her the address with which the app sent him
/// back, so that she would decide what he began. And the other way round: he leads her browser to
/// the app with a request of his own, and would go on as her.
#[tokio::test]
async fn nobody_finishes_what_somebody_else_began() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let his = attacker.begin(&app, &asked(&client, &[])).await;
    let hers = victim.begin(&app, &asked(&client, &[])).await;

    // his identity in her browser: she has no cookie of his request
    let as_him = Browser::bound(&app, &his, "attacker").await;
    let reply = victim.get(&service, &as_him).await;
    expect_page(&reply, 409);
    // her identity in his browser: she was led to the app with his request, and the app named her
    let other = attacker.begin(&app, &asked(&client, &[])).await;
    let as_her = Browser::bound(&app, &other, "victim").await;
    let reply = victim.get(&service, &as_her).await;
    expect_page(&reply, 409);
    // his cookie alone is not enough: the code went to her browser
    let without = as_her.split_once("&code=").unwrap().0;
    for guess in [without.to_owned(), format!("{without}&code=x"), format!("{without}&code=")] {
        expect_page(&attacker.get(&service, &guess).await, 404);
    }
    // nor with a code of his own request, or hers under his
    let code_of_his = as_him.split_once("&code=").unwrap().1;
    expect_page(&attacker.get(&service, &format!("{without}&code={code_of_his}")).await, 404);
    // nor by another name of the cookie
    let planted = attacker.cookies.iter().next().unwrap().1.clone();
    let name = victim.cookies.keys().next().unwrap().clone();
    let mut planted_in = Browser::default();
    planted_in.cookies.insert(name, planted);
    let path = Browser::bound(&app, &hers, "victim").await;
    expect_page(&planted_in.get(&service, &path).await, 409);
    // and the consent page that belongs to it opens by nothing but that
    let session = hers.replace("ar_", "cs_");
    let code = path.split_once("&code=").unwrap().1;
    let reply = planted_in.get(&service, &format!("/consent/{session}?code={code}")).await;
    assert_eq!(reply.status, 404, "{reply}");
    // she herself goes on
    victim.continues(&service, &path).await;
}

#[tokio::test]
async fn a_request_is_bound_once_and_by_its_own_app() {
    let service = service();
    let app = shop(&service).await;
    let other = with_resource(&service, "https://other.example/").await;
    let client = registered(&service, json!({})).await;
    let mut browser = Browser::default();
    let id = browser.begin(&app, &asked(&client, &[])).await;
    let path = |app_id: &str, id: &str| format!("/v1/apps/{app_id}/authorization-requests/{id}");
    let body = json!({"user_id": "u1"});
    // another app's key, in its own and in this app's name; the key of the other environment
    other.ask(Ask::post(&path(&other.app_id, &id), &body)).await.expect_error(404, "not_found");
    other.ask(Ask::post(&path(&app.app_id, &id), &body)).await.expect_error(404, "not_found");
    let test = Ask::post(&path(&app.app_id, &id), &body).bearer(&app.test);
    service.ask(test).await.expect_error(404, "not_found");
    other.ask(Ask::get(&path(&other.app_id, &id))).await.expect_error(404, "not_found");
    let unheard = "ar_01kb5m4v5ye5rvd0c2tqj3n8xa";
    app.ask(Ask::post(&path(&app.app_id, unheard), &body)).await.expect_error(404, "not_found");
    // more than was asked for
    let more = json!({"user_id": "u1", "scopes": ["orders:read", "orders:delete"]});
    app.ask(Ask::post(&path(&app.app_id, &id), &more)).await.expect_error(400, "invalid_scope");
    bind(&app, &id, "u1").await.expect(200);
    bind(&app, &id, "u1").await.expect_error(409, "conflict");
    bind(&app, &id, "u2").await.expect_error(409, "conflict");
    app.ask(Ask::get(&path(&app.app_id, &id))).await.expect(200);
}

#[tokio::test]
async fn everything_is_over_after_its_time() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let mut browser = Browser::default();
    let waits = browser.begin(&app, &asked(&client, &[])).await;
    let named = browser.begin(&app, &asked(&client, &[])).await;
    let path = Browser::bound(&app, &named, "u1").await;
    service.clock.advance(Duration::from_mins(10));
    bind(&app, &waits, "u1").await.expect_error(410, "gone");
    expect_page(&browser.get(&service, &path).await, 410);
    // a code, at 60 s
    let code = code(&app, &client).await;
    service.clock.advance(Duration::from_mins(1));
    token(&service, &exchange(&client, &code)).await.expect_error(400, "invalid_grant");
    // an access token after 10 minutes; its grant lives on
    let tokens = super::tokens(&app, &client).await;
    service.clock.advance(Duration::from_mins(10));
    let access = tokens.text("access_token");
    app.verify(&access, "orders:read").await.expect_error(403, "invalid_token");
    let next = super::refreshed(&app, &client, &tokens.text("refresh_token")).await;
    next.expect(200);
    // and the grant ends with the hour that its user chose, whatever is refreshed
    service.clock.advance(Duration::from_mins(45));
    let last = super::refreshed(&app, &client, &next.text("refresh_token")).await;
    assert_eq!(last.expect(200)["expires_in"], 300, "{last}");
    service.clock.advance(Duration::from_mins(5));
    let access = last.text("access_token");
    app.verify(&access, "orders:read").await.expect_error(403, "invalid_token");
    let over = super::refreshed(&app, &client, &last.text("refresh_token")).await;
    over.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_pushed_request_is_its_clients_and_works_once() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let other = registered(&service, json!({})).await;
    let push = async |pairs: &[(&str, &str)]| {
        service.ask(Ask::new("POST", "/oauth/par").form(pairs)).await
    };
    let pushed = push(&asked(&client, &[])).await;
    let answer = pushed.expect(201);
    assert_eq!(answer["expires_in"], 90);
    let uri = pushed.text("request_uri");
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:ag_pr_"), "{uri}");
    // another client's browser gets nothing, and spends nothing
    let theirs = [("client_id", other.as_str()), ("request_uri", uri.as_str())];
    expect_page(&authorize(&service, &theirs).await, 400);
    let own = [("client_id", client.as_str()), ("request_uri", uri.as_str())];
    let mut browser = Browser::default();
    let id = browser.begin(&app, &own).await;
    let page = Browser::bound(&app, &id, "u1").await;
    let page = browser.continues(&service, &page).await;
    let back = browser.decides(&service, &page, YES).await;
    assert_eq!(parameter(&back, "state"), "s t&te");
    token(&service, &exchange(&client, &parameter(&back, "code"))).await.expect(200);
    expect_page(&authorize(&service, &own).await, 400);
    // 90 s
    let late = push(&asked(&client, &[])).await.text("request_uri");
    service.clock.advance(Duration::from_secs(90));
    let late = [("client_id", client.as_str()), ("request_uri", late.as_str())];
    expect_page(&authorize(&service, &late).await, 400);
    let unheard =
        format!("urn:ietf:params:oauth:request_uri:{}", unknown(SecretKind::PushedRequest));
    let unheard = [("client_id", client.as_str()), ("request_uri", unheard.as_str())];
    expect_page(&authorize(&service, &unheard).await, 400);
    // what is wrong is told at once
    for (changes, status, error) in [
        (&[("redirect_uri", "https://client.example/cb/")][..], 400, "invalid_request"),
        (&[("code_challenge_method", "plain")], 400, "invalid_request"),
        (&[("scope", "files:read")], 400, "invalid_scope"),
        (&[("resource", "https://nobody.example/")], 400, "invalid_target"),
        (&[("request_uri", "urn:x")], 400, "invalid_request"),
        (&[("client_id", "client_01kb5m4v5ye5rvd0c2tqj3n8xa")], 401, "invalid_client"),
        (&[("client_id", "")], 401, "invalid_client"),
    ] {
        push(&asked(&client, changes)).await.expect_error(status, error);
    }
}

/// RFC 8252 section 7.3: a native client does not know its port beforehand. And its user is warned.
#[tokio::test]
async fn the_port_of_a_loopback_address_is_free() {
    let service = service();
    let app = shop(&service).await;
    let uris = json!({"redirect_uris": ["http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost/cb"]});
    let client = registered(&service, uris).await;
    for uri in ["http://127.0.0.1:49152/cb", "http://[::1]:7/cb", "http://localhost:3000/cb"] {
        let mut browser = Browser::default();
        let id = browser.begin(&app, &asked(&client, &[("redirect_uri", uri)])).await;
        let path = Browser::bound(&app, &id, uri).await;
        let page = browser.continues(&service, &path).await;
        let shown = browser.get(&service, &page).await;
        assert!(String::from_utf8_lossy(&shown.body).contains("on this computer"), "{shown}");
        let back = browser.decides(&service, &page, YES).await;
        assert_eq!(location(&back).0, uri);
    }
    for uri in ["http://127.0.0.1:1/cb/", "http://127.0.0.2:1/cb", "https://127.0.0.1/cb"] {
        let reply = authorize(&service, &asked(&client, &[("redirect_uri", uri)])).await;
        expect_page(&reply, 400);
    }
}

#[tokio::test]
async fn a_prefetch_spends_nothing() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let mut browser = Browser::default();
    let id = browser.begin(&app, &asked(&client, &[])).await;
    let path = Browser::bound(&app, &id, "u1").await;
    let prefetch = Ask::get(&path).header("sec-purpose", "prefetch");
    assert_eq!(browser.send(&service, prefetch).await.status, 503);
    assert_eq!(browser.send(&service, Ask::new("HEAD", &path)).await.status, 405);
    browser.continues(&service, &path).await;
    // once
    expect_page(&browser.get(&service, &path).await, 409);
}

#[tokio::test]
async fn the_cookie_is_the_services_alone() {
    let service = service();
    let _app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let reply = authorize(&service, &asked(&client, &[])).await;
    let id = request_id(&reply);
    let cookie = reply.header("set-cookie");
    assert!(cookie.starts_with(&format!("__Host-agentadmit-{id}=")), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(LOGIN.contains("shop.example") && reply.header("referrer-policy") == "no-referrer");
}
