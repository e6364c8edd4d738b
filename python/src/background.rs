//! The one thread on which the calls of all event loops run. It never takes the GIL.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use crate::process::PerProcess;

/// A call that was made, under a number that no other call of this process has.
pub(crate) type CallId = u64;

/// What the thread does for a call, to the end.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What event loops tell the thread.
enum Order {
    Start(CallId, Job),
    /// Nobody waits any more: the call ends where it is, and its connection with it.
    GiveUp(CallId),
}

/// The thread, as everybody else sees it.
pub(crate) struct Background {
    inbox: Arc<Inbox>,
}

struct Inbox {
    orders: Mutex<Orders>,
    arrived: Notify,
}

struct Orders {
    waiting: Vec<Order>,
    next: CallId,
}

static BACKGROUND: PerProcess<Background> = PerProcess::new();

impl Background {
    /// This process's thread, started at the first use.
    pub(crate) fn get() -> PyResult<Arc<Self>> {
        BACKGROUND.get(Self::start)
    }

    fn start() -> PyResult<Self> {
        let no_thread =
            |error: std::io::Error| PyOSError::new_err(format!("no thread for calls: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let orders = Mutex::new(Orders { waiting: Vec::new(), next: 0 });
        let inbox = Arc::new(Inbox { orders, arrived: Notify::new() });
        let theirs = Arc::clone(&inbox);
        std::thread::Builder::new()
            .name("agentadmit".to_owned())
            .spawn(move || runtime.block_on(theirs.obey()))
            .map_err(no_thread)?;
        Ok(Self { inbox })
    }

    /// Starts a call. Many calls that are started before the thread looks wake it once.
    pub(crate) fn call(&self, job: impl FnOnce(CallId) -> Job) -> CallId {
        let mut orders = self.inbox.orders.lock();
        let call = orders.next;
        orders.next += 1;
        orders.waiting.push(Order::Start(call, job(call)));
        drop(orders);
        self.inbox.arrived.notify_one();
        call
    }

    /// Ends calls that nobody waits for any more; one that has ended is not there.
    pub(crate) fn give_up(&self, calls: impl IntoIterator<Item = CallId>) {
        self.inbox.orders.lock().waiting.extend(calls.into_iter().map(Order::GiveUp));
        self.inbox.arrived.notify_one();
    }
}

impl Inbox {
    /// Takes orders as long as the process lives.
    async fn obey(&self) {
        LocalSet::new().run_until(self.take_orders()).await;
    }

    async fn take_orders(&self) {
        let running = Running::default();
        loop {
            self.arrived.notified().await;
            let orders = std::mem::take(&mut self.orders.lock().waiting);
            for order in orders {
                match order {
                    Order::Start(call, job) => running.start(call, job),
                    Order::GiveUp(call) => running.give_up(call),
                }
            }
        }
    }
}

/// The calls that are under way.
#[derive(Default)]
struct Running {
    calls: Rc<RefCell<HashMap<CallId, AbortHandle>>>,
}

impl Running {
    fn start(&self, call: CallId, job: Job) {
        let calls = Rc::clone(&self.calls);
        let started = spawn_local(async move {
            job.await;
            calls.borrow_mut().remove(&call);
        });
        // it has not begun yet: this thread is here
        self.calls.borrow_mut().insert(call, started.abort_handle());
    }

    fn give_up(&self, call: CallId) {
        let given_up = self.calls.borrow_mut().remove(&call);
        if let Some(started) = given_up {
            started.abort();
        }
    }
}
