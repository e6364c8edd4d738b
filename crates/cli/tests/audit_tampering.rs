//! `agentadmit audit verify` passes an untouched export of a store that lived through everything,
//! and finds whatever is done to it, by somebody who writes every other line of the file anew.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use agentadmit_core::audit::{ExportHeader, ExportWriter};
use agentadmit_protocol::audit::{AuditEvent, AuditRecord};
use agentadmit_protocol::id::ChainId;
use agentadmit_store::{Clock, FakeClock, SystemClock};
use agentadmit_store_sqlite::{Access, OpenError, SqliteStore, StoreOptions};
use agentadmit_testkit::load::Load;
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::service::{ServiceOptions, TestService};
use agentadmit_testkit::world::{App, SCOPES, no_rate_limits};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_agentadmit");
const RETENTION: Duration = Duration::from_hours(6);

/// An export taken apart.
#[derive(Clone)]
struct Export {
    header: ExportHeader,
    records: Vec<AuditRecord>,
}

impl Export {
    fn read(file: &[u8]) -> Self {
        let mut lines = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let header = serde_json::from_slice(lines.next().unwrap()).unwrap();
        let records = lines.map_while(|line| serde_json::from_slice(line).ok()).collect();
        Self { header, records }
    }

    /// The file with a trailer that fits, as a forger would write it.
    fn write(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = ExportWriter::new();
        writer.header(&self.header, &mut file).unwrap();
        for record in &self.records {
            writer.record(record, &mut file).unwrap();
        }
        writer.trailer(&mut file).unwrap();
        file
    }

    /// Lets the header promise no more than what is there.
    fn fit_header(&mut self) {
        let register = self.header.register.as_mut().unwrap();
        for bounds in self.header.chains.iter_mut().chain([register]) {
            let last = self.records.iter().rev().find(|record| record.chain == bounds.chain);
            let (seq, hash) = last.map_or((bounds.first_seq - 1, bounds.first_prev_hash), |last| {
                (last.seq, last.hash)
            });
            (bounds.last_seq, bounds.last_hash) = (seq, hash);
        }
    }

    /// A chain of calls that is long enough to take something out of its middle.
    fn long_chain(&self) -> ChainId {
        let register = self.header.register.unwrap().chain;
        let length = |chain: ChainId| self.records.iter().filter(|it| it.chain == chain).count();
        let chains = self.header.chains.iter().map(|bounds| bounds.chain);
        chains.filter(|chain| *chain != register).max_by_key(|chain| length(*chain)).unwrap()
    }

    /// Where in the file the middle of that chain is, and the record of it after that.
    fn middle(&self) -> (usize, usize) {
        let chain = self.long_chain();
        let places: Vec<usize> =
            (0..self.records.len()).filter(|place| self.records[*place].chain == chain).collect();
        assert!(places.len() > 10, "a chain of {} has no middle", places.len());
        (places[places.len() / 2], places[places.len() / 2 + 1])
    }
}

/// What `audit verify` says: its exit code and the kinds of its findings.
fn verify(file: &[u8], checkpoint: Option<&Path>) -> (Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.ndjson");
    fs::write(&path, file).unwrap();
    let mut command = Command::new(BINARY);
    command.args(["audit", "verify", "--json"]).arg(&path);
    if let Some(checkpoint) = checkpoint {
        command.arg("--checkpoint").arg(checkpoint);
    }
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    (output.status.code(), findings.map(|it| it["kind"].as_str().unwrap().to_owned()).collect())
}

/// The exports of a store that was killed and restored, before and after it was trimmed.
fn lived_through_everything() -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    let app = killed_and_restored(&store, &folder.path().join("backup.db"));
    let clock = Arc::new(FakeClock::new(SystemClock::new().read().wall));
    // every incarnation of a service has randomness of its own
    let serve = |seed: u8| {
        let options = StoreOptions {
            clock: Arc::clone(&clock) as _,
            segment_records: 100,
            retention: Some(RETENTION),
            ..StoreOptions::repeatable_for_tests([seed; 32])
        };
        let store = open_when_free(&store, &options);
        let options = ServiceOptions { retention: Some(RETENTION), ..Default::default() };
        TestService::start(Arc::new(store), Arc::clone(&clock) as _, options)
    };
    let service = serve(5);
    let here = App { address: service.address(), ..app.clone() };
    hours(&here, &clock, 2);
    let untrimmed = export_with(&here, AuditEvent::Checkpoint);
    hours(&here, &clock, 6);
    drop(service);
    let service = serve(6);
    let app = App { address: service.address(), ..app };
    hours(&app, &clock, 4);
    [untrimmed, export_with(&app, AuditEvent::AuditTrimmed)]
}

/// The export, once there is such a record: upkeep comes when it comes.
fn export_with(app: &App, event: AuditEvent) -> Vec<u8> {
    loop {
        // retention may take records that an export has promised; then it breaks off
        if let Ok(export) = app.client().send(&app.export())
            && Export::read(&export.body).records.iter().any(|record| record.event == event)
        {
            return export.body;
        }
        thread::yield_now();
    }
}

/// The service before it let go of the store some time after its end.
fn open_when_free(path: &Path, options: &StoreOptions) -> SqliteStore {
    loop {
        match SqliteStore::open(path, options.clone(), Access::Service) {
            Err(OpenError::InUse { .. }) => thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

fn killed_and_restored(store: &Path, backup: &Path) -> App {
    const LOAD: Load = Load { clients: 4, lives: 1_000, calls: 5 };
    let service = Mutex::new(ServiceProcess::start(BINARY, store));
    let mut app = service.lock().unwrap().operator().app(&no_rate_limits());
    LOAD.run(&app, &|answers| {
        if answers == 150 {
            service.lock().unwrap().kill();
        }
    });
    let mut service = service.into_inner().unwrap();
    service.restart();
    app.address = service.address();
    Load { lives: 3, ..LOAD }.run(&app, &|_| {});
    let run = |mut command: Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let path = backup.to_str().unwrap();
    run(service.command(&["backup", path]));
    Load { lives: 3, ..LOAD }.run(&app, &|_| {});
    service.kill();
    run(service.command(&["restore", path]));
    app
}

/// Some calls in each of some hours: records, checkpoints, and in the end trimming.
fn hours(app: &App, clock: &FakeClock, hours: usize) {
    let mut client = app.client();
    for hour in 0..hours {
        let connection = app.connect(&mut client, &format!("later-{hour}"), &SCOPES);
        for _ in 0..30 {
            client.ask(&app.verify(&connection.access_token, SCOPES[0])).expect(200);
            clock.advance(Duration::from_secs(1));
        }
        clock.advance(Duration::from_hours(1));
    }
}

/// What somebody does to an export.
type Tampering = fn(&mut Export);

/// What is done, and what it must be called.
const TAMPERINGS: [(&str, Tampering); 5] = [
    ("altered", |export| {
        let (place, _) = export.middle();
        export.records[place].count = 7;
    }),
    ("missing", |export| {
        let (place, _) = export.middle();
        export.records.remove(place);
    }),
    ("inserted", |export| {
        let (place, _) = export.middle();
        let again = export.records[place].clone();
        export.records.insert(place + 1, again);
    }),
    ("reordered", |export| {
        let (first, second) = export.middle();
        export.records.swap(first, second);
    }),
    ("chain_left_out", |export| {
        let chain = export.long_chain();
        export.records.retain(|record| record.chain != chain);
        export.header.chains.retain(|bounds| bounds.chain != chain);
    }),
];

#[test]
fn an_untouched_export_verifies_and_every_tampering_is_found() {
    let [untrimmed, file] = lived_through_everything();
    let export = Export::read(&file);
    let count =
        |event: AuditEvent| export.records.iter().filter(|record| record.event == event).count();
    assert!(count(AuditEvent::AuditTrimmed) > 0, "the store was trimmed");
    assert!(count(AuditEvent::ChainClosed) > 0, "the chain of a killed service was closed");
    assert!(count(AuditEvent::Checkpoint) > 2);
    assert_eq!(verify(&file, None), (Some(0), vec![]));
    assert_eq!(export.write(), file, "what is forged below differs in nothing else");

    for (kind, tamper) in TAMPERINGS {
        let mut export = export.clone();
        tamper(&mut export);
        assert_found(&export.write(), None, kind);
    }
    assert_found(&file[..file.len() * 2 / 3], None, "cut_off");
    a_kept_checkpoint_shows_what_was_cut_off(Export::read(&untrimmed));
}

/// Everything since a checkpoint is cut off, in all chains, and every other line fits. (Where the
/// record of a trimming is among what is cut off, the file does show it.)
fn a_kept_checkpoint_shows_what_was_cut_off(mut export: Export) {
    let checkpoint = export.records.iter().rfind(|it| it.event == AuditEvent::Checkpoint);
    let checkpoint = checkpoint.unwrap().clone();
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept.ndjson");
    fs::write(&kept, serde_json::to_vec(&checkpoint).unwrap()).unwrap();
    assert_eq!(verify(&export.write(), Some(&kept)), (Some(0), vec![]));

    export.records.retain(|record| record.occurred_at < checkpoint.occurred_at);
    export.fit_header();
    let cut_off = export.write();
    assert_eq!(verify(&cut_off, None), (Some(0), vec![]), "the file itself does not show it");
    assert_found(&cut_off, Some(&kept), "cut_off");
}

#[track_caller]
fn assert_found(file: &[u8], checkpoint: Option<&Path>, kind: &str) {
    let (code, kinds) = verify(file, checkpoint);
    assert_eq!(code, Some(1), "{kind}");
    assert!(kinds.iter().any(|found| found == kind), "{kind} is not among {kinds:?}");
}
