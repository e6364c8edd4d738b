//! What a check found.

use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId};
use agentadmit_protocol::time::Timestamp;
use serde::Serialize;

use super::restores::Restore;

/// Findings beyond this many are counted and not kept.
const MAX_FINDINGS: usize = 1_000;

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing was found. For a filtered export that says less: see `filtered`.
    pub ok: bool,
    /// The export says that records were left out by a filter: only each record's own hash and
    /// the file's own sum were checked, no chain and no checkpoint.
    pub filtered: bool,
    /// The app that the header names.
    pub app_id: Option<AppId>,
    /// The environment that the header names.
    pub environment: Option<Environment>,
    /// When the header says the export was made.
    pub exported_at: Option<Timestamp>,
    /// Records read.
    pub records: u64,
    /// Chains that have records in the file.
    pub chains: u64,
    /// Chains that begin after 1, as the register says.
    pub trimmed_chains: u64,
    /// Records of trimming that no good checkpoint in the file covers yet: they rest on the
    /// register alone.
    pub unsigned_trims: u64,
    /// Checkpoints in the file whose signature holds.
    pub checkpoints: u64,
    /// The newest of them: what is older cannot be changed without the service's key.
    pub newest_checkpoint: Option<Timestamp>,
    /// Restores from a backup that the register tells of, oldest first: records that were newer than
    /// the backup are gone.
    pub restores: Vec<Restore>,
    /// What was found: in the order of the file, then by chain.
    pub findings: Vec<Finding>,
    /// Findings that are not listed, because there are too many.
    pub findings_left_out: u64,
}

/// One thing that is wrong with an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of wrong.
    pub kind: FindingKind,
    /// The chain, where one is concerned.
    pub chain: Option<ChainId>,
    /// The record's number in its chain, where one is concerned.
    pub seq: Option<u64>,
    /// The line of the file, from 1, where one is concerned.
    pub line: Option<u64>,
    /// A sentence for people.
    pub text: String,
}

/// The kinds of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A record's hash does not match its visible members, or what was closed, signed or
    /// promised by the header is another record; or the file's sum is wrong.
    Altered,
    /// Numbers of a chain are not there.
    Missing,
    /// A record that the chain has no place for: a number twice, a link to nothing, after the
    /// chain's end, of another app, or of a chain that was never opened.
    Inserted,
    /// Records are there, but not in the order of their chain.
    Reordered,
    /// A chain or the file ends before what the header, the register or a checkpoint names.
    CutOff,
    /// A chain that the header, the register or a checkpoint names has no records here.
    ChainLeftOut,
    /// Records that a kept checkpoint names are gone, and the service says why: the store was
    /// restored from a backup that is older than the checkpoint.
    LostInRestore,
    /// A checkpoint that the service's key did not sign.
    BadSignature,
    /// A line that is neither header, record nor trailer of a version known here.
    Malformed,
}

impl FindingKind {
    /// The word that stands for it in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Missing => "missing",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::CutOff => "cut_off",
            Self::ChainLeftOut => "chain_left_out",
            Self::LostInRestore => "lost_in_restore",
            Self::BadSignature => "bad_signature",
            Self::Malformed => "malformed",
        }
    }
}

/// Where a finding is; every part may be unknown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) chain: Option<ChainId>,
    pub(super) seq: Option<u64>,
    pub(super) line: Option<u64>,
}

impl Place {
    pub(super) const fn line(line: u64) -> Self {
        Self { chain: None, seq: None, line: Some(line) }
    }

    pub(super) const fn chain(chain: ChainId) -> Self {
        Self { chain: Some(chain), seq: None, line: None }
    }

    pub(super) const fn record(chain: ChainId, seq: u64, line: u64) -> Self {
        Self { chain: Some(chain), seq: Some(seq), line: Some(line) }
    }
}

/// A bounded list of findings.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    left_out: u64,
}

impl Findings {
    pub(super) fn add(&mut self, kind: FindingKind, place: Place, text: impl Into<String>) {
        if self.kept.len() >= MAX_FINDINGS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let Place { chain, seq, line } = place;
        self.kept.push(Finding { kind, chain, seq, line, text: text.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Takes back a finding of the line that turned out to be the last of a file cut short.
    pub(super) fn forget_malformed(&mut self, line: u64) {
        self.kept.pop_if(|last| last.kind == FindingKind::Malformed && last.line == Some(line));
    }

    pub(super) fn into_parts(self) -> (Vec<Finding>, u64) {
        (self.kept, self.left_out)
    }
}
