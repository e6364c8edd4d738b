//! The file that a full export is: NDJSON of a header, the records and a trailer.
//!
//! The header says which chains the export holds and how far each goes; these bounds are fixed
//! before the first record is sent, so an export ends however much is written meanwhile. The
//! register chain comes first, then all other records in the order of the log. Each line ends
//! with a line feed, and is exactly what [`ExportWriter`] writes: compact JSON, members in order.

use agentadmit_protocol::audit::{AuditHash, AuditRecord};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId};
use agentadmit_protocol::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of the format that is written and read here.
pub const EXPORT_VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    /// The format's version, [`EXPORT_VERSION`].
    #[serde(rename = "agentadmit_export")]
    pub version: u32,
    /// The app whose records these are; none for the system's own.
    pub app_id: Option<AppId>,
    /// The environment whose records these are.
    pub environment: Option<Environment>,
    /// Whether records were left out by a filter: then chains cannot be checked.
    pub filtered: bool,
    /// When the bounds were fixed.
    pub exported_at: Timestamp,
    /// The issuer of the service that wrote it, for people.
    pub service: Option<String>,
    /// The register chain; none when there is no record at all, and in a filtered export.
    pub register: Option<ChainBounds>,
    /// Every other chain that has records; empty in a filtered export.
    pub chains: Vec<ChainBounds>,
    /// The service's public keys, old ones included.
    pub keys: Vec<AuditKey>,
}

/// From where to where an export holds a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainBounds {
    /// The chain.
    pub chain: ChainId,
    /// `seq` of its first record here: 1, or later when the chain was trimmed.
    pub first_seq: u64,
    /// `prev_hash` of that record.
    pub first_prev_hash: AuditHash,
    /// `seq` of its last record here; one less than `first_seq` when all of it was trimmed.
    pub last_seq: u64,
    /// `hash` of that record; `first_prev_hash` when all of it was trimmed.
    pub last_hash: AuditHash,
}

/// One of the service's public keys for checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditKey {
    /// The key's name in checkpoints.
    pub kid: String,
    /// The Ed25519 public key, 32 bytes in base64url without padding (RFC 8037 section 2).
    pub x: String,
}

impl AuditKey {
    /// From the 32 bytes of a public key.
    pub fn new(kid: impl Into<String>, public_key: &[u8; 32]) -> Self {
        Self { kid: kid.into(), x: URL_SAFE_NO_PAD.encode(public_key) }
    }

    /// The 32 bytes; `None` when `x` is not the base64url of 32 bytes.
    pub fn public_key(&self) -> Option<[u8; 32]> {
        URL_SAFE_NO_PAD.decode(&self.x).ok()?.try_into().ok()
    }
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportTrailer {
    /// The format's version, [`EXPORT_VERSION`].
    #[serde(rename = "agentadmit_export_end")]
    pub version: u32,
    /// How many records the file holds.
    pub records: u64,
    /// SHA-256, lower-case hex, of all bytes before this line.
    pub sha256: AuditHash,
}

/// Writes an export line by line and keeps what the trailer needs.
///
/// Each call appends one line to `out`; the caller sends and clears it as it likes.
#[derive(Debug, Clone, Default)]
pub struct ExportWriter {
    digest: Sha256,
    records: u64,
}

impl ExportWriter {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the header line.
    ///
    /// # Errors
    /// None for these types in practice; serialising is fallible by its signature.
    pub fn header(
        &mut self,
        header: &ExportHeader,
        out: &mut Vec<u8>,
    ) -> Result<(), serde_json::Error> {
        self.line(header, out)
    }

    /// Appends one record's line.
    ///
    /// # Errors
    /// As [`Self::header`].
    pub fn record(
        &mut self,
        record: &AuditRecord,
        out: &mut Vec<u8>,
    ) -> Result<(), serde_json::Error> {
        self.records = self.records.saturating_add(1);
        self.line(record, out)
    }

    /// Appends the trailer line, which ends the file.
    ///
    /// # Errors
    /// As [`Self::header`].
    pub fn trailer(self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        write_line(&trailer(self.records, self.digest), out)
    }

    fn line<T: Serialize>(
        &mut self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), serde_json::Error> {
        let start = out.len();
        write_line(value, out)?;
        self.digest.update(out.get(start..).unwrap_or_default());
        Ok(())
    }
}

/// The trailer of a file of so many records whose bytes went into `digest`.
pub(crate) fn trailer(records: u64, digest: Sha256) -> ExportTrailer {
    let sha256 = AuditHash::from_bytes(digest.finalize().into());
    ExportTrailer { version: EXPORT_VERSION, records, sha256 }
}

fn write_line<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *out, value)?;
    out.push(b'\n');
    Ok(())
}
