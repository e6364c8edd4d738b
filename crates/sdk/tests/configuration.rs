//! Every finding of the configuration is provoked by a file, and its own fix makes it go away.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use agentadmit::config::{self, Finding, Fix, Loaded, RULES, Severity, Sources};
use agentadmit::keys::SigningKey;
use agentadmit::protocol::secret::{Secret, SecretKind};
use tempfile::TempDir;

/// A folder with a configuration, and an environment.
struct World {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl World {
    fn new(yaml: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap(), environment: BTreeMap::new() };
        world.write("agentadmit.yaml", yaml);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn yaml(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("agentadmit.yaml")).unwrap()).into_owned()
    }

    fn inspect(&self) -> Loaded {
        let file = self.path("agentadmit.yaml");
        config::inspect(Sources {
            file: Some(&file),
            environment: &|name| self.environment.get(name).cloned(),
            arguments: &[],
        })
    }

    fn findings(&self, id: &str) -> Vec<Finding> {
        self.inspect().findings.into_iter().filter(|finding| finding.id == id).collect()
    }

    fn shell(&self, command: &str) {
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", command]).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }

    /// Does what a fix says.
    fn apply(&mut self, fix: &Fix) {
        match fix {
            Fix::Replace { first_line, last_line, text } => {
                let yaml = self.yaml();
                let mut lines: Vec<&str> = yaml.split('\n').collect();
                let range =
                    usize::try_from(first_line - 1).unwrap()..usize::try_from(*last_line).unwrap();
                let new: Vec<&str> =
                    if text.is_empty() { vec![] } else { text.split('\n').collect() };
                lines.splice(range, new);
                self.write("agentadmit.yaml", lines.join("\n"));
            }
            Fix::Append { text } => {
                let yaml = self.yaml();
                self.write("agentadmit.yaml", format!("{}\n{text}\n", yaml.trim_end()));
            }
            Fix::Set { name, value: Some(value) } => {
                // a secret that cannot be known is shown with dots
                let known = if value.starts_with("aa_live_") {
                    secret(SecretKind::ApiKeyLive)
                } else {
                    value.clone()
                };
                self.environment.insert(name.clone(), known);
            }
            Fix::Set { name, value: None } => {
                self.environment.remove(name);
            }
            Fix::Run { command } => self.run(command),
        }
    }

    /// Runs a command; those of our own program are played.
    fn run(&mut self, command: &str) {
        let (first, rest) = command.split_once(" && ").unwrap_or((command, ""));
        match first {
            "agentadmit keys" => {
                let pem = SigningKey::generate().unwrap().to_pem().unwrap();
                self.write("key.pem", pem.as_bytes());
            }
            "agentadmit init" | "agentadmit init --force" => self.write("agentadmit.yaml", WHOLE),
            "agentadmit dev" => {
                let yaml = self.yaml();
                self.write("agentadmit.yaml", format!("app_id: {APP}\n{yaml}"));
                let key = secret(SecretKind::ApiKeyTest);
                self.write(".agentadmit/dev.env", format!("AGENTADMIT_API_KEY={key}\n"));
            }
            shell => {
                assert!(!shell.starts_with("agentadmit"), "{shell}");
                self.shell(shell);
            }
        }
        if !rest.is_empty() {
            self.run(rest);
        }
    }
}

const APP: &str = "app_01jd3q7v6tfh5r8m2k4n9p0wxy";

fn secret(kind: SecretKind) -> String {
    Secret::mint(kind, [7; 32]).expose().to_owned()
}

/// A configuration with nothing to find but notes.
const WHOLE: &str = "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\n    description: See your orders\n";

/// One file that provokes a finding: the id, the line that it must name, and the text. `WHOLE`
/// goes before texts that begin with `+`.
const CASES: &[(&str, Option<u32>, &str)] = &[
    ("yaml-syntax", Some(5), "+name: Shop: the best\n"),
    ("yaml-syntax", None, "+name: \"Shop\ndescription: x\n"),
    ("yaml-syntax", None, "+allowed_origins: [https://a.example, https://b.example\nname: Shop\n"),
    ("yaml-syntax", None, "+name: 'it's'\n"),
    ("yaml-syntax", None, "+  name: Shop\n"),
    ("yaml-syntax", None, "+name: @shop\n"),
    (
        "yaml-tab",
        Some(4),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\n\t  description: See\n",
    ),
    ("yaml-tab", Some(6), "+storage:\n\turl: sqlite:///a.db\n"),
    ("yaml-alias", Some(6), "+name: &shop Shop\ndescription: *shop\n"),
    (
        "yaml-alias",
        Some(7),
        "+allowed_origins: &all\n  - https://a.example\ntrusted_proxies: *all\n",
    ),
    (
        "yaml-merge-key",
        Some(7),
        "+durations:\n  - &day {label: one day, seconds: 86400}\n  - <<: *day\n    label: again\n",
    ),
    ("yaml-merge-key", Some(6), "+storage: &s\n  <<: {url: x}\n"),
    ("yaml-tag", Some(5), "+name: !!str Shop\n"),
    ("yaml-tag", Some(5), "+name: !python/object Shop\n"),
    ("yaml-too-deep", Some(5), "+x: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n"),
    ("yaml-documents", Some(5), "+---\nname: Shop\n"),
    ("duplicate-key", Some(5), "+service_url: http://127.0.0.1:9000\n"),
    (
        "duplicate-key",
        Some(5),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\n    description: a\n    description: b\n",
    ),
    ("duplicate-key", Some(5), "+storage: {url: 'sqlite:///a', url: 'sqlite:///b'}\n"),
    ("unknown-key", Some(5), "+max_retires: 5\n"),
    ("unknown-key", Some(5), "+publicUrl: https://app.example.com\n"),
    ("unknown-key", Some(5), "+colour:\n  deep: blue\n"),
    ("unknown-key", Some(5), "+serviceurl: http://127.0.0.1:8700\n"),
    (
        "unknown-key",
        Some(5),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\n    description: a\n    sensitiv: true\n",
    ),
    (
        "unknown-key",
        Some(3),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - color: red\n    name: read:orders\n    description: a\n",
    ),
    (
        "unknown-key",
        Some(3),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - {name: 'read:orders', description: a, colour: red}\n",
    ),
    ("wrong-type", Some(5), "+max_retries: \"5\"\n"),
    ("wrong-type", Some(5), "+max_retries: five\n"),
    ("wrong-type", Some(5), "+timeout_seconds: 2.5\n"),
    ("wrong-type", Some(5), "+name: 42\n"),
    ("wrong-type", Some(5), "+name: [Shop]\n"),
    ("wrong-type", Some(6), "+name:\n  first: Shop\n"),
    ("wrong-type", Some(5), "+allowed_origins: https://a.example\n"),
    ("wrong-type", Some(5), "+storage: sqlite:///a.db\n"),
    ("wrong-type", Some(1), "- just\n- a list\n"),
    ("wrong-type", Some(5), "+? [a, b]\n: c\n"),
    ("wrong-type", Some(3), "service_url: http://127.0.0.1:8700\nscopes:\n  - read:orders\n"),
    (
        "wrong-type",
        Some(5),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\n    description: a\n    sensitive: yes\n",
    ),
    (
        "wrong-type",
        Some(5),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\n    description: a\n    in_app_ai: maybe\n",
    ),
    (
        "missing-member",
        Some(3),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\nname: Shop\n",
    ),
    (
        "missing-member",
        Some(2),
        "service_url: http://127.0.0.1:8700\nscopes: [{name: 'read:orders'}]\n",
    ),
    ("missing-member", Some(6), "+durations:\n  - seconds: 60\n"),
    ("empty-value", Some(5), "+name:\n"),
    ("empty-value", Some(5), "+durations:\nname: Shop\n"),
    (
        "empty-value",
        Some(4),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\n    description: ~\n",
    ),
    ("empty-list", Some(5), "+durations: []\n"),
    (
        "too-many",
        Some(5),
        "+durations: [{label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}, {label: a}]\n",
    ),
    ("out-of-range", Some(5), "+max_retries: 11\n"),
    ("out-of-range", Some(5), "+max_waiting: -1\n"),
    ("out-of-range", Some(6), "+durations:\n  - {label: soon, seconds: 59}\n"),
    (
        "out-of-range",
        Some(7),
        "+durations:\n  - label: two years\n    seconds: 63072000 # too long\n",
    ),
    ("text", Some(5), "+name: \"Shop\\u0007\"\n"),
    ("text", Some(5), "+name: \"e\\u0301\"\n"),
    ("text", Some(5), "+description: |\n  Two\n  lines\n"),
    ("text", Some(6), "+storage:\n  user_id_field: user id\n"),
    ("app-id", Some(5), "+app_id: app_01jd3q\n"),
    ("placeholder-app-id", Some(5), "+app_id: app_yourappid\n"),
    ("api-key", Some(5), "+api_key: aa_test_0123\n"),
    ("placeholder-api-key", Some(5), "+api_key: aa_test_yourkey\n"),
    ("live-key-in-file", Some(5), "+api_key: LIVE\n"),
    ("live-key-in-file", Some(5), "+# the old one: LIVE\n"),
    ("password-in-file", Some(6), "+storage:\n  url: postgres://shop:hunter2@db.example/shop\n"),
    (
        "address",
        Some(1),
        "service_url: auth.example.com\nscopes: [{name: 'read:orders', description: a}]\n",
    ),
    ("address", Some(5), "+public_url: https://user@app.example.com/\n"),
    ("address", Some(5), "+public_url: ftp://app.example.com\n"),
    ("address", Some(5), "+public_url: \"not an address\"\n"),
    (
        "insecure-address",
        Some(1),
        "service_url: http://auth.example.com\nscopes: [{name: 'read:orders', description: a}]\n",
    ),
    ("insecure-address", Some(6), "+allowed_origins:\n  - http://shop.example\n"),
    ("service-missing", None, "scopes: [{name: 'read:orders', description: a}]\n"),
    ("service-missing", None, ""),
    (
        "verify-url",
        Some(1),
        "verify_url: https://auth.example.com/v1\nscopes: [{name: 'read:orders', description: a}]\n",
    ),
    ("two-services", Some(5), "+verify_url: http://127.0.0.1:9000/v1/verify\n"),
    ("route-prefix", Some(5), "+route_prefix: agents/\n"),
    ("route-prefix", Some(5), "+route_prefix: /\n"),
    ("allowed-origin", Some(5), "+allowed_origins: [\"*\"]\n"),
    ("allowed-origin", Some(6), "+allowed_origins:\n  - https://shop.example/login\n"),
    ("trusted-proxy", Some(5), "+trusted_proxies: [10.0.0.1]\n"),
    ("trusted-proxy", Some(6), "+trusted_proxies:\n  - everyone\n"),
    ("trusts-everyone", Some(5), "+trusted_proxies: [\"0.0.0.0/0\"]\n"),
    ("no-scopes", Some(2), "service_url: http://127.0.0.1:8700\nscopes: []\n"),
    ("no-scopes", None, "service_url: http://127.0.0.1:8700\n"),
    (
        "scope-name",
        Some(3),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: Read Orders\n    description: a\n",
    ),
    (
        "scope-name",
        Some(3),
        "service_url: http://127.0.0.1:8700\nscopes:\n  - name: orders:*\n    description: a\n",
    ),
    ("duplicate-scope", Some(5), "+  - name: read:orders\n    description: again\n"),
    (
        "duplicate-scope",
        Some(2),
        "service_url: http://127.0.0.1:8700\nscopes: [{name: 'a:b', description: a}, {name: 'a:b', description: a}]\n",
    ),
    (
        "unknown-scope",
        Some(7),
        "+prompt_templates:\n  - {name: a, text: b,\n     scopes: [read:order]}\n",
    ),
    (
        "unknown-scope",
        Some(9),
        "+prompt_templates:\n  - name: a\n    text: b\n    scopes:\n      - entirely:other\n",
    ),
    ("admin-scope", Some(5), "+  - name: manage:connections\n    description: End connections\n"),
    ("admin-scope", Some(5), "+  - name: read:usage\n    description: See\n    admin: false\n"),
    ("admin-scope", Some(5), "+  - name: admin:users\n    description: Change users\n"),
    ("in-app-ai", Some(5), "+  - name: generate:plan\n    description: Make a plan\n"),
    (
        "in-app-ai",
        Some(5),
        "+  - {name: 'photos:read', description: Recognise what is in a photo}\n",
    ),
    ("prompt-template", Some(7), "+prompt_templates:\n  - name: a\n    text: \"Look at {order\"\n"),
    ("private-key-missing", Some(5), "+private_key_path: key.pem\n"),
    ("ca-file", Some(5), "+ca_file: missing.pem\n"),
    ("app-id-missing", None, "+"),
    ("api-key-missing", None, "+"),
    ("public-url-missing", None, "+"),
    ("private-key-unset", None, "+"),
    ("local-service", Some(1), "+"),
    (
        "local-service",
        Some(1),
        "verify_url: http://127.0.0.1:8700/v1/verify\nscopes: [{name: 'a:b', description: a}]\n",
    ),
];

/// Findings that need more than a text: made by a function of their own below.
const STAGED: &[&str] =
    &["file-unreadable", "secrets-readable", "secrets-tracked", "private-key", "test-key"];

fn world_of(text: &str) -> World {
    let text = match text.strip_prefix('+') {
        Some(rest) => format!("{WHOLE}{rest}"),
        None => text.to_owned(),
    };
    World::new(&text.replace("LIVE", &secret(SecretKind::ApiKeyLive)))
}

/// The finding is there, at its line; its fix takes it away and shows no secret.
fn provoke(world: &mut World, id: &str, line: Option<u32>) {
    let shown = world.inspect().findings;
    let found = world.findings(id);
    let Some(first) = found.first() else {
        panic!("{id} was not found in\n{}\n{shown:#?}", world.yaml())
    };
    if line.is_some() {
        assert_eq!(first.line, line, "{first}\n{}", world.yaml());
    }
    let errors = |findings: Vec<Finding>| -> BTreeSet<&str> {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        findings.iter().filter(is_error).map(|finding| finding.id).collect()
    };
    let hides_others = id.starts_with("yaml-") || id == "file-unreadable" || id == "wrong-type";
    let errors_before = errors(shown.clone());
    let before = world.path("agentadmit.yaml").exists().then(|| world.yaml()).unwrap_or_default();
    for _ in 0..found.len() {
        let Some(next) = world.findings(id).into_iter().next() else { break };
        let text = serde_json::to_string(&next).unwrap();
        assert!(!text.contains(&secret(SecretKind::ApiKeyLive)) && !text.contains("hunter2"));
        world.apply(&next.fix);
    }
    let new: Vec<_> = errors(world.inspect().findings)
        .difference(&errors_before)
        .filter(|new| !hides_others && **new != id)
        .copied()
        .collect();
    assert!(new.is_empty(), "the fix of {id} makes {new:?} in\n{}\nafter\n{before}", world.yaml());
    let left = world.findings(id);
    assert!(
        left.is_empty(),
        "{first:#?}\nis still found: {left:#?}\nin\n{}\nafter\n{before}",
        world.yaml()
    );
}

#[test]
fn every_finding_is_provoked_and_goes_away_by_its_fix() {
    let fails = |(id, line, text): &(&str, Option<u32>, &str)| {
        std::panic::catch_unwind(|| provoke(&mut world_of(text), id, *line)).is_err()
    };
    assert_eq!(CASES.iter().filter(|case| fails(case)).count(), 0, "see above");
}

#[test]
fn every_rule_has_a_case_and_a_line_in_the_documentation() {
    let known: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    let tried: BTreeSet<&str> =
        CASES.iter().map(|(id, _, _)| *id).chain(STAGED.iter().copied()).collect();
    assert_eq!(known, tried);
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let mut world = World::new(WHOLE);
    fs::remove_file(world.path("agentadmit.yaml")).unwrap();
    provoke(&mut world, "file-unreadable", None);
    world.write("agentadmit.yaml", "# x\n".repeat(100_000));
    provoke(&mut world, "file-unreadable", None);
    world.write("agentadmit.yaml", b"name: Caf\xe9\nservice_url: http://127.0.0.1:8700\n");
    provoke(&mut world, "file-unreadable", None);
    assert!(world.yaml().contains("Café"));
}

#[test]
fn files_with_secrets_are_private() {
    let mut world = world_of("+api_key: TEST\n");
    let text = world.yaml().replace("TEST", &secret(SecretKind::ApiKeyTest));
    world.write("agentadmit.yaml", text);
    assert!(world.findings("secrets-readable").is_empty());
    let file = world.path("agentadmit.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    provoke(&mut world, "secrets-readable", None);
    assert!(world.findings("secrets-tracked").is_empty());
    world.shell("git init --quiet . && git add agentadmit.yaml");
    provoke(&mut world, "secrets-tracked", None);
    provoke(&mut world, "test-key", None);
}

#[test]
fn a_file_without_secrets_may_be_shared() {
    let world = World::new(WHOLE);
    world.shell("chmod 644 agentadmit.yaml && git init --quiet . && git add agentadmit.yaml");
    let found = world.inspect().findings;
    assert!(found.iter().all(|finding| finding.severity == Severity::Note), "{found:#?}");
}

#[test]
fn the_private_key_is_looked_at() {
    let mut world = world_of("+private_key_path: key.pem\n");
    world.write("key.pem", "this is no key");
    provoke(&mut world, "private-key", Some(5));
    let key = world.path("key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    provoke(&mut world, "secrets-readable", None);
    world.shell("git init --quiet . && git add key.pem");
    provoke(&mut world, "secrets-tracked", None);
    assert_eq!(world.inspect().settings.unwrap().private_key_path, Some(key));
}

#[test]
fn tabs_in_many_lines_are_each_named() {
    let mut world = world_of(
        "service_url: http://127.0.0.1:8700\nscopes:\n\t- name: a:b\n\t  description: c\n",
    );
    let lines: Vec<_> = world.findings("yaml-tab").iter().map(|f| (f.line, f.column)).collect();
    assert_eq!(lines, [(Some(3), Some(1)), (Some(4), Some(1))]);
    provoke(&mut world, "yaml-tab", Some(3));
    assert_eq!(world.inspect().settings.unwrap().scopes.len(), 1);
}

#[test]
fn a_bomb_of_aliases_is_never_expanded() {
    let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..30 {
        let inner = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", vec![inner.as_str(); 10].join(","));
    }
    let world = World::new(&text);
    assert_eq!(world.findings("yaml-alias").len(), 290);
}

#[test]
fn an_argument_wins_over_the_environment_and_that_over_the_file() {
    let mut world = world_of("+max_retries: 5\ntimeout_seconds: 9\nname: Shop\n");
    world.environment.insert("AGENTADMIT_MAX_RETRIES".into(), "4".into());
    world.environment.insert("AGENTADMIT_TIMEOUT_SECONDS".into(), "8".into());
    world.environment.insert("AGENTADMIT_NAME".into(), String::new());
    world.environment.insert("AGENTADMIT_API_KEY".into(), secret(SecretKind::ApiKeyTest));
    world.environment.insert("AGENTADMIT_TRUSTED_PROXIES".into(), "10.0.0.0/8, ::1/128".into());
    world
        .environment
        .insert("AGENTADMIT_DURATIONS".into(), "[{label: day, seconds: 86400}]".into());
    let file = world.path("agentadmit.yaml");
    let loaded = config::load_from(Sources {
        file: Some(&file),
        environment: &|name| world.environment.get(name).cloned(),
        arguments: &[("max_retries", "3".to_owned())],
    });
    let from = |key: &str| {
        let origin = loaded.origins.iter().find(|origin| origin.key == key).unwrap();
        (origin.value.clone(), origin.from.rsplit('/').next().unwrap().to_owned())
    };
    assert_eq!(from("max_retries"), ("3".to_owned(), "--max-retries".to_owned()));
    assert_eq!(from("timeout_seconds").1, "AGENTADMIT_TIMEOUT_SECONDS");
    assert_eq!(from("name"), ("Shop".to_owned(), "agentadmit.yaml:7".to_owned()));
    assert_eq!(from("max_waiting").1, "default");
    assert_eq!(from("api_key"), ("aa_test_…".to_owned(), "AGENTADMIT_API_KEY".to_owned()));
    let settings = loaded.settings.unwrap();
    assert_eq!((settings.max_retries, settings.timeout.as_secs()), (3, 8));
    assert_eq!(settings.trusted_proxies.len(), 2);
    assert_eq!(settings.durations[0].seconds, Some(86_400));
}

#[test]
fn a_variable_that_is_wrong_is_named_and_its_fix_sets_it() {
    for (name, wrong) in [
        ("AGENTADMIT_MAX_RETRIES", "many"),
        ("AGENTADMIT_NAME", "Shop\u{7} of Bob"),
        ("AGENTADMIT_SERVICE_URL", "http://auth.example.com"),
        ("AGENTADMIT_TRUSTED_PROXIES", "10.0.0.0/8,10.1.1.1"),
        ("AGENTADMIT_SCOPES", "[{name: 'A:b', description: c}]"),
        ("AGENTADMIT_API_KEY", "aa_test_short"),
        ("AGENTADMIT_STORAGE_USER_ID_FIELD", "user id"),
    ] {
        let mut world = World::new(WHOLE);
        world.environment.insert(name.into(), wrong.into());
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        let found = world.inspect().findings;
        let errors: Vec<&Finding> = found.iter().filter(is_error).collect();
        assert_eq!(
            errors.iter().map(|f| f.file.as_str()).collect::<Vec<_>>(),
            [name],
            "{errors:#?}"
        );
        world.apply(&errors[0].fix.clone());
        assert!(world.inspect().settings.is_some(), "{:?}", world.environment);
    }
}

#[test]
fn the_environment_alone_can_say_everything() {
    let key = secret(SecretKind::ApiKeyLive);
    let environment = |name: &str| match name {
        "AGENTADMIT_VERIFY_URL" => Some("https://auth.example.com/v1/verify".to_owned()),
        "AGENTADMIT_API_KEY" => Some(key.clone()),
        _ => None,
    };
    let settings = config::load(None, &environment).into_settings().unwrap();
    assert_eq!(settings.service_url.as_str(), "https://auth.example.com/");
    assert_eq!(settings.api_key.unwrap().expose(), key);
    let error = config::load(None, &|_| None).into_settings().unwrap_err();
    assert!(error.0.contains("AGENTADMIT_SERVICE_URL"), "{error}");
}

#[test]
fn what_dev_left_counts_for_a_service_on_this_machine_alone() {
    let key = secret(SecretKind::ApiKeyTest);
    let env = format!(
        "# by dev\nAGENTADMIT_SERVICE_URL=http://127.0.0.1:9999\nAGENTADMIT_API_KEY={key}\n"
    );
    let mut world = World::new(WHOLE);
    world.write(".agentadmit/dev.env", &env);
    let settings = world.inspect().settings.unwrap();
    assert_eq!(settings.api_key.unwrap().expose(), key);
    assert_eq!(settings.service_url.port(), Some(9999));

    world.environment.insert("AGENTADMIT_SERVICE_URL".into(), "https://auth.example.com".into());
    let settings = world.inspect().settings.unwrap();
    assert!(settings.api_key.is_none());
    assert_eq!(settings.service_url.as_str(), "https://auth.example.com/");

    let live = secret(SecretKind::ApiKeyLive);
    world.environment.clear();
    world.environment.insert("AGENTADMIT_API_KEY".into(), live.clone());
    let settings = world.inspect().settings.unwrap();
    assert_eq!(settings.api_key.unwrap().expose(), live);
    assert_eq!(settings.service_url.port(), Some(8700));

    world.environment.clear();
    world
        .write(".agentadmit/dev.env", env.replace("http://127.0.0.1:9999", "https://evil.example"));
    assert!(world.inspect().settings.unwrap().api_key.is_none());
}

#[test]
fn the_lines_of_the_first_sdk_still_work() {
    let world = World::new(
        "app_id: app_yourappid\nverify_url: https://auth.example.com/v1/verify\nmax_retries: 5\n",
    );
    let loaded = world.inspect();
    let ids: Vec<_> = loaded.findings.iter().map(|finding| finding.id).collect();
    assert!(ids.contains(&"placeholder-app-id"));
    let settings = loaded.into_settings().unwrap();
    assert_eq!((settings.max_retries, settings.app_id), (5, None));
    assert_eq!(settings.service_url.as_str(), "https://auth.example.com/");
}

#[test]
fn errors_name_file_line_and_fix() {
    let world = world_of("+max_retires: 5\n");
    let path = world.path("agentadmit.yaml");
    let error = agentadmit::Settings::from_file(Path::new(&path)).unwrap_err();
    let place = format!("{}:5:1", path.display());
    assert!(error.0.contains(&place) && error.0.contains("max_retries: 5"), "{error}");
}
