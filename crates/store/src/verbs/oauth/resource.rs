//! Which app has which resource: an index over the settings of all apps.

use agentadmit_core::Refusal;
use agentadmit_core::app::{App, Tenant};
use agentadmit_core::oauth;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::oauth::ResourceUri;
use agentadmit_protocol::settings::Resource;
use std::sync::Arc;

use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::Answered;

impl Tx<'_> {
    /// Whether an app may have these resources: none is another's that was not deleted.
    pub(in crate::verbs) fn may_have_resources(
        &mut self,
        app: &App,
    ) -> Result<Answered<()>, StoreError> {
        for resource in &app.settings.resources {
            let owner = self.rows.resource(resource.uri.key())?.map(|owner| owner.app_id);
            let Some(owner) = owner.filter(|owner| *owner != app.id) else { continue };
            if self.rows.app(owner)?.is_some_and(|owner| owner.deleted_at.is_none()) {
                let text = "another app of this service has this resource";
                let refusal = Refusal::new(ErrorCode::Conflict, text);
                return Ok(Err(refusal.field("settings.resources")));
            }
        }
        Ok(Ok(()))
    }

    /// An app has these resources instead of those.
    pub(in crate::verbs) fn change_resources(
        &mut self,
        before: &[Resource],
        app: &App,
    ) -> Result<(), StoreError> {
        let after: &[Resource] =
            if app.deleted_at.is_some() { &[] } else { &app.settings.resources };
        let has = |list: &[Resource], one: &Resource| {
            list.iter().any(|other| other.uri.key() == one.uri.key())
        };
        for gone in before.iter().filter(|resource| !has(after, resource)) {
            self.rows.remove_resource(gone.uri.key())?;
        }
        for resource in after.iter().filter(|resource| !before.contains(resource)) {
            let (key, tenant) = (resource.uri.key(), Tenant::new(app.id, resource.environment));
            if self.rows.resource(key)?.is_some_and(|owner| owner.app_id != app.id) {
                // of an app that a restore ended
                self.rows.remove_resource(key)?;
            }
            self.rows.put_resource(key, tenant)?;
        }
        Ok(())
    }

    /// The app and environment that a client means by a resource.
    pub(super) fn app_of_resource(
        &mut self,
        resource: &ResourceUri,
    ) -> Result<Answered<(Tenant, Arc<App>)>, StoreError> {
        let Some(tenant) = self.rows.resource(resource.key())? else {
            return Ok(Err(oauth::invalid_target()));
        };
        let app = self.rows.app(tenant.app_id)?.filter(|app| app.deleted_at.is_none());
        Ok(match app {
            Some(app) if app.settings.login_url.is_some() => Ok((tenant, app)),
            Some(_) => {
                let text =
                    "the app of this resource has no `login_url`: nobody can sign in to it here";
                Err(Refusal::new(ErrorCode::InvalidTarget, text).field("resource"))
            }
            None => Err(oauth::invalid_target()),
        })
    }
}
