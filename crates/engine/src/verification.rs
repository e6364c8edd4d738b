//! Whether the log is whole: every audit chain hashed again from its first kept record.
//!
//! `agentadmit store check` does it on a store; a service does it when an operator asks
//! ([`Engine::verify_log`]), on a thread of its own, in slices that each are a snapshot: nobody waits
//! for it. One check runs at a time, and how far it is can be asked. What it found is kept in memory, of
//! the node that looked.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::{ChainHead, record_hash};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::ChainId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::views::{Chain, LogPosition};
use agentadmit_store::{Store, StoreError, Views, read};
use parking_lot::Mutex;
use serde::Serialize;

use crate::engine::Engine;

/// Apps, and records, read at a time.
const PAGE: usize = 1_000;
/// Findings that are kept.
const MAX_FINDINGS: usize = 1_000;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChainsReport {
    /// Whether everything holds.
    pub ok: bool,
    /// Chains that were looked at.
    pub chains: u64,
    /// Records that were hashed again.
    pub records: u64,
    /// What is wrong.
    pub findings: Vec<String>,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records that were hashed again.
    pub records: u64,
    /// Where in the log it is.
    pub position: LogPosition,
    /// Where in the log it will end.
    pub end: LogPosition,
}

/// What is known about the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// The check that runs: since when, and how far it is.
    pub running: Option<(Timestamp, Progress)>,
    /// The newest check that came to its end.
    pub last: Option<Verified>,
    /// When the newest check broke off because the store failed, where none ended since.
    pub failed_at: Option<Timestamp>,
}

/// A check that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// When it began: what was recorded later was not looked at.
    pub started_at: Timestamp,
    /// When it ended.
    pub verified_at: Timestamp,
    /// What it found.
    pub report: ChainsReport,
}

/// The checks of an engine.
#[derive(Debug, Default)]
pub(crate) struct Verifications {
    known: Mutex<Known>,
    records: AtomicU64,
    position: AtomicI64,
    end: AtomicI64,
    /// The engine stops: whatever runs breaks off.
    stops: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    since: Option<Timestamp>,
    last: Option<Verified>,
    failed_at: Option<Timestamp>,
}

impl Verifications {
    pub(crate) fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    /// Says that a check begins; `false` where one runs.
    fn begin(&self, now: Timestamp) -> bool {
        let mut known = self.known.lock();
        if known.since.is_some() {
            return false;
        }
        known.since = Some(now);
        self.note(Progress { records: 0, position: 0, end: 0 });
        true
    }

    fn note(&self, progress: Progress) {
        self.records.store(progress.records, Ordering::Relaxed);
        self.position.store(progress.position, Ordering::Relaxed);
        self.end.store(progress.end, Ordering::Relaxed);
    }

    fn finish(&self, now: Timestamp, checked: Result<Option<ChainsReport>, StoreError>) {
        let mut known = self.known.lock();
        let Some(started_at) = known.since.take() else { return };
        match checked {
            Ok(Some(report)) => {
                known.last = Some(Verified { started_at, verified_at: now, report });
                known.failed_at = None;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a check of the log broke off");
                known.failed_at = Some(now);
            }
        }
    }

    fn show(&self) -> Verification {
        let known = self.known.lock();
        let progress = Progress {
            records: self.records.load(Ordering::Relaxed),
            position: self.position.load(Ordering::Relaxed),
            end: self.end.load(Ordering::Relaxed),
        };
        Verification {
            running: known.since.map(|since| (since, progress)),
            last: known.last.clone(),
            failed_at: known.failed_at,
        }
    }
}

impl Engine {
    /// What is known about the log.
    pub fn verification(&self) -> Verification {
        self.verifications().show()
    }

    /// Begins a check of the whole log, where none runs, and says what is known.
    pub fn verify_log(&self) -> Verification {
        let checks = self.verifications();
        if checks.begin(self.wall()) {
            let (store, clock) = (self.store(), self.clock());
            let checks = Arc::downgrade(checks);
            tokio::task::spawn_blocking(move || {
                let checked = check(&*store, &|progress| seen(&checks, progress));
                if let Some(checks) = checks.upgrade() {
                    checks.finish(clock.wall(), checked);
                }
            });
        }
        self.verification()
    }
}

fn seen(checks: &Weak<Verifications>, progress: Progress) -> ControlFlow<()> {
    match checks.upgrade().filter(|checks| !checks.stops.load(Ordering::Relaxed)) {
        Some(checks) => {
            checks.note(progress);
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    }
}

impl ChainsReport {
    fn find(&mut self, finding: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Checks every chain of every tenant and of the service itself, in one walk through the log. `seen`
/// is told how far it is, and may break it off; then there is no report.
///
/// # Errors
/// When the store cannot be read.
pub fn check(
    store: &dyn Store,
    seen: &dyn Fn(Progress) -> ControlFlow<()>,
) -> Result<Option<ChainsReport>, StoreError> {
    let mut report = ChainsReport::default();
    let (walks, end) = read(store, "check_chains", |views| {
        let mut walks = HashMap::new();
        for tenant in tenants(views)? {
            let chains = views.chains(tenant)?.into_iter();
            walks.extend(chains.map(|chain| (chain.id, Walk { at: chain.tail, chain })));
        }
        Ok((walks, views.log_end()?))
    })?;
    if walk(store, walks, end, &mut report, seen)?.is_break() {
        return Ok(None);
    }
    report.ok = report.findings.is_empty();
    Ok(Some(report))
}

fn tenants(views: &mut dyn Views) -> Result<Vec<Option<Tenant>>, StoreError> {
    let mut tenants = vec![None];
    let mut after = None;
    loop {
        let apps = views.apps(after, PAGE)?;
        for app in &apps {
            let of = |environment| Some(Tenant::new(app.id, environment));
            tenants.extend(Environment::ALL.iter().copied().map(of));
        }
        match apps.last() {
            Some(last) if apps.len() == PAGE => after = Some(last.id),
            _ => return Ok(tenants),
        }
    }
}

/// A chain, and how far it was followed.
struct Walk {
    chain: Chain,
    at: ChainHead,
}

/// Follows every chain from its tail to its head. Records that are appended meanwhile are left out.
fn walk(
    store: &dyn Store,
    mut walks: HashMap<ChainId, Walk>,
    end: LogPosition,
    report: &mut ChainsReport,
    seen: &dyn Fn(Progress) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let mut scratch = Vec::new();
    let mut after = 0;
    loop {
        let slice = read(store, "check_log", |views| views.log(None, after, end, PAGE))?;
        for record in &slice.records {
            match walks.get_mut(&record.chain) {
                Some(walk) => check_record(store, walk, record, &mut scratch, report)?,
                None => report.find(format!("{}: has records and is not known", record.chain)),
            }
        }
        let position = slice.next.unwrap_or(end);
        if seen(Progress { records: report.records, position, end }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match slice.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let mut walks: Vec<Walk> = walks.into_values().collect();
    walks.sort_unstable_by_key(|walk| walk.chain.id);
    for Walk { chain, at } in walks {
        report.chains += 1;
        if at.seq < chain.head.seq {
            report.find(format!("{}: no record after {} of {}", chain.id, at.seq, chain.head.seq));
        } else if at != chain.head {
            let id = chain.id;
            report.find(format!("{id}: its last record is not the one that its head names"));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn check_record(
    store: &dyn Store,
    walk: &mut Walk,
    record: &AuditRecord,
    scratch: &mut Vec<u8>,
    report: &mut ChainsReport,
) -> Result<(), StoreError> {
    let (id, seq) = (record.chain, record.seq);
    if seq <= walk.chain.tail.seq {
        // trimmed; its segment is on its way out
        return Ok(());
    }
    report.records += 1;
    if record_hash(record, scratch) != record.hash {
        report.find(format!("{id}: record {seq} was altered: its hash does not match it"));
    }
    if seq != walk.at.seq + 1 || record.prev_hash != walk.at.hash {
        // retention may have taken what stood between meanwhile
        let chains = read(store, "check_trimmed", |views| views.chains(walk.chain.tenant))?;
        let tail = chains.iter().find(|chain| chain.id == id).map(|chain| chain.tail);
        if tail.is_none_or(|tail| (tail.seq + 1, tail.hash) != (seq, record.prev_hash)) {
            report.find(format!("{id}: record {seq} does not follow record {}", walk.at.seq));
        }
    }
    walk.at = ChainHead { seq, hash: record.hash };
    Ok(())
}

#[cfg(test)]
mod tests {
    use agentadmit_store::model::ModelStore;
    use agentadmit_store::record::Origin;
    use agentadmit_store::verbs::auth::OperatorCredential;
    use agentadmit_store::verbs::operators::CreateOperator;
    use agentadmit_store::{FakeClock, WriterOptions, write};

    use super::*;

    fn on(_: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn store_with_records() -> ModelStore {
        let clock = Arc::new(FakeClock::new(Timestamp::from_millis(1_800_000_000_000)));
        let store = ModelStore::new([1; 32], WriterOptions::default(), clock);
        for _ in 0..3 {
            let credential = OperatorCredential::Local;
            let origin = Origin::default();
            let verb = CreateOperator {
                credential,
                name: None,
                billing_only: false,
                expires_at: None,
                origin,
            };
            write(&store, &verb).unwrap().unwrap();
        }
        store
    }

    #[test]
    fn a_whole_store_is_whole() {
        let (store, last) = (store_with_records(), Mutex::new(None));
        let seen = |progress| {
            *last.lock() = Some(progress);
            ControlFlow::Continue(())
        };
        let report = check(&store, &seen).unwrap().unwrap();
        assert_eq!((report.ok, report.findings.len()), (true, 0));
        assert!(report.records >= 3 && report.chains >= 1, "{report:?}");
        let Progress { records, position, end } = last.into_inner().unwrap();
        assert_eq!((records, position), (report.records, end));
        assert_eq!(check(&store, &|_| ControlFlow::Break(())).unwrap(), None);
    }

    #[test]
    fn one_check_runs_at_a_time_and_what_is_known_stays() {
        let checks = Verifications::default();
        let at = Timestamp::from_millis;
        assert!(checks.begin(at(1)) && !checks.begin(at(2)));
        let half = Progress { records: 7, position: 8, end: 16 };
        assert!(seen(&Weak::new(), half).is_break(), "the engine is gone");
        checks.note(half);
        assert_eq!(checks.show().running, Some((at(1), half)));
        let report = ChainsReport { ok: true, records: 16, ..ChainsReport::default() };
        checks.finish(at(3), Ok(Some(report.clone())));
        let known = Verified { started_at: at(1), verified_at: at(3), report };
        assert!(checks.begin(at(4)));
        let failed = StoreError::Unavailable("the disk is gone".to_owned());
        checks.finish(at(5), Err(failed));
        let shown = checks.show();
        assert_eq!((shown.running, shown.last, shown.failed_at), (None, Some(known), Some(at(5))));
        let checks = Arc::new(checks);
        assert!(seen(&Arc::downgrade(&checks), half).is_continue());
        checks.stop();
        assert!(seen(&Arc::downgrade(&checks), half).is_break());
    }

    #[test]
    fn a_chain_that_does_not_reach_its_head_is_found() {
        let store = store_with_records();
        let (chains, end) =
            read(&store, "test", |views| Ok((views.chains(None)?, views.log_end()?))).unwrap();
        let findings = |change: &dyn Fn(&mut Walk)| {
            let walks = chains.iter().map(|chain| {
                let mut walk = Walk { chain: chain.clone(), at: chain.tail };
                if chain.head.seq >= 3 {
                    change(&mut walk);
                }
                (chain.id, walk)
            });
            let mut report = ChainsReport::default();
            assert!(walk(&store, walks.collect(), end, &mut report, &on).unwrap().is_continue());
            report.findings.join("\n")
        };
        assert_eq!(findings(&|_| ()), "");
        assert!(findings(&|walk| walk.chain.head.seq += 1).contains("no record after"));
        assert!(findings(&|walk| walk.chain.head.hash = walk.chain.tail.hash).contains("head"));
    }

    #[test]
    fn a_record_that_is_missing_is_found() {
        let store = store_with_records();
        let (chains, log) =
            read(&store, "test", |views| Ok((views.chains(None)?, views.log(None, 0, 99, 99)?)))
                .unwrap();
        let third = log.records.iter().find(|record| record.seq == 3).unwrap();
        let chain = chains.into_iter().find(|chain| chain.id == third.chain).unwrap();
        let mut walk = Walk { at: chain.tail, chain };
        let mut report = ChainsReport::default();
        check_record(&store, &mut walk, third, &mut Vec::new(), &mut report).unwrap();
        assert!(report.findings[0].contains("does not follow record 0"), "{report:?}");
    }

    #[test]
    fn a_record_of_an_unknown_chain_is_found() {
        let store = store_with_records();
        let end = read(&store, "test", |views| views.log_end()).unwrap();
        let mut report = ChainsReport::default();
        assert!(walk(&store, HashMap::new(), end, &mut report, &on).unwrap().is_continue());
        assert!(report.findings[0].contains("is not known"), "{report:?}");
    }
}
