//! The audit log's canonical form, its chains, the format of an export and its offline check
//! (PROTOCOL, Scopes, audit, usage).
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`canonical`] | the bytes that are hashed: RFC 8785, of a record and of its `details` |
//! | [`chain`] | numbering, linking and hashing of records |
//! | [`register`] | what a register chain's records say about the other chains; checkpoints |
//! | [`export`] | the NDJSON file: header, records, trailer |
//! | [`verify`] | the check of such a file, without the service |
//!
//! # What a check can show, and what it cannot
//! A chain's hashes carry no secret: whoever can rewrite a whole file can also recompute every
//! hash in it, and its header, and its trailer. What stops them are the checkpoints, which the
//! service signs, and which name the heads of all open chains:
//!
//! - **Everything up to a signed checkpoint** cannot be rewritten without its key. For this the
//!   checker must know the key from elsewhere (`keys`, from `GET /v1/audit/keys`), since a forger
//!   writes their own key into the header.
//! - **Everything up to a checkpoint that someone keeps elsewhere** can also not be left out,
//!   cut off, or exchanged for another history that the service's key signed.
//! - **What is newer than the last checkpoint that someone keeps elsewhere can be cut off
//!   unseen.** Keep the newest checkpoint of each hour or day outside the service's reach.
//! - **A restore from an older backup** takes away what a newer checkpoint names. That is reported
//!   as `lost_in_restore` where the register's `store_restored` is covered by a later checkpoint of
//!   the same key, and as what it looks like (`cut_off`, `altered`) where it is not.
//! - A record of trimming (`audit_trimmed`) that no signed checkpoint covers yet is believed, and
//!   the report says so: a service that trims writes a checkpoint right after.

pub mod canonical;
pub mod chain;
pub mod export;
pub mod register;
pub mod verify;

#[cfg(test)]
mod tests;

pub use canonical::{CanonicalError, canonical_json, write_canonical};
pub use chain::{ChainHead, record_hash, seal};
pub use export::{AuditKey, ChainBounds, ExportHeader, ExportTrailer, ExportWriter};
pub use register::{
    AuditTrimmed, ChainClosed, ChainOpened, Checkpoint, CheckpointDetails, NamedHead,
    StoreRestored, TrimmedChain, checkpoint_message,
};
pub use verify::{Finding, FindingKind, Options, Report, Restore, Verifier};
