//! Sockets: accepting, TLS, HTTP/1.1 with its limits, and a graceful end.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use agentadmit_engine::Engine;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutWriter;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use crate::address::PeerAddress;
use crate::fast_lane::{End, FastLane, Replayed};
use crate::linger::Lingering;
use crate::patience::Patience;
use crate::state::{Draining, ServiceState};
use crate::tls::TlsCertificate;

/// Limits of connections. Each has a name and a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections at a time; more wait in the listen backlog.
    pub connections: usize,
    /// How long a request's head, and a connection between requests, may take.
    pub head: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a client may take nothing of an answer that waits for it (a slow client takes a
    /// little, and goes on); then the connection is cut off.
    pub write: Duration,
    /// Header lines of a request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// How long the service waits for a client at the end of a connection. Once the end of the service
    /// was asked for: how long a request that is on its way may take to come. After the service has
    /// ended its half of a connection: how long the client may take to end its own.
    pub linger: Duration,
    /// How long everything may take after the end was asked for.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            write: Duration::from_secs(30),
            headers: 64,
            head_bytes: 32 * 1024,
            linger: Duration::from_millis(200),
            drain: Duration::from_secs(20),
        }
    }
}

/// Connections that may wait to be accepted, as far as the system allows (Linux:
/// `net.core.somaxconn`, 4096). While the queue is full, the system throws away what a client sends to
/// connect, and the client sends it again only after a second: as long as SDKs wait for a connection
/// (PROTOCOL, Retry rules). With the 128 of the standard library, a burst of an app's calls that finds
/// this process without a processor for some milliseconds is such a case.
const BACKLOG: u32 = 65_535;

/// Listens on an address, with room for as many connections that wait as the system allows. To be
/// called on a runtime.
///
/// # Errors
/// The address cannot be used.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // a service that begins again finds its address free, whoever was connected before; elsewhere
    // this option lets two processes have one address
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What is served on one address.
#[derive(Clone)]
pub struct Site {
    router: Router,
    verifies: Option<ServiceState>,
}

impl Site {
    /// The routes, and plain verifies answered before them. The routes are those of this state, and
    /// `POST /v1/verify` is one of them. Where an observer wants to know which trace a request
    /// belongs to, all go through the routes: nobody looks at such headers before them.
    pub fn with_fast_lane(router: Router, state: ServiceState) -> Self {
        let is_observed = state.options().observation.observer.is_some();
        Self { router, verifies: (!is_observed).then_some(state) }
    }
}

impl From<Router> for Site {
    /// The routes alone.
    fn from(router: Router) -> Self {
        Self { router, verifies: None }
    }
}

/// Ends connections gracefully: each is told, and waited for.
///
/// What a client may rely on, whose connection is up when the end is asked for:
///
/// - A request is answered whose bytes the system has received by then, or while the connection lingers
///   ([`ServeLimits::linger`]). The answer says `Connection: close`, and is the last one: a client that
///   sent more requests without waiting sends those again elsewhere (RFC 9112, section 9.3.2).
/// - A connection on which no request comes is closed, and its client sees an end (`FIN`, over TLS with a
///   `close_notify`). One that sends a request before it has seen it, but too late, sees the end
///   instead of an answer: the race that HTTP/1.1 has wherever an idle connection is closed (section 9.5).
///   No request that is read after the end was sent is carried out.
/// - What comes after that is read and thrown away while the connection lingers, so that the system
///   resets no connection whose client has yet to read its answer, or the end (section 9.6).
#[derive(Debug)]
pub struct Stopping {
    asked: watch::Sender<bool>,
    linger: Duration,
}

/// A connection's ear for [`Stopping`].
pub struct Stop {
    asked: watch::Receiver<bool>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Default for Stopping {
    fn default() -> Self {
        Self::new(ServeLimits::default().linger)
    }
}

impl Stopping {
    /// Connections on which no request has begun stay so long after the end was asked for.
    pub fn new(linger: Duration) -> Self {
        Self { asked: watch::Sender::new(false), linger }
    }

    /// For one connection, until its end.
    pub fn listen(&self) -> Stop {
        let mut receiver = self.asked.subscribe();
        let linger = self.linger;
        let over = Box::pin(async move {
            // whoever could ask is gone: nobody would wait for this connection
            drop(receiver.wait_for(|is_asked| *is_asked).await);
            // counted from when this connection hears of it: until a timer that was set now has rung,
            // the runtime has asked the system once more what has come
            tokio::time::sleep(linger).await;
        });
        Stop { asked: self.asked.subscribe(), over }
    }

    /// From now on every answer is the last one of its connection.
    fn ask(&self) {
        self.asked.send_replace(true);
    }

    /// Asks every connection to end after the request that it has begun, or is about to begin, and
    /// waits for them.
    pub async fn stop(self) {
        self.ask();
        self.asked.closed().await;
    }
}

impl Stop {
    /// Whether the service stops.
    pub(crate) fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// The same for whoever outlives this borrow.
    fn ear(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }

    /// Ready when the service stops and no request can be on its way any more; not to be called again
    /// then.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.over.as_mut().poll(cx)
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every request that was begun was answered.
    Drained,
    /// Some still ran when the time was over.
    CutOff,
}

/// Serves a site until `shutdown` is ready, then drains: who waits to be accepted is, nobody else can
/// connect, and each connection ends as [`Stopping`] has it.
///
/// A client whose connection is being made at the very moment at which the service stops to listen
/// may see that it is refused or reset, on Linux even after it has sent a request.
pub async fn serve(
    listener: TcpListener,
    site: impl Into<Site>,
    tls: Option<&TlsCertificate>,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) -> Ended {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let stopping = Stopping::new(limits.linger);
    let serving = Serving { site: site.into(), tls: tls.map(TlsCertificate::acceptor), limits };
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        serving.begin(stream, peer, slot, &stopping);
    }
    let drained = tokio::time::timeout(limits.drain, async {
        let waiting = serving.accept_waiting(listener, &slots, &stopping);
        // new ones may come as quickly as they are accepted
        let _in_time = tokio::time::timeout(limits.linger, waiting).await;
        stopping.stop().await;
    });
    match drained.await {
        Ok(()) => Ended::Drained,
        Err(_) => Ended::CutOff,
    }
}

/// What every connection of a service has.
struct Serving {
    site: Site,
    tls: Option<TlsAcceptor>,
    limits: ServeLimits,
}

impl Serving {
    fn begin(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: OwnedSemaphorePermit,
        stopping: &Stopping,
    ) {
        let connection = Connection {
            site: self.site.clone(),
            tls: self.tls.clone(),
            limits: self.limits,
            peer,
            stop: stopping.listen(),
            _slot: slot,
        };
        tokio::spawn(connection.run(stream));
    }

    /// Accepts what the system holds for this listener, then stops to listen. Asks the connections to
    /// end where there is no room for another one.
    async fn accept_waiting(
        &self,
        listener: TcpListener,
        slots: &Arc<Semaphore>,
        stopping: &Stopping,
    ) {
        // asked directly: what the runtime knows of a socket may be older
        let Ok(listener) = listener.into_std() else { return };
        loop {
            if slots.available_permits() == 0 {
                stopping.ask();
            }
            let Ok(slot) = Arc::clone(slots).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                // one that left already
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    return tracing::warn!(%error, "connections that wait are not accepted");
                }
            };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            match stream {
                Ok(stream) => self.begin(stream, peer, slot, stopping),
                Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
            }
        }
    }
}

/// Ready once the writer died: the process should end, since nothing can be answered any more.
pub async fn writer_stopped(engine: &Engine) {
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    while engine.is_alive() {
        ticks.tick().await;
    }
}

/// The next connection, when there is room for it; `None` when accepting failed.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            // out of file descriptors, or a client that left already: both pass
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(10)).await;
            None
        }
    }
}

struct Connection {
    site: Site,
    tls: Option<TlsAcceptor>,
    limits: ServeLimits,
    peer: SocketAddr,
    stop: Stop,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(mut self, stream: TcpStream) {
        // answers are small and whole: nothing is gained by waiting for more
        let _best_effort = stream.set_nodelay(true);
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(self.limits.write));
        let stream = Box::pin(stream);
        let Some(tls) = self.tls.take() else { return self.serve(stream).await };
        match tokio::time::timeout(self.limits.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { site, limits, peer, stop, _slot, .. } = self;
        connection(stream, site, peer, limits, stop).await;
    }
}

/// One connection that was accepted: bytes in, answers out, until its client leaves.
pub async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    site: Site,
    peer: SocketAddr,
    limits: ServeLimits,
    mut stop: Stop,
) {
    let Site { router, verifies } = site;
    let stream = Lingering::new(stream, limits.linger);
    let patience = Patience::default();
    let (stream, read) = match verifies {
        None => (stream, Bytes::new()),
        Some(state) => match FastLane::new(stream, state, limits, &mut stop, &patience).run().await
        {
            Ok(End::HandOver(stream, read)) => (stream, read),
            Ok(End::Closed) => return,
            Err(error) => return tracing::debug!(%error, "a connection broke off"),
        },
    };
    let stream = Replayed::new(read, stream);
    // in a place of its own: most connections never need it
    let served = Box::pin(through_router(stream, router, peer, limits, stop, patience)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn through_router(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    peer: SocketAddr,
    limits: ServeLimits,
    mut stop: Stop,
    patience: Patience,
) -> Result<(), hyper::Error> {
    let asked = stop.ear();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddress(peer));
        let (mut router, patience, asked) = (router.clone(), patience.clone(), asked.clone());
        async move {
            let uri = request.uri().clone();
            patience.keep(uri.path()).await;
            if *asked.borrow() {
                request.extensions_mut().insert(Draining);
            }
            let mut response = router.call(request).await;
            if let Ok(response) = &mut response {
                patience.answered(uri.path(), response.extensions().get().copied());
                if *asked.borrow() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
            }
            response
        }
    });
    let mut served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        biased;
        ended = &mut served => Some(ended),
        () = poll_fn(|cx| stop.poll_over(cx)) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        // between requests it is closed now, else after the answer
        Pin::new(&mut served).graceful_shutdown();
        (&mut served).await
    };
    match ended {
        // nothing came for too long, and nothing was answered: an end like others
        Err(error) if error.is_timeout() => {
            let _gone = served.into_parts().io.into_inner().shutdown().await;
            Err(error)
        }
        ended => ended,
    }
}
