//! Forms that a person mends, and forms that nobody could have filled in.

use super::{Browser, ann, form_token, html, opened, shop, yes};
use crate::support::{Ask, Service};

/// What is wrong, the form, and what is said about it.
type Case<'f> = (&'f str, Vec<(&'f str, &'f str)>, &'f str);

#[tokio::test]
async fn what_is_wrong_is_said_beside_it_and_kept() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    let token = form_token(&browser.enter(&service, &session).await);
    let long = "a".repeat(101);
    let cases: [Case<'_>; 6] = [
        ("nothing chosen", yes(&token, &[]), "Choose at least one thing"),
        (
            "no duration",
            vec![("form_token", &token), ("decision", "grant"), ("scope", "orders:read")],
            "Choose for how long",
        ),
        (
            "a duration that is none",
            vec![
                ("form_token", &token),
                ("decision", "grant"),
                ("scope", "orders:read"),
                ("duration", "59"),
            ],
            "Choose for how long",
        ),
        (
            "a long name",
            [yes(&token, &["orders:read"]), vec![("agent_label", &long)]].concat(),
            "at most 100 letters",
        ),
        (
            "a hidden sign",
            [yes(&token, &["orders:read"]), vec![("user_intent", "a\u{202e}b")]].concat(),
            "no hidden signs",
        ),
        ("what was not offered", yes(&token, &["manage:connections"]), "has changed its list"),
    ];
    for (what, form, said) in cases {
        let page = browser.post(&service, &session, &form).await;
        page.expect(422);
        let text = html(&page);
        assert!(text.contains("There is a problem") && text.contains(said), "{what}: {text}");
        assert!(text.contains("<title>There is a problem: "), "{what}");
        for (name, value) in form.iter().filter(|(name, _)| *name == "scope") {
            if *value == "orders:read" {
                assert!(text.contains(r#"value="orders:read" checked"#), "{what}: {name} is kept");
            }
        }
    }
    // a name of several lines is one line
    let form = [yes(&token, &["orders:read"]), vec![("agent_label", " My\r\nagent ")]].concat();
    browser.post(&service, &session, &form).await.expect(200);
    let events = app.ask(Ask::get("/v1/connections")).await.expect(200);
    assert_eq!(events["connections"][0]["agent_label"], "My agent");
}

#[tokio::test]
async fn junk_is_a_page_that_says_so() {
    let service = Service::start();
    let app = shop(&service).await;
    let session = opened(&app, &ann()).await;
    let mut browser = Browser::default();
    browser.enter(&service, &session).await;
    let bodies: [(u16, &str, Vec<u8>); 9] = [
        (400, "application/x-www-form-urlencoded", b"".to_vec()),
        (400, "application/x-www-form-urlencoded", b"\xff\xfe\x00".to_vec()),
        (400, "application/x-www-form-urlencoded", b"decision=%ff".to_vec()),
        (400, "application/x-www-form-urlencoded", b"decision=grant&decision=deny".to_vec()),
        (400, "application/x-www-form-urlencoded", b"decision=grant&admin=1".to_vec()),
        (413, "application/x-www-form-urlencoded", vec![b'a'; 70_000]),
        (415, "application/json", b"{}".to_vec()),
        (415, "text/plain", b"decision=grant".to_vec()),
        (415, "multipart/form-data; boundary=x", b"--x--".to_vec()),
    ];
    for (status, content_type, body) in bodies {
        let ask = Ask::new("POST", &session.page())
            .body(content_type, body)
            .header("sec-fetch-site", "same-origin");
        let page = browser.send(&service, ask).await;
        page.expect(status);
        assert!(html(&page).contains("That could not be read"), "{page}");
    }
    for path in [
        "/consent/x",
        "/consent/%00",
        "/consent/%ff",
        "/consent/cs_",
        "/consent/conn_00000000000000000000000000",
    ] {
        let page = browser.get(&service, path).await;
        assert_eq!(page.status, 404, "{path}");
        let ask = Ask::new("POST", path).form(&[("decision", "deny")]);
        assert_eq!(service.ask(ask).await.status, 404, "{path}");
    }
    let other = service.ask(Ask::new("PUT", &session.page())).await;
    other.expect(405);
}
