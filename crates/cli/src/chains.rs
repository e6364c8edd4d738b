//! `agentadmit store check`: every audit chain of a store, hashed again from its first kept record.

use std::collections::HashMap;
use std::fmt::Write as _;

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::{ChainHead, record_hash};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::ChainId;
use agentadmit_store::views::{Chain, LogPosition};
use agentadmit_store::{Store, StoreError, Views, read};
use serde::Serialize;

use crate::exit::Failure;

/// Apps, and records, read at a time.
const PAGE: usize = 1_000;
/// Findings that are kept.
const MAX_FINDINGS: usize = 1_000;

/// What a check found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ChainsReport {
    /// Whether everything holds.
    pub(crate) ok: bool,
    /// Chains that were looked at.
    pub(crate) chains: u64,
    /// Records that were hashed again.
    pub(crate) records: u64,
    /// What is wrong.
    pub(crate) findings: Vec<String>,
}

impl ChainsReport {
    /// For people.
    pub(crate) fn words(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            // writing into a String cannot fail
            let _never = writeln!(text, "{finding}");
        }
        let verdict = if self.ok { "whole" } else { "damaged: restore a backup" };
        let _never = write!(text, "{} records, {} chains: {verdict}", self.records, self.chains);
        text
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Checks every chain of every tenant and of the service itself, in one walk through the log.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn check(store: &dyn Store) -> Result<ChainsReport, Failure> {
    let mut report = ChainsReport::default();
    let checked = read(store, "check_chains", |views| {
        let mut walks = HashMap::new();
        for tenant in tenants(views)? {
            let chains = views.chains(tenant)?.into_iter();
            walks.extend(chains.map(|chain| (chain.id, Walk { at: chain.tail, chain })));
        }
        Ok((walks, views.log_end()?))
    })
    .and_then(|(walks, end)| walk(store, walks, end, &mut report));
    checked.map_err(|error| Failure::could_not(error.to_string()))?;
    report.ok = report.findings.is_empty();
    Ok(report)
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
) -> Result<(), StoreError> {
    let mut scratch = String::new();
    let mut after = 0;
    loop {
        let slice = read(store, "check_log", |views| views.log(None, after, end, PAGE))?;
        for record in &slice.records {
            match walks.get_mut(&record.chain) {
                Some(walk) => check_record(store, walk, record, &mut scratch, report)?,
                None => report.find(format!("{}: has records and is not known", record.chain)),
            }
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
    Ok(())
}

fn check_record(
    store: &dyn Store,
    walk: &mut Walk,
    record: &AuditRecord,
    scratch: &mut String,
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
    use std::sync::Arc;

    use agentadmit_engine::verbs::auth::OperatorCredential;
    use agentadmit_engine::verbs::operators::CreateOperator;
    use agentadmit_protocol::time::Timestamp;
    use agentadmit_store::model::ModelStore;
    use agentadmit_store::record::Origin;
    use agentadmit_store::{FakeClock, WriterOptions, write};

    use super::*;

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
        let report = check(&store_with_records()).unwrap();
        assert_eq!((report.ok, report.findings.len()), (true, 0));
        assert!(report.records >= 3 && report.chains >= 1, "{report:?}");
        assert!(report.words().ends_with("whole"));
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
            walk(&store, walks.collect(), end, &mut report).unwrap();
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
        check_record(&store, &mut walk, third, &mut String::new(), &mut report).unwrap();
        assert!(report.findings[0].contains("does not follow record 0"), "{report:?}");
    }

    #[test]
    fn a_record_of_an_unknown_chain_is_found() {
        let store = store_with_records();
        let end = read(&store, "test", |views| views.log_end()).unwrap();
        let mut report = ChainsReport::default();
        walk(&store, HashMap::new(), end, &mut report).unwrap();
        assert!(report.findings[0].contains("is not known"), "{report:?}");
    }
}
