//! Reading an HTTP/1.1 answer out of the bytes that came in so far. No I/O: both transports feed it.
//!
//! Strict where two readers could disagree about where an answer ends (RFC 9112 section 6.3), and
//! bounded in everything.

use std::time::{Duration, SystemTime};

use super::Fault;

/// The largest head, status line included.
const MAX_HEAD: usize = 32 * 1024;
/// The most header fields in a head.
const MAX_FIELDS: usize = 64;
/// The largest body: far above the largest page of a list.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// The longest line with the size of a chunk.
const MAX_SIZE_LINE: usize = 256;
/// The most interim answers (1xx) before the real one.
const MAX_INTERIM: u32 = 8;

/// Room that is made before each read.
pub(crate) const ROOM: usize = 2048;

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) head: Head,
    /// Whether the connection can carry another call.
    pub(crate) is_reusable: bool,
    bytes: Vec<u8>,
    body_from: usize,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(self.body_from..).unwrap_or_default()
    }
}

/// What is looked at in a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Whether the body says that it is `application/json`.
    pub(crate) is_json: bool,
    pub(crate) retry_after: Option<RetryAfter>,
    /// `X-RateLimit-Limit`, `-Remaining`, `-Reset`.
    pub(crate) rate: [Option<u64>; 3],
    is_last: bool,
    length: Option<usize>,
    is_chunked: bool,
}

/// The header `Retry-After` (RFC 9110 section 10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    After(Duration),
    At(SystemTime),
}

impl RetryAfter {
    fn parse(value: &str) -> Option<Self> {
        if let Ok(seconds) = value.parse() {
            return Some(Self::After(Duration::from_secs(seconds)));
        }
        httpdate::parse_http_date(value).ok().map(Self::At)
    }

    /// How long from a moment, given in milliseconds of the Unix clock; what is past is zero.
    pub(crate) fn from(self, unix_ms: i64) -> Duration {
        match self {
            Self::After(duration) => duration,
            Self::At(date) => {
                let now = Duration::from_millis(u64::try_from(unix_ms).unwrap_or_default());
                let date = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                date.saturating_sub(now)
            }
        }
    }
}

/// One answer in the making.
#[derive(Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    state: State,
    interim: u32,
    was_fed: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Head,
    /// A body of known length; where it starts in the bytes.
    Sized { head: Head, from: usize, length: usize },
    /// A body in chunks; what was decoded so far, without the bytes that were.
    Chunked { head: Head, decoded: Vec<u8>, is_trailer: bool },
    /// A body that ends with the connection.
    UntilEnd { head: Head, from: usize },
}

impl Reader {
    /// Where a read puts what comes in, behind what is there.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes.reserve(ROOM);
        &mut self.bytes
    }

    /// Whether any byte of an answer has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.was_fed || !self.bytes.is_empty()
    }

    /// Looks at what came in; the answer once it is whole.
    pub(crate) fn advance(&mut self) -> Result<Option<Answer>, Fault> {
        self.was_fed |= !self.bytes.is_empty();
        loop {
            match &mut self.state {
                State::Head => match self.head()? {
                    Some(state) => self.state = state,
                    None => return Ok(None),
                },
                State::Sized { head, from, length } => {
                    let (head, from) = (*head, *from);
                    let end = from.saturating_add(*length);
                    if self.bytes.len() < end {
                        return Ok(None);
                    }
                    // bytes behind the end belong to no call of ours
                    let has_surplus = self.bytes.len() > end;
                    self.bytes.truncate(end);
                    return Ok(Some(self.finish(head, from, !head.is_last && !has_surplus)));
                }
                State::Chunked { head, decoded, is_trailer } => {
                    let head = *head;
                    if !take_chunks(&mut self.bytes, decoded, is_trailer)? {
                        return Ok(None);
                    }
                    let has_surplus = !self.bytes.is_empty();
                    self.bytes = std::mem::take(decoded);
                    return Ok(Some(self.finish(head, 0, !head.is_last && !has_surplus)));
                }
                State::UntilEnd { from, .. } => {
                    if self.bytes.len().saturating_sub(*from) > MAX_BODY {
                        return Err(too_long("body"));
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// The other side has closed the connection: the answer, if that was its end.
    pub(crate) fn end(&mut self) -> Result<Answer, Fault> {
        match self.state {
            State::UntilEnd { head, from } => Ok(self.finish(head, from, false)),
            _ if self.has_begun() => {
                Err(Fault::Broken("the connection ended in the middle of an answer".to_owned()))
            }
            _ => Err(Fault::Unanswered("the connection was closed without an answer".to_owned())),
        }
    }

    fn finish(&mut self, head: Head, body_from: usize, is_reusable: bool) -> Answer {
        Answer { head, is_reusable, bytes: std::mem::take(&mut self.bytes), body_from }
    }

    fn head(&mut self) -> Result<Option<State>, Fault> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        let read = parsed.parse(&self.bytes).map_err(|error| match error {
            httparse::Error::TooManyHeaders => too_long("head"),
            error => Fault::Broken(format!("the answer is not HTTP/1.1: {error}")),
        })?;
        let httparse::Status::Complete(from) = read else {
            return if self.bytes.len() > MAX_HEAD { Err(too_long("head")) } else { Ok(None) };
        };
        if from > MAX_HEAD {
            return Err(too_long("head"));
        }
        let head = read_head(&parsed)?;
        match head.status {
            ..100 => Err(ambiguous("has no status")),
            101 => Err(ambiguous("switches protocols")),
            100..=199 => {
                self.interim = self.interim.saturating_add(1);
                if self.interim > MAX_INTERIM {
                    return Err(too_long("head"));
                }
                self.bytes.drain(..from);
                Ok(Some(State::Head))
            }
            _ => {
                let state = body_state(head, from)?;
                if matches!(state, State::Chunked { .. }) {
                    self.bytes.drain(..from);
                }
                Ok(Some(state))
            }
        }
    }
}

/// How the body of an answer ends.
fn body_state(head: Head, from: usize) -> Result<State, Fault> {
    match (head.is_chunked, head.length) {
        (true, Some(_)) => Err(ambiguous("has two lengths")),
        _ if matches!(head.status, 204 | 304) => Ok(State::Sized { head, from, length: 0 }),
        (true, None) => Ok(State::Chunked { head, decoded: Vec::new(), is_trailer: false }),
        (false, Some(length)) if length > MAX_BODY => Err(too_long("body")),
        (false, Some(length)) => Ok(State::Sized { head, from, length }),
        (false, None) => Ok(State::UntilEnd { head, from }),
    }
}

fn read_head(parsed: &httparse::Response<'_, '_>) -> Result<Head, Fault> {
    let mut head = Head { status: parsed.code.unwrap_or_default(), ..Head::default() };
    let (mut is_kept, mut is_closed) = (parsed.version == Some(1), false);
    for field in parsed.headers.iter() {
        let Ok(value) = std::str::from_utf8(field.value) else { continue };
        let value = value.trim_ascii();
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-type") {
            head.is_json = is_json(value);
        } else if is("content-length") {
            let length = length(value).ok_or_else(|| ambiguous("has no readable length"))?;
            if head.length.replace(length).is_some_and(|other| other != length) {
                return Err(ambiguous("has two lengths"));
            }
        } else if is("transfer-encoding") {
            if head.is_chunked || !value.eq_ignore_ascii_case("chunked") {
                return Err(ambiguous("has a transfer coding that nobody asked for"));
            }
            head.is_chunked = true;
        } else if is("connection") {
            is_closed |= value.split(',').any(|it| it.trim().eq_ignore_ascii_case("close"));
        } else if is("content-encoding") {
            // nobody asked for one, and nothing here could read it
            is_kept = false;
        } else if is("retry-after") {
            head.retry_after = RetryAfter::parse(value);
        } else {
            for (name, number) in RATE_FIELDS.iter().zip(&mut head.rate) {
                if is(name) {
                    *number = value.parse().ok();
                }
            }
        }
    }
    head.is_last = is_closed || !is_kept;
    Ok(head)
}

const RATE_FIELDS: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case("application/json")
}

/// Digits and nothing else: `str::parse` would take a `+`.
fn length(value: &str) -> Option<usize> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// Decodes the chunks that are whole and takes their bytes away; whether the last one is among
/// them.
fn take_chunks(
    bytes: &mut Vec<u8>,
    decoded: &mut Vec<u8>,
    is_trailer: &mut bool,
) -> Result<bool, Fault> {
    let mut at = 0;
    let is_whole = loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let next = if *is_trailer { trailer(rest)? } else { chunk(rest, decoded)? };
        match next {
            Next::More => break false,
            Next::Taken(length) => at += length,
            Next::LastChunk(length) => {
                at += length;
                *is_trailer = true;
            }
            Next::End(length) => {
                at += length;
                break true;
            }
        }
    };
    bytes.drain(..at);
    Ok(is_whole)
}

enum Next {
    More,
    Taken(usize),
    LastChunk(usize),
    End(usize),
}

/// One chunk with its size line (RFC 9112 section 7.1).
fn chunk(rest: &[u8], decoded: &mut Vec<u8>) -> Result<Next, Fault> {
    let malformed = || Fault::Broken("a chunk of the answer is malformed".to_owned());
    let (from, size) = match httparse::parse_chunk_size(rest).map_err(|_| malformed())? {
        httparse::Status::Partial if rest.len() > MAX_SIZE_LINE => return Err(malformed()),
        httparse::Status::Partial => return Ok(Next::More),
        httparse::Status::Complete((from, _)) if from > MAX_SIZE_LINE => return Err(malformed()),
        httparse::Status::Complete((from, size)) => (from, size),
    };
    if size == 0 {
        return Ok(Next::LastChunk(from));
    }
    let size = usize::try_from(size).map_err(|_| too_long("body"))?;
    if size > MAX_BODY.saturating_sub(decoded.len()) {
        return Err(too_long("body"));
    }
    let end = from + size;
    let (Some(data), Some(line_end)) = (rest.get(from..end), rest.get(end..end + 2)) else {
        return Ok(Next::More);
    };
    if line_end != b"\r\n" {
        return Err(malformed());
    }
    decoded.extend_from_slice(data);
    Ok(Next::Taken(end + 2))
}

/// One line behind the last chunk; the empty one is the end. What stands there is not looked at.
fn trailer(rest: &[u8]) -> Result<Next, Fault> {
    match rest.windows(2).position(|pair| pair == b"\r\n") {
        Some(0) => Ok(Next::End(2)),
        Some(length) if length <= MAX_SIZE_LINE => Ok(Next::Taken(length + 2)),
        None if rest.len() <= MAX_SIZE_LINE => Ok(Next::More),
        _ => Err(Fault::Broken("the answer has a trailer that is too long".to_owned())),
    }
}

fn too_long(what: &str) -> Fault {
    Fault::Broken(format!("the {what} of the answer is too long"))
}

fn ambiguous(what: &str) -> Fault {
    Fault::Broken(format!("the answer {what}"))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
