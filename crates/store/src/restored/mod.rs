//! Making a store that was brought back from a backup harmless, whatever brought it back.
//!
//! A backup does not know what has ended since. So in the restored store
//! - connection tokens that were pending are dead;
//! - sessions of the consent page and of the dashboard are gone, and links that let developers in;
//! - connections that were active are suspended until an operator lifts it, unless
//!   they are to be kept;
//! - whatever the former store knows as ended or narrowed stays so, where it can still be read:
//!   API keys, operators, public keys, apps, connections, scopes, accounts, members;
//! - every register says where its chains ended in the backup (`store_restored`), so that a newer
//!   checkpoint that somebody kept is understood;
//! - a record `store_restored` with the counts begins a new chain of the service's own.

mod former;

use agentadmit_core::app::Tenant;
use agentadmit_core::connection::{Connection, State};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::time::Timestamp;

pub use self::former::Former;
use crate::record::{Entry, details};
use crate::store::{Store, StoreError};
use crate::tx::Tx;
use crate::views::ConnectionFilter;

/// Connections per transaction.
const SLICE: usize = 500;
/// Apps per transaction.
const APPS: usize = 50;

/// What became of the backup's contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disarmed {
    /// Connections that were pending: their tokens are dead.
    pub expired: u64,
    /// Connections that were active and wait for an operator.
    pub suspended: u64,
    /// Connections that were active and stay so.
    pub kept: u64,
    /// Connections that the former store knows as ended.
    pub ended: u64,
    /// API keys and operator tokens that the former store knows as dead.
    pub credentials_ended: u64,
    /// Whether the store that was there could be read; `None` when there was none.
    pub former_was_read: Option<bool>,
}

/// Makes a restored store harmless, before a service is started on it.
///
/// It may be broken off and begun again: what was done stays done.
///
/// # Errors
/// [`StoreError`]: it is not harmless yet, and no service may be started on it.
pub fn disarm(
    restored: &dyn Store,
    former: &Former<'_>,
    keep_connections: bool,
) -> Result<Disarmed, StoreError> {
    let mut report = Disarmed { former_was_read: former.was_read(), ..Disarmed::default() };
    let mut before = None;
    loop {
        let mut page = Page::default();
        restored.transaction("restore", &mut |tx| {
            page = disarm_page(tx, former, before, keep_connections)?;
            Ok(())
        })?;
        report.expired += page.expired;
        report.suspended += page.suspended;
        report.kept += page.kept;
        report.ended += page.ended;
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    forget_sessions(restored)?;
    tell_registers(restored)?;
    restored.transaction("restore", &mut |tx| {
        report.credentials_ended = former.end_credentials(tx)?;
        tx.record(store_restored(&report)?)?;
        Ok(())
    })?;
    Ok(report)
}

/// Forgets every session of the consent page and of the dashboard, every sign-in code, every challenge,
/// and every link: one that was decided, ended or used since would be open again.
fn forget_sessions(restored: &dyn Store) -> Result<(), StoreError> {
    let for_ever = Timestamp::from_millis(i64::MAX);
    let mut is_rest = false;
    while !is_rest {
        restored.transaction("restore", &mut |tx| {
            let asked = tx.rows.forget_consent_sessions(for_ever, SLICE)?;
            let links = tx.rows.forget_invites(for_ever, SLICE)?;
            let challenges = tx.rows.forget_challenges(for_ever, SLICE)?;
            let signed_in = tx.rows.forget_sessions(for_ever, SLICE)?;
            let oauth = tx.rows.forget_oauth(for_ever, SLICE)?;
            let most = asked.max(links).max(challenges).max(signed_in).max(oauth);
            is_rest = most < SLICE as u64;
            Ok(())
        })?;
    }
    Ok(())
}

/// Says in every register where the backup ended: what somebody keeps elsewhere may be newer.
fn tell_registers(restored: &dyn Store) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let mut last = None;
        restored.transaction("restore", &mut |tx| {
            let apps = tx.rows.apps(after, APPS)?;
            for app in &apps {
                for environment in Environment::ALL {
                    tx.record_restored(Some(Tenant::new(app.id, *environment)))?;
                }
            }
            last = apps.last().map(|app| app.id);
            Ok(())
        })?;
        if last.is_none() {
            return restored.transaction("restore", &mut |tx| tx.record_restored(None));
        }
        after = last;
    }
}

#[derive(Debug, Default)]
struct Page {
    expired: u64,
    suspended: u64,
    kept: u64,
    ended: u64,
    next: Option<ConnectionId>,
}

fn disarm_page(
    tx: &mut Tx<'_>,
    former: &Former<'_>,
    before: Option<ConnectionId>,
    keep: bool,
) -> Result<Page, StoreError> {
    let connections = tx.rows.connections(&ConnectionFilter::default(), before, SLICE)?;
    let next = connections.last().map(|last| last.id).filter(|_| connections.len() == SLICE);
    let mut page = Page { next, ..Page::default() };
    for connection in connections.iter().filter(|connection| !connection.has_ended()) {
        let missing = || StoreError::Corrupt(format!("{} has no app", connection.id));
        let app = tx.rows.app(connection.tenant.app_id)?.ok_or_else(missing)?;
        let known = former.connection(&app, connection, tx.now)?;
        let after = match known {
            ended if ended.has_ended() => {
                page.ended += 1;
                ended
            }
            pending if matches!(pending.state, State::Pending) => {
                page.expired += 1;
                pending.expired(tx.now)
            }
            active if keep => {
                page.kept += 1;
                active
            }
            active => {
                page.suspended += 1;
                Connection { suspended: true, ..active }
            }
        };
        if after != *connection {
            tx.save_connection(&app, Some(connection), &after)?;
        }
    }
    Ok(page)
}

fn store_restored(report: &Disarmed) -> Result<Entry, StoreError> {
    let details = details([
        ("connections_expired", report.expired.into()),
        ("connections_suspended", report.suspended.into()),
        ("connections_kept", report.kept.into()),
        ("connections_ended", report.ended.into()),
        ("credentials_ended", report.credentials_ended.into()),
        ("current_store_was_read", report.former_was_read.into()),
    ])?;
    Ok(Entry::new(AuditEvent::StoreRestored, Actor::System).details(details))
}
