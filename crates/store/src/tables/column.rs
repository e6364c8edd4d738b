//! Numbers in columns, which are signed and of 64 bits.

use agentadmit_core::connection::Status;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::time::Timestamp;

use super::blob::BadRow;
use crate::views::{Chain, ChainKind};

/// A time in a column: milliseconds since the Unix epoch.
#[inline]
pub fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

/// A count in a column; columns never hold more than `i64::MAX`.
#[inline]
pub fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count out of a column; the schema keeps counts from being negative.
#[inline]
pub fn uncount(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A `LIMIT`.
#[inline]
pub fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A status in a column.
#[inline]
pub fn status_code(status: Status) -> i16 {
    match status {
        Status::Pending => 0,
        Status::Active => 1,
        Status::Revoked => 2,
        Status::Expired => 3,
    }
}

/// The status of a number in a column.
///
/// # Errors
/// No status has it.
pub fn status_of(code: i64) -> Result<Status, BadRow> {
    let found = usize::try_from(code).ok().and_then(|code| Status::ALL.get(code));
    found.copied().ok_or(BadRow::Status(code))
}

/// The environment of a number in a key.
///
/// # Errors
/// No environment has it.
#[inline]
pub fn environment(number: i64) -> Result<Environment, BadRow> {
    let found = usize::try_from(number).ok().and_then(|number| Environment::ALL.get(number));
    found.copied().ok_or(BadRow::Environment(number))
}

/// The label of a column; the empty one is of agents that have none.
pub fn label(label: String) -> Option<String> {
    Some(label).filter(|label| !label.is_empty())
}

/// The writer of a chain in a column; a register has none.
#[inline]
pub fn writer(chain: &Chain) -> Option<i64> {
    match chain.kind {
        ChainKind::Register => None,
        ChainKind::Writer { writer } => Some(count(writer)),
    }
}

/// What a chain is for, by the column of its writer.
#[inline]
pub fn chain_kind(writer: Option<i64>) -> ChainKind {
    writer.map_or(ChainKind::Register, |writer| ChainKind::Writer { writer: uncount(writer) })
}
