//! Refusals that concern no live connection are counted, not each recorded (PROTOCOL, verify).
//!
//! The first of a key (of a connection, where there is one) and reason in a minute has its own
//! record; the others of that minute share one record with `count`. So junk cannot flood the log.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use agentadmit_core::app::Tenant;
use agentadmit_protocol::error::InvalidTokenReason;
use agentadmit_protocol::id::{ConnectionId, KeyId};
use agentadmit_protocol::time::Timestamp;

/// Most connections with a window of their own at a time; those beyond share their key's window.
const MAX_CONNECTION_WINDOWS: usize = 4_096;
/// Most connections of one key with a window of their own at a time.
const MAX_CONNECTION_WINDOWS_PER_KEY: usize = 4;
const MINUTE_MS: i64 = 60_000;

/// What the refusals of one window have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WindowKey {
    /// The app and environment of the key.
    pub tenant: Tenant,
    /// The key that asked.
    pub key: KeyId,
    /// The connection that the token had opened, if it is known.
    pub connection: Option<ConnectionId>,
    /// Why the token was refused.
    pub reason: InvalidTokenReason,
}

/// The refusals of a window that have no record yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// What they have in common.
    pub key: WindowKey,
    /// How many.
    pub count: u32,
}

/// What to write about one refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The refusals of the window before, which now get their record.
    pub former: Option<Counted>,
    /// The window that this refusal belongs to, if it is its first and so gets a record.
    pub first: Option<WindowKey>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    minute: i64,
    unrecorded: u32,
}

/// The open windows of one writer.
#[derive(Debug, Default)]
pub struct RefusalWindows {
    windows: HashMap<WindowKey, Window>,
    of_connections: HashMap<KeyId, usize>,
    connection_windows: usize,
}

impl RefusalWindows {
    /// Notes one refusal.
    pub fn note(&mut self, key: WindowKey, now: Timestamp) -> Noted {
        let key = self.fold_into_key(key);
        let minute = now.as_millis().div_euclid(MINUTE_MS);
        match self.windows.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Window { minute, unrecorded: 0 });
                if key.connection.is_some() {
                    *self.of_connections.entry(key.key).or_default() += 1;
                    self.connection_windows += 1;
                }
                Noted { former: None, first: Some(key) }
            }
            Entry::Occupied(mut occupied) => {
                let window = occupied.get_mut();
                if window.minute == minute {
                    window.unrecorded = window.unrecorded.saturating_add(1);
                    return Noted { former: None, first: None };
                }
                let former = counted(key, window.unrecorded);
                *window = Window { minute, unrecorded: 0 };
                Noted { former, first: Some(key) }
            }
        }
    }

    /// Closes the windows of past minutes and hands out what they counted.
    pub fn close_past(&mut self, now: Timestamp) -> Vec<Counted> {
        let minute = now.as_millis().div_euclid(MINUTE_MS);
        self.close(|window| window.minute != minute)
    }

    /// Closes all windows and hands out what they counted.
    pub fn close_all(&mut self) -> Vec<Counted> {
        self.close(|_| true)
    }

    /// Forgets everything: after a rollback nobody knows which first record was lost, so each
    /// window begins again with one.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether there is nothing to close.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    fn fold_into_key(&self, key: WindowKey) -> WindowKey {
        let has_own = key.connection.is_none() || self.windows.contains_key(&key);
        let of_key = self.of_connections.get(&key.key).copied().unwrap_or(0);
        let room = self.connection_windows < MAX_CONNECTION_WINDOWS
            && of_key < MAX_CONNECTION_WINDOWS_PER_KEY;
        if has_own || room { key } else { WindowKey { connection: None, ..key } }
    }

    fn close(&mut self, is_over: impl Fn(&Window) -> bool) -> Vec<Counted> {
        let mut closed = Vec::new();
        self.windows.retain(|key, window| {
            if !is_over(window) {
                return true;
            }
            closed.extend(counted(*key, window.unrecorded));
            false
        });
        // a map has no order; the log has one
        closed.sort_unstable_by_key(|Counted { key, .. }| {
            (key.tenant, key.key, key.connection, key.reason.as_str())
        });
        self.of_connections.clear();
        self.connection_windows = 0;
        for key in self.windows.keys().filter(|key| key.connection.is_some()) {
            *self.of_connections.entry(key.key).or_default() += 1;
            self.connection_windows += 1;
        }
        closed
    }
}

fn counted(key: WindowKey, count: u32) -> Option<Counted> {
    (count > 0).then_some(Counted { key, count })
}

#[cfg(test)]
mod tests {
    use agentadmit_protocol::environment::Environment;
    use agentadmit_protocol::id::AppId;

    use super::*;

    fn key(connection: Option<u8>) -> WindowKey {
        WindowKey {
            tenant: Tenant::new(AppId::from_bytes([1; 16]), Environment::Live),
            key: KeyId::from_bytes([2; 16]),
            connection: connection.map(|byte| ConnectionId::from_bytes([byte; 16])),
            reason: InvalidTokenReason::Revoked,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_minute_of_junk_is_two_records() {
        let mut windows = RefusalWindows::default();
        assert_eq!(windows.note(key(None), at(0)), Noted { former: None, first: Some(key(None)) });
        for _ in 0..1_000_000 {
            assert_eq!(windows.note(key(None), at(59)), Noted { former: None, first: None });
        }
        let noted = windows.note(key(None), at(60));
        assert_eq!(noted.former, Some(Counted { key: key(None), count: 1_000_000 }));
        assert_eq!(noted.first, Some(key(None)));
    }

    #[test]
    fn past_windows_are_closed_and_the_present_one_stays() {
        let mut windows = RefusalWindows::default();
        windows.note(key(None), at(0));
        windows.note(key(None), at(1));
        windows.note(key(Some(7)), at(60));
        assert_eq!(windows.close_past(at(61)), vec![Counted { key: key(None), count: 1 }]);
        assert!(!windows.is_empty());
        assert_eq!(windows.close_all(), vec![]);
        assert!(windows.is_empty());
    }

    #[test]
    fn many_dead_connections_of_a_key_share_its_window() {
        let mut windows = RefusalWindows::default();
        let records = (0..200).filter(|byte| windows.note(key(Some(*byte)), at(0)).first.is_some());
        assert_eq!(records.count(), MAX_CONNECTION_WINDOWS_PER_KEY + 1);
        let counted: u32 = windows.close_all().iter().map(|counted| counted.count).sum();
        assert_eq!(counted, 200 - 5);
    }
}
