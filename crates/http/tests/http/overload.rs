//! More calls than there is room for: what the excess is told, and who is read less often.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_engine::keyring::SecretKey;
use agentadmit_engine::{Engine, EngineOptions, EngineSteps, Keyring, WriterOptions};
use agentadmit_http::serve::{ServeLimits, Site, Stopping, connection};
use agentadmit_http::{HttpOptions, ServiceState, router};
use agentadmit_testkit::store::{SystemClock, model::ModelStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::support::{ISSUER, unknown};

/// A service in which one call may wait, and that admits nothing by itself.
struct Full {
    site: Site,
    stopping: Stopping,
    engine: Engine,
    _steps: EngineSteps,
}

impl Full {
    fn new(site: fn(ServiceState) -> Site) -> Self {
        let clock = Arc::new(SystemClock::new());
        let store = ModelStore::new([1; 32], WriterOptions::default(), Arc::clone(&clock) as _);
        let keyring = Keyring::open(&store, &SecretKey::new([2; 32])).unwrap();
        let limits = AdmissionLimits { unknown: 1, ..AdmissionLimits::default() };
        let issuer = ISSUER.to_owned();
        let options = EngineOptions { issuer, limits, retention: None, is_service: true };
        let (engine, steps) = Engine::in_steps(Arc::new(store), clock, keyring, options).unwrap();
        let site = site(ServiceState::new(engine.clone(), HttpOptions::default()));
        Self { site, stopping: Stopping::default(), engine, _steps: steps }
    }

    fn connect(&self) -> Connection {
        let (client, server) = tokio::io::duplex(16 * 1024);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let stop = self.stopping.listen();
        tokio::spawn(connection(server, self.site.clone(), peer, ServeLimits::default(), stop));
        Connection { stream: client }
    }
}

struct Connection {
    stream: DuplexStream,
}

impl Connection {
    async fn send(&mut self, path: &str) {
        let body = r#"{"token":"x"}"#;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            unknown(agentadmit_protocol::secret::SecretKind::ApiKeyTest),
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, path: &str) -> String {
        self.send(path).await;
        let mut answer = vec![0; 16 * 1024];
        let read = self.stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }
}

#[tokio::test]
async fn a_connection_that_ignores_retry_after_is_read_less_often() {
    is_read_less_often(|state| router(state).into()).await;
}

#[tokio::test]
async fn so_is_one_that_is_answered_before_the_router() {
    is_read_less_often(|state| Site::with_fast_lane(router(state.clone()), state)).await;
}

#[expect(clippy::disallowed_methods, reason = "a wait of the service cannot be too short")]
async fn is_read_less_often(site: fn(ServiceState) -> Site) {
    let full = Full::new(site);
    let mut first = full.connect();
    first.send("/v1/verify").await;
    while full.engine.stats().queued.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let mut deaf = full.connect();
    let began = Instant::now();
    for _ in 0..6 {
        let answer = deaf.ask("/v1/verify").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    }
    let least = Duration::from_millis(10 + 20 + 40 + 80 + 160);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
}
