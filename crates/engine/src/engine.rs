//! The engine: verbs in, answers out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::export::AuditKey;
use agentadmit_core::clock::Doubt;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::clock::Clock;
use agentadmit_store::maps::KeyMap;
use agentadmit_store::verbs::Answered;
use agentadmit_store::verbs::auth::{
    self, AppCredential, AuthenticatedApp, AuthenticatedOperator, Authorize, OperatorCredential,
};
use agentadmit_store::verbs::upkeep::{CloseChains, FlushRefusals};
use agentadmit_store::{Store, StoreError, Verb, Views, read, write, write_on};
use parking_lot::RwLock;

use crate::admission::{
    self, Admission, AdmissionLimits, AdmissionStats, Histogram, HistogramSnapshot, MonotonicClock,
    Steps,
};
use crate::call::{AnyCall, Batches, Waiting};
use crate::checkpoints::Checkpoints;
use crate::error::EngineError;
use crate::keyring::Keyring;
use crate::space::{Space, Writes};
use crate::trail::Trail;
use crate::upkeep::Upkeep;
use crate::verification::Verifications;

/// What an engine is told when it starts.
pub struct EngineOptions {
    /// The service's own address, exactly as it is spelled everywhere (RFC 8414, issuer).
    pub issuer: String,
    /// How many calls may wait.
    pub limits: AdmissionLimits,
    /// How long audit records are kept; `None` is for ever.
    pub retention: Option<Duration>,
    /// Whether this is the service, which closes the chains of writers that died, or a command on
    /// the store of one.
    pub is_service: bool,
}

/// In which lane a verb waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane<'c> {
    /// Revocations and what operators do: first, and never refused for the queue's sake. They
    /// happen even when the caller has left.
    Reserved,
    /// An app's own calls.
    App(&'c AppCredential),
    /// Callers without an app's credential.
    Anonymous,
}

/// The use cases of the service. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    issuer: String,
    admission: Admission<AnyCall>,
    /// Which app a key is of: a hint for queueing, nothing else. The decision reads the store.
    hints: RwLock<KeyMap<SecretHash, AppId>>,
    space: Space,
    writes: Writes,
    store_ns: Arc<Histogram>,
    verifications: Arc<Verifications>,
    /// Ends with the engine.
    _checkpoints: Option<Checkpoints>,
}

/// Admits batches on the thread that calls it: see [`Engine::in_steps`].
pub struct EngineSteps(Steps<AnyCall, Batches>);

impl EngineSteps {
    /// Admits everything that waits as one batch; how many calls that were.
    pub fn batch(&mut self) -> usize {
        self.0.batch()
    }
}

/// What an engine is made of, before its admission is.
struct Parts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    issuer: String,
    limits: AdmissionLimits,
    retention: Option<Duration>,
    hints: KeyMap<SecretHash, AppId>,
    space: Space,
    writes: Writes,
    store_ns: Arc<Histogram>,
}

impl Parts {
    fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        keyring: Keyring,
        options: EngineOptions,
    ) -> io::Result<Self> {
        if options.is_service {
            while write(&*store, &CloseChains::Others).map_err(io::Error::other)? {}
        }
        let hints = known_keys(&*store).map_err(io::Error::other)?;
        let EngineOptions { issuer, limits, retention, .. } = options;
        Ok(Self {
            store,
            clock,
            keyring: Arc::new(keyring),
            issuer,
            limits,
            retention,
            hints,
            space: Space::default(),
            writes: Writes::default(),
            store_ns: Arc::new(Histogram::new(&admission::WAITS_NS)),
        })
    }

    fn ticks(&self) -> MonotonicClock {
        let clock = Arc::clone(&self.clock);
        Arc::new(move || clock.monotonic_ns())
    }

    fn batches(&self, writer: usize) -> Batches {
        let (clock, keyring) = (Arc::clone(&self.clock), Arc::clone(&self.keyring));
        Batches {
            store: Arc::clone(&self.store),
            writer,
            upkeep: Upkeep::new(writer, Arc::clone(&clock), keyring, self.retention),
            space: self.space.clone(),
            writes: self.writes.clone(),
            clock,
            store_ns: Arc::clone(&self.store_ns),
        }
    }

    fn engine(self, admission: Admission<AnyCall>, checkpoints: Option<Checkpoints>) -> Engine {
        let Self { store, clock, keyring, issuer, hints, space, writes, store_ns, .. } = self;
        let inner = Inner {
            store,
            clock,
            keyring,
            issuer,
            admission,
            hints: RwLock::new(hints),
            space,
            writes,
            store_ns,
            verifications: Arc::default(),
            _checkpoints: checkpoints,
        };
        Engine { inner: Arc::new(inner) }
    }
}

/// The most hints that are kept; beyond that they are learned anew.
const MAX_HINTS: usize = 100_000;

impl Engine {
    /// Starts the engine on a store.
    ///
    /// # Errors
    /// When the system gives no thread, or the store fails.
    pub fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        keyring: Keyring,
        options: EngineOptions,
    ) -> io::Result<Self> {
        let parts = Parts::new(store, clock, keyring, options)?;
        let writers = (0..parts.store.writers().max(1)).map(|writer| parts.batches(writer));
        let admission = Admission::start(parts.limits, &parts.ticks(), writers)?;
        let checkpoints = Checkpoints::start(Arc::clone(&parts.store))?;
        Ok(parts.engine(admission, Some(checkpoints)))
    }

    /// The same without a writer thread: nothing is admitted but by [`EngineSteps::batch`], and no
    /// upkeep is done. For measurements that must not depend on who is scheduled when.
    ///
    /// # Errors
    /// When the store fails.
    pub fn in_steps(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        keyring: Keyring,
        options: EngineOptions,
    ) -> io::Result<(Self, EngineSteps)> {
        let parts = Parts::new(store, clock, keyring, options)?;
        let (admission, steps) = Admission::in_steps(parts.limits, parts.ticks(), parts.batches(0));
        Ok((parts.engine(admission, None), EngineSteps(steps)))
    }

    /// Runs a verb in the next batch and answers when it is durable. How it went is noted in the
    /// [`Trail`] of the request that asks.
    ///
    /// Once polled, it must be polled when it is woken, or dropped: other callers of the batch may
    /// wait for that to hear their own answers.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when too many calls wait, else the store's.
    pub async fn call<V: Verb + 'static>(
        &self,
        lane: Lane<'_>,
        verb: V,
    ) -> Result<V::Answer, EngineError> {
        let (call, answer) = Waiting::call(verb, lane == Lane::Reserved);
        if let Err((_, full)) = self.inner.admission.submit(self.queue(lane), call) {
            let retry_after = Duration::from_secs(full.retry_after_seconds);
            return Err(EngineError::Busy { retry_after });
        }
        match answer.await {
            Ok(returned) => {
                let (answer, admitted) = returned.open();
                Trail::admitted(admitted);
                answer
            }
            Err(_) => Err(EngineError::Internal("the call was dropped")),
        }
    }

    /// Like [`Engine::call`] for verbs that can be refused.
    ///
    /// # Errors
    /// [`EngineError::Refused`], and those of [`Engine::call`].
    pub async fn granted<T, V>(&self, lane: Lane<'_>, verb: V) -> Result<T, EngineError>
    where
        V: Verb<Answer = Answered<T>> + 'static,
        T: Send,
    {
        self.call(lane, verb).await?.map_err(EngineError::Refused)
    }

    /// Asks the store something, on a thread where blocking is fine.
    ///
    /// # Errors
    /// The store's.
    pub async fn read<R: Send + 'static>(
        &self,
        name: &'static str,
        question: impl Fn(&mut dyn Views) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, EngineError> {
        let store = Arc::clone(&self.inner.store);
        tokio::task::spawn_blocking(move || read(&*store, name, question))
            .await
            .map_err(|_| EngineError::Internal("a read panicked"))?
            .map_err(EngineError::from)
    }

    /// Asks something for an app whose credential is good and may ask; without a permission, any
    /// good credential may. It is checked on the same snapshot (a client assertion is spent first).
    ///
    /// # Errors
    /// The refusal, or the store's error.
    pub async fn ask<R: Send + 'static>(
        &self,
        credential: AppCredential,
        permission: impl Into<Option<Permission>>,
        name: &'static str,
        question: impl Fn(
            &mut dyn Views,
            &AuthenticatedApp,
            Timestamp,
        ) -> Result<Answered<R>, StoreError>
        + Send
        + 'static,
    ) -> Result<R, EngineError> {
        let clock = Arc::clone(&self.inner.clock);
        let permission = permission.into();
        self.note_app(&credential);
        let answer = match credential {
            AppCredential::ApiKey(hash) => {
                self.read(name, move |views| {
                    let now = now(views, &*clock)?;
                    let app = auth::api_key(views, &hash, now)?.and_then(|app| {
                        permission.map_or(Ok(()), |needed| app.caller.require(needed))?;
                        Ok(app)
                    });
                    match app {
                        Ok(app) => question(views, &app, now),
                        Err(refusal) => Ok(Err(refusal)),
                    }
                })
                .await?
            }
            credential @ AppCredential::Assertion(_) => {
                let lane = credential.clone();
                let verb = Authorize { credential, permission };
                let app = self.granted(Lane::App(&lane), verb).await?;
                self.read(name, move |views| {
                    let now = now(views, &*clock)?;
                    question(views, &app, now)
                })
                .await?
            }
        };
        answer.map_err(EngineError::Refused)
    }

    /// Asks something for an operator whose credential is good.
    ///
    /// # Errors
    /// The refusal, or the store's error.
    pub async fn ask_as_operator<R: Send + 'static>(
        &self,
        credential: OperatorCredential,
        name: &'static str,
        question: impl Fn(
            &mut dyn Views,
            &AuthenticatedOperator,
            Timestamp,
        ) -> Result<Answered<R>, StoreError>
        + Send
        + 'static,
    ) -> Result<R, EngineError> {
        let clock = Arc::clone(&self.inner.clock);
        self.read(name, move |views| {
            let now = now(views, &*clock)?;
            match auth::operator(views, &credential, now)? {
                Ok(operator) => question(views, &operator, now),
                Err(refusal) => Ok(Err(refusal)),
            }
        })
        .await?
        .map_err(EngineError::Refused)
    }

    /// Remembers which app a key is of, so that its calls wait in that app's queue.
    pub fn learn(&self, credential: &AppCredential, tenant: Tenant) {
        let AppCredential::ApiKey(hash) = credential else { return };
        if Trail::app() == Some(tenant.app_id) {
            // this request waited in its queue
            return;
        }
        if self.inner.hints.read().contains_key(hash) {
            return;
        }
        let mut hints = self.inner.hints.write();
        if hints.len() >= MAX_HINTS {
            hints.clear();
        }
        hints.insert(*hash, tenant.app_id);
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.store)
    }

    pub(crate) fn verifications(&self) -> &Arc<Verifications> {
        &self.inner.verifications
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    /// The service's own address.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The wall clock, for what is decided outside a transaction.
    pub fn wall(&self) -> Timestamp {
        self.inner.clock.wall()
    }

    /// Nanoseconds of the monotonic clock.
    pub fn monotonic_ns(&self) -> u64 {
        self.inner.clock.monotonic_ns()
    }

    /// The public keys that sign checkpoints.
    pub fn audit_keys(&self) -> Vec<AuditKey> {
        vec![AuditKey::new(self.inner.keyring.kid(), self.inner.keyring.public_key())]
    }

    /// Counters and gauges of admission.
    pub fn stats(&self) -> &AdmissionStats {
        self.inner.admission.stats()
    }

    /// Nanoseconds that batches were with the store, until they were committed and flushed.
    pub fn store_time_ns(&self) -> HistogramSnapshot {
        self.inner.store_ns.snapshot()
    }

    /// Notes for the log of which app a credential is remembered to be, and says so. No decision
    /// may rest on it.
    pub fn note_app(&self, credential: &AppCredential) -> Option<AppId> {
        let app_id = match credential {
            AppCredential::Assertion(assertion) => Some(assertion.app_id),
            AppCredential::ApiKey(hash) => self.inner.hints.read().get(hash).copied(),
        };
        if let Some(app_id) = app_id {
            Trail::is_of(app_id);
        }
        app_id
    }

    /// Whether every writer runs. Once false, the process should stop.
    pub fn is_alive(&self) -> bool {
        self.inner.admission.is_alive()
    }

    /// Whether the disk is full: then every agent is refused, and revocations go on from a reserve.
    pub fn is_short_of_room(&self) -> bool {
        self.inner.space.is_short()
    }

    /// Whether the last write failed, and not for want of room: then nothing is decided.
    pub fn writes_fail(&self) -> bool {
        self.inner.writes.fail()
    }

    /// Why the clock is not believed now, if it is not.
    pub fn clock_doubt(&self) -> Option<Doubt> {
        self.inner.store.clock().doubt()
    }

    /// An operator says that the wall clock is right: doubts are lifted and it is recorded.
    ///
    /// # Errors
    /// The refusal, or the store's error.
    pub async fn accept_clock(
        &self,
        credential: OperatorCredential,
    ) -> Result<Timestamp, EngineError> {
        let asked = credential.clone();
        self.ask_as_operator(asked, "operator", |_, operator, _| Ok(operator.require_full()))
            .await?;
        self.inner.store.clock().accept();
        let verb = agentadmit_store::verbs::upkeep::AcceptClock { credential };
        self.granted(Lane::Reserved, verb).await
    }

    /// Stops: answers what was admitted, writes what was counted, closes the writers' chains.
    /// Blocks.
    ///
    /// # Errors
    /// When a writer had died, or the store fails.
    pub fn shut_down(self) -> io::Result<()> {
        self.inner.verifications.stop();
        self.inner.admission.clone().drain().map_err(io::Error::other)?;
        let store = &*self.inner.store;
        for writer in 0..store.writers() {
            let flush = FlushRefusals { all: true };
            write_on(store, writer, &flush).map_err(io::Error::other)?;
            while write_on(store, writer, &CloseChains::Own).map_err(io::Error::other)? {}
        }
        Ok(())
    }

    fn queue(&self, lane: Lane<'_>) -> admission::Lane {
        let app_id = match lane {
            Lane::Reserved => return admission::Lane::Reserved,
            Lane::Anonymous => None,
            Lane::App(credential) => self.note_app(credential),
        };
        match app_id {
            Some(id) => admission::Lane::App(u128::from_be_bytes(*id.as_bytes())),
            None => admission::Lane::Unknown,
        }
    }
}

/// The keys that a store has at the start, so that nobody's first call waits among the unknown.
fn known_keys(store: &dyn Store) -> Result<KeyMap<SecretHash, AppId>, StoreError> {
    const PAGE: usize = 1_000;
    let mut hints = KeyMap::default();
    let mut after = None;
    while hints.len() < MAX_HINTS {
        let apps = read(store, "known_apps", |views| views.apps(after, PAGE))?;
        for app in apps.iter().filter(|app| app.deleted_at.is_none()) {
            let keys = read(store, "known_keys", |views| views.api_keys(app.id))?;
            hints.extend(keys.iter().map(|key| (key.hash, app.id)));
        }
        match apps.last() {
            Some(last) if apps.len() == PAGE => after = Some(last.id),
            _ => break,
        }
    }
    Ok(hints)
}

/// The moment of a reading: the wall clock, never before the newest record.
pub(crate) fn now(views: &mut dyn Views, clock: &dyn Clock) -> Result<Timestamp, StoreError> {
    let wall = clock.wall();
    Ok(views.newest_record_at()?.map_or(wall, |newest| newest.max(wall)))
}
