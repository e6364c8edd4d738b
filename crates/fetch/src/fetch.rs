//! One request, to an address that was checked.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::address::{BadUrl, PublicUrl, is_reachable};
use crate::resolve::{Resolve, SystemResolver};

/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 3;
/// The head of an answer, in bytes and in lines.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADER_LINES: usize = 64;

/// What a fetch may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// The largest document, in bytes.
    pub bytes: usize,
    /// From the first question to the last byte.
    pub time: Duration,
    /// Fetches at once.
    pub at_once: usize,
}

impl Default for FetchLimits {
    /// 5 KiB (draft-ietf-oauth-client-id-metadata-document recommends 5 KB), 5 s, 16 at once.
    fn default() -> Self {
        Self { bytes: 5 * 1024, time: Duration::from_secs(5), at_once: 16 }
    }
}

/// How far a fetcher may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// To the public internet, over https.
    #[default]
    Public,
    /// To this machine too, over plain http as well: for tests and development, never for a service
    /// that strangers can ask.
    PublicAndLoopback,
}

/// Why there is no document. Nothing of an answer is repeated.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is none that is fetched.
    #[error("the address is not fetched: {0}")]
    Url(#[from] BadUrl),
    /// The name resolves to an address that is not public, or to none.
    #[error("the host does not resolve to public addresses alone")]
    SpecialUse,
    /// Nobody there, or no TLS under a certificate that this machine trusts.
    #[error("the host cannot be reached over TLS")]
    Unreachable,
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// Another status than 200; redirects are not followed.
    #[error("the answer is {0} instead of 200 (redirects are not followed)")]
    Status(u16),
    /// Not JSON, or compressed.
    #[error("the answer is not plain JSON (`Content-Type: application/json`)")]
    MediaType,
    /// Larger than the limit.
    #[error("the document is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer is not HTTP, or broke off.
    #[error("the answer broke off")]
    Broken,
    /// Too many fetches run already.
    #[error("too many documents are being fetched")]
    Busy,
}

impl FetchError {
    /// Whether asking again later may help, as far as this side can tell.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable | Self::TimedOut | Self::Broken | Self::Busy => true,
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Url(_) | Self::SpecialUse | Self::MediaType | Self::TooLarge(_) => false,
        }
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it holds.
    pub bytes: Bytes,
    /// How long its server says that it may be kept (RFC 9111 `max-age`; zero for `no-store` and
    /// `no-cache`), if it says anything.
    pub max_age: Option<Duration>,
}

/// Fetches documents. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    shared: Arc<Shared>,
}

struct Shared {
    limits: FetchLimits,
    reach: Reach,
    resolver: Box<dyn Resolve>,
    /// The machine's certificates are read when they are needed first.
    tls: OnceLock<Arc<ClientConfig>>,
    running: Semaphore,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { limits, reach, .. } = &*self.shared;
        f.debug_struct("Fetcher").field("limits", limits).field("reach", reach).finish()
    }
}

impl Fetcher {
    /// A fetcher that trusts what the machine trusts and resolves as it does.
    pub fn new(limits: FetchLimits, reach: Reach) -> Self {
        Self::with(limits, reach, SystemResolver, None)
    }

    /// A fetcher with a resolver, and certificates to trust instead of the machine's.
    pub fn with(
        limits: FetchLimits,
        reach: Reach,
        resolver: impl Resolve + 'static,
        roots: Option<RootCertStore>,
    ) -> Self {
        let tls = OnceLock::new();
        if let Some(config) = roots.and_then(|roots| trusting(roots).ok()) {
            // it is new: nobody set it before
            let _is_first = tls.set(Arc::new(config));
        }
        let running = Semaphore::new(limits.at_once);
        let resolver = Box::new(resolver);
        Self { shared: Arc::new(Shared { limits, reach, resolver, tls, running }) }
    }

    /// Whether this machine itself may be asked.
    pub fn reaches_loopback(&self) -> bool {
        self.shared.reach == Reach::PublicAndLoopback
    }

    /// Reads an address as [`Fetcher::fetch`] would, without asking anybody.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn check(&self, url: &str) -> Result<PublicUrl, BadUrl> {
        PublicUrl::read(url, self.reaches_loopback())
    }

    /// Fetches a JSON document.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, url: &str) -> Result<Document, FetchError> {
        let url = self.check(url)?;
        let _running = self.shared.running.try_acquire().map_err(|_| FetchError::Busy)?;
        timeout(self.shared.limits.time, self.document(url.url()))
            .await
            .map_err(|_| FetchError::TimedOut)?
    }

    async fn document(&self, url: &Url) -> Result<Document, FetchError> {
        let stream = self.connect(url).await?;
        let response = ask(url, stream).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        if !is_plain_json(response.headers()) {
            return Err(FetchError::MediaType);
        }
        let max_age = max_age(response.headers());
        let limit = self.shared.limits.bytes;
        match Limited::new(response.into_body(), limit).collect().await {
            Ok(body) => Ok(Document { bytes: body.to_bytes(), max_age }),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge(limit)),
            Err(_) => Err(FetchError::Broken),
        }
    }

    /// The addresses of the host, all of which must be such as may be asked: a name that has a public
    /// and a private one has no business here.
    async fn addresses(&self, url: &Url) -> Result<Vec<IpAddr>, FetchError> {
        let found = match url.host() {
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => {
                let found = self.shared.resolver.resolve(name).await;
                found.map_err(|_| FetchError::Unreachable)?
            }
            None => vec![],
        };
        let may_be_loopback = self.reaches_loopback();
        let are_good = found.iter().all(|address| is_reachable(*address, may_be_loopback));
        if found.is_empty() || !are_good {
            return Err(FetchError::SpecialUse);
        }
        Ok(found)
    }

    async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, FetchError> {
        let port = url.port_or_known_default().unwrap_or(443);
        let mut tcp = None;
        for address in self.addresses(url).await?.into_iter().take(MAX_ADDRESSES) {
            // an address, not a name: nothing is resolved again
            if let Ok(stream) = TcpStream::connect(SocketAddr::new(address, port)).await {
                tcp = Some(stream);
                break;
            }
        }
        let tcp = tcp.ok_or(FetchError::Unreachable)?;
        if url.scheme() == "http" {
            // only where loopback may be asked: see `PublicUrl::read`
            return Ok(Box::new(tcp));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| FetchError::Unreachable)?;
        let tls = TlsConnector::from(self.tls()?).connect(name, tcp).await;
        Ok(Box::new(tls.map_err(|_| FetchError::Unreachable)?))
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, FetchError> {
        if let Some(tls) = self.shared.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = Arc::new(trusting(roots).map_err(|_| FetchError::Unreachable)?);
        Ok(Arc::clone(self.shared.tls.get_or_init(|| config)))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Sends the request. Nothing in it says more than what is asked for.
async fn ask(url: &Url, stream: Box<dyn Stream>) -> Result<Response<Incoming>, FetchError> {
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let request = Request::get(target)
        .header(HOST, host)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("AgentAdmit/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Broken)?;
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD).max_headers(MAX_HEADER_LINES);
    let handshake = http.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| FetchError::Broken)?;
    // it ends with the sender, or when the other side has said all
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|_| FetchError::Broken)
}

/// One `Content-Type` of JSON, not compressed: a small answer can be a large document otherwise.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return false;
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (types.next(), types.next());
    let essence = first.filter(|_| second.is_none()).and_then(|value| value.to_str().ok());
    let essence = essence.and_then(|value| value.split(';').next()).unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    // `+json` (RFC 6839), such as `application/jwk-set+json`
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut found = None;
    for directive in lines.flat_map(|line| line.split(',')).map(str::trim) {
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache")
        {
            return Some(Duration::ZERO);
        }
        let seconds =
            directive.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("max-age"));
        if let Some(seconds) =
            seconds.and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok())
        {
            found = Some(Duration::from_secs(seconds));
        }
    }
    found
}
