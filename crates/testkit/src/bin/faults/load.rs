//! Clients that verify living and dead connections without a pause and note every answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use agentadmit_testkit::evidence::{records, verify_export};
use agentadmit_testkit::world::{App, Connection, Operator, SCOPES, no_rate_limits, text};
use anyhow::{Result, bail};
use parking_lot::{Condvar, Mutex};
use serde_json::json;

use crate::process::PATIENCE;
use crate::report::Outcome;

/// Clients at a time.
const CLIENTS: usize = 12;
const ALIVE: usize = 24;
const DEAD: usize = 8;

/// An app with connections that live, and others that were revoked: those must never pass again.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) alive: Vec<Connection>,
    pub(crate) dead: Vec<Connection>,
}

impl World {
    /// Makes them on a running service.
    pub(crate) fn on(operator: &Operator) -> Self {
        let app = operator.app(&no_rate_limits());
        let mut alive = app.connect_many(ALIVE + DEAD);
        let dead = alive.split_off(ALIVE);
        let mut client = app.client();
        for connection in &dead {
            client.ask(&app.revoke(&json!({"connection_id": connection.id}))).expect(200);
        }
        Self { app, alive, dead }
    }

    /// The same app at another address: the service was started anew.
    pub(crate) fn at(&mut self, address: SocketAddr) {
        self.app.address = address;
    }

    /// The status of one verify of a living connection, and its record if it has one.
    pub(crate) fn verify(&self) -> Result<(u16, Option<String>)> {
        let Some(connection) = self.alive.first() else { bail!("a world without connections") };
        let request = self.app.verify(&connection.access_token, SCOPES[0]);
        let reply = self.app.client().send(&request)?;
        Ok((reply.status, Some(reply.text("audit_id")).filter(|id| !id.is_empty())))
    }

    /// Verifies without a pause while `during` runs.
    pub(crate) fn under_load<R>(&self, during: impl FnOnce(&Progress) -> R) -> (R, Heard) {
        let progress = Progress::default();
        let mut all = Heard::default();
        let result = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let progress = &progress;
                    scope.spawn(move || self.verify_until_over(number, progress))
                })
                .collect();
            let result = during(&progress);
            progress.is_over.store(true, Ordering::SeqCst);
            for client in clients {
                match client.join() {
                    Ok(heard) => all.merge(heard),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            result
        });
        (result, all)
    }

    fn verify_until_over(&self, number: usize, progress: &Progress) -> Heard {
        let mut heard = Heard::default();
        let mut client = self.app.client();
        let (living, dead) = (self.alive.iter().cycle(), self.dead.iter().cycle());
        let mut living = living.skip(number);
        let mut dead = dead.skip(number);
        for turn in 0_u64.. {
            if progress.is_over.load(Ordering::SeqCst) {
                break;
            }
            let is_dead = turn % 4 == 3;
            let Some(connection) = (if is_dead { dead.next() } else { living.next() }) else {
                break;
            };
            let request = self.app.verify(&connection.access_token, SCOPES[0]);
            match client.send(&request) {
                Ok(reply) => {
                    heard.note(is_dead, reply.status, &reply.text("audit_id"), || {
                        format!("{reply:?}")
                    });
                    progress.answered(reply.status);
                }
                Err(error) => {
                    heard.cut_off += 1;
                    if error.kind() == std::io::ErrorKind::ConnectionRefused {
                        break;
                    }
                }
            }
        }
        heard
    }

    /// Adds to the outcome what the log lacks of what clients were told, and chains that do not
    /// verify. Returns the ids of all records of verifies that are in the log.
    pub(crate) fn look_for(
        &self,
        heard: &Heard,
        outcome: &mut Outcome,
    ) -> Result<BTreeSet<String>> {
        let reply = self.app.client().send(&self.app.export())?;
        if reply.status != 200 {
            bail!("the export was answered {reply:?}");
        }
        compare(&reply.body, heard, outcome);
        let verifies = records(&reply.body).into_iter().filter(is_allowed_verify);
        Ok(verifies.map(|record| text(&record, "id")).collect())
    }
}

/// Adds to the outcome what an export lacks of what clients were told.
pub(crate) fn compare(export: &[u8], heard: &Heard, outcome: &mut Outcome) {
    let found: BTreeSet<String> = records(export).iter().map(|it| text(it, "id")).collect();
    let missing = heard.records.difference(&found);
    outcome.lost.extend(missing.map(|id| format!("the record {id}")));
    let report = verify_export(export);
    outcome.lost.extend(report.findings.iter().map(|finding| format!("{finding:?}")));
}

fn is_allowed_verify(record: &serde_json::Value) -> bool {
    record["event"] == "verified"
}

/// What clients were told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Answers.
    pub(crate) calls: u64,
    /// The records that they named.
    pub(crate) records: BTreeSet<String>,
    /// Dead connections that were let through.
    pub(crate) wrong_allows: u64,
    /// Requests without an answer.
    pub(crate) cut_off: u64,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Answers that nothing explains.
    pub(crate) strange: Vec<String>,
}

impl Heard {
    fn note(&mut self, is_dead: bool, status: u16, record: &str, shown: impl Fn() -> String) {
        self.calls += 1;
        *self.statuses.entry(status).or_default() += 1;
        if !record.is_empty() {
            self.records.insert(record.to_owned());
        }
        match (status, is_dead) {
            (200, false) | (403, true) | (503, _) => {}
            (200, true) => self.wrong_allows += 1,
            _ => self.strange.push(shown()),
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.calls += other.calls;
        self.records.extend(other.records);
        self.wrong_allows += other.wrong_allows;
        self.cut_off += other.cut_off;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.strange.extend(other.strange);
    }

    pub(crate) fn answered(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }
}

/// How far a load has come.
#[derive(Default)]
pub(crate) struct Progress {
    is_over: AtomicBool,
    statuses: Mutex<BTreeMap<u16, u64>>,
    more: Condvar,
}

impl Progress {
    fn answered(&self, status: u16) {
        *self.statuses.lock().entry(status).or_default() += 1;
        self.more.notify_all();
    }

    /// Returns after so many more answers of this status; an error when they do not come.
    pub(crate) fn wait_for(&self, status: u16, count: u64) -> Result<()> {
        let mut statuses = self.statuses.lock();
        let so_far = |statuses: &BTreeMap<u16, u64>| statuses.get(&status).copied().unwrap_or(0);
        let wanted = so_far(&statuses) + count;
        while so_far(&statuses) < wanted {
            if self.more.wait_for(&mut statuses, PATIENCE).timed_out() {
                bail!("no answer {status} came for {} s", PATIENCE.as_secs());
            }
        }
        Ok(())
    }
}
