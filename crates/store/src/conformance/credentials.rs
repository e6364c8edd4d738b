//! API keys, public keys, client assertions, operators, and the service's own secrets.

use agentadmit_core::credential::Operator;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AppId, OperatorId};
use agentadmit_protocol::permission::{Permission, Permissions};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::Plan;

use super::world::{Caller, World, assert_allowed, exchange, user_id};
use super::{Backend, check};
use crate::record::Origin;
use crate::verbs::apps::{CreateApp, PutPlan};
use crate::verbs::auth::{AppCredential, Assertion, Authorize, OperatorCredential};
use crate::verbs::keys::{
    CreateApiKey, NewPublicKey, PutPublicKeys, RevokeApiKey, RotateApiKey,
};
use crate::verbs::operators::{
    AdoptFirstOperator, CreateOperator, CreatedOperator, RevokeOperator, RotateOperator,
};
use crate::verbs::revoke::RevokeTarget;
use crate::verbs::token::Exchange;
use crate::verbs::upkeep::ExpireDue;
use crate::verbs::verify::VerifyAnswer;

fn authorize(credential: AppCredential, permission: Permission) -> Authorize {
    Authorize { credential, permission: Some(permission) }
}

pub(super) fn permissions_are_a_matrix(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let all = world.key(&app, Environment::Live);
    for permission in [Permission::Verify, Permission::Issue, Permission::Manage] {
        let key = world.key_with(&app, Environment::Live, Permissions::NONE.with(permission));
        let agent = all.connect("ann");
        let issued = all.issued("bob");
        let forbidden = |may| if may { None } else { Some(ErrorCode::Forbidden) };
        let (verify, issue, manage) = (
            forbidden(permission == Permission::Verify),
            forbidden(permission == Permission::Issue),
            forbidden(permission == Permission::Manage),
        );
        let verified = match key.verify(&agent) {
            VerifyAnswer::Refused(refusal) => Some(refusal.code),
            answer => {
                assert_allowed(&answer);
                None
            }
        };
        assert_eq!(verified, verify, "verify with {permission:?}");
        let exchange = Exchange {
            credential: Some(key.credential()),
            ..exchange(issued.token.hash())
        };
        assert_eq!(world.run(&exchange).err().map(|r| r.code), verify, "exchange");
        assert_eq!(world.run(&key.issue("eve")).err().map(|r| r.code), issue, "issue");
        let revoke = key.revoke_verb(RevokeTarget::User(user_id("nobody")));
        assert_eq!(world.run(&revoke).err().map(|r| r.code), manage, "revoke");
        let revoke = key.revoke_verb(RevokeTarget::Token(agent.access_token));
        assert_eq!(world.run(&revoke).err().map(|r| r.code), verify, "RFC 7009 revoke");
        for needed in [Permission::Verify, Permission::Issue, Permission::Manage] {
            let answer = world.run(&authorize(key.credential(), needed));
            assert_eq!(answer.err().map(|r| r.code), forbidden(needed == permission));
        }
    }
    check::everything(&world);
}

fn rotate(caller: &Caller<'_>, overlap_seconds: i64) -> RotateApiKey {
    RotateApiKey {
        credential: OperatorCredential::Local,
        app_id: caller.tenant.app_id,
        key_id: caller.key.id,
        overlap_seconds,
        origin: Origin::default(),
    }
}

fn is_good(caller: &Caller<'_>) -> bool {
    caller.world.run(&authorize(caller.credential(), Permission::Verify)).is_ok()
}

pub(super) fn a_rotated_key_overlaps(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let rotated = world.granted(&rotate(&caller, 100));
    assert_eq!(rotated.former_expires_at, Some(world.now().plus_seconds(100)));
    assert_ne!(rotated.key.id, caller.key.id);
    assert_eq!(rotated.key.bucket, caller.key.bucket);
    let successor = Caller { key: rotated.key.clone(), ..caller.clone() };
    world.pass_ms(99_999);
    assert!(is_good(&caller) && is_good(&successor));
    world.pass_ms(1);
    assert!(!is_good(&caller) && is_good(&successor));
    assert_eq!(world.refused(&rotate(&caller, 100)), ErrorCode::Conflict, "it is dead");
    let ids: Vec<_> = world
        .read(|views| views.api_keys(caller.tenant.app_id))
        .into_iter()
        .map(|key| key.id)
        .collect();
    let mut expected = vec![caller.key.id, successor.key.id];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    check::everything(&world);
}

pub(super) fn a_rotation_without_overlap_kills_at_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller();
    let rotated = world.granted(&rotate(&caller, 0));
    assert!(!is_good(&caller));
    let successor = Caller { key: rotated.key, ..caller.clone() };
    assert!(is_good(&successor));
    let revoke = RevokeApiKey {
        credential: OperatorCredential::Local,
        app_id: caller.tenant.app_id,
        key_id: successor.key.id,
        origin: Origin::default(),
    };
    assert_eq!(world.granted(&revoke).revoked_at, Some(world.now()));
    assert!(!is_good(&successor));
    let elsewhere = RevokeApiKey { app_id: world.app().id, ..revoke };
    assert_eq!(world.refused(&elsewhere), ErrorCode::NotFound);
    check::everything(&world);
}

fn create_key(app_id: AppId) -> CreateApiKey {
    CreateApiKey {
        credential: OperatorCredential::Local,
        app_id,
        environment: Environment::Test,
        permissions: Permissions::ALL,
        name: None,
        expires_at: None,
        origin: Origin::default(),
    }
}

pub(super) fn a_key_expires_exactly(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let end = world.now().plus_seconds(10);
    let create = CreateApiKey { expires_at: Some(end), ..create_key(app.id) };
    let key = world.granted(&create).key;
    let credential = AppCredential::ApiKey(key.hash);
    world.pass_ms(9_999);
    assert!(world.run(&authorize(credential.clone(), Permission::Issue)).is_ok());
    world.pass_ms(1);
    let code = world.refused(&authorize(credential, Permission::Issue));
    assert_eq!(code, ErrorCode::InvalidApiKey);
    assert_eq!(world.refused(&create), ErrorCode::UnprocessableRequest, "the end is over");
    let gone = create_key(AppId::from_bytes([9; 16]));
    assert_eq!(world.refused(&gone), ErrorCode::NotFound);
    check::everything(&world);
}

pub(super) fn an_app_has_a_hundred_good_keys_at_most(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let create = create_key(app.id);
    let first = world.granted(&create).key;
    for _ in 1..100 {
        world.granted(&create);
    }
    assert_eq!(world.refused(&create), ErrorCode::Conflict);
    world.granted(&RevokeApiKey {
        credential: OperatorCredential::Local,
        app_id: app.id,
        key_id: first.id,
        origin: Origin::default(),
    });
    world.granted(&create);
    check::everything(&world);
}

fn public_key(kid: &str) -> NewPublicKey {
    NewPublicKey {
        kid: kid.to_owned(),
        environment: Environment::Live,
        permissions: Permissions::ALL,
        n: "n".to_owned(),
        e: "AQAB".to_owned(),
    }
}

fn put_keys(app_id: AppId, kids: &[&str]) -> PutPublicKeys {
    PutPublicKeys {
        credential: OperatorCredential::Local,
        app_id,
        keys: kids.iter().map(|kid| public_key(kid)).collect(),
        origin: Origin::default(),
    }
}

fn assertion(world: &World, app_id: AppId, kid: &str, jti: &str) -> AppCredential {
    AppCredential::Assertion(Assertion {
        app_id,
        kid: kid.to_owned(),
        jti: SecretHash::of(jti.as_bytes()),
        remember_until: world.now().plus_seconds(90),
    })
}

pub(super) fn an_assertion_is_spent_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (app, other) = (world.app(), world.app());
    for app in [&app, &other] {
        world.granted(&put_keys(app.id, &["one"]));
    }
    let spend = |app: AppId, jti| {
        let credential = assertion(&world, app, "one", jti);
        world.run(&authorize(credential, Permission::Manage)).err().map(|refusal| refusal.code)
    };
    assert_eq!(spend(app.id, "a"), None);
    assert_eq!(spend(app.id, "a"), Some(ErrorCode::InvalidApiKey));
    assert_eq!(spend(app.id, "b"), None);
    assert_eq!(spend(other.id, "a"), None, "once per app");
    let late = assertion(&world, app.id, "one", "late");
    world.pass(90);
    let code = world.refused(&authorize(late, Permission::Manage));
    assert_eq!(code, ErrorCode::InvalidApiKey, "it could be forgotten already");
    let repeated = PutPublicKeys { keys: vec![public_key("a"), public_key("a")],
        ..put_keys(app.id, &[]) };
    assert_eq!(world.refused(&repeated), ErrorCode::UnprocessableRequest);
    let many = put_keys(app.id, &["1", "2", "3", "4", "5", "6"]);
    assert_eq!(world.refused(&many), ErrorCode::UnprocessableRequest);
    check::everything(&world);
}

pub(super) fn an_assertion_of_a_removed_key_is_dead(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let first = world.granted(&put_keys(app.id, &["one", "two"]));
    world.pass(1);
    let second = world.granted(&put_keys(app.id, &["two", "three"]));
    assert_eq!(second[0], first[1], "a key that stays keeps its id and its age");
    assert_eq!(world.read(|views| views.public_keys(app.id)), second);
    for (kid, good) in [("one", false), ("two", true), ("three", true)] {
        let credential = assertion(&world, app.id, kid, kid);
        assert_eq!(world.run(&authorize(credential, Permission::Verify)).is_ok(), good, "{kid}");
    }
    check::everything(&world);
}

pub(super) fn spent_assertions_are_forgotten_after_their_time(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    world.granted(&put_keys(app.id, &["one"]));
    for number in 0..100 {
        let credential = assertion(&world, app.id, "one", &format!("{number}"));
        world.granted(&authorize(credential, Permission::Verify));
    }
    let forget = || {
        let mut forgotten = 0;
        let rows = &world.store;
        rows.transaction("forget", &mut |tx| {
            forgotten = tx.rows.forget_assertions(tx.now, 60)?;
            Ok(())
        })
        .unwrap();
        forgotten
    };
    world.pass_ms(89_999);
    assert_eq!(forget(), 0);
    world.pass_ms(1);
    assert_eq!((forget(), forget(), forget()), (60, 40, 0), "in slices");
    assert!(!world.run(&ExpireDue));
    check::everything(&world);
}

fn create_operator(world: &World, billing_only: bool) -> CreatedOperator {
    world.granted(&CreateOperator {
        credential: OperatorCredential::Local,
        name: None,
        billing_only,
        expires_at: None,
        origin: Origin::default(),
    })
}

fn by(operator: &Operator) -> OperatorCredential {
    OperatorCredential::Token(operator.hash)
}

pub(super) fn a_billing_token_sets_plans_only(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let billing = create_operator(&world, true).operator;
    let plan = Plan { call_limit: Some(5), ..Plan::default() };
    let put = PutPlan { credential: by(&billing), app_id: app.id, plan, origin: Origin::default() };
    assert_eq!(world.granted(&put).plan.call_limit, Some(5));
    let create = CreateApiKey { credential: by(&billing), ..create_key(app.id) };
    assert_eq!(world.refused(&create), ErrorCode::Forbidden);
    let create = CreateApp {
        credential: by(&billing),
        name: "x".to_owned(),
        description: None,
        scopes: vec![],
        settings: agentadmit_protocol::settings::Settings::default(),
        origin: Origin::default(),
    };
    assert_eq!(world.refused(&create), ErrorCode::Forbidden);
    let unknown = PutPlan {
        credential: OperatorCredential::Token(SecretHash::of(b"unknown")),
        ..put
    };
    assert_eq!(world.refused(&unknown), ErrorCode::InvalidOperatorToken);
    check::everything(&world);
}

fn revoke_operator(credential: OperatorCredential, operator_id: OperatorId) -> RevokeOperator {
    RevokeOperator { credential, operator_id, origin: Origin::default() }
}

pub(super) fn the_last_operator_stays(backend: &Backend<'_>) {
    let world = World::open(backend);
    let first = create_operator(&world, false).operator;
    let second = create_operator(&world, false).operator;
    create_operator(&world, true);
    world.granted(&revoke_operator(by(&first), second.id));
    let code = world.refused(&revoke_operator(by(&second), first.id));
    assert_eq!(code, ErrorCode::InvalidOperatorToken);
    let code = world.refused(&revoke_operator(by(&first), first.id));
    assert_eq!(code, ErrorCode::Conflict, "a billing token is no successor");
    let revoked = world.granted(&revoke_operator(OperatorCredential::Local, first.id));
    assert_eq!(revoked.revoked_at, Some(world.now()), "on the machine it may");
    check::everything(&world);
}

pub(super) fn a_rotated_operator_token_is_dead(backend: &Backend<'_>) {
    let world = World::open(backend);
    let before = create_operator(&world, false).operator;
    let rotate = RotateOperator {
        credential: by(&before),
        operator_id: before.id,
        origin: Origin::default(),
    };
    let after = world.granted(&rotate);
    assert_eq!(after.operator.hash, after.token.hash());
    assert_eq!(world.refused(&rotate), ErrorCode::InvalidOperatorToken);
    assert_eq!(world.read(|views| views.operator(&before.hash)), None);
    let found = world.read(|views| views.operator(&after.operator.hash));
    assert_eq!(found.as_ref(), Some(&after.operator));
    assert_eq!(world.read(|views| views.operators()), [after.operator]);
    check::everything(&world);
}

pub(super) fn the_first_operator_is_adopted_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let adopt = |token: &[u8]| world.run(&AdoptFirstOperator { hash: SecretHash::of(token) });
    let first = adopt(b"first").expect("there never was one");
    assert_eq!(adopt(b"first"), None);
    assert_eq!(adopt(b"second"), None);
    world.granted(&revoke_operator(OperatorCredential::Local, first.id));
    assert_eq!(adopt(b"third"), None, "a revoked one was one, too");
    check::everything(&world);
}

pub(super) fn sealed_secrets_are_kept(backend: &Backend<'_>) {
    let world = World::open(backend);
    assert_eq!(world.read(|views| views.sealed_secret("audit")), None);
    for sealed in [&b"one"[..], b"", b"\0\xff"] {
        world
            .store
            .transaction("seal", &mut |tx| tx.rows.put_sealed_secret("audit", sealed))
            .unwrap();
        assert_eq!(world.read(|views| views.sealed_secret("audit")).as_deref(), Some(sealed));
        assert_eq!(world.read(|views| views.sealed_secret("other")), None);
    }
}
