//! What a record of the log means for the tables: whose it is, which use it notes; and how far a
//! segment of the log is on its way.

use agentadmit_core::app::Tenant;
use agentadmit_protocol::audit::{AuditEvent, AuditRecord, Outcome};
use agentadmit_protocol::error::ErrorCode;

/// Whose record it is; `None` for the service's own.
#[inline]
pub fn tenant_of(record: &AuditRecord) -> Option<Tenant> {
    Some(Tenant::new(record.app_id?, record.environment?))
}

/// The allowed calls that a record notes of its connection; `None` where it is no use of a live
/// one. Verbs append one for each call that they note.
#[inline]
pub fn calls_of(record: &AuditRecord) -> Option<u32> {
    match record.event {
        AuditEvent::Verified | AuditEvent::Introspected if record.outcome == Outcome::Allowed => {
            Some(record.count)
        }
        AuditEvent::Refused if is_about_live_connection(record.reason.as_deref()) => Some(0),
        _ => None,
    }
}

/// Whether a refusal came from a live connection; the other reasons say that the token was dead.
fn is_about_live_connection(reason: Option<&str>) -> bool {
    [ErrorCode::InsufficientScope, ErrorCode::LimitExceeded]
        .into_iter()
        .any(|code| reason == Some(code.as_str()))
}

/// How far a segment is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// The tail: records are appended to it.
    Open,
    /// Nothing is appended any more; what it is searched and trimmed by is being gathered.
    Closing,
    /// Complete.
    Closed,
    /// No read sees it; its rows are going.
    Dropped,
}

impl SegmentState {
    /// The state of a number in a column.
    pub fn of(number: i64) -> Self {
        match number {
            0 => Self::Open,
            1 => Self::Closing,
            2 => Self::Closed,
            _ => Self::Dropped,
        }
    }
}
