//! Plain requests: what is recognised before any router is what a second, slow reading of RFC 9112
//! finds there too, wherever the bytes are cut and whatever came before on the connection.

use agentadmit_protocol::plain_request::{Found, MOST_BYTES, PlainRequest, PlainRequests};
use agentadmit_protocol::secret::{self, Secret, SecretKind};

/// Stand in an input for two good API keys: no chance finds a checksum.
const KEYS: [&[u8]; 2] = [b"{1}", b"{2}"];
/// Ends what came before.
const BREAK: u8 = 0;
/// Requests up to this length are cut everywhere.
const SHORT: usize = 600;

/// The input as what came on a connection: one request, a zero, and the one that is looked at.
pub fn plain_request(data: &[u8]) {
    let data = with_keys(data);
    let mut parts = data.splitn(2, |byte| *byte == BREAK);
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let mut remembers = PlainRequests::default();
    remembers.recognise(first);
    let bytes = second.unwrap_or(first);
    let found = fresh(bytes);
    assert_eq!(remembers.recognise(bytes), found, "what came before makes a difference");
    if let Found::Request(request) = found {
        recognised(&request, bytes);
    }
}

/// The input with the keys in their places.
fn with_keys(data: &[u8]) -> Vec<u8> {
    let mut rest = data;
    let mut whole = Vec::with_capacity(data.len());
    while let Some((first, behind)) = rest.split_first() {
        if let Some((number, place)) = (1..).zip(KEYS).find(|(_, place)| rest.starts_with(place)) {
            let key = Secret::mint(SecretKind::ApiKeyLive, [number; 32]);
            whole.extend_from_slice(key.expose().as_bytes());
            rest = rest.get(place.len()..).unwrap_or_default();
        } else {
            whole.push(*first);
            rest = behind;
        }
    }
    whole
}

fn fresh(bytes: &[u8]) -> Found<'_> {
    PlainRequests::default().recognise(bytes)
}

fn recognised(request: &PlainRequest<'_>, bytes: &[u8]) {
    let (head, body) = read(bytes).unwrap_or_else(|| unreachable!("no such request"));
    assert_eq!(head.first_line, format!("POST {} HTTP/1.1", request.route.path()));
    assert_eq!((request.length, request.body), (head.length + body.len(), body));
    assert!(request.length <= MOST_BYTES);
    assert_eq!(secret::parse(&head.bearer).map(|(_, hash)| hash), Ok(request.api_key));
    let whole = bytes.get(..request.length).unwrap_or_default();
    assert_eq!(fresh(whole), Found::Request(request.clone()), "what follows matters");
    for cut in 0..request.length.min(SHORT) {
        let part = fresh(bytes.get(..cut).unwrap_or_default());
        assert!(matches!(part, Found::Part | Found::HeadOnly(_)), "cut at {cut}: {part:?}");
    }
}

/// A head as a slow reader has it.
struct Head {
    first_line: String,
    /// Bytes up to the body.
    length: usize,
    bearer: String,
}

/// A request whose headers say one length, one Bearer and nothing that changes either.
fn read(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next()?;
    let first_line = text(first.trim_ascii_end())?.to_owned();
    let (mut length, mut lengths, mut bearers) = (first.len(), Vec::new(), Vec::new());
    for line in lines {
        length += line.len();
        if matches!(line, b"\r\n" | b"\n") {
            let ([body_bytes], [bearer]) = (lengths.as_slice(), bearers.as_slice()) else {
                return None;
            };
            let bearer = String::clone(bearer);
            return Some((
                Head { first_line, length, bearer },
                bytes.get(length..length + body_bytes)?,
            ));
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..)?.trim_ascii();
        match text(name)?.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(text(value)?.parse::<usize>().ok()?),
            "authorization" => {
                let (scheme, bearer) = text(value)?.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then_some(())?;
                bearers.push(bearer.to_owned());
            }
            "transfer-encoding" | "content-encoding" | "expect" | "upgrade" | "te" | "trailer" => {
                return None;
            }
            _ => {}
        }
    }
    None
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}
