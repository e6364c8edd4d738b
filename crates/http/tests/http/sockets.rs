//! The serve loop on real sockets: limits, chunked bodies, TLS, the graceful end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentadmit_http::serve::{Ended, ServeLimits, Site, listen, serve};
use agentadmit_http::tls::TlsCertificate;
use agentadmit_http::{HttpOptions, ServiceState, router};
use bytes::BufMut as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::Service;

pub(crate) struct Running {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) ended: JoinHandle<Ended>,
}

fn run(service: &Service, tls: Option<Arc<TlsCertificate>>, limits: ServeLimits) -> Running {
    run_on(listen("127.0.0.1:0".parse().unwrap()).unwrap(), service, tls, limits)
}

fn run_on(
    listener: TcpListener,
    service: &Service,
    tls: Option<Arc<TlsCertificate>>,
    limits: ServeLimits,
) -> Running {
    run_site(listener, service.router.clone().into(), tls, limits)
}

pub(crate) fn run_site(
    listener: TcpListener,
    site: Site,
    tls: Option<Arc<TlsCertificate>>,
    limits: ServeLimits,
) -> Running {
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(async move {
        let shutdown = async {
            let _either = stopped.await;
        };
        serve(listener, site, tls.as_deref(), limits, shutdown).await
    });
    Running { address, stop, ended }
}

/// Sends text and reads until the other end closes.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    text: &str,
) -> String {
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
    let running = run(&service, None, ServeLimits::default());
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
    let limits = ServeLimits::default();
    let running = run(&service, None, limits);
    let stream = TcpStream::connect(running.address).await.unwrap();
    let many = "X-A: b\r\n".repeat(70);
    let answer = exchange(stream, &format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let stream = TcpStream::connect(running.address).await.unwrap();
    let long = "b".repeat(limits.head_bytes);
    let answer = exchange(stream, &format!("GET /healthz HTTP/1.1\r\nX-A: {long}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let limits = ServeLimits { head: Duration::from_millis(100), ..limits };
    let running = run(&service, None, limits);
    let stream = TcpStream::connect(running.address).await.unwrap();
    let answer = exchange(stream, "GET /healthz HTTP/1.1\r\nHost:").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_connection_between_requests_does_not_stay_for_ever() {
    let service = Service::start();
    let limits = ServeLimits { head: Duration::from_secs(1), ..ServeLimits::default() };
    let running = run(&service, None, limits);
    let mut answers = Vec::new();
    // it ends each time; where the machine stands still for long, before the request was read
    while answers.len() < 10 && !answers.iter().any(|it: &String| it.starts_with("HTTP/1.1 200")) {
        let stream = TcpStream::connect(running.address).await.unwrap();
        answers.push(exchange(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await);
    }
    assert!(answers.pop().unwrap().starts_with("HTTP/1.1 200"), "{answers:?}");
}

/// Both ends hold a few KiB: any answer that is longer waits for its reader.
const NARROW: u32 = 4 * 1024;
/// Fails a test whose condition never comes true.
pub(crate) const NEVER: Duration = Duration::from_mins(1);

fn narrow_listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(NARROW).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(16).unwrap()
}

async fn narrow_stream(address: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(NARROW).unwrap();
    socket.connect(address).await.unwrap()
}

/// The one connection that may be is held by somebody who asks and takes nothing: the next one is
/// accepted once that is over.
#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    for _ in 0..100 {
        app.grant("u1").await;
    }
    let tls = TlsCertificate::load(&file("one.cert.pem"), &file("one.key.pem")).unwrap();
    let tls = Arc::new(tls);
    let write = Duration::from_millis(100);
    let limits = ServeLimits { connections: 1, write, ..ServeLimits::default() };
    for (path, tls) in
        [("/openapi.json", None), ("/v1/audit/export", None), ("/v1/audit/export", Some(tls))]
    {
        let running = run_on(narrow_listener(), &service, tls.clone(), limits);
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", app.live);
        let stream = narrow_stream(running.address).await;
        if tls.is_some() {
            let mut stalled = handshake(stream, "one.cert.pem").await.unwrap();
            stalled.write_all(request.as_bytes()).await.unwrap();
            let next = tokio::time::timeout(NEVER, https(running.address, "one.cert.pem")).await;
            let answer = next.expect("the stalled connection stays").unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            drop(stalled);
        } else {
            let mut stalled = stream;
            stalled.write_all(request.as_bytes()).await.unwrap();
            let next = TcpStream::connect(running.address).await.unwrap();
            let next = tokio::time::timeout(NEVER, exchange(next, HEALTH)).await;
            let answer = next.expect("the stalled connection stays");
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
            drop(stalled);
        }
    }
}

/// A slow reader is none that takes nothing.
#[tokio::test]
async fn a_client_that_takes_a_little_at_a_time_gets_everything() {
    let service = Service::start();
    let limits = ServeLimits { write: NEVER, ..ServeLimits::default() };
    let running = run_on(narrow_listener(), &service, None, limits);
    let mut stream = narrow_stream(running.address).await;
    let request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while stream.read_buf(&mut (&mut answer).limit(100)).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    let (_, body) = std::str::from_utf8(&answer).unwrap().split_once("\r\n\r\n").unwrap();
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

/// A burst that comes while the service has no processor is not thrown away: nobody would be let in who
/// had to try again, since nothing is accepted here.
#[tokio::test]
async fn a_burst_of_connections_waits_to_be_accepted() {
    // no machine lets more wait than it says here
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
    let most = most.and_then(|most| most.trim().parse().ok()).unwrap_or(512);
    let burst = 512.min(most);
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::with_capacity(burst);
    for number in 0..burst {
        let connected = tokio::time::timeout(NEVER, TcpStream::connect(address)).await;
        waiting.push(connected.unwrap_or_else(|_| panic!("{number} wait, and no more")).unwrap());
    }
}

#[tokio::test]
async fn the_end_lets_begun_requests_finish() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let running = run(&service, None, ServeLimits::default());
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
    // an idle connection is closed once nothing can be on its way
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
    let running = run(&service, None, limits);
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

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/tls").join(name)
}

async fn https(address: std::net::SocketAddr, trusted: &str) -> Result<String, std::io::Error> {
    let stream = TcpStream::connect(address).await?;
    Ok(exchange(handshake(stream, trusted).await?, HEALTH).await)
}

pub(crate) async fn handshake(
    stream: TcpStream,
    trusted: &str,
) -> Result<TlsStream<TcpStream>, std::io::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(trusted)).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
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
    let running = run(&service, Some(Arc::clone(&tls)), ServeLimits::default());
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

/// Plain verifies are answered before the router over TLS too, and what else comes on the same
/// connection is handed over.
#[tokio::test]
async fn plain_verifies_are_answered_over_tls() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let token = app.grant("u1").await.access_token;
    let tls = TlsCertificate::load(&file("one.cert.pem"), &file("one.key.pem")).unwrap();
    let state = ServiceState::new(service.engine.clone(), HttpOptions::default());
    let site = Site::with_fast_lane(router(state.clone()), state);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = run_site(listener, site, Some(Arc::new(tls)), ServeLimits::default());
    let body = json!({"token": token, "scope_used": "orders:read"}).to_string();
    let verify = format!(
        "POST /v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        app.live,
        body.len()
    );
    let connect = async || {
        let stream = TcpStream::connect(running.address).await.unwrap();
        handshake(stream, "one.cert.pem").await.unwrap()
    };
    let stream = connect().await;
    let answers = exchange(stream, &[verify.as_str(), &verify, HEALTH].concat()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(answers.matches(r#""active":true"#).count(), 2, "{answers}");
    // and one whose every part is a record of its own
    let mut stream = connect().await;
    for part in verify.as_bytes().chunks(50) {
        stream.write_all(part).await.unwrap();
        stream.flush().await.unwrap();
    }
    let answers = exchange(stream, HEALTH).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
}
