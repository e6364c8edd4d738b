//! The layers that values come from, and which of them wins.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use url::Url;

use super::finding::{FILE_UNREADABLE, Finding, Fix, TWO_SERVICES, quoted};
use super::source::{From, Source};
use super::table::{KEYS, Key, Kind, variable};
use super::text::{VERIFY_PATH, is_loopback};
use super::values::Values;
use super::yaml::{Entry, Mark, Node, Yaml, parse};
use super::{DEV_ENV, DEV_FOLDER, Sources};

/// The longest file that is read.
const MAX_BYTES: u64 = 256 * 1024;

/// A value that some layer has, right or wrong.
pub(super) struct Held {
    pub(super) source: Rc<Source>,
    pub(super) entry: Entry,
    /// `None`: a finding says what is wrong with it.
    pub(super) value: Option<Value>,
}

/// The values of one layer.
#[derive(Default)]
pub(super) struct Layer {
    held: BTreeMap<&'static str, Held>,
}

/// All layers; the first that has a key wins.
pub(super) struct Layers {
    layers: Vec<Layer>,
    /// The file, where there is one.
    pub(super) file: Option<Rc<Source>>,
}

impl Layers {
    /// Reads every layer, with findings about what it holds.
    pub(super) fn read(sources: Sources<'_>, findings: &mut Vec<Finding>) -> Self {
        let arguments = Layer::of_arguments(sources.arguments, findings);
        let environment = Layer::of_environment(sources.environment, findings);
        let (file, values) = match sources.file {
            Some(path) => Layer::of_file(path, findings),
            None => (None, Layer::default()),
        };
        let mut layers = Self { layers: vec![arguments, environment, values], file };
        if let Some(path) = sources.file {
            layers.add_dev_env(&dev_env(path), findings);
        }
        layers
    }

    /// The value that wins.
    pub(super) fn get(&self, key: &str) -> Option<&Held> {
        self.layers.iter().find_map(|layer| layer.held.get(key))
    }

    /// The service, and which key named it.
    pub(super) fn service(&self) -> Option<(Url, &Held)> {
        let named = self.layers.iter().find_map(Layer::service)?;
        let url = named.value.as_ref().and_then(Value::as_str)?;
        let base = url.trim_end_matches('/');
        let is_verify = named.entry.name == "verify_url";
        let base = if is_verify { base.strip_suffix(VERIFY_PATH).unwrap_or(base) } else { base };
        Some((Url::parse(base).ok()?, named))
    }

    /// Whether any layer says which service, however wrongly.
    pub(super) fn names_service(&self) -> bool {
        self.layers.iter().any(|layer| layer.service().is_some())
    }

    /// Says where one layer names two services.
    pub(super) fn two_services(&self, findings: &mut Vec<Finding>) {
        for layer in &self.layers {
            let (Some(service), Some(verify)) =
                (layer.held.get("service_url"), layer.held.get("verify_url"))
            else {
                continue;
            };
            let text = |held: &Held| held.value.as_ref().and_then(Value::as_str).map(str::to_owned);
            let (Some(service), Some(meant)) = (text(service), text(verify)) else { continue };
            if meant.trim_end_matches('/').strip_suffix(VERIFY_PATH) == Some(service.as_str()) {
                continue;
            }
            let Held { source, entry, .. } = verify;
            let fix = source.entry_becomes(&entry.key, &entry.value, "");
            let message = format!("`verify_url` is {meant}, and `service_url` is {service}");
            let at = source.is_file().then(|| entry.key.start.pair());
            findings.push(Finding::new(TWO_SERVICES, &source.name, at, message, fix));
        }
    }

    /// What `agentadmit dev` left, if the service is on this machine and there is no other key.
    fn add_dev_env(&mut self, path: &Path, findings: &mut Vec<Finding>) {
        let is_local = self.service().is_some_and(|(url, _)| is_loopback(&url));
        if !is_local || self.get("api_key").is_some() {
            return;
        }
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let mut layer = Layer::default();
        for name in ["service_url", "app_id", "api_key"] {
            let variable = variable(name);
            let line =
                text.lines().find_map(|line| line.strip_prefix(&variable)?.strip_prefix('='));
            let Some(value) = line.filter(|value| !value.is_empty()) else { continue };
            let source = Source::new(From::DevEnv, path.display().to_string(), value);
            layer.hold(name, source, findings);
        }
        // a file that names a service elsewhere is nothing that `dev` wrote
        let elsewhere = layer.held.get("service_url").is_some_and(|held| {
            let url = held.value.as_ref().and_then(Value::as_str);
            !url.and_then(|url| Url::parse(url).ok()).is_some_and(|url| is_loopback(&url))
        });
        if !elsewhere {
            let before_the_file = self.layers.len().saturating_sub(1);
            self.layers.insert(before_the_file, layer);
        }
    }
}

/// What `agentadmit dev` leaves beside a file.
pub(super) fn dev_env(file: &Path) -> PathBuf {
    file.with_file_name(DEV_FOLDER).join(DEV_ENV)
}

impl Layer {
    fn of_arguments(arguments: &[(&str, String)], findings: &mut Vec<Finding>) -> Self {
        let mut layer = Self::default();
        for (name, value) in arguments {
            let flag = format!("--{}", name.replace('_', "-"));
            if let Some(key) = KEYS.iter().find(|key| key.name == *name) {
                layer.hold(key.name, Source::new(From::Argument, flag, value), findings);
            }
        }
        layer
    }

    /// An empty variable is as good as none.
    fn of_environment(
        environment: &dyn Fn(&str) -> Option<String>,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let read = |path: &str| {
            let name = variable(path);
            let value = environment(&name).filter(|value| !value.is_empty())?;
            Some(Source::new(From::Variable, name, &value))
        };
        let mut layer = Self::default();
        for key in KEYS {
            if let Some(source) = read(key.name) {
                layer.hold(key.name, source, findings);
            }
            if let Kind::Object(members) = &key.kind {
                for member in *members {
                    let Some(source) = read(&format!("{}.{}", key.name, member.name)) else {
                        continue;
                    };
                    layer.hold_member(key, member, source, findings);
                }
            }
        }
        layer
    }

    fn of_file(path: &Path, findings: &mut Vec<Finding>) -> (Option<Rc<Source>>, Self) {
        let name = path.display().to_string();
        let text = match read(path) {
            Ok(text) => text,
            Err((message, command)) => {
                let fix = Fix::Run { command };
                findings.push(Finding::new(FILE_UNREADABLE, &name, None, message, fix));
                return (None, Self::default());
            }
        };
        let source = Rc::new(Source::new(From::File, name, &text));
        let mut layer = Self::default();
        if let Some(root) = parse(&text, &source, findings) {
            let mut values = Values { source: &source, findings };
            let read = values.object(KEYS, &root).unwrap_or_default();
            let entries = match root.value {
                Yaml::Map(entries) => entries,
                _ => Vec::new(),
            };
            for entry in entries {
                let Some(key) = KEYS.iter().find(|key| key.name == entry.name) else { continue };
                if !entry.value.is_null() {
                    let value = read.get(key.name).cloned();
                    layer.held.insert(key.name, Held { source: Rc::clone(&source), entry, value });
                }
            }
        }
        (Some(source), layer)
    }

    /// Checks a whole text as a key's value.
    fn hold(&mut self, name: &str, mut source: Source, findings: &mut Vec<Finding>) {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else { return };
        let Some(node) = node_of(&key.kind, &mut source, findings) else { return };
        let entry = entry(name, node);
        let value = Values { source: &source, findings }.member(key, &entry);
        self.held.insert(key.name, Held { source: Rc::new(source), entry, value });
    }

    /// Checks a whole text as the value of a member, such as `storage.url`.
    fn hold_member(
        &mut self,
        key: &'static Key,
        member: &Key,
        mut source: Source,
        findings: &mut Vec<Finding>,
    ) {
        let Some(node) = node_of(&member.kind, &mut source, findings) else { return };
        let at = entry(member.name, node);
        let Some(value) = (Values { source: &source, findings }).member(member, &at) else {
            return;
        };
        let held = self.held.entry(key.name).or_insert_with(|| Held {
            source: Rc::new(source),
            entry: entry(key.name, at.value),
            value: Some(Value::Object(serde_json::Map::new())),
        });
        if let Some(Value::Object(members)) = &mut held.value {
            members.insert(member.name.to_owned(), value);
        }
    }

    fn service(&self) -> Option<&Held> {
        self.held.get("service_url").or_else(|| self.held.get("verify_url"))
    }
}

fn entry(name: &str, value: Node) -> Entry {
    let key = Node { end: Mark::START, ..Node::scalar(name, true, Mark::START) };
    Entry { name: name.to_owned(), key, value }
}

/// A variable's text as a value: lists may be comma-separated, what is nested is YAML (or JSON).
fn node_of(kind: &Kind, source: &mut Source, findings: &mut Vec<Finding>) -> Option<Node> {
    let last = source.last_line();
    let end = source.end;
    let text: Vec<&str> = (1..=last).map(|line| source.line(line)).collect();
    let text = text.join("\n");
    let is_nested = match kind {
        Kind::Object(_) => true,
        Kind::List(of, _) => matches!(of, Kind::Object(_)) || text.trim_start().starts_with('['),
        _ => false,
    };
    source.is_raw = !is_nested;
    if is_nested {
        return parse(&text, source, findings);
    }
    if let Kind::List(..) = kind {
        return Some(words(&text, end));
    }
    let plain = matches!(kind, Kind::Count(..) | Kind::Flag);
    Some(Node::scalar(&text, plain, end))
}

/// `a,b` as a list whose items know where they stand.
fn words(text: &str, end: Mark) -> Node {
    let mut items = Vec::new();
    let mut column: u32 = 1;
    for piece in text.split(',') {
        let blank = piece.chars().take_while(|c| c.is_whitespace()).count();
        let word = piece.trim();
        let width = |n: usize| u32::try_from(n).unwrap_or(0);
        let start = Mark { line: 1, column: column.saturating_add(width(blank)) };
        let behind =
            Mark { line: 1, column: start.column.saturating_add(width(word.chars().count())) };
        if !word.is_empty() {
            items.push(Node { start, ..Node::scalar(word, false, behind) });
        }
        column = column.saturating_add(width(piece.chars().count())).saturating_add(1);
    }
    Node { start: Mark::START, end, value: Yaml::List(items) }
}

/// A file's text, or what is wrong and the command that helps.
fn read(path: &Path) -> Result<String, (String, String)> {
    let shown = quoted(&path.display().to_string());
    let mut bytes = Vec::new();
    let opened = File::open(path)
        .and_then(|file| file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes));
    match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(("the file is not there".to_owned(), "agentadmit init".to_owned()))
        }
        Err(error) => {
            Err((format!("the file cannot be read: {error}"), format!("chmod u+r {shown}")))
        }
        Ok(length) if u64::try_from(length).unwrap_or(u64::MAX) > MAX_BYTES => Err((
            "the file is longer than 256 KiB".to_owned(),
            "agentadmit init --force".to_owned(),
        )),
        Ok(_) => String::from_utf8(bytes).map_err(|_| {
            let command =
                format!("iconv -f WINDOWS-1252 -t UTF-8 {shown} > new.yaml && mv new.yaml {shown}");
            ("the file is not UTF-8".to_owned(), command)
        }),
    }
}
