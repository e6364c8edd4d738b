//! Sessions of the consent page: one browser, one decision, and what comes of it.

use std::thread;

use agentadmit_core::app::App;
use agentadmit_core::connection::{Connection, Status};
use agentadmit_core::consent::{ConsentSession, MAX_SESSIONS_PER_USER, SessionState};
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::id::ConsentSessionId;
use agentadmit_protocol::scope::Scope;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{Issuance, Plan, PlanStatus, Settings};

use super::world::{
    Agent, Caller, SCOPES, World, agent, assert_allowed, assert_dead, exchange, names, scope,
    user_id,
};
use super::{Backend, check};
use crate::record::Origin;
use crate::store::write;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::catalogue::PutScopes;
use crate::verbs::consent::{
    ConsentAsk, ConsentOutcome, DecideConsent, Decision, EnterConsent, OpenConsent,
};
use crate::verbs::keys::RevokeApiKey;
use crate::verbs::revoke::{OperatorRevoke, OperatorRevokeTarget, RevokeTarget};
use crate::verbs::token::Issued;
use crate::verbs::upkeep::ExpireDue;
use crate::writer::WriterOptions;

/// Asks for more for a connection.
fn widen(caller: &Caller<'_>, agent: &Agent, add: &[&str], seconds: Option<i64>) -> OpenConsent {
    let ask = ConsentAsk::Widen {
        connection_id: agent.id,
        owner: None,
        add_scopes: names(add),
        seconds,
    };
    OpenConsent { ask, ..caller.ask("ann") }
}

/// A session that a browser has: its id and the hash of the cookie.
#[derive(Clone, Copy)]
struct Open {
    id: ConsentSessionId,
    cookie: SecretHash,
}

fn opened(world: &World, ask: &OpenConsent) -> Open {
    let opened = world.granted(ask);
    let id = opened.session.id;
    let entered = world.granted(&EnterConsent { session_id: id, code: opened.code.hash() });
    Open { id, cookie: entered.cookie.hash() }
}

fn yes(open: Open, scopes: &[&str]) -> DecideConsent {
    let decision = Decision::Grant {
        scopes: names(scopes),
        lifetime: Lifetime::Seconds(3_600),
        agent_label: None,
        user_intent: None,
    };
    let origin = Origin::default();
    DecideConsent { session_id: open.id, cookie: open.cookie, decision, origin }
}

fn no(open: Open) -> DecideConsent {
    DecideConsent { decision: Decision::Deny, ..yes(open, &[]) }
}

fn issued(world: &World, open: Open, scopes: &[&str]) -> Issued {
    match world.granted(&yes(open, scopes)).outcome {
        ConsentOutcome::Granted(issued) => *issued,
        other => panic!("no new connection: {other:?}"),
    }
}

fn widened(world: &World, open: Open, scopes: &[&str]) -> (Connection, Connection) {
    match world.granted(&yes(open, scopes)).outcome {
        ConsentOutcome::Widened { before, after } => (*before, *after),
        other => panic!("nothing is wider: {other:?}"),
    }
}

fn session(world: &World, open: Open) -> ConsentSession {
    world.read(|views| views.consent_session(open.id)).expect("the session is kept")
}

pub(super) fn a_yes_is_a_connection(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let open = opened(&world, &caller.ask("ann"));
    let issued = issued(&world, open, &SCOPES[..2]);
    assert_eq!(issued.connection.user_id, user_id("ann"));
    assert_eq!(issued.connection.expires_at, Some(world.now().plus_seconds(3_600)));
    let exchanged = world.granted(&exchange(issued.token.hash()));
    assert_eq!(exchanged.scopes, names(&SCOPES[..2]));
    assert_allowed(&caller.verify(&agent(&issued, &exchanged)));
    let state = SessionState::Granted {
        browser: open.cookie,
        connection_id: issued.connection.id,
        at: world.now(),
    };
    assert_eq!(session(&world, open).state, state);

    let asked = world.events(AuditEvent::ConsentSessionCreated);
    assert_eq!((asked.len(), asked[0].actor), (1, Actor::Key(caller.key.id)));
    assert_eq!(asked[0].user_id, Some(user_id("ann")));
    let created = world.events(AuditEvent::ConnectionCreated);
    assert_eq!((created.len(), created[0].actor), (1, Actor::System));
    assert_eq!(created[0].on_behalf_of.as_ref().map(ToString::to_string).unwrap(), "user:ann");
    assert_eq!(created[0].scope.as_deref(), Some("orders:read orders:write"));
    let details = serde_json::to_value(created[0].details.as_ref().unwrap()).unwrap();
    assert_eq!(details["consent_session"], open.id.to_string());
    check::everything(&world);
}

pub(super) fn a_no_grants_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let open = opened(&world, &world.caller().ask("ann"));
    assert!(matches!(world.granted(&no(open)).outcome, ConsentOutcome::Denied));
    assert_eq!(world.refused(&yes(open, &SCOPES)), ErrorCode::Gone, "a decision is final");
    let denied = world.events(AuditEvent::ConsentSessionDenied);
    assert_eq!((denied.len(), denied[0].outcome), (1, Outcome::Refused));
    assert_eq!(world.events(AuditEvent::ConnectionCreated), vec![]);
    check::everything(&world);
}

pub(super) fn a_code_opens_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let (first, second) = (world.granted(&caller.ask("ann")), world.granted(&caller.ask("ann")));
    let enter = |id, code| EnterConsent { session_id: id, code };
    let others = enter(first.session.id, second.code.hash());
    assert_eq!(world.refused(&others), ErrorCode::NotFound);
    let unknown = enter(ConsentSessionId::from_bytes([7; 16]), first.code.hash());
    assert_eq!(world.refused(&unknown), ErrorCode::NotFound);
    let good = enter(first.session.id, first.code.hash());
    let cookie = world.granted(&good).cookie.hash();
    assert_eq!(world.refused(&good), ErrorCode::Conflict, "the second browser");
    let thief = Open { id: first.session.id, cookie: first.code.hash() };
    assert_eq!(world.refused(&yes(thief, &SCOPES)), ErrorCode::Conflict);
    let waiting = Open { id: second.session.id, cookie };
    assert_eq!(world.refused(&yes(waiting, &SCOPES)), ErrorCode::Conflict, "nobody has it yet");
    issued(&world, Open { id: first.session.id, cookie }, &SCOPES[..1]);
    check::everything(&world);
}

pub(super) fn time_ends_a_session(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let (in_time, late) = (opened(&world, &caller.ask("ann")), opened(&world, &caller.ask("ann")));
    let unopened = world.granted(&caller.ask("ann"));
    world.pass_ms(599_999);
    issued(&world, in_time, &SCOPES[..1]);
    world.pass_ms(1);
    assert_eq!(world.refused(&yes(late, &SCOPES)), ErrorCode::Gone);
    assert_eq!(world.refused(&no(late)), ErrorCode::Gone);
    let enter = EnterConsent { session_id: unopened.session.id, code: unopened.code.hash() };
    assert_eq!(world.refused(&enter), ErrorCode::Gone);
    world.pass_ms(3_599_999);
    world.run(&ExpireDue);
    assert!(world.read(|views| views.consent_session(late.id)).is_some(), "it can still be told");
    world.pass_ms(1);
    world.run(&ExpireDue);
    for id in [in_time.id, late.id, unopened.session.id] {
        assert_eq!(world.read(|views| views.consent_session(id)), None);
    }
    check::everything(&world);
}

pub(super) fn a_session_dies_with_who_opened_it(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let (caller, other) = (world.key(&app, Environment::Live), world.key(&app, Environment::Live));
    let (by_key, by_other) = (opened(&world, &caller.ask("ann")), opened(&world, &other.ask("ann")));
    let credential = OperatorCredential::Local;
    let (app_id, key_id, origin) = (app.id, caller.key.id, Origin::default());
    world.granted(&RevokeApiKey { credential: credential.clone(), app_id, key_id, origin });
    assert_eq!(world.refused(&yes(by_key, &SCOPES)), ErrorCode::Gone, "the key was revoked");
    issued(&world, by_other, &SCOPES[..1]);

    let marked = opened(&world, &other.ask("ann"));
    let (target, origin) = (OperatorRevokeTarget::App(app.id), Origin::default());
    world.granted(&OperatorRevoke { credential, target, reason: None, origin });
    assert_eq!(world.refused(&yes(marked, &SCOPES)), ErrorCode::Gone, "a mark covers it");
    let after = opened(&world, &other.ask("ann"));
    issued(&world, after, &SCOPES[..1]);
    check::everything(&world);
}

pub(super) fn a_user_who_is_logged_out_decides_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let open = opened(&world, &caller.ask("ann"));
    world.granted(&caller.revoke_verb(RevokeTarget::User(user_id("bob"))));
    world.granted(&caller.revoke_verb(RevokeTarget::User(user_id("ann"))));
    assert_eq!(world.refused(&yes(open, &SCOPES)), ErrorCode::Gone);
    let later = opened(&world, &caller.ask("ann"));
    issued(&world, later, &SCOPES[..1]);
    check::everything(&world);
}

/// The scopes of these tests, of which the second is sensitive and the third an admin's.
fn told(app: &App, caller: &Caller<'_>) -> PutScopes {
    let told = |(place, name): (usize, &&str)| {
        Scope { sensitive: place == 1, admin: place == 2, ..scope(name) }
    };
    PutScopes {
        credential: caller.credential(),
        app_id: app.id,
        scopes: SCOPES.iter().enumerate().map(told).collect(),
        remove: vec![],
        origin: Origin::default(),
    }
}

pub(super) fn what_is_asked_is_in_the_catalogue(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let caller = world.key(&app, Environment::Live);
    world.granted(&told(&app, &caller));
    let asking = |scopes: &[&str], preselected: &[&str]| OpenConsent {
        ask: ConsentAsk::Grant {
            user_id: user_id("ann"),
            user_label: None,
            scopes: names(scopes),
            preselected: names(preselected),
            durations: vec![],
        },
        ..caller.ask("ann")
    };
    let everything = world.granted(&caller.ask("ann")).session;
    let offered: Vec<_> = everything.offered().iter().map(|scope| scope.name.as_str()).collect();
    assert_eq!(offered, ["orders:read", "orders:write", "files:write"], "all but the admins'");
    for bad in [
        asking(&["orders:read", "orders:delete"], &[]),
        asking(&["orders:read", "orders:read"], &[]),
        asking(&["orders:read"], &["files:write"]),
        asking(&[], &["orders:delete"]),
        asking(&[], &["orders:write"]),
    ] {
        assert_eq!(world.refused(&bad), ErrorCode::InvalidScope, "{:?}", bad.ask);
    }
    let admin = opened(&world, &asking(&["files:read"], &["files:read"]));
    let not_offered = yes(admin, &["files:read", "orders:read"]);
    assert_eq!(world.refused(&not_offered), ErrorCode::InvalidScope);
    assert_eq!(world.refused(&yes(admin, &[])), ErrorCode::InvalidScope);
    issued(&world, admin, &["files:read"]);

    let gone = opened(&world, &asking(&[], &[]));
    let fewer = told(&app, &caller).scopes.into_iter().skip(1).collect();
    world.granted(&PutScopes {
        scopes: fewer,
        remove: names(&SCOPES[..1]),
        ..told(&app, &caller)
    });
    assert_eq!(world.refused(&yes(gone, &SCOPES[..1])), ErrorCode::InvalidScope);
    world.granted(&told(&app, &caller));
    let again = world.refused(&yes(gone, &SCOPES[..1]));
    assert_eq!(again, ErrorCode::InvalidScope, "a name that came back is another scope");
    issued(&world, gone, &["orders:write"]);
    check::everything(&world);
}

pub(super) fn a_user_goes_back_to_a_known_address(backend: &Backend<'_>) {
    let world = World::open(backend);
    let known: agentadmit_protocol::RedirectUri = "https://shop.example/agents".parse().unwrap();
    let settings = Settings { redirect_uris: vec![known.clone()], ..Settings::default() };
    let caller = world.caller_with(settings);
    for (url, is_known) in [
        ("https://shop.example/agents", true),
        ("https://shop.example/agents/", false),
        ("https://shop.example/agents?x=1", false),
        ("https://shop.example.evil.example/agents", false),
    ] {
        let return_url = Some(url.parse().unwrap());
        let answer = world.run(&OpenConsent { return_url, ..caller.ask("ann") });
        assert_eq!(answer.is_ok(), is_known, "{url}");
    }
    check::everything(&world);
}

pub(super) fn hosted_apps_grant_here(backend: &Backend<'_>) {
    let world = World::with(backend, WriterOptions { live_requires_plan: true }, 1_000_000);
    let app = world.app_with(Settings { issuance: Issuance::Hosted, ..Settings::default() });
    let with = |status| Plan { status, ..Plan::default() };
    world.plan(&app, with(PlanStatus::Active));
    let live = world.key(&app, Environment::Live);
    assert_eq!(world.refused(&live.issue("ann")), ErrorCode::HostedConsentRequired);
    let (first, second) = (opened(&world, &live.ask("ann")), opened(&world, &live.ask("ann")));
    issued(&world, first, &SCOPES[..1]);
    world.plan(&app, with(PlanStatus::Cancelled));
    assert_eq!(world.refused(&live.ask("ann")), ErrorCode::SubscriptionRequired);
    assert_eq!(world.refused(&yes(second, &SCOPES[..1])), ErrorCode::SubscriptionRequired);
    let elsewhere = OpenConsent { app_id: world.app().id, ..live.ask("ann") };
    assert_eq!(world.refused(&elsewhere), ErrorCode::NotFound);
    check::everything(&world);
}

pub(super) fn a_user_has_twenty_open_sessions_at_most(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let sessions: Vec<Open> =
        (0..MAX_SESSIONS_PER_USER).map(|_| opened(&world, &caller.ask("ann"))).collect();
    assert_eq!(world.refused(&caller.ask("ann")), ErrorCode::Conflict);
    world.granted(&no(sessions[3]));
    world.granted(&caller.ask("ann"));
    assert_eq!(world.refused(&caller.ask("ann")), ErrorCode::Conflict);
    world.pass(600);
    world.granted(&caller.ask("ann"));
    check::everything(&world);
}

pub(super) fn a_wider_connection_keeps_its_token(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let before = world.connection(agent.id);
    world.pass(60);
    let open = opened(&world, &widen(&caller, &agent, &["files:write"], Some(31_536_000)));
    world.pass(60);
    let (shown, after) = widened(&world, open, &["files:write"]);
    assert_eq!(shown, before);
    assert_eq!(world.connection(agent.id), after);
    assert_eq!((&after.state, after.connection_token), (&before.state, before.connection_token));
    assert_eq!(after.expires_at, Some(world.now().plus_seconds(31_536_000)), "from the yes on");
    let answer = caller.verify_scopes(&agent, &["files:write", "orders:read"]);
    assert_allowed(&answer);
    let events = world.events(AuditEvent::ConnectionWidened);
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].connection_id, events[0].actor), (Some(agent.id), Actor::System));
    assert_eq!(events[0].scope.as_deref(), Some("files:write"));
    assert_eq!(world.events(AuditEvent::ConnectionCreated).len(), 1);
    check::everything(&world);
}

pub(super) fn widening_asks_for_more(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (caller, stranger) = (world.caller(), world.caller());
    let agent = caller.connect("ann");
    let code = |seconds, add: &[&str]| world.refused(&widen(&caller, &agent, add, seconds));
    assert_eq!(code(None, &[]), ErrorCode::UnprocessableRequest);
    assert_eq!(code(None, &["orders:read"]), ErrorCode::UnprocessableRequest, "it holds that");
    assert_eq!(code(None, &["orders:delete"]), ErrorCode::InvalidScope);
    assert_eq!(code(Some(2_592_000), &[]), ErrorCode::InvalidDuration, "no longer than it is");
    assert_eq!(code(Some(59), &["files:write"]), ErrorCode::InvalidDuration);
    let theirs = OpenConsent {
        ask: widen(&caller, &agent, &["files:write"], None).ask,
        ..stranger.ask("ann")
    };
    assert_eq!(world.refused(&theirs), ErrorCode::NotFound);
    let ConsentAsk::Widen { connection_id, add_scopes, seconds, .. } =
        widen(&caller, &agent, &["files:write"], None).ask
    else {
        panic!("it asks for more")
    };
    let owned = |owner| OpenConsent {
        ask: ConsentAsk::Widen {
            connection_id,
            owner: Some(user_id(owner)),
            add_scopes: add_scopes.clone(),
            seconds,
        },
        ..caller.ask("ann")
    };
    assert_eq!(world.refused(&owned("bob")), ErrorCode::NotFound);
    let open = opened(&world, &owned("ann"));
    assert_eq!(world.refused(&yes(open, &["orders:read"])), ErrorCode::InvalidScope);

    let longer = opened(&world, &widen(&caller, &agent, &[], Some(2_592_001)));
    widened(&world, longer, &[]);
    let (_, after) = widened(&world, open, &["files:write"]);
    assert_eq!(after.scopes.len(), 4, "both hold together");
    check::everything(&world);
}

pub(super) fn what_ended_is_not_widened(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let agent = caller.connect("ann");
    let open = opened(&world, &widen(&caller, &agent, &["files:write"], None));
    caller.revoke(agent.id);
    assert_eq!(world.refused(&yes(open, &["files:write"])), ErrorCode::Conflict);
    let again = widen(&caller, &agent, &["files:write"], None);
    assert_eq!(world.refused(&again), ErrorCode::Conflict);
    assert_dead(&caller.verify(&agent), InvalidTokenReason::Revoked);
    assert_eq!(world.events(AuditEvent::ConnectionWidened), vec![]);
    check::everything(&world);
}

pub(super) fn one_of_many_browsers_gets_it(backend: &Backend<'_>) {
    let world = World::open(backend);
    let opened = world.granted(&world.caller().ask("ann"));
    let enter = EnterConsent { session_id: opened.session.id, code: opened.code.hash() };
    let store = &world.store;
    let won: Vec<_> = thread::scope(|scope| {
        let race = |_| scope.spawn(|| write(&**store, &enter).unwrap().ok());
        let racers: Vec<_> = (0..32).map(race).collect();
        racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(won.len(), 1, "one of 32");
    let open = Open { id: opened.session.id, cookie: won[0].cookie.hash() };
    issued(&world, open, &SCOPES[..1]);
    check::everything(&world);
}

pub(super) fn one_of_many_decisions_counts(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    for _ in 0..4 {
        let open = opened(&world, &caller.ask("ann"));
        let answers = [yes(open, &SCOPES[..1]), no(open)];
        let store = &world.store;
        let made: Vec<_> = thread::scope(|scope| {
            let race = |answer| scope.spawn(move || write::<DecideConsent>(&**store, answer).unwrap().ok());
            let racers: Vec<_> = answers.iter().cycle().take(32).map(race).collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(made.len(), 1, "one of 32");
    }
    let created = world.events(AuditEvent::ConnectionCreated).len();
    let denied = world.events(AuditEvent::ConsentSessionDenied).len();
    assert_eq!(created + denied, 4);
    let pending = crate::views::ConnectionFilter { status: Some(Status::Pending), ..<_>::default() };
    assert_eq!(check::connections(&world, &pending, 100).len(), created);
    check::everything(&world);
}
