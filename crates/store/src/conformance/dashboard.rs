//! Codes and sessions of the dashboard: what opens, what ends, and who wins.

use std::thread;

use agentadmit_core::Refusal;
use agentadmit_core::credential::Operator;
use agentadmit_core::dashboard::{
    CODE_TRIES, Holder, MAX_CODES, MAX_SESSIONS, Session, SessionLimits, SignInMethod, WaitingCode,
};
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AccountId;
use agentadmit_protocol::secret::SecretHash;

use super::world::World;
use super::{Backend, check};
use crate::record::Origin;
use crate::store::{StoreError, write};
use crate::tx::Tx;
use crate::verbs::apps::DeleteApp;
use crate::verbs::auth::{OperatorCredential, session_of};
use crate::verbs::dashboard::{
    CreateSignInCode, CreatedCode, EndSession, FirstSignInCode, NoteUse, OpenedSession, SignIn,
    SignOut,
};
use crate::verbs::operators::{CreateOperator, RevokeOperator, RotateOperator};
use crate::verbs::upkeep::ExpireDue;
use crate::verbs::{Answered, Verb};
use crate::views::Milestone;

const MINUTE: u64 = 60;

fn create(credential: OperatorCredential) -> CreateSignInCode {
    CreateSignInCode { credential, origin: Origin::default() }
}

fn new_code(world: &World) -> CreatedCode {
    world.granted(&create(OperatorCredential::Local))
}

fn sign_in(code: &CreatedCode) -> SignIn {
    SignIn {
        handle: code.waiting.handle,
        code: code.code.hash(),
        limits: SessionLimits::default(),
        former: None,
        origin: Origin::default(),
    }
}

/// The same code with another ending.
fn wrong(code: &CreatedCode) -> SignIn {
    SignIn { code: SecretHash::of(b"another"), ..sign_in(code) }
}

fn signed_in(world: &World) -> OpenedSession {
    world.granted(&sign_in(&new_code(world)))
}

fn by(opened: &OpenedSession) -> OperatorCredential {
    OperatorCredential::Session(opened.cookie.hash())
}

fn is_good(world: &World, opened: &OpenedSession) -> bool {
    let (cookie, now) = (opened.cookie.hash(), world.now());
    world.read(|views| session_of(views, &cookie, now)).is_ok()
}

fn kept(world: &World, opened: &OpenedSession) -> Option<Session> {
    world.read(|views| views.session_by_id(opened.session.id))
}

fn operator(world: &World) -> (Operator, OperatorCredential) {
    let made = world.granted(&CreateOperator {
        credential: OperatorCredential::Local,
        name: None,
        billing_only: false,
        expires_at: None,
        origin: Origin::default(),
    });
    (made.operator, OperatorCredential::Token(made.token.hash()))
}

/// Begins a session of a developer's, as whatever signs developers in does.
struct AsDeveloper(AccountId);

impl Verb for AsDeveloper {
    type Answer = Answered<OpenedSession>;
    const NAME: &'static str = "as_developer";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let holder = Holder::Developer { account_id: self.0 };
        tx.open_session(holder, SignInMethod::Code, SessionLimits::default(), &Origin::default()).map(Ok)
    }
}

pub(super) fn a_code_opens_one_session(backend: &Backend<'_>) {
    let world = World::open(backend);
    let code = new_code(&world);
    let opened = world.granted(&sign_in(&code));
    assert_eq!(opened.session.holder, Holder::Operator { behind: None });
    assert_eq!(kept(&world, &opened), Some(opened.session.clone()));
    let found = world.read(|views| views.session(&opened.cookie.hash()));
    assert_eq!(found, Some(opened.session.clone()));
    assert!(is_good(&world, &opened));
    assert_eq!(world.refused(&sign_in(&code)), ErrorCode::InvalidCode);
    assert_eq!(world.refused(&wrong(&code)), ErrorCode::InvalidCode);

    let records = world.events(AuditEvent::SignedIn);
    assert_eq!((records.len(), records[0].actor), (1, Actor::Session(opened.session.id)));
    assert_eq!(world.events(AuditEvent::SignInCodeCreated)[0].actor, Actor::System);
    assert!(world.events(AuditEvent::SignInRefused).is_empty(), "of no code that is known");
    check::everything(&world);
}

pub(super) fn a_code_is_void_after_five_wrong_tries(backend: &Backend<'_>) {
    let world = World::open(backend);
    let code = new_code(&world);
    for _ in 1..CODE_TRIES {
        assert_eq!(world.refused(&wrong(&code)), ErrorCode::InvalidCode);
    }
    world.granted(&sign_in(&code));
    let code = new_code(&world);
    for _ in 0..CODE_TRIES {
        assert_eq!(world.refused(&wrong(&code)), ErrorCode::InvalidCode);
    }
    assert_eq!(world.refused(&sign_in(&code)), ErrorCode::InvalidCode);
    let refused = world.events(AuditEvent::SignInRefused);
    assert_eq!(refused.len(), 9);
    assert!(refused.iter().all(|record| record.outcome == Outcome::Refused));
    check::everything(&world);
}

pub(super) fn a_wrong_try_counts_against_its_own_code(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (one, other) = (new_code(&world), new_code(&world));
    // the whole of another code is a wrong try at the one whose first group is typed
    let mixed = SignIn { handle: one.waiting.handle, ..sign_in(&other) };
    for _ in 0..CODE_TRIES {
        assert_eq!(world.refused(&mixed), ErrorCode::InvalidCode);
    }
    assert_eq!(world.refused(&sign_in(&one)), ErrorCode::InvalidCode);
    world.granted(&sign_in(&other));
}

pub(super) fn time_ends_a_code(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (one, other) = (new_code(&world), new_code(&world));
    world.pass_ms(599_999);
    world.granted(&sign_in(&one));
    world.pass_ms(1);
    assert_eq!(world.refused(&sign_in(&other)), ErrorCode::InvalidCode);
}

pub(super) fn twenty_codes_wait_at_most(backend: &Backend<'_>) {
    let world = World::open(backend);
    let mut codes = Vec::new();
    for _ in 0..=MAX_CODES {
        codes.push(new_code(&world));
        world.pass_ms(1);
    }
    let waiting: Vec<WaitingCode> = world.read(|views| views.waiting_codes());
    let expected: Vec<WaitingCode> = codes[1..].iter().map(|code| code.waiting.clone()).collect();
    assert_eq!(waiting, expected, "the one that ends first first, and the oldest is void");
    assert_eq!(world.refused(&sign_in(&codes[0])), ErrorCode::InvalidCode);
    world.granted(&sign_in(&codes[1]));
}

pub(super) fn the_first_code_is_made_until_somebody_signed_in(backend: &Backend<'_>) {
    let world = World::open(backend);
    let first = world.run(&FirstSignInCode).expect("nobody has signed in");
    // a developer is no operator
    world.granted(&AsDeveloper(AccountId::from_bytes([9; 16])));
    let again = world.run(&FirstSignInCode).expect("nobody has signed in");
    world.granted(&sign_in(&again));
    assert!(world.run(&FirstSignInCode).is_none());
    let at = world.read(|views| views.milestone(Milestone::FirstSignIn));
    assert_eq!(at, Some(world.now()));
    world.pass(10);
    world.granted(&sign_in(&first));
    assert_eq!(world.read(|views| views.milestone(Milestone::FirstSignIn)), at, "the first stays");
    // long after every session is forgotten
    world.pass(1_000 * MINUTE);
    world.run(&ExpireDue);
    assert!(world.run(&FirstSignInCode).is_none());
}

pub(super) fn a_store_with_an_operator_needs_no_first_code(backend: &Backend<'_>) {
    let world = World::open(backend);
    operator(&world);
    assert!(world.run(&FirstSignInCode).is_none());
}

pub(super) fn a_session_makes_no_codes(backend: &Backend<'_>) {
    let world = World::open(backend);
    let opened = signed_in(&world);
    assert_eq!(world.refused(&create(by(&opened))), ErrorCode::Forbidden);
}

pub(super) fn a_session_ends_without_use_and_in_all(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (idle, busy) = (signed_in(&world), signed_in(&world));
    for minute in 0..12 * 60 {
        assert_eq!(is_good(&world, &idle), minute < 30, "{minute}");
        assert!(is_good(&world, &busy), "{minute}");
        world.run(&NoteUse { cookie: busy.cookie.hash() });
        world.pass(MINUTE);
    }
    assert!(!is_good(&world, &busy));
    world.run(&NoteUse { cookie: busy.cookie.hash() });
    assert!(!is_good(&world, &busy), "nothing comes back to life");
    let answer = world.run(&create(by(&busy)));
    assert_eq!(answer.map(|_| ()).unwrap_err(), Refusal::unauthenticated());
}

pub(super) fn use_is_noted_now_and_then(backend: &Backend<'_>) {
    let world = World::open(backend);
    let opened = signed_in(&world);
    let began = world.now();
    let note = NoteUse { cookie: opened.cookie.hash() };
    world.pass(59);
    world.run(&note);
    assert_eq!(kept(&world, &opened).unwrap().last_used_at, began);
    world.pass(1);
    world.run(&note);
    assert_eq!(kept(&world, &opened).unwrap().last_used_at, world.now());
    assert!(world.events(AuditEvent::SessionEnded).is_empty());
}

pub(super) fn a_session_is_ended_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (one, other) = (signed_in(&world), signed_in(&world));
    let end =
        EndSession { credential: by(&other), session_id: one.session.id, origin: Origin::default() };
    let ended = world.granted(&end);
    assert_eq!(ended.ended_at, Some(world.now()));
    assert!(!is_good(&world, &one) && is_good(&world, &other));
    world.pass(5);
    assert_eq!(world.granted(&end), ended, "again is the same");
    world.run(&SignOut { cookie: other.cookie.hash(), origin: Origin::default() });
    world.run(&SignOut { cookie: other.cookie.hash(), origin: Origin::default() });
    world.run(&SignOut { cookie: SecretHash::of(b"nobody's"), origin: Origin::default() });
    assert!(!is_good(&world, &other));
    let actors: Vec<Actor> =
        world.events(AuditEvent::SessionEnded).iter().map(|record| record.actor).collect();
    assert_eq!(actors, [Actor::Session(other.session.id); 2], "by the other, and by itself");
    assert_eq!(world.refused(&end), ErrorCode::Unauthenticated);
    check::everything(&world);
}

pub(super) fn a_session_dies_with_the_token_behind_it(backend: &Backend<'_>) {
    let world = World::open(backend);
    let local = OperatorCredential::Local;
    let (revoked, token) = operator(&world);
    let opened = world.granted(&sign_in(&world.granted(&create(token.clone()))));
    let left = world.granted(&create(token));
    let credential = local.clone();
    world.granted(&RevokeOperator {
        credential,
        operator_id: revoked.id,
        origin: Origin::default(),
    });
    assert!(!is_good(&world, &opened));
    assert_eq!(world.refused(&create(by(&opened))), ErrorCode::Unauthenticated);
    assert_eq!(world.refused(&sign_in(&left)), ErrorCode::InvalidCode);

    let (rotated, token) = operator(&world);
    let opened = world.granted(&sign_in(&world.granted(&create(token))));
    assert!(is_good(&world, &opened));
    world.granted(&RotateOperator {
        credential: local,
        operator_id: rotated.id,
        origin: Origin::default(),
    });
    assert!(!is_good(&world, &opened));
}

pub(super) fn a_sign_in_ends_the_session_before(backend: &Backend<'_>) {
    let world = World::open(backend);
    let former = signed_in(&world);
    let code = new_code(&world);
    let replacing = |sign_in: SignIn| SignIn { former: Some(former.cookie.hash()), ..sign_in };
    assert_eq!(world.refused(&replacing(wrong(&code))), ErrorCode::InvalidCode);
    assert!(is_good(&world, &former), "a wrong code changes nothing");
    let opened = world.granted(&replacing(sign_in(&code)));
    assert!(!is_good(&world, &former) && is_good(&world, &opened));
    assert_ne!(opened.cookie.hash(), former.cookie.hash());
}

pub(super) fn a_developers_session_operates_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let account = AccountId::from_bytes([9; 16]);
    let opened = world.granted(&AsDeveloper(account));
    assert!(is_good(&world, &opened));
    // of an account that is not there
    assert_eq!(world.refused(&create(by(&opened))), ErrorCode::Unauthenticated);
    let app_id = world.app().id;
    let delete = DeleteApp { credential: by(&opened), app_id, origin: Origin::default() };
    assert_eq!(world.refused(&delete), ErrorCode::Unauthenticated);
    let of = |account| world.read(|views| views.sessions_of(account, None, 10));
    assert_eq!(of(Some(account)), [opened.session]);
    assert_eq!(of(None), []);
}

pub(super) fn a_holder_has_a_hundred_sessions_at_most(backend: &Backend<'_>) {
    let world = World::open(backend);
    let account = AccountId::from_bytes([9; 16]);
    let of_developer = world.granted(&AsDeveloper(account));
    let mut sessions = Vec::new();
    for _ in 0..=MAX_SESSIONS {
        sessions.push(signed_in(&world));
        world.pass_ms(1);
    }
    assert!(!is_good(&world, &sessions[0]) && is_good(&world, &sessions[1]));
    assert!(is_good(&world, &of_developer), "another holder");
    let page = world.read(|views| views.sessions_of(None, Some(sessions[2].session.id), 10));
    let ids: Vec<_> = page.iter().map(|session| session.id).collect();
    assert_eq!(ids, [sessions[1].session.id, sessions[0].session.id], "newest first");
}

pub(super) fn what_is_over_is_forgotten(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (ended, left) = (signed_in(&world), signed_in(&world));
    new_code(&world);
    world.run(&SignOut { cookie: ended.cookie.hash(), origin: Origin::default() });
    world.run(&ExpireDue);
    assert_eq!(kept(&world, &ended), None);
    assert!(kept(&world, &left).is_some());
    assert_eq!(world.read(|views| views.waiting_codes()).len(), 1);
    world.pass(30 * MINUTE);
    world.run(&ExpireDue);
    assert_eq!(kept(&world, &left), None);
    assert!(world.read(|views| views.waiting_codes()).is_empty());
    check::everything(&world);
}

pub(super) fn one_of_many_tries_wins(backend: &Backend<'_>) {
    let world = World::open(backend);
    for _ in 0..10 {
        let code = new_code(&world);
        let won = thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| write(&*world.store, &sign_in(&code)).unwrap().is_ok()))
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }
    check::everything(&world);
}
