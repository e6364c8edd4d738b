//! The commands of whoever builds an app: `init`, `check`, `keys`, `sync`, completions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Connected, Ran, Service, Store, agentadmit, text};

/// An app's folder.
pub(crate) struct App {
    folder: TempDir,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl App {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// A folder in which `init` was run.
    pub(crate) fn begun() -> Self {
        let app = Self::new();
        app.run(&["init", "--name", "Shop"]).ok();
        app
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = agentadmit();
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        command.args(arguments).current_dir(self.folder.path()).envs(variables);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// The ids of what `check` finds, with their lines.
    fn findings(&self) -> Vec<(String, u64)> {
        let found = self.run(&["check", "--json"]).json();
        let findings = found["findings"].as_array().unwrap();
        let line = |finding: &Value| finding["line"].as_u64().unwrap_or_default();
        findings.iter().map(|finding| (text(finding, "id"), line(finding))).collect()
    }

    /// The app of a service.
    fn at(&mut self, service: &Service, connected: &Connected) {
        self.environment = vec![
            ("AGENTADMIT_SERVICE_URL", service.url.clone()),
            ("AGENTADMIT_APP_ID", connected.app_id.clone()),
            ("AGENTADMIT_API_KEY", connected.api_key.clone()),
        ];
    }
}

#[test]
fn init_writes_what_check_accepts_and_overwrites_nothing() {
    let app = App::begun();
    assert_eq!(app.mode("agentadmit-private-key.pem"), 0o600);
    assert!(app.read(".gitignore").contains("/.agentadmit/\n/agentadmit-private-key*.pem\n"));
    let checked = app.run(&["check"]).ok();
    for shown in
        ["read:orders", "sensitive", "agentadmit.yaml:", "default", "note: ", "no findings"]
    {
        assert!(checked.stdout.contains(shown), "{shown}: {}", checked.stdout);
    }
    let live = app.run(&["check", "--live", "--json"]).exits(1).json();
    assert!(live["notes"].as_array().unwrap().is_empty());
    assert!(
        live["findings"].as_array().unwrap().iter().any(|note| note["id"] == "api-key-missing")
    );

    let (yaml, key) = (app.read("agentadmit.yaml"), app.read("agentadmit-private-key.pem"));
    let refused = app.run(&["init"]).exits(1);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    fs::remove_file(app.path("agentadmit.yaml")).unwrap();
    app.run(&["init"]).exits(1);
    assert!(!app.path("agentadmit.yaml").exists(), "half an app");
    assert_eq!(app.read("agentadmit-private-key.pem"), key);

    let ignored = app.read(".gitignore");
    app.run(&["init", "--name", "Shop", "--force"]).ok();
    assert_eq!(app.read("agentadmit.yaml"), yaml);
    assert_eq!(app.read("agentadmit-private-key.old.pem"), key);
    assert_ne!(app.read("agentadmit-private-key.pem"), key);
    assert_eq!(app.read(".gitignore"), ignored);
}

#[test]
fn check_names_the_line_of_what_is_wrong() {
    let app = App::new();
    let base = "service_url: http://127.0.0.1:8700\nscopes:\n  - name: read:orders\n";
    for (rest, id, line) in [
        ("\t  description: a\n", "yaml-tab", 4),
        ("    description: a\n    description: b\n", "duplicate-key", 5),
        ("    <<: {description: a}\n    description: b\n", "yaml-merge-key", 4),
        ("    description: a\n    sensitiv: true\n", "unknown-key", 5),
        ("    description: a\nname: a: b\n", "yaml-syntax", 5),
    ] {
        app.write("agentadmit.yaml", &format!("{base}{rest}"));
        app.run(&["check"]).exits(1);
        assert_eq!(app.findings(), [(id.to_owned(), line)], "{rest}");
    }
    let human = app.run(&["check"]).exits(1).stdout;
    assert!(human.starts_with("agentadmit.yaml:5:"), "{human}");
    assert!(human.contains("write instead of line 5:\nname: \"a: b\""), "{human}");
    fs::remove_file(app.path("agentadmit.yaml")).unwrap();
    app.run(&["check"]).exits(2);
    let sync = app.run(&["sync", "--json"]).exits(2).json();
    assert!(text(&sync, "error_description").contains("agentadmit init"), "{sync}");
}

#[test]
fn sync_adds_updates_and_removes_and_stops_at_a_conflict() {
    let store = Store::new();
    let service = store.serve();
    let connected = Connected::on(&store, &service);
    let mut app = App::begun();
    app.run(&["sync"]).exits(2);
    app.at(&service, &connected);

    let conflict = app.run(&["sync", "--json"]).exits(1).json();
    assert_eq!(conflict["error"], "conflict");
    assert!(text(&conflict, "error_description").contains("orders:read"), "{conflict}");
    let online = app.run(&["check", "--online", "--json"]).exits(1).json();
    assert_eq!(online["findings"][0]["id"], "catalogue-differs");

    let changed = app.run(&["sync", "--remove", "orders:read", "--json"]).ok().json();
    assert_eq!(changed["added"], serde_json::json!(["read:orders", "create:refunds"]));
    assert_eq!(changed["removed"], serde_json::json!(["orders:read"]));
    assert_eq!(connected.verify(&service.url).unwrap().0, 403);

    let yaml = app.read("agentadmit.yaml").replace("See your orders", "Look at your orders");
    app.write("agentadmit.yaml", &yaml);
    let changed = app.run(&["sync"]).ok();
    assert!(changed.stdout.contains("~ read:orders"), "{}", changed.stdout);
    assert!(app.run(&["sync"]).ok().stdout.contains("nothing changed"));
    app.run(&["check", "--online"]).ok();

    app.environment.retain(|(name, _)| *name != "AGENTADMIT_API_KEY");
    app.environment.push(("AGENTADMIT_API_KEY", Connected::on(&store, &service).api_key));
    let refused = app.run(&["check", "--online", "--json"]).exits(1).json();
    assert_eq!(refused["findings"][0]["id"], "key-refused");
    drop(service);
    app.run(&["sync"]).exits(3);
    app.run(&["check", "--online"]).exits(3);
}

#[test]
fn a_key_is_replaced_without_a_moment_in_which_nothing_is_signed() {
    let store = Store::new();
    let service = store.serve();
    let connected = Connected::on(&store, &service);
    let mut app = App::begun();
    app.at(&service, &connected);
    let first = app.read("agentadmit-private-key.pem");
    let register = || {
        let public = app.path("agentadmit-public-keys.json");
        let public = public.to_str().unwrap();
        let arguments = ["public-keys", "put", "--app", &connected.app_id, "--environment", "test"];
        store.run(&[&arguments[..], &[public]].concat()).ok();
    };
    let live = app.run(&["check", "--online", "--json"]).json();
    assert!(live["notes"].to_string().contains("key-not-registered"), "{live}");

    app.run(&["keys", "--activate"]).exits(1);
    app.run(&["keys", "--drop-old"]).exits(1);
    let made = app.run(&["keys", "--json"]).ok().json();
    assert_eq!(app.mode("agentadmit-private-key.next.pem"), 0o600);
    assert_eq!(app.read("agentadmit-private-key.pem"), first);
    let command = text(&made, "register");
    assert!(command.contains(&service.url) && command.contains(&connected.app_id), "{command}");
    app.run(&["keys"]).exits(1);

    let early = app.run(&["keys", "--activate"]).exits(1);
    assert!(early.stderr.contains(&command), "{}", early.stderr);
    assert_eq!(app.read("agentadmit-private-key.pem"), first);
    register();
    let next = app.read("agentadmit-private-key.next.pem");
    let active = app.run(&["keys", "--activate", "--json"]).ok().json();
    assert_eq!(active["kid"], made["kid"]);
    assert_eq!(app.read("agentadmit-private-key.pem"), next);
    assert_eq!(app.read("agentadmit-private-key.old.pem"), first);
    assert!(!app.path("agentadmit-private-key.next.pem").exists());

    let early = app.run(&["keys", "--drop-old"]).exits(1);
    assert!(early.stderr.contains("agentadmit public-keys put"), "{}", early.stderr);
    assert!(app.path("agentadmit-private-key.old.pem").exists());
    register();
    app.run(&["keys", "--drop-old"]).ok();
    assert!(!app.path("agentadmit-private-key.old.pem").exists());
    assert_eq!(app.read("agentadmit-private-key.pem"), next);
    app.run(&["keys"]).ok();
    drop(service);
    app.run(&["keys", "--activate"]).exits(3);
}

#[test]
fn completions_know_every_command() {
    let app = App::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = app.run(&["completions", shell]).ok().stdout;
        for word in ["init", "sync", "drop-old", "accept-clock"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        assert!(!script.contains("demo-app"), "{shell}");
    }
    app.run(&["completions", "tcsh"]).exits(2);
}
