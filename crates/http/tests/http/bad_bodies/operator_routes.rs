//! The routes of operators.

use serde_json::{Value, json};

use super::Route;
use super::values::{array, flag, id, prose, text, time, whole, with_null, word};
use crate::support::App;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn routes(app: &App<'_>, connection_id: &str) -> Vec<Route> {
    let of_app = |rest: &str| format!("/v1/operator/apps/{}{rest}", app.app_id);
    let operator = |method, path: String, base, required, faults, bodies| Route {
        family: "operator API",
        method,
        path,
        base,
        required,
        faults,
        bodies,
    };
    let settings = |member: &str, value: Value| json!({"settings": {member: value}});
    vec![
        operator(
            "POST",
            "/v1/operator/apps".to_owned(),
            json!({"name": "n", "description": "d", "scopes": [], "settings": {}}),
            &["name"],
            vec![
                ("name", with_null(prose(100))),
                ("description", prose(300)),
                ("scopes", array()),
                ("settings", vec![json!(1), json!([]), json!("x")]),
            ],
            vec![
                (json!({"name": "n", "settings": {"idle_day": 1}}), "settings.idle_day"),
                (
                    json!({"name": "n", "scopes": [{"name": "x", "description": "d"}]}),
                    "scopes[0].name",
                ),
            ],
        ),
        operator(
            "PATCH",
            of_app(""),
            json!({"name": "n", "description": "d"}),
            &[],
            vec![("name", prose(100)), ("description", prose(300))],
            vec![
                (settings("issuance", json!("both")), "settings.issuance"),
                (settings("on_replay", json!("ignore")), "settings.on_replay"),
                (settings("scope_used", json!(true)), "settings.scope_used"),
                (settings("allow_until_revoked", json!("no")), "settings.allow_until_revoked"),
                (settings("idle_days", json!(0)), "settings.idle_days"),
                (settings("idle_days", json!(366)), "settings.idle_days"),
                (settings("idle_days", json!(-1)), "settings.idle_days"),
                (settings("idle_days", json!("90")), "settings.idle_days"),
                (
                    settings("connection_token_minutes", json!(11)),
                    "settings.connection_token_minutes",
                ),
                (settings("rate_limit", json!(5)), "settings.rate_limit"),
                (settings("rate_limit", json!({"per_key": 5})), "settings.rate_limit.per_key"),
                (
                    settings("rate_limit", json!({"per_key_per_second": 0})),
                    "settings.rate_limit.per_key_per_second",
                ),
                (
                    settings("redirect_uris", json!(["http://a.example"])),
                    "settings.redirect_uris[0]",
                ),
                (
                    settings("redirect_uris", json!(["https://a.example/#x"])),
                    "settings.redirect_uris[0]",
                ),
                (settings("login_url", json!("ftp://a.example")), "settings.login_url"),
                (settings("login_url", json!("javascript:alert(1)")), "settings.login_url"),
                (settings("logo_uri", json!("https://u:p@a.example")), "settings.logo_uri"),
                (settings("documentation_uri", json!("/docs")), "settings.documentation_uri"),
                (settings("plan", json!({})), "settings.plan"),
                (json!({"scopes": []}), "scopes"),
            ],
        ),
        operator(
            "PUT",
            of_app("/plan"),
            json!({"name": "n", "status": "active", "call_limit": 1}),
            &["name", "status", "call_limit"],
            vec![
                ("name", with_null(prose(100))),
                ("status", with_null(word("active"))),
                (
                    "call_limit",
                    vec![
                        json!(-1),
                        json!(1.5),
                        json!("1"),
                        json!(9_007_199_254_740_992_u64),
                        json!([]),
                    ],
                ),
                ("period", word("month")),
                ("on_limit", word("refuse")),
                ("billing_url", text(2_048, &["http://a.example", "a"])),
            ],
            vec![],
        ),
        operator(
            "POST",
            of_app("/api-keys"),
            json!({"environment": "test", "name": "n"}),
            &["environment"],
            vec![
                ("environment", with_null(word("test"))),
                ("name", prose(100)),
                ("expires_at", time()),
                (
                    "permissions",
                    vec![json!("verify"), json!([]), json!(["verify", "verify"]), json!({})],
                ),
            ],
            vec![
                (
                    json!({"environment": "test", "expires_at": "2020-01-01T00:00:00Z"}),
                    "expires_at",
                ),
                (json!({"environment": "test", "permissions": ["admin"]}), "permissions[0]"),
                (json!({"environment": "test", "permissions": ["verify", 1]}), "permissions[1]"),
            ],
        ),
        operator(
            "PUT",
            of_app("/public-keys"),
            json!({"keys": []}),
            &["keys"],
            vec![("keys", with_null(array()))],
            vec![
                (json!({"keys": [{}]}), "keys[0].kty"),
                (
                    json!({"keys": [{"kty": "EC", "n": "AQAB", "e": "AQAB", "environment": "test"}]}),
                    "keys[0].kty",
                ),
                (
                    json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "environment": "test"}]}),
                    "keys[0].n",
                ),
                (
                    json!({"keys": [{"kty": "RSA", "n": "+/==", "e": "AQAB", "environment": "test"}]}),
                    "keys[0].n",
                ),
                (
                    json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB", "environment": "test"}]}),
                    "keys[0].d",
                ),
                (
                    json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS512", "environment": "test"}]}),
                    "keys[0].alg",
                ),
            ],
        ),
        operator(
            "POST",
            "/v1/operator/connections/revoke".to_owned(),
            json!({"app_id": app.app_id, "user_id": "u"}),
            &[],
            vec![
                ("connection_id", id("conn")),
                ("app_id", id("app")),
                ("environment", word("live")),
                ("user_id", text(128, &[])),
                ("all_apps", flag()),
                ("reason", prose(300)),
            ],
            vec![
                (json!({}), "connection_id"),
                (json!({"user_id": "u"}), "app_id"),
                (json!({"all_apps": true}), "user_id"),
                (json!({"all_apps": true, "user_id": "u", "app_id": app.app_id}), "all_apps"),
                (json!({"all_apps": true, "user_id": "u", "environment": "live"}), "all_apps"),
                (json!({"connection_id": connection_id, "app_id": app.app_id}), "connection_id"),
                (json!({"app_id": app.app_id, "environment": "test"}), "environment"),
            ],
        ),
        operator(
            "POST",
            "/v1/operator/connections/resume".to_owned(),
            json!({"app_id": app.app_id}),
            &[],
            vec![("connection_id", id("conn")), ("app_id", id("app")), ("all", flag())],
            vec![
                (json!({}), "connection_id"),
                (json!({"all": false}), "connection_id"),
                (json!({"all": true, "app_id": app.app_id}), "connection_id"),
            ],
        ),
        operator(
            "POST",
            "/v1/operator/operators".to_owned(),
            json!({"name": "n"}),
            &[],
            vec![("name", prose(100)), ("access", word("billing")), ("expires_at", time())],
            vec![
                (json!({"billing_only": true}), "billing_only"),
                (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
            ],
        ),
        operator(
            "POST",
            of_app("/invites"),
            json!({"role": "viewer", "seconds": 60}),
            &["role"],
            vec![("role", with_null(word("viewer"))), ("seconds", whole())],
            vec![
                (json!({"role": "viewer", "seconds": 59}), "seconds"),
                (json!({"role": "viewer", "seconds": 2_592_001}), "seconds"),
                (json!({"role": "operator"}), "role"),
            ],
        ),
        operator(
            "PATCH",
            of_app("/members/acct_00000000000000000000000000"),
            json!({"role": "viewer"}),
            &["role"],
            vec![("role", with_null(word("viewer")))],
            vec![(json!({"role": "viewer", "label": "x"}), "label")],
        ),
    ]
}
