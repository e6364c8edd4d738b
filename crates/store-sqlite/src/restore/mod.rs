//! Putting a backup in the place of a store, without bringing anything back to life unseen.
//!
//! The backup is copied beside the store, checked, brought to this version's schema, and made
//! harmless there; only then does it take the store's place, and the store that was there stays
//! beside it. In the restored store
//! - connection tokens that were pending are dead;
//! - connections that were active are suspended until an operator lifts it, unless
//!   [`RestoreOptions::keep_connections`] says otherwise;
//! - whatever the current store knows as ended or narrowed stays so, where it can still be read:
//!   API keys, operators, public keys, apps, connections, scopes;
//! - every register says where its chains ended in the backup (`store_restored`), so that a newer
//!   checkpoint that somebody kept is understood;
//! - a record `store_restored` with the counts begins a new chain of the service's own.

mod current;
mod swap;

use std::path::{Path, PathBuf};

use agentadmit_core::app::Tenant;
use agentadmit_core::connection::{Connection, State};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_store::record::{Entry, details};
use agentadmit_store::views::ConnectionFilter;
use agentadmit_store::{Store, StoreError, Tx};
use rusqlite::OpenFlags;

use crate::backup::new_file;
use crate::connect;
use crate::error::OpenError;
use crate::lock::{StoreLock, beside};
use crate::migrations;
use crate::options::{Access, StoreOptions};
use crate::soundness;
use crate::store::SqliteStore;
use current::Current;

/// Connections per transaction.
const SLICE: usize = 500;
/// Apps per transaction.
const APPS: usize = 50;

/// How a backup is restored.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The settings of the store.
    pub store: StoreOptions,
    /// Active connections stay active.
    pub keep_connections: bool,
}

/// What became of the backup's contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Connections that were pending: their tokens are dead.
    pub expired: u64,
    /// Connections that were active and wait for an operator.
    pub suspended: u64,
    /// Connections that were active and stay so.
    pub kept: u64,
    /// Connections that the current store knows as ended.
    pub ended: u64,
    /// API keys and operator tokens that the current store knows as dead.
    pub credentials_ended: u64,
    /// Whether the store that was there could be read; `None` when there was none.
    pub current_was_read: Option<bool>,
    /// Where the store that was there is now.
    pub kept_as: Option<PathBuf>,
}

/// Puts the backup `from` in the place of the store `to`.
///
/// # Errors
/// [`OpenError`]: the store is as it was.
pub fn restore(
    from: &Path,
    to: &Path,
    options: &RestoreOptions,
) -> Result<RestoreReport, OpenError> {
    if !from.exists() {
        return Err(OpenError::Missing(from.to_owned()));
    }
    let _alone = StoreLock::alone(to)?;
    let beside = beside(to, "restoring");
    let current = crate::lock::beside(to, "restoring-from");
    swap::remove_database(&beside)?;
    swap::remove_database(&current)?;
    let done = copy(from, &beside, &options.store)
        .and_then(|()| disarm(&beside, to, &current, options))
        .and_then(|report| {
            let now = options.store.clock.read().wall;
            let kept_as = swap::replace(&beside, to, now)?;
            Ok(RestoreReport { kept_as, ..report })
        });
    let _ = swap::remove_database(&current);
    if done.is_err() {
        let _ = swap::remove_database(&beside);
    }
    done
}

/// Copies a store that nobody writes to, checks it, and brings the copy to this version's schema.
fn copy(from: &Path, to: &Path, options: &StoreOptions) -> Result<(), OpenError> {
    let source = connect::raw(from, options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connect::check_type(&source, from)?;
    migrations::schema(&source)?;
    let mut copy = new_file(to)?;
    rusqlite::backup::Backup::new(&source, &mut copy)?.step(-1)?;
    migrations::migrate(&mut copy, options.clock.read().wall)?;
    soundness::check(&copy, "the backup")?;
    Ok(())
}

/// Makes the copy harmless. `scratch` is where a copy of the store may be made.
fn disarm(
    copy: &Path,
    store: &Path,
    scratch: &Path,
    options: &RestoreOptions,
) -> Result<RestoreReport, OpenError> {
    let current = Current::open(store, scratch, &options.store);
    let restored =
        SqliteStore::open_locked(copy.to_owned(), options.store.clone(), Access::Command, None)?;
    let mut report =
        RestoreReport { current_was_read: current.was_read(), ..RestoreReport::default() };
    let mut before = None;
    loop {
        let mut page = Page::default();
        restored.transaction("restore", &mut |tx| {
            page = disarm_page(tx, &current, before, options.keep_connections)?;
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
    tell_registers(&restored)?;
    restored.transaction("restore", &mut |tx| {
        report.credentials_ended = current.end_credentials(tx)?;
        tx.record(store_restored(&report)?)?;
        Ok(())
    })?;
    drop(restored);
    let copy_path = copy;
    let copy = connect::raw(copy, &options.store, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    copy.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    soundness::check(&copy, "the restored store")?;
    drop(copy);
    crate::backup::sync_file(copy_path)?;
    Ok(report)
}

/// Says in every register where the backup ended: what somebody keeps elsewhere may be newer.
fn tell_registers(restored: &SqliteStore) -> Result<(), StoreError> {
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
    current: &Current,
    before: Option<ConnectionId>,
    keep: bool,
) -> Result<Page, StoreError> {
    let connections = tx.rows.connections(&ConnectionFilter::default(), before, SLICE)?;
    let next = connections.last().map(|last| last.id).filter(|_| connections.len() == SLICE);
    let mut page = Page { next, ..Page::default() };
    for connection in connections.iter().filter(|connection| !connection.has_ended()) {
        let missing = || StoreError::Corrupt(format!("{} has no app", connection.id));
        let app = tx.rows.app(connection.tenant.app_id)?.ok_or_else(missing)?;
        let known = current.connection(&app, connection, tx.now)?;
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

fn store_restored(report: &RestoreReport) -> Result<Entry, StoreError> {
    let details = details([
        ("connections_expired", report.expired.into()),
        ("connections_suspended", report.suspended.into()),
        ("connections_kept", report.kept.into()),
        ("connections_ended", report.ended.into()),
        ("credentials_ended", report.credentials_ended.into()),
        ("current_store_was_read", report.current_was_read.into()),
    ])?;
    Ok(Entry::new(AuditEvent::StoreRestored, Actor::System).details(details))
}
