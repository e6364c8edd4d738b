//! Many callers at a plan's limit, over any number of stores on the same data.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use agentadmit_core::plan;
use agentadmit_protocol::settings::{OnLimit, Plan, PlanStatus, RateLimits, Settings};

use super::world::World;
use crate::store::{Store, write};
use crate::verbs::verify::{Denial, VerifyAnswer};

/// How hard, and how early a call may be refused.
#[derive(Debug, Clone, Copy)]
pub struct Hammer {
    /// The plan's limit.
    pub limit: u64,
    /// Callers at each store.
    pub threads: u64,
    /// Calls of each.
    pub calls: u64,
    /// At the end so many calls may be left that were refused because other writers kept them: 0
    /// where there is one writer.
    pub most_early: u64,
}

impl Hammer {
    /// Lets everybody call, and counts. Says how many calls passed.
    pub fn strike(self, world: &World, stores: &[&dyn Store]) -> u64 {
        let caller = world.caller_with(Settings {
            rate_limit: RateLimits { per_key_per_second: None, per_connection_per_second: None },
            ..Settings::default()
        });
        let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
        world.plan(
            &app,
            Plan {
                status: PlanStatus::Active,
                call_limit: Some(self.limit),
                on_limit: OnLimit::Refuse,
                ..Plan::default()
            },
        );
        let agent = caller.connect("ann");
        let verify = caller.verify_verb(agent.access_token);
        let passed = AtomicU64::new(0);
        let call = |store: &dyn Store| {
            for _ in 0..self.calls {
                match write(store, &verify).unwrap() {
                    VerifyAnswer::Allowed { .. } => {
                        passed.fetch_add(1, Ordering::SeqCst);
                    }
                    VerifyAnswer::Denied { denial: Denial::LimitExceeded, .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        thread::scope(|scope| {
            for store in stores {
                for _ in 0..self.threads {
                    scope.spawn(|| call(*store));
                }
            }
        });
        let passed = passed.into_inner();
        let month = plan::month(world.now());
        let usage = world.read(|views| views.usage(caller.tenant, month.first, month.last));
        let used: u64 = usage.iter().map(|(_, day)| day.allowed).sum();
        assert_eq!(used, passed, "what was answered is what was counted");
        assert!(used <= self.limit, "{used} of {}", self.limit);
        let asked = self.threads * self.calls * u64::try_from(stores.len()).unwrap();
        let least = self.limit.min(asked).saturating_sub(self.most_early);
        assert!(used >= least, "{used} passed, {least} at least should have");
        used
    }
}
