//! Users across apps: walks through the index of connections by user, one step for each user or
//! environment, however many connections stand between two of them.

use agentadmit_core::app::{ConnectionCounts, Tenant};
use agentadmit_protocol::text::UserId;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{status_of, uncount};
use agentadmit_store::views::UserCount;

use crate::codec::TenantKey;
use crate::session::Session;
use crate::sql;
use crate::statements as st;

impl Session<'_> {
    /// The next environment after `after` where this user has a connection, or is asked for one.
    fn tenant_after(
        &self,
        user_id: &UserId,
        after: Option<Tenant>,
    ) -> Result<Option<Tenant>, StoreError> {
        let mut next = None;
        for step in [st::TENANT_OF_USER, st::TENANT_THAT_ASKS_USER] {
            let key = (user_id.as_str(), TenantKey(after));
            let found = sql::one(self.conn, step, key, |row| row.get(0))?;
            let found = found.and_then(|TenantKey(tenant)| tenant);
            next = match (next, found) {
                (Some(next), Some(found)) => Some(std::cmp::min(next, found)),
                (next, found) => next.or(found),
            };
        }
        Ok(next)
    }

    pub(crate) fn list_tenants_of(
        &self,
        user_id: &UserId,
        after: Option<Tenant>,
        most: usize,
    ) -> Result<Vec<Tenant>, StoreError> {
        let (mut tenants, mut after) = (Vec::new(), after);
        while tenants.len() < most {
            let Some(next) = self.tenant_after(user_id, after)? else { break };
            tenants.push(next);
            after = Some(next);
        }
        Ok(tenants)
    }

    pub(crate) fn list_users(
        &self,
        prefix: &str,
        after: Option<&UserId>,
        most: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        // what stands before the prefix is no reason to begin there
        let after = after.map(UserId::as_str).filter(|after| *after >= prefix);
        let mut step = if after.is_some() { st::USER_AFTER } else { st::USER_FROM };
        let mut at = after.unwrap_or(prefix).to_owned();
        let mut users = Vec::new();
        while users.len() < most {
            let next: Option<String> = sql::one(self.conn, step, [&at], |row| row.get(0))?;
            let Some(next) = next.filter(|next| next.starts_with(prefix)) else { break };
            users.push(
                UserId::new(next.as_str()).map_err(|why| StoreError::Corrupt(why.to_string()))?,
            );
            (at, step) = (next, st::USER_AFTER);
        }
        Ok(users)
    }

    pub(crate) fn count_by_user(&self, users: &[UserId]) -> Result<Vec<UserCount>, StoreError> {
        let mut sorted: Vec<&UserId> = users.iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut counts: Vec<UserCount> = Vec::new();
        for user_id in sorted {
            let rows = sql::many(self.conn, st::USER_COUNTS, [user_id.as_str()], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?, uncount(row.get(2)?)))
            })?;
            for (TenantKey(tenant), status, count) in rows {
                let Some(tenant) = tenant else { continue };
                let status = status_of(status)?;
                match counts.last_mut() {
                    Some(last) if last.tenant == tenant && last.user_id == *user_id => {
                        last.rows.add(status, count);
                    }
                    _ => {
                        let mut rows = ConnectionCounts::default();
                        rows.add(status, count);
                        counts.push(UserCount { user_id: user_id.clone(), tenant, rows });
                    }
                }
            }
        }
        Ok(counts)
    }
}
