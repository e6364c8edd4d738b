//! `POST /oauth/introspect` by an API key as a Bearer, on both ways.

use super::{Ways, is_allowed, request};

fn form(key: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /oauth/introspect HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn every_introspection_is_the_same() {
    let mut ways = Ways::new().await;
    let (key, token) = (ways.fast.key.clone(), format!("token={}", ways.fast.token));
    let bodies = [
        (token.clone(), 200, r#""active":true"#),
        (format!("token={}", ways.fast.revoked), 200, r#"{"active":false}"#),
        (format!("token={}", ways.fast.unexchanged), 200, r#"{"active":false}"#),
        ("token=nonsense".to_owned(), 200, r#"{"active":false}"#),
        (format!("{token}&token_type_hint=access_token&more=1"), 200, r#""active":true"#),
        (token.replace("ag_at_", "ag%5Fat%5F"), 200, r#""active":true"#),
        (format!("{token}&client_id=&client_assertion_type=x"), 200, r#""active":true"#),
        (format!("{token}&client_secret={key}"), 400, "exactly one way"),
        (format!("{token}&client_assertion=a.b.c"), 400, "exactly one way"),
        (format!("{token}&{token}"), 400, "token"),
        (format!("{token}%"), 400, "percent-encoded"),
        (format!("{token}&token_type_hint=%ff"), 400, "percent-encoded"),
        ("token=".to_owned(), 400, "token"),
        (String::new(), 400, "token"),
    ];
    for (body, status, text) in bodies {
        let sent = form(&key, &body);
        let twice = ways.sent(&[sent.as_bytes(), sent.as_bytes()]).await;
        let begin = format!("HTTP/1.1 {status} ");
        let answer = &twice.answers[0];
        assert!(answer.starts_with(&begin) && answer.contains(text), "{body}: {twice:?}");
    }
    let unknown = crate::support::unknown(agentadmit_protocol::secret::SecretKind::ApiKeyLive);
    let refused = ways.sent(&[form(&unknown, &token).as_bytes()]).await;
    assert!(refused.answers[0].contains("invalid_client"), "{refused:?}");
    // one of the other environment sees nothing
    let test = form(&ways.fast.test_key, &token);
    assert!(ways.sent(&[test.as_bytes()]).await.answers[0].contains(r#"{"active":false}"#));
    let many = form(&key, &token).repeat(120);
    assert!(ways.sent(&[many.as_bytes()]).await.answers[0].contains("HTTP/1.1 429 "));
    ways.end();
}

#[tokio::test]
async fn an_introspection_may_be_cut_and_changed_anywhere() {
    let mut ways = Ways::new().await;
    let text = form(&ways.fast.key, &format!("token={}", ways.fast.token));
    for at in 1..text.len() {
        let (first, second) = text.as_bytes().split_at(at);
        assert!(is_allowed(&ways.sent(&[first, second]).await), "{at}");
        for byte in [b"\0", b"\n", b" ", b"0", b"%", b"&", b"=", b"\x80"] {
            let (_, behind) = text.as_bytes().split_at(at + 1);
            ways.sent(&[&[first, byte, behind].concat()]).await;
        }
    }
    for (old, new) in [
        ("/oauth/introspect", "/oauth/introspect?token=x"),
        ("/oauth/introspect", "/api/oauth/introspect"),
        ("application/x-www-form-urlencoded", "application/json"),
        ("application/x-www-form-urlencoded", "Application/X-WWW-Form-UrlEncoded; charset=UTF-8"),
        ("Content-Type: application/x-www-form-urlencoded\r\n", ""),
        ("Authorization: Bearer ", "Authorization: bearer "),
        ("Authorization: Bearer ", "Authorization: Negotiate "),
        ("Host: x\r\n", "Host: x\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        assert!(text.contains(old), "{old}");
        ways.sent(&[text.replacen(old, new, 1).as_bytes()]).await;
    }
    ways.end();
}

/// A head is remembered for the next request of its connection, of whichever route that is.
#[tokio::test]
async fn verifies_and_introspections_take_turns() {
    let mut ways = Ways::new().await;
    let (key, other) = (ways.fast.key.clone(), ways.fast.test_key.clone());
    let good = super::body(&ways.fast.token);
    let asked = format!("token={}", ways.fast.token);
    let longer = good.replace("\"/o\"", "\"/orders\"");
    let texts = [
        request(&key, &good),
        request(&key, &longer),
        request(&other, &good),
        form(&key, &asked),
        form(&key, &format!("{asked}&token_type_hint=")),
        form(&other, &asked),
        request(&key, &format!("{good}{}", " ".repeat(1_000))),
        request(&key, &good).replace("Content-Length: 1", "Content-Length: 0"),
    ];
    for first in &texts {
        for second in &texts {
            let whole = [first.as_str(), second, first].concat();
            ways.sent(&[first.as_bytes(), second.as_bytes(), first.as_bytes()]).await;
            ways.sent(&[whole.as_bytes()]).await;
        }
    }
    ways.end();
}
