//! Passkeys of developers: challenges that are answered once, and what a counter says.

use std::thread;

use agentadmit_core::dashboard::SessionLimits;
use agentadmit_core::passkey::{CHALLENGE_SECONDS, ChallengePurpose, MAX_PASSKEYS, NewPasskey, Passkey, Signed};
use agentadmit_protocol::account::SignUp;
use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AccountId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::Label;

use super::world::World;
use super::{Backend, check};
use crate::record::Origin;
use crate::store::write;
use crate::verbs::accounts::{AccountChange, ChangeAccount};
use crate::verbs::auth::OperatorCredential;
use crate::verbs::passkeys::{
    AddPasskey, BeginCeremony, RemovePasskey, SignInWithPasskey, SignUpWithPasskey, TakeChallenge,
    Wanted,
};

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn new(credential: &str) -> NewPasskey {
    NewPasskey {
        credential: credential.as_bytes().to_vec(),
        name: label("Key"),
        public_key: vec![1, 2, 3],
        algorithm: -7,
        counter: 1,
        is_synced: false,
    }
}

fn to_sign_up() -> BeginCeremony {
    let wanted = Wanted::SignUp { label: label("Ann"), invite: None, mode: SignUp::Open };
    BeginCeremony { wanted }
}

fn come(account_id: AccountId, credential: &str) -> SignUpWithPasskey {
    SignUpWithPasskey {
        account_id,
        label: label("Ann"),
        invite: None,
        mode: SignUp::Open,
        passkey: new(credential),
        limits: SessionLimits::default(),
        former: None,
        origin: Origin::default(),
    }
}

fn sign_in(passkey: &Passkey, counter: u32) -> SignInWithPasskey {
    SignInWithPasskey {
        passkey: passkey.clone(),
        signed: Signed { counter, is_synced: true },
        limits: SessionLimits::default(),
        former: None,
        origin: Origin::default(),
    }
}

/// A new account by a passkey: its session, and the passkey.
fn developer(world: &World, credential: &str) -> (AccountId, OperatorCredential, Passkey) {
    let begun = world.granted(&to_sign_up());
    let (account_id, _) = begun.account.unwrap();
    let opened = world.granted(&come(account_id, credential));
    let passkey = world.read(|views| views.passkeys_of(account_id)).remove(0);
    (account_id, OperatorCredential::Session(opened.cookie.hash()), passkey)
}

pub(super) fn a_challenge_is_answered_once_and_in_time(backend: &Backend<'_>) {
    let world = World::open(backend);
    let begun = world.granted(&BeginCeremony { wanted: Wanted::SignIn });
    let take = TakeChallenge { hash: begun.challenge.hash() };
    let challenge = world.granted(&take);
    assert_eq!(challenge.purpose, ChallengePurpose::SignIn);
    assert_eq!(challenge.expires_at, world.now().plus_seconds(CHALLENGE_SECONDS));
    assert_eq!(world.refused(&take), ErrorCode::InvalidPasskey);

    let late = world.granted(&to_sign_up()).challenge.hash();
    world.pass(u64::try_from(CHALLENGE_SECONDS).unwrap());
    assert_eq!(world.refused(&TakeChallenge { hash: late }), ErrorCode::InvalidPasskey);
    assert!(world.read(|views| views.challenge(&late)).is_some());
    world.granted(&to_sign_up());
    assert_eq!(world.read(|views| views.challenge(&late)), None, "forgotten");

    let hash = world.granted(&to_sign_up()).challenge.hash();
    let (store, take) = (&world.store, TakeChallenge { hash });
    let winners = thread::scope(|scope| {
        let race = |_| scope.spawn(|| write(&**store, &take).unwrap().is_ok());
        let racers: Vec<_> = (0..16).map(race).collect();
        racers.into_iter().filter_map(|racer| racer.join().ok().filter(|won| *won)).count()
    });
    assert_eq!(winners, 1, "one of 16");
    check::everything(&world);
}

pub(super) fn a_passkey_signs_in_while_its_counter_goes_on(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (account_id, _, passkey) = developer(&world, "ann's");
    assert_eq!((passkey.counter, passkey.last_used_at), (1, None));
    world.pass(1);
    let opened = world.granted(&sign_in(&passkey, 2));
    assert_eq!(opened.session.holder.account_id(), Some(account_id));
    let used = world.read(|views| views.passkey(&passkey.key())).unwrap();
    assert_eq!((used.counter, used.is_synced, used.last_used_at), (2, true, Some(world.now())));
    // what was read before says nothing: the row decides
    assert_eq!(world.refused(&sign_in(&passkey, 2)), ErrorCode::InvalidPasskey);
    assert_eq!(world.events(AuditEvent::SignInRefused).len(), 1);
    let other = Passkey { public_key: vec![9], ..passkey.clone() };
    assert_eq!(world.refused(&sign_in(&other, 9)), ErrorCode::InvalidPasskey);
    let change = |change| ChangeAccount {
        credential: OperatorCredential::Local,
        account_id,
        change,
        origin: Origin::default(),
    };
    world.granted(&change(AccountChange::Suspend));
    assert_eq!(world.refused(&sign_in(&passkey, 9)), ErrorCode::InvalidPasskey);
    world.granted(&change(AccountChange::Resume));
    world.granted(&sign_in(&passkey, 9));
    world.granted(&change(AccountChange::Delete));
    assert_eq!(world.read(|views| views.passkeys_of(account_id)), vec![]);
    assert_eq!(world.refused(&sign_in(&passkey, 10)), ErrorCode::InvalidPasskey);
    assert_eq!(world.events(AuditEvent::SignInRefused).len(), 1, "only counters are recorded");
    check::everything(&world);
}

pub(super) fn passkeys_are_the_own_accounts(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (ann, anns, passkey) = developer(&world, "ann's");
    let (eve, eves, _) = developer(&world, "eve's");
    let origin = Origin::default;
    let add = |credential: &OperatorCredential, account_id, name: &str| AddPasskey {
        credential: credential.clone(),
        account_id,
        passkey: new(name),
        origin: origin(),
    };
    assert_eq!(world.refused(&add(&eves, ann, "second")), ErrorCode::InvalidPasskey);
    assert_eq!(world.refused(&add(&eves, eve, "ann's")), ErrorCode::Conflict);
    assert_eq!(world.refused(&come(AccountId::from_bytes([9; 16]), "ann's")), ErrorCode::Conflict);
    assert_eq!(
        world.refused(&add(&OperatorCredential::Local, ann, "second")),
        ErrorCode::Forbidden
    );
    world.pass(1);
    for nth in 1..MAX_PASSKEYS {
        world.granted(&add(&anns, ann, &format!("{nth}")));
    }
    assert_eq!(world.refused(&add(&anns, ann, "one more")), ErrorCode::Conflict);
    let begin = BeginCeremony { wanted: Wanted::Add(anns.clone()) };
    assert_eq!(world.refused(&begin), ErrorCode::Conflict);
    let known = world.read(|views| views.passkeys_of(ann));
    assert_eq!((known.len(), &known[0]), (MAX_PASSKEYS, &passkey), "oldest first");

    let remove = |credential: &OperatorCredential, key: SecretHash| RemovePasskey {
        credential: credential.clone(),
        key,
        origin: origin(),
    };
    assert_eq!(world.refused(&remove(&eves, passkey.key())), ErrorCode::NotFound);
    let again = OperatorCredential::Session(world.granted(&sign_in(&passkey, 2)).cookie.hash());
    let second = world.read(|views| views.passkey(&SecretHash::of(b"1"))).unwrap();
    let other = OperatorCredential::Session(world.granted(&sign_in(&second, 2)).cookie.hash());
    let passkey = world.read(|views| views.passkey(&passkey.key())).unwrap();
    assert_eq!(world.granted(&remove(&other, passkey.key())), passkey);
    assert_eq!(world.refused(&remove(&other, passkey.key())), ErrorCode::NotFound);
    assert_eq!(world.refused(&sign_in(&passkey, 5)), ErrorCode::InvalidPasskey);
    // what it opened is over; what another opened goes on
    for credential in [&anns, &again] {
        let wanted = Wanted::Add(credential.clone());
        assert_eq!(world.refused(&BeginCeremony { wanted }), ErrorCode::Unauthenticated);
    }
    let begin = BeginCeremony { wanted: Wanted::Add(other) };
    assert_eq!(world.granted(&begin).known.len(), MAX_PASSKEYS - 1);
    assert_eq!(world.events(AuditEvent::SessionEnded).len(), 2);
    assert_eq!(world.events(AuditEvent::PasskeyAdded).len(), MAX_PASSKEYS + 1);
    assert_eq!(world.events(AuditEvent::PasskeyRemoved).len(), 1);
    check::everything(&world);
}
