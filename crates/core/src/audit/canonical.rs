//! The bytes that are hashed: the JSON Canonicalization Scheme (RFC 8785).
//!
//! [`write_canonical`] runs once for every record that the service writes, so it knows the
//! record's members by heart and writes them in order, as bytes, behind what its caller has there.
//! [`canonical_json`] is the general form for the small objects in `details`.

use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::{AppId, ConnectionId};
use serde_json::Value;

/// Deeper nesting is refused: the writer calls itself once per level.
const MAX_DEPTH: usize = 64;
/// The digits of what has no short escape.
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Beyond this, a JSON number is no exact integer for everybody (RFC 7493 section 2.2).
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A value that has no canonical form here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// A number with a fraction or an exponent, or an integer of 2^53 or more either way.
    #[error("numbers must be integers below 2^53 either way")]
    Number,
    /// Arrays and objects nested deeper than 64.
    #[error("arrays and objects must not be nested deeper than 64")]
    Depth,
}

/// Appends the RFC 8785 form of `record` without its `hash`.
///
/// Every member is present, `null` where it is empty; times stand as they are shown. `details`
/// is canonical already and is copied.
pub fn write_canonical(record: &AuditRecord, out: &mut Vec<u8>) {
    // RFC 8785 section 3.2.3: members in the order of their names. Every name is ASCII.
    out.extend_from_slice(b"{\"actor\":\"");
    record.actor.write_to(out);
    out.extend_from_slice(b"\",\"agent_ip\":");
    write_optional(record.agent_ip.as_ref().map(AsRef::as_ref), out);
    out.extend_from_slice(b",\"agent_label\":");
    write_optional(record.agent_label.as_ref().map(AsRef::as_ref), out);
    out.extend_from_slice(b",\"app_id\":");
    write_quoted(record.app_id.as_ref(), out, AppId::write_to);
    out.extend_from_slice(b",\"chain\":\"");
    record.chain.write_to(out);
    out.extend_from_slice(b"\",\"connection_id\":");
    write_quoted(record.connection_id.as_ref(), out, ConnectionId::write_to);
    out.extend_from_slice(b",\"count\":");
    write_integer(u64::from(record.count), out);
    out.extend_from_slice(b",\"details\":");
    let details = record.details.as_ref().map_or("null", |details| details.as_str());
    out.extend_from_slice(details.as_bytes());
    out.extend_from_slice(b",\"endpoint\":");
    write_optional(record.endpoint.as_ref().map(AsRef::as_ref), out);
    out.extend_from_slice(b",\"environment\":");
    write_quoted(record.environment.as_ref(), out, |word, out| {
        out.extend_from_slice(word.as_str().as_bytes());
    });
    out.extend_from_slice(b",\"event\":\"");
    out.extend_from_slice(record.event.as_str().as_bytes());
    out.extend_from_slice(b"\",\"id\":\"");
    record.id.write_to(out);
    write_canonical_rest(record, out);
}

/// The members after `id`.
fn write_canonical_rest(record: &AuditRecord, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\",\"method\":");
    write_optional(record.method.as_ref().map(AsRef::as_ref), out);
    out.extend_from_slice(b",\"occurred_at\":\"");
    record.occurred_at.write_to(out);
    out.extend_from_slice(b"\",\"on_behalf_of\":");
    write_optional(record.on_behalf_of.as_ref().map(AsRef::as_ref), out);
    out.extend_from_slice(b",\"outcome\":\"");
    out.extend_from_slice(record.outcome.as_str().as_bytes());
    out.extend_from_slice(b"\",\"prev_hash\":\"");
    record.prev_hash.write_to(out);
    out.extend_from_slice(b"\",\"reason\":");
    write_optional(record.reason.as_deref(), out);
    out.extend_from_slice(b",\"request_id\":");
    write_optional(record.request_id.as_deref(), out);
    out.extend_from_slice(b",\"scope\":");
    write_optional(record.scope.as_deref(), out);
    out.extend_from_slice(b",\"seq\":");
    write_integer(record.seq, out);
    out.extend_from_slice(b",\"user_id\":");
    write_optional(record.user_id.as_ref().map(AsRef::as_ref), out);
    out.push(b'}');
}

/// The RFC 8785 form of a value of strings, integers below 2^53 either way, booleans, nulls,
/// arrays and objects.
///
/// # Errors
/// [`CanonicalError`] for any other number and for nesting deeper than 64. Numbers with a
/// fraction have a canonical form too, but none that every language writes alike, so `details`
/// does without them.
pub fn canonical_json(value: &Value) -> Result<String, CanonicalError> {
    let mut out = Vec::new();
    write_value(value, MAX_DEPTH, &mut out)?;
    // nothing but texts and ASCII was written
    Ok(String::from_utf8(out).unwrap_or_default())
}

fn write_value(value: &Value, levels_left: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::String(text) => write_string(text, out),
        Value::Number(number) => write_number(number, out)?,
        Value::Array(items) => {
            let levels_left = levels_left.checked_sub(1).ok_or(CanonicalError::Depth)?;
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_value(item, levels_left, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let levels_left = levels_left.checked_sub(1).ok_or(CanonicalError::Depth)?;
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            // RFC 8785 sorts by UTF-16 code units, which differs from UTF-8 beyond U+FFFF.
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (position, (name, value)) in members.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write_value(value, levels_left, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_number(number: &serde_json::Number, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let negative = number.as_i64().filter(|value| *value < 0);
    let magnitude = match negative {
        Some(value) => value.unsigned_abs(),
        None => number.as_u64().ok_or(CanonicalError::Number)?,
    };
    if magnitude > MAX_INTEGER {
        return Err(CanonicalError::Number);
    }
    if negative.is_some() {
        out.push(b'-');
    }
    write_integer(magnitude, out);
    Ok(())
}

/// A value between quotes that needs no escapes, or `null`.
fn write_quoted<T>(value: Option<&T>, out: &mut Vec<u8>, write: impl FnOnce(&T, &mut Vec<u8>)) {
    match value {
        Some(value) => {
            out.push(b'"');
            write(value, out);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

fn write_optional(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => write_string(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// A JSON string as RFC 8785 section 3.2.2.2 writes it: only `"`, `\` and control characters
/// below U+0020 are escaped, those with a short form by it.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // nearly every text is plain: without a way out in the middle, many bytes are looked at at once
    if !text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    let mut rest = text.as_bytes();
    while let Some(position) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (plain, from) = rest.split_at_checked(position).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((escaped, behind)) = from.split_first() else { break };
        write_escape(*escaped, out);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    out.push(b'\\');
    match byte {
        b'"' | b'\\' => out.push(byte),
        0x08 => out.push(b'b'),
        b'\t' => out.push(b't'),
        b'\n' => out.push(b'n'),
        0x0c => out.push(b'f'),
        b'\r' => out.push(b'r'),
        other => {
            out.extend_from_slice(b"u00");
            for nibble in [other >> 4, other & 0xf] {
                out.push(HEX_DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
            }
        }
    }
}

fn write_integer(value: u64, out: &mut Vec<u8>) {
    /// Decimal digits of `u64::MAX`.
    const DIGITS: usize = 20;
    let mut digits = [b'0'; DIGITS];
    let (mut rest, mut used) = (value, 0);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    let digits = digits.get(DIGITS - used..).unwrap_or_default();
    out.extend_from_slice(digits);
}
