//! `private_key_jwt`: the app's own key pair as its credential.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{App, Ask, ISSUER, Service};

/// A key that exists for these tests alone.
const PKCS8: &str = include_str!("test_key.pkcs8.base64");
const MODULUS: &str = include_str!("test_key.n.base64url");
/// 2026-11-22T12:00:00Z, where the clock stands.
pub(crate) const NOW: i64 = 1_795_348_800;

pub(crate) fn sign(header: &Value, claims: &Value) -> String {
    let der = STANDARD.decode(PKCS8.split_whitespace().collect::<String>()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// An app's registered key.
pub(crate) struct Signer {
    kid: String,
    app_id: String,
}

impl Signer {
    /// Registers the key for the live environment.
    pub(crate) async fn new(app: &App<'_>, permissions: &Value) -> Self {
        let key = json!({"kty": "RSA", "n": MODULUS, "e": "AQAB", "environment": "live",
            "permissions": permissions, "alg": "RS256", "use": "sig"});
        let path = format!("/v1/operator/apps/{}/public-keys", app.app_id);
        let put = app.service.local("PUT", &path, &json!({"keys": [key]})).await.expect(200);
        let kid = put["keys"][0]["kid"].as_str().unwrap().to_owned();
        Self { kid, app_id: app.app_id.clone() }
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": "RS256", "kid": self.kid, "typ": "client-authentication+jwt"})
    }

    /// A JWT with the right header.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        sign(&self.header(), claims)
    }

    pub(crate) fn claims(&self, jti: &str) -> Value {
        json!({"iss": self.app_id, "sub": self.app_id, "aud": ISSUER, "iat": NOW, "exp": NOW + 60,
            "jti": jti})
    }
}

pub(crate) fn changed(mut value: Value, member: &str, to: Value) -> Value {
    value[member] = to;
    value
}

const ALL: [&str; 3] = ["verify", "issue", "manage"];

#[tokio::test]
async fn an_assertion_is_good_once() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let signer = Signer::new(&app, &json!(ALL)).await;
    let verify = |jti: &str| {
        let body = json!({"token": granted.access_token});
        Ask::post("/v1/verify", &body).bearer(&sign(&signer.header(), &signer.claims(jti)))
    };
    service.ask(verify("0123456789abcdef")).await.expect(200);
    let again = service.ask(verify("0123456789abcdef")).await;
    again.expect_error(401, "invalid_api_key");
    service.ask(verify("0123456789abcdeF")).await.expect(200);

    for (index, path) in
        ["/v1/connections", "/v1/usage", "/v1/audit", "/v1/audit/export"].iter().enumerate()
    {
        let bearer = sign(&signer.header(), &signer.claims(&format!("jti-of-the-read-{index}")));
        service.ask(Ask::get(path).bearer(&bearer)).await.expect(200);
        service.ask(Ask::get(path).bearer(&bearer)).await.expect_error(401, "invalid_api_key");
    }
    service.clock.advance(Duration::from_secs(95));
    service.ask(verify("0123456789abcdeX")).await.expect_error(401, "invalid_api_key");
}

#[tokio::test]
async fn what_is_not_exactly_an_assertion_is_refused() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let signer = Signer::new(&app, &json!(ALL)).await;
    let (header, claims) = (signer.header(), |jti: &str| signer.claims(jti));
    let text = |index: usize| format!("a jti of its own {index}");
    let mut bad = vec![
        (changed(header.clone(), "alg", json!("HS256")), claims(&text(0))),
        (changed(header.clone(), "alg", json!("none")), claims(&text(1))),
        (changed(header.clone(), "alg", json!("RS512")), claims(&text(2))),
        (changed(header.clone(), "typ", json!("at+jwt")), claims(&text(3))),
        (changed(header.clone(), "kid", json!("other")), claims(&text(4))),
        (changed(header.clone(), "jku", json!("https://x.example")), claims(&text(5))),
        (changed(header.clone(), "crit", json!(["exp"])), claims(&text(6))),
        (changed(header.clone(), "jwk", json!({})), claims(&text(7))),
        (changed(header.clone(), "x5u", json!("https://x.example")), claims(&text(8))),
    ];
    for (member, value) in [
        ("aud", json!([ISSUER])),
        ("aud", json!("https://other.example")),
        ("aud", json!(format!("{ISSUER}/"))),
        ("iss", json!("app_00000000000000000000000000")),
        ("sub", json!("u1")),
        ("exp", json!(NOW + 61)),
        ("exp", json!(NOW - 31)),
        ("iat", json!(NOW + 31)),
        ("iat", json!("now")),
        ("exp", Value::Null),
        ("jti", json!("short")),
        ("jti", json!("x".repeat(129))),
        ("jti", Value::Null),
    ] {
        let claims = changed(claims(&text(bad.len())), member, value);
        bad.push((header.clone(), claims));
    }
    for (header, claims) in &bad {
        let reply = service.ask(Ask::get("/v1/usage").bearer(&sign(header, claims))).await;
        assert_eq!(
            (reply.status, reply.text("error").as_str()),
            (401, "invalid_api_key"),
            "{header} {claims}: {reply}"
        );
    }
    let good = sign(&header, &claims("a jti that is not spent"));
    let (head, tail) = good.rsplit_once('.').unwrap();
    let other_signature = format!("{head}.{}", tail.chars().rev().collect::<String>());
    let reply = service.ask(Ask::get("/v1/usage").bearer(&other_signature)).await;
    reply.expect_error(401, "invalid_api_key");
    service.ask(Ask::get("/v1/usage").bearer(&good)).await.expect(200);
}

#[tokio::test]
async fn a_key_has_an_environment_permissions_and_an_end() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let signer = Signer::new(&app, &json!(["verify"])).await;
    let usage =
        |jti: &str| Ask::get("/v1/usage").bearer(&sign(&signer.header(), &signer.claims(jti)));
    service.ask(usage("0123456789abcdef")).await.expect_error(403, "forbidden");
    let jwks = service.ask(Ask::get(&format!("/v1/apps/{}/jwks", app.app_id))).await.expect(200);
    assert_eq!(
        (&jwks["keys"][0]["kid"], &jwks["keys"][0]["n"]),
        (&json!(signer.kid), &json!(MODULUS))
    );
    let path = format!("/v1/operator/apps/{}/public-keys", app.app_id);
    service.local("PUT", &path, &json!({"keys": []})).await.expect(200);
    service.ask(usage("0123456789abcdeg")).await.expect_error(401, "invalid_api_key");
}

#[tokio::test]
async fn oauth_takes_it_in_the_form() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let signer = Signer::new(&app, &json!(ALL)).await;
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let introspect = |jti: &str, client_id: &str| {
        let assertion = sign(&signer.header(), &signer.claims(jti));
        Ask::new("POST", "/oauth/introspect").form(&[
            ("token", &granted.access_token),
            ("client_id", client_id),
            ("client_assertion", &assertion),
            ("client_assertion_type", kind),
        ])
    };
    let active = service.ask(introspect("0123456789abcdef", &app.app_id)).await.expect(200);
    assert_eq!(active["active"], true);
    let spent = service.ask(introspect("0123456789abcdef", &app.app_id)).await;
    spent.expect_error(401, "invalid_client");
    let other = service.ask(introspect("0123456789abcdeg", "app_other")).await;
    other.expect_error(401, "invalid_client");
}
