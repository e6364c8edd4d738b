//! Sockets: accepting, TLS, HTTP/1.1 with its limits, and a graceful end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_engine::Engine;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutWriter;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use crate::address::PeerAddress;
use crate::patience::Patience;
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
    /// How long requests that run may take after the end was asked for.
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
            drain: Duration::from_secs(20),
        }
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

/// Serves a router until `shutdown` is ready, then drains.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<&TlsCertificate>,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) -> Ended {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let connection = Connection {
            router: router.clone(),
            tls: tls.map(TlsCertificate::acceptor),
            limits,
            peer,
            watcher: graceful.watcher(),
            _slot: slot,
        };
        tokio::spawn(connection.run(stream));
    }
    drop(listener);
    match tokio::time::timeout(limits.drain, graceful.shutdown()).await {
        Ok(()) => Ended::Drained,
        Err(_) => Ended::CutOff,
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
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: ServeLimits,
    peer: SocketAddr,
    watcher: Watcher,
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
        let Self { router, limits, peer, watcher, .. } = self;
        if let Err(error) = watcher.watch(connection(stream, router, peer, limits)).await {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

/// One connection that was accepted: bytes in, answers out, until its client leaves.
pub fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    peer: SocketAddr,
    limits: ServeLimits,
) -> impl GracefulConnection<Error = hyper::Error> + Send {
    let patience = Patience::default();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddress(peer));
        let (mut router, patience) = (router.clone(), patience.clone());
        async move {
            let uri = request.uri().clone();
            if let Some(until) = patience.wait_for(&uri, Instant::now()) {
                tokio::time::sleep_until(until).await;
            }
            let response = router.call(request).await;
            if let Ok(response) = &response {
                let excess = response.extensions().get().copied();
                patience.answered(&uri, excess, Instant::now());
            }
            response
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service)
}
