//! One running transaction: a backend's rows, one `now`, and the writer's memory.
//!
//! A verb reads, decides through `agentadmit-core`, and writes, in this order. What every verb needs
//! is here: the caller's credential, the change of a connection with its counts, the audit record
//! with its chain.

use agentadmit_core::app::{App, DayUsage, Tenant};
use agentadmit_core::audit::chain::{self, ChainHead};
use agentadmit_core::audit::register::{AuditTrimmed, StoreRestored, TrimmedChain};
use agentadmit_core::clock::{Doubt, JUMP_LIMIT_MS, Reading};
use agentadmit_core::connection::{Connection, Status};
use agentadmit_core::plan;
use agentadmit_protocol::audit::{Actor, AuditEvent, AuditHash, AuditRecord, Details, Outcome};
use agentadmit_protocol::id::{ChainId, EventId};
use agentadmit_protocol::time::Timestamp;

use crate::maps::KeyMap;
use crate::record::{Entry, details};
use crate::store::StoreError;
use crate::verbs::plan_use::PlanUse;
use crate::views::{Chain, ChainKind, Rows};
use crate::writer::WriterState;

/// Records read at a time when an acceptance of the clock is looked for.
const LOOK: usize = 1_000;

/// One running transaction.
pub struct Tx<'a> {
    /// The rows. Reads see this transaction's own writes.
    pub rows: &'a mut dyn Rows,
    /// The one moment at which everything in this transaction happens.
    pub now: Timestamp,
    /// The monotonic clock, for rate limits.
    pub monotonic_ns: u64,
    /// The writer's memory.
    pub writer: &'a mut WriterState,
    /// How many nodes let calls through, this one included: each has its share of a rate.
    pub nodes: u32,
    /// What this transaction may still let through of a plan's limit, by tenant.
    pub(crate) plans: KeyMap<Tenant, PlanUse>,
    chains: KeyMap<Option<Tenant>, Chain>,
    registers: KeyMap<Option<Tenant>, Chain>,
    usage: KeyMap<Tenant, DayUsage>,
    /// Few at a time: there are few codes.
    refusals: Vec<(Tenant, String, u64)>,
    scratch: Vec<u8>,
}

impl<'a> Tx<'a> {
    /// Begins: reads the clock once and holds it against the newest record on disk. A jump that
    /// an operator has accepted elsewhere (`store accept-clock` beside a running service) is found
    /// in the log.
    ///
    /// # Errors
    /// [`StoreError::Clock`] when the clock is not believed.
    pub fn begin(
        rows: &'a mut dyn Rows,
        writer: &'a mut WriterState,
        reading: Reading,
    ) -> Result<Self, StoreError> {
        let floor = rows.newest_record_at()?;
        let now = believe(rows, writer, reading, floor)?;
        Ok(Self::at(rows, writer, now, reading.monotonic_ns))
    }

    /// As [`Tx::begin`] where an operator has accepted the clock and no record was written since:
    /// the newest record is no floor.
    ///
    /// # Errors
    /// [`StoreError::Clock`] when the clock has jumped again.
    pub fn begin_without_floor(
        rows: &'a mut dyn Rows,
        writer: &'a mut WriterState,
        reading: Reading,
    ) -> Result<Self, StoreError> {
        let now = believe(rows, writer, reading, None)?;
        Ok(Self::at(rows, writer, now, reading.monotonic_ns))
    }

    fn at(
        rows: &'a mut dyn Rows,
        writer: &'a mut WriterState,
        now: Timestamp,
        monotonic_ns: u64,
    ) -> Self {
        let nodes = rows.nodes().max(1);
        Self {
            rows,
            now,
            monotonic_ns,
            writer,
            nodes,
            plans: KeyMap::default(),
            chains: KeyMap::default(),
            registers: KeyMap::default(),
            usage: KeyMap::default(),
            refusals: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Hands over what was gathered: usage, refusals and chain heads, one row each. The backend commits after.
    ///
    /// # Errors
    /// The store's.
    pub fn finish(mut self) -> Result<(), StoreError> {
        let (day, month) = (plan::day(self.now), plan::month(self.now));
        for (tenant, plan) in std::mem::take(&mut self.plans) {
            if let Some(calls) = plan.lease_after() {
                self.rows.put_lease(tenant, month, calls)?;
            }
        }
        for (tenant, usage) in std::mem::take(&mut self.usage) {
            self.rows.add_usage(tenant, day, usage)?;
        }
        for (tenant, code, count) in std::mem::take(&mut self.refusals) {
            self.rows.add_refusals(tenant, day, &code, count)?;
        }
        for chain in self.chains.values().chain(self.registers.values()) {
            self.rows.move_chain(chain)?;
        }
        self.writer.remember_chains(self.chains, self.rows.log_end()?);
        Ok(())
    }

    /// Counts one call of a tenant.
    pub fn count_call(&mut self, tenant: Tenant, outcome: Outcome) {
        let usage = self.usage.entry(tenant).or_default();
        if outcome == Outcome::Allowed {
            usage.allowed += 1;
        } else {
            usage.refused += 1;
        }
    }

    /// Calls of a tenant that this transaction has let through so far.
    pub(crate) fn passed(&self, tenant: Tenant) -> u64 {
        self.usage.get(&tenant).map_or(0, |usage| usage.allowed)
    }

    /// Writes a connection's change and keeps the counts of its environment and scopes.
    ///
    /// # Errors
    /// The store's.
    pub fn save_connection(
        &mut self,
        app: &App,
        before: Option<&Connection>,
        after: &Connection,
    ) -> Result<(), StoreError> {
        let last_used_at = match before {
            Some(_) => self.rows.activity(after.id)?.last_used_at,
            None => None,
        };
        self.rows.put_connection(before, after, after.ends_at(app, last_used_at))?;
        let was = before.map(|connection| connection.status(app));
        let is = after.status(app);
        if was != Some(is) {
            if let Some(was) = was {
                self.rows.count_connections(after.tenant, was, -1)?;
            }
            self.rows.count_connections(after.tenant, is, 1)?;
        }
        let held = before.filter(|_| was.is_some_and(is_held)).map(|c| c.scopes.as_slice());
        let holds = is_held(is).then_some(after.scopes.as_slice());
        let (held, holds) = (held.unwrap_or_default(), holds.unwrap_or_default());
        for scope in held.iter().filter(|scope| !holds.contains(scope)) {
            self.rows.count_holders(after.tenant, scope.id, -1)?;
        }
        for scope in holds.iter().filter(|scope| !held.contains(scope)) {
            self.rows.count_holders(after.tenant, scope.id, 1)?;
        }
        Ok(())
    }

    /// Appends a record to this writer's chain of its tenant.
    ///
    /// # Errors
    /// The store's.
    pub fn record(&mut self, entry: Entry) -> Result<EventId, StoreError> {
        // searches leave out what these say cannot be
        debug_assert!(entry.outcome != Outcome::Refused || entry.event.may_refuse());
        debug_assert!(entry.reason.is_none() || entry.event.may_have_reason());
        if entry.event == AuditEvent::Refused {
            self.count_refusal(&entry);
        }
        let tenant = entry.tenant;
        let mut chain = match self.chains.remove(&tenant) {
            Some(chain) => chain,
            None => match self.writer.chain(tenant) {
                Some(known) => known.clone(),
                None => self.open_chain(tenant)?,
            },
        };
        let id = self.append(&mut chain, entry)?;
        self.chains.insert(tenant, chain);
        Ok(id)
    }

    fn count_refusal(&mut self, entry: &Entry) {
        let (Some(tenant), Some(code)) = (entry.tenant, &entry.reason) else { return };
        let count = u64::from(entry.count);
        match self.refusals.iter_mut().find(|(whose, what, _)| *whose == tenant && what == code) {
            Some((.., known)) => *known += count,
            None => self.refusals.push((tenant, code.clone(), count)),
        }
    }

    /// Appends a record to the register of its tenant.
    ///
    /// # Errors
    /// The store's.
    pub fn register(&mut self, entry: Entry) -> Result<EventId, StoreError> {
        let tenant = entry.tenant;
        let mut register = match self.registers.remove(&tenant) {
            Some(register) => register,
            None => match self.rows.register(tenant)? {
                Some(register) => register,
                None => self.new_chain(tenant, ChainKind::Register),
            },
        };
        let id = self.append(&mut register, entry)?;
        self.registers.insert(tenant, register);
        Ok(id)
    }

    /// Closes a chain: its register says where it ended. `chain` may be a dead writer's.
    ///
    /// # Errors
    /// The store's.
    pub fn close_chain(&mut self, mut chain: Chain) -> Result<(), StoreError> {
        if let Some(gathered) = self.chains.get(&chain.tenant)
            && gathered.id == chain.id
        {
            chain = gathered.clone();
            self.chains.remove(&chain.tenant);
        }
        chain.open = false;
        self.writer.chains.remove(&chain.tenant);
        self.rows.put_chain(&chain)?;
        let details = details([
            ("chain", chain.id.to_string().into()),
            ("last_seq", chain.head.seq.into()),
            ("last_hash", chain.head.hash.to_string().into()),
        ])?;
        let mut entry = Entry::new(AuditEvent::ChainClosed, Actor::System).details(details);
        entry.tenant = chain.tenant;
        self.register(entry)?;
        if chain.tail.seq > 0 && chain.tail.seq == chain.head.seq {
            // the register names a chain of which nothing is kept: it must also say so, and after
            // this, since an older record that does may be trimmed before this one
            self.record_trimmed(chain.tenant, &[chain])?;
        }
        Ok(())
    }

    /// What stands up to `tail` is no longer kept.
    ///
    /// # Errors
    /// The store's.
    pub fn keep_chain_after(
        &mut self,
        mut chain: Chain,
        tail: ChainHead,
    ) -> Result<(), StoreError> {
        for gathered in [self.chains.get_mut(&chain.tenant), self.registers.get_mut(&chain.tenant)]
        {
            if let Some(gathered) = gathered.filter(|gathered| gathered.id == chain.id) {
                gathered.tail = tail;
                return Ok(());
            }
        }
        chain.tail = tail;
        self.writer.chains.remove(&chain.tenant);
        self.rows.put_chain(&chain)
    }

    /// The heads of the open chains of a tenant, this transaction's records included.
    ///
    /// # Errors
    /// The store's.
    pub fn chain_heads(&mut self, tenant: Option<Tenant>) -> Result<Vec<Chain>, StoreError> {
        let mut chains = self.chains_of(tenant)?;
        chains.retain(|chain| chain.open);
        Ok(chains)
    }

    /// Says in a tenant's register where its chains begin now: every kept chain that no longer
    /// begins at 1 (an older record that said so may be trimmed itself), and those of `gone`, of
    /// which nothing is kept.
    ///
    /// # Errors
    /// The store's.
    pub fn record_trimmed(
        &mut self,
        tenant: Option<Tenant>,
        gone: &[Chain],
    ) -> Result<(), StoreError> {
        let mut chains = self.chains_of(tenant)?;
        chains.retain(|chain| chain.tail.seq > 0);
        for chain in gone {
            if !chains.iter().any(|kept| kept.id == chain.id) {
                chains.push(chain.clone());
            }
        }
        let chains = chains.iter().map(|chain| TrimmedChain {
            chain: chain.id,
            first_kept_seq: chain.tail.seq + 1,
            prev_hash: chain.tail.hash,
        });
        let trimmed = AuditTrimmed { chains: chains.collect() };
        let details =
            Details::new(&trimmed).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let mut entry = Entry::new(AuditEvent::AuditTrimmed, Actor::System).details(details);
        entry.tenant = tenant;
        self.register(entry)?;
        Ok(())
    }

    /// Says in a tenant's register where its chains ended in the backup that this store was restored
    /// from. The first record of a register after a restore; nothing where there is no register.
    ///
    /// # Errors
    /// The store's.
    pub fn record_restored(&mut self, tenant: Option<Tenant>) -> Result<(), StoreError> {
        let chains = self.chain_heads(tenant)?;
        if !chains.iter().any(|chain| chain.kind == ChainKind::Register) {
            return Ok(());
        }
        let heads = chains.iter().map(Chain::named_head).collect();
        let details = Details::new(&StoreRestored { heads })
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let mut entry = Entry::new(AuditEvent::StoreRestored, Actor::System).details(details);
        entry.tenant = tenant;
        self.register(entry)?;
        Ok(())
    }

    fn chains_of(&mut self, tenant: Option<Tenant>) -> Result<Vec<Chain>, StoreError> {
        let mut chains = self.rows.chains(tenant)?;
        let gathered = [self.chains.get(&tenant), self.registers.get(&tenant)];
        for gathered in gathered.into_iter().flatten() {
            match chains.iter_mut().find(|chain| chain.id == gathered.id) {
                Some(chain) => *chain = gathered.clone(),
                None => chains.push(gathered.clone()),
            }
        }
        chains.sort_by_key(|chain| chain.id);
        Ok(chains)
    }

    fn open_chain(&mut self, tenant: Option<Tenant>) -> Result<Chain, StoreError> {
        let writer = self.writer.writer;
        if let Some(chain) = self.rows.writer_chain(tenant, writer)? {
            return Ok(chain);
        }
        let chain = self.new_chain(tenant, ChainKind::Writer { writer });
        let details = details([
            ("chain", chain.id.to_string().into()),
            ("writer", writer.to_string().into()),
        ])?;
        let mut entry = Entry::new(AuditEvent::ChainOpened, Actor::System).details(details);
        entry.tenant = tenant;
        self.register(entry)?;
        Ok(chain)
    }

    fn new_chain(&mut self, tenant: Option<Tenant>, kind: ChainKind) -> Chain {
        let id = ChainId::v7(self.now, self.writer.random_id());
        Chain { id, tenant, kind, tail: ChainHead::START, head: ChainHead::START, open: true }
    }

    fn append(&mut self, chain: &mut Chain, entry: Entry) -> Result<EventId, StoreError> {
        let id = EventId::v7(self.now, self.writer.random_id());
        let mut record = AuditRecord {
            id,
            chain: chain.id,
            seq: 0,
            occurred_at: self.now,
            app_id: entry.tenant.map(|tenant| tenant.app_id),
            environment: entry.tenant.map(|tenant| tenant.environment),
            event: entry.event,
            connection_id: entry.connection_id,
            user_id: entry.user_id,
            agent_label: entry.agent_label,
            agent_ip: entry.origin.agent_ip,
            scope: entry.scope,
            endpoint: entry.origin.endpoint,
            method: entry.origin.method,
            outcome: entry.outcome,
            reason: entry.reason,
            actor: entry.actor,
            on_behalf_of: entry.origin.on_behalf_of,
            request_id: entry.origin.request_id,
            count: entry.count,
            details: entry.details,
            prev_hash: AuditHash::ZERO,
            hash: AuditHash::ZERO,
        };
        chain.head = chain::seal(&mut record, &chain.head, &mut self.scratch);
        self.rows.append(&record)?;
        self.writer.unchecked.insert(entry.tenant);
        Ok(id)
    }
}

/// The time to decide by, if the clock is believed or an operator has accepted it.
fn believe(
    rows: &mut dyn Rows,
    writer: &mut WriterState,
    reading: Reading,
    floor: Option<Timestamp>,
) -> Result<Timestamp, StoreError> {
    writer.committed();
    let now = match writer.clock.now(reading, floor) {
        Err(Doubt::Jumped { .. }) if was_accepted(rows, writer, reading)? => {
            writer.clock.accept();
            writer.clock.now(reading, floor)?
        }
        believed_or_not => believed_or_not?,
    };
    let end = rows.log_end()?;
    writer.seen_to = Some(end);
    writer.hold_chains_against(end);
    Ok(now)
}

/// Whether an operator accepted this clock since this writer last believed it: a record of it that
/// was written after all that the writer has seen, at about the time that the clock shows now.
fn was_accepted(
    rows: &mut dyn Rows,
    writer: &mut WriterState,
    reading: Reading,
) -> Result<bool, StoreError> {
    let end = rows.log_end()?;
    let mut after = writer.seen_to.replace(end).unwrap_or(end);
    loop {
        let slice = rows.log(None, after, end, LOOK)?;
        let is_of_this_clock = |record: &AuditRecord| {
            let apart_ms = reading.wall.millis_since(record.occurred_at).saturating_abs();
            record.event == AuditEvent::ClockAccepted && apart_ms <= JUMP_LIMIT_MS
        };
        if slice.records.iter().any(is_of_this_clock) {
            return Ok(true);
        }
        match slice.next {
            Some(next) => after = next,
            None => return Ok(false),
        }
    }
}

fn is_held(status: Status) -> bool {
    matches!(status, Status::Pending | Status::Active)
}
