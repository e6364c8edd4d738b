//! All that can be read of a store, as one text: two stores are alike when their portraits are.

use super::check;
use super::world::World;
use crate::store::StoreError;
use crate::views::ConnectionFilter;

/// Everything that can be read, as text.
pub fn portrait(world: &World) -> String {
    let connections = check::connections(world, &ConnectionFilter::default(), 100);
    let activity: Vec<_> =
        connections.iter().map(|c| world.read(|views| views.activity(c.id))).collect();
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
                Ok(format!(
                    "{:?} {:?} {catalogue:?} {:?} {:?} {keys:?} {:?}",
                    views.environment(tenant)?,
                    views.connection_counts(tenant)?,
                    holders?,
                    views.usage(tenant, i32::MIN, i32::MAX)?,
                    key_use?,
                ))
            })
        })
        .collect();
    format!(
        "{:?} {connections:?} {activity:?} {tenants:?} {:?} {:?} {:?}",
        check::apps(world),
        check::all_chains(world),
        world.log(),
        world.read(|views| Ok((views.log_end()?, views.operators()?))),
    )
}
