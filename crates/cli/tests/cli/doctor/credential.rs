//! The app's key, the way that it takes, and what it opens.

use agentadmit_protocol::secret::SecretKind;
use serde_json::json;

use super::front::Answered;
use super::world::{World, unknown};

#[test]
fn a_proxy_that_drops_authorization() {
    let world = World::new();
    world.service_front.does(|mut asked, pass_on| {
        asked.headers.remove("authorization");
        pass_on(asked)
    });
    world.doctor().run().finds("service_authorization", "does not arrive");
}

#[test]
fn a_key_that_the_service_does_not_know() {
    let world = World::new();
    let doctor = world.doctor().key(unknown(SecretKind::ApiKeyTest));
    doctor.run().finds("api_key", "does not know this key");
}

#[test]
fn a_proxy_that_rewrites_403() {
    let world = World::new();
    world.service_front.does(|asked, pass_on| match pass_on(asked) {
        Answered { status: 403, .. } => Answered::page(403, "<h1>Forbidden</h1>"),
        answered => answered,
    });
    world.doctor().run().finds("service_refusal", "puts its own page there");
}

#[test]
fn a_service_that_says_yes_to_everything() {
    let world = World::new();
    world.service_front.does(|asked, pass_on| match asked.path.as_str() {
        "/v1/verify" => Answered::json(200, &json!({"active": true})),
        _ => pass_on(asked),
    });
    world.doctor().run().finds("service_refusal", "never issued");
}

#[test]
fn a_key_of_the_wrong_environment() {
    let world = World::new();
    let doctor = world.doctor().with(&["--environment", "live"]);
    doctor.run().finds("key_environment", "of the test environment");
    let live = || world.doctor().key(world.key("live", &["verify", "issue", "manage"]));
    live().run().finds("key_environment", "this machine only");
    assert_eq!(live().with(&["--environment", "live"]).run().code, Some(0));
}

#[test]
fn a_key_of_another_app() {
    let world = World::new();
    let examined = world.doctor().key(world.strangers_key()).run();
    let examined = examined.finds("key_app", &world.app_id);
    assert_eq!(examined.checks["catalogue"]["message"], "see key_app");
}

#[test]
fn a_key_that_leaves_the_apps_servers_may_verify_and_nothing_else() {
    let world = World::new();
    let shipped =
        |permissions| world.doctor().key(world.key("test", permissions)).with(&["--shipped"]).run();
    for permissions in [&["verify", "manage"][..], &["verify", "issue"]] {
        shipped(permissions).finds("key_permissions", &permissions.join(", "));
    }
    let examined = shipped(&["verify"]);
    assert_eq!(examined.code, Some(0), "{:?}", examined.checks);
    assert_eq!(examined.checks["key_permissions"]["message"], "verify");
    assert_eq!(examined.checks["catalogue"]["message"], "this key may not read it");
}

#[test]
fn a_key_that_may_not_verify() {
    let world = World::new();
    let doctor = world.doctor().key(world.key("test", &["manage"]));
    doctor.run().finds("key_permissions", "may not verify, only: manage");
}

#[test]
fn a_catalogue_out_of_step_with_the_file() {
    let world = World::new();
    let scope = |name: &str, description: &str| json!({"name": name, "description": description});
    for (scopes, words) in [
        (json!([scope("orders:read", "Read"), scope("a:b", "B")]), "only in the file: a:b"),
        (json!([scope("a:b", "B")]), "only at the service: orders:read"),
        (json!([scope("orders:read", "Read")]), "not the same: orders:read"),
    ] {
        world.doctor().set("scopes", scopes).run().finds("catalogue", words);
    }
}
