//! Values that a member of a kind must not have.

use serde_json::{Value, json};

/// Values of the wrong type for a text.
pub(super) fn no_text() -> Vec<Value> {
    vec![json!(1), json!(1.5), json!(true), json!([]), json!({}), json!(["a"])]
}

pub(super) fn text(max: usize, more: &[&str]) -> Vec<Value> {
    let mut values = no_text();
    values.extend([
        json!(""),
        json!("a".repeat(max + 1)),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("\u{7f}"),
    ]);
    values.extend(more.iter().map(|text| json!(text)));
    values
}

/// A text that people read.
pub(super) fn prose(max: usize) -> Vec<Value> {
    text(max, &["a\u{202e}b", "\u{2066}a", "e\u{301}"])
}

pub(super) fn id(prefix: &str) -> Vec<Value> {
    let mut values = no_text();
    values.extend([
        json!(""),
        json!(prefix),
        json!(format!("{prefix}_")),
        json!(format!("{prefix}_0000000000000000000000000")),
        json!(format!("{prefix}_8zzzzzzzzzzzzzzzzzzzzzzzzz")),
        json!(format!("{prefix}_0000000000000000000000000I")),
        json!(format!("{prefix}_00000000000000000000000000 ")),
        json!("other_00000000000000000000000000"),
    ]);
    values
}

pub(super) fn word(near: &str) -> Vec<Value> {
    let mut values = no_text();
    values.extend([
        json!(""),
        json!(near.to_uppercase()),
        json!(format!("{near} ")),
        json!("nonsense"),
    ]);
    values
}

pub(super) fn flag() -> Vec<Value> {
    vec![json!(1), json!(0), json!("true"), json!([]), json!({})]
}

pub(super) fn whole() -> Vec<Value> {
    vec![json!("60"), json!(1.5), json!(1e30), json!(true), json!([]), json!({}), json!("")]
}

pub(super) fn array() -> Vec<Value> {
    vec![json!("x"), json!(1), json!({}), json!(true)]
}

pub(super) fn time() -> Vec<Value> {
    let mut values = no_text();
    values.extend(
        [
            "",
            "tomorrow",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "2026-11-22T12:00:00",
            "2026-11-31T00:00:00Z",
        ]
        .map(|text| json!(text)),
    );
    values
}

pub(super) fn on_behalf_of() -> Vec<Value> {
    text(134, &["user", "user:", "root:1", "agent:conn_x", "admin:\u{1}"])
}

pub(super) fn with_null(mut values: Vec<Value>) -> Vec<Value> {
    values.push(Value::Null);
    values
}
