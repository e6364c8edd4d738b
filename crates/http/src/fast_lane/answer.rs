//! Answers as bytes: head and body in one piece, for one write.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use agentadmit_protocol::decimal;
use agentadmit_protocol::time::Timestamp;
use http::StatusCode;
use httpdate::HttpDate;

use crate::envelope::error_json;
use crate::error::ApiError;
use crate::limits;
use crate::routes::verify::Good;
use crate::state::RequestId;

/// What every answer here says besides what was decided.
pub(super) struct Envelope<'a> {
    pub(super) request_id: &'a RequestId,
    /// Whether the connection ends with this answer.
    pub(super) is_last: bool,
    pub(super) wall: Timestamp,
}

impl Envelope<'_> {
    /// Appends an answer of 200.
    pub(super) fn good(&self, good: &Good, out: &mut Vec<u8>) -> StatusCode {
        self.begin(StatusCode::OK, out);
        limits::write(&good.limits, good.at, out);
        end(&good.body, out);
        StatusCode::OK
    }

    /// Appends the answer that is an error.
    pub(super) fn error(&self, error: ApiError, out: &mut Vec<u8>) -> StatusCode {
        let (status, headers, body) = error.into_parts();
        self.begin(status, out);
        for (name, value) in &headers {
            field(name.as_str(), value.as_bytes(), out);
        }
        end(&error_json(body, self.request_id), out);
        status
    }

    fn begin(&self, status: StatusCode, out: &mut Vec<u8>) {
        if status == StatusCode::OK {
            out.extend_from_slice(b"HTTP/1.1 200 OK");
        } else {
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(status.as_str().as_bytes());
            out.push(b' ');
            out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        }
        out.extend_from_slice(
            b"\r\ncontent-type: application/json\r\ncache-control: no-store\r\nx-request-id: ",
        );
        out.extend_from_slice(self.request_id.as_bytes());
        out.extend_from_slice(b"\r\ndate: ");
        out.extend_from_slice(&date(self.wall));
        out.extend_from_slice(b"\r\n");
        if self.is_last {
            out.extend_from_slice(b"connection: close\r\n");
        }
    }
}

fn end(body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"content-length: ");
    decimal::write(u64::try_from(body.len()).unwrap_or_default(), out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The bytes of an IMF-fixdate (RFC 9110 section 5.6.7).
type Date = [u8; 29];

thread_local! {
    /// The newest date that was written on this thread, by its Unix second.
    static NEWEST: Cell<(u64, Date)> = const { Cell::new((u64::MAX, [0; 29])) };
}

/// The date, written once in a second.
fn date(wall: Timestamp) -> Date {
    let second = u64::try_from(wall.as_millis().div_euclid(1_000)).unwrap_or(0);
    let (newest, date) = NEWEST.get();
    if newest == second {
        return date;
    }
    let mut text = String::with_capacity(29);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    // writing to a string cannot fail
    let _ = write!(text, "{}", HttpDate::from(at));
    let date = text.as_bytes().try_into().unwrap_or([b' '; 29]);
    NEWEST.set((second, date));
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_its_second() {
        let at = |millis| String::from_utf8(date(Timestamp::from_millis(millis)).to_vec()).unwrap();
        let (first, second) = ("Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:01 GMT");
        assert_eq!(at(1_767_225_600_000), first);
        assert_eq!(at(1_767_225_600_999), first);
        assert_eq!(at(1_767_225_601_000), second);
        assert_eq!(at(1_767_225_600_000), first, "a clock that goes back");
        assert_eq!(at(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
