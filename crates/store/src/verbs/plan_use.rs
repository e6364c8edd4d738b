//! Whether a plan lets one more call through (PROTOCOL, usage and plans), with any number of writers.
//!
//! A writer keeps a few calls of each limited app for itself, its lease, and lets them through without
//! asking anybody. When they are used up it holds the app, counts what all have used and keep, and may
//! then go on to everything that is left. So a limit is never exceeded, and a call is refused early
//! only while what is left is kept by writers whose transactions are under way.

use agentadmit_core::app::{App, Tenant};
use agentadmit_core::plan::{self, Allowance, Month, Standing};
use agentadmit_protocol::environment::Environment;

use crate::maps::KeyMap;
use crate::store::StoreError;
use crate::tx::Tx;

/// How long a writer that found nothing left does not look again, while others keep some.
const LOOK_AGAIN_NS: u64 = 1_000_000_000;
/// Tenants remembered as used up; above that they are looked at anew.
const MOST: usize = 1_024;

/// What one transaction may let through of a tenant's limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanUse {
    /// The limit that it was held against. `None`: the plan has changed since, and with it all leases
    /// of the old one went.
    limit: Option<u64>,
    allowance: Allowance,
}

impl PlanUse {
    /// What the writer keeps for itself when the transaction is committed; `None` where the plan has
    /// changed and no call was held against the new one.
    pub(crate) fn lease_after(&self) -> Option<u64> {
        self.limit.map(|_| self.allowance.lease_after())
    }
}

/// The tenants whose calls of this month are used up. A plan that is changed is looked at anew, and
/// calls are never given back, so what is remembered refuses no call that others did not keep.
#[derive(Debug, Default)]
pub(crate) struct UsedUp(KeyMap<Tenant, Mark>);

#[derive(Debug, Clone, Copy)]
struct Mark {
    limit: u64,
    month: Month,
    until_ns: u64,
}

impl UsedUp {
    /// Whether a look at it now would find nothing left.
    fn holds(&self, tenant: Tenant, limit: u64, month: Month, now_ns: u64) -> bool {
        self.0.get(&tenant).is_some_and(|mark| {
            mark.limit == limit && mark.month == month && now_ns < mark.until_ns
        })
    }

    /// Whether a tenant is remembered, whatever its limit is by now.
    pub(crate) fn has(&self, tenant: Tenant, now_ns: u64) -> bool {
        self.0.get(&tenant).is_some_and(|mark| now_ns < mark.until_ns)
    }

    fn note(&mut self, tenant: Tenant, mark: Mark) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(tenant, mark);
    }

    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Tx<'_> {
    /// Takes one call out of the plan; `false` where it lets none through.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn take_from_plan(&mut self, app: &App, tenant: Tenant) -> Result<bool, StoreError> {
        if tenant.environment == Environment::Test {
            return Ok(true);
        }
        let Some(limit) = plan::refusal_limit(&app.plan) else { return Ok(true) };
        let month = plan::month(self.now);
        if self.writer.used_up.holds(tenant, limit, month, self.monotonic_ns) {
            return Ok(false);
        }
        let mut plan = match self.plans.get(&tenant) {
            Some(plan) => *plan,
            None => self.leased(tenant, limit, month)?,
        };
        let is_known = plan.limit == Some(limit);
        let passes = if is_known && plan.allowance.take() {
            true
        } else if is_known && plan.allowance.is_whole() {
            false
        } else {
            self.take_from_all(&mut plan, tenant, month)?
        };
        self.plans.insert(tenant, plan);
        Ok(passes)
    }

    fn leased(&mut self, tenant: Tenant, limit: u64, month: Month) -> Result<PlanUse, StoreError> {
        let lease = self.rows.lease(tenant, month)?;
        Ok(PlanUse { limit: Some(limit), allowance: Allowance::of_lease(lease.unwrap_or(0)) })
    }

    /// The tenant has another plan: what this transaction may still let through is counted anew.
    pub(crate) fn plan_changed(&mut self, tenant: Tenant) {
        self.plans.insert(tenant, PlanUse { limit: None, allowance: Allowance::of_lease(0) });
    }

    /// Goes on to everything that is left.
    fn take_from_all(
        &mut self,
        plan: &mut PlanUse,
        tenant: Tenant,
        month: Month,
    ) -> Result<bool, StoreError> {
        let mut standing = self.rows.standing(tenant, month)?;
        // nobody changes the app from here on; it may be another one than the call began with
        let app = self.rows.app(tenant.app_id)?;
        let Some(limit) = app.and_then(|app| plan::refusal_limit(&app.plan)) else {
            return Ok(true);
        };
        let passed = self.passed(tenant);
        plan.limit = Some(limit);
        plan.allowance = Allowance::of_all(limit, standing, passed);
        if plan.allowance.take() {
            return Ok(true);
        }
        if standing.leased > 0 {
            standing = self.rows.standing_without_idle(tenant, month)?;
            plan.allowance = Allowance::of_all(limit, standing, passed);
            if plan.allowance.take() {
                return Ok(true);
            }
        }
        self.note_used_up(limit, tenant, month, standing);
        Ok(false)
    }

    fn note_used_up(&mut self, limit: u64, tenant: Tenant, month: Month, standing: Standing) {
        let again = self.monotonic_ns.saturating_add(LOOK_AGAIN_NS);
        let until_ns = if standing.leased == 0 { u64::MAX } else { again };
        self.writer.used_up.note(tenant, Mark { limit, month, until_ns });
    }
}
