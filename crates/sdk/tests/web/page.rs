//! The connections page: whom it is for, what its headers allow, and that nothing typed by anybody
//! becomes markup.

use agentadmit_testkit::client::{Reply, Request};

use crate::support::{Options, World, by_user, mounted};

fn world() -> World {
    World::start(|router| router)
}

fn page(world: &World, user: &str) -> Reply {
    world.ask(&by_user(user, Request::get(mounted(""))))
}

fn html(reply: &Reply) -> String {
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    String::from_utf8(reply.body.clone()).unwrap()
}

/// The addresses of everything that a page loads.
fn loaded(page: &str) -> Vec<&str> {
    let after = |name: &'static str| page.split(name).skip(1);
    let tags =
        after("<link rel=\"stylesheet\" href=\"").chain(after("<script type=\"module\" src=\""));
    tags.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn a_user_gets_the_panel_and_everything_that_it_loads() {
    let world = world();
    let reply = page(&world, "alice");
    assert_eq!(reply.status, 200);
    let page = html(&reply);
    assert!(page.contains("<agentadmit-panel base=\"/agentadmit\" lang=\"en\""), "{page}");
    assert!(!page.contains("/agentadmit/admin"), "alice is no admin: {page}");
    assert!(world.spy.take().is_empty(), "the page holds nothing of the user");

    let loaded = loaded(&page);
    assert_eq!(loaded.len(), 2, "{page}");
    for path in loaded {
        let asset = world.ask(&Request::get(path));
        assert_eq!(asset.status, 200, "{path}");
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
        assert!(!asset.body.is_empty());
    }
}

#[test]
fn the_policy_lets_the_page_run_one_script_and_nobody_frame_it() {
    let world = world();
    for reply in [page(&world, "alice"), world.ask(&Request::get(mounted("")))] {
        let policy = reply.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.split("; ").any(|it| it == rule), "{rule}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-frame-options"), Some("DENY"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let page = html(&reply);
        assert!(!page.contains("<style") && !page.contains("style="), "{page}");
        assert_eq!(page.matches("<script").count(), 1, "{page}");
    }
}

#[test]
fn nobody_is_asked_to_sign_in_and_an_agent_is_refused() {
    let world = world();
    let reply = world.ask(&Request::get(mounted("")));
    assert_eq!(reply.status, 401);
    let page = html(&reply);
    assert!(page.contains("Sign in first") && !page.contains("<agentadmit-"), "{page}");

    let agent = world.connect("alice", &["read:orders"]);
    for path in ["", "/admin"] {
        let request = by_user("alice", Request::get(mounted(path))).bearer(&agent.access_token);
        world.ask(&request).expect_error(403, "agent_not_allowed");
    }
    let post = by_user("alice", Request::post(mounted(""), &serde_json::json!({})));
    world.ask(&post).expect_error(405, "method_not_allowed");
}

#[test]
fn the_admins_page_is_for_admins() {
    let world = world();
    let admins = |user| world.ask(&by_user(user, Request::get(mounted("/admin"))));
    let reply = admins("alice");
    assert_eq!(reply.status, 403);
    assert!(!html(&reply).contains("<agentadmit-"));
    world.shop.admins.lock().insert("alice".to_owned());
    let reply = admins("alice");
    assert_eq!(reply.status, 200);
    assert!(html(&reply).contains("<agentadmit-admin-panel base=\"/agentadmit\""));
    assert!(html(&page(&world, "alice")).contains("href=\"/agentadmit/admin\""));

    world.shop.knows_no_admins.store(true, std::sync::atomic::Ordering::SeqCst);
    admins("alice").expect_error(404, "not_found");
}

#[test]
fn the_page_speaks_the_browsers_language() {
    let world = world();
    let request =
        by_user("alice", Request::get(mounted(""))).header("Accept-Language", "ar-EG, en");
    let page = html(&world.ask(&request));
    assert!(page.contains("<html lang=\"ar\" dir=\"rtl\">"), "{page}");
    assert!(page.contains("lang=\"ar\" theme"), "{page}");
}

#[test]
fn the_apps_own_name_is_text() {
    let settings = |settings: &mut agentadmit::Settings| {
        let name = "</title><script>alert(1)</script>\"'&{content}{base}";
        settings.name = Some(name.parse().unwrap());
    };
    let world = World::with(&Options { settings, ..Options::default() }, |router| router);
    let page = html(&page(&world, "alice"));
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert_eq!(page.matches("<agentadmit-panel").count(), 1, "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;{content}{base}"));
}

#[test]
fn a_page_of_the_apps_own_finds_the_script_under_a_name_that_stays() {
    let world = world();
    let script = world.ask(&Request::get(mounted("/assets/agentadmit.js")));
    assert_eq!(script.status, 200);
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("cache-control"), Some("public, max-age=300"));
    let old = world.ask(&Request::get(mounted("/assets/agentadmit-0000000000000000.js")));
    old.expect_error(404, "not_found");
}
