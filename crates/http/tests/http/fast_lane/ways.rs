//! A service whose every step is taken by the test, so that two of them do exactly the same.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use agentadmit_core::clock::Reading;
use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_engine::keyring::SecretKey;
use agentadmit_engine::{Engine, EngineOptions, EngineSteps, Keyring, WriterOptions};
use agentadmit_http::serve::{ServeLimits, Site, Stopping, connection};
use agentadmit_http::{HttpOptions, ServiceState, router};
use agentadmit_protocol::time::Timestamp;
use agentadmit_testkit::store::model::ModelStore;
use agentadmit_testkit::store::store::{self, Work};
use agentadmit_testkit::store::{
    Clock, ClockControl, FakeClock, MaintenanceReport, Store, StoreError,
};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{JoinHandle, yield_now};

use crate::support::{App, ISSUER, Service};

/// Turns of the runtime in which nothing happened, after which nothing will by itself.
const QUIET_TURNS: usize = 10;

/// One of the two ways of a request, on a service of its own.
pub(super) struct Way {
    service: Service,
    state: ServiceState,
    site: Site,
    steps: EngineSteps,
    faulty: Faulty,
    /// A panic that is due once a batch was committed.
    panics: bool,
    limits: ServeLimits,
    pub(super) key: String,
    pub(super) test_key: String,
    pub(super) token: String,
    pub(super) revoked: String,
    pub(super) unexchanged: String,
}

/// What the service did with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What it wrote, before and after the client's end.
    pub(super) answers: Vec<String>,
    /// Whether it closed the connection before the client did.
    pub(super) is_closed: bool,
}

/// One thing that happens to a connection.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// Bytes come, to be read at once.
    Bytes(Vec<u8>),
    /// Nothing comes until the service gives up.
    Nothing,
    /// The service is asked to stop.
    Stop,
    /// The next batch goes wrong.
    Fault(Fault),
}

/// What goes wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Whoever reads the clock next, after it was committed, panics.
    Panic,
    /// The store finds that a row is damaged.
    Damage,
}

/// The clock and the store of a service, which go wrong when they are told to.
#[derive(Clone)]
struct Faulty {
    clock: Arc<FakeClock>,
    store: Arc<ModelStore>,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Faulty {
    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    /// Whether this is what goes wrong now. Once only.
    fn takes(&self, fault: Fault) -> bool {
        self.fault.lock().unwrap().take_if(|set| *set == fault).is_some()
    }
}

impl Clock for Faulty {
    fn read(&self) -> Reading {
        self.clock.read()
    }

    fn wall(&self) -> Timestamp {
        assert!(!self.takes(Fault::Panic), "a defect, for the test's sake");
        self.clock.wall()
    }
}

impl Store for Faulty {
    fn transaction(&self, name: &'static str, work: Work<'_>) -> Result<(), StoreError> {
        if self.takes(Fault::Damage) {
            return Err(StoreError::Corrupt("a row of grants".to_owned()));
        }
        self.store.transaction(name, work)
    }

    fn snapshot(&self, name: &'static str, reading: store::Reading<'_>) -> Result<(), StoreError> {
        self.store.snapshot(name, reading)
    }

    fn maintain(&self, budget: Duration) -> Result<MaintenanceReport, StoreError> {
        self.store.maintain(budget)
    }

    fn clock(&self) -> &dyn ClockControl {
        self.store.clock()
    }
}

impl Way {
    pub(super) async fn new(is_fast: bool, limits: ServeLimits, options: HttpOptions) -> Self {
        let clock = Arc::new(FakeClock::new("2026-11-22T12:00:00.000Z".parse().unwrap()));
        let writer = WriterOptions::default();
        let store = Arc::new(ModelStore::new([1; 32], writer, Arc::clone(&clock) as _));
        let keyring = Keyring::open(&*store, &SecretKey::new([2; 32])).unwrap();
        let faulty = Faulty { clock: Arc::clone(&clock), store, fault: Arc::default() };
        let engine_options = EngineOptions {
            issuer: ISSUER.to_owned(),
            limits: AdmissionLimits::patient(),
            retention: None,
            is_service: true,
        };
        let parts = (Arc::new(faulty.clone()), Arc::new(faulty.clone()));
        let (engine, mut steps) =
            Engine::in_steps(parts.0, parts.1, keyring, engine_options).unwrap();
        let state = ServiceState::new(engine.clone(), options);
        let router = router(state.clone());
        let site = if is_fast {
            Site::with_fast_lane(router.clone(), state.clone())
        } else {
            Site::from(router.clone())
        };
        let service = Service { router, engine, clock };
        let grants = async {
            let app = service.app(&json!({})).await;
            let (good, revoked) = (app.grant("u1").await, app.grant("u2").await);
            let (_, unexchanged) = app.issue("u3").await;
            revoke(&app, &revoked.connection_id).await;
            (app.live, app.test, good.access_token, revoked.access_token, unexchanged)
        };
        let (key, test_key, token, revoked, unexchanged) = tokio::select! {
            grants = grants => grants,
            never = admit_for_ever(&mut steps) => never,
        };
        let panics = false;
        Self {
            service,
            state,
            site,
            steps,
            faulty,
            panics,
            limits,
            key,
            test_key,
            token,
            revoked,
            unexchanged,
        }
    }

    /// Opens a connection and lets things happen to it, then ends it.
    pub(super) async fn run(&mut self, events: &[Event]) -> Outcome {
        // every bucket is full again
        self.service.clock.advance(Duration::from_secs(4));
        let (wire, stream) = Wire::new();
        let mut stopping = Some(Stopping::new(self.limits.linger));
        let stop = stopping.as_ref().unwrap().listen();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let served = connection(stream, self.site.clone(), peer, self.limits, stop);
        let served = tokio::spawn(served);
        self.turn(&wire, &served).await;
        let mut stopped = Vec::new();
        for event in events {
            match event {
                Event::Bytes(bytes) => wire.send(bytes),
                Event::Fault(Fault::Panic) => self.panics = true,
                Event::Fault(fault) => self.faulty.set(*fault),
                Event::Nothing => self.until_closed(&wire, &served).await,
                Event::Stop => stopped.extend(stopping.take().map(|all| tokio::spawn(all.stop()))),
            }
            self.turn(&wire, &served).await;
        }
        let is_closed = wire.is_closed() || served.is_finished();
        let before = wire.take();
        wire.end();
        self.turn(&wire, &served).await;
        assert!(served.is_finished(), "a connection outlives its client");
        served.await.unwrap();
        Outcome { answers: [before, wire.take()].map(normal).into(), is_closed }
    }

    /// Lets everything happen that can.
    async fn turn(&mut self, wire: &Wire, served: &JoinHandle<()>) {
        let (mut quiet, mut seen) = (0, wire.waiting());
        while quiet < QUIET_TURNS && !served.is_finished() {
            yield_now().await;
            let admitted = self.steps.batch();
            if admitted > 0 && std::mem::take(&mut self.panics) {
                self.faulty.set(Fault::Panic);
            }
            let is_news = admitted > 0 || wire.waiting() != seen;
            quiet = if is_news { 0 } else { quiet + 1 };
            seen = wire.waiting();
        }
    }

    /// Lets everything happen until the service closes the connection.
    async fn until_closed(&mut self, wire: &Wire, served: &JoinHandle<()>) {
        while !wire.is_closed() && !served.is_finished() {
            self.turn(wire, served).await;
            // until the limit of the service is over, which is the runtime's
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// What was counted, in an order of its own.
    pub(super) fn counted(&self) -> Vec<String> {
        let text = self.state.metrics().encode().unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

async fn revoke(app: &App<'_>, connection_id: &str) {
    let body = json!({"connection_id": connection_id});
    app.ask(crate::support::Ask::post("/v1/revoke", &body)).await.expect(200);
}

async fn admit_for_ever<T>(steps: &mut EngineSteps) -> T {
    loop {
        steps.batch();
        yield_now().await;
    }
}

/// Answers with their headers in one order and no date, which is not the fake clock's everywhere.
fn normal(answers: Vec<u8>) -> String {
    let mut rest = String::from_utf8(answers).unwrap();
    let mut all = String::new();
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let mut lines: Vec<&str> = head.split("\r\n").collect();
        let length = |line: &&str| line.strip_prefix("content-length: ")?.parse().ok();
        let length: usize = lines.iter().find_map(length).unwrap_or(0);
        lines.retain(|line| !line.starts_with("date: "));
        lines[1..].sort_unstable();
        all.push_str(&lines.join("\n"));
        let (body, after) = after.split_at_checked(length).unwrap_or((after, "CUT OFF"));
        all.extend(["\n\n", body, "\n"]);
        rest = after.to_owned();
    }
    all + &rest
}

/// The client's end of a connection.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Both>>);

#[derive(Default)]
struct Both {
    /// Each is one read.
    to_service: VecDeque<Vec<u8>>,
    is_ended: bool,
    reader: Option<Waker>,
    from_service: Vec<u8>,
    /// The service has ended its half.
    is_closed: bool,
}

impl Wire {
    fn new() -> (Self, Self) {
        let wire = Self::default();
        (wire.clone(), wire)
    }

    fn send(&self, bytes: &[u8]) {
        let mut both = self.0.lock().unwrap();
        both.to_service.push_back(bytes.to_vec());
        both.reader.take().into_iter().for_each(Waker::wake);
    }

    fn end(&self) {
        let mut both = self.0.lock().unwrap();
        both.is_ended = true;
        both.reader.take().into_iter().for_each(Waker::wake);
    }

    /// Bytes that wait to be read by either end.
    fn waiting(&self) -> (usize, usize) {
        let both = self.0.lock().unwrap();
        (both.to_service.iter().map(Vec::len).sum(), both.from_service.len())
    }

    fn is_closed(&self) -> bool {
        self.0.lock().unwrap().is_closed
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().from_service)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut both = self.0.lock().unwrap();
        let Some(mut bytes) = both.to_service.pop_front() else {
            if both.is_ended {
                return Poll::Ready(Ok(()));
            }
            both.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let rest = bytes.split_off(bytes.len().min(to.remaining()));
        to.put_slice(&bytes);
        if !rest.is_empty() {
            both.to_service.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().from_service.extend_from_slice(from);
        Poll::Ready(Ok(from.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().is_closed = true;
        Poll::Ready(Ok(()))
    }
}
