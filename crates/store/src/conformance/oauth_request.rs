//! What OAuth clients ask for, and how it comes to a decision.

use std::thread;

use agentadmit_core::connection::Status;
use agentadmit_core::oauth::request::{KEPT_SECONDS, RequestState};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::settings::{Resource, Settings, SettingsPatch};

use super::clients::{
    RESOURCE, ask, authorized, bind, client, come_back, exchange, no, page, request, settings, shop,
    yes,
};
use super::world::{SCOPES, World, names};
use super::{Backend, check};
use crate::record::Origin;
use crate::store::write;
use crate::verbs::apps::{CreateApp, DeleteApp, UpdateApp};
use crate::verbs::auth::OperatorCredential;
use crate::verbs::consent::EnterConsent;
use crate::verbs::oauth::request::{
    Asked, AuthorizationAsk, BindUser, ContinueAuthorization, PushAuthorization,
    RequestAuthorization,
};
use crate::verbs::revoke::RevokeTarget;
use crate::verbs::upkeep::ExpireDue;

pub(super) fn a_client_asks_and_the_user_decides(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let requested = world.granted(&request(&ask()));
    assert_eq!(requested.app.id, caller.tenant.app_id);
    assert_eq!(requested.request.state, RequestState::Waiting);
    let bound = world.granted(&bind(&caller, &requested.request, "ann"));
    assert_eq!(bound.request.state, RequestState::Bound);
    let entered = world.granted(&come_back(&requested, &bound));
    assert_eq!(entered.session.id, requested.request.session_id());
    let page = super::clients::Page { id: entered.session.id, cookie: entered.cookie.hash() };
    let decided = world.granted(&yes(page, &SCOPES[..1]));
    assert_eq!(decided.authorization.as_ref().unwrap().client, client("agent"));
    let (connection, code) = authorized(decided);
    assert_eq!(connection.agent_label.as_ref().unwrap().as_str(), "agent");
    assert_eq!(connection.token_expires_at, world.now().plus_seconds(60));
    let grant = world.read(|views| views.oauth_grant(connection.id)).unwrap();
    assert_eq!((grant.client, grant.resource.as_str()), (client("agent"), RESOURCE));
    world.granted(&exchange(&code.unwrap()));

    let asked = world.events(AuditEvent::AuthorizationRequested);
    assert_eq!((asked.len(), asked[0].actor), (1, Actor::System));
    for event in [AuditEvent::AuthorizationRequested, AuditEvent::ConnectionCreated] {
        let details = serde_json::to_value(world.events(event)[0].details.as_ref()).unwrap();
        assert_eq!(details["client_id"], client("agent").id.as_str());
        assert_eq!(details["resource"], RESOURCE);
        assert_eq!(details["redirect_host"], "agent.example");
    }
    check::everything(&world);
}

pub(super) fn a_no_of_the_user_grants_a_client_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let requested = world.granted(&request(&ask()));
    let page = page(&caller, &requested, "ann");
    let decided = world.granted(&no(page));
    assert!(decided.authorization.is_some(), "the client is told");
    assert_eq!(world.refused(&yes(page, &SCOPES[..1])), ErrorCode::Gone);
    assert_eq!(world.events(AuditEvent::ConnectionCreated), vec![]);
    check::everything(&world);
}

pub(super) fn nobody_finishes_somebody_elses_request(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let (mine, theirs) = (world.granted(&request(&ask())), world.granted(&request(&ask())));
    let bound = world.granted(&bind(&caller, &mine.request, "ann"));
    let good = come_back(&mine, &bound);
    // the browser of another request, with the code of this one
    let other = ContinueAuthorization { browser: theirs.cookie.hash(), ..good.clone() };
    assert_eq!(world.refused(&other), ErrorCode::Conflict);
    // this browser, with a code that did not come through the app
    let guessed = ContinueAuthorization { code: theirs.cookie.hash(), ..good.clone() };
    assert_eq!(world.refused(&guessed), ErrorCode::NotFound);
    // the code as if it were that of a session that the app opened
    let session_id = mine.request.session_id();
    let plain = EnterConsent { session_id, code: bound.code.hash() };
    assert_eq!(world.refused(&plain), ErrorCode::NotFound);
    // a request that has no user yet
    let early = ContinueAuthorization { code: bound.code.hash(), ..come_back(&theirs, &bound) };
    assert_eq!(world.refused(&early), ErrorCode::NotFound);
    world.granted(&good);
    assert_eq!(world.refused(&good), ErrorCode::Conflict, "once");
    check::everything(&world);
}

pub(super) fn an_app_names_its_user_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    let requested = world.granted(&request(&ask()));
    let good = bind(&caller, &requested.request, "ann");
    let test = world.key(&app, Environment::Test);
    let stranger = world.caller();
    for other in [&test, &stranger] {
        let (credential, app_id) = (other.credential(), other.tenant.app_id);
        let bind = BindUser { credential, app_id, ..good.clone() };
        assert_eq!(world.refused(&bind), ErrorCode::NotFound);
    }
    let more = BindUser { scopes: names(&SCOPES[1..3]), ..good.clone() };
    assert_eq!(world.refused(&more), ErrorCode::InvalidScope, "was not asked for");
    let less = BindUser { scopes: names(&SCOPES[1..2]), ..good.clone() };
    let bound = world.granted(&less);
    assert_eq!(world.refused(&good), ErrorCode::Conflict);
    let entered = world.granted(&come_back(&requested, &bound));
    let page = super::clients::Page { id: entered.session.id, cookie: entered.cookie.hash() };
    assert_eq!(world.refused(&yes(page, &SCOPES[..1])), ErrorCode::InvalidScope);
    let (connection, _) = authorized(world.granted(&yes(page, &SCOPES[1..2])));
    assert_eq!(connection.scopes.len(), 1);

    let late = world.granted(&request(&ask()));
    world.pass(600);
    assert_eq!(world.refused(&bind_of(&caller, &late)), ErrorCode::Gone);
    check::everything(&world);
}

fn bind_of(
    caller: &super::world::Caller<'_>,
    requested: &crate::verbs::oauth::request::Requested,
) -> BindUser {
    bind(caller, &requested.request, "ann")
}

pub(super) fn one_of_many_names_of_a_user_counts(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let requested = world.granted(&request(&ask()));
    let won: usize = thread::scope(|scope| {
        let race = |n: usize| {
            let bind = bind(&caller, &requested.request, ["ann", "bob"][n % 2]);
            let store = &world.store;
            scope.spawn(move || usize::from(write(&**store, &bind).unwrap().is_ok()))
        };
        let racers: Vec<_> = (0..16).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
    check::everything(&world);
}

pub(super) fn what_a_client_asks_for_is_there(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let all = AuthorizationAsk { scopes: vec![], ..ask() };
    assert_eq!(world.granted(&request(&all)).request.scopes.len(), SCOPES.len());
    let slash = AuthorizationAsk { resource: "https://shop.example/mcp/".parse().unwrap(), ..ask() };
    assert_eq!(world.refused(&request(&slash)), ErrorCode::InvalidTarget);
    let unknown = AuthorizationAsk { scopes: names(&["orders:burn"]), ..ask() };
    assert_eq!(world.refused(&request(&unknown)), ErrorCode::InvalidScope);
    let no_login = SettingsPatch { login_url: Some(None), ..SettingsPatch::default() };
    world.granted(&update(&caller, no_login));
    assert_eq!(world.refused(&request(&ask())), ErrorCode::InvalidTarget);
    check::everything(&world);
}

fn update(caller: &super::world::Caller<'_>, patch: SettingsPatch) -> UpdateApp {
    UpdateApp {
        credential: OperatorCredential::Local,
        app_id: caller.tenant.app_id,
        name: None,
        description: None,
        settings: Some(patch),
        origin: Origin::default(),
    }
}

fn create(settings: Settings) -> CreateApp {
    CreateApp {
        credential: OperatorCredential::Local,
        name: "Other".to_owned(),
        description: None,
        scopes: vec![],
        settings,
        origin: Origin::default(),
    }
}

pub(super) fn a_resource_is_one_apps(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    assert_eq!(world.refused(&create(settings(RESOURCE))), ErrorCode::Conflict);
    let other = world.caller_with(settings("https://other.example"));
    let resources = |uri: &str, environment| SettingsPatch {
        resources: Some(vec![Resource { uri: uri.parse().unwrap(), environment }]),
        ..SettingsPatch::default()
    };
    let taken = update(&other, resources(RESOURCE, Environment::Live));
    assert_eq!(world.refused(&taken), ErrorCode::Conflict);
    let same = create(settings("https://other.example/"));
    assert_eq!(world.refused(&same), ErrorCode::Conflict, "an empty path is `/`");
    // it moves to the other environment, and away
    world.granted(&update(&caller, resources(RESOURCE, Environment::Test)));
    assert_eq!(
        world.granted(&request(&ask())).request.tenant.environment,
        Environment::Test
    );
    world.granted(&update(&caller, resources("https://new.example", Environment::Live)));
    assert_eq!(world.refused(&request(&ask())), ErrorCode::InvalidTarget);
    world.granted(&update(&other, resources(RESOURCE, Environment::Live)));
    assert_eq!(world.granted(&request(&ask())).app.id, other.tenant.app_id);
    // a deleted app has none
    let app_id = other.tenant.app_id;
    let credential = OperatorCredential::Local;
    world.granted(&DeleteApp { credential, app_id, origin: Origin::default() });
    assert_eq!(world.refused(&request(&ask())), ErrorCode::InvalidTarget);
    world.granted(&create(settings(RESOURCE)));
    let app = world.read(|views| views.app(caller.tenant.app_id)).unwrap();
    assert_eq!(app.settings.resources[0].uri.as_str(), "https://new.example");
    check::everything(&world);
}

pub(super) fn a_pushed_request_is_good_once_for_its_client(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let push = PushAuthorization { ask: ask(), origin: Origin::default() };
    let brought = |request, name: &str| RequestAuthorization {
        asked: Asked::Pushed { request, client_id: client(name).id },
        origin: Origin::default(),
    };
    let pushed = world.granted(&push).request.hash();
    let stranger = brought(pushed, "stranger");
    assert_eq!(world.refused(&stranger), ErrorCode::InvalidRequest);
    let requested = world.granted(&brought(pushed, "agent"));
    assert_eq!(requested.request.reply.destination().as_deref(), Some("agent.example"));
    assert_eq!(world.refused(&brought(pushed, "agent")), ErrorCode::InvalidRequest);
    authorized(world.granted(&yes(page(&caller, &requested, "ann"), &SCOPES[..1])));

    let late = world.granted(&push).request.hash();
    world.pass(90);
    assert_eq!(world.refused(&brought(late, "agent")), ErrorCode::InvalidRequest);
    let unknown = AuthorizationAsk { resource: "https://no.example".parse().unwrap(), ..ask() };
    let push = PushAuthorization { ask: unknown, ..push };
    assert_eq!(world.refused(&push), ErrorCode::InvalidTarget);
    check::everything(&world);
}

pub(super) fn a_user_who_is_logged_out_grants_a_client_nothing(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let requested = world.granted(&request(&ask()));
    let bound = world.granted(&bind_of(&caller, &requested));
    let open = page(&caller, &world.granted(&request(&ask())), "ann");
    world.granted(&caller.revoke_verb(RevokeTarget::User(super::world::user_id("ann"))));
    assert_eq!(world.refused(&come_back(&requested, &bound)), ErrorCode::Gone);
    assert_eq!(world.refused(&yes(open, &SCOPES[..1])), ErrorCode::Gone);
    // and a mark on the app ends what was begun before it
    let begun = world.granted(&request(&ask()));
    world.granted(&crate::verbs::revoke::OperatorRevoke {
        credential: OperatorCredential::Local,
        target: crate::verbs::revoke::OperatorRevokeTarget::App(caller.tenant.app_id),
        reason: None,
        origin: Origin::default(),
    });
    assert_eq!(world.refused(&bind_of(&caller, &begun)), ErrorCode::Gone);
    let active = world.read(|views| views.connection_counts(caller.tenant)).of(Status::Active);
    assert_eq!(active, 0);
    check::everything(&world);
}

pub(super) fn requests_are_forgotten_after_their_time(backend: &Backend<'_>) {
    let world = World::open(backend);
    shop(&world);
    let requested = world.granted(&request(&ask()));
    let id = requested.request.id;
    let pushed = world.granted(&PushAuthorization { ask: ask(), origin: Origin::default() });
    world.pass(600 + u64::try_from(KEPT_SECONDS).unwrap() - 1);
    world.run(&ExpireDue);
    assert!(world.read(|views| views.authorization_request(id)).is_some());
    assert!(world.read(|views| views.oauth_secret(&pushed.request.hash())).is_none());
    world.pass(1);
    world.run(&ExpireDue);
    assert!(world.read(|views| views.authorization_request(id)).is_none());
    check::everything(&world);
}
