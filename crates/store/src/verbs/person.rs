//! The end of everything that can act for one person, whatever app it is of.
//!
//! A person may have thousands of connections in hundreds of apps, so this goes by slices: each is a
//! transaction that ends so many, and says where the next one begins. What is ended is ended when
//! its slice is committed; whoever begins again finds only what is left.

use agentadmit_core::app::Tenant;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::text::{Text, UserId};
use agentadmit_protocol::time::Timestamp;

use crate::record::Origin;
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::revoke::By;
use crate::verbs::{Answered, Verb, granted};

/// Most connections that one slice ends.
pub const CONNECTIONS_PER_SLICE: usize = 200;
/// Most environments that one slice looks at.
pub const TENANTS_PER_SLICE: usize = 64;

/// An operator ends a slice of what can act for one person: connections, and sessions of the consent
/// page that are undecided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndPerson {
    /// The operator.
    pub credential: OperatorCredential,
    /// The person, under the id that all apps know.
    pub user_id: UserId,
    /// Why, for the records.
    pub reason: Option<Text>,
    /// Where the last slice ended.
    pub after: Option<Tenant>,
    /// Where the call came from.
    pub origin: Origin,
}

/// What a slice of [`EndPerson`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonEnded {
    /// Connections that it ended.
    pub count: u64,
    /// Apps that they were of.
    pub apps: Vec<AppId>,
    /// When.
    pub at: Timestamp,
    /// Whether there is more to look at, and what [`EndPerson::after`] is then.
    pub next: Next,
}

/// How an [`EndPerson`] goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It does not: everything is ended.
    Done,
    /// After this environment; from the beginning where there is none.
    After(Option<Tenant>),
}

impl Verb for EndPerson {
    type Answer = Answered<PersonEnded>;
    const NAME: &'static str = "end_person";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.full_operator(&self.credential)?);
        let by = By { actor: operator.actor(), reason: self.reason.as_ref(), origin: &self.origin };
        let tenants = tx.rows.tenants_of_user(&self.user_id, self.after, TENANTS_PER_SLICE)?;
        let is_last = tenants.len() < TENANTS_PER_SLICE;
        let (mut ended, mut after) = (Ended::default(), self.after);
        for tenant in tenants {
            let room = CONNECTIONS_PER_SLICE.saturating_sub(ended.looks);
            if room == 0 {
                return Ok(Ok(ended.at(tx.now, Next::After(after))));
            }
            // an app that is deleted has ended everything of its own
            if let Some(app) = tx.rows.app(tenant.app_id)?.filter(|app| app.deleted_at.is_none()) {
                let (count, looks) = tx.revoke_some(&app, tenant, &self.user_id, &by, room)?;
                ended.add(app.id, count, looks);
                if looks == room && count > 0 {
                    return Ok(Ok(ended.at(tx.now, Next::After(after))));
                }
            }
            after = Some(tenant);
        }
        let next = if is_last { Next::Done } else { Next::After(after) };
        Ok(Ok(ended.at(tx.now, next)))
    }
}

#[derive(Default)]
struct Ended {
    count: u64,
    apps: Vec<AppId>,
    looks: usize,
}

impl Ended {
    fn add(&mut self, app_id: AppId, count: u64, looks: usize) {
        self.count += count;
        self.looks += looks;
        if count > 0 && !self.apps.contains(&app_id) {
            self.apps.push(app_id);
        }
    }

    fn at(self, at: Timestamp, next: Next) -> PersonEnded {
        PersonEnded { count: self.count, apps: self.apps, at, next }
    }
}
