//! All that can be read of a store, as one text: two stores are alike when their portraits are.

use super::check;
use super::sequence::USERS;
use super::world::{World, user_id};
use agentadmit_protocol::time::Timestamp;

use crate::store::StoreError;
use crate::views::ConnectionFilter;

/// Before any session ended, so that all that wait for a decision are seen.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);

/// Everything that can be read, as text.
pub fn portrait(world: &World) -> String {
    let connections = check::connections(world, &ConnectionFilter::default(), 100);
    let activity: Vec<_> = connections
        .iter()
        .map(|c| world.read(|views| Ok((views.activity(c.id)?, views.oauth_grant(c.id)?))))
        .collect();
    let tenants: Vec<_> = check::tenants(world)
        .into_iter()
        .map(|tenant| {
            world.read(|views| {
                let catalogue = views.catalogue(tenant)?;
                let keys = views.api_keys(tenant.app_id)?;
                let key_use: Result<Vec<_>, StoreError> =
                    keys.iter().map(|key| views.key_last_used_at(key.id)).collect();
                let holders: Result<Vec<u64>, StoreError> =
                    catalogue.iter().map(|entry| views.holders(tenant, entry.id)).collect();
                let asked: Result<Vec<_>, StoreError> = USERS
                    .iter()
                    .map(|user| views.consent_sessions_of(tenant, &user_id(user), LONG_AGO, 100))
                    .collect();
                let app = views.app(tenant.app_id)?;
                let resources = app.iter().flat_map(|app| &app.settings.resources);
                let resources: Result<Vec<_>, StoreError> =
                    resources.map(|resource| views.resource(resource.uri.key())).collect();
                let resources = resources?;
                let (app_id, some) = (tenant.app_id, Some(tenant.app_id));
                Ok(format!(
                    "{:?} {:?} {:?} {:?} {catalogue:?} {:?} {:?} {keys:?} {:?} {:?} {resources:?}",
                    views.members_of(app_id)?,
                    views.invites_of(some)?,
                    views.environment(tenant)?,
                    views.connection_counts(tenant)?,
                    holders?,
                    views.usage(tenant, i32::MIN, i32::MAX)?,
                    key_use?,
                    asked?,
                ))
            })
        })
        .collect();
    format!(
        "{:?} {connections:?} {activity:?} {tenants:?} {:?} {:?} {:?}",
        check::apps(world),
        check::all_chains(world),
        world.log(),
        world.read(|views| {
            let accounts = views.accounts(None, 1_000)?;
            let passkeys = accounts.iter().map(|account| views.passkeys_of(account.id));
            let passkeys = passkeys.collect::<Result<Vec<_>, StoreError>>()?;
            let signed_in = (views.waiting_codes()?, views.sessions_of(None, None, 100)?);
            let made = (views.operators()?, accounts, passkeys, views.invites_of(None)?);
            Ok((views.log_end()?, made, signed_in))
        }),
    )
}
