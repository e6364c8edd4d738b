//! The headers that tell a caller how much is left (PROTOCOL, Limits).

use agentadmit_core::rate::BucketState;
use agentadmit_engine::verbs::verify::Limits;
use agentadmit_protocol::decimal::write as number;
use agentadmit_protocol::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that an answer of a verify has beside these; room for all of them is made at once.
const ROOM: usize = 12;

/// The headers for these limits; none where there is no limit.
pub(crate) fn headers(limits: &Limits, now: Timestamp) -> HeaderMap {
    let mut lines = Vec::new();
    write(limits, now, &mut lines);
    let mut headers = HeaderMap::with_capacity(ROOM);
    for line in lines.split(|byte| *byte == b'\n') {
        let mut parts = line.trim_ascii_end().splitn(2, |byte| *byte == b':');
        if let (Some(name), Some(value)) = (parts.next(), parts.next())
            && let Ok(name) = HeaderName::from_bytes(name)
            && let Ok(value) = HeaderValue::from_bytes(value.trim_ascii_start())
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// Appends the header lines for these limits to an answer's head; nothing where there is no limit.
///
/// `X-RateLimit-*` describe the limit nearest to refusing; `RateLimit-Policy` and `RateLimit`
/// (draft-ietf-httpapi-ratelimit-headers) name each. A reset is when the burst is full again.
pub(crate) fn write(limits: &Limits, now: Timestamp, out: &mut Vec<u8>) {
    let states = [limits.key, limits.connection];
    let present = states.into_iter().flatten();
    let Some(tightest) = present.reduce(|a, b| if b.is_tighter_than(&a) { b } else { a }) else {
        return;
    };
    out.extend_from_slice(b"x-ratelimit-limit: ");
    number(tightest.limit.into(), out);
    out.extend_from_slice(b"\r\nx-ratelimit-remaining: ");
    number(tightest.remaining.into(), out);
    out.extend_from_slice(b"\r\nx-ratelimit-reset: ");
    number(reset(&tightest, now), out);
    out.extend_from_slice(b"\r\nratelimit-policy: ");
    each(states, out, |state, out| {
        out.extend_from_slice(b"q=");
        number(state.limit.into(), out);
        out.extend_from_slice(b";w=");
        number(state.window_seconds.into(), out);
    });
    out.extend_from_slice(b"\r\nratelimit: ");
    each(states, out, |state, out| {
        out.extend_from_slice(b"r=");
        number(state.remaining.into(), out);
        out.extend_from_slice(b";t=");
        number(state.full_in_ns.div_ceil(1_000_000_000), out);
    });
    out.extend_from_slice(b"\r\n");
}

/// Appends a list of the limits that there are, each with its parameters: `"key";q=4000;w=2`.
fn each(
    [key, connection]: [Option<BucketState>; 2],
    out: &mut Vec<u8>,
    parameters: impl Fn(&BucketState, &mut Vec<u8>),
) {
    if let Some(key) = &key {
        out.extend_from_slice(b"\"key\";");
        parameters(key, out);
    }
    if let Some(connection) = &connection {
        if key.is_some() {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(b"\"connection\";");
        parameters(connection, out);
    }
}

/// The Unix second, rounded up, at which the burst is full again.
fn reset(state: &BucketState, now: Timestamp) -> u64 {
    let full_in_ms = i64::try_from(state.full_in_ns.div_ceil(1_000_000)).unwrap_or(i64::MAX);
    let full_at_ms = now.as_millis().saturating_add(full_in_ms);
    u64::try_from(full_at_ms.saturating_add(999).div_euclid(1_000)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(limit: u32, remaining: u32, full_in_ns: u64) -> BucketState {
        BucketState { limit, remaining, full_in_ns, window_seconds: 2 }
    }

    fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn both_forms_are_those_of_the_contract() {
        let limits = Limits {
            key: Some(bucket(4_000, 3_999, 500_000)),
            connection: Some(bucket(100, 99, 20_000_000)),
        };
        let headers = headers(&limits, Timestamp::from_millis(1_000));
        assert_eq!(
            text(&headers, "RateLimit-Policy"),
            Some(r#""key";q=4000;w=2, "connection";q=100;w=2"#)
        );
        assert_eq!(text(&headers, "RateLimit"), Some(r#""key";r=3999;t=1, "connection";r=99;t=1"#));
        assert_eq!(text(&headers, "X-RateLimit-Limit"), Some("100"));
        assert_eq!(text(&headers, "X-RateLimit-Remaining"), Some("99"));
        assert_eq!(text(&headers, "X-RateLimit-Reset"), Some("2"));
    }

    #[test]
    fn a_limit_that_is_not_there_has_no_entry() {
        let limits = Limits { key: None, connection: Some(bucket(100, 100, 0)) };
        let some = headers(&limits, Timestamp::from_millis(5_000));
        assert_eq!(text(&some, "RateLimit"), Some(r#""connection";r=100;t=0"#));
        assert_eq!(text(&some, "X-RateLimit-Reset"), Some("5"));
        assert!(headers(&Limits::default(), Timestamp::from_millis(0)).is_empty());
    }
}
