//! `POST /consent-sessions`: the hosted page, for the user who is signed in and what they may grant.

use agentadmit_testkit::client::{Client, Reply, Request};
use agentadmit_testkit::world::text;
use serde_json::{Value, json};

use crate::support::{Options, World, by_user, mounted};

fn open(world: &World, user: &str, body: &Value) -> Reply {
    world.ask(&by_user(user, Request::post(mounted("/consent-sessions"), body)))
}

/// The page behind an address, as the first browser sees it.
fn page(world: &World, opened: &Value) -> String {
    let url = text(opened, "session_url");
    let (_, path) = url.split_once("/consent/").unwrap();
    let mut service = Client::new(world.app.address);
    let entered = service.ask(&Request::get(format!("/consent/{path}")));
    assert_eq!(entered.status, 303);
    let cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let page = Request::get(format!("/consent/{}", text(opened, "session_id")));
    let page = service.ask(&page.header("Cookie", cookie));
    assert_eq!(page.status, 200);
    String::from_utf8_lossy(&page.body).into_owned()
}

#[test]
fn a_user_is_offered_what_that_user_may_grant() {
    let world = World::start(|router| router);
    for (user, is_writer) in [("alice", true), ("bob", false)] {
        let opened = open(&world, user, &json!({"purpose": "Bake bread"})).expect(201);
        let page = page(&world, &opened);
        assert!(page.contains("may read:orders") && page.contains("Bake bread"), "{page}");
        assert_eq!(page.contains("may write:orders"), is_writer, "{user}: {page}");
        assert!(!page.contains("may manage:connections"), "{page}");
        assert!(page.contains(&format!("{user} of the shop")), "{page}");
    }
    for (user, body, field) in [
        ("bob", json!({"scopes": ["write:orders"]}), "scopes"),
        ("alice", json!({"scopes": ["close:shop"]}), "scopes"),
        (
            "alice",
            json!({"scopes": ["read:orders"], "preselected": ["write:orders"]}),
            "preselected",
        ),
    ] {
        let refused = open(&world, user, &body).expect_error(400, "invalid_scope");
        assert_eq!(refused["field"], field, "{body}");
    }
    let unknown = open(&world, "alice", &json!({"user_id": "bob"}));
    unknown.expect_error(422, "invalid_request");
    let elsewhere = open(&world, "alice", &json!({"return_url": "https://evil.example/"}));
    assert_eq!(elsewhere.expect_error(422, "invalid_request")["field"], "return_url");
}

#[test]
fn a_user_asks_for_more_for_an_own_connection_alone() {
    let world = World::start(|router| router);
    let agent = world.connect("alice", &["read:orders"]);
    let more = json!({"connection_id": agent.id, "add_scopes": ["read:profile"]});
    open(&world, "mallory", &more).expect_error(404, "not_found");
    let opened = open(&world, "alice", &more).expect(201);
    assert!(page(&world, &opened).contains("may read:profile"));
    let admins = json!({"connection_id": agent.id, "add_scopes": ["close:shop"]});
    let refused = open(&world, "alice", &admins).expect_error(400, "invalid_scope");
    assert_eq!(refused["field"], "add_scopes");
}

#[test]
fn the_apps_texts_are_on_the_page_where_they_fit() {
    let settings = |it: &mut agentadmit::Settings| {
        let templates = json!([
            {"name": "Look", "text": "Look at order {order}.", "scopes": ["read:orders"]},
            {"name": "Write", "text": "Order {what}.", "scopes": ["write:orders"]},
        ]);
        it.prompt_templates = serde_json::from_value(templates).unwrap();
    };
    let world = World::with(&Options { settings, ..Options::default() }, |router| router);
    for (user, is_writer) in [("alice", true), ("bob", false)] {
        let page = page(&world, &open(&world, user, &json!({})).expect(201));
        assert!(page.contains("Look at order {order}."), "{page}");
        assert_eq!(page.contains("Order {what}."), is_writer, "{user}");
    }
}

#[test]
fn the_apps_own_durations_are_on_the_page() {
    let settings = |it: &mut agentadmit::Settings| {
        let durations = json!([
            {"label": "One afternoon", "seconds": 14_400},
            {"label": "Half a day", "seconds": 14_400},
            {"label": "Until I say stop"},
        ]);
        it.durations = serde_json::from_value(durations).unwrap();
    };
    let world = World::with(&Options { settings, ..Options::default() }, |router| router);
    let page = page(&world, &open(&world, "alice", &json!({})).expect(201));
    assert!(page.contains("One afternoon") && page.contains("Until I say stop"), "{page}");
    assert!(!page.contains("30 days") && !page.contains("Half a day"), "{page}");
}
