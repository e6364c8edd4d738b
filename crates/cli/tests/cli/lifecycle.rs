//! `serve` from its first start to its drained end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::thread;

use crate::support::{Connected, Ran, Service, Store, agentadmit, record_ids, request, text};

#[test]
fn a_service_says_where_it_listens_and_ends_with_0_on_sigterm_and_sigint() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let store = Store::new();
        let mut service = store.serve();
        assert!(service.url.starts_with("http://127.0.0.1:"), "{}", service.url);
        assert!(!service.url.ends_with(":0"), "{}", service.url);
        let (status, _) = request(&service.url, "GET", "/readyz", "", &().into()).unwrap();
        assert_eq!(status, 200);
        let ready = Ran::of(agentadmit().args(["ready", "--json", "--service", &service.url]));
        assert_eq!(ready.ok().json()["ready"], true);
        let url = service.url.clone();
        service.signal(signal);
        assert_eq!(service.child.wait().unwrap().code(), Some(0));
        let gone = Ran::of(agentadmit().args(["ready", "--service", &url])).exits(3);
        assert!(gone.stderr.contains("cannot be reached"), "{}", gone.stderr);
    }
}

#[test]
fn a_drained_end_under_load_loses_no_answered_call() {
    let store = Store::new();
    let mut service = store.serve();
    let connected = Connected::on(&store, &service);
    let (url, answered) = (service.url.clone(), Mutex::new(Vec::new()));
    let status = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // until the service is gone
                while let Ok((status, answer)) = connected.verify(&url) {
                    match status {
                        200 => answered.lock().unwrap().push(text(&answer, "audit_id")),
                        429 | 503 => {}
                        other => panic!("{other}: {answer}"),
                    }
                }
            });
        }
        while answered.lock().unwrap().len() < 20 {
            thread::yield_now();
        }
        service.terminate()
    });
    assert_eq!(status.code(), Some(0));
    let export =
        Ran::of(agentadmit().args(["audit", "export", "--store", &store.location()]).args([
            "--app",
            &connected.app_id,
            "--environment",
            "test",
        ]));
    let kept = record_ids(&export.ok().stdout);
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() >= 20);
    for audit_id in answered {
        assert!(kept.contains(&audit_id), "{audit_id} was answered and is not in the log");
    }
}

#[test]
fn an_open_address_without_tls_or_proxy_is_refused() {
    let store = Store::new();
    let serve = |more: &[&str]| {
        let location = store.location();
        let mut command = agentadmit();
        Ran::of(command.args(["serve", "--store", &location]).args(more))
    };
    let refused = serve(&["--listen", "0.0.0.0:0"]).exits(2);
    for advice in ["--tls-cert", "--behind-proxy", "127.0.0.1"] {
        assert!(refused.stderr.contains(advice), "{}", refused.stderr);
    }
    serve(&["--listen", "127.0.0.1:0", "--operator-listen", "0.0.0.0:0"]).exits(2);
    serve(&["--public-url", "http://auth.example.com"]).exits(2);
    assert!(!store.path("store.db").exists(), "nothing was made");
    Ran::of(agentadmit().arg("serve")).exits(2);
}

#[test]
fn behind_a_proxy_it_listens_on_any_address() {
    let store = Store::new();
    let mut command = agentadmit();
    command.args(["serve", "--listen", "0.0.0.0:0", "--store", &store.location()]);
    command.args(["--behind-proxy", "--trusted-proxies", "10.0.0.0/8", "192.168.0.0/16"]);
    let mut service = Service::start(command);
    assert!(service.url.starts_with("http://0.0.0.0:"));
    assert_eq!(service.terminate().code(), Some(0));
}

#[test]
fn a_store_has_one_service_and_any_number_of_commands() {
    let store = Store::new();
    let _service = store.serve();
    let second = Ran::of(&mut store.serve_command()).exits(3);
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    store.run(&["operator", "list"]).ok();
}

#[test]
fn a_service_without_operators_says_how_to_make_one() {
    let store = Store::new();
    let mut service = store.serve();
    let advice = format!("agentadmit operator create --store {}", store.location());
    assert!(service.said.iter().any(|line| line.contains(&advice)), "{:?}", service.said);
    service.terminate();
    store.operator();
    let service = store.serve();
    assert!(
        !service.said.iter().any(|line| line.contains("operator create")),
        "{:?}",
        service.said
    );
}

#[test]
fn the_environments_token_becomes_the_first_operator_and_no_later_one() {
    let token = Store::new().operator();
    let other = Store::new().operator();
    let store = Store::new();
    for (given, code) in [(&token, 0), (&other, 1)] {
        let mut command = store.serve_command();
        command.env("AGENTADMIT_OPERATOR_TOKEN", given);
        let mut service = Service::start(command);
        service.run(given, &["apps", "list"]).exits(code);
        assert!(!service.said.concat().contains(given.as_str()));
        service.terminate();
    }
    let mut command = store.serve_command();
    Ran::of(command.env("AGENTADMIT_OPERATOR_TOKEN", "aa_op_typo")).exits(2);
}

#[test]
fn the_secret_key_is_made_once_and_kept_to_its_owner() {
    let store = Store::new();
    drop(store.serve());
    let key = store.path("store.db.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&key).unwrap();

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Ran::of(&mut store.serve_command()).exits(2);
    assert!(refused.stderr.contains("chmod 600"), "{}", refused.stderr);

    fs::remove_file(&key).unwrap();
    Ran::of(&mut store.serve_command()).exits(2);
    assert!(!key.exists(), "another key would open nothing");
    let mut command = store.serve_command();
    drop(Service::start({
        command.env("AGENTADMIT_SECRET_KEY", text.trim());
        command
    }));
    let mut command = store.serve_command();
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let refused = Ran::of(command.env("AGENTADMIT_SECRET_KEY", wrong)).exits(2);
    assert!(refused.stderr.contains("another key"), "{}", refused.stderr);
}

#[test]
fn operators_can_have_an_address_of_their_own() {
    let store = Store::new();
    let token = store.operator();
    let mut command = store.serve_command();
    command.args(["--operator-listen", "127.0.0.1:0"]);
    let service = Service::start(command);
    let line = service.said.iter().find_map(|line| line.strip_prefix("operator API on "));
    let operator_url = line.expect("the operators' address").to_owned();
    let status = |url: &str, path: &str| request(url, "GET", path, &token, &().into()).unwrap().0;
    assert_eq!(status(&service.url, "/v1/operator/apps"), 404);
    assert_eq!(status(&operator_url, "/v1/operator/apps"), 200);
    assert_eq!(status(&operator_url, "/v1/connections"), 404);
    assert_eq!(status(&service.url, "/healthz"), 200);
    assert_eq!(status(&operator_url, "/metrics"), 200);
}

#[test]
fn sighup_ends_nothing() {
    let store = Store::new();
    let mut service = store.serve();
    service.signal(libc::SIGHUP);
    let told = service.log.iter().any(|line| line.contains("SIGHUP"));
    assert!(told);
    assert_eq!(service.terminate().code(), Some(0));
}
