//! Clients that are known by the address of their document.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::browser::Browser;
use super::{
    CALLBACK, asked, exchange, expect_page, parameter, query, refreshed, service, shop, token,
};
use crate::support::{Ask, Reply, Service};

/// A client's server: what it answers, and how often it was asked.
struct Site {
    url: String,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<usize>>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/client.json", listener.local_addr().unwrap());
        let site = Self { url, answer: Arc::default(), asked: Arc::default() };
        site.says(&site.document());
        let (answer, asked) = (Arc::clone(&site.answer), Arc::clone(&site.asked));
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let _head = socket.read(&mut [0; 2_048]).await;
                *asked.lock() += 1;
                let answer = answer.lock().clone();
                let _sent = socket.write_all(&answer).await;
            }
        });
        site
    }

    fn document(&self) -> Value {
        json!({
            "client_id": self.url,
            "client_name": "Planner",
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
        })
    }

    fn says(&self, document: &Value) {
        let body = document.to_string();
        let length = body.len();
        self.answers(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        ));
    }

    fn answers(&self, answer: String) {
        *self.answer.lock() = answer.into_bytes();
    }
}

async fn authorize(service: &Service, client: &str) -> Reply {
    let path = format!("/oauth/authorize?{}", query(&asked(client, &[])));
    service.ask(Ask::get(&path)).await
}

#[tokio::test]
async fn a_client_needs_no_registration() {
    let service = service();
    let app = shop(&service).await;
    let site = Site::start().await;
    let mut browser = Browser::default();
    let id = browser.begin(&app, &asked(&site.url, &[])).await;
    let path = Browser::bound(&app, &id, "u1").await;
    let page = browser.continues(&service, &path).await;
    let shown = browser.get(&service, &page).await;
    let html = String::from_utf8_lossy(&shown.body).into_owned();
    assert!(html.contains("It is known by its address: 127.0.0.1"), "{html}");
    assert!(!html.contains("Nobody has checked"), "{html}");
    let back = browser.decides(&service, &page, super::browser::YES).await;
    let code = parameter(&back, "code");
    let tokens = token(&service, &exchange(&site.url, &code)).await;
    tokens.expect(200);
    assert_eq!(*site.asked.lock(), 1, "the document is kept for a while");
    // its server is down, and it goes on with what it has; nobody new is asked
    site.answers("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
    service.clock.advance(Duration::from_mins(10));
    refreshed(&app, &site.url, &tokens.text("refresh_token")).await.expect(200);
    expect_page(&authorize(&service, &site.url).await, 503);
    // a client that says from now on that it signs must sign
    let mut signs = site.document();
    signs["token_endpoint_auth_method"] = json!("private_key_jwt");
    signs["jwks"] = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    site.says(&signs);
    refreshed(&app, &site.url, &tokens.text("refresh_token"))
        .await
        .expect_error(401, "invalid_client");
}

#[tokio::test]
async fn a_document_must_be_its_own_and_right() {
    let service = service();
    let _app = shop(&service).await;
    for (name, value) in [
        ("client_id", json!("https://client.example/client.json")),
        ("client_id", Value::Null),
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["https://client.example/other"])),
        ("redirect_uris", json!(["http://client.example/cb"])),
        ("redirect_uris", json!("x")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("client_secret", json!("x")),
        ("client_name", json!("\u{202e}")),
        ("jwks_uri", json!({})),
    ] {
        let site = Site::start().await;
        let mut document = site.document();
        document[name] = value.clone();
        site.says(&document);
        // from another address each, so that no limit answers instead
        let path = format!("/oauth/authorize?{}", query(&asked(&site.url, &[])));
        let reply = service.ask(Ask::get(&path)).await;
        expect_page(&reply, 400);
        service.clock.advance(Duration::from_mins(1));
    }
}

/// What no document may do to the service, as a client's browser sees it. The fetcher's own tests play
/// it against sockets: here it is that the routes use it, and that nothing of an answer is repeated.
#[tokio::test]
async fn an_address_that_a_stranger_named_leads_nowhere_else() {
    // the service as it is served: this machine is out of reach, too
    let service = Service::start();
    let _app = shop(&service).await;
    for client in [
        "https://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254/latest/meta-data/",
        "https://[::ffff:127.0.0.1]/client.json",
        "https://[::ffff:7f00:1]/client.json",
        "https://[::1]/client.json",
        "https://0x7f.1/client.json",
        "https://2130706433/client.json",
        "https://127.0.0.1/client.json",
        "http://127.0.0.1/client.json",
        "https://localhost/client.json",
        "https://10.0.0.1/client.json",
        "https://192.168.0.1/client.json",
        "https://user:pass@client.example/client.json",
        "https://client.example/client.json#x",
        "https://client.example/a/../client.json",
        "https://client.example/",
        "https://client.example",
        "file:///etc/passwd",
    ] {
        let reply = authorize(&service, client).await;
        expect_page(&reply, 400);
        let form = exchange(client, "x");
        token(&service, &form).await.expect_error(401, "invalid_client");
        service.clock.advance(Duration::from_mins(1));
    }
    // this machine is named by somebody who may: it answers what no document is
    let service = super::service();
    let _app = shop(&service).await;
    let secret = "internal: 4711";
    for (answer, status) in [
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(), 400),
        (format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{secret}"), 400),
        (format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{secret}"), 400),
        (
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{{\"x\":\"{}\"}}",
                "y".repeat(6 * 1_024)
            ),
            400,
        ),
        ("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(), 503),
        ("nonsense\r\n\r\n".to_owned(), 503),
    ] {
        let site = Site::start().await;
        site.answers(answer);
        let reply = authorize(&service, &site.url).await;
        expect_page(&reply, status);
        assert!(!String::from_utf8_lossy(&reply.body).contains(secret), "{reply}");
    }
}

#[tokio::test]
async fn an_address_names_ten_clients_that_cannot_be_had_in_a_minute() {
    let service = Service::start();
    let _app = shop(&service).await;
    for number in 0..10 {
        let client = format!("https://127.0.0.1/{number}.json");
        expect_page(&authorize(&service, &client).await, 400);
    }
    let reply = authorize(&service, "https://127.0.0.1/10.json").await;
    expect_page(&reply, 429);
    assert_eq!(reply.header("retry-after"), "60");
}
