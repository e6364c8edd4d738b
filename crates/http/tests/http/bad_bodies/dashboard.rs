//! Signing in to the dashboard.

use serde_json::{Value, json};

use super::Route;
use super::values::{id, prose, text, time, with_null};

pub(super) const FAMILY: &str = "dashboard";

/// Texts that are nearly a code.
const NEARLY: [&str; 14] = [
    "7Q4M-9XKD-02TB-WR5",
    "7Q4M-9XKD-02TB-WR5H0",
    "7Q4M-9XKD-02TB-WR5U",
    "7Q4M_9XKD_02TB_WR5H",
    "7Q4M.9XKD.02TB.WR5H",
    "7Q4M\t9XKD\t02TB\tWR5H",
    "7Q4M-9XKD-02TB-WR5H\n",
    "7Q4M\u{2013}9XKD\u{2013}02TB\u{2013}WR5H",
    "7Q4M-9XKD-02TB-WR5\u{ff28}",
    "7Q4M-9XKD-02TB-WR5\u{0000}",
    "7Q4M-9XKD-02TB",
    "----",
    "aa_op_0000000000000000000000000000000000000000000000000",
    "7Q4M-9XKD-02TB-WR5H                                              ",
];

pub(super) fn sign_in() -> Route {
    let mut faults = with_null(text(64, &[]));
    faults.extend(NEARLY.map(Value::from));
    faults.extend(id("ses"));
    faults.extend(time());
    Route {
        family: FAMILY,
        method: "POST",
        path: "/dashboard/session".to_owned(),
        base: json!({"code": "0000-0000-0000-0000"}),
        required: &["code"],
        faults: vec![("code", faults)],
        bodies: vec![],
    }
}

/// Texts that are nearly the code of a link.
fn no_link() -> Vec<Value> {
    let mut faults = with_null(text(64, &[]));
    faults
        .extend(["a".repeat(42), "a".repeat(44), format!("{}-", "a".repeat(42))].map(Value::from));
    faults.extend(
        [format!("#{}", "a".repeat(42)), format!("{}\u{e9}", "a".repeat(41))].map(Value::from),
    );
    faults
}

/// What is no object.
fn no_object() -> Vec<Value> {
    vec![json!(1), json!("x"), json!([]), json!(true), json!([{}])]
}

pub(super) fn links() -> [Route; 5] {
    let code = "a".repeat(43);
    let of = |path: &str, base, faults| Route {
        family: FAMILY,
        method: "POST",
        path: path.to_owned(),
        base,
        required: &["code"],
        faults,
        bodies: vec![],
    };
    [
        of("/dashboard/invite", json!({"code": code}), vec![("code", no_link())]),
        of(
            "/dashboard/invite/use",
            json!({"code": code, "label": "l"}),
            vec![("code", no_link()), ("label", prose(100))],
        ),
        Route {
            required: &["label"],
            ..of(
                "/dashboard/passkeys/sign-up/options",
                json!({"label": "l"}),
                vec![("label", with_null(prose(100)))],
            )
        },
        Route {
            required: &["challenge_id", "credential"],
            ..of(
                "/dashboard/passkeys/sign-up",
                json!({"challenge_id": code, "credential": {}, "name": "n"}),
                vec![
                    ("challenge_id", no_link()),
                    ("credential", with_null(no_object())),
                    ("name", prose(100)),
                ],
            )
        },
        Route {
            required: &["challenge_id", "credential"],
            ..of(
                "/dashboard/passkeys/sign-in",
                json!({"challenge_id": code, "credential": {}}),
                vec![("challenge_id", no_link()), ("credential", with_null(no_object()))],
            )
        },
    ]
}
