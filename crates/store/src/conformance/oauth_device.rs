//! Devices without a browser, and clients that register.

use std::thread;

use agentadmit_core::oauth::ClientSummary;
use agentadmit_core::oauth::client::{ClientAuth, RegisteredClient};
use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::secret::{Secret, SecretHash};

use super::clients::{
    REDIRECT, RESOURCE, Page, ask, authorized, client, exchange, no, page, refresh, request, shop,
    yes,
};
use super::world::{Caller, SCOPES, World, assert_allowed, names};
use super::{Backend, check};
use crate::record::Origin;
use crate::store::write;
use crate::verbs::oauth::client::{
    AskedAuth, RegisterClient, Registered, SpendClientAssertion,
};
use crate::verbs::oauth::device::{EnterUserCode, PollDevice, StartDevice, StartedDevice};
use crate::verbs::oauth::request::AuthorizationAsk;
use crate::verbs::oauth::token::{ExchangeCode, Refresh};
use crate::verbs::upkeep::ExpireDue;

fn started(world: &World) -> StartedDevice {
    let (client, resource) = (client("agent"), RESOURCE.parse().unwrap());
    world.granted(&StartDevice { client, resource, scopes: names(&SCOPES[..2]) })
}

fn poll(code: &Secret) -> PollDevice {
    let (client_id, device_code) = (client("agent").id, code.hash());
    PollDevice { client_id, device_code, origin: Origin::default() }
}

fn typed(device: &StartedDevice) -> EnterUserCode {
    EnterUserCode { user_code: device.user_code.hash(), origin: Origin::default() }
}

fn page_of(caller: &Caller<'_>, device: &StartedDevice) -> Page {
    page(caller, &caller.world.granted(&typed(device)), "ann")
}

pub(super) fn a_device_gets_its_tokens_once(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let device = started(&world);
    assert_eq!(device.interval, 5);
    let poll = poll(&device.device_code);
    assert_eq!(world.refused(&poll), ErrorCode::AuthorizationPending);
    let page = page_of(&caller, &device);
    world.pass(5);
    assert_eq!(world.refused(&poll), ErrorCode::AuthorizationPending);
    let (connection, code) = authorized(world.granted(&yes(page, &SCOPES[..1])));
    assert!(code.is_none(), "the browser gets nothing");
    let thief = PollDevice { client_id: client("thief").id, ..poll.clone() };
    assert_eq!(world.refused(&thief), ErrorCode::InvalidGrant);
    let tokens = world.granted(&poll);
    assert_eq!(tokens.connection.id, connection.id);
    assert_allowed(&world.run(&caller.verify_verb(tokens.tokens.access.hash())));
    assert_eq!(world.refused(&poll), ErrorCode::InvalidGrant);
    world.granted(&refresh(&tokens.tokens.refresh));
    assert_eq!(world.refused(&typed(&device)), ErrorCode::NotFound, "it was decided");
    check::everything(&world);
}

pub(super) fn a_device_asks_as_often_as_told(backend: &Backend<'_>) {
    let world = World::open(backend);
    shop(&world);
    let device = started(&world);
    let poll = poll(&device.device_code);
    for (seconds, code) in [
        (0, ErrorCode::AuthorizationPending),
        (4, ErrorCode::SlowDown),
        (9, ErrorCode::SlowDown),
        (15, ErrorCode::AuthorizationPending),
        (15, ErrorCode::AuthorizationPending),
        (557, ErrorCode::ExpiredToken),
    ] {
        world.pass(seconds);
        assert_eq!(world.refused(&poll), code, "after {seconds} s");
    }
    assert_eq!(world.refused(&typed(&device)), ErrorCode::NotFound);
    let unknown = PollDevice { device_code: SecretHash::of(b"unknown"), ..poll.clone() };
    assert_eq!(world.refused(&unknown), ErrorCode::InvalidGrant);
    let unknown = EnterUserCode { user_code: SecretHash::of(b"unknown"), ..typed(&device) };
    assert_eq!(world.refused(&unknown), ErrorCode::NotFound);
    world.pass(3_600);
    world.run(&ExpireDue);
    assert_eq!(world.refused(&poll), ErrorCode::InvalidGrant, "it is forgotten");
    check::everything(&world);
}

pub(super) fn one_decision_counts_for_a_device(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let device = started(&world);
    let (first, second) = (page_of(&caller, &device), page_of(&caller, &device));
    world.granted(&no(first));
    assert_eq!(world.refused(&yes(second, &SCOPES[..1])), ErrorCode::Gone);
    assert_eq!(world.refused(&poll(&device.device_code)), ErrorCode::AccessDenied);

    let device = started(&world);
    let pages: Vec<Page> = (0..8).map(|_| page_of(&caller, &device)).collect();
    let won: usize = thread::scope(|scope| {
        let race = |page: &Page| {
            let (yes, store) = (yes(*page, &SCOPES[..1]), &world.store);
            scope.spawn(move || usize::from(write(&**store, &yes).unwrap().is_ok()))
        };
        let racers: Vec<_> = pages.iter().map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
    world.granted(&poll(&device.device_code));
    // what nobody fetches ends
    let device = started(&world);
    authorized(world.granted(&yes(page_of(&caller, &device), &SCOPES[..1])));
    world.pass(60);
    assert_eq!(world.refused(&poll(&device.device_code)), ErrorCode::InvalidGrant);
    check::everything(&world);
}

fn register(name: &str, auth: AskedAuth) -> RegisterClient {
    RegisterClient {
        name: name.parse().unwrap(),
        redirect_uris: vec![REDIRECT.parse().unwrap()],
        auth,
        metadata: "{}".to_owned(),
        origin: Origin::default(),
    }
}

fn known(world: &World, registered: &Registered) -> Option<RegisteredClient> {
    world.read(|views| views.oauth_client(registered.client.id))
}

pub(super) fn a_client_registers(backend: &Backend<'_>) {
    let world = World::open(backend);
    shop(&world);
    let public = world.granted(&register("public", AskedAuth::None));
    assert!(public.secret.is_none());
    let basic = world.granted(&register("basic", AskedAuth::SecretBasic));
    let hash = basic.secret.as_ref().unwrap().hash();
    let client = known(&world, &basic).unwrap();
    assert_eq!(client, basic.client);
    assert_eq!(client.auth, ClientAuth::Secret { hash, is_basic: true });
    let keys = world.granted(&register("keys", AskedAuth::Keys("{\"keys\":[]}".to_owned())));
    assert_eq!(keys.client.auth, ClientAuth::Keys("{\"keys\":[]}".to_owned()));
    assert_eq!(world.events(AuditEvent::ClientRegistered).len(), 3);

    let spend = SpendClientAssertion {
        client_id: keys.client.id.into(),
        jti: "a jti of some length".to_owned(),
        until: world.now().plus_seconds(90),
    };
    world.granted(&spend);
    assert_eq!(world.refused(&spend), ErrorCode::InvalidClient);
    let other = SpendClientAssertion { client_id: basic.client.id.into(), ..spend };
    world.granted(&other);
    check::everything(&world);
}

pub(super) fn clients_that_nobody_uses_are_forgotten(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let (unused, used) = (
        world.granted(&register("unused", AskedAuth::None)),
        world.granted(&register("used", AskedAuth::None)),
    );
    let summary: ClientSummary = used.client.summary();
    let ask = AuthorizationAsk { client: summary.clone(), ..ask() };
    let page = page(&caller, &world.granted(&request(&ask)), "ann");
    let (_, code) = authorized(world.granted(&yes(page, &SCOPES[..1])));
    let mut exchanged = exchange(&code.unwrap());
    exchanged.presentation.client_id = summary.id.clone();
    let tokens = world.granted::<ExchangeCode, _>(&exchanged);
    world.pass(86_399);
    world.run(&ExpireDue);
    assert!(known(&world, &unused).is_some());
    world.pass(1);
    world.run(&ExpireDue);
    assert!(known(&world, &unused).is_none());
    assert!(known(&world, &used).is_some());
    let reaped = world.events(AuditEvent::ClientReaped);
    assert_eq!((reaped.len(), reaped[0].count), (1, 1));
    assert!(tokens.connection.expires_at.unwrap() < world.now());
    let late = Refresh { client_id: summary.id, ..refresh(&tokens.tokens.refresh) };
    assert_eq!(world.refused(&late), ErrorCode::InvalidGrant);
    world.pass(89 * 86_400);
    world.run(&ExpireDue);
    assert!(known(&world, &used).is_none());
    check::everything(&world);
}
