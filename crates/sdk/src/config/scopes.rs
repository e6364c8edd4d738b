//! Scopes and prompt templates: what their entries say together.

use agentadmit_protocol::scope::ADMIN_SCOPES;

use super::finding::{
    ADMIN_SCOPE, DUPLICATE_SCOPE, Finding, Fix, IN_APP_AI, NO_SCOPES, PROMPT_TEMPLATE, Rule,
    UNKNOWN_SCOPE,
};
use super::layers::{Held, Layers};
use super::source::Source;
use super::values::nearest;
use super::yaml::{Entry, Node, Yaml};

/// What `init` and the fix of an empty catalogue begin with.
const FIRST_SCOPE: &str =
    "scopes:\n  - name: read:orders\n    description: See your orders and their status";

/// Words of a feature in which the app itself thinks for its user.
const AI_WORDS: &[&str] = &[
    "ai",
    "analyse",
    "analysis",
    "analyze",
    "assistant",
    "chat",
    "classify",
    "embed",
    "embedding",
    "embeddings",
    "generate",
    "generation",
    "gpt",
    "inference",
    "llm",
    "predict",
    "prediction",
    "recognise",
    "recognition",
    "recognize",
    "recommend",
    "recommendation",
    "rewrite",
    "summarise",
    "summarize",
    "transcribe",
    "transcription",
    "translate",
    "translation",
];

/// Looks at the catalogue that wins, and at the templates.
pub(super) fn check(layers: &Layers, findings: &mut Vec<Finding>) {
    let scopes = layers.get("scopes");
    let mut names = Vec::new();
    if let Some(Held { source, entry, .. }) = scopes {
        names = catalogue(source, &entry.value, findings);
        if matches!(&entry.value.value, Yaml::List(items) if items.is_empty()) {
            let fix = source.entry_becomes(&entry.key, &entry.value, FIRST_SCOPE);
            say(findings, NO_SCOPES, source, &entry.key, "there is no scope", fix);
        }
    } else if let Some(file) = &layers.file {
        let fix = Fix::Append { text: FIRST_SCOPE.to_owned() };
        findings.push(Finding::new(NO_SCOPES, &file.name, None, "`scopes` is missing", fix));
    }
    if let Some(Held { source, entry, .. }) = layers.get("prompt_templates") {
        for template in items(&entry.value) {
            prompt_template(source, template, &names, findings);
        }
    }
}

fn catalogue(source: &Source, list: &Node, findings: &mut Vec<Finding>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for scope in items(list) {
        let Some((name, at)) = text(scope, "name") else { continue };
        if names.contains(&name) {
            let fix = source.without_item(scope);
            let message = format!("the scope `{name}` stands above already");
            say(findings, DUPLICATE_SCOPE, source, at, &message, fix);
            continue;
        }
        admin(source, scope, &name, at, findings);
        in_app_ai(source, scope, &name, at, findings);
        names.push(name);
    }
    names
}

/// The three scopes of the admin routes are for admins whatever the catalogue says: it should say
/// so. What is named after admins probably is, too, unless it says no.
fn admin(source: &Source, scope: &Node, name: &str, at: &Node, findings: &mut Vec<Finding>) {
    let marked = member(scope, "admin");
    let value = marked.and_then(|entry| scalar(&entry.value));
    let always = ADMIN_SCOPES.contains(&name);
    let seems = words(name).any(|word| matches!(word, "admin" | "admins" | "superuser" | "root"));
    if value == Some("true") || !(always || (seems && marked.is_none())) {
        return;
    }
    let fix = match marked {
        Some(entry) => source.replace(&entry.value, "true"),
        None => source.add_member(scope, "admin: true"),
    };
    let message = if always {
        format!("only admins can ever grant `{name}`: say so")
    } else {
        format!("`{name}` looks like a scope for admins: say `admin: true`, or `false`")
    };
    say(findings, ADMIN_SCOPE, source, at, &message, fix);
}

fn in_app_ai(source: &Source, scope: &Node, name: &str, at: &Node, findings: &mut Vec<Finding>) {
    let described = text(scope, "description").map(|(text, _)| text.to_lowercase());
    let first = described.as_deref().and_then(|text| words(text).next());
    let is_ai = |word: &str| AI_WORDS.contains(&word);
    let Some(word) = words(name).chain(first).find(|word| is_ai(word)) else { return };
    if member(scope, "in_app_ai").is_some() {
        return;
    }
    let fix = source.add_member(scope, "in_app_ai: allowed");
    let message = format!(
        "`{name}` (\"{word}\") looks like the app's own AI feature: let agents read the data \
         instead; they can think themselves, and you do not pay twice"
    );
    say(findings, IN_APP_AI, source, at, &message, fix);
}

fn prompt_template(
    source: &Source,
    template: &Node,
    known: &[String],
    findings: &mut Vec<Finding>,
) {
    if let Some((text, at)) = text(template, "text")
        && !braces_hold(&text)
    {
        let plain = text.replace(['{', '}'], "");
        let fix = source.replace(at, &serde_json::json!(plain).to_string());
        let message = "a brace must open or close the name of a field, such as {order_id}";
        say(findings, PROMPT_TEMPLATE, source, at, message, fix);
    }
    let Some(scopes) = member(template, "scopes") else { return };
    for scope in items(&scopes.value) {
        let Some(name) = scalar(scope) else { continue };
        if known.iter().any(|known| known == name) {
            continue;
        }
        let near = nearest(name, known.iter().map(String::as_str));
        let (fix, hint) = match near {
            Some(near) => (source.replace(scope, near), format!("; did you mean `{near}`?")),
            None => (source.without_item(scope), String::new()),
        };
        let message = format!("`{name}` is not in `scopes`{hint}");
        say(findings, UNKNOWN_SCOPE, source, scope, &message, fix);
    }
}

/// Whether every brace belongs to a `{field}` of letters, digits and `_`.
fn braces_hold(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let Some(inner) = rest.get(at..).and_then(|text| text.strip_prefix('{')) else {
            return false;
        };
        let Some((field, behind)) = inner.split_once('}') else { return false };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if field.is_empty() || !field.chars().all(is_word) {
            return false;
        }
        rest = behind;
    }
    true
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Yaml::List(items) => items,
        _ => &[],
    }
}

fn member<'a>(node: &'a Node, name: &str) -> Option<&'a Entry> {
    match &node.value {
        Yaml::Map(entries) => entries.iter().find(|entry| entry.name == name),
        _ => None,
    }
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Yaml::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

fn text<'a>(node: &'a Node, name: &str) -> Option<(String, &'a Node)> {
    let value = &member(node, name)?.value;
    Some((scalar(value)?.to_owned(), value))
}

fn say(
    findings: &mut Vec<Finding>,
    rule: Rule,
    source: &Source,
    at: &Node,
    message: &str,
    fix: Fix,
) {
    let place = source.is_file().then(|| at.start.pair());
    findings.push(Finding::new(rule, &source.name, place, message, fix));
}
