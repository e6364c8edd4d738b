//! Every finding of the configuration is provoked by a file, and its own fix makes it go away.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod cases;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use agentadmit::config::{self, Finding, Fix, RULES, Severity, Sources};
use agentadmit::protocol::secret::SecretKind;
use cases::{CASES, STAGED, WHOLE};
use proptest::prelude::*;
use world::{World, secret};

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
    let loaded = world.inspect();
    let printed = format!("{:?} {:?} {:?}", loaded.origins, loaded.findings, loaded.settings);
    let key = secret(SecretKind::ApiKeyLive);
    assert!(!printed.contains(&key) && !printed.contains("hunter2"), "{printed}");
    let before = if world.path("agentadmit.yaml").exists() { world.yaml() } else { String::new() };
    for _ in 0..found.len() {
        let Some(next) = world.findings(id).into_iter().next() else { break };
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
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(page).unwrap();
    let is_severity = |cell: &&str| ["error", "warning", "note"].contains(cell);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        cells.get(1).filter(|cell| is_severity(cell)).map(|_| cells[0].replace('`', ""))
    };
    let written: BTreeSet<String> = page.lines().filter_map(row).collect();
    // these are found by asking the service: the tests of the command line provoke them
    let online = ["key-refused", "catalogue-differs", "key-not-registered"];
    assert_eq!(written, tried.iter().chain(&online).map(|id| (*id).to_owned()).collect());
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
        let line = format!("a{level}: &a{level} [{}]\n", [inner.as_str(); 10].join(","));
        text.push_str(&line);
    }
    let world = World::new(&text);
    assert_eq!(world.findings("yaml-alias").len(), 290);
    let large = format!(
        "a: &a {{{}}}\n",
        (0..2000).map(|n| format!("k{n}: v")).collect::<Vec<_>>().join(",")
    );
    for repeated in ["b%: *a\n", "b%: {<<: *a}\n"] {
        let many: String = (0..9000).map(|n| repeated.replace('%', &n.to_string())).collect();
        let world = World::new(&format!("{large}{many}"));
        let printed = serde_json::to_string(&world.inspect().findings).unwrap();
        assert!(printed.len() < 2_000_000, "{} bytes of findings", printed.len());
    }
}

/// Pieces that configurations are made of, and are broken by.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n"),
        Just("\n  "),
        Just("\n    "),
        Just("\n  - "),
        Just("\n- "),
        Just("\t"),
        Just(": "),
        Just(":"),
        Just(", "),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just("\""),
        Just("'"),
        Just("|\n"),
        Just(">-\n"),
        Just("&a "),
        Just("*a"),
        Just("<<: *a"),
        Just("!t "),
        Just("? "),
        Just("\r\n"),
        Just("\r"),
        Just("---\n"),
        Just("# "),
        Just("é"),
        Just("\u{feff}"),
        Just("\u{2028}"),
        Just("scopes:"),
        Just("name: "),
        Just("description: x"),
        Just("service_url: "),
        Just("http://u:p@127.0.0.1:8700"),
        Just("https://a.example"),
        Just("durations: "),
        Just("seconds: "),
        Just("60"),
        Just("-1"),
        Just("1e999"),
        Just("true"),
        Just("~"),
        Just("app_id: app_your"),
        Just("api_key: aa_live_x"),
        Just("trusted_proxies: "),
        Just("0.0.0.0/0"),
        Just("prompt_templates: "),
        Just("text: {a"),
        Just("storage: "),
        Just("read:orders"),
        Just("admin:x"),
        Just("allowed_origins: '*'"),
        Just("route_prefix: /"),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in the file or a variable: no panic, places that exist, fixes that apply.
    #[test]
    fn any_text_is_read_or_found_wrong(text in pieces()) {
        let mut world = World::new(&text);
        let ends = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines = u32::try_from(ends.split('\n').count()).unwrap();
        let found = world.inspect().findings;
        for finding in &found {
            prop_assert!(finding.line.is_none_or(|line| (1..=lines).contains(&line)), "{finding}");
            if let Fix::Replace { first_line, last_line, .. } = &finding.fix {
                prop_assert!(1 <= *first_line && first_line <= last_line && *last_line <= lines, "{finding:?}");
            }
        }
        let is_edit = |finding: &&Finding| matches!(finding.fix, Fix::Replace { .. } | Fix::Append { .. });
        if let Some(first) = found.iter().find(is_edit) {
            world.apply(&first.fix.clone());
            world.inspect();
        }
        for name in ["AGENTADMIT_SCOPES", "AGENTADMIT_STORAGE", "AGENTADMIT_TRUSTED_PROXIES", "AGENTADMIT_NAME"] {
            let environment = |asked: &str| (asked == name).then(|| text.clone());
            config::load(None, &environment);
        }
    }
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

    let key = secret(SecretKind::ApiKeyLive);
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
