//! The trait that opens transactions, and what can go wrong in one.

use std::time::Duration;

use agentadmit_core::clock::Doubt;
use agentadmit_protocol::secret::SecretHash;

use crate::tx::Tx;
use crate::verbs::Verb;
use crate::views::Views;

/// The store could not find out or do what was asked. Never a refusal: those are answers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; what was asked has not happened.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The store cannot be reached, is locked, or failed to write; what was asked has not happened.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A row says what no row may say. Points at damage or a defect.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The clock is not believed, so nothing that depends on time can be decided.
    #[error(transparent)]
    Clock(#[from] Doubt),
}

/// Where one transaction's work happens. It may be run more than once (after a rollback), so what
/// it puts into its captures is final only when the transaction returned.
pub type Work<'w> = &'w mut dyn FnMut(&mut Tx<'_>) -> Result<(), StoreError>;

/// What one reading does. It may be run more than once.
pub type Reading<'w> = &'w mut dyn FnMut(&mut dyn Views) -> Result<(), StoreError>;

/// What the verbs of a transaction will look up, as far as they say so beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// An API key, and the access token that is looked up for it, if one is.
    pub calls: Vec<(SecretHash, Option<SecretHash>)>,
}

/// A database. All methods block: call them where blocking is fine.
pub trait Store: Send + Sync + 'static {
    /// Runs `work` in one transaction and returns when it is committed and flushed.
    ///
    /// `name` is for metrics and logs.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of `work` has happened.
    fn transaction(&self, name: &'static str, work: Work<'_>) -> Result<(), StoreError>;

    /// Whether this store uses what is foreseen; else nobody need gather it.
    fn looks_ahead(&self) -> bool {
        false
    }

    /// As [`Store::transaction`], with what `work` will look up: a store that is far away fetches
    /// that in one go. What is not foreseen is found all the same.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of `work` has happened.
    fn transaction_ahead(
        &self,
        name: &'static str,
        _foreseen: &Foreseen,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        self.transaction(name, work)
    }

    /// How many transactions can be under way at the same moment, each with memory of its own
    /// ([`crate::WriterState`]): the writers, numbered from 0.
    fn writers(&self) -> usize {
        1
    }

    /// As [`Store::transaction_ahead`], by one writer: what it counts in memory goes on where the same
    /// one counted before.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of `work` has happened.
    fn transaction_on(
        &self,
        _writer: usize,
        name: &'static str,
        foreseen: &Foreseen,
        work: Work<'_>,
    ) -> Result<(), StoreError> {
        self.transaction_ahead(name, foreseen, work)
    }

    /// Runs `reading` on one consistent snapshot, which includes every transaction that returned
    /// before this call.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was found out.
    fn snapshot(&self, name: &'static str, reading: Reading<'_>) -> Result<(), StoreError>;

    /// Does a slice of the work that nobody waits for: folding activity into connections, closing
    /// log segments, building their index, dropping those past retention. Returns before `budget`
    /// is much overdrawn.
    ///
    /// # Errors
    /// [`StoreError`]: the slice has not happened; the next call tries again.
    fn maintain(&self, budget: Duration) -> Result<MaintenanceReport, StoreError>;

    /// Moves what was written lately to where it stays, while others write. Somebody calls this about
    /// twice a second on a thread of their own; where nobody does, [`Store::maintain`] does it.
    ///
    /// # Errors
    /// [`StoreError`]: what was written is where it was, and the next call tries again.
    fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Why nothing could be written now, in words for whoever asks whether the service is ready; `None`
    /// where nothing is known to be in the way. A store whose reads say that already knows of nothing
    /// else.
    fn obstacle(&self) -> Option<&'static str> {
        None
    }

    /// Bytes that can still be written where the store lies; `None` where that cannot be said.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    /// Gives back the room that is kept for revocations on a full disk; whether there was any.
    fn free_reserve(&self) -> bool {
        false
    }

    /// Keeps that room again. `true` when it is kept and there is room beside it.
    fn keep_reserve(&self) -> bool {
        true
    }

    /// Says how the store stands with its clock, and lets an operator accept it.
    fn clock(&self) -> &dyn ClockControl;
}

/// The clock's state, as `readyz` shows it.
pub trait ClockControl: Send + Sync {
    /// Why the clock is not believed now, if it is not.
    fn doubt(&self) -> Option<Doubt>;
    /// An operator says that the wall clock is right: jumps are forgotten, and the floor of the
    /// newest record is lifted until the next record.
    fn accept(&self);
}

/// What a slice of maintenance did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Rows that were written or deleted.
    pub rows: u64,
    /// Whether there is more to do now.
    pub more: bool,
}

/// Runs one verb in a transaction of its own.
///
/// # Errors
/// [`StoreError`]: the verb has not happened.
pub fn write<V: Verb>(store: &dyn Store, verb: &V) -> Result<V::Answer, StoreError> {
    write_by(store, None, verb)
}

/// As [`write()`], by one writer.
///
/// # Errors
/// [`StoreError`]: the verb has not happened.
pub fn write_on<V: Verb>(
    store: &dyn Store,
    writer: usize,
    verb: &V,
) -> Result<V::Answer, StoreError> {
    write_by(store, Some(writer), verb)
}

fn write_by<V: Verb>(
    store: &dyn Store,
    writer: Option<usize>,
    verb: &V,
) -> Result<V::Answer, StoreError> {
    let (mut answer, mut foreseen) = (None, Foreseen::default());
    if store.looks_ahead() {
        verb.foresee(&mut foreseen);
    }
    let mut work = |tx: &mut Tx<'_>| {
        answer = Some(verb.run(tx)?);
        Ok(())
    };
    match writer {
        None => store.transaction_ahead(V::NAME, &foreseen, &mut work)?,
        Some(writer) => store.transaction_on(writer, V::NAME, &foreseen, &mut work)?,
    }
    answer.ok_or_else(|| StoreError::Corrupt(format!("{} was never run", V::NAME)))
}

/// Reads something from one snapshot.
///
/// # Errors
/// [`StoreError`]: nothing was found out.
pub fn read<R>(
    store: &dyn Store,
    name: &'static str,
    reading: impl Fn(&mut dyn Views) -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    let mut answer = None;
    store.snapshot(name, &mut |views| {
        answer = Some(reading(views)?);
        Ok(())
    })?;
    answer.ok_or_else(|| StoreError::Corrupt(format!("{name} was never read")))
}
