//! Users across apps: walks through the index of connections by user, one step for each user or
//! environment, however many connections stand between two of them.

use agentadmit_core::app::{ConnectionCounts, Tenant};
use agentadmit_protocol::text::UserId;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{limit, status_of, uncount};
use agentadmit_store::views::UserCount;

use crate::codec::{column, corrupt, tenant, tenant_key};
use crate::session::Session;
use crate::statements as st;

impl Session<'_> {
    pub(crate) fn list_tenants_of(
        &mut self,
        user_id: &UserId,
        after: Option<Tenant>,
        most: usize,
    ) -> Result<Vec<Tenant>, StoreError> {
        let after = after.map(|after| tenant_key(Some(after)));
        let (app_id, env) = (after.map(|(app_id, _)| app_id), after.map(|(_, env)| env));
        let rows =
            self.many(st::TENANTS_OF_USER, &[&user_id.as_str(), &app_id, &env, &limit(most)])?;
        let tenants = rows.iter().map(|row| tenant(column(row, 0)?, column(row, 1)?));
        let tenants = tenants.collect::<Result<Vec<_>, StoreError>>()?;
        Ok(tenants.into_iter().flatten().collect())
    }

    pub(crate) fn list_users(
        &mut self,
        prefix: &str,
        after: Option<&UserId>,
        most: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        let after = after.map(UserId::as_str);
        let mut users = Vec::new();
        for row in self.many(st::USERS, &[&prefix, &after, &limit(most)])? {
            let user_id: &str = column(&row, 0)?;
            if !user_id.starts_with(prefix) {
                break;
            }
            users.push(UserId::new(user_id).map_err(corrupt)?);
        }
        Ok(users)
    }

    pub(crate) fn count_by_user(&mut self, users: &[UserId]) -> Result<Vec<UserCount>, StoreError> {
        let wanted: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let mut counts: Vec<UserCount> = Vec::new();
        for row in self.many(st::USER_COUNTS, &[&wanted])? {
            let user_id: &str = column(&row, 0)?;
            let Some(tenant) = tenant(column(&row, 1)?, column(&row, 2)?)? else { continue };
            let status = status_of(column::<i16>(&row, 3)?.into())?;
            let count = uncount(column(&row, 4)?);
            match counts.last_mut() {
                Some(last) if last.tenant == tenant && last.user_id.as_str() == user_id => {
                    last.rows.add(status, count);
                }
                _ => {
                    let mut rows = ConnectionCounts::default();
                    rows.add(status, count);
                    let user_id = UserId::new(user_id).map_err(corrupt)?;
                    counts.push(UserCount { user_id, tenant, rows });
                }
            }
        }
        Ok(counts)
    }
}
