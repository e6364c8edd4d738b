//! The work that nobody waits for, in slices between batches.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::app::Tenant;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::clock::Clock;
use agentadmit_store::verbs::upkeep::{Checkpoint, ExpireDue, FlushRefusals, Trim};
use agentadmit_store::{Foreseen, Store, StoreError, write_on};

use crate::keyring::Keyring;

/// A slice that has taken this long is the last one before the next batch, so that no verify waits
/// for long (ARCHITECTURE, segments).
const SLICE: Duration = Duration::from_millis(1);
/// Between two looks when there was nothing to do.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two slices when there is more to do.
const NEXT_SLICE: Duration = Duration::from_millis(1);
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// Everything of upkeep, in turn. Each call of [`Upkeep::slice`] does one piece.
///
/// Every writer writes what it has counted in memory; the first one does all else.
pub(crate) struct Upkeep {
    writer: usize,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    retention: Option<Duration>,
    turn: Turn,
    /// The hour whose checkpoints were begun.
    checked_hour: Option<i64>,
    flushed_minute: Option<i64>,
    unchecked: Vec<Option<Tenant>>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Expire,
    Refusals,
    Checkpoints,
    Trim,
    Store,
}

impl Turn {
    fn next(self) -> Self {
        match self {
            Self::Expire => Self::Refusals,
            Self::Refusals => Self::Checkpoints,
            Self::Checkpoints => Self::Trim,
            Self::Trim => Self::Store,
            Self::Store => Self::Expire,
        }
    }
}

impl Upkeep {
    pub(crate) fn new(
        writer: usize,
        clock: Arc<dyn Clock>,
        keyring: Arc<Keyring>,
        retention: Option<Duration>,
    ) -> Self {
        Self {
            writer,
            clock,
            keyring,
            retention,
            turn: Turn::Expire,
            checked_hour: None,
            flushed_minute: None,
            unchecked: Vec::new(),
        }
    }

    /// One piece; says when the next one is due. A failure is logged and tried again in its turn.
    pub(crate) fn slice(&mut self, store: &dyn Store) -> Duration {
        let turn = self.turn;
        let more = match self.piece(turn, store) {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, ?turn, "upkeep failed and will be tried again");
                false
            }
        };
        if more {
            return NEXT_SLICE;
        }
        self.turn = turn.next();
        if self.turn == Turn::Expire { PAUSE } else { Duration::ZERO }
    }

    fn piece(&mut self, turn: Turn, store: &dyn Store) -> Result<bool, StoreError> {
        let now = self.clock.read().wall;
        match turn {
            Turn::Expire | Turn::Trim | Turn::Store if self.writer > 0 => Ok(false),
            Turn::Expire => write_on(store, self.writer, &ExpireDue),
            Turn::Refusals => self.flush_refusals(store, now),
            Turn::Checkpoints => self.checkpoint(store, now),
            Turn::Trim => match self.retention {
                None => Ok(false),
                Some(kept) => {
                    let kept_ms = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
                    let before = Timestamp::from_millis(now.as_millis().saturating_sub(kept_ms));
                    let trimmed = write_on(store, self.writer, &Trim { before })?;
                    if trimmed {
                        // sign what the registers say of the trim without waiting for the hour
                        self.checked_hour = self.checked_hour.map(|_| i64::MIN);
                    }
                    Ok(trimmed)
                }
            },
            Turn::Store => Ok(store.maintain(SLICE)?.more),
        }
    }

    /// Once a minute.
    fn flush_refusals(&mut self, store: &dyn Store, now: Timestamp) -> Result<bool, StoreError> {
        let minute = now.as_millis().div_euclid(MINUTE_MS);
        if self.flushed_minute != Some(minute) {
            write_on(store, self.writer, &FlushRefusals { all: false })?;
            self.flushed_minute = Some(minute);
        }
        Ok(false)
    }

    /// Once an hour, for every tenant with records since its last one; one tenant a slice.
    fn checkpoint(&mut self, store: &dyn Store, now: Timestamp) -> Result<bool, StoreError> {
        let hour = now.as_millis().div_euclid(HOUR_MS);
        match self.checked_hour {
            // the first checkpoint comes with the next full hour
            None => self.checked_hour = Some(hour),
            Some(checked) if checked != hour => {
                let mut unchecked = Vec::new();
                store.transaction_on(
                    self.writer,
                    "unchecked",
                    &Foreseen::default(),
                    &mut |tx| {
                        unchecked = tx.writer.unchecked.iter().copied().collect();
                        Ok(())
                    },
                )?;
                self.unchecked = unchecked;
                self.checked_hour = Some(hour);
            }
            Some(_) => {}
        }
        let Some(tenant) = self.unchecked.pop() else { return Ok(false) };
        let keyring = &*self.keyring;
        let sign = |message: &[u8]| keyring.sign(message);
        let checkpoint = Checkpoint { tenant, kid: keyring.kid(), sign: &sign };
        if let Err(error) = write_on(store, self.writer, &checkpoint) {
            // it comes last next time, so that one tenant's trouble does not keep all from theirs
            self.unchecked.insert(0, tenant);
            return Err(error);
        }
        Ok(!self.unchecked.is_empty())
    }
}
