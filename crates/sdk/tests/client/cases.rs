//! What a good answer is, so that a test can spoil one thing of it.

use serde_json::{Value, json};

use crate::scripted::{self, Act};

pub(crate) const APP: &str = "app_01h455vb4pex5vsknk084sn02q";
pub(crate) const OTHER_APP: &str = "app_01h455vb4pex5vsknk084sn02r";

/// The body of a yes.
pub(crate) fn yes_body() -> Value {
    json!({
        "active": true, "app_id": APP, "environment": "test",
        "connection_id": "conn_01h455vb4pex5vsknk084sn02q", "user_id": "u1", "user_label": null,
        "agent_label": "Assistant", "scopes": ["read:orders", "write:orders"],
        "created_at": "2026-01-01T00:00:00.000Z", "expires_at": null, "purpose": null,
        "user_intent": null, "audit_id": "evt_01h455vb4pex5vsknk084sn02q", "new_member": [1],
    })
}

/// A yes with a member set to something else.
pub(crate) fn yes_but(member: &str, value: Value) -> Value {
    let mut body = yes_body();
    body[member] = value;
    body
}

pub(crate) fn yes() -> Act {
    Act::Say(scripted::json("200 OK", "", &yes_body()))
}

pub(crate) fn plain(status: &str) -> Act {
    Act::Say(scripted::answer(status, "content-type: text/html\r\n", "<h1>Hello</h1>"))
}

pub(crate) fn json_of(status: &str, body: &Value) -> Act {
    Act::Say(scripted::json(status, "", body))
}

/// A 429 with header fields, lines with their ends, and `limit`.
pub(crate) fn too_many(fields: &str, limit: Option<&str>) -> Act {
    let mut body = json!({"error": "rate_limited", "error_description": "x", "request_id": "r"});
    if let Some(limit) = limit {
        body["limit"] = limit.into();
    }
    Act::Say(scripted::json("429 Too Many Requests", fields, &body))
}
