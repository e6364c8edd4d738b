//! One request to an app: on a connection of its own, with limits, without redirects and proxies.
//!
//! An app may answer with anything, at any pace. What is more than the limits allow is not read.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agentadmit_fetch::is_public;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::origin::Origin;

/// Until a connection stands, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 4;
/// The head of an answer, in bytes and in lines.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADER_LINES: usize = 100;

/// What an answer may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a body.
    pub bytes: usize,
    /// From the request to the last byte.
    pub time: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The address is on another origin.
    #[error("the address is on another origin than {0}")]
    OtherOrigin(String),
    /// Nobody there, or the network is gone.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// A name that stands for this machine leads elsewhere.
    #[error("{0} is not on this machine, and http would be read on the way: use https")]
    NotThisMachine(String),
    /// The request was sent, and no answer began.
    #[error("{0} gave no answer: {1}")]
    Broken(String, String),
    /// It took too long until an answer began.
    #[error("{0} gave no answer within {1} s")]
    TimedOut(String, u64),
    /// A compressed answer: a small one can be a large one.
    #[error("{0} answers with a content coding that nobody asked for")]
    Compressed(String),
    /// An address that a public server named leads to this machine or its network.
    #[error("{0} is not on the public internet, and a server that is there named it")]
    Inside(String),
    /// No address that may be asked.
    #[error("an address that is neither https nor on this machine is not asked")]
    NotAsked,
    /// Which certificates are trusted cannot be found out.
    #[error("{0}")]
    Certificates(String),
}

impl NoAnswer {
    /// Whether an exchange with an `Idempotency-Key` is sent once more at once (PROTOCOL, Retry rules).
    pub(crate) const fn is_worth_another(&self) -> bool {
        matches!(self, Self::Unreachable(..) | Self::Broken(..))
    }
}

/// What is asked. It may hold a token: it is not shown, not even for debugging.
#[derive(Clone)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Where; on the origin that is asked.
    pub url: Url,
    /// Headers beside `Host`, `User-Agent` and `Accept-Encoding`.
    pub headers: HeaderMap,
    /// The body; empty is none.
    pub body: Bytes,
}

impl Ask {
    /// A question without a body.
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Wants JSON back.
    pub(crate) fn accept_json(&mut self) {
        self.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    }
}

/// What came, which may hold a token too.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: Bytes,
    /// Whether that is all of it.
    pub end: End,
    /// Whether it came from an address of the public internet.
    pub is_public: bool,
}

/// An answer whose body was not read yet.
pub(crate) struct Opened {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    is_public: bool,
}

impl Opened {
    /// Reads the body, up to the limits from now on.
    pub(crate) async fn read(self, limits: Limits) -> Answer {
        self.read_until(limits.bytes, Instant::now() + limits.time).await
    }

    /// The next part of a stream; nothing at its end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            match self.body.frame().await? {
                Ok(frame) => {
                    // trailers say nothing here
                    let Ok(data) = frame.into_data() else { continue };
                    return Some(Ok(data));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    async fn read_until(self, bytes: usize, deadline: Instant) -> Answer {
        let Self { status, headers, body, is_public } = self;
        let (body, end) = read(body, bytes, deadline).await;
        Answer { status, headers, body, end, is_public }
    }
}

/// Where the reading of a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At its end.
    Whole,
    /// At the limit of bytes.
    TooLarge,
    /// At the limit of time.
    TimedOut,
    /// Where the connection broke.
    Broken,
}

/// Whoever asks. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    /// The machine's certificates are read when they are needed first.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
    /// Whether it asks the public internet alone.
    is_public: bool,
}

impl Client {
    /// A client that trusts what the machine trusts, or the certificates of a PEM file.
    ///
    /// # Errors
    /// [`NoAnswer::Certificates`]: the file cannot be used.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, NoAnswer> {
        let tls = OnceLock::new();
        if let Some(path) = ca_file {
            let config = Arc::new(of_file(path)?);
            tls.get_or_init(|| config);
        }
        Ok(Self { tls: Arc::new(tls), is_public: false })
    }

    /// The same, which asks nobody but the public internet: for addresses that somebody there named.
    pub(crate) fn to_public(&self) -> Self {
        Self { tls: Arc::clone(&self.tls), is_public: true }
    }

    /// Whether it is of that kind.
    pub(crate) const fn is_public(&self) -> bool {
        self.is_public
    }

    /// Asks the origin of the address itself: for addresses that nobody typed.
    ///
    /// # Errors
    /// As [`Self::send`]; [`NoAnswer::NotAsked`]: no https, and not this machine.
    pub(crate) async fn send_to(&self, ask: Ask, limits: Limits) -> Result<Answer, NoAnswer> {
        let origin = Origin::of(ask.url.as_str()).map_err(|_| NoAnswer::NotAsked)?;
        self.send(&origin, ask, limits).await
    }

    /// Asks an origin.
    ///
    /// # Errors
    /// [`NoAnswer`]: there is no head of an answer. A body that ends early is no error: see [`End`].
    pub async fn send(
        &self,
        origin: &Origin,
        ask: Ask,
        limits: Limits,
    ) -> Result<Answer, NoAnswer> {
        let deadline = Instant::now() + limits.time;
        let opened = self.open(origin, ask, limits.time).await?;
        Ok(opened.read_until(limits.bytes, deadline).await)
    }

    /// Asks an origin, and waits until the answer begins.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(crate) async fn open(
        &self,
        origin: &Origin,
        ask: Ask,
        time: Duration,
    ) -> Result<Opened, NoAnswer> {
        if !origin.holds(&ask.url) {
            return Err(NoAnswer::OtherOrigin(origin.to_string()));
        }
        let deadline = Instant::now() + time;
        let stream = timeout(CONNECT.min(time), self.connect(origin)).await;
        let (stream, is_public) = stream.map_err(|_| {
            NoAnswer::Unreachable(origin.to_string(), "it took too long".to_owned())
        })??;
        let answer = timeout_at(deadline, exchange(origin, ask, stream)).await;
        let answer =
            answer.map_err(|_| NoAnswer::TimedOut(origin.to_string(), time.as_secs()))??;
        let (head, body) = answer.into_parts();
        let mut codings = head.headers.get_all(CONTENT_ENCODING).iter();
        if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(NoAnswer::Compressed(origin.to_string()));
        }
        Ok(Opened { status: head.status, headers: head.headers, body, is_public })
    }

    /// A connection, and whether it is one to the public internet.
    async fn connect(&self, origin: &Origin) -> Result<(Box<dyn Stream>, bool), NoAnswer> {
        let unreachable = |cause: String| NoAnswer::Unreachable(origin.to_string(), cause);
        let found = tokio::net::lookup_host((origin.host(), origin.port())).await;
        let found: Vec<SocketAddr> =
            found.map_err(|error| unreachable(error.to_string()))?.collect();
        if origin.is_plain() && !found.iter().all(|address| address.ip().is_loopback()) {
            return Err(NoAnswer::NotThisMachine(origin.to_string()));
        }
        if self.is_public && !found.iter().all(|address| is_public(address.ip())) {
            return Err(NoAnswer::Inside(origin.to_string()));
        }
        let mut tcp = Err(unreachable("its name has no address".to_owned()));
        for address in found.into_iter().take(MAX_ADDRESSES) {
            tcp = TcpStream::connect(address).await.map_err(|error| unreachable(error.to_string()));
            if tcp.is_ok() {
                break;
            }
        }
        let tcp = tcp?;
        let peer = tcp.peer_addr().map_err(|error| unreachable(error.to_string()))?;
        let is_public = is_public(peer.ip());
        let _slower = tcp.set_nodelay(true);
        if origin.is_plain() {
            return Ok((Box::new(tcp), is_public));
        }
        let name = ServerName::try_from(origin.host().to_owned())
            .map_err(|error| unreachable(error.to_string()))?;
        let connecting = TlsConnector::from(self.tls()?).connect(name, tcp).await;
        let tls = connecting.map_err(|error| unreachable(error.to_string()))?;
        Ok((Box::new(tls), is_public))
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, NoAnswer> {
        if let Some(tls) = self.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = trusting(roots, "this machine")?;
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn of_file(path: &Path) -> Result<ClientConfig, NoAnswer> {
    let shown = path.display().to_string();
    let wrong = |cause: String| NoAnswer::Certificates(format!("{shown}: {cause}"));
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in found {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    trusting(roots, &shown)
}

fn trusting(roots: RootCertStore, place: &str) -> Result<ClientConfig, NoAnswer> {
    if roots.is_empty() {
        return Err(NoAnswer::Certificates(format!(
            "{place} has no certificates to trust: name a file of them (--ca-file FILE)"
        )));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| NoAnswer::Certificates(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Sends the request, and waits until an answer begins.
async fn exchange(
    origin: &Origin,
    ask: Ask,
    stream: Box<dyn Stream>,
) -> Result<http::Response<Incoming>, NoAnswer> {
    let broken = |cause: String| NoAnswer::Broken(origin.to_string(), cause);
    let target = match ask.url.query() {
        Some(query) => format!("{}?{query}", ask.url.path()),
        None => ask.url.path().to_owned(),
    };
    let mut request = Request::builder()
        .method(ask.method)
        .uri(target)
        .body(Full::new(ask.body))
        .map_err(|error| broken(error.to_string()))?;
    let host =
        HeaderValue::try_from(origin.authority()).map_err(|error| broken(error.to_string()))?;
    *request.headers_mut() = ask.headers;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let product = concat!("agentadmit-agent/", env!("CARGO_PKG_VERSION"));
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(product));
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD).max_headers(MAX_HEADER_LINES);
    let handshake = http.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(error.to_string()))?;
    // it ends with the sender, or when the other side has said all
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| broken(error.to_string()))
}

/// Reads a body up to its limits.
async fn read(mut body: Incoming, limit: usize, deadline: Instant) -> (Bytes, End) {
    let mut read = BytesMut::new();
    let end = loop {
        match timeout_at(deadline, body.frame()).await {
            Err(_) => break End::TimedOut,
            Ok(None) => break End::Whole,
            Ok(Some(Err(_))) => break End::Broken,
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                let room = limit.saturating_sub(read.len());
                read.extend_from_slice(data.get(..room).unwrap_or(&data));
                if data.len() > room {
                    break End::TooLarge;
                }
            }
        }
    };
    (read.freeze(), end)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::runtime::Builder;

    use super::*;

    /// Asks a server that says this and then holds the connection open.
    fn ask(said: &'static [u8], limits: Limits) -> Result<Answer, NoAnswer> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let origin = format!("http://{}", listener.local_addr().unwrap());
            let origin = Origin::of(&origin).unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(said).await.unwrap();
                let mut rest = Vec::new();
                // until whoever asked has had enough
                let _gone = stream.read_to_end(&mut rest).await;
            });
            let client = Client::new(None).unwrap();
            let ask = Ask::get(origin.at("/x").unwrap());
            let answer = client.send(&origin, ask, limits).await;
            server.await.unwrap();
            answer
        })
    }

    #[test]
    fn nothing_is_waited_for_longer_than_the_limit() {
        let limits = Limits { bytes: 100, time: Duration::from_millis(200) };
        let slow = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", limits).unwrap();
        assert_eq!((slow.end, slow.body.as_ref()), (End::TimedOut, b"half".as_slice()));
        for silent in [b"".as_slice(), b"HTTP/1.1 200 OK\r\n"] {
            assert!(matches!(ask(silent, limits), Err(NoAnswer::TimedOut(..))));
        }
    }

    #[test]
    fn nothing_is_read_beyond_the_limit() {
        let limits = Limits { bytes: 3, time: Duration::from_secs(30) };
        let answer = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour", limits).unwrap();
        assert_eq!((answer.end, answer.body.as_ref()), (End::TooLarge, b"fou".as_slice()));
        let limits = Limits { bytes: 4, ..limits };
        let answer = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour", limits).unwrap();
        assert_eq!((answer.end, answer.body.as_ref()), (End::Whole, b"four".as_slice()));
    }

    #[test]
    fn an_address_elsewhere_is_not_asked() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let origin = Origin::of("http://127.0.0.1:1").unwrap();
        let ask = Ask::get(Url::parse("http://127.0.0.1:2/").unwrap());
        let limits = Limits { bytes: 1, time: Duration::from_secs(1) };
        let refused = runtime.block_on(Client::new(None).unwrap().send(&origin, ask, limits));
        assert!(matches!(refused, Err(NoAnswer::OtherOrigin(_))));
    }
}
