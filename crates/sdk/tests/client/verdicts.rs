//! What is taken for a yes, what for a no, and what for neither.

use agentadmit::client::Verdict;
use agentadmit::error::Error;
use serde_json::{Value, json};

use crate::cases::{APP, OTHER_APP, json_of, plain, yes, yes_body, yes_but};
use crate::scripted::{self, Act, Scripted};
use crate::support::{Asker, some_token};

/// What both clients make of an answer to a verify for `read:orders`.
async fn outcomes(act: &Act) -> Vec<Result<Verdict, Error>> {
    let mut outcomes = Vec::new();
    let server = Scripted::new([]);
    let mut settings = server.settings();
    settings.app_id = Some(APP.parse().unwrap());
    for (asker, _) in Asker::both(&settings) {
        server.then([act.clone()]);
        outcomes.push(asker.verify(&some_token(), Some("read:orders")).await);
    }
    assert_eq!(server.counts().1, 2, "each asked once: {act:?}");
    outcomes
}

#[tokio::test]
async fn a_whole_answer_about_us_is_a_yes() {
    let json = "application/json; charset=utf-8";
    let body = yes_body().to_string();
    let with_charset = scripted::answer("200 OK", &format!("Content-Type: {json}\r\n"), &body);
    let (one, two) = body.split_at(100);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: {json}\r\n\r\n\
         64;x=y\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\nsome: trailer\r\n\r\n",
        two.len()
    );
    let until_end = format!("HTTP/1.0 200 OK\r\ncontent-type: {json}\r\n\r\n{body}");
    let after_interim =
        [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec(), with_charset.clone()];
    for act in [
        yes(),
        Act::Say(with_charset),
        Act::Say(chunked.into_bytes()),
        Act::SayAndClose(until_end.into_bytes()),
        Act::Say(after_interim.concat()),
    ] {
        for outcome in outcomes(&act).await {
            let Ok(Verdict::Allowed(agent)) = outcome else { panic!("{act:?}: {outcome:?}") };
            assert_eq!(agent.user_id.as_str(), "u1");
        }
    }
}

#[tokio::test]
async fn a_403_with_a_boolean_is_a_no() {
    let full = json!({
        "error": "insufficient_scope", "error_description": "no", "request_id": "r", "active": true,
        "required_scope": "read:orders", "granted_scopes": ["write:orders"], "audit_id": "evt_1",
    });
    let of_later = json!({"error": "consent_denied", "error_description": "x", "active": true});
    for (body, active, code) in [
        (full, true, "insufficient_scope"),
        (of_later, true, "consent_denied"),
        (
            json!({"active": false, "error": "invalid_token", "reason": "new"}),
            false,
            "invalid_token",
        ),
        (json!({"active": false}), false, ""),
    ] {
        for outcome in outcomes(&json_of("403 Forbidden", &body)).await {
            let Ok(Verdict::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
            assert_eq!((refusal.active, refusal.error.as_str()), (active, code));
        }
    }
}

#[tokio::test]
async fn what_is_not_exactly_a_yes_is_none() {
    let without = |member: &str| {
        let mut body = yes_body();
        body.as_object_mut().unwrap().remove(member);
        body
    };
    let mut twice = yes_body().to_string();
    twice.insert_str(1, r#""active":true,"#);
    let json = "content-type: application/json\r\n";
    let mut acts = vec![
        Act::Say(scripted::answer("200 OK", "", &yes_body().to_string())),
        Act::Say(scripted::answer(
            "200 OK",
            "content-type: text/json\r\n",
            &yes_body().to_string(),
        )),
        Act::Say(scripted::answer("200 OK", json, &twice)),
        Act::Say(scripted::answer("200 OK", json, "")),
        Act::Say(scripted::answer("204 No Content", json, "")),
        plain("200 OK"),
        json_of("201 Created", &yes_body()),
        json_of("500 Internal Server Error", &yes_body()),
        json_of("403 Forbidden", &json!({"active": "false", "error": "invalid_token"})),
        json_of("403 Forbidden", &json!({"active": null, "error": "invalid_token"})),
        json_of("403 Forbidden", &json!({"error": "invalid_token", "error_description": "x"})),
        plain("403 Forbidden"),
        plain("418 I'm a teapot"),
        json_of(
            "422 Unprocessable",
            &json!({"error": "invalid_request", "error_description": "x"}),
        ),
    ];
    let spoilt = [
        yes_but("active", json!("true")),
        yes_but("active", json!(1)),
        yes_but("active", json!(false)),
        yes_but("active", Value::Null),
        yes_but("scopes", json!(["write:orders"])),
        yes_but("scopes", json!("read:orders")),
        yes_but("audit_id", json!("none")),
        without("active"),
        without("app_id"),
        without("environment"),
        json!({"active": true}),
        json!([yes_body()]),
    ];
    acts.extend(spoilt.iter().map(|body| json_of("200 OK", body)));
    for act in acts {
        for outcome in outcomes(&act).await {
            let Err(Error::ServiceUnavailable(error)) = outcome else {
                panic!("{act:?}: {outcome:?}")
            };
            assert_eq!(error.retry_after, None, "{act:?}");
        }
    }
}

#[tokio::test]
async fn the_apps_own_mistake_is_told_from_a_service_that_is_down() {
    let redirect = "location: https://elsewhere.example/v1/verify\r\n";
    let forbidden = json!({"error": "forbidden", "error_description": "x", "request_id": "r"});
    for (act, says) in [
        (json_of("401 Unauthorized", &json!({"error": "invalid_api_key"})), "the API key"),
        (plain("401 Unauthorized"), "the API key"),
        (Act::Say(scripted::json("302 Found", redirect, &yes_body())), "redirect"),
        (Act::Say(scripted::json("307 Temporary Redirect", redirect, &json!({}))), "redirect"),
        (plain("404 Not Found"), "no AgentAdmit service"),
        (json_of("403 Forbidden", &forbidden), "permissions"),
        (json_of("200 OK", &yes_but("app_id", json!(OTHER_APP))), "app_id"),
        (json_of("200 OK", &yes_but("environment", json!("live"))), "live"),
    ] {
        for outcome in outcomes(&act).await {
            let Err(Error::Configuration(error)) = outcome else { panic!("{act:?}: {outcome:?}") };
            assert!(error.to_string().contains(says), "{act:?}: {error}");
        }
    }
}

#[tokio::test]
async fn what_breaks_http_is_no_answer() {
    let json = "content-type: application/json\r\n";
    let body = yes_body().to_string();
    let length = body.len();
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{json}{fields}\r\n").into_bytes();
    let with_body = |fields: &str| [head(fields), body.clone().into_bytes()].concat();
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n{body}", "x: y\r\n".repeat(65));
    let chunk = |size: &str| {
        [head("transfer-encoding: chunked\r\n"), format!("{size}\r\n{body}\r\n0\r\n\r\n").into()]
            .concat()
    };
    let half = with_body(&format!("content-length: {length}\r\n"));
    for act in [
        Act::SayAndClose(b"garbage\r\n\r\n".to_vec()),
        Act::SayAndClose(b"\x16\x03\x01\x02\x00".to_vec()),
        Act::SayAndClose(b"HTTP/2 200 OK\r\n\r\n".to_vec()),
        Act::SayAndClose(half[..half.len() - 1].to_vec()),
        Act::SayAndClose(half[..30].to_vec()),
        Act::SayAndClose(half[..1].to_vec()),
        Act::SayAndClose(chunk(&format!("{:x}", length + 1))),
        Act::SayAndClose(chunk(&format!("{:x}", length - 1))),
        Act::SayAndClose(chunk("-5")),
        Act::SayAndClose(chunk("fffffffffffffffff")),
        Act::Say(chunk("7fffffffffffffff")),
        Act::Say(with_body("content-length: 99999999999\r\n")),
        Act::Say(with_body(&format!("content-length: {length}\r\ncontent-length: 5\r\n"))),
        Act::Say(with_body(&format!("content-length: +{length}\r\n"))),
        Act::Say(with_body(&format!("content-length: {length}, {length}\r\n"))),
        Act::Say(with_body(&format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"))),
        Act::Say(with_body("transfer-encoding: gzip, chunked\r\n")),
        Act::Say(b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec()),
        Act::Say(many.into_bytes()),
        Act::SayForEver(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Act::SayForEver(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'y'; 4000]),
        Act::SayForEver(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".to_vec()),
    ] {
        for outcome in outcomes(&act).await {
            let Err(Error::ServiceUnavailable(_)) = outcome else { panic!("{act:?}: {outcome:?}") };
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_the_end() {
    let start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n".to_vec();
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000)).into_bytes();
    for (fields, more) in
        [(&b"\r\n"[..], vec![b' '; 0x4000]), (&b"transfer-encoding: chunked\r\n\r\n"[..], chunk)]
    {
        let act = Act::SayForEver([&start[..], fields].concat(), more);
        for outcome in outcomes(&act).await {
            let Err(Error::ServiceUnavailable(error)) = outcome else { panic!("{outcome:?}") };
            assert!(error.cause.contains("too long"), "{error}");
        }
    }
}
