//! The mounted routes: what they do, and everything that must not be had through them.

use agentadmit::settings::DurationChoice;
use agentadmit_testkit::client::{Reply, Request};
use agentadmit_testkit::world::text;
use serde_json::{Value, json};

use crate::support::{ORIGIN, Options, World, by_user, mounted};

fn world() -> World {
    World::start(|router| router)
}

fn generate(user: &str, body: &Value) -> Request {
    by_user(user, Request::post(mounted("/connections/generate-token"), body))
}

/// A connection that a user granted through the shop, exchanged through the shop.
fn grant(world: &World, user: &str, scopes: &[&str]) -> (String, String) {
    let issued = world.ask(&generate(user, &json!({"scopes": scopes}))).expect(201);
    let exchange = Request::post(mounted("/token/exchange"), &json!({"token": issued["token"]}));
    let exchanged = world.ask(&exchange).expect(200);
    (text(&issued, "connection_id"), text(&exchanged, "access_token"))
}

fn names(answer: &Value) -> Vec<&str> {
    answer["scopes"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
fn a_user_grants_looks_narrows_and_ends() {
    let world = world();
    let asked = json!({
        "scopes": ["read:orders", "write:orders"], "duration_seconds": 3600, "purpose": "a test",
        "user_intent": "buy bread", "agent_label": "Baker",
    });
    let issued = world.ask(&generate("alice", &asked)).expect(201);
    let token = text(&issued, "token");
    let prompt = text(&issued, "prompt");
    let endpoint = format!("{ORIGIN}/agentadmit/token/exchange");
    for part in [&token, ORIGIN, &endpoint, "may read:orders", "may write:orders"] {
        assert!(prompt.contains(part), "{part} is missing: {prompt}");
    }

    let exchange = Request::post(mounted("/token/exchange"), &json!({"token": token}));
    let exchanged = world.ask(&exchange).expect(200);
    assert_eq!(exchanged["user_label"], "alice of the shop");

    let id = text(&issued, "connection_id");
    let list = world.ask(&by_user("alice", Request::get(mounted("/connections")))).expect(200);
    assert_eq!(list["connections"][0]["connection_id"], id.as_str());
    assert_eq!(list["connections"][0]["purpose"], "a test");

    let path = mounted(&format!("/connections/{id}"));
    let narrowing = Request::new("PATCH", &path).json(&json!({"remove_scopes": ["write:orders"]}));
    let narrowed = world.ask(&by_user("alice", narrowing)).expect(200);
    assert_eq!(narrowed["scopes"], json!(["read:orders"]));

    let ended = world.ask(&by_user("alice", Request::new("DELETE", &path))).expect(200);
    assert_eq!(ended["status"], "revoked");
    let activity = mounted(&format!("/connections/{id}/activity"));
    let events = world.ask(&by_user("alice", Request::get(activity))).expect(200);
    let revoked = &events["events"][0];
    assert_eq!(
        (&revoked["event"], &revoked["on_behalf_of"]),
        (&json!("connection_revoked"), &json!("user:alice"))
    );
    for event in events["events"].as_array().unwrap() {
        let is_agents = event["event"] == "connection_exchanged";
        assert!(is_agents || event["on_behalf_of"] == "user:alice", "{event}");
    }
}

#[test]
fn nothing_of_a_mounted_route_is_stored() {
    let world = world();
    for path in ["/scopes", "/connections", "/prompt-templates", "/admin/usage", "/nothing"] {
        let reply = world.ask(&by_user("alice", Request::get(mounted(path))));
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[test]
fn a_user_sees_and_grants_only_what_the_filter_and_the_admin_check_leave() {
    let world = world();
    let scopes = |user| world.ask(&by_user(user, Request::get(mounted("/scopes")))).expect(200);
    assert_eq!(names(&scopes("alice")), ["read:orders", "write:orders", "read:profile"]);
    assert_eq!(names(&scopes("bob")), ["read:orders", "read:profile"]);
    world.spy.take();
    for (user, scope) in [
        ("alice", "close:shop"),
        ("alice", "manage:connections"),
        ("alice", "read:usage"),
        ("bob", "write:orders"),
        ("alice", "made:up"),
    ] {
        let reply = world.ask(&generate(user, &json!({"scopes": ["read:orders", scope]})));
        reply.expect_error(400, "invalid_scope");
    }
    assert!(world.spy.take().is_empty(), "the service was not asked");
    world.shop.admins.lock().insert("alice".to_owned());
    assert!(names(&scopes("alice")).contains(&"close:shop"));
    world.ask(&generate("alice", &json!({"scopes": ["close:shop"]}))).expect(201);
}

#[test]
fn only_durations_that_the_app_offers() {
    let of_default = world();
    let ask = |world: &World, more: Value| -> Reply {
        let mut body = json!({"scopes": ["read:orders"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.ask(&generate("alice", &body))
    };
    for seconds in [3_600, 86_400, 604_800, 2_592_000] {
        ask(&of_default, json!({"duration_seconds": seconds})).expect(201);
    }
    let offered = |world: &World| {
        let scopes = by_user("alice", Request::get(mounted("/scopes")));
        world.ask(&scopes).expect(200)["durations"].clone()
    };
    let of_page = |seconds: u32| json!({"label": null, "seconds": seconds});
    let wanted = [3_600, 86_400, 604_800, 2_592_000].map(of_page);
    assert_eq!(offered(&of_default), json!(wanted), "what passes is what is shown");
    ask(&of_default, json!({})).expect(201);
    for more in [
        json!({"duration_seconds": 31_536_000}),
        json!({"duration_seconds": 3_601}),
        json!({"duration_seconds": -1}),
        json!({"until_revoked": true}),
        json!({"until_revoked": true, "duration_seconds": 3_600}),
    ] {
        ask(&of_default, more).expect_error(400, "invalid_duration");
    }

    let settings = |settings: &mut agentadmit::Settings| {
        let choice =
            |label: &str, seconds| DurationChoice { label: label.parse().unwrap(), seconds };
        settings.durations = vec![choice("a minute", Some(60)), choice("for ever", None)];
    };
    let of_app = World::with(&Options { settings, ..Options::default() }, |router| router);
    assert_eq!(
        offered(&of_app),
        json!([{"label": "a minute", "seconds": 60}, {"label": "for ever", "seconds": null}])
    );
    ask(&of_app, json!({"duration_seconds": 60})).expect(201);
    let for_ever = ask(&of_app, json!({"until_revoked": true})).expect(201);
    assert_eq!(for_ever["expires_at"], Value::Null);
    ask(&of_app, json!({"duration_seconds": 3_600})).expect_error(400, "invalid_duration");
    ask(&of_app, json!({})).expect_error(400, "invalid_duration");
}

#[test]
fn bodies_and_queries_are_strict() {
    let world = world();
    let post = |body: &str| {
        let request = Request::new("POST", mounted("/connections/generate-token"));
        world.ask(&by_user("alice", request.body("application/json", body)))
    };
    for (body, status, field) in [
        ("{", 400, None),
        ("", 400, None),
        (r#"["read:orders"]"#, 422, Some("")),
        (r#"{"scopes":["read:orders"],"scope":1}"#, 422, Some("scope")),
        (r#"{"scopes":["read:orders"],"scopes":["read:profile"]}"#, 422, Some("scopes")),
        (r#"{"scopes":["read:orders"],"on_behalf_of":"admin:x"}"#, 422, Some("on_behalf_of")),
        (r#"{"scopes":["read:orders"],"user_id":"bob"}"#, 422, Some("user_id")),
        (r#"{"scopes":["Read"]}"#, 422, Some("scopes[0]")),
        (r#"{"scopes":["read:orders"],"agent_label":""}"#, 422, Some("agent_label")),
        ("{}", 422, Some("scopes")),
    ] {
        let error = post(body).expect_error(status, "invalid_request");
        assert_eq!(error.get("field").and_then(Value::as_str), field, "{body}");
    }
    post(r#"{"scopes":[]}"#).expect_error(400, "invalid_scope");
    let large = format!(r#"{{"scopes":["{}"]}}"#, "x".repeat(70_000));
    post(&large).expect_error(413, "body_too_large");
    for (query, field) in
        [("user_id=bob", "user_id"), ("limit=", "limit"), ("limit=1&limit=2", "limit")]
    {
        let request = Request::get(mounted(&format!("/connections?{query}")));
        let error = world.ask(&by_user("alice", request)).expect_error(400, "invalid_request");
        assert_eq!(error["field"], field);
    }
    let request = by_user("alice", Request::new("POST", mounted("/scopes")).json(&json!({})));
    let reply = world.ask(&request);
    reply.expect_error(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
}

#[test]
fn another_users_connection_is_not_there() {
    let world = world();
    let (id, _) = grant(&world, "alice", &["read:orders"]);
    let path = mounted(&format!("/connections/{id}"));
    let never = mounted("/connections/conn_01h455vb4pex5vsknk084sn02q");
    for path in [path.as_str(), never.as_str()] {
        for request in [
            Request::new("DELETE", path),
            Request::new("PATCH", path).json(&json!({"remove_scopes": ["read:orders"]})),
            Request::get(format!("{path}/activity")),
        ] {
            world.ask(&by_user("mallory", request)).expect_error(404, "not_found");
        }
    }
    let list = world.ask(&by_user("mallory", Request::get(mounted("/connections")))).expect(200);
    assert_eq!(list["connections"], json!([]));
    let list = world.ask(&by_user("alice", Request::get(mounted("/connections")))).expect(200);
    assert_eq!(list["connections"][0]["status"], "active");
}

/// Every route of a user, as a request.
fn user_requests() -> Vec<Request> {
    let connection = mounted("/connections/conn_01h455vb4pex5vsknk084sn02q");
    vec![
        Request::get(mounted("/scopes")),
        Request::post(mounted("/connections/generate-token"), &json!({"scopes": ["read:orders"]})),
        Request::get(mounted("/connections")),
        Request::new("DELETE", &connection),
        Request::new("PATCH", &connection).json(&json!({"remove_scopes": ["read:orders"]})),
        Request::get(format!("{connection}/activity")),
        Request::get(mounted("/prompt-templates")),
        Request::post(mounted("/consent-sessions"), &json!({})),
    ]
}

#[test]
fn an_agents_token_on_a_users_route_is_refused_whatever_cookie_comes_with_it() {
    let world = world();
    let agent = world.connect("alice", &["read:orders"]);
    world.spy.take();
    for request in user_requests() {
        let request = by_user("alice", request).bearer(&agent.access_token);
        world.ask(&request).expect_error(403, "agent_not_allowed");
    }
    for request in user_requests() {
        let request = by_user("alice", request).header("Authorization", "bearer AG_at_x");
        world.ask(&request).expect_error(403, "agent_not_allowed");
    }
    assert!(world.spy.take().is_empty());
}

#[test]
fn nobody_is_401_and_a_user_without_an_id_is_unknown() {
    let world = world();
    for request in user_requests() {
        world.ask(&request.clone().header("Origin", ORIGIN)).expect_error(401, "unauthenticated");
        world.ask(&by_user("nameless", request)).expect_error(403, "user_unknown");
    }
    assert!(world.spy.take().is_empty());
}

/// What a browser (or somebody else) says of where a request comes from.
const CROSS_SITE: [&[(&str, &str)]; 9] = [
    &[("Origin", "https://evil.example")],
    &[("Origin", "null")],
    &[("Origin", "http://shop.example")],
    &[("Origin", "https://shop.example.evil.example")],
    &[("Origin", "https://shop.example"), ("Origin", "https://evil.example")],
    &[("Sec-Fetch-Site", "cross-site")],
    &[("Sec-Fetch-Site", "same-site")],
    &[("Sec-Fetch-Site", "none")],
    &[],
];

const SAME_SITE: [&[(&str, &str)]; 4] = [
    &[("Origin", ORIGIN)],
    &[("Origin", "https://admin.shop.example"), ("Sec-Fetch-Site", "same-site")],
    &[("Origin", ORIGIN), ("Sec-Fetch-Site", "cross-site")],
    &[("Sec-Fetch-Site", "same-origin")],
];

fn with(mut request: Request, headers: &'static [(&'static str, &'static str)]) -> Request {
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request
}

#[test]
fn a_request_from_another_site_changes_nothing() {
    let settings = |it: &mut agentadmit::Settings| {
        it.allowed_origins = vec!["https://admin.shop.example".to_owned()];
    };
    let world = World::with(&Options { settings, ..Options::default() }, |router| router);
    let connection = mounted("/connections/conn_01h455vb4pex5vsknk084sn02q");
    let admins = mounted("/admin/connections/conn_01h455vb4pex5vsknk084sn02q");
    world.shop.admins.lock().insert("alice".to_owned());
    let changing = [
        Request::post(mounted("/connections/generate-token"), &json!({"scopes": ["read:orders"]})),
        Request::new("DELETE", connection.clone()),
        Request::new("PATCH", connection).json(&json!({"remove_scopes": ["read:orders"]})),
        Request::post(mounted("/consent-sessions"), &json!({})),
        Request::new("DELETE", admins),
        Request::post(mounted("/admin/connections/revoke"), &json!({"user_id": "alice"})),
    ];
    let signed_in = |request: &Request| request.clone().header("Cookie", "session=alice");
    for request in &changing {
        for headers in CROSS_SITE {
            let reply = world.ask(&with(signed_in(request), headers));
            reply.expect_error(403, "cross_site_request");
        }
    }
    assert!(world.spy.take().is_empty());
    for headers in SAME_SITE {
        world.ask(&with(signed_in(&changing[0]), headers)).expect(201);
    }
    // without a browser and without cookies there is nobody to trick, and nobody signed in
    world.ask(&changing[0]).expect_error(401, "unauthenticated");
}

#[test]
fn what_changes_something_wants_json() {
    let world = world();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp",
    ] {
        let request = Request::new("POST", mounted("/connections/generate-token"))
            .body(content_type, r#"{"scopes":["read:orders"]}"#);
        world.ask(&by_user("alice", request)).expect_error(415, "unsupported_media_type");
        let request =
            Request::new("DELETE", mounted("/connections/conn_01h455vb4pex5vsknk084sn02q"));
        let request = request.body(content_type, "");
        world.ask(&by_user("alice", request)).expect_error(415, "unsupported_media_type");
    }
    let bare = Request::new("POST", mounted("/connections/generate-token"))
        .raw_body(r#"{"scopes":["read:orders"]}"#);
    let twice = bare
        .clone()
        .header("Content-Type", "application/json")
        .header("Content-Type", "text/plain");
    for request in [bare, twice] {
        world.ask(&by_user("alice", request)).expect_error(415, "unsupported_media_type");
    }
    let request = Request::new("POST", mounted("/connections/generate-token"))
        .body("Application/JSON; charset=utf-8", r#"{"scopes":["read:orders"]}"#);
    world.ask(&by_user("alice", request)).expect(201);
}

fn admin_requests() -> Vec<(Request, &'static str)> {
    let ended = mounted("/admin/connections/conn_01h455vb4pex5vsknk084sn02q");
    vec![
        (Request::get(mounted("/admin/connections")), "manage:connections"),
        (Request::get(mounted("/admin/usage")), "read:usage"),
        (Request::get(mounted("/admin/activity")), "read:audit"),
        (Request::new("DELETE", ended), "manage:connections"),
        (
            Request::post(mounted("/admin/connections/revoke"), &json!({"user_id": "nobody"})),
            "manage:connections",
        ),
    ]
}

#[test]
fn admin_routes_are_for_admins() {
    let world = world();
    for (request, _) in admin_requests() {
        world.ask(&by_user("alice", request.clone())).expect_error(403, "forbidden");
        world.ask(&request.header("Origin", ORIGIN)).expect_error(401, "unauthenticated");
    }
    assert!(world.spy.take().is_empty());
    let (id, _) = grant(&world, "bob", &["read:orders"]);
    world.shop.admins.lock().insert("alice".to_owned());
    let list =
        world.ask(&by_user("alice", Request::get(mounted("/admin/connections?user_id=bob"))));
    assert_eq!(list.expect(200)["connections"][0]["connection_id"], id.as_str());
    world.ask(&by_user("alice", Request::get(mounted("/admin/usage")))).expect(200);
    let end = Request::new("DELETE", mounted(&format!("/admin/connections/{id}")));
    world.ask(&by_user("alice", end)).expect(200);
    let query = mounted(&format!("/admin/activity?connection_id={id}&event=connection_revoked"));
    let events = world.ask(&by_user("alice", Request::get(query))).expect(200);
    assert_eq!(events["events"][0]["on_behalf_of"], "admin:alice");
    let both = json!({"user_id": "bob", "connection_id": id});
    let request = Request::post(mounted("/admin/connections/revoke"), &both);
    world.ask(&by_user("alice", request)).expect_error(422, "invalid_request");
}

#[test]
fn without_an_admin_check_there_are_no_admin_routes_and_no_admin_scopes() {
    let world = world();
    world.shop.admins.lock().insert("alice".to_owned());
    world.shop.knows_no_admins.store(true, std::sync::atomic::Ordering::SeqCst);
    let agent = world.connect("alice", &["manage:connections", "read:usage", "read:audit"]);
    for (request, _) in admin_requests() {
        world.ask(&by_user("alice", request.clone())).expect_error(404, "not_found");
        world.ask(&request.bearer(&agent.access_token)).expect_error(404, "not_found");
    }
    let ask = generate("alice", &json!({"scopes": ["close:shop"]}));
    world.ask(&ask).expect_error(400, "invalid_scope");
}

#[test]
fn an_agent_is_an_admin_only_while_its_user_is() {
    let world = world();
    let agent = world.connect("alice", &["manage:connections", "read:usage", "read:audit"]);
    let lacking = world.connect("alice", &["read:orders"]);
    let asked = |request: Request, token: &str| world.ask(&request.bearer(token));
    for (request, scope) in admin_requests() {
        asked(request.clone(), &agent.access_token).expect_error(403, "forbidden");
        world.shop.admins.lock().insert("alice".to_owned());
        world.spy.take();
        let reply = asked(request.clone(), &agent.access_token);
        assert!(matches!(reply.status, 200 | 404), "{reply:?}");
        let seen = world.spy.take();
        let verifies: Vec<_> = seen.iter().filter(|it| it.path == "/v1/verify").collect();
        assert_eq!((verifies.len(), &verifies[0].body["scope_used"]), (1, &json!(scope)));
        // an admin's session beside the token of an agent that may not is not read
        let beside = by_user("alice", request);
        asked(beside, &lacking.access_token).expect_error(403, "insufficient_scope");
        world.shop.admins.lock().clear();
    }
    world.shop.admins.lock().insert("alice".to_owned());
    let victim = world.connect("bob", &["read:orders"]);
    let end = Request::new("DELETE", mounted(&format!("/admin/connections/{}", victim.id)));
    asked(end, &agent.access_token).expect(200);
    let query =
        mounted(&format!("/admin/activity?connection_id={}&event=connection_revoked", victim.id));
    let events = asked(Request::get(query), &agent.access_token).expect(200);
    assert_eq!(events["events"][0]["on_behalf_of"], format!("agent:{}", agent.id));
}

#[test]
fn a_user_hears_nothing_of_the_apps_own_trouble() {
    let world = world();
    let list = || world.ask(&by_user("alice", Request::get(mounted("/connections"))));
    for (status, body) in [
        (401, r#"{"error":"invalid_api_key","error_description":"x","request_id":"r"}"#),
        (403, r#"{"error":"forbidden","error_description":"x","request_id":"r"}"#),
        (200, "<html>"),
        (302, ""),
        (503, r#"{"error":"unavailable","error_description":"x","request_id":"r"}"#),
    ] {
        world.spy.answer(status, "application/json", body);
        list().expect_error(503, "unavailable");
    }
    world.shop.is_broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let reply = list();
    reply.expect_error(500, "internal");
    assert!(!String::from_utf8_lossy(&reply.body).contains("10.1.2.3"));
}
