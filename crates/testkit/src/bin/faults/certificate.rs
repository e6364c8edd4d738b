//! The certificate is renewed while clients call.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use agentadmit_testkit::world::{SCOPES, no_rate_limits, text};
use anyhow::{Context as _, Result, ensure};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::Bench;
use crate::process::{PATIENCE, Program};
use crate::report::Outcome;

/// Calls on one connection before the client opens another.
const CALLS_EACH: usize = 20;
const CLIENTS: usize = 6;

/// A certificate of this machine, signed by itself.
struct Identity {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Identity {
    fn new() -> Result<Self> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names)?;
        let der = made.cert.der().clone();
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem(), der })
    }

    fn install(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join("tls.pem"), &self.certificate)?;
        Ok(fs::write(folder.join("tls.key"), &self.key)?)
    }
}

/// One connection over TLS.
struct Connection(BufReader<StreamOwned<ClientConnection, TcpStream>>);

/// A status and a body.
type Answer = (u16, Value);

impl Connection {
    fn open(address: SocketAddr, trusted: &Arc<ClientConfig>) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost")?;
        let tls = ClientConnection::new(Arc::clone(trusted), name)?;
        Ok(Self(BufReader::new(StreamOwned::new(tls, stream))))
    }

    fn post(&mut self, path: &str, bearer: &str, body: &Value) -> Result<Answer> {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("a status line")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, serde_json::from_slice(&body)?))
    }

    /// The certificate that it was shown.
    fn shown(&self) -> Option<CertificateDer<'static>> {
        self.0.get_ref().conn.peer_certificates()?.first().cloned().map(CertificateDer::into_owned)
    }
}

/// SIGHUP with another certificate, and then with a broken one, while clients call on old
/// connections and new ones.
pub(crate) fn renewed(bench: &Bench) -> Result<Outcome> {
    let rounds = bench.rounds(2, 10);
    let mut outcome = Outcome::of(format!("SIGHUP, {rounds} rounds"));
    let folder = tempfile::tempdir()?;
    let identities = [Identity::new()?, Identity::new()?];
    let [first, second] = &identities;
    let mut roots = RootCertStore::empty();
    for identity in &identities {
        roots.add(identity.der.clone())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut trusted = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // a session that is resumed shows the certificate that it began with
    trusted.resumption = Resumption::disabled();
    let trusted = Arc::new(trusted);
    first.install(folder.path())?;
    let mut program = Program::new(bench, &folder.path().join("store.db"));
    for (name, file) in [("--tls-cert", "tls.pem"), ("--tls-key", "tls.key")] {
        program.arguments.extend([name.to_owned(), folder.path().join(file).display().to_string()]);
    }
    let service = program.start()?;
    let operator = service.operator();
    let caller = Caller::make(service.address, &trusted, &operator.token)?;
    let load = Load::default();
    let done = thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| load.run(&caller, service.address, &trusted));
        }
        let done = (0..rounds).try_for_each(|round| -> Result<()> {
            let (next, before) = if round % 2 == 0 { (second, first) } else { (first, second) };
            next.install(folder.path())?;
            load.wait_for(50);
            service.signal("-HUP")?;
            wait_until_shown(service.address, &trusted, &caller, next, before)?;
            load.wait_for(50);
            fs::write(folder.path().join("tls.pem"), "no certificate")?;
            service.signal("-HUP")?;
            let said = service.log.wait_for("the former certificate stays");
            outcome.said(&said.context("a broken file is not named")?, &["former certificate"]);
            let mut connection = Connection::open(service.address, &trusted)?;
            caller.verify(&mut connection)?;
            ensure!(connection.shown().as_ref() == Some(&next.der), "the broken file was taken");
            Ok(())
        });
        load.is_over.store(true, Ordering::SeqCst);
        done
    });
    done?;
    outcome.calls = load.answered.load(Ordering::SeqCst);
    let failed = load.failed.load(Ordering::SeqCst);
    outcome.expect(failed == 0, || format!("{failed} calls failed"));
    service.terminate()?;
    Ok(outcome)
}

/// New connections are shown the new certificate once the signal has arrived.
fn wait_until_shown(
    address: SocketAddr,
    trusted: &Arc<ClientConfig>,
    caller: &Caller,
    next: &Identity,
    before: &Identity,
) -> Result<()> {
    for _ in 0..10_000 {
        let mut connection = Connection::open(address, trusted)?;
        caller.verify(&mut connection)?;
        let shown = connection.shown();
        if shown.as_ref() == Some(&next.der) {
            return Ok(());
        }
        ensure!(shown.as_ref() == Some(&before.der), "a certificate of nobody");
    }
    anyhow::bail!("the new certificate is never shown")
}

/// An app's key and an agent's token.
struct Caller {
    key: String,
    access_token: String,
}

impl Caller {
    fn make(address: SocketAddr, trusted: &Arc<ClientConfig>, operator: &str) -> Result<Self> {
        let mut connection = Connection::open(address, trusted)?;
        let scope = json!({"name": SCOPES[0], "description": "may read"});
        let body = json!({"name": "Shop", "scopes": [scope], "settings": no_rate_limits()});
        let mut made = |path: &str, bearer: &str, body: &Value| -> Result<Value> {
            let (status, answer) = connection.post(path, bearer, body)?;
            ensure!(status < 300, "{path} was answered {status}: {answer}");
            Ok(answer)
        };
        let app_id = text(&made("/v1/operator/apps", operator, &body)?, "app_id");
        let keys = format!("/v1/operator/apps/{app_id}/api-keys");
        let key = text(&made(&keys, operator, &json!({"environment": "test"}))?, "api_key");
        let wanted = json!({"user_id": "ann", "scopes": [SCOPES[0]]});
        let issued = made(&format!("/v1/apps/{app_id}/token"), &key, &wanted)?;
        let token = json!({"token": text(&issued, "token")});
        let exchanged = made("/v1/token/exchange", &key, &token)?;
        Ok(Self { access_token: text(&exchanged, "access_token"), key })
    }

    fn verify(&self, connection: &mut Connection) -> Result<()> {
        let body = json!({"token": self.access_token, "scope_used": SCOPES[0]});
        let (status, answer) = connection.post("/v1/verify", &self.key, &body)?;
        ensure!(status == 200, "{status}: {answer}");
        Ok(())
    }
}

#[derive(Default)]
struct Load {
    answered: AtomicU64,
    failed: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    fn run(&self, caller: &Caller, address: SocketAddr, trusted: &Arc<ClientConfig>) {
        while !self.is_over.load(Ordering::SeqCst) {
            let calls = Connection::open(address, trusted).and_then(|mut connection| {
                (0..CALLS_EACH).try_for_each(|_| {
                    caller.verify(&mut connection)?;
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
            });
            if calls.is_err() {
                self.failed.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Returns after so many more answers, or failures: these are counted at the end.
    fn wait_for(&self, calls: u64) {
        let so_far = || self.answered.load(Ordering::SeqCst) + self.failed.load(Ordering::SeqCst);
        let wanted = so_far() + calls;
        while so_far() < wanted {
            thread::yield_now();
        }
    }
}
