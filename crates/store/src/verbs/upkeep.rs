//! What nobody asks for and somebody must do: expiry, counted refusals, the ends of chains,
//! checkpoints, retention, the clock, connections that a restore suspended, and a write that shows
//! how long writing takes.

use std::collections::BTreeMap;

use agentadmit_core::Refusal;
use agentadmit_core::app::Tenant;
use agentadmit_core::audit::register::{CheckpointDetails, NamedHead, checkpoint_message};
use agentadmit_core::connection::{Connection, Standing};
use agentadmit_protocol::audit::{Actor, AuditEvent, Details};
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::record::{Entry, Origin};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::{Answered, Verb, granted};
use crate::views::{Chain, LogPosition};

/// Rows that one slice of upkeep touches at most, so that no verify waits for long.
pub const SLICE: usize = 64;

/// Whether there is more of it to do.
pub type More = bool;

/// Ends connections whose time is over, records it, and settles those that a mark on their app
/// revoked. Forgets what was kept for a time: spent assertions, sessions of the consent page and of
/// the dashboard, sign-in codes, links that nobody used, requests, tokens and clients of OAuth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExpireDue;

impl Verb for ExpireDue {
    type Answer = More;
    const NAME: &'static str = "expire_due";

    fn run(&self, tx: &mut Tx<'_>) -> Result<More, StoreError> {
        let due = tx.rows.due_connections(tx.now, SLICE)?;
        let mut settled = 0;
        for id in &due {
            // a damaged row stays what it is; the others do not wait for it
            let found = match tx.rows.connection(*id) {
                Err(StoreError::Corrupt(_)) => continue,
                found => found?,
            };
            if let Some(connection) = found {
                tx.settle(&connection)?;
                settled += 1;
            }
        }
        let forgotten = tx.rows.forget_assertions(tx.now, SLICE)?;
        let sessions = tx.rows.forget_consent_sessions(tx.now, SLICE)?;
        let invites = tx.rows.forget_invites(tx.now, SLICE)?;
        let signed_in = tx.rows.forget_sessions(tx.now, SLICE)?;
        let oauth = tx.rows.forget_oauth(tx.now, SLICE)?.max(tx.reap_clients()?);
        let more_are_due = due.len() == SLICE && settled > 0;
        let forgotten = forgotten.max(sessions).max(invites).max(signed_in).max(oauth);
        Ok(more_are_due || forgotten == SLICE as u64)
    }
}

impl Tx<'_> {
    /// Spends an assertion of no app, whose time is over: the next round of expiry forgets it.
    fn touch(&mut self) -> Result<(), StoreError> {
        let unique = SecretHash::of(&self.writer.random_id());
        self.rows.spend_assertion(AppId::from_bytes([0; 16]), &unique, self.now)?;
        Ok(())
    }

    fn settle(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Some(app) = self.rows.app(connection.tenant.app_id)? else {
            return Err(StoreError::Corrupt(format!("{} has no app", connection.id)));
        };
        let last_used_at = self.rows.activity(connection.id)?.last_used_at;
        match connection.standing(&app, last_used_at, self.now) {
            Standing::Expired(at) => {
                self.save_connection(&app, Some(connection), &connection.expired(at))?;
                let event = AuditEvent::ConnectionExpired;
                self.record(Entry::new(event, Actor::System).about(connection))?;
            }
            // the mark's own record stands for all of them
            Standing::Revoked(at) => {
                let revoked = connection.revoked(at, Actor::System);
                self.save_connection(&app, Some(connection), &revoked)?;
            }
            // used since it was put down as due: look again later
            Standing::Pending | Standing::Active | Standing::Suspended => {
                let due = connection.ends_at(&app, last_used_at);
                self.rows.put_connection(Some(connection), connection, due)?;
            }
        }
        Ok(())
    }
}

/// Writes the records of counted refusals whose minute is over, or of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushRefusals {
    /// `true` at shutdown.
    pub all: bool,
}

impl Verb for FlushRefusals {
    type Answer = ();
    const NAME: &'static str = "flush_refusals";

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let refusals = &mut tx.writer.refusals;
        let counted = if self.all { refusals.close_all() } else { refusals.close_past(tx.now) };
        counted.into_iter().try_for_each(|counted| tx.record_counted(counted))
    }
}

/// Closes chains: this writer's own at shutdown, or those that dead writers left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseChains {
    /// This writer's.
    Own,
    /// Those of every other writer. Only for whoever knows that they are dead.
    Others,
}

impl Verb for CloseChains {
    type Answer = More;
    const NAME: &'static str = "close_chains";

    fn run(&self, tx: &mut Tx<'_>) -> Result<More, StoreError> {
        let own = tx.writer.writer;
        let chains = match self {
            Self::Own => tx.rows.open_chains_of(own, SLICE)?,
            Self::Others => tx.rows.open_chains_of_others(own, SLICE)?,
        };
        let more = chains.len() == SLICE;
        chains.into_iter().try_for_each(|chain| tx.close_chain(chain))?;
        Ok(more)
    }
}

/// Writes something that means nothing, so that whoever waits for it learns how long a write takes
/// until it is on the disk. Not recorded: nobody would miss it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The operator who asks.
    pub credential: OperatorCredential,
}

/// Writes something that means nothing, to see whether writes succeed.
pub struct Touch;

impl Verb for Touch {
    type Answer = ();
    const NAME: &'static str = "touch";

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.touch()
    }
}

/// How the log stands when a [`Probe`] is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// The transaction's time.
    pub now: Timestamp,
    /// The newest position in the log.
    pub log_end: LogPosition,
    /// When its newest record was written.
    pub newest_record_at: Option<Timestamp>,
}

impl Verb for Probe {
    type Answer = Answered<Probed>;
    const NAME: &'static str = "probe";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        granted!(tx.full_operator(&self.credential)?);
        tx.touch()?;
        Ok(Ok(Probed {
            now: tx.now,
            log_end: tx.rows.log_end()?,
            newest_record_at: tx.rows.newest_record_at()?,
        }))
    }
}

/// Signs the heads of a tenant's open chains into its register.
pub struct Checkpoint<'s> {
    /// Whose; `None` for the service's own chain.
    pub tenant: Option<Tenant>,
    /// The key that signs.
    pub kid: &'s str,
    /// Ed25519 over the bytes.
    pub sign: &'s (dyn Fn(&[u8]) -> [u8; 64] + Send + Sync),
}

impl Verb for Checkpoint<'_> {
    type Answer = ();
    const NAME: &'static str = "checkpoint";

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let heads: Vec<NamedHead> =
            tx.chain_heads(self.tenant)?.iter().map(Chain::named_head).collect();
        let (app_id, environment) =
            (self.tenant.map(|tenant| tenant.app_id), self.tenant.map(|tenant| tenant.environment));
        let message = checkpoint_message(app_id, environment, &heads, self.kid, tx.now)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let signature = URL_SAFE_NO_PAD.encode((self.sign)(message.as_bytes()));
        let details = CheckpointDetails { heads, kid: self.kid.to_owned(), signature };
        let details =
            Details::new(&details).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let mut entry = Entry::new(AuditEvent::Checkpoint, Actor::System).details(details);
        entry.tenant = self.tenant;
        tx.register(entry)?;
        tx.writer.unchecked.remove(&self.tenant);
        Ok(())
    }
}

/// Trims the log: what lies wholly before `before` goes, and each register says from where its
/// chains are kept. A slice of tenants at a time; the last slice drops the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// The first moment that is kept.
    pub before: Timestamp,
}

impl Verb for Trim {
    type Answer = More;
    const NAME: &'static str = "trim";

    fn run(&self, tx: &mut Tx<'_>) -> Result<More, StoreError> {
        let Some(oldest) = tx.rows.oldest_segment(self.before, SLICE)? else { return Ok(false) };
        let mut gone: BTreeMap<Option<Tenant>, Vec<Chain>> = BTreeMap::new();
        for (chain, tail) in oldest.last {
            gone.entry(chain.tenant).or_default().push(Chain { tail, ..chain.clone() });
            tx.keep_chain_after(chain, tail)?;
        }
        if oldest.is_rest {
            tx.rows.drop_oldest_segment()?;
        } else {
            gone.keys().try_for_each(|tenant| tx.rows.let_go_of_oldest_segment(*tenant))?;
        }
        for (tenant, chains) in gone {
            tx.record_trimmed(tenant, &chains)?;
        }
        Ok(true)
    }
}

/// Records that an operator accepted the clock. Run at the wall clock's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptClock {
    /// Who accepts it.
    pub credential: OperatorCredential,
}

impl Verb for AcceptClock {
    type Answer = Answered<Timestamp>;
    const NAME: &'static str = "accept_clock";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.full_operator(&self.credential)?);
        tx.record(Entry::new(AuditEvent::ClockAccepted, operator.actor()))?;
        Ok(Ok(tx.now))
    }
}

/// Lifts the suspension that a restore put on connections, a slice at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The operator.
    pub credential: OperatorCredential,
    /// Which.
    pub target: ResumeTarget,
    /// Only connections with ids below this one: where the last slice ended.
    pub before: Option<ConnectionId>,
    /// Where the call came from.
    pub origin: Origin,
}

/// Which connections are resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeTarget {
    /// One.
    Connection(ConnectionId),
    /// All of an app.
    App(AppId),
    /// All.
    All,
}

/// What a slice of [`Resume`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// How many connections are active again.
    pub count: u64,
    /// Where the next slice begins, if there is more to look at.
    pub next: Option<ConnectionId>,
}

impl Verb for Resume {
    type Answer = Answered<Resumed>;
    const NAME: &'static str = "resume";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.full_operator(&self.credential)?);
        let (connections, next) = match self.target {
            ResumeTarget::Connection(id) => match tx.rows.connection(id)? {
                Some(connection) => (vec![connection], None),
                None => return Ok(Err(Refusal::not_found("connection"))),
            },
            ResumeTarget::App(_) | ResumeTarget::All => {
                let app_id = match self.target {
                    ResumeTarget::App(id) => Some(granted!(tx.known_app(id)?).id),
                    _ => None,
                };
                let filter = crate::views::ConnectionFilter { app_id, ..Default::default() };
                let page = tx.rows.connections(&filter, self.before, SLICE)?;
                let next = page.last().filter(|_| page.len() == SLICE).map(|last| last.id);
                (page, next)
            }
        };
        let mut count = 0;
        for connection in connections.iter().filter(|connection| connection.suspended) {
            let Some(app) = tx.rows.app(connection.tenant.app_id)? else { continue };
            let last_used_at = tx.rows.activity(connection.id)?.last_used_at;
            if connection.standing(&app, last_used_at, tx.now) != Standing::Suspended {
                // it has ended meanwhile: nothing comes back to life, and nobody shall read so
                continue;
            }
            let resumed = Connection { suspended: false, ..connection.clone() };
            tx.save_connection(&app, Some(connection), &resumed)?;
            let entry = Entry::new(AuditEvent::ConnectionResumed, operator.actor())
                .about(connection)
                .origin(&self.origin);
            tx.record(entry)?;
            count += 1;
        }
        Ok(Ok(Resumed { count, next }))
    }
}
