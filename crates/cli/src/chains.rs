//! `agentadmit store check`: every audit chain of a store, hashed again from its first kept record.

use std::fmt::Write as _;

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::{ChainHead, record_hash};
use agentadmit_protocol::environment::Environment;
use agentadmit_store::views::Chain;
use agentadmit_store::{Store, StoreError, read};
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

/// Checks every chain of every tenant and of the service itself.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn check(store: &dyn Store) -> Result<ChainsReport, Failure> {
    let mut report = ChainsReport::default();
    let checked = tenants(store).and_then(|tenants| {
        for tenant in tenants {
            for chain in read(store, "check_chains", |views| views.chains(tenant))? {
                check_chain(store, &chain, &mut report)?;
            }
        }
        Ok(())
    });
    checked.map_err(|error| Failure::could_not(error.to_string()))?;
    report.ok = report.findings.is_empty();
    Ok(report)
}

fn tenants(store: &dyn Store) -> Result<Vec<Option<Tenant>>, StoreError> {
    let mut tenants = vec![None];
    let mut after = None;
    loop {
        let apps = read(store, "check_apps", |views| views.apps(after, PAGE))?;
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

/// Follows a chain from its tail to its head. Records that are appended meanwhile are left out.
fn check_chain(
    store: &dyn Store,
    chain: &Chain,
    report: &mut ChainsReport,
) -> Result<(), StoreError> {
    report.chains += 1;
    let mut scratch = String::new();
    let mut at: ChainHead = chain.tail;
    while at.seq < chain.head.seq {
        let records =
            read(store, "check_chain", |views| views.chain_records(chain.id, at.seq, PAGE))?;
        if records.is_empty() {
            report.find(format!("{}: no record after {} of {}", chain.id, at.seq, chain.head.seq));
            return Ok(());
        }
        for record in records.iter().filter(|record| record.seq <= chain.head.seq) {
            report.records += 1;
            let (id, seq) = (chain.id, record.seq);
            if record_hash(record, &mut scratch) != record.hash {
                report.find(format!("{id}: record {seq} was altered: its hash does not match it"));
            }
            if seq != at.seq + 1 || record.prev_hash != at.hash {
                report.find(format!("{id}: record {seq} does not follow record {}", at.seq));
            }
            at = ChainHead { seq, hash: record.hash };
        }
    }
    if at != chain.head {
        report.find(format!("{}: its last record is not the one that its head names", chain.id));
    }
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
        let chains = read(&store, "test", |views| views.chains(None)).unwrap();
        let mut chain = chains.into_iter().find(|chain| chain.head.seq >= 3).unwrap();
        chain.head.seq += 1;
        let mut report = ChainsReport::default();
        check_chain(&store, &chain, &mut report).unwrap();
        assert!(report.findings[0].contains("no record after"), "{report:?}");
        chain.head.seq -= 1;
        chain.head.hash = chain.tail.hash;
        let mut report = ChainsReport::default();
        check_chain(&store, &chain, &mut report).unwrap();
        assert!(report.findings[0].contains("head"), "{report:?}");
    }
}
