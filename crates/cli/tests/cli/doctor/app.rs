//! The app: its address, its discovery document, what it signs, its routes.

use std::net::TcpListener;

use agentadmit::keys::SigningKey;
use agentadmit_protocol::secret::SecretKind;
use serde_json::json;

use super::front::Answered;
use super::world::{Otherwise, World, unknown};

const DISCOVERY: &str = "/.well-known/agentadmit";

#[test]
fn nobody_there() {
    let world = World::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    world.doctor().with(&["--app", &nobody]).run().finds("app_address", "refused");
}

#[test]
fn a_document_that_cannot_be_had() {
    let world = World::new();
    world.app_front.does(|asked, pass_on| match asked.path.as_str() {
        DISCOVERY => Answered::page(404, "<h1>Not Found</h1>"),
        _ => pass_on(asked),
    });
    world.doctor().run().finds("discovery", "404");
    world.app_front.does(|asked, pass_on| match asked.path.as_str() {
        DISCOVERY => Answered::page(200, "<h1>Shop</h1>"),
        _ => pass_on(asked),
    });
    world.doctor().run().finds("discovery", "no JSON");
    world.app_front.edits(DISCOVERY, |document| document["agentadmit_version"] = json!("2"));
    world.doctor().run().finds("discovery", "version 2");
}

#[test]
fn a_document_with_another_address() {
    let world = World::new();
    let port = world.app_front.url.rsplit(':').next().unwrap();
    let other = format!("http://localhost:{port}");
    let examined = world.doctor().with(&["--app", &other]).run();
    examined.finds("discovery_address", "token_exchange_endpoint");
    world.app_front.edits(DISCOVERY, |document| {
        document["service"] = json!("https://service.example");
    });
    world.doctor().run().finds("discovery_address", "https://service.example");
}

#[test]
fn a_document_of_another_app() {
    let world = World::new();
    world.app_front.edits(DISCOVERY, |document| {
        document["app"]["id"] = json!("app_00000000000000000000000000");
    });
    world.doctor().run().finds("discovery_app", "app_00000000000000000000000000");
}

#[test]
fn keys_that_nobody_registered() {
    let world = World::new();
    let other = SigningKey::generate().unwrap();
    let keys = json!({"keys": [other.public_jwk()]});
    let path = "/.well-known/agentadmit/jwks.json";
    world.app_front.edits(path, move |known| known.clone_from(&keys));
    world.doctor().run().finds("app_jwks", "registered");
    world.app_front.does(
        move |asked, pass_on| {
            if asked.path == path { Answered::page(403, "") } else { pass_on(asked) }
        },
    );
    world.doctor().run().finds("app_jwks", "403");
}

#[test]
fn metadata_that_is_not_what_was_signed() {
    let world = World::new();
    world.app_front.edits(DISCOVERY, |document| document["routes"] = json!([]));
    world.doctor().run().finds("signed_metadata", "about routes");

    let other = SigningKey::generate().unwrap();
    world.app_front.edits(DISCOVERY, move |document| {
        let claims = json!({"iss": "https://elsewhere.example"});
        let signed = other.sign("agentadmit-metadata+jwt", &claims).unwrap();
        document["signed_metadata"] = signed.into();
    });
    world.doctor().run().finds("signed_metadata", "is not registered");

    world.app_front.edits(DISCOVERY, |document| {
        let signed = document["signed_metadata"].as_str().unwrap();
        let (before, signature) = signed.rsplit_once('.').unwrap();
        let forged: String = signature.chars().rev().collect();
        document["signed_metadata"] = format!("{before}.{forged}").into();
    });
    world.doctor().run().finds("signed_metadata", "the signature");
}

#[test]
fn a_proxy_that_drops_authorization() {
    let world = World::new();
    world.app_front.does(|mut asked, pass_on| {
        asked.headers.remove("authorization");
        pass_on(asked)
    });
    world.doctor().run().finds("app_authorization", "as if none had come");
}

#[test]
fn a_proxy_that_rewrites_refusals() {
    let world = World::new();
    world.app_front.does(|asked, pass_on| match pass_on(asked) {
        Answered { status: status @ (401 | 403), .. } => Answered::page(status, "<h1>No</h1>"),
        answered => answered,
    });
    world.doctor().run().finds("app_refusal", "not the SDK's own words");

    world.app_front.does(|asked, pass_on| {
        let mut answered = pass_on(asked);
        answered.headers.remove("www-authenticate");
        answered
    });
    world.doctor().run().finds("app_refusal", "without its `WWW-Authenticate`");
}

#[test]
fn an_app_that_cannot_ask_its_service() {
    let app_key = Some(unknown(SecretKind::ApiKeyTest));
    let world = World::with(&Otherwise { app_key, ..Otherwise::default() });
    world.doctor().run().finds("app_service", "every agent hears 503");
}

#[test]
fn a_route_that_lets_agents_through() {
    let world = World::new();
    let examined = world.doctor().with(&["--probe", "/forgotten"]).run();
    examined.finds("open_route", "GET /forgotten answers 200");
}

#[test]
fn a_route_that_lets_agents_through_when_they_shout() {
    let world = World::new();
    world.app_front.does(|asked, pass_on| {
        let shouts = asked
            .headers
            .get("authorization")
            .is_some_and(|value| value.to_str().is_ok_and(|value| value.contains("AG_AT_")));
        if shouts { Answered::page(200, "orders") } else { pass_on(asked) }
    });
    world.doctor().run().finds("open_route", "GET /orders answers 200");
}

#[test]
fn routes_that_write_are_asked_only_when_it_is_said() {
    let world = World::new();
    let post = |document: &mut serde_json::Value| {
        let refunds = json!({"method": "POST", "path": "/refunds/{id}"});
        document["routes"].as_array_mut().unwrap().push(refunds);
        document.as_object_mut().unwrap().remove("signed_metadata");
    };
    world.app_front.does_to_all(move |asked, pass_on| match asked.path.as_str() {
        "/refunds/0" => Answered::json(200, &json!({"refunded": true})),
        DISCOVERY => pass_on(asked).edited(post),
        _ => pass_on(asked),
    });
    let examined = world.doctor().run();
    assert_eq!(examined.code, Some(0), "{:?}", examined.checks);
    let said = examined.checks["open_route"]["message"].as_str().unwrap();
    assert!(said.contains("1 routes refuse a dead token; 1 that write"), "{said}");
    let examined = world.doctor().with(&["--probe-writes"]).run();
    examined.finds("open_route", "POST /refunds/0 answers 200");
}
