//! From layers to settings.

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::files;
use super::finding::{
    API_KEY_MISSING, APP_ID_MISSING, Finding, Fix, LOCAL_PUBLIC_URL, LOCAL_SERVICE,
    PRIVATE_KEY_UNSET, PUBLIC_URL_MISSING, RESOURCE_ELSEWHERE, Rule, SERVICE_MISSING, Severity,
    TEST_KEY, TRUSTS_EVERYONE,
};
use super::layers::{Held, Layers};
use super::mask::masked;
use super::scopes;
use super::source::From;
use super::table::{KEYS, Kind, variable};
use super::text::{EXAMPLE_ADDRESS, is_loopback};
use super::yaml::Yaml;
use super::{Loaded, Origin, Sources};
use crate::settings::{ApiKey, Settings};
use agentadmit_protocol::environment::Environment;

/// Where `agentadmit dev` and `init` expect a service.
const LOCAL_ADDRESS: &str = "http://127.0.0.1:8700";

pub(super) fn build(sources: Sources<'_>, ask_git: bool) -> Loaded {
    let mut findings = Vec::new();
    let layers = Layers::read(sources, &mut findings);
    // a file that is no YAML says nothing, not even what it lacks
    let readable = sources.file.is_none() || layers.file.is_some() && findings_allow(&findings);
    if readable {
        service(&layers, &mut findings);
        scopes::check(&layers, &mut findings);
        everyone(&layers, &mut findings);
        resource(&layers, &mut findings);
        files::check(&layers, sources.file, ask_git, &mut findings);
        notes(&layers, &mut findings);
    }
    let sound = !findings.iter().any(|finding| finding.severity == Severity::Error);
    let settings = if sound { settings(&layers, sources.file) } else { None };
    findings.sort_by_key(|finding| (finding.severity == Severity::Note, finding.line));
    let origins = if readable { origins(&layers) } else { Vec::new() };
    Loaded { settings, findings, origins }
}

fn findings_allow(findings: &[Finding]) -> bool {
    let fatal = ["yaml-syntax", "yaml-tab", "yaml-too-deep", "yaml-documents"];
    !findings.iter().any(|finding| fatal.contains(&finding.id))
}

fn service(layers: &Layers, findings: &mut Vec<Finding>) {
    layers.two_services(findings);
    if layers.names_service() {
        return;
    }
    let message = "say which AgentAdmit service: there is no default";
    let (name, fix) = if let Some(file) = &layers.file {
        (file.name.clone(), Fix::Append { text: format!("service_url: {LOCAL_ADDRESS}") })
    } else {
        let name = variable("service_url");
        (name.clone(), Fix::Set { name, value: Some(LOCAL_ADDRESS.to_owned()) })
    };
    findings.push(Finding::new(SERVICE_MISSING, &name, None, message, fix));
}

fn everyone(layers: &Layers, findings: &mut Vec<Finding>) {
    let Some(Held { source, entry, .. }) = layers.get("trusted_proxies") else { return };
    let Yaml::List(networks) = &entry.value.value else { return };
    for network in networks {
        let Yaml::Scalar { text, .. } = &network.value else { continue };
        if text.ends_with("/0") {
            let fix = source.replace(network, "10.0.0.0/8");
            let message = format!("`{text}` lets anyone claim any address: name your proxies");
            let at = source.is_file().then(|| network.start.pair());
            findings.push(Finding::new(TRUSTS_EVERYONE, &source.name, at, message, fix));
        }
    }
}

/// Metadata are looked for at the resource's own origin (RFC 9728 section 3).
fn resource(layers: &Layers, findings: &mut Vec<Finding>) {
    let url_of = |key: &str| {
        let held = layers.get(key)?;
        let url: Url = held.value.as_ref()?.as_str()?.parse().ok()?;
        Some((url, held))
    };
    let (Some((resource, held)), Some((app, _))) = (url_of("resource"), url_of("public_url"))
    else {
        return;
    };
    if resource.origin() == app.origin() {
        return;
    }
    let Held { source, entry, .. } = held;
    let origin = app.origin().ascii_serialization();
    let path = if resource.path() == "/" { "" } else { resource.path() };
    let fix = source.replace(&entry.value, &format!("{origin}{path}"));
    let message = format!("`resource` is {resource}, and the app itself is at {origin}");
    let at = source.is_file().then(|| entry.value.start.pair());
    findings.push(Finding::new(RESOURCE_ELSEWHERE, &source.name, at, message, fix));
}

/// What `dev` or an operator fills in.
fn notes(layers: &Layers, findings: &mut Vec<Finding>) {
    let service = layers.service();
    let is_local = service.as_ref().is_none_or(|(url, _)| is_loopback(url));
    let address = service.as_ref().map_or(EXAMPLE_ADDRESS, |(url, _)| url.as_str());
    let set = |value: &str| Fix::Set { name: variable("api_key"), value: Some(value.to_owned()) };
    let dev = || Fix::Run { command: "agentadmit dev".to_owned() };
    if layers.get("app_id").is_none() {
        let create = format!("agentadmit apps create --service {address} --name Shop");
        let fix = if is_local { dev() } else { Fix::Run { command: create } };
        let message = "`app_id` is not set: `agentadmit dev` writes it, or an operator tells it";
        note(layers, findings, APP_ID_MISSING, message, fix);
    }
    match layers.get("api_key") {
        None => {
            let fix = if is_local { dev() } else { set("aa_live_…") };
            let message = "there is no API key: `agentadmit dev` makes one; an operator's goes into AGENTADMIT_API_KEY";
            note(layers, findings, API_KEY_MISSING, message, fix);
        }
        Some(Held { value: Some(Value::String(key)), source, .. })
            if key.starts_with("aa_test_") =>
        {
            let message = format!("the API key ({}) is of the test environment", source.name);
            note(layers, findings, TEST_KEY, &message, set("aa_live_…"));
        }
        Some(_) => {}
    }
    let line = |text: &str| Fix::Append { text: text.to_owned() };
    if layers.get("public_url").is_none() {
        let message = "`public_url` is not set: agents find the app's addresses by it";
        let fix = line("public_url: https://app.example.com");
        note(layers, findings, PUBLIC_URL_MISSING, message, fix);
    }
    local_public_url(layers, findings);
    if layers.get("private_key_path").is_none() {
        let message = "`private_key_path` is not set: the discovery document is not signed";
        let fix = line("private_key_path: agentadmit-private-key.pem");
        note(layers, findings, PRIVATE_KEY_UNSET, message, fix);
    }
    if let Some((url, Held { source, entry, .. })) = service
        && is_loopback(&url)
        && source.from != From::DevEnv
    {
        let instead = match entry.name.as_str() {
            "verify_url" => format!("{EXAMPLE_ADDRESS}/v1/verify"),
            _ => EXAMPLE_ADDRESS.to_owned(),
        };
        let fix = source.replace(&entry.value, &instead);
        let message = "the service is on this machine, as in development";
        let at = source.is_file().then(|| entry.value.start.pair());
        findings.push(Finding::new(LOCAL_SERVICE, &source.name, at, message, fix));
    }
}

fn local_public_url(layers: &Layers, findings: &mut Vec<Finding>) {
    let Some(Held { source, entry, value }) = layers.get("public_url") else { return };
    let url = value.as_ref().and_then(Value::as_str).and_then(|url| url.parse().ok());
    if url.is_some_and(|url| is_loopback(&url)) {
        let fix = source.replace(&entry.value, "https://app.example.com");
        let message = "`public_url` is of this machine, as in development";
        let at = source.is_file().then(|| entry.value.start.pair());
        findings.push(Finding::new(LOCAL_PUBLIC_URL, &source.name, at, message, fix));
    }
}

fn note(layers: &Layers, findings: &mut Vec<Finding>, rule: Rule, message: &str, fix: Fix) {
    let name = layers.file.as_ref().map_or("environment", |file| &file.name);
    // without a file, a line of it is a variable
    let fix = match (&layers.file, fix) {
        (None, Fix::Append { text }) => match text.split_once(": ") {
            Some((key, value)) => Fix::Set { name: variable(key), value: Some(value.to_owned()) },
            None => Fix::Append { text },
        },
        (_, fix) => fix,
    };
    findings.push(Finding::new(rule, name, None, message, fix));
}

/// The settings; every value was checked before.
fn settings(layers: &Layers, file: Option<&Path>) -> Option<Settings> {
    let (service_url, _) = layers.service()?;
    let count = |key: &str| read::<u32>(layers, key);
    let url = |key: &str| read::<String>(layers, key).and_then(|url| url.parse().ok());
    let path = |key: &str| layers.get(key).and_then(|held| files::path_of(held, file));
    let api_key = read::<String>(layers, "api_key").and_then(|key| ApiKey::new(key).ok());
    let defaults = Settings::defaults(service_url);
    Some(Settings {
        app_id: read(layers, "app_id"),
        name: read(layers, "name"),
        description: read(layers, "description"),
        public_url: url("public_url"),
        resource: url("resource"),
        authorization_server: url("authorization_server"),
        login_path: read(layers, "login_path"),
        api_key,
        scopes: scopes_of(layers),
        durations: read(layers, "durations").unwrap_or_default(),
        max_retries: count("max_retries").unwrap_or(defaults.max_retries),
        max_waiting: count("max_waiting")
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(defaults.max_waiting),
        timeout: count("timeout_seconds")
            .map_or(defaults.timeout, |seconds| Duration::from_secs(seconds.into())),
        route_prefix: read(layers, "route_prefix").unwrap_or(defaults.route_prefix),
        allowed_origins: read(layers, "allowed_origins").unwrap_or_default(),
        trusted_proxies: read(layers, "trusted_proxies").unwrap_or_default(),
        private_key_path: path("private_key_path"),
        ca_file: path("ca_file"),
        user_agent: defaults.user_agent,
        prompt_templates: read(layers, "prompt_templates").unwrap_or_default(),
        storage: read(layers, "storage"),
        service_url: defaults.service_url,
    })
}

fn read<T: DeserializeOwned>(layers: &Layers, key: &str) -> Option<T> {
    let value = layers.get(key)?.value.clone()?;
    serde_json::from_value(value).ok()
}

/// The catalogue as the service knows it: `in_app_ai` is between the developer and `check`.
fn scopes_of(layers: &Layers) -> Vec<agentadmit_protocol::scope::Scope> {
    let mut scopes = read::<Vec<Value>>(layers, "scopes").unwrap_or_default();
    for scope in &mut scopes {
        if let Value::Object(members) = scope {
            members.remove("in_app_ai");
        }
    }
    serde_json::from_value(Value::Array(scopes)).unwrap_or_default()
}

fn origins(layers: &Layers) -> Vec<Origin> {
    let mut origins = Vec::new();
    for key in KEYS {
        let (value, from) = match (layers.get(key.name), key.default) {
            (Some(held), _) => {
                let line = held.entry.key.start.line;
                let from = match held.source.from {
                    From::File => format!("{}:{line}", held.source.name),
                    _ => held.source.name.clone(),
                };
                let shown = held.value.as_ref().map(|value| shown(&key.kind, value));
                (shown.unwrap_or_else(|| "(not usable)".to_owned()), from)
            }
            (None, Some(default)) => (default.to_owned(), "default".to_owned()),
            (None, None) => continue,
        };
        origins.push(Origin { key: key.name, value, from });
    }
    origins
}

/// A value in a line, without secrets.
fn shown(kind: &Kind, value: &Value) -> String {
    match (kind, value) {
        (Kind::ApiKey, Value::String(text)) => match ApiKey::new(text.as_str()) {
            Ok(key) if key.environment() == Environment::Live => "aa_live_…".to_owned(),
            _ => "aa_test_…".to_owned(),
        },
        (_, Value::String(text)) => masked(text),
        (Kind::List(..), Value::Array(items)) => {
            let name = |item: &Value| match item {
                Value::String(text) => text.clone(),
                item => ["name", "label"]
                    .iter()
                    .find_map(|member| item.get(member)?.as_str())
                    .unwrap_or("?")
                    .to_owned(),
            };
            items.iter().map(name).collect::<Vec<String>>().join(", ")
        }
        (_, value) => masked(&value.to_string()),
    }
}
