//! Plays a sequence on a store, and compares what two stores answer to the same one.
//!
//! Secrets and ids are made from a store's seed and in the order of the verbs. So two stores with
//! one seed and one clock answer alike to the letter, however the verbs are put into transactions.

use agentadmit_core::connection::Connection;
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConnectionId, ConsentSessionId, KeyId};
use agentadmit_protocol::scope::{Scope, ScopeName};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{
    IdleDays, OnLimit, OnReplay, Plan, PlanStatus, ScopeUsed, Settings, SettingsPatch,
};
use agentadmit_protocol::text::Label;

use super::developers::Developers;
use super::export;
use super::oauth_steps::{self, Clients};
use super::portrait::portrait;
use super::sequence::{APPS, Op, USERS, Who};
use super::world::{SCOPES, World, scope, user_id};
use crate::record::Origin;
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::apps::{DeleteApp, PutPlan, UpdateApp};
use crate::verbs::auth::{AppCredential, OperatorCredential};
use crate::verbs::catalogue::PutScopes;
use crate::verbs::consent::{
    ConsentAsk, ConsentOutcome, DecideConsent, DecidedConsent, Decision, EnterConsent, OpenConsent,
};
use crate::verbs::keys::RotateApiKey;
use crate::verbs::narrow::{Less, Narrow};
use crate::verbs::revoke::{OperatorRevoke, OperatorRevokeTarget, Revoke, RevokeTarget};
use crate::verbs::token::{Exchange, Issue};
use crate::verbs::upkeep::{
    Checkpoint, CloseChains, ExpireDue, FlushRefusals, Probe, Resume, ResumeTarget,
};
use crate::verbs::verify::{PresentedToken, Verify};

pub(super) const LOCAL: OperatorCredential = OperatorCredential::Local;

/// Whoever plays, and what they remember of the answers so far.
#[derive(Clone)]
pub struct Player {
    apps: Vec<Known>,
    issued: Vec<Held>,
    asked: Vec<Asked>,
    developers: Developers,
    clients: Clients,
}

/// A session of the consent page.
#[derive(Clone, Copy)]
struct Asked {
    id: ConsentSessionId,
    who: Who,
    code: SecretHash,
    cookie: SecretHash,
}

#[derive(Clone)]
struct Known {
    id: AppId,
    /// Test and live: id and hash of the key in use.
    keys: [(KeyId, SecretHash); 2],
}

#[derive(Clone, Copy)]
struct Held {
    id: ConnectionId,
    who: Who,
    connection_token: SecretHash,
    access_token: Option<SecretHash>,
}

/// A store, and how many verbs at most it is given in one transaction.
pub struct Side<'w> {
    /// The store.
    pub world: &'w World,
    /// Verbs in one transaction.
    pub batch: usize,
}

/// Plays the steps on both stores, which have one seed and equal clocks, and compares each answer,
/// and at the end everything that can be read.
///
/// # Panics
/// When they differ.
pub fn same_answers(left: &Side<'_>, right: &Side<'_>, ops: &[Op]) {
    let (mut on_left, mut on_right) = (Player::begin(left.world), Player::begin(right.world));
    let mut rest = ops;
    while let Some(first) = rest.first() {
        let together = if first.stands_alone() {
            1
        } else {
            rest.iter().take_while(|op| !op.stands_alone()).count()
        };
        let (run, later) = rest.split_at(together);
        let (answers, others) = (on_left.play(left, run), on_right.play(right, run));
        for ((op, answer), other) in run.iter().zip(answers).zip(others) {
            assert_eq!(answer, other, "the answers to {op:?}");
        }
        rest = later;
    }
    for world in [left.world, right.world] {
        world.maintain();
    }
    assert_eq!(portrait(left.world), portrait(right.world), "what can be read in the end");
}

impl Player {
    /// Two apps with a key for each environment.
    pub fn begin(world: &World) -> Self {
        let apps = (0..APPS).map(|number| {
            let settings = Settings { idle_days: idle_days(2), ..Settings::default() };
            let app = world.app_with(oauth_steps::settings(number, settings));
            let key = |environment| {
                let key = world.key(&app, environment).key;
                (key.id, key.hash)
            };
            Known { id: app.id, keys: [key(Environment::Test), key(Environment::Live)] }
        });
        Self {
            apps: apps.collect(),
            issued: Vec::new(),
            asked: Vec::new(),
            developers: Developers::default(),
            clients: Clients::default(),
        }
    }

    /// Plays steps that all stand alone or all do not, in as few transactions as the side allows;
    /// says what each was answered.
    pub fn play(&mut self, side: &Side<'_>, ops: &[Op]) -> Vec<String> {
        let world = side.world;
        match ops {
            [op] if op.stands_alone() => vec![self.alone(world, op)],
            _ => {
                let mut answers = Vec::new();
                for batch in ops.chunks(side.batch) {
                    let (mut after, mut answered) = (self.clone(), Vec::new());
                    let mut work = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
                        // it may be run again
                        (after, answered) = (self.clone(), Vec::new());
                        for op in batch {
                            answered.push(after.step(tx, op)?);
                        }
                        Ok(())
                    };
                    world.store.transaction("batch", &mut work).unwrap();
                    *self = after;
                    answers.extend(answered);
                }
                answers
            }
        }
    }

    fn alone(&self, world: &World, op: &Op) -> String {
        match op {
            Op::Pass { milliseconds } => world.pass_ms(*milliseconds),
            Op::Maintain => world.maintain(),
            Op::CloseChains => return format!("{:?}", world.run(&CloseChains::Own)),
            Op::Checkpoint { who } => {
                let sign = |message: &[u8]| export::sign(message);
                let tenant = Some(self.tenant(*who));
                world.run(&Checkpoint { tenant, kid: export::KID, sign: &sign });
            }
            Op::Look => return portrait(world),
            other => panic!("{other:?} needs a transaction"),
        }
        String::new()
    }

    /// One step inside a transaction, and its answer as text.
    fn step(&mut self, tx: &mut Tx<'_>, op: &Op) -> Result<String, StoreError> {
        match op {
            Op::Issue { .. }
            | Op::Connect { .. }
            | Op::Exchange { .. }
            | Op::Verify { .. }
            | Op::Malformed { .. } => self.agents_step(tx, op),
            Op::OpenConsent { .. } | Op::EnterConsent { .. } | Op::DecideConsent { .. } => {
                self.consent_step(tx, op)
            }
            Op::Invite { .. } | Op::Come { .. } | Op::Member { .. } | Op::Account { .. } => {
                let apps: Vec<AppId> = self.apps.iter().map(|app| app.id).collect();
                self.developers.step(tx, op, &apps)
            }
            Op::ClientAsks { .. }
            | Op::ClientExchanges { .. }
            | Op::ClientRefreshes { .. }
            | Op::ClientCalls { .. }
            | Op::ClientRevokes { .. } => {
                let mut clients = std::mem::take(&mut self.clients);
                let answer = clients.step(tx, op, |who| self.credential(who));
                self.clients = clients;
                answer
            }
            Op::Revoke { .. }
            | Op::RevokeToken { .. }
            | Op::RevokeUser { .. }
            | Op::RevokeApp { .. }
            | Op::DeleteApp { .. } => self.endings_step(tx, op),
            Op::Narrow { .. } | Op::Catalogue { .. } | Op::Plan { .. } | Op::Settings { .. } => {
                self.changes_step(tx, op)
            }
            _ => self.operators_step(tx, op),
        }
    }

    fn agents_step(&mut self, tx: &mut Tx<'_>, op: &Op) -> Result<String, StoreError> {
        match *op {
            Op::Issue { who, user, scopes, seconds, labelled } => {
                self.issue(tx, who, user, scopes, seconds, labelled)
            }
            Op::Connect { who, user } => {
                let issued = self.issue(tx, who, user, 0b0111, 3_600, true)?;
                let exchanged = self.step(tx, &Op::Exchange { nth: 0, key: 1, presenter: None })?;
                Ok(issued + &exchanged)
            }
            Op::Exchange { nth, key, presenter } => {
                let Some(number) = self.number(nth) else { return nothing() };
                let exchange = Exchange {
                    credential: presenter.map(|who| self.credential(who)),
                    token: self.issued[number].connection_token,
                    agent_label: None,
                    idempotency_key: (key > 0).then(|| SecretHash::of(&[key])),
                    origin: Origin::default(),
                };
                let answer = exchange.run(tx)?;
                if let Ok(exchanged) = &answer {
                    self.issued[number].access_token = Some(exchanged.access_token.hash());
                }
                said(&answer)
            }
            Op::Verify { nth, stranger, scopes, introspection } => {
                let Some(held) = self.exchanged(nth) else { return nothing() };
                let verify = Verify {
                    credential: self.credential(stranger.unwrap_or(held.who)),
                    token: PresentedToken::Access(
                        held.access_token.unwrap_or(held.connection_token),
                    ),
                    scope_used: chosen(scopes),
                    introspection,
                    origin: Origin::default(),
                };
                said(&verify.run(tx)?)
            }
            Op::Malformed { who } => {
                let verify = Verify {
                    credential: self.credential(who),
                    token: PresentedToken::Malformed,
                    scope_used: vec![],
                    introspection: false,
                    origin: Origin::default(),
                };
                said(&verify.run(tx)?)
            }
            _ => nothing(),
        }
    }

    fn consent_step(&mut self, tx: &mut Tx<'_>, op: &Op) -> Result<String, StoreError> {
        match *op {
            Op::OpenConsent { who, user, scopes, widens } => {
                self.open(tx, who, user, scopes, widens)
            }
            Op::EnterConsent { nth } => {
                let Some(number) = back(nth, self.asked.len()) else { return nothing() };
                let Asked { id, code, .. } = self.asked[number];
                let answer = EnterConsent { session_id: id, code }.run(tx)?;
                if let Ok(entered) = &answer {
                    self.asked[number].cookie = entered.cookie.hash();
                }
                said(&answer)
            }
            Op::DecideConsent { nth, scopes } => {
                let Some(number) = back(nth, self.asked.len()) else { return nothing() };
                let Asked { id, who, cookie, .. } = self.asked[number];
                let decision = if scopes == 0 {
                    Decision::Deny
                } else {
                    Decision::Grant {
                        scopes: chosen(scopes),
                        lifetime: Lifetime::Seconds(3_600),
                        agent_label: None,
                        user_intent: None,
                    }
                };
                let origin = Origin::default();
                let decide = DecideConsent { session_id: id, cookie, decision, origin };
                let answer = decide.run(tx)?;
                if let Ok(DecidedConsent { outcome: ConsentOutcome::Granted(issued), .. }) = &answer
                {
                    let connection_token = issued.token.hash();
                    let id = issued.connection.id;
                    self.issued.push(Held { id, who, connection_token, access_token: None });
                }
                said(&answer)
            }
            _ => nothing(),
        }
    }

    fn open(
        &mut self,
        tx: &mut Tx<'_>,
        who: Who,
        user: usize,
        scopes: u8,
        widens: bool,
    ) -> Result<String, StoreError> {
        let ask = match self.held(0).filter(|_| widens) {
            Some(held) => ConsentAsk::Widen {
                connection_id: held.id,
                owner: None,
                add_scopes: chosen(scopes),
                seconds: Some(7_200),
            },
            None => ConsentAsk::Grant {
                user_id: user_id(USERS[user]),
                user_label: None,
                scopes: chosen(scopes),
                preselected: vec![],
                durations: vec![],
            },
        };
        let open = OpenConsent {
            credential: self.credential(who),
            app_id: self.apps[who.app].id,
            ask,
            purpose: None,
            return_url: None,
            locale: None,
            prompt_templates: vec![],
            origin: Origin::default(),
        };
        let answer = open.run(tx)?;
        if let Ok(opened) = &answer {
            let code = opened.code.hash();
            self.asked.push(Asked { id: opened.session.id, who, code, cookie: code });
        }
        said(&answer)
    }

    fn issue(
        &mut self,
        tx: &mut Tx<'_>,
        who: Who,
        user: usize,
        scopes: u8,
        seconds: i64,
        labelled: bool,
    ) -> Result<String, StoreError> {
        let issue = Issue {
            credential: self.credential(who),
            app_id: self.apps[who.app].id,
            user_id: user_id(USERS[user]),
            scopes: chosen(scopes),
            lifetime: if seconds == 0 {
                Lifetime::UntilRevoked
            } else {
                Lifetime::Seconds(seconds)
            },
            user_label: None,
            agent_label: labelled.then(|| Label::new(format!("Agent of {}", USERS[user])).unwrap()),
            purpose: None,
            user_intent: None,
            origin: Origin::default(),
        };
        let answer = issue.run(tx)?;
        if let Ok(issued) = &answer {
            let connection_token = issued.token.hash();
            let id = issued.connection.id;
            self.issued.push(Held { id, who, connection_token, access_token: None });
        }
        said(&answer)
    }

    fn endings_step(&mut self, tx: &mut Tx<'_>, op: &Op) -> Result<String, StoreError> {
        let operator = |target| OperatorRevoke {
            credential: LOCAL,
            target,
            reason: None,
            origin: Origin::default(),
        };
        match *op {
            Op::Revoke { nth, stranger, owner } => {
                let Some(held) = self.held(nth) else { return nothing() };
                let owner = owner.map(|user| user_id(USERS[user]));
                let target = RevokeTarget::Connection { id: held.id, owner };
                said(&self.revoke(stranger.unwrap_or(held.who), target).run(tx)?)
            }
            Op::RevokeToken { nth, stranger, access } => {
                let Some(held) = self.held(nth) else { return nothing() };
                let access_token = held.access_token.filter(|_| access);
                let target = RevokeTarget::Token(access_token.unwrap_or(held.connection_token));
                said(&self.revoke(stranger.unwrap_or(held.who), target).run(tx)?)
            }
            Op::RevokeUser { who, user } => {
                let target = RevokeTarget::User(user_id(USERS[user]));
                said(&self.revoke(who, target).run(tx)?)
            }
            Op::RevokeApp { app } => {
                said(&operator(OperatorRevokeTarget::App(self.apps[app].id)).run(tx)?)
            }
            Op::DeleteApp { app } => {
                let app_id = self.apps[app].id;
                let delete = DeleteApp { credential: LOCAL, app_id, origin: Origin::default() };
                said(&delete.run(tx)?)
            }
            _ => nothing(),
        }
    }

    fn changes_step(&mut self, tx: &mut Tx<'_>, op: &Op) -> Result<String, StoreError> {
        let origin = Origin::default();
        match *op {
            Op::Narrow { nth, stranger, scopes, end_in } => {
                let Some(held) = self.held(nth) else { return nothing() };
                let narrow = Narrow {
                    credential: self.credential(stranger.unwrap_or(held.who)),
                    connection_id: held.id,
                    less: Less {
                        remove_scopes: chosen(scopes),
                        expires_at: end_in.map(|seconds| tx.now.plus_seconds(seconds)),
                        user_label: None,
                    },
                    origin,
                };
                said(&narrow.run(tx)?)
            }
            Op::Catalogue { who, keep, remove } => {
                let scopes: Vec<Scope> =
                    chosen(keep).iter().map(|name| scope(name.as_str())).collect();
                let put = PutScopes {
                    credential: self.credential(who),
                    app_id: self.apps[who.app].id,
                    scopes,
                    remove: chosen(remove),
                    origin,
                };
                said(&put.run(tx)?)
            }
            Op::Plan { app, limit, refuse } => {
                let plan = Plan {
                    status: PlanStatus::Active,
                    call_limit: limit,
                    on_limit: if refuse { OnLimit::Refuse } else { OnLimit::Overage },
                    ..Plan::default()
                };
                let app_id = self.apps[app].id;
                said(&PutPlan { credential: LOCAL, app_id, plan, origin }.run(tx)?)
            }
            Op::Settings { app, revoke_replays, idle_days: days, require_scope } => {
                let patch = SettingsPatch {
                    on_replay: Some(if revoke_replays {
                        OnReplay::Revoke
                    } else {
                        OnReplay::Refuse
                    }),
                    idle_days: Some(idle_days(days)),
                    scope_used: Some(if require_scope {
                        ScopeUsed::Required
                    } else {
                        ScopeUsed::Optional
                    }),
                    ..SettingsPatch::default()
                };
                let update = UpdateApp {
                    credential: LOCAL,
                    app_id: self.apps[app].id,
                    name: None,
                    description: None,
                    settings: Some(patch),
                    origin,
                };
                said(&update.run(tx)?)
            }
            _ => nothing(),
        }
    }

    fn operators_step(&mut self, tx: &mut Tx<'_>, op: &Op) -> Result<String, StoreError> {
        let origin = Origin::default();
        match *op {
            Op::Rotate { who, overlap } => {
                let rotate = RotateApiKey {
                    credential: LOCAL,
                    app_id: self.apps[who.app].id,
                    key_id: self.key(who).0,
                    overlap_seconds: overlap,
                    origin,
                };
                let answer = rotate.run(tx)?;
                if let Ok(created) = &answer {
                    let key = (created.key.id, created.key.hash);
                    self.apps[who.app].keys[usize::from(who.live)] = key;
                }
                said(&answer)
            }
            Op::Suspend { nth } => {
                let Some(held) = self.held(nth) else { return nothing() };
                let Some(before) = tx.rows.connection(held.id)? else { return nothing() };
                let Some(app) = tx.rows.app(before.tenant.app_id)? else { return nothing() };
                let after = Connection { suspended: true, ..before.clone() };
                said(&tx.save_connection(&app, Some(&before), &after)?)
            }
            Op::Resume => {
                let target = ResumeTarget::All;
                said(&Resume { credential: LOCAL, target, before: None, origin }.run(tx)?)
            }
            Op::Expire => said(&ExpireDue.run(tx)?),
            Op::Probe => said(&Probe { credential: LOCAL }.run(tx)?),
            Op::Flush { all } => said(&FlushRefusals { all }.run(tx)?),
            _ => nothing(),
        }
    }

    fn revoke(&self, who: Who, target: RevokeTarget) -> Revoke {
        let credential = self.credential(who);
        Revoke { credential, target, reason: None, origin: Origin::default() }
    }

    fn number(&self, nth: usize) -> Option<usize> {
        back(nth, self.issued.len())
    }

    fn held(&self, nth: usize) -> Option<Held> {
        self.number(nth).map(|number| self.issued[number])
    }

    /// The same among those that were exchanged, where there are any.
    fn exchanged(&self, nth: usize) -> Option<Held> {
        let exchanged: Vec<&Held> =
            self.issued.iter().rev().filter(|held| held.access_token.is_some()).collect();
        match nth.checked_rem(exchanged.len()) {
            Some(back) => Some(*exchanged[back]),
            None => self.held(nth),
        }
    }

    fn key(&self, who: Who) -> (KeyId, SecretHash) {
        self.apps[who.app].keys[usize::from(who.live)]
    }

    fn credential(&self, who: Who) -> AppCredential {
        AppCredential::ApiKey(self.key(who).1)
    }

    fn tenant(&self, who: Who) -> agentadmit_core::app::Tenant {
        let environment = if who.live { Environment::Live } else { Environment::Test };
        agentadmit_core::app::Tenant::new(self.apps[who.app].id, environment)
    }
}

/// The place of the `nth` from the end, modulo how many there are.
pub(super) fn back(nth: usize, count: usize) -> Option<usize> {
    nth.checked_rem(count).map(|back| count - 1 - back)
}

/// The scopes whose bits are set.
pub(super) fn chosen(bits: u8) -> Vec<ScopeName> {
    let is_set = |(bit, _): &(usize, &&str)| bits & (1 << bit) != 0;
    SCOPES.iter().enumerate().filter(is_set).map(|(_, name)| name.parse().unwrap()).collect()
}

fn idle_days(days: u32) -> IdleDays {
    IdleDays::new(days).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "so that it can stand at the end of a step")]
pub(super) fn said(answer: &impl std::fmt::Debug) -> Result<String, StoreError> {
    Ok(format!("{answer:?}"))
}

#[expect(clippy::unnecessary_wraps, reason = "so that it can stand at the end of a step")]
pub(super) fn nothing() -> Result<String, StoreError> {
    Ok("nothing is there yet".to_owned())
}
