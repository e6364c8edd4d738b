//! The bad input table, bodies: each gets the right 4xx with the member's name. The faults of one
//! member are tried one at a time in a body that is otherwise right.

mod app_routes;
mod dashboard;
mod operator_routes;
mod values;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{App, Ask, Service};

/// A route that reads a JSON body.
#[derive(Clone)]
struct Route {
    family: &'static str,
    method: &'static str,
    path: String,
    /// A body that is right.
    base: Value,
    required: &'static [&'static str],
    /// Values that a member must not have.
    faults: Vec<(&'static str, Vec<Value>)>,
    /// Whole bodies that are wrong, and the member that the answer names.
    bodies: Vec<(Value, &'static str)>,
}

impl Route {
    /// The route of operators that reads the same body, where there is one.
    fn for_operators(&self) -> Option<Self> {
        let is_there = ["PATCH", "PUT"].contains(&self.method);
        let path = self.path.replacen("/v1/", "/v1/operator/", 1);
        is_there.then(|| Self { family: "operator API", path, ..self.clone() })
    }
}

/// Texts that are no JSON: 400.
fn no_json() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "{]",
        "nul",
        "{\"a\"",
        "{\"a\":",
        "{'a':1}",
        "{\"a\":1,}",
        "{a:1}",
        "{} x",
        "{}{}",
        "\u{feff}{}",
        "{\"a\":01}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1 \"b\":2}",
        "{,}",
        "//\n{}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    bodies.push(b"{\"a\":\"\xff\"}".to_vec());
    bodies.push(b"\xc3\x28".to_vec());
    bodies.push(format!("{{\"a\":{}{}}}", "[".repeat(33), "]".repeat(33)).into_bytes());
    bodies.push("[".repeat(10_000).into_bytes());
    bodies
}

struct Table<'s> {
    app: &'s App<'s>,
    operator: String,
    tried: BTreeMap<&'static str, usize>,
}

impl Table<'_> {
    fn request(&self, route: &Route) -> Ask {
        if route.family == dashboard::FAMILY {
            return Ask::new(route.method, &route.path).header("agentadmit-dashboard", "1");
        }
        let credential =
            if route.family == "operator API" { &self.operator } else { &self.app.live };
        Ask::new(route.method, &route.path).bearer(credential)
    }

    async fn expect(
        &mut self,
        route: &Route,
        ask: Ask,
        expected: (u16, &str, Option<&str>),
        what: &str,
    ) {
        let reply = self.app.service.ask(ask).await;
        let body = reply.json();
        let found =
            (reply.status, body["error"].as_str().unwrap_or_default(), body["field"].as_str());
        assert_eq!(found, expected, "{} {} with {what}: {reply}", route.method, route.path);
        *self.tried.entry(route.family).or_default() += 1;
    }

    async fn member(&mut self, route: &Route, body: String, field: &str) {
        let ask = self.request(route).body("application/json", body.clone());
        let shown: String = body.chars().take(200).collect();
        self.expect(route, ask, (422, "invalid_request", Some(field)), &shown).await;
    }

    async fn shapes(&mut self, route: &Route) {
        for body in no_json() {
            let what = String::from_utf8_lossy(&body).chars().take(80).collect::<String>();
            let ask = self.request(route).body("application/json", body);
            self.expect(route, ask, (400, "invalid_request", None), &what).await;
        }
        for body in ["[]", "null", "1", "\"x\"", "true", "[{}]"] {
            self.member(route, body.to_owned(), "").await;
        }
        for media_type in [
            "text/plain",
            "application/xml",
            "application/json; charset=latin1",
            "application/jsonp",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "json",
            "",
        ] {
            let ask = self.request(route).body(media_type, route.base.to_string());
            self.expect(route, ask, (415, "unsupported_media_type", None), media_type).await;
        }
        let twice =
            self.request(route).json(&route.base).header("content-type", "application/json");
        self.expect(route, twice, (415, "unsupported_media_type", None), "two types").await;
        for coding in ["gzip", "br", "deflate", "identity, gzip", "x"] {
            let ask = self.request(route).json(&route.base).header("content-encoding", coding);
            self.expect(route, ask, (415, "unsupported_media_type", None), coding).await;
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(64 * 1024));
        let ask = self.request(route).body("application/json", large);
        self.expect(route, ask, (413, "body_too_large", None), "a large body").await;
    }

    async fn members(&mut self, route: &Route) {
        let base = route.base.as_object().unwrap();
        let write = |members: &[(String, Value)]| {
            let members = members.iter().map(|(name, value)| format!("{}:{value}", json!(name)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        let pairs: Vec<(String, Value)> = base.clone().into_iter().collect();
        for (name, value) in base {
            let mut twice = pairs.clone();
            twice.push((name.clone(), value.clone()));
            self.member(route, write(&twice), name).await;
        }
        for name in ["nonsense", "Token", "__proto__", "constructor", "user-id", " ", "é"] {
            let mut more = pairs.clone();
            more.push((name.to_owned(), json!(1)));
            self.member(route, write(&more), name).await;
        }
        for name in route.required {
            let fewer: Vec<_> = pairs.iter().filter(|(known, _)| known != name).cloned().collect();
            self.member(route, write(&fewer), name).await;
        }
        for (name, values) in &route.faults {
            for value in values {
                let mut wrong = base.clone();
                wrong.insert((*name).to_owned(), value.clone());
                self.member(route, Value::Object(wrong).to_string(), name).await;
            }
        }
        for (body, field) in &route.bodies {
            self.member(route, body.to_string(), field).await;
        }
    }
}

#[tokio::test]
async fn every_bad_body_is_refused_and_its_member_named() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let (_, operator) = service.operator(&json!({})).await;
    let mut table = Table { app: &app, operator, tried: BTreeMap::new() };
    let mut routes = app_routes::routes(&app, &granted.connection_id);
    routes.extend(routes.iter().filter_map(Route::for_operators).collect::<Vec<_>>());
    routes.extend(operator_routes::routes(&app, &granted.connection_id));
    routes.push(dashboard::sign_in());
    routes.extend(dashboard::links());
    for route in routes {
        table.shapes(&route).await;
        table.members(&route).await;
    }
    assert_eq!(table.tried.len(), 8, "{:?}", table.tried);
    assert!(table.tried.values().all(|tried| *tried >= 100), "{:?}", table.tried);
    app.verify(&granted.access_token, "orders:read").await.expect(200);
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_echoed() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    for body in [
        json!({"token": "x", "scope_used": app.live}),
        json!({"token": "x", app.live.clone(): 1}),
        json!({"token": "x", "agent_ip": app.live}),
        json!({"token": [app.live]}),
    ] {
        let reply = app.ask(Ask::post("/v1/verify", &body)).await;
        reply.expect_error(422, "invalid_request");
        assert!(!String::from_utf8_lossy(&reply.body).contains(&app.live), "{reply}");
    }
}

#[tokio::test]
async fn an_idempotency_key_has_its_form() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let (_, token) = app.issue("u1").await;
    let ask = || Ask::post("/v1/token/exchange", &json!({"token": token})).bearer(&app.live);
    let long = "a".repeat(65);
    for key in ["", "short", "a b c d e f g h i j k l m", "ä123456789012345678901", long.as_str()]
    {
        let reply = service.ask(ask().header("idempotency-key", key)).await;
        assert_eq!(reply.expect_error(422, "invalid_request")["field"], "Idempotency-Key", "{key}");
    }
    let key = "0123456789abcdefghijkl";
    let twice = ask().header("idempotency-key", key).header("idempotency-key", key);
    service.ask(twice).await.expect_error(422, "invalid_request");
    let clipped = app.exchange(&token[..40]).await;
    assert_eq!(clipped.expect_error(400, "invalid_request")["field"], "token");
    service.ask(ask().header("idempotency-key", key)).await.expect(200);
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_refused() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let (operator_id, operator) = service.operator(&json!({})).await;
    let connection = format!("/v1/connections/{}", granted.connection_id);
    let rotate = format!("/v1/operator/operators/{operator_id}/rotate");
    for (method, path) in [
        ("DELETE", connection.as_str()),
        ("DELETE", &format!("/api{connection}")),
        ("GET", &connection),
        ("GET", "/v1/connections"),
        ("GET", "/v1/audit/export"),
        ("POST", &rotate),
        ("DELETE", &format!("/v1/operator/apps/{}", app.app_id)),
    ] {
        let credential = if path.contains("/operator/") { &operator } else { &app.live };
        for body in [r#"{"user_id": "u2"}"#, "{}", "x"] {
            let ask = Ask::new(method, path).bearer(credential);
            let reply = service.ask(ask.body("application/json", body)).await;
            let found = (reply.status, reply.text("error"));
            assert_eq!(found, (400, "invalid_request".to_owned()), "{method} {path}: {reply}");
        }
    }
    // no body is none, however it is framed
    let ask = Ask::new("GET", &connection).bearer(&app.live);
    let empty = tokio_stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::new())]);
    let ask = ask.body("application/json", axum::body::Body::from_stream(empty));
    service.ask(ask).await.expect(200);
    service.ask(Ask::new("POST", &rotate).bearer(&operator)).await.expect(201);
}
