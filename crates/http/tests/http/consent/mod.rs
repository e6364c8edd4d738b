//! The hosted consent page over HTTP: opening a session, one browser, one decision, and every attack
//! that a page like this must withstand.

mod attacks;
mod forms;
mod page;
mod sessions;

use serde_json::{Value, json};

use crate::support::{App, Ask, ISSUER, Reply, Service};

/// Where the app of these tests sends its users back to.
const BACK: &str = "https://shop.example/agents?tab=ai";

/// A browser: what it keeps of cookies.
#[derive(Default)]
struct Browser {
    cookie: Option<String>,
}

/// A session and its address.
struct Opened {
    id: String,
    /// Without the service's own address.
    path: String,
}

impl Opened {
    fn page(&self) -> String {
        format!("/consent/{}", self.id)
    }
}

/// A shop whose scopes have categories, one of them sensitive and one an admin's.
async fn shop(service: &Service) -> App<'_> {
    let settings = json!({"redirect_uris": [BACK], "logo_uri": "https://cdn.example/logo.svg"});
    let app = service.app(&settings).await;
    let scopes = json!({"scopes": [
        {"name": "orders:read", "description": "See your orders", "category": "Orders"},
        {"name": "orders:write", "description": "Change your orders", "category": "Orders", "sensitive": true},
        {"name": "files:read", "description": "Read your files"},
        {"name": "manage:connections", "description": "See everybody's agents", "admin": true},
    ]});
    for key in [&app.live, &app.test] {
        let path = format!("/v1/apps/{}/scopes", app.app_id);
        service.ask(Ask::new("PUT", &path).json(&scopes).bearer(key)).await.expect(200);
    }
    app
}

async fn asked(app: &App<'_>, body: &Value) -> Reply {
    app.ask(Ask::post(&format!("/v1/apps/{}/consent-sessions", app.app_id), body)).await
}

async fn opened(app: &App<'_>, body: &Value) -> Opened {
    let answer = asked(app, body).await;
    answer.expect(201);
    let url = answer.text("session_url");
    let path = url.strip_prefix(ISSUER).unwrap().to_owned();
    Opened { id: answer.text("session_id"), path }
}

/// What Ann is asked.
fn ann() -> Value {
    json!({"user_id": "u1", "user_label": "Ann", "return_url": BACK, "purpose": "Plan my week"})
}

impl Browser {
    async fn get(&mut self, service: &Service, path: &str) -> Reply {
        self.send(service, Ask::get(path)).await
    }

    async fn send(&mut self, service: &Service, ask: Ask) -> Reply {
        let ask = match &self.cookie {
            Some(cookie) => ask.header("cookie", cookie),
            None => ask,
        };
        let reply = service.ask(ask).await;
        if let Some(set) = reply.headers.get("set-cookie") {
            let set = set.to_str().unwrap();
            self.cookie = Some(set.split(';').next().unwrap().to_owned());
        }
        reply
    }

    /// Follows the app's link to the page.
    async fn enter(&mut self, service: &Service, opened: &Opened) -> Reply {
        let reply = self.get(service, &opened.path).await;
        reply.expect(303);
        assert_eq!(reply.header("location"), opened.id, "an address without the code");
        let page = self.get(service, &opened.page()).await;
        page.expect(200);
        page
    }

    /// Sends the page's form as a browser does.
    async fn post(&mut self, service: &Service, opened: &Opened, form: &[(&str, &str)]) -> Reply {
        let ask = Ask::new("POST", &opened.page()).form(form).header("origin", "null");
        self.send(service, ask.header("sec-fetch-site", "same-origin")).await
    }
}

/// The token in a page's form.
fn form_token(page: &Reply) -> String {
    between(&html(page), r#"name="form_token" value=""#, "\"")
}

fn html(page: &Reply) -> String {
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{page}");
    String::from_utf8(page.body.clone()).unwrap()
}

fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split_once(after).unwrap().0.to_owned()
}

/// A yes to these scopes for an hour.
fn yes<'f>(token: &'f str, scopes: &[&'f str]) -> Vec<(&'f str, &'f str)> {
    let mut form = vec![("form_token", token), ("decision", "grant"), ("duration", "3600")];
    form.extend(scopes.iter().map(|scope| ("scope", *scope)));
    form
}

/// The token that a page shows.
fn shown_token(page: &Reply) -> String {
    let html = html(page);
    let field = between(&html, r#"<textarea id="token""#, "</textarea>");
    field.split_once('>').unwrap().1.to_owned()
}
