//! After a restore from an older backup, `audit verify` says of a newer checkpoint that somebody
//! kept why it is not reached.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use agentadmit_store::{Clock, FakeClock, SystemClock};
use agentadmit_store_sqlite::{
    Access, OpenError, RestoreOptions, SqliteStore, StoreOptions, restore,
};
use agentadmit_testkit::service::{ServiceOptions, TestService};
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits};
use serde_json::Value;

/// A store on a file with a clock that the test moves.
struct Place {
    folder: tempfile::TempDir,
    clock: Arc<FakeClock>,
}

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self) -> StoreOptions {
        StoreOptions { clock: Arc::clone(&self.clock) as _, ..StoreOptions::new() }
    }

    fn open(&self, access: Access) -> SqliteStore {
        SqliteStore::open(self.file("store.db"), self.options(), access).unwrap()
    }

    fn serve(&self) -> TestService {
        let store = Arc::new(self.open(Access::Service));
        TestService::start(store, Arc::clone(&self.clock) as _, ServiceOptions::default())
    }

    /// Puts the backup back. The service before lets go of the store some time after its end.
    fn restore(&self) {
        let options = RestoreOptions { store: self.options(), keep_connections: true };
        loop {
            match restore(&self.file("backup.db"), &self.file("store.db"), &options) {
                Err(OpenError::InUse { .. }) => thread::yield_now(),
                done => return drop(done.unwrap()),
            }
        }
    }
}

/// A user, an agent, and some calls.
fn calls(app: &App, user: &str) {
    let mut client = app.client();
    let connection = app.connect(&mut client, user, &SCOPES);
    for _ in 0..5 {
        client.ask(&app.verify(&connection.access_token, SCOPES[0])).expect(200);
    }
}

/// The newest export.
fn export(app: &App) -> String {
    String::from_utf8(app.client().ask(&app.export()).body).unwrap()
}

/// The export once the service has signed a checkpoint: time passes until it has.
fn signed_export(app: &App, clock: &FakeClock) -> String {
    loop {
        let export = export(app);
        if !checkpoints(&export).is_empty() {
            return export;
        }
        clock.advance(Duration::from_mins(1));
    }
}

fn checkpoints(export: &str) -> Vec<&str> {
    export.lines().filter(|line| line.contains(r#""event":"checkpoint""#)).collect()
}

fn verify(file: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentadmit"));
    command.args(["audit", "verify"]).arg(file).args(more).output().unwrap()
}

#[test]
fn a_kept_checkpoint_newer_than_the_backup_is_said_to_be_lost_in_the_restore() {
    let start = SystemClock::new().read().wall;
    let place =
        Place { folder: tempfile::tempdir().unwrap(), clock: Arc::new(FakeClock::new(start)) };
    let service = place.serve();
    let app = service.operator().app(&no_rate_limits());
    calls(&app, "ann");
    place.open(Access::Command).backup(&place.file("backup.db"), &mut |_| {}).unwrap();
    calls(&app, "bob");
    let lost = signed_export(&app, &place.clock);
    fs::write(place.file("kept.ndjson"), checkpoints(&lost).last().unwrap()).unwrap();
    drop(service);
    place.clock.advance(Duration::from_secs(1));
    place.restore();

    let service = place.serve();
    let app = App { address: service.address(), ..app };
    calls(&app, "eve");
    let (file, kept) = (place.file("audit.ndjson"), place.file("kept.ndjson"));
    let checkpoint = ["--checkpoint", kept.to_str().unwrap()];
    fs::write(&file, export(&app)).unwrap();
    let unsigned = verify(&file, &checkpoint);
    let words = String::from_utf8(unsigned.stdout).unwrap();
    assert_eq!(unsigned.status.code(), Some(1), "{words}");
    assert!(words.contains("explains nothing") && words.contains("cut off"), "{words}");

    fs::write(&file, signed_export(&app, &place.clock)).unwrap();
    let explained = verify(&file, &[&checkpoint[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert_eq!(explained.status.code(), Some(1), "records are gone: {report}");
    let findings = report["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    assert!(findings.iter().all(|found| found["kind"] == "lost_in_restore"), "{report}");
    let record = report["restores"][0]["id"].as_str().unwrap();
    let words = String::from_utf8(verify(&file, &checkpoint).stdout).unwrap();
    assert!(words.contains(record) && words.contains("what is here is whole"), "{words}");

    let alone = verify(&file, &[]);
    assert_eq!(alone.status.code(), Some(0));
    let note = String::from_utf8(alone.stderr).unwrap();
    assert!(note.contains("restored from a backup") && note.contains(record), "{note}");
}
