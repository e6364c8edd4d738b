//! Values against the table: what is right becomes JSON, what is wrong becomes a finding.

use agentadmit_protocol::scope::ScopeName;
use serde_json::{Map, Value, json};

use super::finding::{
    EMPTY_LIST, EMPTY_VALUE, Finding, Fix, MISSING_MEMBER, OUT_OF_RANGE, Rule, SCOPE_NAME,
    TOO_MANY, UNKNOWN_KEY, WRONG_TYPE,
};
use super::source::Source;
use super::table::{Key, Kind};
use super::text;
use super::yaml::{Entry, Node, Yaml};

/// Checks the values of one source.
pub(super) struct Values<'a> {
    pub(super) source: &'a Source,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl Values<'_> {
    /// A mapping's known members that are right, and findings about the others.
    pub(super) fn object(&mut self, keys: &[Key], map: &Node) -> Option<Map<String, Value>> {
        let Yaml::Map(entries) = &map.value else {
            if !matches!(map.value, Yaml::Unread) {
                let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                let message = format!("this must be a mapping with {}", names.join(", "));
                self.wrong(WRONG_TYPE, map, &message, &example(&Kind::Object(&[])));
            }
            return None;
        };
        let mut values = Map::new();
        for entry in entries {
            match keys.iter().find(|key| key.name == entry.name) {
                Some(key) => {
                    if let Some(value) = self.member(key, entry) {
                        values.insert(key.name.to_owned(), value);
                    }
                }
                None => self.unknown(keys, entries, entry),
            }
        }
        let mut whole = true;
        for key in keys.iter().filter(|key| key.required) {
            if !entries.iter().any(|entry| entry.name == key.name) {
                let text = format!("{}: {}", key.name, example(&key.kind));
                let fix = self.source.add_member(map, &text);
                self.say(MISSING_MEMBER, map, &format!("`{}` is missing", key.name), fix);
            }
            whole &= values.contains_key(key.name);
        }
        whole.then_some(values)
    }

    /// The value of a key that is there.
    pub(super) fn member(&mut self, key: &Key, entry: &Entry) -> Option<Value> {
        let Entry { key: at, value, .. } = entry;
        if value.is_null() {
            let text = if key.required {
                format!("{}: {}", key.name, example(&key.kind))
            } else {
                String::new()
            };
            let fix = self.source.entry_becomes(at, value, &text);
            self.say(EMPTY_VALUE, at, &format!("`{}` has no value", key.name), fix);
            return None;
        }
        if let (Kind::List(..), Yaml::List(items)) = (&key.kind, &value.value)
            && items.is_empty()
            && key.name != "scopes"
        {
            let fix = self.source.entry_becomes(at, value, "");
            self.say(EMPTY_LIST, at, &format!("`{}` is an empty list", key.name), fix);
            return None;
        }
        self.value(key.name, &key.kind, value)
    }

    fn unknown(&mut self, keys: &[Key], present: &[Entry], entry: &Entry) {
        let is_free = |key: &&Key| !present.iter().any(|other| other.name == key.name);
        let free = keys.iter().filter(is_free).map(|key| key.name);
        if let Some(known) = nearest(&entry.name, free) {
            let fix = self.source.replace(&entry.key, known);
            let message = format!("`{}` is no key; did you mean `{known}`?", entry.name);
            self.say(UNKNOWN_KEY, &entry.key, &message, fix);
            return;
        }
        let known = || keys.iter().map(|key| key.name);
        let message = nearest(&entry.name, known()).map_or_else(
            || {
                let all: Vec<&str> = known().collect();
                format!("`{}` is no key; there are {}", entry.name, all.join(", "))
            },
            |near| format!("`{}` is no key; `{near}`, which it may mean, is there", entry.name),
        );
        let fix = self.source.entry_becomes(&entry.key, &entry.value, "");
        self.say(UNKNOWN_KEY, &entry.key, &message, fix);
    }

    /// A value of a kind.
    pub(super) fn value(&mut self, name: &str, kind: &Kind, node: &Node) -> Option<Value> {
        match kind {
            Kind::Object(keys) => self.object(keys, node).map(Value::Object),
            Kind::List(of, most) => self.list(name, of, *most, node),
            Kind::Count(least, most) => self.count(name, *least, *most, node),
            Kind::Flag => self.flag(name, node),
            _ => {
                let text = self.text(name, kind, node)?;
                match text::check(kind, &text) {
                    Ok(value) => Some(Value::String(value)),
                    Err(wrong) => {
                        let fix = match wrong.instead {
                            Some(instead) => {
                                self.source.replace(node, &self.source.written(&instead))
                            }
                            None => self.without(name, node),
                        };
                        self.say(wrong.rule, node, &format!("`{name}` {}", wrong.message), fix);
                        None
                    }
                }
            }
        }
    }

    fn list(&mut self, name: &str, of: &Kind, most: usize, node: &Node) -> Option<Value> {
        let Yaml::List(items) = &node.value else {
            if !matches!(node.value, Yaml::Unread) {
                let message = format!("`{name}` must be a list");
                let instead = match (&node.value, of) {
                    (Yaml::Scalar { text, .. }, Kind::Object(_)) if text.is_empty() => "[]".into(),
                    (Yaml::Scalar { text, .. }, kind) if !matches!(kind, Kind::Object(_)) => {
                        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
                        json!(words.collect::<Vec<&str>>()).to_string()
                    }
                    _ => format!("[{}]", example(of)),
                };
                self.wrong(WRONG_TYPE, node, &message, &instead);
            }
            return None;
        };
        if let Some(first) = items.get(most) {
            let message = format!("`{name}` holds at most {most} entries");
            let last = items.last().map_or(first.end.line, |last| last.end.line);
            let fix = self.source.lines_become(first.start.line, last, "");
            self.say(TOO_MANY, first, &message, fix);
            return None;
        }
        let values: Vec<Option<Value>> =
            items.iter().map(|item| self.value(name, of, item)).collect();
        // one that is wrong makes an error already; the others are still worth looking at
        Some(values.into_iter().flatten().collect())
    }

    fn count(&mut self, name: &str, least: u32, most: u32, node: &Node) -> Option<Value> {
        let range = format!("must be a whole number from {least} to {most}");
        let (text, plain) = self.scalar(name, &range, &least.to_string(), node)?;
        match text.trim().replace('_', "").parse::<i64>() {
            Ok(number) if !plain => {
                let kept = number.clamp(i64::from(least), i64::from(most));
                let message = format!("`{name}` {range}, without quotes");
                self.wrong(WRONG_TYPE, node, &message, &kept.to_string());
                None
            }
            Ok(number) => match u32::try_from(number) {
                Ok(number) if (least..=most).contains(&number) => Some(json!(number)),
                _ => {
                    let kept = number.clamp(i64::from(least), i64::from(most));
                    self.wrong(OUT_OF_RANGE, node, &format!("`{name}` {range}"), &kept.to_string());
                    None
                }
            },
            Err(_) => {
                let float = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                let kept = float.map_or(least, |number| nearest_count(number, least, most));
                self.wrong(WRONG_TYPE, node, &format!("`{name}` {range}"), &kept.to_string());
                None
            }
        }
    }

    fn flag(&mut self, name: &str, node: &Node) -> Option<Value> {
        let (text, plain) = self.scalar(name, "must be true or false", "false", node)?;
        match (text.as_str(), plain) {
            ("true", true) => Some(json!(true)),
            ("false", true) => Some(json!(false)),
            _ => {
                let yes = ["true", "yes", "on", "y", "1"];
                let instead = yes.contains(&text.to_ascii_lowercase().as_str());
                let message = format!("`{name}` must be true or false");
                self.wrong(WRONG_TYPE, node, &message, &instead.to_string());
                None
            }
        }
    }

    /// A text. A number or `true` without quotes is none.
    fn text(&mut self, name: &str, kind: &Kind, node: &Node) -> Option<String> {
        let (text, plain) = self.scalar(name, "must be a text", &example(kind), node)?;
        if plain && is_other_type(&text) {
            let message = format!("`{name}` must be a text: put it into quotes");
            self.wrong(WRONG_TYPE, node, &message, &json!(text).to_string());
            return None;
        }
        Some(text)
    }

    fn scalar(
        &mut self,
        name: &str,
        must: &str,
        instead: &str,
        node: &Node,
    ) -> Option<(String, bool)> {
        match &node.value {
            Yaml::Scalar { text, plain } => Some((text.clone(), *plain)),
            Yaml::Unread => None,
            Yaml::List(_) | Yaml::Map(_) => {
                self.wrong(WRONG_TYPE, node, &format!("`{name}` {must}"), instead);
                None
            }
        }
    }

    /// Takes away a top-level entry or a variable; what cannot be repaired by another value.
    fn without(&self, name: &str, node: &Node) -> Fix {
        let line = self.source.line(node.start.line);
        match line.trim_start().strip_prefix(name) {
            Some(rest) if rest.starts_with(':') => {
                self.source.lines_become(node.start.line, node.end.line, "")
            }
            _ => self.source.replace(node, ""),
        }
    }

    fn wrong(&mut self, rule: Rule, node: &Node, message: &str, instead: &str) {
        let fix = self.source.replace(node, instead);
        self.say(rule, node, message, fix);
    }

    pub(super) fn say(&mut self, rule: Rule, node: &Node, message: &str, fix: Fix) {
        let at = self.source.is_file().then(|| node.start.pair());
        self.findings.push(Finding::new(rule, &self.source.name, at, message, fix));
    }
}

/// Whether plain YAML reads this as something else than a text.
fn is_other_type(text: &str) -> bool {
    let words = ["true", "false", "True", "False", "TRUE", "FALSE"];
    words.contains(&text) || text.parse::<f64>().is_ok()
}

/// The number that is allowed and nearest.
fn nearest_count(number: f64, least: u32, most: u32) -> u32 {
    let bounded = number.round().clamp(f64::from(least), f64::from(most));
    bounded.to_string().parse().unwrap_or(least)
}

/// A text as YAML reads it back: plain where it can be, else in double quotes.
pub(super) fn written(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._:-@+".contains(c);
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let plain = begins_well
        && text.chars().all(is_plain)
        && !text.ends_with(':')
        && !is_other_type(text)
        && text != "null";
    if plain { text.to_owned() } else { json!(text).to_string() }
}

/// The known name that a text is nearest to, if it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-', ' '], "");
    let meant = plain(name);
    known
        .map(|known| (strsim::damerau_levenshtein(&meant, &plain(known)), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// A value that is right, for fixes.
fn example(kind: &Kind) -> String {
    match kind {
        Kind::AppId => "app_…".to_owned(),
        Kind::Label => "\"Orders\"".to_owned(),
        Kind::Text => "\"See your orders\"".to_owned(),
        Kind::Url | Kind::PublicUrl | Kind::Resource | Kind::VerifyUrl | Kind::Origin => {
            text::EXAMPLE_ADDRESS.to_owned()
        }
        Kind::ApiKey => "aa_test_…".to_owned(),
        Kind::Count(least, _) => least.to_string(),
        Kind::Flag => "false".to_owned(),
        Kind::Prefix => "/agentadmit".to_owned(),
        Kind::LoginPath => text::EXAMPLE_LOGIN.to_owned(),
        Kind::Path => "file.pem".to_owned(),
        Kind::StorageUrl => "sqlite:///app.db".to_owned(),
        Kind::Field => "user_id".to_owned(),
        Kind::Network => "10.0.0.0/8".to_owned(),
        Kind::ScopeName => "read:orders".to_owned(),
        Kind::Allowed => "allowed".to_owned(),
        Kind::List(of, _) => format!("[{}]", example(of)),
        Kind::Object(keys) => {
            let member = |key: &Key| format!("{}: {}", key.name, example(&key.kind));
            let members: Vec<String> = keys.iter().filter(|key| key.required).map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// A name that keeps the rule of scope names, near to the one that was meant.
pub(super) fn scope_name_like(name: &str) -> String {
    let mut clean: String = name
        .trim()
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '_' | '.' | '-' | ':') => c,
            '*' => 'a',
            _ => '_',
        })
        .take(56)
        .collect();
    if ScopeName::new(clean.as_str()).is_err() {
        clean = format!("read:{}", clean.replace(':', "."));
    }
    if ScopeName::new(clean.as_str()).is_ok() { clean } else { "read:orders".to_owned() }
}

/// What is wrong with a text, and what could stand there instead.
pub(super) struct Wrong {
    pub(super) rule: Rule,
    /// Goes on after the key's name.
    pub(super) message: String,
    /// `None`: the entry goes away.
    pub(super) instead: Option<String>,
}

impl Wrong {
    pub(super) fn new(rule: Rule, message: impl Into<String>, instead: Option<String>) -> Self {
        Self { rule, message: message.into(), instead }
    }

    pub(super) fn scope_name(name: &str, message: String) -> Self {
        Self::new(SCOPE_NAME, message, Some(scope_name_like(name)))
    }
}
