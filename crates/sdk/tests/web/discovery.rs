//! The discovery document, the app's keys, and the signature that holds against them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use agentadmit::axum::{AgentRouter, open_to_agents, require_scope, require_scope_if_agent};
use agentadmit::keys::SigningKey;
use agentadmit_testkit::client::Request;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::support::{ORIGIN, Options, Shop, World};

const PATH: &str = "/.well-known/agentadmit";

fn routes(router: AgentRouter<Shop>) -> AgentRouter<Shop> {
    let read = || require_scope_if_agent(["read:orders"]);
    let inner = router.agents().router().get("/{order_id}", read(), async || "");
    let inner = inner.get("/", read(), async || "");
    router
        .get("/orders", read().summary("Your orders\n\u{1b}[31m\u{202e}"), async || "")
        .post("/orders", require_scope(["write:orders", "read:orders"]), async || "")
        .get("/me", open_to_agents().summary("x".repeat(2_000)), async || "")
        .get("/hidden", read().hidden(), async || "")
        .get("/close", require_scope_if_agent(["close:shop"]), async || "")
        .get("/usage", require_scope_if_agent(["manage:connections"]), async || "")
        .get("/wrong", require_scope_if_agent(["no scope"]), async || "")
        .nest("/archive", inner)
}

fn settings(settings: &mut agentadmit::Settings) {
    settings.description = Some("Bread for everybody".parse().unwrap());
}

fn document(world: &World) -> Value {
    world.ask(&Request::get(PATH)).expect(200)
}

#[test]
fn the_document_has_the_shape_of_the_contract() {
    let world = World::with(&Options { settings, ..Options::default() }, routes);
    world.spy.take();
    let reply = world.ask(&Request::get(PATH));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    let mut document = reply.expect(200);
    assert!(world.spy.take().is_empty(), "no call to the service");

    let instructions = document["instructions"].take();
    assert!(
        instructions.as_str().unwrap().contains(&format!("{ORIGIN}/agentadmit/token/exchange"))
    );
    let routes = document["routes"].take();
    assert_eq!(routes[2]["summary"].as_str().unwrap().len(), 1_000);
    let shown: Vec<_> = routes
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (it["method"].as_str().unwrap(), it["path"].as_str().unwrap(), it["scope"].as_str())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("GET", "/orders", Some("read:orders")),
            ("POST", "/orders", Some("read:orders write:orders")),
            ("GET", "/me", None),
            ("GET", "/archive/{order_id}", Some("read:orders")),
            ("GET", "/archive", Some("read:orders")),
        ]
    );
    assert_eq!(routes[0]["summary"], "Your orders [31m");
    let service = document["service"].take();
    assert!(service.as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(document["oauth"]["authorization_server"].take(), service);
    let scope = |name: &str| json!({"name": name, "description": format!("may {name}"), "category": null, "sensitive": false});
    assert_eq!(
        document,
        json!({
            "agentadmit_version": "1",
            "app": {
                "id": world.app.app_id, "name": "Shop", "description": "Bread for everybody",
                "logo_uri": null, "documentation_uri": null, "openapi_uri": null,
            },
            "service": null,
            "token_exchange_endpoint": format!("{ORIGIN}/agentadmit/token/exchange"),
            "connections_page": format!("{ORIGIN}/agentadmit"),
            "authorization": {
                "scheme": "Bearer", "header": "Authorization", "access_token_prefix": "ag_at_",
                "connection_token_prefix": "ag_ct_",
            },
            "oauth": {
                "resource": ORIGIN,
                "resource_metadata": format!("{ORIGIN}/.well-known/oauth-protected-resource"),
                "authorization_server": null,
            },
            "scopes": [scope("read:orders"), scope("write:orders"), scope("read:profile")],
            "routes": null,
            "instructions": null,
        })
    );
}

#[test]
fn a_listed_route_is_there() {
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    for path in ["/orders", "/me", "/archive/7", "/archive"] {
        assert_eq!(
            world.ask(&Request::get(path).bearer(&agent.access_token)).status,
            200,
            "{path}"
        );
    }
}

#[test]
fn no_header_of_a_request_changes_an_address() {
    let world = World::with(&Options { settings: with_key, ..Options::default() }, routes);
    let plain = document(&world);
    let head = format!(
        "GET {PATH} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
         X-Forwarded-Proto: http\r\nForwarded: host=evil.example\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(world.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, forged) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(forged).unwrap(), plain);
    let text = plain.to_string();
    assert!(!text.contains("evil.example") && text.contains(ORIGIN));
    for member in ["token_exchange_endpoint", "jwks_uri"] {
        assert!(plain[member].as_str().unwrap().starts_with(&format!("{ORIGIN}/")), "{member}");
    }
}

/// A key pair in a file, as `agentadmit init` leaves it.
static KEY: LazyLock<PathBuf> = LazyLock::new(|| {
    // each test may be a process of its own, and none may read what another is writing
    let name = format!("web-key-{}.pem", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, SigningKey::generate().unwrap().to_pem().unwrap().as_bytes()).unwrap();
    path
});

fn with_key(settings: &mut agentadmit::Settings) {
    settings.private_key_path = Some(KEY.clone());
}

#[test]
fn the_signature_holds_against_the_apps_keys() {
    let world = World::with(&Options { settings: with_key, ..Options::default() }, routes);
    let mut document = document(&world);
    let reply = world.ask(&Request::get(format!("{PATH}/jwks.json")));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    let keys: JwkSet = serde_json::from_value(reply.expect(200)).unwrap();
    assert!(!String::from_utf8_lossy(&reply.body).contains("\"d\""), "nothing private");

    let token = document.as_object_mut().unwrap().remove("signed_metadata").unwrap();
    let token = token.as_str().unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(
        (header.alg, header.typ.as_deref()),
        (Algorithm::RS256, Some("agentadmit-metadata+jwt"))
    );
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    // the app's clock stands in 2023; when the signature ends is looked at below
    rules.validate_exp = false;
    rules.set_issuer(&[ORIGIN]);
    rules.sub = Some(world.app.app_id.clone());
    let mut claims = decode::<Value>(token, &key, &rules).unwrap().claims;

    let members = claims.as_object_mut().unwrap();
    let (iat, exp) = (members.remove("iat").unwrap(), members.remove("exp").unwrap());
    assert_eq!((iat, exp), (json!(1_700_000_000), json!(1_700_086_400)));
    assert!(!members.contains_key("aud") && !members.contains_key("jti"));
    assert_eq!(members.remove("iss"), Some(json!(ORIGIN)));
    assert_eq!(members.remove("sub"), Some(json!(world.app.app_id)));
    assert_eq!(claims, document, "it says of itself what the plain members say");
}

#[test]
fn the_document_is_signed_anew_each_hour() {
    let world = World::with(&Options { settings: with_key, ..Options::default() }, routes);
    let first = document(&world);
    world.clock.advance(std::time::Duration::from_secs(3_599));
    assert_eq!(document(&world), first, "no signature for each reader");
    world.clock.advance(std::time::Duration::from_secs(1));
    assert_ne!(document(&world)["signed_metadata"], first["signed_metadata"]);
}

#[test]
fn without_a_key_pair_there_is_no_signature() {
    let world = World::start(routes);
    let document = document(&world);
    assert!(document.get("signed_metadata").is_none() && document.get("jwks_uri").is_none());
    let keys = world.ask(&Request::get(format!("{PATH}/jwks.json"))).expect(200);
    assert_eq!(keys, json!({"keys": []}));
}
