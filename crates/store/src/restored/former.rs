//! What the store that was there before knows: it is the newer truth about everything that ended.

use agentadmit_core::account::{Account, Member};
use agentadmit_core::app::{App, EnvironmentState, Tenant};
use agentadmit_core::connection::{Connection, State};
use agentadmit_core::credential::{ApiKey, Operator};
use agentadmit_core::passkey::Passkey;
use agentadmit_protocol::account::Role;
use agentadmit_protocol::audit::Actor;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AccountId, AppId};
use agentadmit_protocol::time::Timestamp;

use crate::store::{Store, StoreError, read};
use crate::tx::Tx;

/// Apps read at a time.
const PAGE: usize = 100;

/// The store that was there before the backup took its place.
#[derive(Clone, Copy)]
pub enum Former<'a> {
    /// There was none, or nobody has it any more.
    Absent,
    /// It was there and cannot be read.
    Unreadable,
    /// It can still be asked.
    Readable(&'a dyn Store),
}

impl std::fmt::Debug for Former<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Unreadable => "Unreadable",
            Self::Readable(_) => "Readable",
        })
    }
}

impl Former<'_> {
    /// As the report says it.
    pub(super) fn was_read(&self) -> Option<bool> {
        match self {
            Self::Absent => None,
            Self::Unreadable => Some(false),
            Self::Readable(_) => Some(true),
        }
    }

    fn store(&self) -> Option<&dyn Store> {
        match *self {
            Self::Readable(store) => Some(store),
            _ => None,
        }
    }

    /// A connection of the backup, as far as the former store lets it be: ended where it has ended,
    /// with what was taken from it taken, dead where its token was replaced.
    pub(super) fn connection(
        &self,
        restored_app: &App,
        restored: &Connection,
        now: Timestamp,
    ) -> Result<Connection, StoreError> {
        let Some(store) = self.store() else { return Ok(restored.clone()) };
        let (app, known) = read(store, "restore", |views| {
            Ok((views.app(restored_app.id)?, views.connection(restored.id)?))
        })?;
        if let Some(at) = app.and_then(|app| app.revokes(restored.created_at)) {
            return Ok(restored.revoked(at, Actor::System));
        }
        let Some(known) = known else { return Ok(restored.clone()) };
        match (&restored.state, &known.state) {
            (_, State::Revoked { at, by, .. }) => Ok(restored.revoked(*at, *by)),
            (_, State::Expired { at, .. }) => Ok(restored.expired(*at)),
            (State::Active(old), State::Active(new)) if old.token != new.token => {
                Ok(restored.revoked(now, Actor::System))
            }
            _ => {
                let mut narrowed = restored.clone();
                narrowed.scopes.retain(|scope| known.scopes.contains(scope));
                narrowed.expires_at = earlier(restored.expires_at, known.expires_at);
                narrowed.suspended |= known.suspended;
                Ok(narrowed)
            }
        }
    }

    /// Ends in the restored store what the former one knows as ended: credentials, apps, scopes.
    /// Says how many credentials.
    pub(super) fn end_credentials(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let Some(store) = self.store() else { return Ok(0) };
        let mut ended = end_operators(tx, store)? + end_accounts(tx, store)?;
        let mut after = None;
        loop {
            let apps = tx.rows.apps(after, PAGE)?;
            for app in &apps {
                if let Some(known) = read(store, "restore", |views| views.app(app.id))? {
                    ended += end_api_keys(tx, store, app.id)?;
                    end_public_keys(tx, store, app.id)?;
                    end_members(tx, store, app.id)?;
                    end_scopes(tx, store, app.id)?;
                    end_app(tx, app, &known)?;
                }
            }
            match apps.last() {
                Some(last) if apps.len() == PAGE => after = Some(last.id),
                _ => return Ok(ended),
            }
        }
    }
}

fn end_operators(tx: &mut Tx<'_>, store: &dyn Store) -> Result<u64, StoreError> {
    let known = read(store, "restore", |views| views.operators())?;
    let mut ended = 0;
    for restored in tx.rows.operators()? {
        let Some(known) = known.iter().find(|known| known.id == restored.id) else { continue };
        // after a rotation the backup's token is dead: the row takes the newer one
        let merged = Operator {
            hash: known.hash,
            revoked_at: earlier(restored.revoked_at, known.revoked_at),
            expires_at: earlier(restored.expires_at, known.expires_at),
            ..restored.clone()
        };
        if merged != restored {
            tx.rows.put_operator(&merged)?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// Accounts that are suspended or deleted stay so.
fn end_accounts(tx: &mut Tx<'_>, store: &dyn Store) -> Result<u64, StoreError> {
    let (mut ended, mut after) = (0, None);
    loop {
        let accounts = tx.rows.accounts(after, PAGE)?;
        for restored in &accounts {
            let known = read(store, "restore", |views| views.account(restored.id))?;
            let Some(known) = known else { continue };
            let merged = Account {
                suspended_at: earlier(restored.suspended_at, known.suspended_at),
                deleted_at: earlier(restored.deleted_at, known.deleted_at),
                ..restored.clone()
            };
            if merged != *restored {
                tx.rows.put_account(&merged)?;
                ended += 1;
            }
            ended += end_passkeys(tx, store, restored.id)?;
        }
        match accounts.last() {
            Some(last) if accounts.len() == PAGE => after = Some(last.id),
            _ => return Ok(ended),
        }
    }
}

/// Passkeys that were removed stay away, and a counter never goes back.
fn end_passkeys(
    tx: &mut Tx<'_>,
    store: &dyn Store,
    account_id: AccountId,
) -> Result<u64, StoreError> {
    let known = read(store, "restore", |views| views.passkeys_of(account_id))?;
    let mut ended = 0;
    for restored in tx.rows.passkeys_of(account_id)? {
        match known.iter().find(|known| known.credential == restored.credential) {
            None => {
                tx.rows.remove_passkey(&restored.key())?;
                ended += 1;
            }
            Some(known) => {
                let counter = restored.counter.max(known.counter);
                tx.rows.put_passkey(&Passkey { counter, ..restored })?;
            }
        }
    }
    Ok(ended)
}

/// Whoever is no member any more stays none, and an owner who is a viewer now stays that.
fn end_members(tx: &mut Tx<'_>, store: &dyn Store, app_id: AppId) -> Result<(), StoreError> {
    let known = read(store, "restore", |views| views.members_of(app_id))?;
    for restored in tx.rows.members_of(app_id)? {
        match known.iter().find(|known| known.account_id == restored.account_id) {
            None => tx.rows.remove_member(app_id, restored.account_id)?,
            Some(known) if known.role == Role::Viewer && restored.role == Role::Owner => {
                tx.rows.put_member(&Member { role: Role::Viewer, ..restored })?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn end_api_keys(tx: &mut Tx<'_>, store: &dyn Store, app_id: AppId) -> Result<u64, StoreError> {
    let known = read(store, "restore", |views| views.api_keys(app_id))?;
    let mut ended = 0;
    for restored in tx.rows.api_keys(app_id)? {
        let Some(known) = known.iter().find(|known| known.id == restored.id) else { continue };
        let merged = ApiKey {
            revoked_at: earlier(restored.revoked_at, known.revoked_at),
            expires_at: earlier(restored.expires_at, known.expires_at),
            ..restored.clone()
        };
        if merged != restored {
            tx.rows.put_api_key(&merged)?;
            ended += 1;
        }
    }
    Ok(ended)
}

fn end_public_keys(tx: &mut Tx<'_>, store: &dyn Store, app_id: AppId) -> Result<(), StoreError> {
    let known = read(store, "restore", |views| views.public_keys(app_id))?;
    let mut keys = tx.rows.public_keys(app_id)?;
    let before = keys.len();
    keys.retain(|key| known.iter().any(|known| known.kid == key.kid));
    if keys.len() == before { Ok(()) } else { tx.rows.put_public_keys(app_id, &keys) }
}

/// Scopes that left the catalogue stay away, and no id is given twice.
fn end_scopes(tx: &mut Tx<'_>, store: &dyn Store, app_id: AppId) -> Result<(), StoreError> {
    for environment in Environment::ALL {
        let tenant = Tenant::new(app_id, *environment);
        let known = read(store, "restore", |views| views.environment(tenant))?;
        let restored = tx.rows.environment(tenant)?;
        for scope in tx.rows.catalogue(tenant)?.iter().filter(|scope| !known.is_live(scope.id)) {
            tx.rows.remove_scope(tenant, &scope.scope.name)?;
        }
        let mut merged = EnvironmentState {
            next_scope_id: restored.next_scope_id.max(known.next_scope_id),
            ..EnvironmentState::clone(&restored)
        };
        merged.live_scopes.retain(|id| known.is_live(*id));
        if merged != *restored {
            tx.rows.put_environment(tenant, &merged)?;
        }
    }
    Ok(())
}

fn end_app(tx: &mut Tx<'_>, restored: &App, known: &App) -> Result<(), StoreError> {
    let merged = App {
        deleted_at: earlier(restored.deleted_at, known.deleted_at),
        revoked_before: restored.revoked_before.max(known.revoked_before),
        ..restored.clone()
    };
    if merged == *restored { Ok(()) } else { tx.rows.put_app(&merged) }
}

/// The earlier of two ends, where there are any.
fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}
