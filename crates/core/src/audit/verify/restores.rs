//! What a restore from an older backup explains of a kept checkpoint that is not reached.
//!
//! A restore takes the records away that are newer than the backup. A checkpoint that somebody kept
//! from that time is then not reached, as if the end had been cut off: and so it was. The register
//! says so itself: `store_restored`, with the heads that the backup had.
//!
//! Anybody can write such a record into a file. It explains nothing unless
//! - the register is whole, and a later checkpoint covers the record, signed by the key that signed
//!   the kept one: whoever forges a file has no such signature;
//! - it is not older than the kept checkpoint: else that one was made after the restore;
//! - the backup ended before the head that the kept checkpoint names, in the chain concerned.
//!
//! What it explains stays a finding. Records are gone, and a restore is also what somebody does who
//! wants them gone: only people can say whether it was theirs.

use std::collections::BTreeMap;

use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::{ChainId, EventId};
use agentadmit_protocol::time::Timestamp;
use serde::Serialize;

use super::super::register::{Checkpoint, NamedHead, StoreRestored};

/// The most restores that are kept track of; of more, the newest.
const MAX_RESTORES: usize = 100;

/// A restore that the register tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restore {
    /// The record `store_restored`.
    pub id: EventId,
    /// Its number in the register.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Whether a later checkpoint covers it: by the key that signed the kept checkpoint, where one
    /// was given. Otherwise whoever wrote the file may have made it up.
    pub signed: bool,
}

/// The restores of one register, and how far its checkpoints reach.
#[derive(Default)]
pub(super) struct Restores {
    found: Vec<(Restore, BTreeMap<ChainId, u64>)>,
    /// Key of a good checkpoint, and the last record of the register before the newest by it.
    signed_to: BTreeMap<String, u64>,
}

/// A head of the kept checkpoint that a restore took away.
pub(super) struct Lost<'r> {
    pub(super) by: &'r Restore,
    /// The last record of the chain that the backup had; 0 for a chain that it did not know.
    pub(super) kept_to: u64,
}

impl Restores {
    /// Takes a record of the register.
    pub(super) fn add(&mut self, record: &AuditRecord, restored: &StoreRestored) {
        if self.found.len() >= MAX_RESTORES {
            self.found.remove(0);
        }
        let (id, seq, at) = (record.id, record.seq, record.occurred_at);
        let heads = restored.heads.iter().map(|head| (head.chain, head.seq)).collect();
        self.found.push((Restore { id, seq, at, signed: false }, heads));
    }

    /// A checkpoint holds, and stands where it was signed: behind this record of the register.
    pub(super) fn covered(&mut self, kid: &str, register_seq: u64) {
        let to = self.signed_to.entry(kid.to_owned()).or_default();
        *to = register_seq.max(*to);
    }

    /// The file is read: says of each restore whether a checkpoint covers it.
    pub(super) fn close(&mut self, register_is_whole: bool, kept: Option<&Checkpoint>) {
        let signed_to = match kept {
            Some(kept) => self.signed_to.get(&kept.details.kid).copied(),
            None => self.signed_to.values().copied().max(),
        };
        for (restore, _) in &mut self.found {
            restore.signed = register_is_whole && signed_to.is_some_and(|to| to >= restore.seq);
        }
    }

    /// The restore that took away a head of the kept checkpoint, if one did. `is_known`: the file
    /// says something of this chain beside the kept checkpoint.
    pub(super) fn took(
        &self,
        kept: &Checkpoint,
        head: &NamedHead,
        is_known: bool,
    ) -> Option<Lost<'_>> {
        self.found
            .iter()
            .rev()
            .filter(|(restore, _)| restore.signed && restore.at >= kept.occurred_at)
            .find_map(|(restore, heads)| match heads.get(&head.chain) {
                Some(kept_to) if *kept_to < head.seq => {
                    Some(Lost { by: restore, kept_to: *kept_to })
                }
                None if !is_known => Some(Lost { by: restore, kept_to: 0 }),
                _ => None,
            })
    }

    /// For the report.
    pub(super) fn into_list(self) -> Vec<Restore> {
        self.found.into_iter().map(|(restore, _)| restore).collect()
    }
}
