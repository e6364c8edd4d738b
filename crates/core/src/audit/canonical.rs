//! The bytes that are hashed: the JSON Canonicalization Scheme (RFC 8785).
//!
//! [`write_canonical`] runs once for every record that the service writes, so it knows the
//! record's members by heart and writes them in order into a string that its caller reuses.
//! [`canonical_json`] is the general form for the small objects in `details`.

use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::{AppId, ConnectionId};
use serde_json::Value;

/// Deeper nesting is refused: the writer calls itself once per level.
const MAX_DEPTH: usize = 64;
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
pub fn write_canonical(record: &AuditRecord, out: &mut String) {
    // RFC 8785 section 3.2.3: members in the order of their names. Every name is ASCII.
    out.push_str("{\"actor\":\"");
    record.actor.write(out);
    out.push_str("\",\"agent_ip\":");
    write_optional(record.agent_ip.as_ref().map(AsRef::as_ref), out);
    out.push_str(",\"agent_label\":");
    write_optional(record.agent_label.as_ref().map(AsRef::as_ref), out);
    out.push_str(",\"app_id\":");
    write_quoted(record.app_id.as_ref(), out, AppId::write);
    out.push_str(",\"chain\":\"");
    record.chain.write(out);
    out.push_str("\",\"connection_id\":");
    write_quoted(record.connection_id.as_ref(), out, ConnectionId::write);
    out.push_str(",\"count\":");
    write_integer(u64::from(record.count), out);
    out.push_str(",\"details\":");
    out.push_str(record.details.as_ref().map_or("null", |details| details.as_str()));
    out.push_str(",\"endpoint\":");
    write_optional(record.endpoint.as_ref().map(AsRef::as_ref), out);
    out.push_str(",\"environment\":");
    write_quoted(record.environment.as_ref(), out, |word, out| out.push_str(word.as_str()));
    out.push_str(",\"event\":\"");
    out.push_str(record.event.as_str());
    out.push_str("\",\"id\":\"");
    record.id.write(out);
    write_canonical_rest(record, out);
}

/// The members after `id`.
fn write_canonical_rest(record: &AuditRecord, out: &mut String) {
    out.push_str("\",\"method\":");
    write_optional(record.method.as_ref().map(AsRef::as_ref), out);
    out.push_str(",\"occurred_at\":\"");
    record.occurred_at.write(out);
    out.push_str("\",\"on_behalf_of\":");
    write_optional(record.on_behalf_of.as_ref().map(AsRef::as_ref), out);
    out.push_str(",\"outcome\":\"");
    out.push_str(record.outcome.as_str());
    out.push_str("\",\"prev_hash\":\"");
    record.prev_hash.write(out);
    out.push_str("\",\"reason\":");
    write_optional(record.reason.as_deref(), out);
    out.push_str(",\"request_id\":");
    write_optional(record.request_id.as_deref(), out);
    out.push_str(",\"scope\":");
    write_optional(record.scope.as_deref(), out);
    out.push_str(",\"seq\":");
    write_integer(record.seq, out);
    out.push_str(",\"user_id\":");
    write_optional(record.user_id.as_ref().map(AsRef::as_ref), out);
    out.push('}');
}

/// The RFC 8785 form of a value of strings, integers below 2^53 either way, booleans, nulls,
/// arrays and objects.
///
/// # Errors
/// [`CanonicalError`] for any other number and for nesting deeper than 64. Numbers with a
/// fraction have a canonical form too, but none that every language writes alike, so `details`
/// does without them.
pub fn canonical_json(value: &Value) -> Result<String, CanonicalError> {
    let mut out = String::new();
    write_value(value, MAX_DEPTH, &mut out)?;
    Ok(out)
}

fn write_value(value: &Value, levels_left: usize, out: &mut String) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::String(text) => write_string(text, out),
        Value::Number(number) => write_number(number, out)?,
        Value::Array(items) => {
            let levels_left = levels_left.checked_sub(1).ok_or(CanonicalError::Depth)?;
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_value(item, levels_left, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let levels_left = levels_left.checked_sub(1).ok_or(CanonicalError::Depth)?;
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            // RFC 8785 sorts by UTF-16 code units, which differs from UTF-8 beyond U+FFFF.
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (position, (name, value)) in members.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write_value(value, levels_left, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_number(number: &serde_json::Number, out: &mut String) -> Result<(), CanonicalError> {
    let negative = number.as_i64().filter(|value| *value < 0);
    let magnitude = match negative {
        Some(value) => value.unsigned_abs(),
        None => number.as_u64().ok_or(CanonicalError::Number)?,
    };
    if magnitude > MAX_INTEGER {
        return Err(CanonicalError::Number);
    }
    if negative.is_some() {
        out.push('-');
    }
    write_integer(magnitude, out);
    Ok(())
}

/// A value between quotes that needs no escapes, or `null`.
fn write_quoted<T>(value: Option<&T>, out: &mut String, write: impl FnOnce(&T, &mut String)) {
    match value {
        Some(value) => {
            out.push('"');
            write(value, out);
            out.push('"');
        }
        None => out.push_str("null"),
    }
}

fn write_optional(text: Option<&str>, out: &mut String) {
    match text {
        Some(text) => write_string(text, out),
        None => out.push_str("null"),
    }
}

/// A JSON string as RFC 8785 section 3.2.2.2 writes it: only `"`, `\` and control characters
/// below U+0020 are escaped, those with a short form by it.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    // nearly every text is plain: without a way out in the middle, many bytes are looked at at once
    if !text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut rest = text;
    while let Some(position) = rest.bytes().position(needs_escape) {
        let (plain, from) = rest.split_at_checked(position).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut characters = from.chars();
        if let Some(character) = characters.next() {
            write_escape(character, out);
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(character: char, out: &mut String) {
    out.push('\\');
    match character {
        '"' | '\\' => out.push(character),
        '\u{8}' => out.push('b'),
        '\t' => out.push('t'),
        '\n' => out.push('n'),
        '\u{c}' => out.push('f'),
        '\r' => out.push('r'),
        other => {
            out.push_str("u00");
            let code = u32::from(other);
            for nibble in [code >> 4, code & 0xf] {
                out.push(char::from_digit(nibble & 0xf, 16).unwrap_or('0'));
            }
        }
    }
}

fn write_integer(value: u64, out: &mut String) {
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
    out.push_str(core::str::from_utf8(digits).unwrap_or_default());
}
