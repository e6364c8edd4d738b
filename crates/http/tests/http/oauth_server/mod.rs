//! The authorization server through its front door: every grant, and everything that the negative table
//! of OAuth names.

mod browser;
mod clients;
mod codes;
mod devices;
mod documents;
mod introspection;
mod metadata;
mod refresh;
mod registration;
mod requests;

use agentadmit_fetch::{FetchLimits, Fetcher, Reach};
use agentadmit_http::HttpOptions;
use agentadmit_http::oauth::OAuthOptions;
use serde_json::{Value, json};

use self::browser::Browser;
use crate::support::{App, Ask, ISSUER, Reply, Service};
use agentadmit_engine::WriterOptions;

/// The app's resource, and its own sign-in.
pub(crate) const RESOURCE: &str = "https://shop.example/";
const LOGIN: &str = "https://shop.example/agentadmit/authorize?tab=1";
/// Where the client of these tests is sent back to.
const CALLBACK: &str = "https://client.example/cb";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A service whose documents of clients may lie on this machine.
fn service() -> Service {
    let fetcher = Fetcher::new(FetchLimits::default(), Reach::PublicAndLoopback);
    let oauth = OAuthOptions { registration: true, fetcher };
    Service::with(WriterOptions::default(), HttpOptions { oauth, ..HttpOptions::default() })
}

/// An app that lets OAuth clients in.
pub(crate) async fn shop(service: &Service) -> App<'_> {
    with_resource(service, RESOURCE).await
}

async fn with_resource<'s>(service: &'s Service, resource: &str) -> App<'s> {
    let resources = json!([{"uri": resource, "environment": "live"}]);
    service.app(&json!({"login_url": LOGIN, "resources": resources})).await
}

/// A public client that registered.
pub(crate) async fn registered(service: &Service, more: Value) -> String {
    let mut body = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "client_name": "Planner",
        "grant_types": ["authorization_code", "refresh_token", DEVICE_GRANT],
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = service.ask(Ask::post("/oauth/register", &body)).await;
    made.expect(201);
    made.text("client_id")
}

/// The parameters of an authorization request that is good, with some of them changed; `""` leaves one
/// out.
pub(crate) fn asked<'p>(
    client: &'p str,
    changes: &[(&'p str, &'p str)],
) -> Vec<(&'p str, &'p str)> {
    let mut all = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", "orders:read orders:write"),
        ("state", "s t&te"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", RESOURCE),
    ];
    for (name, value) in changes {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(pair) => pair.1 = value,
            None => all.push((name, value)),
        }
    }
    all.retain(|(_, value)| !value.is_empty());
    all
}

/// The id of a request that a new browser began.
pub(crate) async fn begun(app: &App<'_>, client: &str) -> String {
    Browser::default().begin(app, &asked(client, &[])).await
}

fn query(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The parameters of the address that an answer leads to.
fn location(reply: &Reply) -> (String, Vec<(String, String)>) {
    let url = url::Url::parse(reply.header("location")).unwrap();
    let pairs = url.query_pairs().into_owned().collect();
    let mut base = url;
    base.set_query(None);
    (base.into(), pairs)
}

fn parameter(reply: &Reply, name: &str) -> String {
    let (_, pairs) = location(reply);
    let mut found = pairs.into_iter().filter(|(known, _)| known == name);
    let value = found.next().unwrap_or_default().1;
    assert!(found.next().is_none(), "`{name}` twice: {reply}");
    value
}

/// An error that went back to the client, with `state` and `iss`.
#[track_caller]
fn expect_sent_back(reply: &Reply, error: &str) {
    assert_eq!(reply.status, 303, "{reply}");
    assert_eq!(location(reply).0, CALLBACK, "{reply}");
    assert_eq!(parameter(reply, "error"), error, "{:?}", reply.headers);
    assert_eq!(parameter(reply, "state"), "s t&te");
    assert_eq!(parameter(reply, "iss"), ISSUER);
    assert!(!parameter(reply, "error_description").is_empty());
    assert_eq!(parameter(reply, "code"), "");
}

/// A page of the service's own: nobody was sent anywhere.
#[track_caller]
fn expect_page(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{reply}");
    assert!(!reply.headers.contains_key("location"), "{reply}");
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8", "{reply}");
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{reply}");
    assert_eq!(reply.header("cache-control"), "no-store", "{reply}");
}

async fn token(service: &Service, form: &[(&str, &str)]) -> Reply {
    service.ask(Ask::new("POST", "/oauth/token").form(form)).await
}

/// What a code is exchanged with.
fn exchange<'f>(client: &'f str, code: &'f str) -> Vec<(&'f str, &'f str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

/// A code for a yes to `orders:read`, for an hour.
async fn code(app: &App<'_>, client: &str) -> String {
    let back = Browser::default().granted(app, &asked(client, &[])).await;
    assert_eq!(location(&back).0, CALLBACK, "{back}");
    parameter(&back, "code")
}

/// Tokens for a yes to `orders:read`, for an hour.
async fn tokens(app: &App<'_>, client: &str) -> Reply {
    let code = code(app, client).await;
    let reply = token(app.service, &exchange(client, &code)).await;
    reply.expect(200);
    reply
}

/// The same again with the refresh token.
async fn refreshed(app: &App<'_>, client: &str, refresh_token: &str) -> Reply {
    let form =
        [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", refresh_token)];
    token(app.service, &form).await
}
