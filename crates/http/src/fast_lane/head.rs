//! What is a plain verify, and what is not.
//!
//! The parser is `httparse`, which hyper uses, and the subset is strict: whatever could be read in
//! two ways, or needs more than a length, is [`Found::Other`].

use std::mem::MaybeUninit;

use agentadmit_engine::credential::api_key;
use agentadmit_engine::verbs::auth::AppCredential;
use agentadmit_protocol::api::verify::VerifyRequest;
use agentadmit_protocol::json;
use httparse::{Header, Request, Status};

use crate::extract;

/// Header lines that a request may have here.
const MOST_HEADERS: usize = 32;
/// How every request here begins; the version follows at once, so there is no query.
const BEGINNINGS: [(&[u8], &str); 2] = [
    (b"POST /v1/verify HTTP/1.1\r\n", "/v1/verify"),
    (b"POST /api/v1/verify HTTP/1.1\r\n", "/api/v1/verify"),
];

/// What the bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'b> {
    /// The beginning of what may become a request, without its whole head.
    Part,
    /// A whole head, without its whole body.
    HeadOnly {
        /// Which route it is for.
        route: &'static str,
    },
    /// A whole request; more may follow.
    Request(Recognised<'b>),
    /// Nothing for here.
    Other,
}

/// The parts of a whole request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recognised<'b> {
    /// Which route it is for.
    pub(super) route: &'static str,
    /// Its bytes, head and body.
    pub(super) length: usize,
    bearer: &'b str,
    body: &'b [u8],
}

impl Recognised<'_> {
    /// The request in its own types; `None` when a route must say what is wrong with it, or who
    /// its caller is.
    pub(super) fn read(&self) -> Option<(AppCredential, VerifyRequest)> {
        let credential = api_key(self.bearer)?;
        Some((credential, json::from_slice_if_right(self.body)?))
    }
}

/// Looks at what a connection's bytes begin with.
pub(super) fn recognise(bytes: &[u8]) -> Found<'_> {
    let route = match route_of(bytes) {
        Ok(route) => route,
        Err(found) => return found,
    };
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut request = Request::new(&mut []);
    let head_bytes = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Found::Part,
        Err(_) => return Found::Other,
    };
    let Some((bearer, body_bytes)) = wanted(request.headers) else { return Found::Other };
    let length = head_bytes + body_bytes;
    if length > super::MOST_BYTES {
        return Found::Other;
    }
    match bytes.get(head_bytes..length) {
        Some(body) => Found::Request(Recognised { route, length, bearer, body }),
        // who shows no API key is answered without their body
        None if api_key(bearer).is_none() => Found::Other,
        None => Found::HeadOnly { route },
    }
}

/// The route that the first line names.
fn route_of(bytes: &[u8]) -> Result<&'static str, Found<'static>> {
    let mut may_become = false;
    for (beginning, route) in BEGINNINGS {
        if bytes.starts_with(beginning) {
            return Ok(route);
        }
        may_become |= beginning.starts_with(bytes);
    }
    Err(if may_become { Found::Part } else { Found::Other })
}

/// The Bearer and the length of the body, where these headers say nothing else of either.
fn wanted<'b>(headers: &[Header<'b>]) -> Option<(&'b str, usize)> {
    let (mut bearer, mut length, mut is_json) = (None, None, false);
    for Header { name, value } in headers {
        match HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            None => {}
            Some((_, Known::Authorization)) if bearer.is_none() => {
                bearer = Some(bearer_of(value)?);
            }
            Some((_, Known::ContentLength)) if length.is_none() => {
                length = Some(length_of(value)?);
            }
            Some((_, Known::ContentType)) if !is_json => {
                is_json = extract::is_json(value);
                if !is_json {
                    return None;
                }
            }
            Some((_, Known::Connection)) if value.eq_ignore_ascii_case(b"keep-alive") => {}
            Some(_) => return None,
        }
    }
    Some((bearer?, length?)).filter(|_| is_json)
}

/// A header that means something for a verify.
#[derive(Clone, Copy)]
enum Known {
    Authorization,
    ContentLength,
    ContentType,
    Connection,
    /// Changes what the body is, or what becomes of the connection.
    NotHere,
}

/// Every header that means something to hyper or to the route. Others are not looked at there
/// either.
const HEADERS: [(&str, Known); 10] = [
    ("authorization", Known::Authorization),
    ("content-length", Known::ContentLength),
    ("content-type", Known::ContentType),
    ("connection", Known::Connection),
    ("transfer-encoding", Known::NotHere),
    ("content-encoding", Known::NotHere),
    ("expect", Known::NotHere),
    ("upgrade", Known::NotHere),
    ("te", Known::NotHere),
    ("trailer", Known::NotHere),
];

/// A length as RFC 9112 section 6.2 has it: digits and nothing else.
fn length_of(value: &[u8]) -> Option<usize> {
    const MOST_DIGITS: usize = 5;
    if value.is_empty() || value.len() > MOST_DIGITS {
        return None;
    }
    value.iter().try_fold(0, |length, byte| {
        byte.is_ascii_digit().then(|| length * 10 + usize::from(byte - b'0'))
    })
}

fn bearer_of(value: &[u8]) -> Option<&str> {
    extract::bearer(std::str::from_utf8(value).ok()?)
}
