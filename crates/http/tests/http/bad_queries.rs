//! The bad input table, addresses: queries are 400 with the parameter's name, ids are 404.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Ask, Reply, Service};

/// A route with a query, and values that its parameters must not have.
struct Route {
    family: &'static str,
    path: String,
    parameters: Vec<(&'static str, &'static str, &'static [&'static str])>,
}

const LIMITS: &[&str] = &[
    "0",
    "-1",
    "1001",
    "01",
    "00",
    "-0",
    "%2B1",
    "+1",
    "1.5",
    "1e2",
    "0x10",
    "1_0",
    "1,0",
    "x",
    "null",
    "NaN",
    "99999999999999999999",
    "1%20",
    "1%00",
    "%D9%A1",
    "%E2%88%921",
    "%201",
    "1;",
    "1k",
    "1..2",
    "ten",
    "1%",
];
const CURSORS: &[&str] = &[
    "%20", "a.b", "!", "x", "AAAA", "Y29ubg", "bA", "YwAA", "YQ%3D%3D", "a+b", "a%2Fb", "%00",
    "%ff", "%zz", LONG,
];
const USERS: &[&str] = &[
    "%00",
    "%0a",
    "%09",
    "%1b",
    "%7f",
    "%c2%85",
    "%ff",
    "%c3%28",
    "%ed%a0%80",
    "%c0%af",
    "%",
    "%4",
    "%zz",
    "%u0041",
    "100%",
    LONG,
];
const STATUSES: &[&str] = &[
    "Active",
    "ACTIVE",
    "ended",
    "all",
    "*",
    "null",
    "active,revoked",
    "1",
    "%61ctive%20",
    "activ",
    "[active]",
    "%22active%22",
    "%EF%BB%BFactive",
    "pending,",
    "true",
    "+active",
    "active%00",
    "active%0a",
    "%ff",
];
/// Longer than any parameter may be.
const LONG: &str = match std::str::from_utf8(&[b'a'; 520]) {
    Ok(text) => text,
    Err(_) => "",
};
const IDS: &[&str] =
    &["x", "conn_", "conn_8zzzzzzzzzzzzzzzzzzzzzzzzz", "CONN_00000000000000000000000000", "app_x"];
const EVENTS: &[&str] = &["Verified", "all", "verify", "verified,refused", "*"];
const TIMES: &[&str] =
    &["now", "2026-11-22", "2026-13-01T00:00:00Z", "1795348800", "2026-11-22T12:00:00"];
const DAYS: &[&str] = &["today", "2026-11-31", "20261122", "2026-1-2", "1"];
const SERIES: &[&str] = &["0", "93", "-1", "01", "1.5", "x", "1e1", "256", "%2B1"];
const FORMATS: &[&str] = &["json", "NDJSON", "xml", "csv,ndjson"];
const ACTORS: &[&str] =
    &["key", "key:", "System", "system:", "user:u1", "key:op_00000000000000000000000000", "%00"];
const OUTCOMES: &[&str] = &["Allowed", "ok", "refused,done", "1"];
const ENVIRONMENTS: &[&str] = &["Live", "prod", "both", "1"];

fn routes(app_id: &str) -> Vec<Route> {
    let page = [("limit", "1", LIMITS), ("cursor", "", CURSORS)];
    let filters: [(&str, &str, &[&str]); 8] = [
        ("connection_id", "conn_00000000000000000000000000", IDS),
        ("user_id", "u", USERS),
        ("event", "verified", EVENTS),
        ("actor", "system", ACTORS),
        ("outcome", "refused", OUTCOMES),
        ("reason", "malformed", USERS),
        ("from", "2026-11-22T00:00:00Z", TIMES),
        ("to", "2026-11-22T00:00:00Z", TIMES),
    ];
    let connections = [("user_id", "u", USERS), ("status", "active", STATUSES)];
    let app = ("app_id", app_id_of(), IDS);
    let environment = ("environment", "live", ENVIRONMENTS);
    let join = |parts: &[&[(&'static str, &'static str, &'static [&'static str])]]| parts.concat();
    let route =
        |family, path: &str, parameters| Route { family, path: path.to_owned(), parameters };
    let format = [("format", "csv", FORMATS)];
    let days = [("from", "2026-11-01", DAYS), ("to", "2026-11-22", DAYS)];
    vec![
        route("connections", "/v1/connections", join(&[&connections, &page])),
        route("audit and usage", "/v1/audit", join(&[&filters, &page])),
        route("audit and usage", "/v1/audit/export", join(&[&filters, &format])),
        route("audit and usage", "/v1/usage", days.to_vec()),
        route("operator API", "/v1/operator/apps", page.to_vec()),
        route("operator API", "/v1/operator/accounts", page.to_vec()),
        route(
            "operator API",
            "/v1/operator/overview",
            vec![("days", "1", SERIES), ("environment", "live", ENVIRONMENTS)],
        ),
        route(
            "operator API",
            "/v1/operator/users",
            vec![("limit", "1", LIMITS), ("prefix", "u", USERS), ("after", "u", USERS)],
        ),
        route(
            "operator API",
            &format!("/v1/operator/apps/{app_id}/scopes"),
            vec![("environment", "live", ENVIRONMENTS)],
        ),
        route("operator API", "/v1/operator/connections", join(&[&connections, &page, &[app]])),
        route("operator API", "/v1/operator/audit", join(&[&filters, &page, &[app]])),
        route("operator API", "/v1/operator/audit/export", join(&[&filters, &format])),
        route(
            "operator API",
            &format!("/v1/operator/apps/{app_id}/usage"),
            join(&[&days, &[environment]]),
        ),
    ]
}

/// Any app's id: a filter may name one that is not there.
const fn app_id_of() -> &'static str {
    "app_00000000000000000000000000"
}

struct Table<'s> {
    service: &'s Service,
    app: String,
    operator: String,
    tried: BTreeMap<&'static str, usize>,
}

impl Table<'_> {
    async fn get(&self, path: &str) -> Reply {
        let credential = if path.contains("/operator/") { &self.operator } else { &self.app };
        self.service.ask(Ask::get(path).bearer(credential)).await
    }

    async fn expect(&mut self, route: &Route, query: &str, field: &str) {
        let path = format!("{}?{query}", route.path);
        let reply = self.get(&path).await;
        let found = (reply.status, reply.text("error"), reply.text("field"));
        let expected = (400, "invalid_request".to_owned(), field.to_owned());
        assert_eq!(found, expected, "{path}: {reply}");
        *self.tried.entry(route.family).or_default() += 1;
    }

    async fn route(&mut self, route: &Route) {
        for (name, good, bad) in &route.parameters {
            self.expect(route, &format!("{name}="), name).await;
            self.expect(route, name, name).await;
            if !good.is_empty() {
                self.expect(route, &format!("{name}={good}&{name}={good}"), name).await;
                self.expect(route, &format!("{name}={good}&{name}="), name).await;
                let shouted = name.to_uppercase();
                self.expect(route, &format!("{shouted}={good}"), &shouted).await;
                self.expect(route, &format!("{name}[]={good}"), &format!("{name}[]")).await;
            }
            for value in *bad {
                self.expect(route, &format!("{name}={value}"), name).await;
            }
        }
        for (query, field) in
            [("nonsense=1", "nonsense"), ("limits=1", "limits"), ("a=1&a=2", "a"), ("=1", "")]
        {
            self.expect(route, query, field).await;
        }
    }
}

#[tokio::test]
async fn every_bad_query_is_refused_and_its_parameter_named() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let (_, operator) = service.operator(&json!({})).await;
    let mut table =
        Table { service: &service, app: app.live.clone(), operator, tried: BTreeMap::new() };
    for route in routes(&app.app_id) {
        table.get(&route.path).await.expect(200);
        table.route(&route).await;
    }
    assert_eq!(table.tried.len(), 3, "{:?}", table.tried);
    assert!(table.tried.values().all(|tried| *tried >= 100), "{:?}", table.tried);
}

#[tokio::test]
async fn bounds_that_contradict_each_other_are_named() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    for (path, field) in [
        ("/v1/usage?from=2026-11-22&to=2026-11-21", "to"),
        ("/v1/usage?from=2024-01-01&to=2026-11-22", "to"),
    ] {
        assert_eq!(
            app.ask(Ask::get(path)).await.expect_error(400, "invalid_request")["field"],
            field
        );
    }
    let environment =
        service.local("GET", "/v1/operator/audit?environment=live", &Value::Null).await;
    assert_eq!(environment.expect_error(400, "invalid_request")["field"], "app_id");
}

#[tokio::test]
async fn a_query_where_none_belongs_is_refused() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let connection = format!("/v1/connections/{}", granted.connection_id);
    let scopes = format!("/v1/apps/{}/scopes", app.app_id);
    for path in [
        connection,
        scopes,
        format!("/v1/apps/{}/jwks", app.app_id),
        "/v1/audit/keys".to_owned(),
        "/v1/credential".to_owned(),
    ] {
        let reply = app.ask(Ask::get(&format!("{path}?user_id=u2"))).await;
        if path == "/v1/audit/keys" || path.ends_with("jwks") {
            assert_eq!(reply.status, 400, "{path}: {reply}");
        }
        assert_eq!(reply.expect_error(400, "invalid_request")["field"], "user_id", "{path}");
    }
    let (_, operator) = service.operator(&json!({})).await;
    let health = Ask::get("/v1/operator/health?user_id=u2").bearer(&operator);
    let refused = service.ask(health).await.expect_error(400, "invalid_request");
    assert_eq!(refused["field"], "user_id");
    let body = json!({"token": granted.access_token});
    let verify = app.ask(Ask::post("/v1/verify?scope_used=orders:write", &body)).await;
    assert_eq!(verify.expect_error(400, "invalid_request")["field"], "scope_used");
}

#[tokio::test]
async fn what_is_no_id_is_not_found() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let (_, operator) = service.operator(&json!({})).await;
    let templates = [
        ("GET", "/v1/connections/{}", "conn"),
        ("DELETE", "/v1/connections/{}", "conn"),
        ("GET", "/v1/apps/{}/scopes", "app"),
        ("GET", "/v1/apps/{}/jwks", "app"),
        ("GET", "/v1/operator/apps/{}", "app"),
        ("DELETE", "/v1/operator/apps/{}", "app"),
        ("GET", "/v1/operator/apps/{}/api-keys", "app"),
        ("GET", "/v1/operator/apps/{}/scopes", "app"),
        ("GET", "/v1/operator/connections/{}", "conn"),
        ("DELETE", "/v1/operator/operators/{}", "op"),
        ("POST", "/v1/operator/operators/{}/rotate", "op"),
        ("GET", "/v1/operator/apps/{}/members", "app"),
        ("GET", "/v1/operator/apps/{}/invites", "app"),
        ("DELETE", "/v1/operator/accounts/{}", "acct"),
        ("DELETE", "/v1/operator/accounts/invites/{}", "inv"),
        ("POST", "/v1/operator/accounts/{}/suspend", "acct"),
    ];
    for (method, template, prefix) in templates {
        for id in [
            "x".to_owned(),
            prefix.to_owned(),
            format!("{prefix}_"),
            format!("{prefix}_0000000000000000000000000"),
            format!("{prefix}_000000000000000000000000000"),
            format!("{prefix}_00000000000000000000000000"),
            format!("{prefix}_8zzzzzzzzzzzzzzzzzzzzzzzzz"),
            format!("{prefix}_0000000000000000000000000i"),
            format!("{}_00000000000000000000000000", prefix.to_uppercase()),
            format!("{prefix}-00000000000000000000000000"),
            "key_00000000000000000000000000".to_owned(),
            "%00".to_owned(),
            "%ff".to_owned(),
            "%2e%2e".to_owned(),
            "'%20OR%201=1".to_owned(),
        ] {
            let path = template.replace("{}", &id);
            let credential = if path.contains("/operator/") { &operator } else { &app.live };
            let reply = service.ask(Ask::new(method, &path).bearer(credential)).await;
            assert_eq!(
                (reply.status, reply.text("error").as_str()),
                (404, "not_found"),
                "{method} {path}: {reply}"
            );
        }
    }
}
