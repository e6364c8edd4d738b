//! Certificates: of nobody known, for another name, too old, and nearly so.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::world::{World, now};
use crate::support::{Ran, Service, Store, agentadmit};

/// A service with a certificate.
struct Secured {
    store: Store,
    service: Service,
}

impl Secured {
    /// Its certificate is for `name`, which ends at `url`'s port; it ends in so many days.
    fn new(name: &str, days: i64) -> Self {
        let store = Store::new();
        let mut certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
        certificate.not_before = date_time_ymd(2020, 1, 1);
        let end = u64::try_from(now() + days * 86_400 + 3_600).unwrap();
        certificate.not_after = (UNIX_EPOCH + Duration::from_secs(end)).into();
        let key = KeyPair::generate().unwrap();
        let pem = certificate.self_signed(&key).unwrap().pem();
        let (file, key_file) = (store.path("tls.pem"), store.path("tls.key"));
        fs::write(&file, pem).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        let mut command = store.serve_command();
        command.arg("--tls-cert").arg(&file).arg("--tls-key").arg(&key_file);
        Self { service: Service::start(command), store }
    }

    fn examined(&self, trusted: bool) -> Ran {
        let mut command = agentadmit();
        command.args(["doctor", "--service", &self.service.url]);
        if trusted {
            command.arg("--ca-file").arg(self.store.path("tls.pem"));
        }
        Ran::of(&mut command)
    }
}

/// The lines that begin with a mark, and their ids.
fn marked(ran: &Ran, mark: &str) -> Vec<String> {
    let lines = ran.stdout.lines().filter_map(|line| line.strip_prefix(mark));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[track_caller]
fn finds(ran: Ran, id: &str, words: &str) {
    let ran = ran.exits(1);
    assert_eq!(marked(&ran, "!!"), [id], "{}", ran.stdout);
    assert!(ran.stdout.contains(words), "{words:?} is not in\n{}", ran.stdout);
}

#[test]
fn a_good_certificate_is_well() {
    let secured = Secured::new("127.0.0.1", 60);
    let ran = secured.examined(true).ok();
    assert!(ran.stdout.contains("good for 60 more days"), "{}", ran.stdout);
    assert!(marked(&ran, "ok").contains(&"service_tls".to_owned()), "{}", ran.stdout);
}

#[test]
fn a_certificate_that_nobody_trusts() {
    let secured = Secured::new("127.0.0.1", 60);
    finds(secured.examined(false), "service_tls", "--ca-file");
}

#[test]
fn a_certificate_for_another_name() {
    let secured = Secured::new("auth.example.com", 60);
    finds(secured.examined(true), "service_tls", "for another name");
}

#[test]
fn a_certificate_that_ends() {
    let nearly = Secured::new("127.0.0.1", 5);
    finds(nearly.examined(true), "service_certificate", "ends in 5 days");
    let over = Secured::new("127.0.0.1", -5);
    finds(over.examined(true), "service_certificate", "has expired at 2");
}

#[test]
fn the_same_of_an_app() {
    let world = World::new();
    let examined = |secured: &Secured, trusted: bool| {
        let doctor = world.doctor().with(&["--app", &secured.service.url]);
        if !trusted {
            return doctor.run();
        }
        let file = secured.store.path("tls.pem");
        doctor.with(&["--ca-file", file.to_str().unwrap()]).run()
    };
    let nobodys = Secured::new("127.0.0.1", 60);
    examined(&nobodys, false).finds("app_tls", "nobody whom this machine trusts");
    let over = Secured::new("127.0.0.1", -5);
    examined(&over, true).finds("app_certificate", "has expired");
}
