//! The end of the service as clients see it: a request that was sent is answered, no connection is
//! reset.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentadmit_http::serve::{Ended, ServeLimits, Site, listen};
use agentadmit_http::tls::TlsCertificate;
use agentadmit_http::{HttpOptions, ServiceState, router};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::sockets::{NEVER, Running, exchange, file, handshake, run_site};
use crate::support::Service;

/// Clients at a time.
const CLIENTS: usize = 16;
const ROUNDS: usize = 3;
/// Longer than a test may take: whoever does not end is waited for.
const LONG: Duration = NEVER.saturating_mul(10);
/// No test depends on how much it is.
const SHORT: Duration = Duration::from_millis(100);

fn limits(linger: Duration) -> ServeLimits {
    ServeLimits { linger, handshake: NEVER, drain: NEVER, ..ServeLimits::default() }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Where requests are answered, and what is around them.
#[derive(Debug, Clone, Copy)]
struct Kind {
    is_fast: bool,
    is_tls: bool,
}

const KINDS: [Kind; 4] = [
    Kind { is_fast: true, is_tls: false },
    Kind { is_fast: false, is_tls: false },
    Kind { is_fast: true, is_tls: true },
    Kind { is_fast: false, is_tls: true },
];

/// A service with an app, whose calls may be as many as they like.
struct World {
    service: Service,
    verify: String,
}

impl World {
    async fn new() -> Self {
        let service = Service::start();
        let unlimited: Value = json!({"rate_limit":
            {"per_key_per_second": null, "per_connection_per_second": null}});
        let app = service.app(&unlimited).await;
        let (key, token) = (app.live.clone(), app.grant("u1").await.access_token);
        let body = json!({"token": token, "scope_used": "orders:read"}).to_string();
        let verify = format!(
            "POST /v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { service, verify }
    }

    fn run(&self, listener: TcpListener, kind: Kind, limits: ServeLimits) -> Running {
        let state = ServiceState::new(self.service.engine.clone(), HttpOptions::default());
        let router = router(state.clone());
        let site = if kind.is_fast { Site::with_fast_lane(router, state) } else { router.into() };
        let tls = kind.is_tls.then(|| {
            let tls = TlsCertificate::load(&file("one.cert.pem"), &file("one.key.pem"));
            Arc::new(tls.unwrap())
        });
        run_site(listener, site, tls, limits)
    }

    fn start(&self, kind: Kind, limits: ServeLimits) -> Running {
        self.run(any_port(), kind, limits)
    }
}

fn any_port() -> TcpListener {
    listen("127.0.0.1:0".parse().unwrap()).unwrap()
}

async fn connect(address: SocketAddr, kind: Kind) -> Box<dyn Stream> {
    over(TcpStream::connect(address).await.unwrap(), kind).await
}

async fn over(stream: TcpStream, kind: Kind) -> Box<dyn Stream> {
    if kind.is_tls {
        Box::new(handshake(stream, "one.cert.pem").await.unwrap())
    } else {
        Box::new(stream)
    }
}

/// One whole answer.
async fn answer(stream: &mut (impl Stream + ?Sized)) -> String {
    let mut answer = Vec::new();
    loop {
        // an error is a reset
        let read = stream.read_buf(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        assert!(read > 0, "a request was not answered: {text:?}");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            return text.into_owned();
        }
    }
}

fn is_last(answer: &str) -> bool {
    answer.contains("\r\nconnection: close\r\n")
}

/// Nothing more comes, and the connection was not reset; over TLS, it was said that this is all.
async fn is_ended(stream: &mut (impl Stream + ?Sized)) {
    let mut rest = Vec::new();
    // an error is a reset
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

/// Whoever goes on asking is told in an answer that it is the last one: none of the requests that were
/// sent stays without one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_of_busy_connections_is_answered() {
    let world = World::new().await;
    for (round, kind) in (0..ROUNDS).flat_map(|round| KINDS.map(|kind| (round, kind))) {
        let running = world.start(kind, limits(LONG));
        let answered = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let mut stream = connect(running.address, kind).await;
            let (verify, answered) = (world.verify.clone(), Arc::clone(&answered));
            clients.spawn(async move {
                loop {
                    stream.write_all(verify.as_bytes()).await.expect("a connection was reset");
                    let answer = answer(&mut *stream).await;
                    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
                    answered.fetch_add(1, Ordering::SeqCst);
                    if is_last(&answer) {
                        return is_ended(&mut *stream).await;
                    }
                }
            });
        }
        while answered.load(Ordering::SeqCst) < CLIENTS * (round + 1) {
            if let Some(client) = clients.try_join_next() {
                client.unwrap();
                panic!("an answer was the last one before the end");
            }
            tokio::task::yield_now().await;
        }
        running.stop.send(()).unwrap();
        clients.join_all().await;
        assert_eq!(running.ended.await.unwrap(), Ended::Drained, "{kind:?}");
    }
}

/// They are connected as far as they know, and have sent a request, before the service accepts anybody:
/// more of them than it has room for.
#[tokio::test]
async fn who_waits_to_be_accepted_is_answered() {
    let world = World::new().await;
    for (kind, room) in KINDS.into_iter().flat_map(|kind| [(kind, CLIENTS), (kind, 3)]) {
        let listener = any_port();
        let address = listener.local_addr().unwrap();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if !kind.is_tls {
                stream.write_all(world.verify.as_bytes()).await.unwrap();
            }
            let verify = world.verify.clone();
            clients.spawn(async move {
                let mut stream = over(stream, kind).await;
                if kind.is_tls {
                    stream.write_all(verify.as_bytes()).await.expect("a connection was reset");
                }
                let answer = answer(&mut *stream).await;
                assert!(is_last(&answer), "{answer}");
                is_ended(&mut *stream).await;
            });
        }
        let running = world.run(listener, kind, ServeLimits { connections: room, ..limits(LONG) });
        // on this runtime before the service has its first turn
        running.stop.send(()).unwrap();
        clients.join_all().await;
        assert_eq!(running.ended.await.unwrap(), Ended::Drained, "{kind:?}");
        assert!(TcpStream::connect(address).await.is_err());
    }
}

#[tokio::test]
async fn an_idle_connection_sees_the_end_and_no_reset() {
    let world = World::new().await;
    for kind in KINDS {
        let running = world.start(kind, limits(SHORT));
        let mut unused = connect(running.address, kind).await;
        let mut used = connect(running.address, kind).await;
        used.write_all(world.verify.as_bytes()).await.unwrap();
        assert!(!is_last(&answer(&mut *used).await));
        running.stop.send(()).unwrap();
        is_ended(&mut *unused).await;
        is_ended(&mut *used).await;
        // neither closes its half
        assert_eq!(running.ended.await.unwrap(), Ended::Drained, "{kind:?}");
    }
}

/// While a connection lingers, what its client sends breaks nothing, and nobody carries it out.
#[tokio::test]
async fn what_comes_after_the_last_answer_resets_nothing() {
    let world = World::new().await;
    for kind in KINDS {
        let running = world.start(kind, limits(LONG));
        let mut stream = connect(running.address, kind).await;
        running.stop.send(()).unwrap();
        until_nobody_is_accepted(running.address).await;
        stream.write_all(world.verify.as_bytes()).await.unwrap();
        let last = answer(&mut *stream).await;
        assert!(is_last(&last), "{last}");
        is_ended(&mut *stream).await;
        for _ in 0..100 {
            stream.write_all(world.verify.as_bytes()).await.expect("a connection was reset");
        }
        stream.flush().await.unwrap();
        is_ended(&mut *stream).await;
        assert!(!running.ended.is_finished(), "the client has not ended its half");
        drop(stream);
        assert_eq!(running.ended.await.unwrap(), Ended::Drained, "{kind:?}");
    }
}

/// Neither requests without end nor bytes without end keep the service.
#[tokio::test]
async fn who_never_stops_sending_is_not_waited_for() {
    let world = World::new().await;
    for kind in KINDS {
        for bytes in [world.verify.clone(), "x".repeat(64 * 1024)] {
            let running = world.start(kind, limits(SHORT));
            let mut stream = connect(running.address, kind).await;
            stream.write_all(world.verify.as_bytes()).await.unwrap();
            answer(&mut *stream).await;
            running.stop.send(()).unwrap();
            let sending = tokio::spawn(async move {
                while stream.write_all(bytes.as_bytes()).await.is_ok() {
                    tokio::task::yield_now().await;
                }
            });
            assert_eq!(running.ended.await.unwrap(), Ended::Drained, "{kind:?}");
            sending.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_service_that_stops_is_not_ready() {
    let world = World::new().await;
    for kind in KINDS {
        let running = world.start(kind, limits(LONG));
        let mut stream = connect(running.address, kind).await;
        let ready = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(ready.as_bytes()).await.unwrap();
        let before = answer(&mut *stream).await;
        assert!(before.starts_with("HTTP/1.1 200 OK\r\n") && !is_last(&before), "{before}");
        running.stop.send(()).unwrap();
        until_nobody_is_accepted(running.address).await;
        let after = exchange(stream, ready).await;
        assert!(after.starts_with("HTTP/1.1 503 ") && is_last(&after), "{after}");
        assert!(after.contains("the service stops"), "{after}");
        assert_eq!(running.ended.await.unwrap(), Ended::Drained, "{kind:?}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_where_nobody_is() {
    let world = World::new().await;
    let running = world.start(KINDS[0], limits(LONG));
    running.stop.send(()).unwrap();
    assert_eq!(running.ended.await.unwrap(), Ended::Drained);
}

/// From then on the connections know of the end.
async fn until_nobody_is_accepted(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
