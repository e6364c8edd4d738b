//! The routes of apps.

use serde_json::{Map, Value, json};

use super::Route;
use super::values::{array, flag, id, no_text, on_behalf_of, prose, text, time, whole, with_null};
use crate::support::App;

/// Nobody's: a body is read before anything is looked up.
const AUTHORIZATION_REQUEST: &str = "ar_01kb5m4v5ye5rvd0c2tqj3n8xa";

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn routes(app: &App<'_>, connection_id: &str) -> Vec<Route> {
    let scope_lists = [
        "",
        " ",
        "orders",
        "Orders:read",
        "orders:read ",
        " orders:read",
        "orders:read  a:b",
        "orders:read orders:read",
        "orders:read\ta:b",
        "orders:read,a:b",
        "orders:*",
        "*",
        ":read",
        "orders:",
    ];
    vec![
        Route {
            family: "verify",
            method: "POST",
            path: "/v1/verify".to_owned(),
            base: json!({"token": "x", "scope_used": "a:b", "endpoint": "/a", "method": "GET", "agent_ip": "192.0.2.1"}),
            required: &["token"],
            faults: vec![
                ("token", with_null(no_text())),
                ("scope_used", text(4_000, &scope_lists)),
                ("endpoint", text(256, &["/a?b=c", "?", "a\u{202e}"])),
                ("method", text(16, &["get", "GET ", "M-SEARCH", "G T"])),
                (
                    "agent_ip",
                    text(
                        64,
                        &["localhost", "192.0.2.256", "[::1]", "192.0.2.1:80", "fe80::1%eth0"],
                    ),
                ),
            ],
            bodies: vec![],
        },
        Route {
            family: "authorization requests",
            method: "POST",
            path: format!("/v1/apps/{}/authorization-requests/{AUTHORIZATION_REQUEST}", app.app_id),
            base: json!({"user_id": "u", "user_label": "l", "scopes": ["orders:read"], "on_behalf_of": "user:1"}),
            required: &["user_id"],
            faults: vec![
                ("user_id", with_null(text(128, &[]))),
                ("user_label", prose(100)),
                ("scopes", array()),
                ("on_behalf_of", on_behalf_of()),
            ],
            bodies: vec![
                (json!({"user_id": "u", "scopes": ["a:b", "nonsense"]}), "scopes[1]"),
                (json!({"user_id": "u", "scopes": vec!["a:b"; 501]}), "scopes"),
            ],
        },
        Route {
            family: "issue and exchange",
            method: "POST",
            path: format!("/v1/apps/{}/token", app.app_id),
            base: json!({"user_id": "u", "scopes": ["orders:read"], "purpose": "p", "user_intent": "i",
                "user_label": "l", "agent_label": "a", "duration_seconds": 60, "on_behalf_of": "user:1"}),
            required: &["user_id", "scopes"],
            faults: vec![
                ("user_id", with_null(text(128, &[]))),
                ("scopes", with_null(array())),
                ("purpose", prose(300)),
                ("user_intent", prose(300)),
                ("user_label", prose(100)),
                ("agent_label", prose(100)),
                ("duration_seconds", whole()),
                ("until_revoked", flag()),
                ("on_behalf_of", on_behalf_of()),
            ],
            bodies: vec![
                (json!({"user_id": "u", "scopes": [1]}), "scopes[0]"),
                (json!({"user_id": "u", "scopes": ["a:b", "nonsense"]}), "scopes[1]"),
                (json!({"user_id": "u", "scopes": ["a:b", null]}), "scopes[1]"),
                (json!({"user_id": "u", "scopes": vec!["a:b"; 501]}), "scopes"),
            ],
        },
        Route {
            family: "issue and exchange",
            method: "POST",
            path: "/v1/token/exchange".to_owned(),
            base: json!({"token": "x", "agent_label": "a", "agent_ip": "::1"}),
            required: &["token"],
            faults: vec![
                ("token", with_null(no_text())),
                ("agent_label", prose(100)),
                ("agent_ip", text(64, &["localhost"])),
            ],
            bodies: vec![],
        },
        Route {
            family: "revoke and connections",
            method: "POST",
            path: "/v1/revoke".to_owned(),
            base: json!({"user_id": "u", "reason": "r", "on_behalf_of": "admin:1"}),
            required: &[],
            faults: vec![
                ("user_id", text(128, &[])),
                ("reason", prose(300)),
                ("on_behalf_of", on_behalf_of()),
                ("connection_id", id("conn")),
            ],
            bodies: vec![
                (json!({}), "connection_id"),
                (json!({"reason": "r"}), "connection_id"),
                (json!({"connection_id": null, "user_id": null}), "connection_id"),
                (json!({"connection_id": connection_id, "user_id": "u"}), "user_id"),
            ],
        },
        Route {
            family: "revoke and connections",
            method: "PATCH",
            path: format!("/v1/connections/{connection_id}"),
            base: json!({"user_label": "l", "on_behalf_of": "user:1"}),
            required: &[],
            faults: vec![
                ("remove_scopes", array()),
                ("expires_at", time()),
                ("user_label", prose(100)),
                ("on_behalf_of", on_behalf_of()),
            ],
            bodies: vec![
                (json!({"add_scopes": ["orders:write"]}), "add_scopes"),
                (json!({"duration_seconds": 60}), "duration_seconds"),
                (json!({"scopes": []}), "scopes"),
                (json!({"remove_scopes": ["x"]}), "remove_scopes[0]"),
                (json!({"remove_scopes": vec!["a:b"; 501]}), "remove_scopes"),
            ],
        },
        scopes_route(app),
        consent_route(app, connection_id),
    ]
}

fn consent_route(app: &App<'_>, connection_id: &str) -> Route {
    let more = |member: &str, value: Value| json!({"connection_id": connection_id, member: value});
    Route {
        family: "consent sessions",
        method: "POST",
        path: format!("/v1/apps/{}/consent-sessions", app.app_id),
        base: json!({"user_id": "u", "user_label": "l", "scopes": ["orders:read"],
            "preselected": ["orders:read"], "purpose": "p", "locale": "en",
            "prompt_templates": [], "on_behalf_of": "user:1"}),
        required: &["user_id"],
        faults: vec![
            ("user_id", with_null(text(128, &[]))),
            ("user_label", prose(100)),
            ("scopes", array()),
            ("preselected", array()),
            ("add_scopes", array()),
            ("prompt_templates", array()),
            ("purpose", prose(300)),
            ("locale", text(35, &["english", "en_GB", "en-", "e", "*", "en;q=1"])),
            (
                "return_url",
                text(
                    2_048,
                    &["/", "javascript:alert(1)", "http://shop.example/", "https://a.example/#x"],
                ),
            ),
            ("connection_id", id("conn")),
            ("duration_seconds", whole()),
            ("on_behalf_of", on_behalf_of()),
        ],
        bodies: vec![
            (json!({}), "user_id"),
            (json!({"user_id": "u", "scopes": ["nonsense"]}), "scopes[0]"),
            (json!({"user_id": "u", "scopes": vec!["a:b"; 501]}), "scopes"),
            (json!({"user_id": "u", "preselected": ["a:b", 1]}), "preselected[1]"),
            (json!({"user_id": "u", "add_scopes": ["orders:read"]}), "add_scopes"),
            (json!({"user_id": "u", "duration_seconds": 60}), "duration_seconds"),
            (json!({"user_id": "u", "return_url": "https://a.example/"}), "return_url"),
            (
                json!({"user_id": "u", "prompt_templates": [{"name": "n"}]}),
                "prompt_templates[0].text",
            ),
            (
                json!({"user_id": "u", "prompt_templates": [{"name": "", "text": "t"}]}),
                "prompt_templates[0].name",
            ),
            (
                json!({"user_id": "u", "prompt_templates": [{"name": "n", "text": "t", "x": 1}]}),
                "prompt_templates[0].x",
            ),
            (
                json!({"user_id": "u", "prompt_templates": vec![json!({"name": "n", "text": "t"}); 51]}),
                "prompt_templates",
            ),
            (more("scopes", json!(["orders:read"])), "scopes"),
            (more("preselected", json!(["orders:read"])), "preselected"),
            (more("user_label", json!("l")), "user_label"),
            (json!({"connection_id": connection_id}), "add_scopes"),
        ],
    }
}

fn scopes_route(app: &App<'_>) -> Route {
    let scope = |change: fn(&mut Map<String, Value>)| {
        let mut scope = json!({"name": "a:b", "description": "d"});
        change(scope.as_object_mut().unwrap());
        json!({"scopes": [{"name": "c:d", "description": "d"}, scope]})
    };
    let mut bodies = vec![
        (json!({"scopes": [1]}), "scopes[0]"),
        (json!({"scopes": ["a:b"]}), "scopes[0]"),
        (json!({"scopes": [null]}), "scopes[0]"),
        (json!({"scopes": [[]]}), "scopes[0]"),
        (json!({"scopes": [{}]}), "scopes[0].name"),
        (scope(|scope| drop(scope.remove("name"))), "scopes[1].name"),
        (scope(|scope| drop(scope.remove("description"))), "scopes[1].description"),
        (scope(|scope| drop(scope.insert("titel".into(), json!("x")))), "scopes[1].titel"),
        (scope(|scope| drop(scope.insert("name".into(), json!("c:d")))), "scopes[1].name"),
        (
            scope(|scope| drop(scope.insert("sensitive".into(), json!("yes")))),
            "scopes[1].sensitive",
        ),
        (scope(|scope| drop(scope.insert("admin".into(), json!(1)))), "scopes[1].admin"),
        (scope(|scope| drop(scope.insert("category".into(), json!("")))), "scopes[1].category"),
        (
            scope(|scope| drop(scope.insert("description".into(), json!("\u{202e}")))),
            "scopes[1].description",
        ),
        (json!({"scopes": [], "remove": ["x"]}), "remove[0]"),
        (json!({"scopes": [], "remove": [1]}), "remove[0]"),
        (json!({"scopes": [{"name": "a:b", "description": "d"}], "remove": ["a:b"]}), "remove"),
        (json!({"scopes": [], "removes": ["a:b"]}), "removes"),
    ];
    for name in
        ["", "a", "a:", ":b", "A:b", "a b:c", "a:b c", "ä:b", "a:b\n", "a/b:c", "a:*", "a;b:c"]
    {
        bodies.push((json!({"scopes": [{"name": name, "description": "d"}]}), "scopes[0].name"));
    }
    for name in text(64, &[]) {
        bodies.push((json!({"scopes": [{"name": name, "description": "d"}]}), "scopes[0].name"));
    }
    for description in with_null(prose(300)) {
        let scope = json!({"name": "a:b", "description": description});
        bodies.push((json!({"scopes": [scope]}), "scopes[0].description"));
    }
    Route {
        family: "scopes",
        method: "PUT",
        path: format!("/v1/apps/{}/scopes", app.app_id),
        base: json!({"scopes": [{"name": "orders:read", "description": "d"}], "remove": []}),
        required: &["scopes"],
        faults: vec![("scopes", with_null(array())), ("remove", array())],
        bodies,
    }
}
