//! Plain requests of the hot routes, recognised as bytes before any router.
//!
//! The parser is `httparse`, which hyper uses, and the subset of HTTP/1.1 is strict: one
//! `Content-Length`, an API key, the route's media type, nothing that changes framing. Whatever could
//! be read in two ways, or needs more than a length, is [`Found::Other`].
//!
//! Clients send the same head again and again, so that of the newest one is remembered. What differs
//! from it in nothing but the length of the body is not parsed again.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{Header, Request, Status};
use zeroize::Zeroizing;

use crate::secret::{self, SecretHash, SecretKind};

/// The most bytes that a request may have here; a verify has about 500.
pub const MOST_BYTES: usize = 8 * 1024;
/// Header lines that a request may have here.
const MOST_HEADERS: usize = 32;

/// A route that is hot: each of its calls is one of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HotRoute {
    /// `POST /v1/verify`.
    Verify,
    /// The same, as the README of the SDK 1.0.0 has it.
    VerifyAlias,
    /// `POST /oauth/introspect`.
    Introspect,
}

impl HotRoute {
    /// Every route.
    pub const ALL: [Self; 3] = [Self::Verify, Self::VerifyAlias, Self::Introspect];

    /// The path, which is also the route's name in metrics.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Verify => "/v1/verify",
            Self::VerifyAlias => "/api/v1/verify",
            Self::Introspect => "/oauth/introspect",
        }
    }

    /// How its requests begin; the version follows at once, so there is no query.
    const fn first_line(self) -> &'static [u8] {
        match self {
            Self::Verify => b"POST /v1/verify HTTP/1.1\r\n",
            Self::VerifyAlias => b"POST /api/v1/verify HTTP/1.1\r\n",
            Self::Introspect => b"POST /oauth/introspect HTTP/1.1\r\n",
        }
    }

    /// What its bodies are.
    const fn media_type(self) -> &'static str {
        match self {
            Self::Verify | Self::VerifyAlias => "application/json",
            Self::Introspect => "application/x-www-form-urlencoded",
        }
    }
}

/// What the bytes of a connection begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'b> {
    /// What may become a request, without its whole head.
    Part,
    /// A whole head, without its whole body.
    HeadOnly(HotRoute),
    /// A whole request; more may follow.
    Request(PlainRequest<'b>),
    /// Nothing for here.
    Other,
}

/// A whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainRequest<'b> {
    /// Which route it is for.
    pub route: HotRoute,
    /// Its bytes, head and body.
    pub length: usize,
    /// The hash of the API key in its `Authorization`.
    pub api_key: SecretHash,
    /// The body, of the route's media type, not compressed.
    pub body: &'b [u8],
}

/// Reads the requests of one connection. Remembers the newest head, its API key included, which is
/// wiped when this is dropped.
#[derive(Default)]
pub struct PlainRequests {
    newest: Option<KnownHead>,
}

/// A head that was parsed.
struct KnownHead {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the Bearer's text stands, and the digits of `Content-Length`.
    bearer: Range<usize>,
    digits: Range<usize>,
    route: HotRoute,
    api_key: SecretHash,
}

/// A head that is wanted here, and how many bytes its body has.
struct Head {
    bytes: usize,
    body_bytes: usize,
    route: HotRoute,
    api_key: SecretHash,
}

impl PlainRequests {
    /// Looks at what a connection's bytes begin with.
    pub fn recognise<'b>(&mut self, bytes: &'b [u8]) -> Found<'b> {
        let known = self.newest.as_ref().and_then(|newest| newest.begins(bytes));
        let head = match known.map_or_else(|| self.parse(bytes), Ok) {
            Ok(head) => head,
            Err(found) => return found,
        };
        let length = head.bytes + head.body_bytes;
        if length > MOST_BYTES {
            return Found::Other;
        }
        let Head { route, api_key, .. } = head;
        match bytes.get(head.bytes..length) {
            Some(body) => Found::Request(PlainRequest { route, length, api_key, body }),
            None => Found::HeadOnly(route),
        }
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<Head, Found<'static>> {
        let route = route_of(bytes)?;
        let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut request = Request::new(&mut []);
        let length = match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Err(Found::Part),
            Err(_) => return Err(Found::Other),
        };
        let (bearer, digits) = wanted(request.headers, route).ok_or(Found::Other)?;
        let body_bytes = length_of(digits).ok_or(Found::Other)?;
        let api_key = api_key_of(bearer).ok_or(Found::Other)?;
        let place = |part: &[u8]| {
            let start = part.as_ptr().addr() - bytes.as_ptr().addr();
            start..start + part.len()
        };
        let (bearer, digits) = (place(bearer.as_bytes()), place(digits));
        let known = bytes.get(..length).unwrap_or_default();
        let mut kept = self.newest.take().map_or_else(Zeroizing::default, |newest| newest.bytes);
        kept.clear();
        if known.len() > kept.capacity() {
            // to be wiped in one piece, it must never be moved
            kept = Zeroizing::new(Vec::with_capacity(known.len()));
        }
        kept.extend_from_slice(known);
        self.newest = Some(KnownHead { bytes: kept, bearer, digits, route, api_key });
        Ok(Head { bytes: length, body_bytes, route, api_key })
    }
}

impl KnownHead {
    /// The head that these bytes begin with, where it is this one but for the digits of its length.
    fn begins(&self, bytes: &[u8]) -> Option<Head> {
        let bytes = bytes.get(..self.bytes.len())?;
        let (a, b) = if self.bearer.start < self.digits.start {
            (&self.bearer, &self.digits)
        } else {
            (&self.digits, &self.bearer)
        };
        let is_same = |range: Range<usize>| bytes.get(range.clone()) == self.bytes.get(range);
        if !(is_same(0..a.start) && is_same(a.end..b.start) && is_same(b.end..bytes.len())) {
            return None;
        }
        let bearer = |head| <[u8]>::get(head, self.bearer.clone()).unwrap_or_default();
        if !secret::ct_eq(bearer(bytes), bearer(&self.bytes)) {
            return None;
        }
        let body_bytes = length_of(bytes.get(self.digits.clone())?)?;
        let Self { route, api_key, .. } = *self;
        Some(Head { bytes: bytes.len(), body_bytes, route, api_key })
    }
}

/// The route that the first line names.
fn route_of(bytes: &[u8]) -> Result<HotRoute, Found<'static>> {
    let mut may_become = false;
    for route in HotRoute::ALL {
        if bytes.starts_with(route.first_line()) {
            return Ok(route);
        }
        may_become |= route.first_line().starts_with(bytes);
    }
    Err(if may_become { Found::Part } else { Found::Other })
}

/// The Bearer and the digits of the body's length, where these headers say nothing else of either.
fn wanted<'b>(headers: &[Header<'b>], route: HotRoute) -> Option<(&'b str, &'b [u8])> {
    let (mut bearer, mut digits, mut has_type) = (None, None, false);
    for Header { name, value } in headers {
        match HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            None => {}
            Some((_, Known::Authorization)) if bearer.is_none() => {
                bearer = Some(self::bearer(std::str::from_utf8(value).ok()?)?);
            }
            Some((_, Known::ContentLength)) if digits.is_none() => digits = Some(*value),
            Some((_, Known::ContentType)) if !has_type => {
                has_type = value.is_ascii()
                    && is_media_type(std::str::from_utf8(value).ok()?, route.media_type());
                if !has_type {
                    return None;
                }
            }
            Some((_, Known::Connection)) if value.eq_ignore_ascii_case(b"keep-alive") => {}
            Some(_) => return None,
        }
    }
    Some((bearer?, digits?)).filter(|_| has_type)
}

/// A header that means something for these routes.
#[derive(Clone, Copy)]
enum Known {
    Authorization,
    ContentLength,
    ContentType,
    Connection,
    /// Changes what the body is, or what becomes of the connection.
    NotHere,
}

/// Every header that means something to hyper or to the routes. Others are not looked at there
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

fn api_key_of(bearer: &str) -> Option<SecretHash> {
    match secret::parse(bearer) {
        Ok((SecretKind::ApiKeyTest | SecretKind::ApiKeyLive, hash)) => Some(hash),
        _ => None,
    }
}

/// The Bearer in an `Authorization` header's value (RFC 6750 section 2.1).
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, bearer) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(bearer)
}

/// Whether a `Content-Type` says this media type. A `charset` may say UTF-8 and nothing else.
pub fn is_media_type(content_type: &str, wanted: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(wanted))
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) => {
                name.eq_ignore_ascii_case("charset")
                    && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            None => parameter.is_empty(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn key(first: u8) -> String {
        Secret::mint(SecretKind::ApiKeyLive, [first; 32]).expose().to_owned()
    }

    fn request(key: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "POST /v1/verify HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    #[test]
    fn what_is_remembered_makes_no_difference() {
        let same = request(&key(1), "0123456789");
        let moved = same
            .replace("Content-Length: 10\r\n", "")
            .replace("Authorization", "Content-Length: 10\r\nAuthorization");
        let texts = [
            same.clone(),
            request(&key(1), "01234567890123"),
            request(&key(1), "0123"),
            request(&key(2), "0123456789"),
            moved.clone(),
            moved.replace(": 10\r\n", ": 09\r\n"),
            same.replace(": 10\r\n", ": 1x\r\n"),
            same.replace(": 10\r\n", ": +9\r\n"),
            same.replace("Bearer aa_live", "Bearer aa_test"),
            same.replace("application/json", "application/jsom"),
            same.replace("/v1/verify", "/v1/verifx"),
            same.replace("\r\n\r\n", "\r\nX: y\r\n\r\n"),
        ];
        for before in &texts {
            for after in &texts {
                let mut remembers = PlainRequests::default();
                remembers.recognise(before.as_bytes());
                for end in [after.len(), after.len() - 1, after.len() / 2] {
                    let bytes = &after.as_bytes()[..end];
                    let expected = PlainRequests::default().recognise(bytes);
                    assert_eq!(remembers.recognise(bytes), expected, "{before}\n{after}");
                }
            }
        }
    }

    #[test]
    fn a_known_head_is_not_parsed_again() {
        let mut requests = PlainRequests::default();
        let (first, second) = (request(&key(1), "0123456789"), request(&key(1), "01234567890"));
        requests.recognise(first.as_bytes());
        let known = requests.newest.as_ref().unwrap();
        assert_eq!(known.begins(second.as_bytes()).map(|head| head.body_bytes), Some(11));
        assert!(known.begins(request(&key(2), "0123456789").as_bytes()).is_none());
        assert!(known.begins(request(&key(1), "0").as_bytes()).is_none(), "another place");
    }

    #[test]
    fn json_is_json_in_utf_8() {
        for text in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json;",
        ] {
            assert!(is_media_type(text, "application/json"), "{text}");
        }
        for text in [
            "",
            "text/json",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/json; profile=x",
            "application/problem+json",
        ] {
            assert!(!is_media_type(text, "application/json"), "{text}");
        }
    }
}
