//! Changes of a plain verify that could be read in two ways, or that mean something.

/// What is replaced, and by what.
pub(super) fn all(line: &str, length: usize) -> impl Iterator<Item = (&str, String)> {
    let lines = lengths(length).into_iter().chain(beside(line));
    let elsewhere = ELSEWHERE.iter().map(|(old, new)| (*old, (*new).to_owned()));
    elsewhere.chain(lines.map(move |new| (line, new)))
}

const ELSEWHERE: &[(&str, &str)] = &[
    ("Host: x\r\n", ""),
    ("Host: x\r\n", "Host: x\r\nHost: y\r\n"),
    ("Host: x\r\n", "Host: x\r\n folded\r\n"),
    ("Host: x\r\n", "Host : x\r\n"),
    ("Host: x\r\n", "Host: \u{e9}\r\n"),
    ("Host: x\r\n", "Host:x\r\nX:\r\n"),
    ("Host: x\r\n", "Host: x\nY: z\r\n"),
    ("Host: x\r\n", ": x\r\n"),
    (" HTTP/1.1", " HTTP/1.0"),
    (" HTTP/1.1", " HTTP/2.0"),
    (" HTTP/1.1", " HTTP/1.1 "),
    (" HTTP/1.1", ""),
    ("POST ", "post "),
    ("POST ", "GET "),
    ("POST ", "HEAD "),
    ("POST ", "\r\nPOST "),
    ("POST ", " POST "),
    ("/v1/verify", "/v1/verify?"),
    ("/v1/verify", "/v1/verify?app_id=x"),
    ("/v1/verify", "/v1/verify#x"),
    ("/v1/verify", "/v1/verify/"),
    ("/v1/verify", "//v1/verify"),
    ("/v1/verify", "/V1/verify"),
    ("/v1/verify", "/v1/%76erify"),
    ("/v1/verify", "/api/v1/verify"),
    ("/v1/verify", "http://x/v1/verify"),
    ("/v1/verify", "*"),
    ("Authorization: Bearer ", "Authorization: bearer "),
    ("Authorization: Bearer ", "AUTHORIZATION: Bearer "),
    ("Authorization: Bearer ", "Authorization: Bearer  "),
    ("Authorization: Bearer ", "Authorization: Basic "),
    ("Authorization: Bearer ", "Authorization: Bearer x\r\nAuthorization: Bearer "),
    ("Authorization: Bearer ", "X-Authorization: Bearer "),
    ("Authorization: Bearer aa_live_", "Authorization: Bearer aa_test_"),
    ("Authorization: Bearer aa_live_", "Authorization: Bearer aa_op_"),
    ("Authorization: Bearer aa_live_", "Authorization: Bearer a.b."),
    ("application/json", "application/json; charset=utf-8"),
    ("application/json", "Application/JSON;charset=\"UTF-8\""),
    ("application/json", "application/json; charset=latin1"),
    ("application/json", "application/json;\u{a0}"),
    ("application/json", "text/plain"),
    ("application/json", ""),
    ("Content-Type: application/json\r\n", ""),
    (
        "Content-Type: application/json\r\n",
        "Content-Type: application/json\r\nContent-Type: application/json\r\n",
    ),
];

/// Instead of the line that says how long the body is.
fn lengths(length: usize) -> Vec<String> {
    let line = format!("Content-Length: {length}\r\n");
    vec![
        String::new(),
        format!("{line}{line}"),
        format!("{line}Content-Length: 0\r\n"),
        format!("Content-Length: 0\r\n{line}"),
        format!("Content-Length: {length}, {length}\r\n"),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: -{length}\r\n"),
        format!("Content-Length:  {length} \r\n"),
        format!("Content-Length:{length}\r\n"),
        format!("Content-Length : {length}\r\n"),
        format!("Content-Length: 0{length}\r\n"),
        format!("Content-Length: 000000000{length}\r\n"),
        format!("Content-Length: {length}.0\r\n"),
        "Content-Length: 0x60\r\n".to_owned(),
        "Content-Length:\r\n".to_owned(),
        "Content-Length: 0\r\n".to_owned(),
        "Content-Length: 65537\r\n".to_owned(),
        "Content-Length: 18446744073709551616\r\n".to_owned(),
        format!("Content-Length:\r\n {length}\r\n"),
    ]
}

/// Beside it.
fn beside(line: &str) -> Vec<String> {
    vec![
        format!("{line}Transfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\n{line}"),
        format!("{line}Transfer-Encoding : chunked\r\n"),
        format!("{line}Transfer-Encoding: identity\r\n"),
        format!("{line}Transfer-Encoding: \r\n"),
        format!("{line}Content-Encoding: gzip\r\n"),
        format!("{line}Content-Encoding: identity\r\n"),
        format!("{line}Expect: 100-continue\r\n"),
        format!("{line}Expect: other\r\n"),
        format!("{line}Upgrade: websocket\r\nConnection: upgrade\r\n"),
        format!("{line}Upgrade: h2c\r\n"),
        format!("{line}TE: trailers\r\n"),
        format!("{line}Trailer: x\r\n"),
        format!("{line}Connection: keep-alive\r\n"),
        format!("{line}Connection: Keep-Alive\r\n"),
        format!("{line}Connection: close\r\n"),
        format!("{line}Connection: keep-alive, close\r\n"),
        format!("{line}Connection: keep-alive\r\nConnection: close\r\n"),
        format!("{line}Connection: x\r\n"),
        format!("{line}Cookie: a=b\r\nX-Forwarded-For: 10.0.0.1\r\n"),
        format!("{line}X-Request-Id: chosen\r\n"),
        format!("{line}{}", "X-A: b\r\n".repeat(27)),
        format!("{line}{}", "X-A: b\r\n".repeat(29)),
        format!("{line}{}", "X-A: b\r\n".repeat(61)),
        format!("{line}X-A: {}\r\n", "b".repeat(9_000)),
        format!("{line}X-A: {}\r\n", "b".repeat(40_000)),
    ]
}

/// First lines, most of them of a plain verify.
pub(super) const FIRST_LINES: &[&str] = &[
    "POST /v1/verify HTTP/1.1",
    "POST /v1/verify HTTP/1.1",
    "POST /v1/verify HTTP/1.1",
    "POST /v1/verify HTTP/1.1",
    "POST /api/v1/verify HTTP/1.1",
    "POST /v1/verify HTTP/1.0",
    "POST /v1/verify?x HTTP/1.1",
    "GET /v1/verify HTTP/1.1",
    "POST /v1/nothing HTTP/1.1",
];

/// Lines that mean something, or nothing.
pub(super) const LINES: &[&str] = &[
    "X-A: b",
    "User-Agent: x",
    "Accept: */*",
    "Accept-Encoding: gzip",
    "Connection: keep-alive",
    "Connection: close",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Content-Length: 0",
    "Content-Length: 125",
    "Content-Encoding: identity",
    "Content-Type: application/json",
    "Content-Type: text/plain",
    "Authorization: Bearer x",
    "Expect: 100-continue",
    "Host: y",
    " folded",
    "no colon",
    "X-A : b",
    "X-A: \u{e9}",
];
