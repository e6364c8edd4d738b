//! Resources and authorization servers that want more than they are given.

use serde_json::{Value, json};

use super::hostile::{Liar, answer, document};
use super::person::{Asking, visit};
use crate::support::{Ran, agentadmit};

/// What an honest app with its own authorization server says at a path.
fn honest(own: &str, path: &str) -> Option<Value> {
    Some(match path {
        "/.well-known/agentadmit" => document(own),
        "/.well-known/oauth-protected-resource" => json!({
            "resource": own, "authorization_servers": [own], "scopes_supported": ["read:orders"],
        }),
        "/.well-known/oauth-authorization-server" => json!({
            "issuer": own,
            "authorization_endpoint": format!("{own}/authorize"),
            "token_endpoint": format!("{own}/token"),
            "registration_endpoint": format!("{own}/register"),
            "device_authorization_endpoint": format!("{own}/device"),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        }),
        "/register" => json!({"client_id": "c-1", "token_endpoint_auth_method": "none"}),
        "/device" => json!({
            "device_code": "device-secret", "user_code": "ABCD", "verification_uri":
            "https://elsewhere.example/device", "expires_in": 600, "interval": 1,
        }),
        _ => return None,
    })
}

/// A server that is honest but for these paths.
fn liar(lie: impl Fn(&str, &str) -> Option<Vec<u8>> + Send + 'static) -> Liar {
    Liar::new(move |own, path| {
        let plain = || honest(own, path).map(|said| answer(200, &said));
        lie(own, path).or_else(plain).unwrap_or_else(|| answer(404, &json!({})))
    })
}

/// `connect` with a way, and what it left.
fn connect(url: &str, way: &str) -> (Ran, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = agentadmit();
    command
        .args(["connect", url, way])
        .env("XDG_CONFIG_HOME", folder.path())
        .env("BROWSER", "true");
    let ran = Ran::of(&mut command);
    let kept = std::fs::read_to_string(folder.path().join("agentadmit/credentials.json"));
    (ran, kept.unwrap_or_default())
}

fn away(to: &str, path: &str) -> Vec<u8> {
    format!("HTTP/1.1 307 Away\r\nLocation: {to}{path}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

type Lie = fn(&str) -> Value;

#[test]
fn documents_that_lead_away_are_not_followed() {
    let resource = "/.well-known/oauth-protected-resource";
    let server = "/.well-known/oauth-authorization-server";
    let elsewhere = liar(|_, _| None);
    let lies: [(&str, &str, Lie); 7] = [
        (
            resource,
            "of another resource",
            |own| json!({"resource": "https://bank.example/", "authorization_servers": [own]}),
        ),
        (
            resource,
            "of another resource",
            |own| json!({"resource": format!("{own}/other"), "authorization_servers": [own]}),
        ),
        (
            resource,
            "names no authorization server",
            |own| json!({"resource": own, "authorization_servers": ["http://10.0.0.1/", "file:///etc/passwd"]}),
        ),
        (
            resource,
            "larger than 64 KiB",
            |own| json!({"resource": own, "authorization_servers": [own], "x": "x".repeat(100 << 10)}),
        ),
        (
            server,
            "of another issuer",
            |own| json!({"issuer": "https://honest.example", "token_endpoint": format!("{own}/token")}),
        ),
        // one spelling, and no other
        (
            server,
            "of another issuer",
            |own| json!({"issuer": format!("{own}/"), "token_endpoint": format!("{own}/token")}),
        ),
        (
            server,
            "no token endpoint over https",
            |own| json!({"issuer": own, "token_endpoint": "http://evil.example/token"}),
        ),
    ];
    for (place, words, lie) in lies {
        let liar = liar(move |own, path| (path == place).then(|| answer(200, &lie(own))));
        for way in ["--device", "--browser"] {
            let (ran, kept) = connect(&liar.url, way);
            let ran = ran.exits(1);
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
            assert_eq!(kept, "");
        }
        let heard = liar.heard();
        assert!(!heard.contains("POST"), "{heard}");
    }
    // a redirect is no document
    for place in [resource, server] {
        let to = elsewhere.url.clone();
        let liar = liar(move |_, path| path.starts_with(place).then(|| away(&to, path)));
        let (ran, _) = connect(&liar.url, "--device");
        ran.exits(1);
    }
    assert_eq!(elsewhere.heard(), "");
}

#[test]
fn a_secret_goes_where_the_issuer_says_and_follows_nobody() {
    let elsewhere = liar(|_, _| None);
    for place in ["/register", "/device", "/token"] {
        let to = elsewhere.url.clone();
        let liar = liar(move |_, path| (path == place).then(|| away(&to, path)));
        let (ran, kept) = connect(&liar.url, "--device");
        let ran = ran.exits(1);
        assert!(ran.stderr.contains("307"), "{}", ran.stderr);
        assert!(!kept.contains("access_token"), "{kept}");
    }
    assert_eq!(elsewhere.heard(), "");
}

#[test]
fn what_a_server_says_is_shown_cleaned_and_named_as_its_own() {
    let liar = liar(|_, path| {
        let words = "\u{1b}[2J\u{202e}your device-secret";
        let denied = json!({"error": "x_denied", "error_description": words});
        (path == "/token").then(|| answer(400, &denied))
    });
    let (ran, _) = connect(&liar.url, "--device");
    let ran = ran.exits(1);
    assert!(ran.stderr.contains("https://elsewhere.example/device"), "{}", ran.stderr);
    assert!(ran.stderr.contains("another host"), "{}", ran.stderr);
    assert!(ran.stderr.contains("x_denied") && !ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
}

#[test]
fn an_answer_of_another_server_is_not_used() {
    let cases: [(&str, &str); 4] = [
        ("iss=https%3A%2F%2Fevil.example", "another authorization server"),
        // the honest server promises to say who it is
        ("", "does not say of whom"),
        // its own name in another spelling
        ("iss={own}%2F", "another authorization server"),
        // whose answer it is comes before what it says
        ("iss=https%3A%2F%2Fevil.example&error=access_denied", "another authorization server"),
    ];
    for (more, words) in cases {
        let liar = liar(|_, _| None);
        let folder = tempfile::tempdir().unwrap();
        let mut command = agentadmit();
        command.args(["connect", &liar.url, "--browser"]).env("XDG_CONFIG_HOME", folder.path());
        command.env("BROWSER", "true");
        let mut asking = Asking::start(command);
        let link = asking.line(|line| line.starts_with("http"));
        let link = url::Url::parse(&link).unwrap();
        let one = |name: &str| {
            let mut pairs = link.query_pairs();
            pairs.find(|(known, _)| known == name).unwrap().1.into_owned()
        };
        assert_eq!(one("resource"), liar.url);
        let more = more.replace("{own}", &liar.url.replace(':', "%3A").replace('/', "%2F"));
        let code = if more.contains("error") { "" } else { "code=stolen&" };
        let back = format!("{}?{code}state={}&{more}", one("redirect_uri"), one("state"));
        assert_eq!(visit(&back).status, 200);
        let ran = asking.ran().exits(1);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!liar.heard().contains("/token"), "{}", liar.heard());
    }
}

#[test]
fn a_server_without_pkce_asks_nobody() {
    let liar = liar(|own, path| {
        let mut said = honest(own, path)?;
        said.as_object_mut().unwrap().remove("code_challenge_methods_supported")?;
        Some(answer(200, &said))
    });
    let (ran, _) = connect(&liar.url, "--browser");
    assert!(ran.exits(1).stderr.contains("PKCE"));
}
