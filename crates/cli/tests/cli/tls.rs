//! `serve` with a certificate of its own, and a client that trusts it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Ran, Service, Store, agentadmit};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/fixtures").join(name)
}

#[test]
fn a_certificate_is_served_and_read_anew_on_sighup() {
    let store = Store::new();
    let token = store.operator();
    let (certificate, key) = (store.path("tls.pem"), store.path("tls.key"));
    let install = |name: &str| {
        fs::copy(fixture(&format!("{name}.pem")), &certificate).unwrap();
        fs::copy(fixture(&format!("{name}.key")), &key).unwrap();
    };
    install("first");
    let mut command = store.serve_command();
    command.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
    let mut service = Service::start(command);
    assert!(service.url.starts_with("https://127.0.0.1:"), "{}", service.url);

    let list = |trusted: &str| {
        let mut command = agentadmit();
        command
            .env("AGENTADMIT_OPERATOR_TOKEN", &token)
            .env("AGENTADMIT_CA_FILE", fixture(trusted));
        Ran::of(command.args(["apps", "list", "--service", &service.url]))
    };
    list("first.pem").ok();
    list("second.pem").exits(3);
    let mut command = agentadmit();
    command.env("AGENTADMIT_OPERATOR_TOKEN", &token);
    let without = Ran::of(command.args(["apps", "list", "--service", &service.url])).exits(3);
    assert!(without.stderr.contains("--ca-file"), "{}", without.stderr);

    install("second");
    service.signal(libc::SIGHUP);
    assert!(service.log.iter().any(|line| line.contains("SIGHUP")));
    list("second.pem").ok();
    list("first.pem").exits(3);

    fs::write(&certificate, "no certificate").unwrap();
    service.signal(libc::SIGHUP);
    assert!(service.log.iter().any(|line| line.contains("the former certificate stays")));
    list("second.pem").ok();
    assert_eq!(service.terminate().code(), Some(0));
}

#[test]
fn files_that_are_no_certificate_are_wrong_usage() {
    let store = Store::new();
    let mut command = store.serve_command();
    command.arg("--tls-cert").arg(fixture("first.pem")).arg("--tls-key").arg(fixture("second.key"));
    Ran::of(&mut command).exits(2);
    let mut command = store.serve_command();
    Ran::of(command.arg("--tls-cert").arg(fixture("first.pem"))).exits(2);
}
