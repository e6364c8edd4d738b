//! The scopes of an environment (PROTOCOL, `PUT /v1/apps/{app_id}/scopes`).

use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::account::Need;
use agentadmit_core::app::{CatalogueScope, Tenant};
use agentadmit_core::catalogue::{self, Change};
use agentadmit_protocol::audit::{Actor, AuditEvent, Details};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{Scope, ScopeName};
use serde_json::{Value, json};

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AppCredential, OperatorCredential};
use crate::verbs::{Answered, Verb, granted};

/// Says what the catalogue of the caller's environment is from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutScopes {
    /// The app that asks.
    pub credential: AppCredential,
    /// The app in the address.
    pub app_id: AppId,
    /// The whole catalogue.
    pub scopes: Vec<Scope>,
    /// Names that leave although connections hold them.
    pub remove: Vec<ScopeName>,
    /// Where the call came from.
    pub origin: Origin,
}

/// What changed, and the catalogue as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueChanged {
    /// Whose catalogue it is: the environment of the credential.
    pub tenant: Tenant,
    /// What changed.
    pub change: Change,
    /// The catalogue.
    pub scopes: Vec<Scope>,
}

impl Verb for PutScopes {
    type Answer = Answered<CatalogueChanged>;
    const NAME: &'static str = "put_scopes";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let app = granted!(tx.authorize(&self.credential, Permission::Manage)?);
        granted!(app.caller.require_app(self.app_id));
        tx.put_catalogue(app.caller.tenant, &self.scopes, &self.remove, app.actor(), &self.origin)
    }
}

/// An operator says what the catalogue of an environment is from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPutScopes {
    /// The operator.
    pub credential: OperatorCredential,
    /// Whose catalogue.
    pub app_id: AppId,
    /// Which of the app's two.
    pub environment: Environment,
    /// The whole catalogue.
    pub scopes: Vec<Scope>,
    /// Names that leave although connections hold them.
    pub remove: Vec<ScopeName>,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for OperatorPutScopes {
    type Answer = Answered<CatalogueChanged>;
    const NAME: &'static str = "operator_put_scopes";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.keeper(&self.credential, self.app_id, Need::Write)?);
        let app = granted!(tx.known_app(self.app_id)?);
        let tenant = Tenant::new(app.id, self.environment);
        tx.put_catalogue(tenant, &self.scopes, &self.remove, operator.actor(), &self.origin)
    }
}

fn still_held(held: &[String]) -> Refusal {
    Refusal::new(
        ErrorCode::Conflict,
        format!(
            "connections still hold scopes that the new list lacks: {}; nothing was changed. \
             To take them away, name them in `remove` (`agentadmit sync --remove NAME`)",
            held.join(", ")
        ),
    )
    .field("scopes")
}

impl Tx<'_> {
    fn put_catalogue(
        &mut self,
        tenant: Tenant,
        scopes: &[Scope],
        remove: &[ScopeName],
        actor: Actor,
        origin: &Origin,
    ) -> Result<Answered<CatalogueChanged>, StoreError> {
        let current = self.rows.catalogue(tenant)?;
        let change = granted!(catalogue::compare(&current, scopes, remove));
        let mut held = Vec::new();
        for entry in &change.removed {
            let holders = self.rows.holders(tenant, entry.id)?;
            if holders > 0 && !remove.contains(&entry.scope.name) {
                held.push(format!("{} (held by {holders})", entry.scope.name));
            }
        }
        if !held.is_empty() {
            return Ok(Err(still_held(&held)));
        }
        self.change_catalogue(tenant, &change, actor, origin)?;
        let scopes = self.rows.catalogue(tenant)?.into_iter().map(|entry| entry.scope).collect();
        Ok(Ok(CatalogueChanged { tenant, change, scopes }))
    }

    /// Carries a change of a catalogue out and records it.
    pub(super) fn change_catalogue(
        &mut self,
        tenant: Tenant,
        change: &Change,
        actor: Actor,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        if change.is_empty() {
            return Ok(());
        }
        let mut state = Arc::unwrap_or_clone(self.rows.environment(tenant)?);
        for scope in &change.added {
            let id = state.next_scope_id;
            state.next_scope_id = id.checked_add(1).ok_or_else(|| {
                StoreError::Corrupt("an environment used up all its scope ids".to_owned())
            })?;
            state.live_scopes.push(id);
            self.rows.put_scope(tenant, &CatalogueScope { id, scope: scope.clone() })?;
        }
        for (entry, scope) in &change.updated {
            let updated = CatalogueScope { id: entry.id, scope: scope.clone() };
            self.rows.put_scope(tenant, &updated)?;
        }
        for entry in &change.removed {
            state.live_scopes.retain(|id| *id != entry.id);
            self.rows.remove_scope(tenant, &entry.scope.name)?;
        }
        self.rows.put_environment(tenant, &state)?;
        let entry = Entry::new(AuditEvent::ScopesChanged, actor)
            .tenant(tenant)
            .details(said_of(change)?)
            .origin(origin);
        self.record(entry)?;
        Ok(())
    }
}

/// What changed, old and new, as the record keeps it.
fn said_of(change: &Change) -> Result<Details, StoreError> {
    let names = |scopes: &mut dyn Iterator<Item = &Scope>| -> Value {
        scopes.map(|scope| Value::from(scope.name.as_str())).collect()
    };
    let updated: Vec<Value> = change
        .updated
        .iter()
        .map(|(entry, scope)| json!({"name": scope.name, "old": said(&entry.scope), "new": said(scope)}))
        .collect();
    details([
        ("added", names(&mut change.added.iter())),
        ("removed", names(&mut change.removed.iter().map(|entry| &entry.scope))),
        ("updated", updated.into()),
    ])
}

fn said(scope: &Scope) -> Value {
    json!({
        "description": scope.description,
        "category": scope.category,
        "sensitive": scope.sensitive,
        "admin": scope.admin,
    })
}
