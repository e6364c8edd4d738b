//! Calls of an asyncio event loop, and how their answers come back to it.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use agentadmit::error::ServiceUnavailableError;
use agentadmit::{Client, Error};
use parking_lot::Mutex;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer;
use crate::background::{Background, CallId};
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
/// The loop watches `fileno()` and calls `deliver` when it can be read: one byte says that answers
/// are there, however many. So the thread that has them needs no GIL, and a loop that is busy finds
/// all that came meanwhile in one piece.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct EventLoop {
    arrivals: Arc<Arrivals>,
    awake: UnixStream,
    /// Touched under the GIL alone.
    waiting: Mutex<HashMap<CallId, Py<PyAny>>>,
    background: Arc<Background>,
    process: u32,
}

/// Answers on their way to the loop.
struct Arrivals {
    /// With each, whether it goes unopened to a flow.
    answers: Mutex<Vec<(CallId, bool, Outcome)>>,
    wake: UnixStream,
}

impl Arrivals {
    fn put(&self, call: CallId, is_carried: bool, outcome: Outcome) {
        let mut answers = self.answers.lock();
        let is_first = answers.is_empty();
        answers.push((call, is_carried, outcome));
        drop(answers);
        if is_first {
            // a pipe that is full wakes as well; one that is closed belongs to a loop that is gone
            let _full_or_closed = (&self.wake).write(&[1]);
        }
    }
}

#[pymethods]
impl EventLoop {
    #[new]
    fn new() -> PyResult<Self> {
        let pair = || {
            let (awake, wake) = UnixStream::pair()?;
            awake.set_nonblocking(true)?;
            wake.set_nonblocking(true)?;
            Ok((awake, wake))
        };
        let (awake, wake) = pair().map_err(|error: std::io::Error| {
            PyOSError::new_err(format!("no pair of sockets for an event loop: {error}"))
        })?;
        Ok(Self {
            arrivals: Arc::new(Arrivals { answers: Mutex::default(), wake }),
            awake,
            waiting: Mutex::default(),
            background: Background::get()?,
            process: std::process::id(),
        })
    }

    /// What the loop watches.
    fn fileno(&self) -> i32 {
        self.awake.as_raw_fd()
    }

    /// Whether it was made by this process: a forked child needs one of its own.
    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// How many calls wait.
    fn __len__(&self) -> usize {
        self.waiting.lock().len()
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
        // what comes after this writes another byte
        let _nothing_there = (&self.awake).read(&mut [0; 64]);
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
