//! The fetcher against real sockets that answer what a stranger's server might.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentadmit_fetch::{
    Addresses, FetchError, FetchLimits, Fetcher, Reach, Resolve, SystemResolver,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

const JSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// A server that answers the first request with these bytes; what it was asked comes back.
async fn server(answer: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/client.json", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        // the client hangs up as soon as it has seen enough
        let _rest = socket.read(&mut [0; 64]).await;
        String::from_utf8(head).unwrap()
    });
    (url, asked)
}

fn near() -> Fetcher {
    Fetcher::new(FetchLimits::default(), Reach::PublicAndLoopback)
}

async fn fetched(answer: String) -> Result<agentadmit_fetch::Document, FetchError> {
    let (url, _asked) = server(answer).await;
    near().fetch(&url).await
}

/// Names that a test says, and how often somebody asked.
struct Names {
    answers: Vec<Vec<IpAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    fn new(answers: &[&[&str]]) -> (Self, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let parsed = |names: &&[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let names =
            Self { answers: answers.iter().map(parsed).collect(), asked: Arc::clone(&asked) };
        (names, asked)
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> Addresses<'a> {
        let place = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let answer = self.answers.get(place).cloned();
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

#[tokio::test]
async fn a_document_is_fetched_and_nothing_is_sent_with_the_question() {
    let body = "{\"client_id\":1}";
    let answer =
        format!("{JSON}Cache-Control: public, max-age=60\r\nContent-Length: 15\r\n\r\n{body}");
    let (url, asked) = server(answer).await;
    let document = near().fetch(&url).await.unwrap();
    assert_eq!(document.bytes, body);
    assert_eq!(document.max_age, Some(Duration::from_mins(1)));
    let asked = asked.await.unwrap().to_ascii_lowercase();
    assert!(asked.starts_with("get /client.json http/1.1\r\n"), "{asked}");
    for header in ["cookie", "authorization", "referer", "x-forwarded"] {
        assert!(!asked.contains(header), "{asked}");
    }
}

#[tokio::test]
async fn only_200_with_plain_json_is_a_document() {
    let elsewhere =
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    for (answer, status) in [
        (elsewhere.to_owned(), 302),
        (elsewhere.replace("302 Found", "307 Temporary Redirect"), 307),
        (elsewhere.replace("302 Found", "204 No Content"), 204),
        (elsewhere.replace("302 Found", "404 Not Found"), 404),
        (elsewhere.replace("302 Found", "500 No"), 500),
    ] {
        let error = fetched(answer).await.unwrap_err();
        assert!(matches!(error, FetchError::Status(it) if it == status), "{error:?}");
        assert_eq!(error.may_pass(), status == 500);
    }
    for headers in [
        "Content-Type: text/html",
        "Content-Type: application/jsonp",
        "X: y",
        "Content-Type: application/json\r\nContent-Type: application/json",
        "Content-Type: application/json\r\nContent-Encoding: gzip",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\nContent-Length: 2\r\n\r\n{{}}");
        let error = fetched(answer).await.unwrap_err();
        assert!(matches!(error, FetchError::MediaType), "{headers}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let six = "x".repeat(6 * 1024);
    let announced = format!("{JSON}Content-Length: {}\r\n\r\n{six}", six.len());
    let chunked = format!("{JSON}Transfer-Encoding: chunked\r\n\r\n1800\r\n{six}\r\n0\r\n\r\n");
    let endless = format!("{JSON}Connection: close\r\n\r\n{six}{six}{six}");
    for answer in [announced, chunked, endless] {
        let error = fetched(answer).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge(5120)), "{error:?}");
        assert!(!error.may_pass());
    }
    let most = "x".repeat(5 * 1024);
    let answer = format!("{JSON}Content-Length: {}\r\n\r\n{most}", most.len());
    assert_eq!(fetched(answer).await.unwrap().bytes.len(), 5_120);
    let head = format!("{JSON}X: {}\r\n\r\n", "y".repeat(64 * 1024));
    assert!(matches!(fetched(head).await.unwrap_err(), FetchError::Broken));
    let lines = format!("{JSON}{}\r\n", "X: y\r\n".repeat(100));
    assert!(matches!(fetched(lines).await.unwrap_err(), FetchError::Broken));
}

#[tokio::test]
async fn a_slow_body_does_not_hold_anybody_up() {
    let limits = FetchLimits { time: Duration::from_millis(200), ..FetchLimits::default() };
    let fetcher = Fetcher::new(limits, Reach::PublicAndLoopback);
    // it announces more than it ever sends
    let (url, _asked) = server(format!("{JSON}Content-Length: 100\r\n\r\n{{")).await;
    assert!(matches!(fetcher.fetch(&url).await.unwrap_err(), FetchError::TimedOut));
    // it takes the connection and says nothing
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/c", silent.local_addr().unwrap());
    let error = fetcher.fetch(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::TimedOut) && error.may_pass(), "{error:?}");
}

#[tokio::test]
async fn only_so_many_at_once() {
    let limits = FetchLimits { at_once: 1, ..FetchLimits::default() };
    let fetcher = Fetcher::new(limits, Reach::PublicAndLoopback);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/c", silent.local_addr().unwrap());
    let first = tokio::spawn({
        let (fetcher, url) = (fetcher.clone(), url.clone());
        async move { fetcher.fetch(&url).await }
    });
    // it runs once it has come to the socket
    let (socket, _) = silent.accept().await.unwrap();
    assert!(matches!(fetcher.fetch(&url).await.unwrap_err(), FetchError::Busy));
    drop(socket);
    assert!(matches!(first.await.unwrap().unwrap_err(), FetchError::Broken));
    // and there is room again
    let error = fetcher.fetch("https://10.0.0.1/").await.unwrap_err();
    assert!(matches!(error, FetchError::Url(_)), "{error:?}");
}

/// What no name may resolve to, in any mixture, and no spelling of it in the address itself.
#[tokio::test]
async fn special_addresses_are_never_asked() {
    for answers in [
        &["169.254.169.254"][..],
        &["127.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["::ffff:a9fe:a9fe"],
        &["64:ff9b::a9fe:a9fe"],
        &["10.1.2.3"],
        &["192.168.0.1"],
        &["fd00:ec2::254"],
        &["fe80::1"],
        &["0.0.0.0"],
        &["1.1.1.1", "127.0.0.1"],
        &["2606:4700::1111", "::1"],
        &[],
    ] {
        let (names, _) = Names::new(&[answers]);
        let fetcher = Fetcher::with(FetchLimits::default(), Reach::Public, names, None);
        let error = fetcher.fetch("https://client.example/c.json").await.unwrap_err();
        assert!(matches!(error, FetchError::SpecialUse), "{answers:?}: {error:?}");
    }
    let (names, asked) = Names::new(&[&["1.1.1.1"]]);
    let fetcher = Fetcher::with(FetchLimits::default(), Reach::Public, names, None);
    for url in [
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:127.0.0.1]/c",
        "https://[::ffff:7f00:1]/c",
        "https://0x7f.1/c",
        "https://2130706433/c",
        "https://127.0.0.1:8700/c",
        "https://localhost/c",
        "http://client.example/c",
        "http://127.0.0.1/c",
    ] {
        let error = fetcher.fetch(url).await.unwrap_err();
        assert!(matches!(error, FetchError::Url(_)), "{url}: {error:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody was even asked for a name");
}

/// A certificate for `client.example` and a server that shows it.
fn tls() -> (RootCertStore, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["client.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (roots, TlsAcceptor::from(Arc::new(config)))
}

/// The name is resolved once: where it points a moment later is nothing to the connection, which
/// goes to the address that was checked, under the name of the address.
#[tokio::test]
async fn a_name_that_changes_changes_nothing() {
    let (roots, acceptor) = tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://client.example:{}/c.json", listener.local_addr().unwrap().port());
    let served = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = acceptor.accept(socket).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(format!("{JSON}Content-Length: 2\r\n\r\n{{}}").as_bytes()).await.unwrap();
        let _rest = socket.read(&mut [0; 64]).await;
        String::from_utf8(head).unwrap()
    });
    // what is good here is the loopback address; the second answer would be forbidden
    let (names, asked) = Names::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let reach = Reach::PublicAndLoopback;
    let fetcher = Fetcher::with(FetchLimits::default(), reach, names, Some(roots));
    assert_eq!(fetcher.fetch(&url).await.unwrap().bytes, "{}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let head = served.await.unwrap().to_ascii_lowercase();
    assert!(head.contains("\r\nhost: client.example:"), "{head}");
    let error = fetcher.fetch(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::SpecialUse), "{error:?}");
}

/// A certificate that nobody here trusts, or that is another's, opens nothing.
#[tokio::test]
async fn the_certificate_must_be_the_hosts() {
    let (roots, acceptor) = tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let _failed = acceptor.accept(socket).await;
        }
    });
    let fetch = async |name: &str, roots: Option<RootCertStore>| {
        let (names, _) = Names::new(&[&["127.0.0.1"]]);
        let reach = Reach::PublicAndLoopback;
        let fetcher = Fetcher::with(FetchLimits::default(), reach, names, roots);
        fetcher.fetch(&format!("https://{name}:{port}/c.json")).await.unwrap_err()
    };
    let other_name = fetch("other.example", Some(roots)).await;
    assert!(matches!(other_name, FetchError::Unreachable), "{other_name:?}");
    let nobody = fetch("client.example", Some(RootCertStore::empty())).await;
    assert!(matches!(nobody, FetchError::Unreachable), "{nobody:?}");
    server.abort();
}

#[tokio::test]
async fn the_system_resolves_this_machine() {
    let found = SystemResolver.resolve("localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
}
