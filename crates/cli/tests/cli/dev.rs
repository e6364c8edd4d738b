//! `agentadmit dev`: service and app together, from the first start to the next.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::developer::App;
use crate::support::{Ran, request, text};

/// `dev` on a free port with a command, which gets the rest.
fn dev(app: &App, command: &[&str]) -> Command {
    app.command(&[&["dev", "--listen", "127.0.0.1:0", "--"][..], command].concat())
}

/// What a command saw of its variables.
fn variables(app: &App) -> Vec<String> {
    let seen = Ran::of(&mut dev(app, &["sh", "-c", "env | grep ^AGENTADMIT_ | sort"])).ok();
    seen.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn the_app_runs_with_an_id_and_a_key_that_the_next_start_finds_again() {
    let app = App::begun();
    let before = app.read("agentadmit.yaml");
    let first = variables(&app);
    let names: Vec<&str> = first.iter().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(names, ["AGENTADMIT_API_KEY", "AGENTADMIT_APP_ID", "AGENTADMIT_SERVICE_URL"]);
    let id = first[1].strip_prefix("AGENTADMIT_APP_ID=").unwrap();

    let after = app.read("agentadmit.yaml");
    let changed: Vec<_> =
        before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].0.starts_with("# app_id:"));
    assert_eq!(changed[0].1, format!("app_id: {id}"));
    assert_eq!(before.lines().count(), after.lines().count());
    assert_eq!(app.mode(".agentadmit/dev.env"), 0o600);
    assert!(app.read(".agentadmit/dev.env").contains(&first[0]));

    let second = variables(&app);
    assert_eq!(first[..2], second[..2]);
    assert_eq!(app.read("agentadmit.yaml"), after);
    app.run(&["check"]).ok();
}

#[test]
fn the_service_has_the_scopes_of_the_file_and_keeps_its_data() {
    let app = App::begun();
    let binary = env!("CARGO_BIN_EXE_agentadmit");
    let online = Ran::of(&mut dev(&app, &[binary, "check", "--online", "--json"])).ok().json();
    assert_eq!(online["findings"], serde_json::json!([]));
    let usage = Ran::of(&mut dev(&app, &[binary, "usage", "--json"])).ok().json();
    assert_eq!(
        usage["app_id"].as_str(),
        app.read("agentadmit.yaml").lines().find_map(|line| line.strip_prefix("app_id: "))
    );

    let yaml = app.read("agentadmit.yaml").replace("create:refunds", "create:returns");
    app.write("agentadmit.yaml", &yaml);
    let changed = Ran::of(&mut dev(&app, &["true"])).ok().stderr;
    assert!(
        changed.contains("+ create:returns") && changed.contains("- create:refunds"),
        "{changed}"
    );

    fs::remove_file(app.path(".agentadmit/dev.env")).unwrap();
    let listed = Ran::of(&mut dev(&app, &[binary, "check", "--online", "--json"])).ok().json();
    let id = listed["values"][0]["value"].as_str().unwrap();
    assert!(app.read("agentadmit.yaml").contains(id), "the same app, a new key");
}

#[test]
fn an_id_of_another_service_stays_in_the_file() {
    let app = App::begun();
    let other = "app_id: app_01jd3q7v6tfh5r8m2k4n9p0wxy\n";
    app.write("agentadmit.yaml", &format!("{other}{}", app.read("agentadmit.yaml")));
    let seen = variables(&app);
    assert!(!other.contains(seen[1].split('=').nth(1).unwrap()), "{}", seen[1]);
    assert!(app.read("agentadmit.yaml").starts_with(other));
    assert_eq!(variables(&app)[..2], seen[..2]);
}

#[test]
fn the_commands_exit_code_is_passed_on() {
    let app = App::begun();
    Ran::of(&mut dev(&app, &["sh", "-c", "exit 7"])).exits(7);
    Ran::of(&mut dev(&app, &["sh", "-c", "kill -TERM $$"])).exits(143);
    let missing = Ran::of(&mut dev(&app, &["./no-such-app"])).exits(2);
    assert!(missing.stderr.contains("no-such-app"), "{}", missing.stderr);
}

/// A `dev` whose command has said `up` and waits.
fn waiting(app: &App, script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let script =
        format!("{script}; echo up $AGENTADMIT_SERVICE_URL; while :; do read line || wait; done");
    let mut child = dev(app, &["sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn kill(child: &Child, signal: libc::c_int) {
    let process = libc::pid_t::try_from(child.id()).unwrap();
    #[expect(unsafe_code, reason = "the standard library sends no signal but SIGKILL")]
    // SAFETY: kill(2) has no memory to break, and the process is our own child, not yet waited for.
    let sent = unsafe { libc::kill(process, signal) };
    assert_eq!(sent, 0);
}

#[test]
fn signals_go_to_the_app_and_the_service_ends_with_it() {
    for (name, signal) in [("TERM", libc::SIGTERM), ("INT", libc::SIGINT), ("HUP", libc::SIGHUP)] {
        let app = App::begun();
        let (mut child, mut stdout) = waiting(&app, &format!("trap 'echo got; exit 5' {name}"));
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("up ").unwrap().to_owned();
        assert_eq!(request(&url, "GET", "/readyz", "", &().into()).unwrap().0, 200);
        kill(&child, signal);
        let mut rest = String::new();
        // the shell looks at its traps when its `read` ends
        drop(child.stdin.take());
        std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
        assert_eq!((rest.trim(), child.wait().unwrap().code()), ("got", Some(5)), "{name}");
        assert!(request(&url, "GET", "/readyz", "", &().into()).is_err());
    }
}

#[test]
fn without_a_command_it_runs_until_it_is_told_to_end() {
    let app = App::begun();
    let mut child = app
        .command(&["dev", "--listen", "127.0.0.1:0", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut answers =
        serde_json::Deserializer::from_reader(stdout).into_iter::<serde_json::Value>();
    let answer = answers.next().unwrap().unwrap();
    let key = app.read(".agentadmit/dev.env");
    let key = key.lines().find_map(|line| line.strip_prefix("AGENTADMIT_API_KEY=")).unwrap();
    let path = format!("/v1/apps/{}/scopes", text(&answer, "app_id"));
    let url = text(&answer, "service_url");
    assert_eq!(request(&url, "GET", &path, key, &().into()).unwrap().0, 200);

    // what dev left is enough for the commands that ask the service
    app.run(&["check", "--online"]).ok();
    assert!(app.run(&["sync"]).ok().stdout.contains("nothing changed"));
    let second = Ran::of(&mut dev(&app, &["true"])).exits(3);
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    assert_eq!(request(&url, "GET", &path, key, &().into()).unwrap().0, 200);
    kill(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_stands_in_the_way_is_said_clearly() {
    let app = App::begun();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = app.run(&["dev", "--listen", &address, "--", "true"]).exits(3);
    let port = address.rsplit(':').next().unwrap();
    assert!(refused.stderr.contains(&format!("port {port} is in use")), "{}", refused.stderr);
    app.run(&["dev", "--listen", "0.0.0.0:0", "--", "true"]).exits(2);
    app.write("agentadmit.yaml", "max_retires: 1\n");
    let refused = app.run(&["dev", "--", "true"]).exits(2);
    assert!(refused.stderr.contains("agentadmit.yaml:1:1"), "{}", refused.stderr);
    let nothing = App::new();
    let refused = nothing.run(&["dev", "--", "true"]).exits(2);
    assert!(refused.stderr.contains("agentadmit init"), "{}", refused.stderr);
    assert!(!nothing.path(".agentadmit").exists());
}
