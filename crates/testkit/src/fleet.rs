//! Two nodes on one database behind something that sends no request to one that is taken out, as a
//! load balancer does: they are replaced under load, and no caller may see an error.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use parking_lot::{Mutex, RwLock};
use serde_json::json;

use crate::client::{Client, Reply, Request};
use crate::evidence::Evidence;
use crate::load::Load;
use crate::process::ServiceProcess;
use crate::service::TestService;
use crate::world::{App, SCOPES};

/// Clients that go on until they are told.
const LOAD: Load = Load { clients: 6, lives: 1_000_000, calls: 4 };
/// Answers that callers must have had before something else happens.
const ANSWERS: usize = 60;

/// Whether a call was turned away before anything was done, and may come again.
fn is_full(reply: &Reply) -> bool {
    reply.status == 503
        && reply.header("retry-after").is_some()
        && reply.text("error_description").contains("too many calls are waiting")
}

/// A node.
pub trait Node: Send + Sync {
    /// Where it listens.
    fn address(&self) -> SocketAddr;
    /// Ends it in good order.
    fn end(self);
}

impl Node for TestService {
    fn address(&self) -> SocketAddr {
        Self::address(self)
    }

    fn end(self) {
        self.stop();
    }
}

impl Node for ServiceProcess {
    fn address(&self) -> SocketAddr {
        Self::address(self)
    }

    fn end(self) {
        self.stop();
    }
}

/// Two nodes, and those who call them.
pub struct Fleet<N> {
    nodes: RwLock<[Option<N>; 2]>,
    /// Answers that no caller should see.
    errors: Mutex<Vec<String>>,
    answers: AtomicUsize,
    is_over: AtomicBool,
}

impl<N: Node> Fleet<N> {
    /// With these nodes in it.
    pub fn new(nodes: [N; 2]) -> Self {
        Self {
            nodes: RwLock::new(nodes.map(Some)),
            errors: Mutex::default(),
            answers: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Where a node listens.
    ///
    /// # Panics
    /// When it is taken out.
    pub fn address(&self, number: usize) -> SocketAddr {
        let nodes = self.nodes.read();
        match nodes.get(number % 2).and_then(Option::as_ref) {
            Some(node) => node.address(),
            None => panic!("node {number} is taken out"),
        }
    }

    /// Sends a request to one of the nodes; each has its turn.
    fn send(&self, request: &Request) -> io::Result<Reply> {
        if self.is_over.load(Ordering::SeqCst) {
            return Err(io::Error::other("it is over"));
        }
        // whoever takes a node out waits for what it was asked
        let nodes = self.nodes.read();
        let turn = self.answers.fetch_add(1, Ordering::SeqCst);
        let both = [turn % 2, (turn + 1) % 2];
        let node = both.iter().find_map(|turn| nodes.get(*turn)?.as_ref());
        let node = node.ok_or_else(|| io::Error::other("no node is left"))?;
        let mut client = Client::new(node.address());
        let mut sent = client.send(request);
        // a full queue asks to come again: nothing has happened, and on a slow machine it is full often
        while sent.as_ref().is_ok_and(is_full) {
            sent = client.send(request);
        }
        if !sent.as_ref().is_ok_and(|reply| reply.status < 500) {
            let said = sent.as_ref().map(|reply| format!("{reply:?}"));
            self.errors.lock().push(format!("{request:?}: {said:?}"));
        }
        sent
    }

    /// Waits until the callers have had some answers more.
    pub fn go_on(&self) {
        let until = self.answers.load(Ordering::SeqCst) + ANSWERS;
        while self.answers.load(Ordering::SeqCst) < until && self.errors.lock().is_empty() {
            thread::yield_now();
        }
    }

    /// Takes a node out, ends it, and puts another one in its place.
    pub fn replace(&self, number: usize, start: impl FnOnce() -> N) {
        let taken = self.nodes.write().get_mut(number % 2).and_then(Option::take);
        if let Some(node) = taken {
            node.end();
        }
        self.go_on();
        let node = start();
        if let Some(place) = self.nodes.write().get_mut(number % 2) {
            *place = Some(node);
        }
        self.go_on();
    }

    /// What one node decides holds on the other one.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self, app: &App) {
        for (here, there) in [(0, 1), (1, 0)] {
            let at = |number| App { address: self.address(number), ..app.clone() };
            let (here, there) = (at(here), at(there));
            let connection = here.connect(&mut here.client(), "ann", &SCOPES);
            let verify = there.verify(&connection.access_token, SCOPES[0]);
            there.client().ask(&verify).expect(200);
            here.client().ask(&here.revoke(&json!({"connection_id": connection.id}))).expect(200);
            assert_eq!(there.client().ask(&verify).status, 403, "it was revoked on the other node");
        }
    }

    /// Does something under load. Afterwards no caller has seen an error, and everything that was
    /// answered is there; what that was.
    ///
    /// # Panics
    /// When it is not so.
    pub fn under_load(&self, app: &App, work: impl FnOnce()) -> Evidence {
        let client = |_| |request: &Request| self.send(request);
        let evidence = thread::scope(|scope| {
            let load = scope.spawn(|| LOAD.run_by(app, client, &|_| {}));
            let done = catch_unwind(AssertUnwindSafe(|| {
                self.go_on();
                work();
                self.go_on();
            }));
            // also when the work failed: else its load would go on and on
            self.is_over.store(true, Ordering::SeqCst);
            let evidence = load.join();
            if let Err(panic) = done {
                resume_unwind(panic);
            }
            evidence.unwrap_or_else(|panic| resume_unwind(panic))
        });
        assert_eq!(*self.errors.lock(), Vec::<String>::new(), "callers have seen errors");
        for number in [0, 1] {
            let app = App { address: self.address(number), ..app.clone() };
            assert_eq!(evidence.missing(&app), [], "asked of node {number}");
        }
        evidence
    }
}
