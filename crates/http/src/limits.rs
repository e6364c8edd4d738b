//! The headers that tell a caller how much is left (PROTOCOL, Limits).

use agentadmit_core::rate::BucketState;
use agentadmit_engine::verbs::verify::Limits;
use agentadmit_protocol::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Headers that an answer of a verify has beside these; room for all of them is made at once.
const ROOM: usize = 12;

/// The headers for these limits; none where there is no limit.
pub(crate) fn headers(limits: &Limits, now: Timestamp) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(ROOM);
    write(limits, now, |name, value| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    });
    headers
}

/// Hands the name and the value of each header for these limits over.
///
/// `X-RateLimit-*` describe the limit nearest to refusing; `RateLimit-Policy` and `RateLimit`
/// (draft-ietf-httpapi-ratelimit-headers) name each. A reset is when the burst is full again.
pub(crate) fn write(limits: &Limits, now: Timestamp, mut header: impl FnMut(HeaderName, &str)) {
    let states = [limits.key, limits.connection];
    let present = states.into_iter().flatten();
    let Some(tightest) = present.reduce(|a, b| if b.is_tighter_than(&a) { b } else { a }) else {
        return;
    };
    let mut policy = String::with_capacity(64);
    let mut remaining = String::with_capacity(64);
    for (name, state) in ["key", "connection"].into_iter().zip(states) {
        let Some(state) = state else { continue };
        let BucketState { limit, remaining: left, window_seconds, full_in_ns } = state;
        let full_in = full_in_ns.div_ceil(1_000_000_000);
        item(&mut policy, name, "q", limit.into(), "w", window_seconds.into());
        item(&mut remaining, name, "r", left.into(), "t", full_in);
    }
    let mut digits = itoa::Buffer::new();
    header(X_LIMIT, digits.format(tightest.limit));
    header(X_REMAINING, digits.format(tightest.remaining));
    header(X_RESET, digits.format(reset(&tightest, now)));
    header(POLICY, &policy);
    header(STATE, &remaining);
}

/// Appends one limit with two parameters: `"key";q=4000;w=2`.
fn item(list: &mut String, name: &str, first: &str, a: u64, second: &str, b: u64) {
    let mut digits = itoa::Buffer::new();
    list.push_str(if list.is_empty() { "\"" } else { ", \"" });
    list.push_str(name);
    for (start, parameter, value) in [("\";", first, a), (";", second, b)] {
        list.push_str(start);
        list.push_str(parameter);
        list.push('=');
        list.push_str(digits.format(value));
    }
}

/// The Unix second, rounded up, at which the burst is full again.
fn reset(state: &BucketState, now: Timestamp) -> i64 {
    let full_in_ms = i64::try_from(state.full_in_ns.div_ceil(1_000_000)).unwrap_or(i64::MAX);
    let full_at_ms = now.as_millis().saturating_add(full_in_ms);
    full_at_ms.saturating_add(999).div_euclid(1_000)
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
