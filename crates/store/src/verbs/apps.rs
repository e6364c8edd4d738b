//! Apps, their settings and plans (PROTOCOL, operator API). What concerns an app as a whole is
//! recorded in its live environment.

use agentadmit_core::account::{self, Member, Need};
use agentadmit_core::app::{App, Tenant};
use agentadmit_core::catalogue;
use agentadmit_protocol::account::Role;
use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::scope::Scope;
use agentadmit_protocol::settings::{Plan, Settings};
use agentadmit_protocol::time::Timestamp;
use serde_json::{Value, json};

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::{Answered, Verb, granted};

/// Registers an app. A developer who does owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateApp {
    /// The operator.
    pub credential: OperatorCredential,
    /// What users see.
    pub name: String,
    /// One or two sentences.
    pub description: Option<String>,
    /// The first catalogue of both environments.
    pub scopes: Vec<Scope>,
    /// The rules.
    pub settings: Settings,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for CreateApp {
    type Answer = Answered<App>;
    const NAME: &'static str = "create_app";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.operator(&self.credential)?);
        let developer = operator.account_id();
        match developer {
            Some(account_id) => {
                granted!(account::require_own_first_settings(&self.settings));
                granted!(tx.room_for_an_app(account_id)?);
            }
            None => granted!(operator.require_full()),
        }
        let change = granted!(catalogue::compare(&[], &self.scopes, &[]));
        let app = App {
            id: AppId::v7(tx.now, tx.writer.random_id()),
            name: self.name.clone(),
            description: self.description.clone(),
            settings: self.settings.clone(),
            plan: Plan::default(),
            created_at: tx.now,
            deleted_at: None,
            revoked_before: None,
        };
        granted!(tx.may_have_resources(&app)?);
        tx.rows.put_app(&app)?;
        tx.change_resources(&[], &app)?;
        let details = details([("name", app.name.as_str().into())])?;
        let entry = Entry::new(AuditEvent::AppCreated, operator.actor())
            .tenant(Tenant::new(app.id, Environment::Live))
            .details(details)
            .origin(&self.origin);
        tx.record(entry)?;
        for environment in [Environment::Test, Environment::Live] {
            let tenant = Tenant::new(app.id, environment);
            tx.change_catalogue(tenant, &change, operator.actor(), &self.origin)?;
        }
        if let Some(account_id) = developer {
            let (app_id, role, joined_at) = (app.id, Role::Owner, tx.now);
            let member = Member { app_id, account_id, role, joined_at };
            tx.add_member(&member, operator.actor(), &self.origin)?;
        }
        Ok(Ok(app))
    }
}

/// Changes an app's name, description or rules. What is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateApp {
    /// The operator.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// A new name.
    pub name: Option<String>,
    /// A new description; `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    /// What changes of the rules.
    pub settings: Option<agentadmit_protocol::settings::SettingsPatch>,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for UpdateApp {
    type Answer = Answered<App>;
    const NAME: &'static str = "update_app";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.keeper(&self.credential, self.app_id, Need::Write)?);
        let before = granted!(tx.known_app(self.app_id)?);
        if let Some(patch) = self.settings.as_ref().filter(|_| operator.account().is_some()) {
            granted!(account::require_own_settings(patch, &before.settings));
        }
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            after.description.clone_from(description);
        }
        if let Some(patch) = &self.settings {
            after.settings = patch.apply(&before.settings);
        }
        if after == before {
            return Ok(Ok(before));
        }
        granted!(tx.may_have_resources(&after)?);
        tx.rows.put_app(&after)?;
        tx.change_resources(&before.settings.resources, &after)?;
        let entry = Entry::new(AuditEvent::SettingsChanged, operator.actor())
            .tenant(Tenant::new(after.id, Environment::Live))
            .details(details([("old", said(&before)), ("new", said(&after))])?)
            .origin(&self.origin);
        tx.record(entry)?;
        Ok(Ok(after))
    }
}

fn said(app: &App) -> Value {
    json!({"name": app.name, "description": app.description, "settings": app.settings})
}

/// Ends an app: one mark on its row. Its keys are dead, its connections revoked, its pending tokens
/// worthless from the answer on; its audit stays until retention ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteApp {
    /// The operator.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// Where the call came from.
    pub origin: Origin,
}

/// An app that was ended, and what ended with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedApp {
    /// The app.
    pub app: App,
    /// When.
    pub at: Timestamp,
    /// Its API keys that were good.
    pub api_keys: u64,
    /// Its connections that were pending or active.
    pub connections: u64,
}

impl Verb for DeleteApp {
    type Answer = Answered<DeletedApp>;
    const NAME: &'static str = "delete_app";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.keeper(&self.credential, self.app_id, Need::Write)?);
        let before = granted!(tx.known_app(self.app_id)?);
        let after = App { deleted_at: Some(tx.now), ..before };
        let keys = tx.rows.api_keys(after.id)?.iter().filter(|key| key.is_good(tx.now)).count();
        let counts = tx.settle_counts(after.id)?;
        tx.rows.put_app(&after)?;
        tx.change_resources(&after.settings.resources, &after)?;
        let details = details([
            ("api_keys", keys.into()),
            ("pending_connections", counts.pending.into()),
            ("active_connections", counts.active.into()),
        ])?;
        let entry = Entry::new(AuditEvent::AppDeleted, operator.actor())
            .tenant(Tenant::new(after.id, Environment::Live))
            .details(details)
            .origin(&self.origin);
        tx.record(entry)?;
        let api_keys = u64::try_from(keys).unwrap_or(u64::MAX);
        let connections = counts.pending + counts.active;
        Ok(Ok(DeletedApp { app: after, at: tx.now, api_keys, connections }))
    }
}

/// Says what an app pays for. A token limited to `billing` may do this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutPlan {
    /// The operator.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// The plan.
    pub plan: Plan,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for PutPlan {
    type Answer = Answered<App>;
    const NAME: &'static str = "put_plan";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.operator(&self.credential)?);
        granted!(operator.require_operator());
        let before = granted!(tx.known_app(self.app_id)?);
        if before.plan == self.plan {
            return Ok(Ok(before));
        }
        let after = App { plan: self.plan.clone(), ..before.clone() };
        tx.rows.put_app(&after)?;
        tx.plan_changed(Tenant::new(after.id, Environment::Live));
        let details = details([("old", json!(before.plan)), ("new", json!(after.plan))])?;
        let entry = Entry::new(AuditEvent::PlanChanged, operator.actor())
            .tenant(Tenant::new(after.id, Environment::Live))
            .details(details)
            .origin(&self.origin);
        tx.record(entry)?;
        Ok(Ok(after))
    }
}
