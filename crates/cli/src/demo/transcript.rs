//! What happened, step by step: the one form that is shown on a terminal, printed as JSON, and
//! kept in the documentation.
//!
//! ```json
//! {"transcript_version": "1", "ok": true,
//!  "parties": [{"name": "shop", "address": "http://127.0.0.1:1234"}],
//!  "steps": [{"title": "…", "who": "agent", "request": {…}, "answer": {…},
//!             "expectation": "403 insufficient_scope", "ok": true, "elapsed_ms": 1.25}]}
//! ```
//! A request is `{"to", "method", "path", "body"}`, a message `{"to", "message"}`, or a command
//! `{"command"}`; its answer is `{"status", "body"}`, `{"message"}` or `{"close", "reason"}`, or
//! `{"exit_code", "output"}`. Members are added, and never changed.

use agentadmit_config::without_secrets;
use serde::Serialize;
use serde_json::{Value, json};

use super::plan::Shown;

/// The whole story.
#[derive(Debug, Serialize)]
pub(super) struct Transcript {
    /// The version of this form.
    #[serde(rename = "transcript_version")]
    version: &'static str,
    /// Whether every step was as documented.
    pub(super) ok: bool,
    /// Who took part, and where they could be reached.
    pub(super) parties: Vec<Party>,
    /// In their order.
    pub(super) steps: Vec<Step>,
}

/// A process of the story.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Party {
    /// `service`, `shop` or `agent`.
    pub(super) name: &'static str,
    /// Where it listens; `None` for the agent, which only calls.
    pub(super) address: Option<String>,
    /// The number that the system knows it by; not part of the JSON, which is the same everywhere.
    #[serde(skip)]
    pub(super) process: u32,
}

/// One request and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    /// What happens, in a sentence.
    pub(super) title: &'static str,
    /// Who asks.
    pub(super) who: &'static str,
    /// What was sent, its secrets cut.
    pub(super) request: Value,
    /// What was received, its secrets cut.
    pub(super) answer: Value,
    /// What the documentation says must come.
    pub(super) expectation: String,
    /// Whether it did.
    pub(super) ok: bool,
    /// From the request to the whole answer, in milliseconds.
    pub(super) elapsed_ms: f64,
    /// What a reader should see in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remark: Option<String>,
    /// The members of the answer that a terminal shows.
    #[serde(skip)]
    pub(super) shown: Shown,
}

impl Transcript {
    pub(super) const fn new() -> Self {
        Self { version: "1", ok: true, parties: Vec::new(), steps: Vec::new() }
    }

    /// The transcript with all that differs from run to run replaced by what stands for it.
    pub(super) fn with_placeholders(mut self) -> Self {
        let stands = |party: &Party| format!("http://{}.example", party.name);
        let addresses: Vec<(String, String)> = self
            .parties
            .iter()
            .filter_map(|party| Some((party.address.clone()?, stands(party))))
            .collect();
        for party in &mut self.parties {
            party.address = party.address.as_ref().map(|_| stands(party));
        }
        for step in &mut self.steps {
            step.elapsed_ms = 0.0;
            step.remark = step.remark.as_deref().map(without_numbers);
            for value in [&mut step.request, &mut step.answer] {
                each_text(value, &|name, text| placeholder(name, text, &addresses));
                each_number(value, "expires_in", 3599);
            }
        }
        self
    }
}

/// A value with every secret in it cut to its prefix.
pub(super) fn cut(mut value: Value) -> Value {
    each_text(&mut value, &|_, text| without_secrets(text.to_owned().into()).into_owned());
    value
}

/// Changes every text in a value, told the name of the member that holds it.
fn each_text(value: &mut Value, change: &impl Fn(&str, &str) -> String) {
    fn walk(name: &str, value: &mut Value, change: &impl Fn(&str, &str) -> String) {
        match value {
            Value::String(text) => *text = change(name, text),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(name, item, change)),
            Value::Object(members) => {
                members.iter_mut().for_each(|(name, value)| walk(name, value, change));
            }
            _ => {}
        }
    }
    walk("", value, change);
}

fn each_number(value: &mut Value, wanted: &str, stands: u64) {
    match value {
        Value::Array(items) => {
            for item in items {
                each_number(item, wanted, stands);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                if name == wanted && value.is_number() {
                    *value = json!(stands);
                }
                each_number(value, wanted, stands);
            }
        }
        _ => {}
    }
}

/// Ids, times, hashes and addresses, recognised by their form or by the member that holds them.
fn placeholder(name: &str, text: &str, addresses: &[(String, String)]) -> String {
    if name.ends_with("hash") && text.len() == 64 {
        return "0123abcd…".to_owned();
    }
    if matches!(name, "chain" | "request_id") {
        return format!("({name})");
    }
    let mut text = text.to_owned();
    for (address, stands) in addresses {
        text = text.replace(address, stands);
    }
    without_ids(&without_times(&without_numbers(&text)))
}

/// A time as the wire writes it, wherever it stands.
fn without_times(text: &str) -> String {
    const STANDS: &str = "2026-01-01T00:00:00.000Z";
    let is_time = |text: &str| {
        let like = |(found, model): (u8, u8)| {
            if model.is_ascii_digit() { found.is_ascii_digit() } else { found == model }
        };
        text.bytes().zip(STANDS.bytes()).all(like)
    };
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(behind) = rest.get(STANDS.len()..).filter(|_| is_time(rest)) {
            shown.push_str(STANDS);
            rest = behind;
        } else {
            shown.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
    }
    shown
}

/// `1.25 ms` is `N ms`, and `9460 bytes` are `N bytes`.
fn without_numbers(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for at in 1..words.len() {
        let is_unit = words.get(at).is_some_and(|word| matches!(*word, "ms" | "bytes"));
        if let Some(number) = words.get_mut(at - 1).filter(|word| is_unit && is_number(word)) {
            *number = "N";
        }
    }
    words.join(" ")
}

fn is_number(word: &str) -> bool {
    word.parse::<f64>().is_ok()
}

/// `conn_01h…` is `conn_…`: what stands behind the prefix of an id is another one each time.
fn without_ids(text: &str) -> String {
    const PREFIXES: [&str; 5] = ["app_", "conn_", "key_", "evt_", "op_"];
    const REST: usize = 26;
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let id = PREFIXES.iter().find_map(|prefix| {
            let behind = rest.strip_prefix(prefix)?;
            let id = behind.get(..REST)?;
            let is_id = id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
            is_id.then(|| (prefix, behind.get(REST..).unwrap_or_default()))
        });
        if let Some((prefix, behind)) = id {
            shown.push_str(prefix);
            shown.push('…');
            rest = behind;
        } else {
            shown.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_has_a_placeholder() {
        let addresses = [("http://127.0.0.1:4567".to_owned(), "http://shop.example".to_owned())];
        let shown = |name: &str, text: &str| placeholder(name, text, &addresses);
        assert_eq!(shown("path", "/x/conn_01h455vb4pex5vsknk084sn02q?a=b"), "/x/conn_…?a=b");
        assert_eq!(shown("actor", "agent:conn_01h455vb4pex5vsknk084sn02q"), "agent:conn_…");
        assert_eq!(shown("error", "app_name and op_…"), "app_name and op_…");
        assert_eq!(shown("created_at", "2026-11-24T21:00:00.123Z"), "2026-01-01T00:00:00.000Z");
        let until = "until 2026-11-24T21:00:00.123Z, or not";
        assert_eq!(shown("prompt", until), "until 2026-01-01T00:00:00.000Z, or not");
        assert_eq!(shown("service", "http://127.0.0.1:4567/x"), "http://shop.example/x");
        assert_eq!(shown("remark", "1 call failed 1.25 ms later"), "1 call failed N ms later");
        assert_eq!(shown("hash", &"a".repeat(64)), "0123abcd…");
    }

    #[test]
    fn secrets_are_cut_wherever_they_stand() {
        let value = cut(json!({"a": ["ag_ct_0aZ", {"b": "use ag_at_xyz now"}]}));
        assert_eq!(value, json!({"a": ["ag_ct_…", {"b": "use ag_at_… now"}]}));
    }
}
