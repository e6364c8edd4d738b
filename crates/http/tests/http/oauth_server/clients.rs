//! How clients prove who they are.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{CALLBACK, asked, exchange, service, shop, token};
use crate::support::{Ask, ISSUER, Reply, Service, unknown};
use agentadmit_protocol::secret::SecretKind;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn register(service: &Service, body: &Value) -> Reply {
    let reply = service.ask(Ask::post("/oauth/register", body)).await;
    reply.expect(201);
    reply
}

/// Pushing a request is a question that wants a client and nothing else.
async fn push(service: &Service, pairs: &[(&str, &str)], authorization: Option<&str>) -> Reply {
    let ask = Ask::new("POST", "/oauth/par").form(pairs);
    let ask = match authorization {
        Some(value) => ask.header("authorization", value),
        None => ask,
    };
    service.ask(ask).await
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[tokio::test]
async fn a_secret_is_shown_in_exactly_one_place() {
    let service = service();
    let app = shop(&service).await;
    let made = register(&service, &json!({"redirect_uris": [CALLBACK]})).await;
    let other = register(&service, &json!({"redirect_uris": [CALLBACK]})).await;
    let (id, secret) = (made.text("client_id"), made.text("client_secret"));
    let plain = asked(&id, &[]);
    let with_secret =
        |secret: &'static str| [plain.clone(), vec![("client_secret", secret)]].concat();
    let posted: Vec<(&str, &str)> = [plain.clone(), vec![("client_secret", &secret)]].concat();
    push(&service, &posted, None).await.expect(201);
    push(&service, &plain, Some(&basic(&id, &secret))).await.expect(201);
    let without_id = asked("", &[]);
    push(&service, &without_id, Some(&basic(&id, &secret))).await.expect(201);

    let unheard = unknown(SecretKind::ClientSecret);
    for (pairs, authorization) in [
        (plain.clone(), None),
        (with_secret("nonsense"), None),
        (plain.clone(), Some(basic(&id, &unheard))),
        (plain.clone(), Some(basic(&id, &other.text("client_secret")))),
        (plain.clone(), Some(basic(&other.text("client_id"), &secret))),
        (plain.clone(), Some(basic(&id, ""))),
        (plain.clone(), Some(format!("Bearer {secret}"))),
        (plain.clone(), Some(format!("Bearer {}", app.live))),
        (plain.clone(), Some("Digest x".to_owned())),
    ] {
        let reply = push(&service, &pairs, authorization.as_deref()).await;
        reply.expect_error(401, "invalid_client");
    }
    let both = push(&service, &posted, Some(&basic(&id, &secret))).await;
    both.expect_error(400, "invalid_request");
    // the user is asked all the same, and the secret is wanted for the tokens
    let code = super::code(&app, &id).await;
    token(&service, &exchange(&id, &code)).await.expect_error(401, "invalid_client");
    let form = [exchange(&id, &code), vec![("client_secret", secret.as_str())]].concat();
    let tokens = token(&service, &form).await;
    tokens.expect(200);
    super::refreshed(&app, &id, &tokens.text("refresh_token"))
        .await
        .expect_error(401, "invalid_client");
    // a public client shows none
    let public = super::registered(&service, json!({})).await;
    let shown = [asked(&public, &[]), vec![("client_secret", secret.as_str())]].concat();
    push(&service, &shown, None).await.expect_error(401, "invalid_client");
}

struct Signer {
    key: Ed25519KeyPair,
}

impl Signer {
    fn new(byte: u8) -> Self {
        Self { key: Ed25519KeyPair::from_seed_unchecked(&[byte; 32]).unwrap() }
    }

    fn jwks(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key().as_ref());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one", "use": "sig"}]})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn a_signature_counts_once_for_this_service_and_now() {
    let service = service();
    let _app = shop(&service).await;
    let signer = Signer::new(7);
    let body = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": signer.jwks(),
    });
    let id = register(&service, &body).await.text("client_id");
    let now = service.engine.wall().as_millis() / 1_000;
    let header = json!({"alg": "EdDSA", "kid": "one", "typ": "JWT"});
    let claims = json!({
        "iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 3_600, "jti": "0123456789abcdef",
    });
    let change = |base: &Value, name: &str, value: Value| {
        let mut changed = base.clone();
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = value;
        }
        changed
    };
    let send = async |jwt: &str| {
        let shown = [("client_assertion", jwt), ("client_assertion_type", JWT_BEARER)];
        push(&service, &[asked(&id, &[]), shown.to_vec()].concat(), None).await
    };
    // each claim, one at a time, in an assertion that is otherwise good
    for (name, value) in [
        ("iss", json!("https://client.example/other")),
        ("sub", json!("u1")),
        ("aud", json!("https://other.example")),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", json!([ISSUER, "https://other.example"])),
        ("aud", Value::Null),
        ("exp", json!(now - 30)),
        ("exp", json!(now + 3_631)),
        ("exp", json!("soon")),
        ("exp", Value::Null),
        ("iat", json!(now + 31)),
        ("nbf", json!(now + 31)),
        ("jti", json!("short")),
        ("jti", Value::Null),
    ] {
        let jwt = signer.sign(&header, &change(&claims, name, value.clone()));
        let reply = send(&jwt).await;
        assert_eq!(
            (reply.status, reply.text("error").as_str()),
            (401, "invalid_client"),
            "{name}={value}: {reply}"
        );
    }
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("kid", json!("two")),
        ("typ", json!("at+jwt")),
        ("crit", json!(["x"])),
    ] {
        let jwt = signer.sign(&change(&header, name, value.clone()), &claims);
        let reply = send(&jwt).await;
        assert_eq!(
            (reply.status, reply.text("error").as_str()),
            (401, "invalid_client"),
            "{name}={value}: {reply}"
        );
    }
    let forged = Signer::new(8).sign(&header, &claims);
    let good = signer.sign(&header, &claims);
    let (claimed, _) = good.rsplit_once('.').unwrap();
    for jwt in
        [forged, format!("{claimed}."), claimed.to_owned(), "a.b.c".to_owned(), "x".repeat(5_000)]
    {
        send(&jwt).await.expect_error(401, "invalid_client");
    }
    // nothing at all, and a secret instead
    push(&service, &asked(&id, &[]), None).await.expect_error(401, "invalid_client");
    let secret = unknown(SecretKind::ClientSecret);
    push(&service, &asked(&id, &[]), Some(&basic(&id, &secret)))
        .await
        .expect_error(401, "invalid_client");
    let untyped = [asked(&id, &[]), vec![("client_assertion", good.as_str())]].concat();
    push(&service, &untyped, None).await.expect_error(400, "invalid_request");

    send(&good).await.expect(201);
    send(&good).await.expect_error(401, "invalid_client");
    // the client is who signed: it need not say so twice; the token endpoint's address is an audience
    // that libraries use
    let endpoint = change(&claims, "aud", json!([format!("{ISSUER}/oauth/token")]));
    let again = signer.sign(&header, &change(&endpoint, "jti", json!("another-one-0001")));
    let shown = [("client_assertion", again.as_str()), ("client_assertion_type", JWT_BEARER)];
    push(&service, &[asked("", &[]), shown.to_vec()].concat(), None).await.expect(201);
}
