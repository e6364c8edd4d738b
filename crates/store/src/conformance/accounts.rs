//! Developers of apps: links that let them in once, accounts, members.

use std::thread;

use agentadmit_core::account::{Account, INVITE_SECONDS, MAX_INVITES, Member};
use agentadmit_core::app::{App, Tenant};
use agentadmit_core::dashboard::SessionLimits;
use agentadmit_protocol::account::{Role, SignUp};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AccountId, AppId, InviteId};
use agentadmit_protocol::permission::Permissions;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{Plan, RateLimitsPatch, Settings, SettingsPatch};
use agentadmit_protocol::text::Label;

use super::world::{World, assert_allowed};
use super::{Backend, check};
use crate::record::Origin;
use crate::store::write;
use crate::verbs::accounts::{AccountChange, ChangeAccount, RenameAccount};
use crate::verbs::apps::{CreateApp, DeleteApp, PutPlan, UpdateApp};
use crate::verbs::auth::OperatorCredential;
use crate::verbs::invites::{
    InviteDeveloper, InviteMember, Invited, MakeSignInLink, RevokeInvite, UseInvite, UsedInvite,
};
use crate::verbs::keys::CreateApiKey;
use crate::verbs::members::ChangeMember;
use crate::verbs::revoke::{OperatorRevoke, OperatorRevokeTarget};
use crate::verbs::upkeep::ExpireDue;

const LOCAL: OperatorCredential = OperatorCredential::Local;

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn to_sign_up(world: &World) -> Invited {
    world.granted(&InviteDeveloper { credential: LOCAL, seconds: INVITE_SECONDS, origin: Origin::default() })
}

fn to_join(app_id: AppId, role: Role) -> InviteMember {
    InviteMember { credential: LOCAL, app_id, role, seconds: INVITE_SECONDS, origin: Origin::default() }
}

fn to_sign_in(account_id: AccountId) -> MakeSignInLink {
    MakeSignInLink { credential: LOCAL, account_id, seconds: INVITE_SECONDS, origin: Origin::default() }
}

/// Comes with a code, to a service where links make accounts.
fn come(code: SecretHash, signed_in: Option<&Developer>) -> UseInvite {
    UseInvite {
        code,
        limits: SessionLimits::default(),
        former: signed_in.map(|developer| developer.cookie),
        label: Some(label("Ann")),
        sign_up: SignUp::Invite,
        origin: Origin::default(),
    }
}

/// A developer who is signed in.
struct Developer {
    account: Account,
    cookie: SecretHash,
}

impl Developer {
    fn comes(world: &World, code: SecretHash) -> Self {
        let used: UsedInvite = world.granted(&come(code, None));
        assert_eq!(used.opened.session.holder.account_id(), Some(used.account.id));
        Self { account: used.account, cookie: used.opened.cookie.hash() }
    }

    fn credential(&self) -> OperatorCredential {
        OperatorCredential::Session(self.cookie)
    }
}

/// A developer with a new account.
fn developer(world: &World) -> Developer {
    Developer::comes(world, to_sign_up(world).code.hash())
}

/// A developer who is a member of this app.
fn member(world: &World, app: &App, role: Role) -> Developer {
    // ids begin with the time: those of the next millisecond come after
    world.pass_ms(1);
    Developer::comes(world, world.granted(&to_join(app.id, role)).code.hash())
}

fn members(world: &World, app: &App) -> Vec<Member> {
    world.read(|views| views.members_of(app.id))
}

fn change(who: &Developer, change: AccountChange) -> ChangeAccount {
    let origin = Origin::default();
    ChangeAccount { credential: LOCAL, account_id: who.account.id, change, origin }
}

pub(super) fn a_link_makes_an_account(backend: &Backend<'_>) {
    let world = World::open(backend);
    let link = to_sign_up(&world);
    assert_eq!(link.invite.expires_at, world.now().plus_seconds(INVITE_SECONDS));
    assert_eq!(world.read(|views| views.invites_of(None)), vec![link.invite.clone()]);
    let nameless = UseInvite { label: None, ..come(link.code.hash(), None) };
    assert_eq!(world.refused(&nameless), ErrorCode::UnprocessableRequest);

    let used = world.granted(&come(link.code.hash(), None));
    assert_eq!((used.account.label.as_str(), used.is_new), ("Ann", true));
    assert_eq!(world.read(|views| views.account(used.account.id)), Some(used.account.clone()));
    assert_eq!(world.read(|views| views.accounts(None, 10)), vec![used.account.clone()]);
    assert_eq!(world.read(|views| views.accounts(Some(used.account.id), 10)), vec![]);
    assert_eq!(world.read(|views| views.invites_of(None)), vec![], "it is gone");

    let by = Actor::Account(used.account.id);
    assert_eq!(world.events(AuditEvent::InviteCreated)[0].actor, Actor::System);
    assert_eq!(world.events(AuditEvent::InviteUsed)[0].actor, by);
    assert_eq!(world.events(AuditEvent::AccountCreated)[0].actor, by);
    let log = serde_json::to_string(&world.log()).unwrap();
    assert!(!log.contains(link.code.expose()), "the code is nowhere");
    check::everything(&world);
}

pub(super) fn a_link_is_good_once_and_for_a_time(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let (first, second) = (to_sign_up(&world), to_sign_up(&world));
    world.granted(&come(first.code.hash(), None));
    assert_eq!(world.refused(&come(first.code.hash(), None)), ErrorCode::NotFound);
    assert_eq!(world.refused(&come(SecretHash::of(b"guess"), None)), ErrorCode::NotFound);

    let take_back = |invite_id: InviteId, app_id: Option<AppId>| RevokeInvite {
        credential: LOCAL,
        app_id,
        invite_id,
        origin: Origin::default(),
    };
    let id = second.invite.id;
    assert_eq!(world.refused(&take_back(id, Some(app.id))), ErrorCode::NotFound, "not the app's");
    assert_eq!(world.granted(&take_back(id, None)).id, id);
    assert_eq!(world.refused(&take_back(id, None)), ErrorCode::NotFound);
    assert_eq!(world.refused(&come(second.code.hash(), None)), ErrorCode::NotFound);

    let short = InviteDeveloper { credential: LOCAL, seconds: 60, origin: Origin::default() };
    let short = world.granted(&short);
    let long = world.granted(&to_join(app.id, Role::Owner));
    world.pass(60);
    assert_eq!(world.refused(&come(short.code.hash(), None)), ErrorCode::NotFound);
    assert_eq!(world.refused(&take_back(short.invite.id, None)), ErrorCode::NotFound);
    world.run(&ExpireDue);
    assert_eq!(world.read(|views| views.invite_by_id(short.invite.id)), None, "forgotten");
    assert_eq!(world.read(|views| views.invites_of(Some(app.id))), vec![long.invite]);
    check::everything(&world);
}

pub(super) fn accounts_are_made_as_the_operator_says(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let known = developer(&world);
    for (sign_up, makes) in
        [(SignUp::Closed, false), (SignUp::Invite, true), (SignUp::Open, true)]
    {
        for code in [
            to_sign_up(&world).code.hash(),
            world.granted(&to_join(app.id, Role::Viewer)).code.hash(),
        ] {
            let come = UseInvite { sign_up, ..come(code, None) };
            if makes {
                assert!(world.granted(&come).is_new);
            } else {
                assert_eq!(world.refused(&come), ErrorCode::Forbidden);
            }
        }
    }
    // who has an account needs none
    let link = world.granted(&to_join(app.id, Role::Owner));
    let closed = UseInvite { sign_up: SignUp::Closed, ..come(link.code.hash(), Some(&known)) };
    assert_eq!(world.granted(&closed).account, known.account);
    let back = world.granted(&to_sign_in(known.account.id));
    let closed = UseInvite { sign_up: SignUp::Closed, ..come(back.code.hash(), None) };
    let back = world.granted(&closed);
    assert_eq!((back.account, back.is_new), (known.account, false));
    check::everything(&world);
}

pub(super) fn a_member_has_one_role(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    world.pass_ms(1);
    let other = world.app();
    let (ann, bob) = (member(&world, &app, Role::Owner), member(&world, &app, Role::Viewer));
    let roles = |app: &App| -> Vec<(AccountId, Role)> {
        members(&world, app).iter().map(|member| (member.account_id, member.role)).collect()
    };
    assert_eq!(roles(&app), [(ann.account.id, Role::Owner), (bob.account.id, Role::Viewer)]);
    assert_eq!(roles(&other), []);
    let again = world.granted(&to_join(app.id, Role::Owner));
    assert_eq!(world.refused(&come(again.code.hash(), Some(&bob))), ErrorCode::Conflict);
    let elsewhere = world.granted(&to_join(other.id, Role::Owner));
    world.granted(&come(elsewhere.code.hash(), Some(&bob)));
    let of_bob = world.read(|views| views.memberships_of(bob.account.id));
    assert_eq!(of_bob.iter().map(|m| m.app_id).collect::<Vec<_>>(), [app.id, other.id]);

    let change = |app: &App, who: &Developer, role| ChangeMember {
        credential: LOCAL,
        app_id: app.id,
        account_id: who.account.id,
        role,
        origin: Origin::default(),
    };
    let owner = world.granted(&change(&app, &bob, Some(Role::Owner)));
    assert_eq!(owner.role, Role::Owner);
    assert_eq!(world.granted(&change(&app, &bob, Some(Role::Owner))), owner, "nothing changes");
    assert_eq!(world.events(AuditEvent::MemberChanged).len(), 1);
    assert_eq!(world.refused(&change(&other, &ann, None)), ErrorCode::NotFound);
    world.granted(&change(&app, &bob, None));
    assert_eq!(world.refused(&change(&app, &bob, None)), ErrorCode::NotFound);
    assert_eq!(roles(&app), [(ann.account.id, Role::Owner)]);
    // an operator may leave an app without an owner
    world.granted(&change(&app, &ann, None));
    assert_eq!(roles(&app), []);

    let log = world.log_of(Some(Tenant::new(app.id, Environment::Live)));
    let added = log.iter().filter(|record| record.event == AuditEvent::MemberAdded);
    let actors: Vec<Actor> = added.map(|record| record.actor).collect();
    assert_eq!(actors, [Actor::Account(ann.account.id), Actor::Account(bob.account.id)]);
    check::everything(&world);
}

pub(super) fn a_link_dies_with_its_app(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let link = world.granted(&to_join(app.id, Role::Owner));
    let origin = Origin::default();
    world.granted(&DeleteApp { credential: LOCAL, app_id: app.id, origin });
    assert_eq!(world.refused(&come(link.code.hash(), None)), ErrorCode::NotFound);
    assert_eq!(world.refused(&to_join(app.id, Role::Owner)), ErrorCode::NotFound);
    assert_eq!(world.read(|views| views.accounts(None, 10)), vec![]);
    check::everything(&world);
}

pub(super) fn a_suspended_account_gets_in_nowhere(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let ann = developer(&world);
    let back = world.granted(&to_sign_in(ann.account.id));
    let join = world.granted(&to_join(app.id, Role::Owner));
    world.granted(&change(&ann, AccountChange::Suspend));
    world.granted(&change(&ann, AccountChange::Suspend));
    assert_eq!(world.events(AuditEvent::AccountSuspended).len(), 1);
    assert_eq!(world.refused(&come(back.code.hash(), None)), ErrorCode::NotFound);
    assert_eq!(world.refused(&come(join.code.hash(), Some(&ann))), ErrorCode::NotFound);
    assert_eq!(world.refused(&to_sign_in(ann.account.id)), ErrorCode::Conflict);
    let resumed = world.granted(&change(&ann, AccountChange::Resume));
    assert_eq!(resumed, ann.account);
    assert_eq!(world.granted(&come(back.code.hash(), None)).account, ann.account);
    check::everything(&world);
}

pub(super) fn a_deleted_account_leaves_its_apps(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let ann = member(&world, &app, Role::Owner);
    let back = world.granted(&to_sign_in(ann.account.id));
    let gone = world.granted(&change(&ann, AccountChange::Delete));
    assert_eq!(gone.deleted_at, Some(world.now()));
    assert_eq!(members(&world, &app), vec![]);
    assert_eq!(world.refused(&come(back.code.hash(), None)), ErrorCode::NotFound);
    assert_eq!(world.refused(&to_sign_in(ann.account.id)), ErrorCode::NotFound);
    for change_to in [AccountChange::Delete, AccountChange::Resume, AccountChange::Suspend] {
        assert_eq!(world.refused(&change(&ann, change_to)), ErrorCode::NotFound);
    }
    assert_eq!(world.read(|views| views.account(ann.account.id)), Some(gone));
    assert_eq!(world.events(AuditEvent::MemberRemoved)[0].actor, Actor::System);
    check::everything(&world);
}

pub(super) fn a_hundred_links_wait_at_most(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    for _ in 0..MAX_INVITES {
        world.granted(&to_join(app.id, Role::Viewer));
    }
    assert_eq!(world.refused(&to_join(app.id, Role::Viewer)), ErrorCode::Conflict);
    to_sign_up(&world);
    world.pass(u64::try_from(INVITE_SECONDS).unwrap());
    world.granted(&to_join(app.id, Role::Viewer));
    check::everything(&world);
}

pub(super) fn one_of_many_comes_in_by_a_link(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    for round in 0..4 {
        let link = match round % 2 {
            0 => to_sign_up(&world),
            _ => world.granted(&to_join(app.id, Role::Owner)),
        };
        let racer = come(link.code.hash(), None);
        let store = &world.store;
        let winners: Vec<_> = thread::scope(|scope| {
            let race = |_| scope.spawn(|| write(&**store, &racer).unwrap().ok());
            let racers: Vec<_> = (0..32).map(race).collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(winners.len(), 1, "one of 32");
    }
    assert_eq!(world.read(|views| views.accounts(None, 100)).len(), 4);
    assert_eq!(world.events(AuditEvent::InviteUsed).len(), 4);
    assert_eq!(members(&world, &app).len(), 2);
    check::everything(&world);
}

fn new_app(credential: OperatorCredential) -> CreateApp {
    CreateApp {
        credential,
        name: "Own".to_owned(),
        description: None,
        scopes: vec![],
        settings: Settings::default(),
        origin: Origin::default(),
    }
}

pub(super) fn developers_keep_their_own_apps(backend: &Backend<'_>) {
    let world = World::open(backend);
    let (ann, eve) = (developer(&world), developer(&world));
    let app = world.granted(&new_app(ann.credential()));
    let viewer = member(&world, &app, Role::Viewer);
    let origin = Origin::default;
    let update = |who: &Developer| UpdateApp {
        credential: who.credential(),
        app_id: app.id,
        name: Some("Renamed".to_owned()),
        description: None,
        settings: None,
        origin: origin(),
    };
    let key = |who: &Developer| CreateApiKey {
        credential: who.credential(),
        app_id: app.id,
        environment: Environment::Test,
        permissions: Permissions::ALL,
        name: None,
        expires_at: None,
        origin: origin(),
    };
    let delete = |who: &Developer| DeleteApp {
        credential: who.credential(),
        app_id: app.id,
        origin: origin(),
    };
    for (who, code) in [(&viewer, ErrorCode::Forbidden), (&eve, ErrorCode::NotFound)] {
        assert_eq!(world.refused(&update(who)), code);
        assert_eq!(world.refused(&key(who)), code);
        assert_eq!(world.refused(&delete(who)), code);
        let invite = to_join(app.id, Role::Viewer);
        assert_eq!(world.refused(&InviteMember { credential: who.credential(), ..invite }), code);
    }
    world.granted(&key(&ann));
    assert_eq!(world.granted(&update(&ann)).name, "Renamed");
    let changed = world.events(AuditEvent::SettingsChanged);
    assert_eq!(changed[0].actor, Actor::Account(ann.account.id));

    // what is the operator's alone
    let plan = Plan::default();
    let put = PutPlan { credential: ann.credential(), app_id: app.id, plan, origin: origin() };
    assert_eq!(world.refused(&put), ErrorCode::Forbidden);
    let settings = Some(SettingsPatch {
        rate_limit: Some(RateLimitsPatch::default()),
        ..SettingsPatch::default()
    });
    let rates = UpdateApp { settings, ..update(&ann) };
    assert_eq!(world.refused(&rates), ErrorCode::Forbidden);
    let suspend = change(&eve, AccountChange::Suspend);
    let suspend = ChangeAccount { credential: ann.credential(), ..suspend };
    assert_eq!(world.refused(&suspend), ErrorCode::Forbidden);
    let link =
        InviteDeveloper { credential: ann.credential(), seconds: 60, origin: origin() };
    assert_eq!(world.refused(&link), ErrorCode::Forbidden);

    let name = RenameAccount { credential: ann.credential(), label: label("Bea"), origin: origin() };
    assert_eq!(world.granted(&name).label, label("Bea"));
    assert_eq!(world.refused(&RenameAccount { credential: LOCAL, ..name }), ErrorCode::Forbidden);
    world.granted(&delete(&ann));
    assert_eq!(world.refused(&key(&ann)), ErrorCode::NotFound);
    check::everything(&world);
}

pub(super) fn developers_revoke_in_their_own_apps(backend: &Backend<'_>) {
    let world = World::open(backend);
    let app = world.app();
    let (ann, eve) = (member(&world, &app, Role::Owner), developer(&world));
    let viewer = member(&world, &app, Role::Viewer);
    let caller = world.key(&app, Environment::Live);
    let agent = caller.connect("u");
    let revoke = |who: &Developer, target| OperatorRevoke {
        credential: who.credential(),
        target,
        reason: None,
        origin: Origin::default(),
    };
    let one = || OperatorRevokeTarget::Connection(agent.id);
    for target in [one(), OperatorRevokeTarget::App(app.id)] {
        assert_eq!(world.refused(&revoke(&eve, target.clone())), ErrorCode::NotFound);
        assert_eq!(world.refused(&revoke(&viewer, target)), ErrorCode::Forbidden);
    }
    assert_allowed(&caller.verify(&agent));
    assert_eq!(world.granted(&revoke(&ann, one())).count, 1);
    let revoked = world.events(AuditEvent::ConnectionRevoked);
    assert_eq!(revoked[0].actor, Actor::Account(ann.account.id));
    check::everything(&world);
}

pub(super) fn a_session_ends_with_its_account(backend: &Backend<'_>) {
    let world = World::open(backend);
    let ann = developer(&world);
    world.granted(&new_app(ann.credential()));
    world.granted(&change(&ann, AccountChange::Suspend));
    assert_eq!(world.refused(&new_app(ann.credential())), ErrorCode::Unauthenticated);
    world.granted(&change(&ann, AccountChange::Resume));
    world.granted(&new_app(ann.credential()));
    world.granted(&change(&ann, AccountChange::Delete));
    assert_eq!(world.refused(&new_app(ann.credential())), ErrorCode::Unauthenticated);
    check::everything(&world);
}

pub(super) fn an_app_keeps_an_owner_among_its_developers(backend: &Backend<'_>) {
    let world = World::open(backend);
    let leave = |who: &Developer, app: &App, whom: &Developer, role| ChangeMember {
        credential: who.credential(),
        app_id: app.id,
        account_id: whom.account.id,
        role,
        origin: Origin::default(),
    };
    for round in 0..4 {
        let app = world.app();
        let (ann, bob) = (member(&world, &app, Role::Owner), member(&world, &app, Role::Owner));
        let viewer = member(&world, &app, Role::Viewer);
        assert_eq!(world.refused(&leave(&viewer, &app, &ann, None)), ErrorCode::Forbidden);
        let role = (round % 2 == 0).then_some(Role::Viewer);
        let both = [leave(&ann, &app, &ann, role), leave(&bob, &app, &bob, role)];
        let store = &world.store;
        let left = thread::scope(|scope| {
            let race = |verb| scope.spawn(move || write(&**store, verb).unwrap());
            let racers: Vec<_> = both.iter().map(race).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect::<Vec<_>>()
        });
        let refused: Vec<ErrorCode> =
            left.iter().filter_map(|it| it.as_ref().err()).map(|it| it.code).collect();
        assert_eq!(refused, [ErrorCode::Conflict], "one of two stays");
        let owners = members(&world, &app).into_iter().filter(|it| it.role == Role::Owner);
        assert_eq!(owners.count(), 1);
        world.granted(&leave(&viewer, &app, &viewer, None));
    }
    check::everything(&world);
}
