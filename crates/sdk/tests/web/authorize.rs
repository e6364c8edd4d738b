//! `GET /authorize`: whom an OAuth client's request is put to, and what that person may grant. The
//! service stands behind the spy, which here answers for it.

use agentadmit_testkit::client::{Reply, Request};
use serde_json::{Value, json};

use crate::support::{Mode, Options, World, mounted};

const REQUEST: &str = "ar_01h455vb4pex5vsknk084sn02q";
const ON: &str =
    "https://agents.example/oauth/continue?request_id=ar_01h455vb4pex5vsknk084sn02q&code=x";

/// What a client asks for.
fn asked(scopes: &[&str]) -> (u16, String) {
    let view = json!({
        "client": {"client_id": "https://client.example/me", "name": "Helper", "host": "client.example"},
        "scopes": scopes, "resource": "https://shop.example", "expires_at": "2026-01-01T00:10:00.000Z",
    });
    (200, view.to_string())
}

fn bound() -> (u16, String) {
    (200, json!({"continue_url": ON, "expires_at": "2026-01-01T00:10:00.000Z"}).to_string())
}

fn refused(status: u16, error: &str) -> (u16, String) {
    let body = json!({"error": error, "error_description": "no", "request_id": "r"});
    (status, body.to_string())
}

fn visit(world: &World, user: Option<&str>, answers: Vec<(u16, String)>) -> Reply {
    *world.spy.mode.lock() = Mode::InTurn(answers);
    let request = Request::get(mounted(&format!("/authorize?request_id={REQUEST}")));
    let request = match user {
        Some(user) => request.header("Cookie", format!("session={user}")),
        None => request,
    };
    world.ask(&request)
}

/// A page for a person that says one thing.
fn page(reply: &Reply, status: u16, text: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let html = String::from_utf8_lossy(&reply.body);
    assert!(html.contains(text), "{html}");
}

fn leads_to(reply: &Reply, place: &str) {
    assert_eq!((reply.status, reply.header("location")), (303, Some(place)), "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
}

#[test]
fn the_signed_in_user_goes_on_with_what_they_may_grant() {
    let world = World::start(|router| router);
    let everything = ["read:orders", "write:orders", "close:shop", "no:such"];
    for (user, may) in
        [("alice", json!(["read:orders", "write:orders"])), ("bob", json!(["read:orders"]))]
    {
        let reply = visit(&world, Some(user), vec![asked(&everything), bound()]);
        leads_to(&reply, ON);
        let path = format!("/v1/apps/{}/authorization-requests/{REQUEST}", world.app.app_id);
        let seen = world.spy.take();
        let calls: Vec<(&str, &str)> =
            seen.iter().map(|it| (it.method.as_str(), it.path.as_str())).collect();
        assert_eq!(calls, [("GET", path.as_str()), ("POST", path.as_str())]);
        assert_eq!(
            seen[1].body,
            json!({
                "user_id": user, "user_label": format!("{user} of the shop"), "scopes": may,
                "on_behalf_of": format!("user:{user}"),
            })
        );
    }
    world.shop.admins.lock().insert("alice".to_owned());
    visit(&world, Some("alice"), vec![asked(&everything), bound()]);
    let scopes = world.spy.take()[1].body["scopes"].clone();
    assert_eq!(scopes, json!(["read:orders", "write:orders", "close:shop"]));
}

#[test]
fn who_may_grant_nothing_of_it_binds_nothing() {
    let world = World::start(|router| router);
    let reply = visit(&world, Some("bob"), vec![asked(&["write:orders"]), bound()]);
    page(&reply, 403, "nothing in this request");
    assert_eq!(world.spy.take().len(), 1);
    visit(&world, Some("nameless"), vec![asked(&["read:orders"])])
        .expect_error(403, "user_unknown");
    assert!(world.spy.take().is_empty());
}

#[test]
fn nobody_signs_in_first_and_comes_back() {
    let back = format!("/agentadmit/authorize?request_id={REQUEST}");
    let encoded = "%2Fagentadmit%2Fauthorize%3Frequest_id%3Dar_01h455vb4pex5vsknk084sn02q";
    let world = World::start(|router| router);
    page(&visit(&world, None, vec![]), 401, "Sign in first");
    *world.shop.sign_in.lock() = Some("/enter".to_owned());
    leads_to(&visit(&world, None, vec![]), &format!("/enter#{back}"));
    assert!(world.spy.take().is_empty(), "the service hears of users alone");

    let settings =
        |it: &mut agentadmit::Settings| it.login_path = Some("/login?next={next}&x=1".to_owned());
    let world = World::with(&Options { settings, ..Options::default() }, |router| router);
    *world.shop.sign_in.lock() = Some("/enter".to_owned());
    leads_to(&visit(&world, None, vec![]), &format!("/login?next={encoded}&x=1"));
}

#[test]
fn a_request_that_is_over_is_said_to_be_over() {
    let world = World::start(|router| router);
    for (status, error) in [(404, "not_found"), (409, "conflict"), (410, "gone")] {
        let over = visit(&world, Some("alice"), vec![refused(status, error)]);
        page(&over, status, "This request is over");
        let taken = vec![asked(&["read:orders"]), refused(status, error)];
        page(&visit(&world, Some("alice"), taken), status, "This request is over");
    }
    for answer in
        [refused(503, "unavailable"), refused(401, "invalid_api_key"), refused(403, "forbidden")]
    {
        let reply = visit(&world, Some("alice"), vec![answer]);
        page(&reply, 503, "did not work now");
        assert!(reply.header("retry-after").is_some());
    }
}

/// Past the client of these tests, which waits for a body.
fn head(world: &World, path: &str) -> u16 {
    let request = http::Request::head(path).header("Cookie", "session=alice").body(()).unwrap();
    let (parts, ()) = request.into_parts();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(world.agents().serve_mounted(&parts, b"", None)).status().as_u16()
}

#[test]
fn what_is_no_visit_of_a_person_spends_nothing() {
    let world = World::start(|router| router);
    let agent = world.connect("alice", &["read:orders"]);
    world.spy.take();
    let path = mounted(&format!("/authorize?request_id={REQUEST}"));
    let of_alice = |request: Request| request.header("Cookie", "session=alice");
    assert_eq!(head(&world, &path), 405);
    let post = of_alice(Request::post(path.clone(), &Value::Null));
    world.ask(&post).expect_error(405, "method_not_allowed");
    for (name, value) in
        [("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"), ("X-Moz", "prefetch")]
    {
        let ahead = of_alice(Request::get(path.clone()).header(name, value));
        page(&world.ask(&ahead), 503, "did not work now");
    }
    let by_agent = of_alice(Request::get(path.clone()).bearer(&agent.access_token));
    world.ask(&by_agent).expect_error(403, "agent_not_allowed");
    for query in [
        "",
        "?request_id=",
        "?request_id=cs_01h455vb4pex5vsknk084sn02q",
        "?request_id=x&request_id=y",
    ] {
        let reply = world.ask(&of_alice(Request::get(mounted(&format!("/authorize{query}")))));
        page(&reply, 400, "not whole");
    }
    assert!(world.spy.take().is_empty());
    // what a sign-in page adds does no harm
    *world.spy.mode.lock() = Mode::InTurn(vec![asked(&["read:orders"]), bound()]);
    leads_to(&world.ask(&of_alice(Request::get(format!("{path}&welcome=1")))), ON);
}
