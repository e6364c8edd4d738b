//! Load that takes notes: clients that live through whole connections and write down every answer,
//! until the service is gone.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::json;

use crate::client::{Client, Reply, Request};
use crate::evidence::{Evidence, Stage};
use crate::world::{App, SCOPES, text};

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Clients at a time, each with a connection of its own to the service.
    pub clients: usize,
    /// Agent connections that each lives through, at most.
    pub lives: usize,
    /// Calls of each agent connection.
    pub calls: usize,
}

/// The service did not do what was asked: it is gone or going.
struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Load {
    /// Runs until the lives are lived or the service is gone; `answered` is called after each
    /// answer, with their number. Returns what the clients were told.
    pub fn run(self, app: &App, answered: &(dyn Fn(u64) + Sync)) -> Evidence {
        let client = |_| {
            let mut client = Client::new(app.address);
            move |request: &Request| client.send(request)
        };
        self.run_by(app, client, answered)
    }

    /// As [`Load::run`], where each client (they are numbered) sends in a way of its own; one whose
    /// way is at its end stops.
    pub fn run_by<S: FnMut(&Request) -> io::Result<Reply>>(
        self,
        app: &App,
        client: impl Fn(usize) -> S + Sync,
        answered: &(dyn Fn(u64) + Sync),
    ) -> Evidence {
        let count = AtomicU64::new(0);
        let note = || answered(count.fetch_add(1, Ordering::Relaxed) + 1);
        let mut evidence = Evidence::default();
        thread::scope(|scope| {
            let clients: Vec<_> = (0..self.clients)
                .map(|number| {
                    let (note, client) = (&note, &client);
                    scope.spawn(move || {
                        let send = client(number);
                        let mut actor = Actor { app, send, evidence: Evidence::default(), note };
                        let _gone = (0..self.lives).try_for_each(|life| {
                            actor.live(&format!("u{number}-{life}"), self.calls)
                        });
                        actor.evidence
                    })
                })
                .collect();
            for client in clients {
                match client.join() {
                    Ok(told) => evidence.merge(told),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        evidence
    }
}

/// One client with its notes.
struct Actor<'a, S> {
    app: &'a App,
    send: S,
    evidence: Evidence,
    note: &'a (dyn Fn() + Sync),
}

impl<S: FnMut(&Request) -> io::Result<Reply>> Actor<'_, S> {
    /// One connection from its issue to its end; every other one stays open.
    fn live(&mut self, user: &str, calls: usize) -> Result<(), Gone> {
        let issued = self.ask(&self.app.issue(user, &SCOPES[..1]), 201)?.json();
        let id = text(&issued, "connection_id");
        self.evidence.answered(&id, Stage::Pending);
        self.evidence.asks(&id, Stage::Active);
        let exchanged = self.ask(&self.app.exchange(&text(&issued, "token")), 200)?.json();
        self.evidence.answered(&id, Stage::Active);
        let access_token = text(&exchanged, "access_token");
        for call in 0..calls {
            let (scope, status) = if call % 3 == 2 { (SCOPES[1], 403) } else { (SCOPES[0], 200) };
            let reply = self.ask(&self.app.verify(&access_token, scope), status)?;
            self.evidence.heard(&reply);
        }
        if user.ends_with(['1', '3', '5', '7', '9']) {
            self.evidence.asks(&id, Stage::Revoked);
            self.ask(&self.app.revoke(&json!({"connection_id": id})), 200)?;
            self.evidence.answered(&id, Stage::Revoked);
        }
        Ok(())
    }

    /// An answer with this status; anything else means that the service is going.
    fn ask(&mut self, request: &Request, status: u16) -> Result<Reply, Gone> {
        let reply = (self.send)(request)?;
        if reply.status != status {
            assert!(reply.status >= 500, "expected {status}: {reply:?}");
            return Err(Gone);
        }
        (self.note)();
        Ok(reply)
    }
}
