//! What the records of a register chain say about the other chains, and signed checkpoints.
//!
//! Each app and environment has one register chain beside the chains of its writers. Five of its
//! events carry `details` that a check of an export relies on:
//!
//! | event | `details` | rule for whoever writes it |
//! | --- | --- | --- |
//! | `chain_opened` | [`ChainOpened`] | in the transaction of the chain's first record, so that an opened chain has records |
//! | `chain_closed` | [`ChainClosed`] | the last word on a chain: nothing follows its last record |
//! | `audit_trimmed` | [`AuditTrimmed`] | in the transaction from which on exports do not see what it names; when the register itself is trimmed, the newest one names again every chain that is kept, or named by a kept record of the register, and no longer begins at 1, the register included |
//! | `store_restored` | [`StoreRestored`] | the first record of a register after a restore: names the head of every chain that was open in the backup, the register's own as it was just before |
//! | `checkpoint` | [`CheckpointDetails`] | names the head of every open chain, the register's own as it was just before |

use agentadmit_protocol::audit::{AuditEvent, AuditHash, AuditRecord, Details};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId};
use agentadmit_protocol::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::canonical::{CanonicalError, canonical_json};
use super::chain::{ChainHead, record_hash};

/// `details` of `chain_opened`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainOpened {
    /// The chain that begins.
    pub chain: ChainId,
    /// Who writes it: a node and its incarnation, for people.
    pub writer: String,
}

/// `details` of `chain_closed`, written by the writer itself or, for a dead one, by a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainClosed {
    /// The chain that ended.
    pub chain: ChainId,
    /// `seq` of its last record; 0 when it has none.
    pub last_seq: u64,
    /// `hash` of its last record.
    pub last_hash: AuditHash,
}

/// `details` of `audit_trimmed`: what retention deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTrimmed {
    /// The chains that begin later than before.
    pub chains: Vec<TrimmedChain>,
}

/// Where a trimmed chain begins now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimmedChain {
    /// The chain.
    pub chain: ChainId,
    /// The first number that is kept; one more than the last record's when nothing is.
    pub first_kept_seq: u64,
    /// The hash of the last deleted record.
    pub prev_hash: AuditHash,
}

/// The head of one chain, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedHead {
    /// The chain.
    pub chain: ChainId,
    /// `seq` of its newest record.
    pub seq: u64,
    /// `hash` of its newest record.
    pub hash: AuditHash,
}

impl NamedHead {
    /// Number and hash without the name.
    pub const fn head(&self) -> ChainHead {
        ChainHead { seq: self.seq, hash: self.hash }
    }
}

/// `details` of `checkpoint`: the heads of all open chains, signed by the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointDetails {
    /// The heads. The register's own is that of the record before the checkpoint.
    pub heads: Vec<NamedHead>,
    /// Which of the service's keys signed.
    pub kid: String,
    /// Ed25519 (RFC 8032) over [`checkpoint_message`], in base64url without padding.
    pub signature: String,
}

/// `details` of `store_restored` in a register: where the backup ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreRestored {
    /// The heads of the chains that were open in the backup. The register's own is that of the
    /// record before this one.
    pub heads: Vec<NamedHead>,
}

/// The bytes that a checkpoint's signature covers: the canonical JSON of `app_id`,
/// `environment`, `heads`, `kid` and `occurred_at`.
///
/// # Errors
/// [`CanonicalError::Number`] when a head's `seq` is 2^53 or more.
pub fn checkpoint_message(
    app_id: Option<AppId>,
    environment: Option<Environment>,
    heads: &[NamedHead],
    kid: &str,
    occurred_at: Timestamp,
) -> Result<String, CanonicalError> {
    canonical_json(&serde_json::json!({
        "app_id": app_id,
        "environment": environment,
        "heads": heads,
        "kid": kid,
        "occurred_at": occurred_at,
    }))
}

/// A `checkpoint` record whose own hash holds: its place in the register and what it signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The app it is about; none for the system's own chains.
    pub app_id: Option<AppId>,
    /// The environment it is about.
    pub environment: Option<Environment>,
    /// When it was made.
    pub occurred_at: Timestamp,
    /// The checkpoint's own record, as a head of the register chain.
    pub register: NamedHead,
    /// What it says.
    pub details: CheckpointDetails,
}

/// A kept checkpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The file has no line.
    #[error("the checkpoint file is empty")]
    Empty,
    /// A line that is not an audit record.
    #[error("line {line} is not an audit record")]
    NotARecord {
        /// The line, from 1.
        line: usize,
    },
    /// A record of something else, or one without the details of a checkpoint.
    #[error("line {line} is not a checkpoint record")]
    NotACheckpoint {
        /// The line, from 1.
        line: usize,
    },
    /// A record whose hash does not match its members.
    #[error("line {line} was altered: its hash does not match its members")]
    Altered {
        /// The line, from 1.
        line: usize,
    },
}

impl Checkpoint {
    /// The newest of the checkpoint records in a file that someone kept: one record a line, as
    /// they stand in an export. The signature is checked later, against the service's keys.
    ///
    /// # Errors
    /// [`CheckpointError`] when the file is empty or any line is not an intact checkpoint record.
    pub fn newest_of(ndjson: &[u8]) -> Result<Self, CheckpointError> {
        let mut newest: Option<Self> = None;
        for (position, line) in ndjson.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let checkpoint = Self::of_line(line, position.saturating_add(1))?;
            let age = |checkpoint: &Self| (checkpoint.occurred_at, checkpoint.register.seq);
            if newest.as_ref().is_none_or(|newest| age(newest) < age(&checkpoint)) {
                newest = Some(checkpoint);
            }
        }
        newest.ok_or(CheckpointError::Empty)
    }

    fn of_line(line: &[u8], number: usize) -> Result<Self, CheckpointError> {
        let record: AuditRecord = serde_json::from_slice(line)
            .map_err(|_| CheckpointError::NotARecord { line: number })?;
        if record_hash(&record, &mut Vec::new()) != record.hash {
            return Err(CheckpointError::Altered { line: number });
        }
        Self::of_record(&record).ok_or(CheckpointError::NotACheckpoint { line: number })
    }

    /// The checkpoint in a record whose hash was already found right; `None` when the record is
    /// of another event or lacks the details.
    pub fn of_record(record: &AuditRecord) -> Option<Self> {
        if record.event != AuditEvent::Checkpoint {
            return None;
        }
        Some(Self {
            app_id: record.app_id,
            environment: record.environment,
            occurred_at: record.occurred_at,
            register: NamedHead { chain: record.chain, seq: record.seq, hash: record.hash },
            details: read_details(record)?,
        })
    }

    /// The bytes that its signature covers; `None` when no service would have signed them.
    pub fn message(&self) -> Option<String> {
        let CheckpointDetails { heads, kid, .. } = &self.details;
        checkpoint_message(self.app_id, self.environment, heads, kid, self.occurred_at).ok()
    }
}

/// A record's `details` as `T`; `None` when they are empty or of another shape.
pub(crate) fn read_details<T: DeserializeOwned>(record: &AuditRecord) -> Option<T> {
    let details: &Details = record.details.as_ref()?;
    serde_json::from_str(details.as_str()).ok()
}
