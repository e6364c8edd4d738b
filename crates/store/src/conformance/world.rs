//! A store with a clock, and short ways to call its verbs. What a case does not say is a plain
//! default, so that what it says stands out.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::app::{App, Tenant};
use agentadmit_core::connection::Connection;
use agentadmit_core::credential::ApiKey;
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::audit::{AuditEvent, AuditRecord};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::id::{ConnectionId, EventId};
use agentadmit_protocol::permission::Permissions;
use agentadmit_protocol::scope::{Scope, ScopeName};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{Plan, Settings};
use agentadmit_protocol::text::{Text, UserId};
use agentadmit_protocol::time::Timestamp;

use super::{Backend, Options};
use crate::clock::{Clock, FakeClock};
use crate::record::Origin;
use crate::store::{self, Store, StoreError};
use crate::verbs::apps::{CreateApp, PutPlan};
use crate::verbs::auth::{AppCredential, OperatorCredential};
use crate::verbs::consent::{ConsentAsk, OpenConsent};
use crate::verbs::keys::CreateApiKey;
use crate::verbs::revoke::{Revoke, RevokeTarget, Revoked};
use crate::verbs::token::{Exchange, Exchanged, Issue, Issued};
use crate::verbs::verify::{PresentedToken, Verify, VerifyAnswer};
use crate::verbs::{Answered, Verb};
use crate::views::{AuditFilter, Views};
use crate::writer::WriterOptions;

/// The scopes that an app of these tests has.
pub const SCOPES: [&str; 4] = ["orders:read", "orders:write", "files:read", "files:write"];

/// A store and its clock.
pub struct World {
    /// The store under test.
    pub store: Arc<dyn Store>,
    /// The clock that it reads.
    pub clock: Arc<FakeClock>,
}

impl World {
    /// A new store, in the morning of a day in the middle of a month.
    pub fn open(backend: &Backend<'_>) -> Self {
        Self::with(backend, WriterOptions::default(), 1_000_000)
    }

    /// A new store with these options.
    pub fn with(backend: &Backend<'_>, writer: WriterOptions, segment_records: usize) -> Self {
        let clock = Arc::new(FakeClock::new("2026-05-14T08:00:00.000Z".parse().unwrap()));
        let options = Options { seed: [7; 32], clock: Arc::clone(&clock), writer, segment_records };
        Self { store: (backend.open)(options), clock }
    }

    /// Runs one verb in a transaction of its own.
    pub fn run<V: Verb>(&self, verb: &V) -> V::Answer {
        store::write(&*self.store, verb).unwrap()
    }

    /// Runs one verb that is granted.
    pub fn granted<V: Verb<Answer = Answered<T>>, T>(&self, verb: &V) -> T {
        match self.run(verb) {
            Ok(answer) => answer,
            Err(refusal) => panic!("{} is refused: {refusal:?}", V::NAME),
        }
    }

    /// Runs one verb that is refused, and says with which code.
    pub fn refused<V: Verb<Answer = Answered<T>>, T>(&self, verb: &V) -> ErrorCode {
        match self.run(verb) {
            Ok(_) => panic!("{} is granted", V::NAME),
            Err(refusal) => refusal.code,
        }
    }

    /// Reads from one snapshot.
    pub fn read<R>(&self, reading: impl Fn(&mut dyn Views) -> Result<R, StoreError>) -> R {
        store::read(&*self.store, "test", reading).unwrap()
    }

    /// Time passes.
    pub fn pass_ms(&self, milliseconds: u64) {
        self.clock.advance(Duration::from_millis(milliseconds));
    }

    /// Time passes.
    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.read().wall
    }

    /// Does all the maintenance there is.
    pub fn maintain(&self) {
        for _ in 0..100_000 {
            if !self.store.maintain(Duration::from_secs(1)).unwrap().more {
                return;
            }
        }
        panic!("maintenance does not end");
    }

    /// A new app with the scopes of these tests.
    pub fn app(&self) -> App {
        self.app_with(Settings::default())
    }

    /// A new app with these settings.
    pub fn app_with(&self, settings: Settings) -> App {
        self.granted(&CreateApp {
            credential: OperatorCredential::Local,
            name: "Shop".to_owned(),
            description: None,
            scopes: SCOPES.iter().map(|name| scope(name)).collect(),
            settings,
            origin: Origin::default(),
        })
    }

    /// A new key that may do everything.
    pub fn key(&self, app: &App, environment: Environment) -> Caller<'_> {
        self.key_with(app, environment, Permissions::ALL)
    }

    /// A new key that may do this.
    pub fn key_with(
        &self,
        app: &App,
        environment: Environment,
        permissions: Permissions,
    ) -> Caller<'_> {
        let created = self.granted(&CreateApiKey {
            credential: OperatorCredential::Local,
            app_id: app.id,
            environment,
            permissions,
            name: None,
            expires_at: None,
            origin: Origin::default(),
        });
        assert_eq!(created.secret.hash(), created.key.hash);
        Caller { world: self, tenant: Tenant::new(app.id, environment), key: created.key }
    }

    /// A new app, and its live key.
    pub fn caller(&self) -> Caller<'_> {
        let app = self.app();
        self.key(&app, Environment::Live)
    }

    /// A new app with these settings, and its live key.
    pub fn caller_with(&self, settings: Settings) -> Caller<'_> {
        let app = self.app_with(settings);
        self.key(&app, Environment::Live)
    }

    /// Sets an app's plan.
    pub fn plan(&self, app: &App, plan: Plan) {
        let credential = OperatorCredential::Local;
        self.granted(&PutPlan { credential, app_id: app.id, plan, origin: Origin::default() });
    }

    /// All that is kept of the log, oldest first.
    pub fn log(&self) -> Vec<AuditRecord> {
        self.log_of(None)
    }

    /// All that is kept of a tenant's log, or of the whole, oldest first.
    pub fn log_of(&self, tenant: Option<Tenant>) -> Vec<AuditRecord> {
        let (mut records, mut after) = (Vec::new(), 0);
        loop {
            let slice = self.read(|views| {
                let end = views.log_end()?;
                views.log(tenant, after, end, 1_000)
            });
            records.extend(slice.records);
            match slice.next {
                Some(next) => after = next,
                None => return records,
            }
        }
    }

    /// Everything that a search finds, newest first.
    pub fn search(&self, filter: &AuditFilter, page: usize) -> Vec<AuditRecord> {
        let (mut records, mut before) = (Vec::new(), None);
        loop {
            let found = self.read(|views| views.audit(filter, before, page));
            assert!(found.records.len() <= page, "a page is no longer than asked for");
            records.extend(found.records);
            match found.next {
                Some(next) => before = Some(next),
                None => return records,
            }
        }
    }

    /// The record with this id.
    pub fn record(&self, id: EventId) -> AuditRecord {
        self.log().into_iter().find(|record| record.id == id).expect("the record is in the log")
    }

    /// The records of one event, oldest first.
    pub fn events(&self, event: AuditEvent) -> Vec<AuditRecord> {
        self.log().into_iter().filter(|record| record.event == event).collect()
    }

    /// A connection's row.
    pub fn connection(&self, id: ConnectionId) -> Connection {
        self.read(|views| views.connection(id)).expect("the connection exists")
    }
}

/// A key of an app, and calls with it.
#[derive(Clone)]
pub struct Caller<'w> {
    /// Where it is known.
    pub world: &'w World,
    /// What it sees.
    pub tenant: Tenant,
    /// The key.
    pub key: ApiKey,
}

/// An agent after its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// Its connection.
    pub id: ConnectionId,
    /// The hash of the connection token.
    pub connection_token: SecretHash,
    /// The hash of the access token.
    pub access_token: SecretHash,
}

impl Caller<'_> {
    /// The key as a call shows it.
    pub fn credential(&self) -> AppCredential {
        AppCredential::ApiKey(self.key.hash)
    }

    /// Issues to this user what these tests issue: the first three scopes for thirty days.
    pub fn issue(&self, user: &str) -> Issue {
        Issue {
            credential: self.credential(),
            app_id: self.tenant.app_id,
            user_id: user_id(user),
            scopes: names(&SCOPES[..3]),
            lifetime: Lifetime::Seconds(2_592_000),
            user_label: None,
            agent_label: None,
            purpose: None,
            user_intent: None,
            origin: Origin::default(),
        }
    }

    /// Asks this user on the consent page for any scope of these tests.
    pub fn ask(&self, user: &str) -> OpenConsent {
        OpenConsent {
            credential: self.credential(),
            app_id: self.tenant.app_id,
            ask: ConsentAsk::Grant {
                user_id: user_id(user),
                user_label: None,
                scopes: vec![],
                preselected: vec![],
                durations: vec![],
            },
            purpose: None,
            return_url: None,
            locale: None,
            prompt_templates: vec![],
            origin: Origin::default(),
        }
    }

    /// Issues, and says what came of it.
    pub fn issued(&self, user: &str) -> Issued {
        self.world.granted(&self.issue(user))
    }

    /// Issues and exchanges.
    pub fn connect(&self, user: &str) -> Agent {
        self.connect_with(&self.issue(user))
    }

    /// Issues this and exchanges.
    pub fn connect_with(&self, issue: &Issue) -> Agent {
        let issued = self.world.granted(issue);
        let exchanged = self.world.granted(&exchange(issued.token.hash()));
        agent(&issued, &exchanged)
    }

    /// Verifies a call that needs the first scope.
    pub fn verify_verb(&self, token: SecretHash) -> Verify {
        Verify {
            credential: self.credential(),
            token: PresentedToken::Access(token),
            scope_used: names(&SCOPES[..1]),
            introspection: false,
            origin: Origin::default(),
        }
    }

    /// Verifies a call that needs the first scope.
    pub fn verify(&self, agent: &Agent) -> VerifyAnswer {
        self.world.run(&self.verify_verb(agent.access_token))
    }

    /// Verifies a call that needs these scopes.
    pub fn verify_scopes(&self, agent: &Agent, scopes: &[&str]) -> VerifyAnswer {
        let verb = self.verify_verb(agent.access_token);
        self.world.run(&Verify { scope_used: names(scopes), ..verb })
    }

    /// Presents something that is no access token.
    pub fn verify_malformed(&self) -> VerifyAnswer {
        let verb = self.verify_verb(SecretHash::of(b"nothing"));
        self.world.run(&Verify { token: PresentedToken::Malformed, ..verb })
    }

    /// Revokes.
    pub fn revoke_verb(&self, target: RevokeTarget) -> Revoke {
        let credential = self.credential();
        Revoke { credential, target, reason: None, origin: Origin::default() }
    }

    /// Revokes one connection.
    pub fn revoke(&self, id: ConnectionId) -> Revoked {
        self.world.granted(&self.revoke_verb(RevokeTarget::Connection { id, owner: None }))
    }
}

/// Exchanges a connection token as an agent by itself does.
pub fn exchange(token: SecretHash) -> Exchange {
    Exchange {
        credential: None,
        token,
        agent_label: None,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

/// What an agent holds after this exchange.
pub fn agent(issued: &Issued, exchanged: &Exchanged) -> Agent {
    assert_eq!(issued.connection.id, exchanged.connection.id);
    Agent {
        id: issued.connection.id,
        connection_token: issued.token.hash(),
        access_token: exchanged.access_token.hash(),
    }
}

/// A scope of a catalogue.
pub fn scope(name: &str) -> Scope {
    Scope {
        name: name.parse().unwrap(),
        description: Text::new(format!("May {name}")).unwrap(),
        category: None,
        sensitive: false,
        admin: false,
    }
}

/// Names of scopes.
pub fn names(names: &[&str]) -> Vec<ScopeName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// A user.
pub fn user_id(text: &str) -> UserId {
    UserId::new(text).unwrap()
}

/// The call passed; the id of its record.
#[track_caller]
pub fn assert_allowed(answer: &VerifyAnswer) -> EventId {
    match answer {
        VerifyAnswer::Allowed { audit_id, .. } => *audit_id,
        other => panic!("the call does not pass: {other:?}"),
    }
}

/// The token is dead, and for this reason.
#[track_caller]
pub fn assert_dead(answer: &VerifyAnswer, because: InvalidTokenReason) {
    match answer {
        VerifyAnswer::Dead { reason, .. } if *reason == because => {}
        other => panic!("the token is not {because:?}: {other:?}"),
    }
}
