//! The serve loop on real sockets: limits, chunked bodies, TLS, the graceful end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentadmit_http::serve::{Ended, ServeLimits, serve};
use agentadmit_http::tls::TlsCertificate;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::support::Service;

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Ended>,
}

async fn run(service: &Service, tls: Option<Arc<TlsCertificate>>, limits: ServeLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = service.router.clone();
    let ended = tokio::spawn(async move {
        let shutdown = async {
            let _either = stopped.await;
        };
        serve(listener, router, tls.as_deref(), limits, shutdown).await
    });
    Running { address, stop, ended }
}

/// Sends text and reads until the other end closes.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // an end without TLS' goodbye is an end too
    let _end = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_chunked_body_has_the_same_limit() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let running = run(&service, None, ServeLimits::default()).await;
    let head = format!(
        "POST /v1/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        app.live
    );
    let stream = TcpStream::connect(running.address).await.unwrap();
    let small = exchange(stream, &format!("{head}e\r\n{{\"token\": \"x\"}}\r\n0\r\n\r\n")).await;
    assert!(small.starts_with("HTTP/1.1 403"), "{small}");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let stream = TcpStream::connect(running.address).await.unwrap();
    let large = exchange(stream, &format!("{head}{}0\r\n\r\n", chunk.repeat(17))).await;
    assert!(large.starts_with("HTTP/1.1 413"), "{large}");
    assert!(large.contains("body_too_large"), "{large}");
}

#[tokio::test]
async fn a_head_that_is_too_large_or_never_ends_is_cut_off() {
    let service = Service::start();
    let limits = ServeLimits { head: Duration::from_millis(100), ..ServeLimits::default() };
    let running = run(&service, None, limits).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let many = "X-A: b\r\n".repeat(70);
    let answer = exchange(stream, &format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let stream = TcpStream::connect(running.address).await.unwrap();
    let answer = exchange(stream, "GET /healthz HTTP/1.1\r\nHost:").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn the_end_lets_begun_requests_finish() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let running = run(&service, None, ServeLimits::default()).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    let mut begun = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 14\r\nExpect: 100-continue\r\n\r\n",
        app.live
    );
    begun.write_all(head.as_bytes()).await.unwrap();
    // the service asks for the body: the request has begun
    let mut interim = [0; 25];
    begun.read_exact(&mut interim).await.unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"));
    running.stop.send(()).unwrap();
    // an idle connection is closed at once
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(!running.ended.is_finished());
    let answer = exchange(begun, r#"{"token": "x"}"#).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(running.ended.await.unwrap(), Ended::Drained);
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn the_end_has_a_limit() {
    let service = Service::start();
    let limits = ServeLimits { drain: Duration::from_millis(50), ..ServeLimits::default() };
    let app = service.app(&json!({})).await;
    let running = run(&service, None, limits).await;
    let mut begun = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 14\r\nExpect: 100-continue\r\n\r\n",
        app.live
    );
    begun.write_all(head.as_bytes()).await.unwrap();
    begun.read_exact(&mut [0; 25]).await.unwrap();
    running.stop.send(()).unwrap();
    assert_eq!(running.ended.await.unwrap(), Ended::CutOff);
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/tls").join(name)
}

async fn https(address: std::net::SocketAddr, trusted: &str) -> Result<String, std::io::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(trusted)).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(exchange(stream, HEALTH).await)
}

#[tokio::test]
async fn a_certificate_is_swapped_while_it_serves() {
    let folder = std::env::temp_dir().join(format!("agentadmit-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let install = |name: &str| {
        std::fs::copy(file(&format!("{name}.cert.pem")), &certificate).unwrap();
        std::fs::copy(file(&format!("{name}.key.pem")), &key).unwrap();
    };
    install("one");
    let tls = Arc::new(TlsCertificate::load(&certificate, &key).unwrap());
    let service = Service::start();
    let running = run(&service, Some(Arc::clone(&tls)), ServeLimits::default()).await;
    let answer = https(running.address, "one.cert.pem").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(https(running.address, "two.cert.pem").await.is_err());

    std::fs::write(&certificate, "no certificate").unwrap();
    assert!(tls.reload().is_err());
    assert!(https(running.address, "one.cert.pem").await.is_ok(), "the former one stays");
    install("two");
    tls.reload().unwrap();
    assert!(https(running.address, "two.cert.pem").await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(https(running.address, "one.cert.pem").await.is_err());
    std::fs::remove_dir_all(folder).unwrap();
}
