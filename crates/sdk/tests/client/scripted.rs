//! A server of raw bytes that does with each request what a test says, and counts what it saw.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use agentadmit::Settings;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::sync::watch;

use crate::support::{settings_at, some_key};

/// What is done with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// These bytes, and the connection stays.
    Say(Vec<u8>),
    /// These bytes, and the connection is closed; no bytes is a connection that just ends.
    SayAndClose(Vec<u8>),
    /// The first bytes, then the others over and over, until nobody reads them.
    SayForEver(Vec<u8>, Vec<u8>),
    /// No answer, and the connection stays.
    Hold,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) connections: usize,
    /// Heads and bodies.
    pub(crate) requests: Vec<String>,
}

pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    seen: watch::Receiver<Seen>,
    script: Arc<Mutex<Vec<Act>>>,
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    seen: watch::Sender<Seen>,
    script: Arc<Mutex<Vec<Act>>>,
    tls: Option<Arc<ServerConfig>>,
}

impl Scripted {
    /// Plain HTTP. The requests get these acts in turn; what comes later gets 500.
    pub(crate) fn new(script: impl IntoIterator<Item = Act>) -> Self {
        Self::start(script, None)
    }

    /// Under TLS with one of the certificates in `tls/`.
    pub(crate) fn with_certificate(name: &str, script: impl IntoIterator<Item = Act>) -> Self {
        let chain = CertificateDer::from_pem_file(tls_file(name)).unwrap();
        let key = PrivateKeyDer::from_pem_file(tls_file("server.key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        Self::start(script, Some(Arc::new(config)))
    }

    fn start(script: impl IntoIterator<Item = Act>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, seeing) = watch::channel(Seen::default());
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        let shared = Shared { seen, script: Arc::clone(&script), tls };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.unwrap(), shared.clone());
                shared.seen.send_modify(|seen| seen.connections += 1);
                // a client that goes away is what some tests want
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, seen: seeing, script }
    }

    /// Settings of an app that asks here.
    pub(crate) fn settings(&self) -> Settings {
        settings_at(self.address, some_key())
    }

    /// What comes next, after all that was said so far.
    pub(crate) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().extend(acts);
    }

    /// How many connections and requests there were.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let seen = self.seen.borrow();
        (seen.connections, seen.requests.len())
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.borrow().requests.clone()
    }

    /// Waits until there were so many requests.
    pub(crate) async fn until_requests(&self, count: usize) {
        self.seen.clone().wait_for(|seen| seen.requests.len() >= count).await.unwrap();
    }
}

pub(crate) fn tls_file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client/tls").join(name)
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream: Box<dyn ReadWrite> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        while let Some(request) = read_request(&mut stream)? {
            let act = {
                let mut script = self.script.lock();
                if script.is_empty() { None } else { Some(script.remove(0)) }
            };
            self.seen.send_modify(|seen| seen.requests.push(request));
            match act.unwrap_or_else(|| Act::Say(answer("500 Not In The Script", "", "{}"))) {
                Act::Say(bytes) => stream.write_all(&bytes)?,
                Act::SayAndClose(bytes) => return stream.write_all(&bytes),
                Act::SayForEver(first, others) => {
                    stream.write_all(&first)?;
                    loop {
                        stream.write_all(&others)?;
                    }
                }
                Act::Hold => {}
            }
            stream.flush()?;
        }
        Ok(())
    }
}

/// One request, whole; `None` at the end of the connection.
fn read_request(stream: &mut dyn ReadWrite) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    loop {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body)?;
    Ok(Some(head + &String::from_utf8(body).unwrap()))
}

/// An answer with its length. `fields` are lines with their ends.
pub(crate) fn answer(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{fields}\r\n{body}").into_bytes()
}

/// The same as JSON.
pub(crate) fn json(status: &str, fields: &str, body: &serde_json::Value) -> Vec<u8> {
    let fields = format!("content-type: application/json\r\n{fields}");
    answer(status, &fields, &body.to_string())
}
