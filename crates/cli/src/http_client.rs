//! A small HTTP/1.1 client: one connection per request, no redirects, no proxies; https under given
//! certificates, or those of the machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

/// Until the connection stands.
const CONNECT: Duration = Duration::from_secs(5);
/// Until an answer begins.
const ANSWER: Duration = Duration::from_mins(1);
/// The largest answer that is read as a whole.
const MAX_BODY: usize = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens there, or the network is gone.
    #[error("{url} cannot be reached: {cause}")]
    Unreachable { url: String, cause: String },
    /// The connection broke or the answer is not HTTP.
    #[error("{url} gave no answer: {cause}")]
    NoAnswer { url: String, cause: String },
    /// https on a machine without certificates to trust.
    #[error(
        "this machine has no certificates to trust: name a file of them (--ca-file FILE, or AGENTADMIT_CA_FILE)"
    )]
    NoCertificates,
    /// The file of certificates cannot be used.
    #[error("{0}")]
    Certificates(String),
}

/// The client. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct HttpClient {
    tls: Option<Arc<ClientConfig>>,
}

impl HttpClient {
    /// A client for http and https, under the certificates in a PEM file or those of the machine.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, ClientError> {
        let tls = ca_file.map(trusting).transpose()?.map(Arc::new);
        Ok(Self { tls })
    }

    /// A client for http, and for https under what this configuration trusts.
    pub(crate) const fn trusting(tls: Arc<ClientConfig>) -> Self {
        Self { tls: Some(tls) }
    }

    /// Sends a request to `url` with a JSON body, if there is one, and a Bearer credential.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Url,
        bearer: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, ClientError> {
        let no_answer = |cause: String| ClientError::NoAnswer { url: shown(url), cause };
        let mut request = Request::builder().method(method).uri(target(url));
        if let Some(bearer) = bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {bearer}"))
                .map_err(|_| no_answer("the credential is no header value".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(http::header::AUTHORIZATION, value);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| no_answer(error.to_string()))?;
        self.request(url, request).await
    }

    /// Sends a prepared request, whose `Host` is set here.
    pub(crate) async fn request(
        &self,
        url: &Url,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let no_answer = |cause: String| ClientError::NoAnswer { url: shown(url), cause };
        let host = HeaderValue::try_from(authority(url))
            .map_err(|_| no_answer("the host is no header value".to_owned()))?;
        request.headers_mut().insert(HOST, host);
        let stream = self.connect(url).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| no_answer(error.to_string()))?;
        tokio::spawn(connection);
        timeout(ANSWER, sender.send_request(request))
            .await
            .map_err(|_| no_answer(format!("nothing came for {} s", ANSWER.as_secs())))?
            .map_err(|error| no_answer(error.to_string()))
    }

    async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, ClientError> {
        let unreachable = |cause: String| ClientError::Unreachable { url: shown(url), cause };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let connecting = TcpStream::connect((host.as_str(), port));
        let stream = timeout(CONNECT, connecting)
            .await
            .map_err(|_| unreachable(format!("nothing came for {} s", CONNECT.as_secs())))?
            .map_err(|error| unreachable(error.to_string()))?;
        let _slower = stream.set_nodelay(true);
        if url.scheme() != "https" {
            return Ok(Box::new(stream));
        }
        let tls = match &self.tls {
            Some(tls) => Arc::clone(tls),
            None => Arc::new(trusting_the_system()?),
        };
        let name = ServerName::try_from(host).map_err(|error| unreachable(error.to_string()))?;
        let stream = timeout(CONNECT, TlsConnector::from(tls).connect(name, stream))
            .await
            .map_err(|_| unreachable("the TLS handshake took too long".to_owned()))?
            .map_err(|error| {
                unreachable(format!("{error} (--ca-file FILE names certificates to trust)"))
            })?;
        Ok(Box::new(stream))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Reads a JSON answer as a whole; a body that is no JSON is `null`.
pub(crate) async fn json(answer: Response<Incoming>) -> Result<(StatusCode, Value), String> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_BODY);
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}

fn trusting(path: &Path) -> Result<ClientConfig, ClientError> {
    let wrong = |cause: String| ClientError::Certificates(format!("{}: {cause}", path.display()));
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    config(roots).map_err(wrong)
}

/// The certificates that the machine trusts; those of them that cannot be read are left out.
fn trusting_the_system() -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(ClientError::NoCertificates);
    }
    config(roots).map_err(ClientError::Certificates)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What the request line names: path and query.
pub(crate) fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// An address as errors show it: without its query, which may name people.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}://{}", url.scheme(), authority(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_host_and_path() {
        let url = Url::parse("http://127.0.0.1:8700/v1/audit?user_id=a%20b").unwrap();
        assert_eq!(target(&url), "/v1/audit?user_id=a%20b");
        assert_eq!(authority(&url), "127.0.0.1:8700");
        assert_eq!(shown(&url), "http://127.0.0.1:8700");
        assert_eq!(authority(&Url::parse("https://[::1]/").unwrap()), "[::1]");
    }
}
