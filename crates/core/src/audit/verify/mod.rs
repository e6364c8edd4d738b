//! The check of an export, line by line, without the service.
//!
//! Feed every line to [`Verifier::line`] and end with [`Verifier::finish`]. Memory is bounded by
//! the number of chains, not of records. What a check can and cannot show stands in
//! [`crate::audit`].
//!
//! The header is nobody's evidence: whoever edits the file edits the header too. So a chain that
//! begins after 1 needs the register's `audit_trimmed`, a chain that the register opened needs
//! records, a chain that has records needs to have been opened, and the heads in `chain_closed`,
//! in signed checkpoints and in a kept checkpoint must be reached and passed through.

mod chain_check;
mod chains;
mod report;
mod restores;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use agentadmit_protocol::audit::AuditRecord;
use sha2::{Digest, Sha256};

pub use report::{Finding, FindingKind, Report};
pub use restores::Restore;

use super::chain::record_hash;
use super::export::{AuditKey, ChainBounds, EXPORT_VERSION, ExportHeader, ExportTrailer, trailer};
use super::register::Checkpoint;
use chains::{Chains, Skeleton, Summary};
use report::{Findings, Place};

/// The longest line of a record or trailer, in bytes without the line feed.
pub const MAX_LINE: usize = 1 << 20;
/// The longest header line: it names every chain.
pub const MAX_HEADER_LINE: usize = 32 << 20;
/// The most chains that are kept track of.
pub const MAX_CHAINS: usize = 100_000;

/// Whether `signature` is the Ed25519 signature (RFC 8032) of `message` under `public_key`.
///
/// Passed in, so that this crate brings no cryptography of its own.
pub type VerifySignature<'a> = &'a dyn Fn(&[u8; 32], &[u8], &[u8]) -> bool;

/// What a check is given beside the file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A checkpoint that was kept elsewhere.
    pub checkpoint: Option<Checkpoint>,
    /// The service's public keys, from elsewhere; without them those in the header are used,
    /// which whoever wrote the file chose.
    pub keys: Option<Vec<AuditKey>>,
}

/// A check under way.
pub struct Verifier<'a> {
    options: Options,
    verify_signature: VerifySignature<'a>,
    stage: Stage<'a>,
    facts: Facts,
    digest: Sha256,
    records: u64,
    last_line: u64,
    sum_is_wrong: bool,
    findings: Findings,
    canonical: Vec<u8>,
    rewritten: Vec<u8>,
}

/// Where in the file the check is.
enum Stage<'a> {
    Header,
    Records(Scope<'a>),
    AfterTrailer(Scope<'a>),
    /// It is no export that can be read: nothing more is looked at.
    Rejected,
}

/// What can be checked beside each record's own hash.
enum Scope<'a> {
    Chains(Box<Chains<'a>>),
    /// A filtered export: only which chains there are.
    Filtered(BTreeSet<agentadmit_protocol::id::ChainId>),
}

/// What the header says and the report repeats.
#[derive(Default)]
struct Facts {
    filtered: bool,
    app_id: Option<agentadmit_protocol::id::AppId>,
    environment: Option<agentadmit_protocol::environment::Environment>,
    exported_at: Option<agentadmit_protocol::time::Timestamp>,
}

impl<'a> Verifier<'a> {
    /// A check of a file of which nothing was read yet.
    pub fn new(options: Options, verify_signature: VerifySignature<'a>) -> Self {
        Self {
            options,
            verify_signature,
            stage: Stage::Header,
            facts: Facts::default(),
            digest: Sha256::new(),
            records: 0,
            last_line: 0,
            sum_is_wrong: false,
            findings: Findings::default(),
            canonical: Vec::new(),
            rewritten: Vec::new(),
        }
    }

    /// The longest line that is read next, in bytes. Of a longer one pass this many bytes and one
    /// more, and go on with the line after it.
    pub const fn line_limit(&self) -> usize {
        if matches!(self.stage, Stage::Header) { MAX_HEADER_LINE } else { MAX_LINE }
    }

    /// Takes the next line: its number, from 1, and its bytes without the line feed.
    pub fn line(&mut self, number: u64, bytes: &[u8]) {
        self.last_line = number;
        if bytes.len() > self.line_limit() {
            self.malformed(number, "the line is too long");
            if matches!(self.stage, Stage::Header) {
                self.stage = Stage::Rejected;
            }
            return;
        }
        match core::mem::replace(&mut self.stage, Stage::Rejected) {
            Stage::Header => self.header(number, bytes),
            Stage::Records(scope) => self.stage = self.body(number, bytes, scope),
            Stage::AfterTrailer(scope) => {
                self.malformed(number, "the file goes on after its trailer");
                self.stage = Stage::AfterTrailer(scope);
            }
            Stage::Rejected => {}
        }
    }

    /// The file has no more lines.
    pub fn finish(mut self) -> Report {
        let (complete, scope) = match core::mem::replace(&mut self.stage, Stage::Rejected) {
            Stage::Header => {
                self.findings.add(FindingKind::CutOff, Place::default(), "the file is empty");
                (false, None)
            }
            Stage::Records(scope) => {
                // A last line that could not be read was cut in the middle.
                self.findings.forget_malformed(self.last_line);
                let place = Place::line(self.last_line);
                self.findings.add(FindingKind::CutOff, place, "the file ends without its trailer");
                (false, Some(scope))
            }
            Stage::AfterTrailer(scope) => (true, Some(scope)),
            Stage::Rejected => (false, None),
        };
        let summary = match scope {
            Some(Scope::Chains(chains)) => chains.finish(complete, &mut self.findings),
            Some(Scope::Filtered(chains)) => Summary::of_filtered(chains.len()),
            None => Summary::of_filtered(0),
        };
        if self.sum_is_wrong && self.findings.is_empty() {
            let text = "every record is in order, but the trailer's sum or count is of another \
                        file: the header, the order between chains or the trailer was changed";
            self.findings.add(FindingKind::Altered, Place::default(), text);
        }
        self.report(&summary)
    }

    fn report(self, summary: &Summary) -> Report {
        let (findings, findings_left_out) = self.findings.into_parts();
        Report {
            ok: findings.is_empty(),
            filtered: self.facts.filtered,
            app_id: self.facts.app_id,
            environment: self.facts.environment,
            exported_at: self.facts.exported_at,
            records: self.records,
            chains: summary.chains,
            trimmed_chains: summary.trimmed_chains,
            unsigned_trims: summary.unsigned_trims,
            checkpoints: summary.checkpoints,
            newest_checkpoint: summary.newest_checkpoint,
            restores: summary.restores.clone(),
            findings,
            findings_left_out,
        }
    }

    fn malformed(&mut self, line: u64, text: impl Into<String>) {
        self.findings.add(FindingKind::Malformed, Place::line(line), text);
    }

    fn digest_line(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.digest.update(b"\n");
    }

    /// The first line; leaves the stage at `Rejected` when it is no header.
    fn header(&mut self, number: u64, bytes: &[u8]) {
        self.digest_line(bytes);
        let header: ExportHeader = match serde_json::from_slice(bytes) {
            Ok(header) => header,
            Err(_) => return self.malformed(number, why_no_header(bytes)),
        };
        if header.version != EXPORT_VERSION {
            return self.malformed(number, unknown_version(header.version));
        }
        if let Err(text) = check_bounds(&header) {
            return self.malformed(number, text);
        }
        self.facts = Facts {
            filtered: header.filtered,
            app_id: header.app_id,
            environment: header.environment,
            exported_at: Some(header.exported_at),
        };
        let scope = if header.filtered {
            if self.options.checkpoint.is_some() {
                let text = "a filtered export cannot be checked against a checkpoint: export \
                            everything";
                self.malformed(number, text);
            }
            Scope::Filtered(BTreeSet::new())
        } else {
            Scope::Chains(Box::new(self.chains(number, &header)))
        };
        self.stage = Stage::Records(scope);
    }

    fn chains(&mut self, number: u64, header: &ExportHeader) -> Chains<'a> {
        let mut chains = Chains::new(header, self.verify_signature);
        let (keys, place) = match &self.options.keys {
            Some(keys) => (keys, Place::default()),
            None => (&header.keys, Place::line(number)),
        };
        chains.use_keys(keys, place, &mut self.findings);
        if header.register.is_none() && !header.chains.is_empty() {
            let text = "the header names chains, but no register";
            self.findings.add(FindingKind::ChainLeftOut, Place::line(number), text);
        }
        if let Some(kept) = &self.options.checkpoint {
            chains.expect_kept(kept, &mut self.findings);
        }
        chains
    }

    /// A line after the header: a record or the trailer.
    fn body(&mut self, number: u64, bytes: &[u8], mut scope: Scope<'a>) -> Stage<'a> {
        if let Ok(record) = serde_json::from_slice::<AuditRecord>(bytes) {
            self.digest_line(bytes);
            self.record(number, bytes, &record, &mut scope);
            return Stage::Records(scope);
        }
        if let Ok(found) = serde_json::from_slice::<ExportTrailer>(bytes) {
            self.trailer(number, bytes, &found);
            return Stage::AfterTrailer(scope);
        }
        self.digest_line(bytes);
        self.malformed(number, "the line is neither a record nor the trailer");
        if let Ok(place) = serde_json::from_slice::<Skeleton>(bytes)
            && let Scope::Chains(chains) = &mut scope
        {
            chains.unreadable(&place, number, &mut self.findings);
        }
        Stage::Records(scope)
    }

    fn record(&mut self, number: u64, bytes: &[u8], record: &AuditRecord, scope: &mut Scope<'a>) {
        self.records = self.records.saturating_add(1);
        if !is_written_as(record, bytes, &mut self.rewritten) {
            // A member that is unknown or there twice is shown to readers, but not hashed.
            let place = Place::record(record.chain, record.seq, number);
            let text = "the line is not exactly what an export writes for this record";
            self.findings.add(FindingKind::Malformed, place, text);
            if let Scope::Chains(chains) = scope {
                chains.unreadable(&Skeleton::of(record), number, &mut self.findings);
            }
            return;
        }
        let computed = record_hash(record, &mut self.canonical);
        if computed != record.hash {
            let place = Place::record(record.chain, record.seq, number);
            let text = "hash is not that of the record's members";
            self.findings.add(FindingKind::Altered, place, text);
        }
        match scope {
            Scope::Chains(chains) => chains.record(record, computed, number, &mut self.findings),
            Scope::Filtered(chains) if chains.len() < MAX_CHAINS => {
                chains.insert(record.chain);
            }
            Scope::Filtered(_) => {}
        }
    }

    fn trailer(&mut self, number: u64, bytes: &[u8], found: &ExportTrailer) {
        if found.version != EXPORT_VERSION {
            self.malformed(number, unknown_version(found.version));
        } else if *found != trailer(self.records, self.digest.clone()) {
            self.sum_is_wrong = true;
        } else if !is_written_as(found, bytes, &mut self.rewritten) {
            self.malformed(number, "the line is not exactly what an export writes as its trailer");
        }
    }
}

impl core::fmt::Debug for Verifier<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Verifier").field("records", &self.records).finish_non_exhaustive()
    }
}

/// Whether `bytes` is exactly the JSON that is written for `value`.
fn is_written_as<T: serde::Serialize>(value: &T, bytes: &[u8], scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    serde_json::to_writer(&mut *scratch, value).is_ok() && scratch == bytes
}

fn unknown_version(version: u32) -> String {
    format!("the export is of version {version}; this program reads version {EXPORT_VERSION}")
}

fn why_no_header(bytes: &[u8]) -> String {
    /// The member that every version of the header has.
    #[derive(serde::Deserialize)]
    struct AnyVersion {
        agentadmit_export: u32,
    }
    if let Ok(AnyVersion { agentadmit_export }) = serde_json::from_slice(bytes)
        && agentadmit_export != EXPORT_VERSION
    {
        return unknown_version(agentadmit_export);
    }
    let contains = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    if contains(b"chain,seq,") || contains(b"\"chain\",\"seq\",") {
        return "this is a CSV export: it is for people and cannot be verified; export NDJSON"
            .to_owned();
    }
    "the first line is not the header of an export".to_owned()
}

fn check_bounds(header: &ExportHeader) -> Result<(), String> {
    if header.chains.len() >= MAX_CHAINS {
        return Err(format!("the header names more than {MAX_CHAINS} chains"));
    }
    let mut seen = BTreeSet::new();
    for bounds in header.register.iter().chain(&header.chains) {
        let ChainBounds { chain, first_seq, last_seq, .. } = bounds;
        if *first_seq == 0 || *first_seq > last_seq.saturating_add(1) {
            return Err(format!("the header's bounds of {chain} are not in order"));
        }
        if !seen.insert(*chain) {
            return Err(format!("the header names {chain} twice"));
        }
    }
    Ok(())
}

impl Summary {
    fn of_filtered(chains: usize) -> Self {
        Self {
            chains: chains.try_into().unwrap_or(u64::MAX),
            trimmed_chains: 0,
            unsigned_trims: 0,
            checkpoints: 0,
            newest_checkpoint: None,
            restores: Vec::new(),
        }
    }
}
