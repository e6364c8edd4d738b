//! A blocking HTTP/1.1 client over one kept connection: the referee of the service.
//!
//! It shares no type with the service, so that what both sides get wrong alike is still seen. It
//! never sends a request twice, never follows anything, and notes by [`tick`] when a request was
//! about to be sent and when the first byte of its answer was there.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::power::tick;

/// How long an answer may take. A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request.
#[derive(Clone)]
pub struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Any method, to a path with its query.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: None }
    }

    /// `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// `POST` of a JSON body.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new("POST", path).json(body)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With any body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", content_type)
    }

    /// With a body whose type, if it has one, is among the headers.
    #[must_use]
    pub fn raw_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With a credential as Bearer.
    #[must_use]
    pub fn bearer(self, credential: &str) -> Self {
        self.header("Authorization", format!("Bearer {credential}"))
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn to_bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() {
            head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// An answer.
pub struct Reply {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
    /// The [`tick`] before the first byte of the request was sent.
    pub sent: u64,
    /// The [`tick`] after the first byte of the answer was read.
    pub answered: u64,
}

impl Reply {
    /// A header's value; its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All values of a header, in their order; its name in any case.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A member of a JSON body as text; empty when there is none.
    pub fn text(&self, member: &str) -> String {
        self.json().get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The body as JSON of an answer with this status.
    ///
    /// # Panics
    /// When the status is another one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// Checks that this is the refusal that the contract names.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.text("error").as_str()), (status, code), "{self:?}");
        self.json()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// One kept connection to an address; it is opened with the first request, and anew after the
/// other side closed it or failed.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// A request whose answer was not read yet.
#[derive(Debug, Clone, Copy)]
#[must_use = "an answer that nobody reads is read as the answer of the next request"]
pub struct Sent(u64);

impl Client {
    /// A client of this address, not connected yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// The socket's; `UnexpectedEof` where the answer ends early. Whether the service did what was
    /// asked is then unknown.
    pub fn send(&mut self, request: &Request) -> io::Result<Reply> {
        let sent = self.begin(request)?;
        self.finish(sent)
    }

    /// Sends a request and reads its answer.
    ///
    /// # Panics
    /// When there is no whole answer.
    #[track_caller]
    pub fn ask(&mut self, request: &Request) -> Reply {
        match self.send(request) {
            Ok(reply) => reply,
            Err(error) => panic!("no answer to {request:?}: {error}"),
        }
    }

    /// Sends a request; [`Client::finish`] reads its answer.
    ///
    /// # Errors
    /// The socket's.
    pub fn begin(&mut self, request: &Request) -> io::Result<Sent> {
        let bytes = request.to_bytes(self.address);
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        let sent = Sent(tick());
        stream.get_mut().write_all(&bytes)?;
        self.stream = Some(stream);
        Ok(sent)
    }

    /// Whether a byte of an answer is there, without waiting for one.
    ///
    /// # Errors
    /// The socket's.
    pub fn hears(&self) -> io::Result<bool> {
        let Some(stream) = &self.stream else { return Ok(false) };
        let stream = stream.get_ref();
        stream.set_nonblocking(true)?;
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        match peeked {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads the answer of the request that was sent last.
    ///
    /// # Errors
    /// The socket's; `UnexpectedEof` where the answer ends early.
    pub fn finish(&mut self, sent: Sent) -> io::Result<Reply> {
        let mut stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        let reply = read_reply(&mut stream, sent)?;
        let closes = reply.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
        self.stream = (!closes).then_some(stream);
        Ok(reply)
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

fn read_reply(stream: &mut BufReader<TcpStream>, Sent(sent): Sent) -> io::Result<Reply> {
    if stream.fill_buf()?.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let answered = tick();
    let status_line = line(stream)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| malformed(&status_line))?;
    let mut reply = Reply { status, headers: Vec::new(), body: Vec::new(), sent, answered };
    loop {
        let header = line(stream)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(|| malformed(&header))?;
        reply.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    reply.body = read_body(stream, &reply)?;
    Ok(reply)
}

fn read_body(stream: &mut BufReader<TcpStream>, reply: &Reply) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if reply
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let size_line = line(stream)?;
            let size = usize::from_str_radix(&size_line, 16).map_err(|_| malformed(&size_line))?;
            exactly(stream, size, &mut body)?;
            line(stream)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let length = reply.header("content-length").map_or(Ok(0), str::parse);
    exactly(stream, length.map_err(|_| malformed("Content-Length"))?, &mut body)?;
    Ok(body)
}

/// One line without its end.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn exactly(stream: &mut impl Read, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let read = stream.take(length as u64).read_to_end(into)?;
    if read == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("this is not HTTP/1.1: {what}"))
}
