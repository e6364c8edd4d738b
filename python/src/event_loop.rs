//! Calls of an asyncio event loop, and how their answers come back to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentadmit::error::ServiceUnavailableError;
use agentadmit::{Client, Error};
use parking_lot::Mutex;
use pyo3::prelude::*;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::answer;
use crate::background::{Background, CallId};
use crate::bell::{Bell, Ear};
use crate::errors;
use crate::process::PerProcess;
use crate::request::{Outcome, Request, Verb};
use crate::settings::Settings;

/// The client of `AsyncAgentAdmit`. Any number of event loops may share one.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct AsyncClient {
    settings: agentadmit::Settings,
    calls: PerProcess<Calls>,
}

/// How many calls of a client are under way at a time: as many as it keeps connections for.
const AT_A_TIME: usize = 128;

/// A client, and the places of its calls. Ten thousand tasks that ask at the same moment wait for
/// each other here instead of opening ten thousand connections.
struct Calls {
    client: Client,
    places: Semaphore,
    /// How long a call may wait for a place: as long as for its answer.
    patience: Duration,
}

impl Calls {
    async fn make(&self, verb: &Verb) -> Outcome {
        let _place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(_) => match timeout(self.patience, self.places.acquire()).await {
                Ok(Ok(place)) => place,
                _ => return Err(self.no_place().into()),
            },
        };
        verb.send(&self.client).await
    }

    fn no_place(&self) -> Error {
        let cause = format!(
            "{AT_A_TIME} calls were under way for {} s, and none of them ended",
            self.patience.as_secs()
        );
        ServiceUnavailableError { cause, retry_after: None }.into()
    }
}

#[pymethods]
impl AsyncClient {
    #[new]
    fn new(py: Python<'_>, settings: &Settings) -> PyResult<Self> {
        let made = Self { settings: settings.inner.clone(), calls: PerProcess::new() };
        made.calls(py)?; // a wrong certificate or key is an error of the start
        Ok(made)
    }
}

impl AsyncClient {
    fn calls(&self, py: Python<'_>) -> PyResult<Arc<Calls>> {
        let make = || {
            let client = Client::new(&self.settings)?;
            let patience = self.settings.timeout;
            Ok(Calls { client, places: Semaphore::new(AT_A_TIME), patience })
        };
        self.calls.get(make).map_err(|error| errors::configuration(py, &error))
    }
}

/// One event loop's end: which of its futures wait, and for which call.
///
/// The loop calls `deliver` when it is told that answers are there, once for however many: a loop
/// that is busy finds all that came meanwhile in one piece.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct EventLoop {
    arrivals: Arc<Arrivals>,
    ear: Ear,
    /// Touched under the GIL alone.
    waiting: Mutex<HashMap<CallId, Py<PyAny>>>,
    background: Arc<Background>,
    process: u32,
}

/// Answers on their way to the loop.
struct Arrivals {
    /// With each, whether it goes unopened to a flow.
    answers: Mutex<Vec<(CallId, bool, Outcome)>>,
    bell: Bell,
}

impl Arrivals {
    /// Called on the thread of the calls alone.
    fn put(self: &Arc<Self>, call: CallId, is_carried: bool, outcome: Outcome) {
        let mut answers = self.answers.lock();
        let is_first = answers.is_empty();
        answers.push((call, is_carried, outcome));
        drop(answers);
        if is_first {
            // behind all calls whose answers are being read in this turn of the thread
            let arrivals = Arc::clone(self);
            spawn_local(async move { arrivals.bell.ring() });
        }
    }
}

#[pymethods]
impl EventLoop {
    /// Without `ring`, which any thread may call, there is a descriptor to watch.
    #[new]
    #[pyo3(signature = (ring=None))]
    fn new(ring: Option<Py<PyAny>>) -> PyResult<Self> {
        let (bell, ear) = match ring {
            Some(ring) => (Bell::Call(ring), Ear::none()),
            None => Bell::watched()?,
        };
        Ok(Self {
            arrivals: Arc::new(Arrivals { answers: Mutex::default(), bell }),
            ear,
            waiting: Mutex::default(),
            background: Background::get()?,
            process: std::process::id(),
        })
    }

    /// What the loop watches; `None` where it is called instead.
    fn fileno(&self) -> Option<i32> {
        self.ear.fileno()
    }

    /// Whether it was made by this process: a forked child needs one of its own.
    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// How many calls wait.
    fn __len__(&self) -> usize {
        self.waiting.lock().len()
    }

    /// How many answers are here that were not delivered yet.
    fn arrived(&self) -> usize {
        self.arrivals.answers.lock().len()
    }

    /// Makes a call, whose outcome goes to `future`; answers its number.
    fn start(
        &self,
        py: Python<'_>,
        client: &AsyncClient,
        request: &Request,
        future: Py<PyAny>,
    ) -> PyResult<CallId> {
        let calls = client.calls(py)?;
        let (verb, is_carried) = (request.verb.clone(), request.is_carried);
        let arrivals = Arc::clone(&self.arrivals);
        // under the lock, so that no answer is delivered before its future is there
        let mut waiting = self.waiting.lock();
        let call = self.background.call(|call| {
            Box::pin(async move {
                let outcome = calls.make(&verb).await;
                arrivals.put(call, is_carried, outcome);
            })
        });
        waiting.insert(call, future);
        Ok(call)
    }

    /// Gives a call up.
    fn give_up(&self, call: CallId) {
        // dropped when the lock is given back: the end of a future may run any code
        let given_up = self.waiting.lock().remove(&call);
        if given_up.is_some() {
            self.background.give_up([call]);
        }
    }

    /// Hands over all answers that have come.
    fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        // what comes after this rings again
        self.ear.has_heard();
        let answers = std::mem::take(&mut *self.arrivals.answers.lock());
        for (call, is_carried, outcome) in answers {
            let found = self.waiting.lock().remove(&call);
            let Some(future) = found else { continue };
            let future = future.bind(py);
            if future.call_method0("done")?.is_truthy()? {
                continue;
            }
            match answer::for_caller(py, is_carried, outcome) {
                Ok(value) => future.call_method1("set_result", (value,))?,
                Err(error) => future.call_method1("set_exception", (error,))?,
            };
        }
        Ok(())
    }
}

impl Drop for EventLoop {
    /// A loop that is gone waits for nothing.
    fn drop(&mut self) {
        if self.is_of_this_process() {
            let waiting = self.waiting.get_mut();
            if !waiting.is_empty() {
                self.background.give_up(waiting.drain().map(|(call, _)| call));
            }
        }
    }
}
