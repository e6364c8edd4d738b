//! One request, and everything about its way that a diagnosis needs: why no connection came about,
//! until when the certificate is good, what time it was here and there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_protocol::time::Timestamp;
use agentadmit_store::{Clock as _, SystemClock};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::exit::Failure;
use crate::http_client::{authority, shown, target};

/// Until a connection stands, and again until TLS does.
const CONNECT: Duration = Duration::from_secs(5);
/// Until an answer is there as a whole.
const ANSWER: Duration = Duration::from_secs(15);
/// The largest answer that is read.
const MAX_BODY: usize = 16 << 20;

/// A request in the making. It follows no redirect.
pub(super) struct Ask {
    method: Method,
    url: Url,
    authorization: Option<String>,
    body: Option<(&'static str, String)>,
}

impl Ask {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, authorization: None, body: None }
    }

    pub(super) fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub(super) fn post(url: Url, body: &Value) -> Self {
        let body = Some(("application/json", body.to_string()));
        Self { body, ..Self::new(Method::POST, url) }
    }

    pub(super) fn bearer(self, secret: &str) -> Self {
        self.authorization(format!("Bearer {secret}"))
    }

    /// The whole value of `Authorization`.
    pub(super) fn authorization(mut self, value: String) -> Self {
        self.authorization = Some(value);
        self
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When the request left, on this machine's clock.
    pub(super) sent_at: Timestamp,
    /// When the head of the answer was there.
    pub(super) came_at: Timestamp,
    /// Until when the other side's certificate is good; none on plain http.
    pub(super) certificate_ends: Option<Timestamp>,
}

impl Reply {
    /// A header's text; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, if it is JSON and says so.
    pub(super) fn json(&self) -> Option<Value> {
        let kind = self.header("content-type");
        let is_json = kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
        is_json.then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    /// The error code of an error body; empty where it is none.
    pub(super) fn error(&self) -> String {
        let code = self.json().and_then(|body| Some(body.get("error")?.as_str()?.to_owned()));
        code.unwrap_or_default()
    }

    pub(super) fn is(&self, status: u16) -> bool {
        self.status.as_u16() == status
    }

    /// The answer in few words.
    pub(super) fn words(&self) -> String {
        let code = self.error();
        match (self.header("location"), code.as_str()) {
            ("", "") => self.status.as_u16().to_string(),
            ("", code) => format!("{} {code}", self.status.as_u16()),
            (location, _) => format!("{} to {location}", self.status.as_u16()),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoReply {
    /// Nobody listens there, or the network is gone.
    Unreachable(String),
    /// The certificate's time is over, or has not come.
    CertificateDate(String),
    /// TLS fails for another reason.
    Tls(String),
    /// The connection broke, or what came is no HTTP.
    NoAnswer(String),
}

impl NoReply {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Unreachable(text)
            | Self::CertificateDate(text)
            | Self::Tls(text)
            | Self::NoAnswer(text) => text,
        }
    }
}

/// Sends requests. Trusts what an app's client trusts: the system's certificates and `ca_file`.
#[derive(Clone)]
pub(super) struct Wire {
    tls: Arc<ClientConfig>,
    clock: Arc<SystemClock>,
}

impl Wire {
    /// # Errors
    /// A file of certificates that cannot be used.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        // a machine without certificates of its own is told so by the first https request
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            add_file(&mut roots, path)
                .map_err(|why| Failure::usage(format!("{}: {why}", path.display())))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::could_not(error.to_string()))?;
        let tls = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { tls, clock: Arc::new(SystemClock::new()) })
    }

    /// What it trusts.
    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// This machine's time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.read().wall
    }

    /// Sends one request on a connection of its own.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn send(&self, ask: Ask) -> Result<Reply, NoReply> {
        let (stream, certificate_ends) = self.connect(&ask.url).await?;
        let place = shown(&ask.url);
        let broken = |why: String| NoReply::NoAnswer(format!("{place} gave no answer: {why}"));
        let request = request(ask).map_err(|error| broken(error.to_string()))?;
        let asked = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let sent_at = self.now();
            let answer = sender.send_request(request).await?;
            Ok::<_, hyper::Error>((sent_at, self.now(), answer))
        };
        let late = |_| broken(format!("nothing came for {} s", ANSWER.as_secs()));
        let (sent_at, came_at, answer) = timeout(ANSWER, asked)
            .await
            .map_err(late)?
            .map_err(|error| broken(error.to_string()))?;
        let (head, body) = answer.into_parts();
        let body = timeout(ANSWER, Limited::new(body, MAX_BODY).collect()).await.map_err(late)?;
        let body = body.map_err(|error| broken(error.to_string()))?.to_bytes();
        let (status, headers) = (head.status, head.headers);
        Ok(Reply { status, headers, body, sent_at, came_at, certificate_ends })
    }

    async fn connect(&self, url: &Url) -> Result<(Box<dyn Stream>, Option<Timestamp>), NoReply> {
        let place = shown(url);
        let unreachable = |why: String| NoReply::Unreachable(format!("{place}: {why}"));
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let stream = timeout(CONNECT, TcpStream::connect((host.as_str(), port)))
            .await
            .map_err(|_| unreachable(format!("nothing came for {} s", CONNECT.as_secs())))?
            .map_err(|error| unreachable(error.to_string()))?;
        if url.scheme() != "https" {
            return Ok((Box::new(stream), None));
        }
        let name = ServerName::try_from(host).map_err(|error| unreachable(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = timeout(CONNECT, connector.connect(name, stream))
            .await
            .map_err(|_| NoReply::Tls("the TLS handshake took too long".to_owned()))?
            .map_err(|error| tls_fault(&error))?;
        let certificates = stream.get_ref().1.peer_certificates();
        let ends = certificates.and_then(|chain| chain.first()).and_then(ends_at);
        Ok((Box::new(stream), ends))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let mut found = false;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        found = true;
    }
    if found { Ok(()) } else { Err("there is no certificate in it".to_owned()) }
}

fn request(ask: Ask) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(ask.method)
        .uri(target(&ask.url))
        .header(HOST, authority(&ask.url))
        .header("accept", "application/json")
        .header(USER_AGENT, concat!("agentadmit-doctor/", env!("CARGO_PKG_VERSION")));
    if let Some(value) = ask.authorization {
        request = request.header(AUTHORIZATION, value);
    }
    let body = match ask.body {
        None => Bytes::new(),
        Some((kind, body)) => {
            request = request.header(CONTENT_TYPE, kind);
            Bytes::from(body)
        }
    };
    request.body(Full::new(body))
}

/// Until when a certificate is good.
fn ends_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(Timestamp::from_millis(seconds.saturating_mul(1_000)))
}

fn tls_fault(error: &std::io::Error) -> NoReply {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(wrong)) = cause else {
        return NoReply::Tls(format!("TLS fails: {error}"));
    };
    match wrong {
        CertificateError::Expired => {
            NoReply::CertificateDate("the certificate has expired".to_owned())
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            let end = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
            let end = Timestamp::from_millis(end.saturating_mul(1_000));
            NoReply::CertificateDate(format!("the certificate has expired at {end}"))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            NoReply::CertificateDate("the certificate is not valid yet".to_owned())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            NoReply::Tls("the certificate is for another name".to_owned())
        }
        CertificateError::UnknownIssuer => {
            NoReply::Tls("nobody whom this machine trusts has signed the certificate".to_owned())
        }
        other => NoReply::Tls(format!("the certificate is refused: {other}")),
    }
}
