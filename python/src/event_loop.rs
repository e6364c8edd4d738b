//! Calls of an asyncio event loop, and how their answers come back to it.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use agentadmit::Client;
use parking_lot::Mutex;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::answer;
use crate::background::{Background, CallId};
use crate::errors;
use crate::process::PerProcess;
use crate::request::{Outcome, Request};
use crate::settings::Settings;

/// The client of `AsyncAgentAdmit`. Any number of event loops may share one.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct AsyncClient {
    settings: agentadmit::Settings,
    client: PerProcess<Client>,
}

#[pymethods]
impl AsyncClient {
    #[new]
    fn new(py: Python<'_>, settings: &Settings) -> PyResult<Self> {
        let made = Self { settings: settings.inner.clone(), client: PerProcess::new() };
        made.client(py)?; // a wrong certificate or key is an error of the start
        Ok(made)
    }
}

impl AsyncClient {
    fn client(&self, py: Python<'_>) -> PyResult<Arc<Client>> {
        self.client
            .get(|| Client::new(&self.settings))
            .map_err(|error| errors::configuration(py, &error))
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
        let client = client.client(py)?;
        let (verb, is_carried) = (request.verb.clone(), request.is_carried);
        let arrivals = Arc::clone(&self.arrivals);
        // under the lock, so that no answer is delivered before its future is there
        let mut waiting = self.waiting.lock();
        let call = self.background.call(|call| {
            Box::pin(async move {
                let outcome = verb.send(&client).await;
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
