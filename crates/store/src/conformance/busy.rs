//! A store in which something of everything has happened: the ground for searches and recounts.

use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::audit::{Actor, AuditEvent, AuditRecord, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::text::{Label, Text};

use super::world::{Agent, Caller, World, exchange, user_id};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::revoke::RevokeTarget;
use crate::verbs::token::Issue;
use crate::verbs::upkeep::ExpireDue;
use crate::views::AuditFilter;

/// The users of a busy store.
pub const USERS: [&str; 3] = ["ann", "bob", "eve"];

/// Half an hour in three tenants of two apps: grants, calls, refusals, ends. Some agents are left.
pub fn busy(world: &World) -> (Vec<Caller<'_>>, Vec<Vec<Agent>>) {
    let (first, second) = (world.app(), world.app());
    let callers = vec![
        world.key(&first, Environment::Live),
        world.key(&first, Environment::Test),
        world.key(&second, Environment::Live),
    ];
    let agents = callers.iter().map(|caller| live(world, caller)).collect();
    (callers, agents)
}

fn live(world: &World, caller: &Caller<'_>) -> Vec<Agent> {
    let mut agents = Vec::new();
    for (number, user) in USERS.iter().cycle().take(9).enumerate() {
        let agent_label = (number % 2 == 0).then(|| Label::new("Planner").unwrap());
        let agent = caller.connect_with(&Issue { agent_label, ..caller.issue(user) });
        for call in 0..=number {
            world.pass_ms(7);
            caller.verify_scopes(&agent, &["orders:read"][..call % 2]);
        }
        caller.verify_scopes(&agent, &["files:write"]);
        caller.verify_malformed();
        agents.push(agent);
    }
    let short = Issue { lifetime: Lifetime::Seconds(60), ..caller.issue("bob") };
    let expired = caller.connect_with(&short);
    caller.issued("eve");
    world.refused(&exchange(agents[0].connection_token));
    caller.revoke(agents[1].id);
    world.granted(&caller.revoke_verb(RevokeTarget::User(user_id("eve"))));
    world.pass(600);
    world.run(&ExpireDue);
    caller.verify(&expired);
    agents
}

/// Filters of every kind, alone and together.
pub fn filters(world: &World, callers: &[Caller<'_>], agents: &[Vec<Agent>]) -> Vec<AuditFilter> {
    let log = world.log();
    let at = |part: usize| Some(log[log.len() * part / 8].occurred_at);
    let connection =
        |tenant: usize, number: usize| -> Option<ConnectionId> { Some(agents[tenant][number].id) };
    let mut filters = Vec::new();
    for tenant in [None, Some(callers[0].tenant), Some(callers[2].tenant)] {
        for app_id in [None, Some(callers[0].tenant.app_id)] {
            for connection_id in [None, connection(0, 0), connection(0, 4), connection(2, 8)] {
                for user_id in [None, Some(user_id("ann")), Some(user_id("nobody"))] {
                    for event in [None, Some(AuditEvent::Verified), Some(AuditEvent::Refused)] {
                        for (from, to) in
                            [(None, None), (at(3), None), (at(2), at(5)), (None, at(4))]
                        {
                            let user_id = user_id.clone();
                            let filter = AuditFilter {
                                tenant,
                                app_id,
                                connection_id,
                                user_id,
                                event,
                                from,
                                to,
                                ..AuditFilter::default()
                            };
                            filters.push(filter);
                        }
                    }
                }
            }
        }
    }
    filters.extend(by_what_is_in_records(callers, agents));
    filters
}

/// Filters by what no index goes by, alone and beside others.
fn by_what_is_in_records(callers: &[Caller<'_>], agents: &[Vec<Agent>]) -> Vec<AuditFilter> {
    let reason = |text: &str| Some(Text::new(text).unwrap());
    let some = [
        AuditFilter { actor: Some(Actor::Agent(agents[0][3].id)), ..AuditFilter::default() },
        AuditFilter { actor: Some(Actor::System), ..AuditFilter::default() },
        AuditFilter { actor: Some(Actor::Key(callers[0].key.id)), ..AuditFilter::default() },
        AuditFilter { outcome: Some(Outcome::Allowed), ..AuditFilter::default() },
        AuditFilter { outcome: Some(Outcome::Refused), ..AuditFilter::default() },
        AuditFilter { outcome: Some(Outcome::Done), ..AuditFilter::default() },
        AuditFilter { reason: reason("insufficient_scope"), ..AuditFilter::default() },
        AuditFilter { reason: reason("malformed"), ..AuditFilter::default() },
        AuditFilter { reason: reason("nobody said this"), ..AuditFilter::default() },
        AuditFilter {
            outcome: Some(Outcome::Refused),
            reason: reason("insufficient_scope"),
            ..AuditFilter::default()
        },
    ];
    let mut filters = Vec::new();
    for filter in some {
        let of_user = AuditFilter { user_id: Some(user_id("ann")), ..filter.clone() };
        let of_event = AuditFilter { event: Some(AuditEvent::Refused), ..filter.clone() };
        let of_calls = AuditFilter { event: Some(AuditEvent::Verified), ..filter.clone() };
        let of_tenant = AuditFilter { tenant: Some(callers[0].tenant), ..filter.clone() };
        let of_app = AuditFilter { app_id: Some(callers[0].tenant.app_id), ..filter.clone() };
        filters.extend([filter, of_user, of_event, of_calls, of_tenant, of_app]);
    }
    filters
}

/// What a search must find in this log, oldest first: a scan of all of it, newest first.
pub fn scan(log: &[AuditRecord], filter: &AuditFilter) -> Vec<AuditRecord> {
    let mut found = log.to_vec();
    found.retain(|record| {
        let owner = record.app_id.zip(record.environment);
        filter.tenant.is_none_or(|t| owner == Some((t.app_id, t.environment)))
            && filter.app_id.is_none_or(|app_id| record.app_id == Some(app_id))
            && filter.connection_id.is_none_or(|id| record.connection_id == Some(id))
            && filter.user_id.as_ref().is_none_or(|id| record.user_id.as_ref() == Some(id))
            && filter.event.is_none_or(|event| record.event == event)
            && filter.actor.is_none_or(|actor| record.actor == actor)
            && filter.outcome.is_none_or(|outcome| record.outcome == outcome)
            && filter.reason.as_ref().is_none_or(|r| record.reason.as_deref() == Some(r.as_str()))
            && filter.from.is_none_or(|from| from <= record.occurred_at)
            && filter.to.is_none_or(|to| record.occurred_at < to)
    });
    found.reverse();
    found
}

/// Runs a verb as if another writer did, one that never comes back.
pub fn as_writer<V: Verb>(world: &World, writer: u64, verb: &V) {
    let other = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let own = std::mem::replace(&mut tx.writer.writer, writer);
        let answer = verb.run(tx);
        tx.writer.writer = own;
        answer.map(|_| ())
    };
    world.store.transaction(V::NAME, &mut |tx| other(tx)).unwrap();
}
