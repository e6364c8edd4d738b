//! Numbering, linking and hashing: what makes records a chain.
//!
//! A record's hash covers its number and its predecessor's hash, so a head (number and hash)
//! stands for the chain's whole history.

use agentadmit_protocol::audit::{AuditHash, AuditRecord};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::canonical::write_canonical;

/// Where a chain stands: the number and hash of its newest record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChainHead {
    /// `seq` of the newest record; 0 before the first.
    pub seq: u64,
    /// `hash` of the newest record; zeros before the first.
    pub hash: AuditHash,
}

impl ChainHead {
    /// Before the first record: number 0 and 64 zeros.
    pub const START: Self = Self { seq: 0, hash: AuditHash::ZERO };
}

/// Makes `record` the next of the chain at `head`: sets `seq`, `prev_hash` and `hash`, and
/// returns the new head.
///
/// `scratch` is overwritten; pass the same buffer again to save its allocation.
pub fn seal(record: &mut AuditRecord, head: &ChainHead, scratch: &mut Vec<u8>) -> ChainHead {
    record.seq = head.seq.saturating_add(1);
    record.prev_hash = head.hash;
    record.hash = record_hash(record, scratch);
    ChainHead { seq: record.seq, hash: record.hash }
}

/// The hash that `record` should have: SHA-256 of its canonical form, which is left in
/// `scratch`. The record's own `hash` plays no part.
pub fn record_hash(record: &AuditRecord, scratch: &mut Vec<u8>) -> AuditHash {
    scratch.clear();
    write_canonical(record, scratch);
    AuditHash::from_bytes(Sha256::digest(scratch.as_slice()).into())
}
