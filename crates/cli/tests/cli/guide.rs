//! The guide for app owners, as it stands: every block of commands is run in a shell, in order, in
//! an empty folder, with the programs of this build.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Ran, agentadmit};

/// The first line of a block whose command runs until the end.
const STAYS: &str = "# leave this running";

/// What the shell knows beside the guide: to wait until everything that was left running listens.
const PRELUDE: &str = r#"
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
await_lines() { # FILE COUNT PID
  until [ "$(grep -c '^listening on' "$1")" -ge "$2" ]; do
    kill -0 "$3" || { cat "$1"; return 1; }
    read -r -t 0.05 <> <(:) || true
  done
}
"#;

#[test]
fn every_step_of_the_guide_runs() {
    let folder = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_agentadmit");
    program(programs.path(), "agentadmit", &format!("exec '{binary}' \"$@\""));
    let shop = free_port();
    // the shop of the guide, which this build carries for its demo
    let start = format!("exec '{binary}' __demo-app 127.0.0.1:{shop}");
    program(programs.path(), "axum-shop", &start);

    let guide = include_str!("../../../../docs/app-owner-guide.md");
    let ports = [("8000", shop), ("8701", free_port())];
    let mut script = script_of(guide);
    for (documented, port) in ports {
        script = script.replace(&format!("127.0.0.1:{documented}"), &format!("127.0.0.1:{port}"));
    }
    // the ports that `init` writes down may be somebody's
    let edit = format!("\nsed -i 's/127.0.0.1:8000/127.0.0.1:{shop}/' agentadmit.yaml\n");
    script = script.replacen("\nagentadmit check\n", &(edit + "agentadmit check\n"), 1);
    script = script.replace("agentadmit dev --", "agentadmit dev --listen 127.0.0.1:0 --");
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AGENTADMIT_") {
            shell.env_remove(&name);
        }
    }
    let ran = Ran::of(shell.args(["-c", &script]).env("PATH", path).current_dir(&folder)).ok();
    for said in ["A-1001", "insufficient_scope", "invalid_token", "every record and chain is whole"]
    {
        assert!(ran.stdout.contains(said), "{said} is not in\n{}", ran.stdout);
    }
}

/// The guide's blocks of shell as one script.
fn script_of(guide: &str) -> String {
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let mut script = PRELUDE.to_owned();
    for (number, block) in blocks.enumerate() {
        match block.strip_prefix(STAYS) {
            None => script.push_str(block),
            Some(command) => {
                let command = command.trim();
                let lines = if command.contains(" -- ") { 2 } else { 1 };
                writeln!(script, "{command} 2> {number}.log > /dev/null &").unwrap();
                writeln!(script, "await_lines {number}.log {lines} $!").unwrap();
            }
        }
    }
    script
}

fn program(folder: &Path, name: &str, commands: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/usr/bin/env bash\n{commands}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_example_of_choosing_scopes_is_a_catalogue() {
    let page = include_str!("../../../../docs/choosing-scopes.md");
    let (_, scopes) = page.split_once("```yaml\n").unwrap();
    let (scopes, _) = scopes.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agentadmit.yaml");
    fs::write(file, format!("service_url: http://127.0.0.1:8700\n{scopes}")).unwrap();
    let checked = Ran::of(agentadmit().arg("check").current_dir(&folder)).ok();
    for name in ["read:orders", "cancel:orders", "refund:orders", "read:usage"] {
        assert!(checked.stdout.contains(name), "{name} is not in\n{}", checked.stdout);
    }
}

#[test]
fn the_example_shop_is_configured_well() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/axum-shop");
    Ran::of(agentadmit().arg("check").current_dir(shop)).ok();
}
