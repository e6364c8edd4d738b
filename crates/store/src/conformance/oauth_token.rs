//! Codes, tokens and refresh tokens of OAuth clients: once, for whom they are, and what ends them.

use std::thread;

use agentadmit_core::connection::State;
use agentadmit_core::oauth::code::CodePresentation;
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::secret::{Secret, SecretHash};

use super::clients::{
    REDIRECT, RESOURCE, client, connected, exchange, granted, refresh, settings, shop,
};
use super::world::{Caller, SCOPES, World, assert_allowed, assert_dead, names, user_id};
use super::{Backend, check};
use crate::record::Origin;
use crate::store::write;
use crate::verbs::apps::DeleteApp;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::consent::{
    ConsentAsk, ConsentOutcome, DecideConsent, Decision, EnterConsent, OpenConsent,
};
use crate::verbs::narrow::{Less, Narrow};
use crate::verbs::oauth::token::{ExchangeCode, OAuthTokens, Refresh, RevokeGrant};
use crate::verbs::revoke::{Revoke, RevokeTarget};
use crate::verbs::upkeep::ExpireDue;
use crate::verbs::verify::{Verify, VerifyAnswer};

fn calls(caller: &Caller<'_>, access: &Secret) -> VerifyAnswer {
    caller.world.run(&caller.verify_verb(access.hash()))
}

fn is_revoked(world: &World, id: ConnectionId) -> bool {
    matches!(world.connection(id).state, State::Revoked { .. })
}

/// Neither token opens anything any more.
fn is_dead(caller: &Caller<'_>, tokens: &OAuthTokens, because: InvalidTokenReason) {
    assert_dead(&calls(caller, &tokens.tokens.access), because);
    let refused = caller.world.refused(&refresh(&tokens.tokens.refresh));
    assert_eq!(refused, ErrorCode::InvalidGrant);
}

pub(super) fn a_clients_call_says_whose_token_it_is(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let tokens = connected(&caller, "ann");
    assert_eq!((tokens.expires_in(), tokens.scopes.len()), (600, 1));
    let answer = calls(&caller, &tokens.tokens.access);
    let VerifyAnswer::Allowed { connection, client: Some(token), .. } = &answer else {
        panic!("{answer:?}")
    };
    assert_eq!(connection.id, tokens.connection.id);
    assert_eq!((&token.client_id, token.resource.as_str()), (&client("agent").id, RESOURCE));
    let introspect = Verify { introspection: true, scope_used: vec![], ..caller.verify_verb(tokens.tokens.access.hash()) };
    assert_allowed(&world.run(&introspect));
    // what stands in the connection for a token opens nothing by itself
    let handle = world.connection(connection.id).access().unwrap().token;
    assert!(world.read(|views| views.oauth_secret(&handle)).is_none());
    // other apps know nothing of it
    let stranger = world.caller();
    assert_dead(&calls(&stranger, &tokens.tokens.access), InvalidTokenReason::Unknown);
    // a refresh token is none
    assert_dead(&calls(&caller, &tokens.tokens.refresh), InvalidTokenReason::Unknown);
    check::everything(&world);
}

pub(super) fn a_code_is_good_once_for_whom_it_was_made(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let (connection, code) = granted(&caller, "ann");
    let good = exchange(&code);
    let with = |change: &dyn Fn(&mut CodePresentation)| {
        let mut presentation = good.presentation.clone();
        change(&mut presentation);
        ExchangeCode { presentation, ..good.clone() }
    };
    let grant = ErrorCode::InvalidGrant;
    for (what, bad, code) in [
        ("another verifier", with(&|p| p.verifier = SecretHash::of(b"another")), grant),
        ("another client", with(&|p| p.client_id = client("thief").id), grant),
        ("a slash more", with(&|p| p.redirect_uri = format!("{REDIRECT}/").parse().unwrap()), grant),
        (
            "another resource",
            with(&|p| p.resource = Some("https://other.example".parse().unwrap())),
            ErrorCode::InvalidTarget,
        ),
        (
            "another code",
            ExchangeCode { code: SecretHash::of(b"another"), ..good.clone() },
            grant,
        ),
    ] {
        assert_eq!(world.refused(&bad), code, "{what}");
    }
    assert!(!is_revoked(&world, connection.id), "nothing is spent by that");
    let tokens = world.granted(&good);
    assert_allowed(&calls(&caller, &tokens.tokens.access));
    // again, by somebody else: nothing; by its client: the end
    let thief = with(&|p| p.client_id = client("thief").id);
    assert_eq!(world.refused(&thief), grant);
    assert_allowed(&calls(&caller, &tokens.tokens.access));
    world.pass(100);
    assert_eq!(world.refused(&good), grant);
    is_dead(&caller, &tokens, InvalidTokenReason::Revoked);
    assert_eq!(world.refused(&good), grant);
    let replays = world.events(AuditEvent::AuthorizationCodeReplayed);
    assert_eq!((replays.len(), replays[0].outcome), (1, Outcome::Refused));
    let ended = world.events(AuditEvent::ConnectionRevoked);
    assert_eq!(ended[0].reason.as_deref(), Some("authorization_code_replayed"));
    check::everything(&world);
}

pub(super) fn time_ends_an_authorization_code(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let (_, first) = granted(&caller, "ann");
    world.pass_ms(59_999);
    world.granted(&exchange(&first));
    let (connection, second) = granted(&caller, "bob");
    world.pass(60);
    assert_eq!(world.refused(&exchange(&second)), ErrorCode::InvalidGrant);
    world.run(&ExpireDue);
    assert!(matches!(world.connection(connection.id).state, State::Expired { .. }));
    check::everything(&world);
}

pub(super) fn one_of_many_exchanges_of_a_code_wins(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let (connection, code) = granted(&caller, "ann");
    let exchange = exchange(&code);
    let won: Vec<OAuthTokens> = thread::scope(|scope| {
        let race = |_| scope.spawn(|| write(&*world.store, &exchange).unwrap().ok());
        let racers: Vec<_> = (0..64).map(race).collect();
        racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(won.len(), 1);
    assert!(is_revoked(&world, connection.id), "a code that comes twice ends its grant");
    is_dead(&caller, &won[0], InvalidTokenReason::Revoked);
    check::everything(&world);
}

pub(super) fn a_refresh_token_rotates(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let first = connected(&caller, "ann");
    world.pass(500);
    let second = world.granted(&refresh(&first.tokens.refresh));
    assert_eq!(second.connection.id, first.connection.id);
    assert_allowed(&calls(&caller, &first.tokens.access));
    assert_allowed(&calls(&caller, &second.tokens.access));
    world.pass(100);
    // the first access token lives to its own end
    assert_dead(&calls(&caller, &first.tokens.access), InvalidTokenReason::Expired);
    assert_allowed(&calls(&caller, &second.tokens.access));
    let third = world.granted(&refresh(&second.tokens.refresh));
    world.pass(600);
    assert_dead(&calls(&caller, &third.tokens.access), InvalidTokenReason::Expired);
    let other = Refresh { client_id: client("thief").id, ..refresh(&third.tokens.refresh) };
    assert_eq!(world.refused(&other), ErrorCode::InvalidGrant);
    let more = Refresh { scopes: names(&SCOPES[1..2]), ..refresh(&third.tokens.refresh) };
    assert_eq!(world.refused(&more), ErrorCode::InvalidScope);
    let elsewhere = "https://other.example".parse().unwrap();
    let elsewhere = Refresh { resource: Some(elsewhere), ..refresh(&third.tokens.refresh) };
    assert_eq!(world.refused(&elsewhere), ErrorCode::InvalidTarget);
    let unknown = Refresh { token: SecretHash::of(b"unknown"), ..refresh(&third.tokens.refresh) };
    assert_eq!(world.refused(&unknown), ErrorCode::InvalidGrant);
    // nothing of that used it
    let named = Refresh { scopes: names(&SCOPES[..1]), ..refresh(&third.tokens.refresh) };
    assert_allowed(&calls(&caller, &world.granted(&named).tokens.access));
    let records = world.events(AuditEvent::TokenRefreshed);
    assert_eq!((records.len(), records[0].actor), (3, Actor::Agent(first.connection.id)));
    check::everything(&world);
}

pub(super) fn the_same_refresh_is_answered_alike_within_the_grace(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let first = connected(&caller, "ann");
    let refresh_it = refresh(&first.tokens.refresh);
    let made = world.granted(&refresh_it);
    world.pass_ms(29_999);
    let again = world.granted(&refresh_it);
    assert_eq!(again.tokens.access.expose(), made.tokens.access.expose());
    assert_eq!(again.tokens.refresh.expose(), made.tokens.refresh.expose());
    assert_eq!((again.expires_in(), again.access_ends_at), (600, made.access_ends_at));
    assert_eq!(world.events(AuditEvent::TokenRefreshed).len(), 1);
    // who is behind by two still keeps up
    let next = world.granted(&refresh(&again.tokens.refresh));
    assert_allowed(&calls(&caller, &next.tokens.access));
    check::everything(&world);
}

pub(super) fn many_that_share_a_refresh_token_keep_working(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let first = connected(&caller, "ann");
    let refresh_it = refresh(&first.tokens.refresh);
    let access: Vec<String> = thread::scope(|scope| {
        let race = |_| {
            scope.spawn(|| {
                let tokens = write(&*world.store, &refresh_it).unwrap().unwrap();
                tokens.tokens.access.expose().to_owned()
            })
        };
        let racers: Vec<_> = (0..20).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert!(access.iter().all(|one| *one == access[0]));
    let access: Secret = access[0].parse().unwrap();
    assert_allowed(&calls(&caller, &access));
    assert_eq!(world.events(AuditEvent::TokenRefreshed).len(), 1);
    assert_eq!(world.events(AuditEvent::ConnectionRevoked), vec![]);
    check::everything(&world);
}

pub(super) fn a_replay_after_the_grace_ends_the_family(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let first = connected(&caller, "ann");
    let second = world.granted(&refresh(&first.tokens.refresh));
    world.pass(30);
    assert_eq!(world.refused(&refresh(&first.tokens.refresh)), ErrorCode::InvalidGrant);
    for tokens in [&first, &second] {
        is_dead(&caller, tokens, InvalidTokenReason::Revoked);
    }
    let replays = world.events(AuditEvent::RefreshTokenReplayed);
    assert_eq!((replays.len(), replays[0].outcome), (1, Outcome::Refused));
    let ended = world.events(AuditEvent::ConnectionRevoked);
    assert_eq!(ended[0].reason.as_deref(), Some("refresh_token_replayed"));
    assert_eq!(ended[0].actor, Actor::System);
    check::everything(&world);
}

/// A client's token needs its client; one that a human handed over needs nobody.
fn by_whoever_holds_it(caller: &Caller<'_>) {
    let world = caller.world;
    let end = |token: SecretHash, name: Option<&str>| {
        let client_id = name.map(|name| client(name).id);
        world.granted(&RevokeGrant { client_id, token, origin: Origin::default() })
    };
    let tokens = connected(caller, "ann");
    for token in [&tokens.tokens.access, &tokens.tokens.refresh] {
        assert_eq!(end(token.hash(), None).count, 0);
    }
    assert_allowed(&calls(caller, &tokens.tokens.access));
    for name in [None, Some("agent")] {
        let held = caller.connect("ann");
        assert_eq!(end(held.connection_token, name).count, 0, "it is not the access token");
        assert_allowed(&caller.verify(&held));
        let ended = end(held.access_token, name);
        assert_eq!((ended.count, ended.connection_id), (1, Some(held.id)));
        assert_dead(&caller.verify(&held), InvalidTokenReason::Revoked);
        assert_eq!(end(held.access_token, name).count, 0);
        let records = world.events(AuditEvent::ConnectionRevoked);
        assert_eq!(records.last().map(|it| it.actor), Some(Actor::Agent(held.id)));
    }
}

pub(super) fn revoked_is_revoked_whoever_does_it(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let by_app = |target: RevokeTarget| caller.revoke_verb(target);
    let by_client = |token: &Secret, name: &str| RevokeGrant {
        client_id: Some(client(name).id),
        token: token.hash(),
        origin: Origin::default(),
    };
    let ends: [&dyn Fn(&OAuthTokens); 6] = [
        &|tokens| {
            caller.revoke(tokens.connection.id);
        },
        &|_| {
            world.granted(&by_app(RevokeTarget::User(user_id("ann"))));
        },
        &|tokens| {
            world.granted(&by_app(RevokeTarget::Token(tokens.tokens.access.hash())));
        },
        &|tokens| {
            world.granted(&by_app(RevokeTarget::Token(tokens.tokens.refresh.hash())));
        },
        &|tokens| {
            let thief = world.granted(&by_client(&tokens.tokens.refresh, "thief"));
            assert_eq!((thief.count, thief.connection_id), (0, None));
            assert_eq!(world.granted(&by_client(&tokens.tokens.refresh, "agent")).count, 1);
        },
        &|tokens| {
            assert_eq!(world.granted(&by_client(&tokens.tokens.access, "agent")).count, 1);
        },
    ];
    for end in ends {
        let tokens = connected(&caller, "ann");
        let next = world.granted(&refresh(&tokens.tokens.refresh));
        end(&next);
        is_dead(&caller, &next, InvalidTokenReason::Revoked);
    }
    by_whoever_holds_it(&caller);
    let stranger = world.caller();
    let tokens = connected(&caller, "ann");
    let target = RevokeTarget::Token(tokens.tokens.access.hash());
    let foreign = Revoke { credential: stranger.credential(), ..by_app(target) };
    assert_eq!(world.granted(&foreign).count, 0);
    assert_allowed(&calls(&caller, &tokens.tokens.access));
    let (credential, app_id) = (OperatorCredential::Local, caller.tenant.app_id);
    world.granted(&DeleteApp { credential, app_id, origin: Origin::default() });
    assert_eq!(world.refused(&refresh(&tokens.tokens.refresh)), ErrorCode::InvalidGrant);
    check::everything(&world);
}

pub(super) fn the_users_end_is_the_end(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let first = connected(&caller, "ann");
    world.pass(3_300);
    // the page's hour is over in five minutes
    let last = world.granted(&refresh(&first.tokens.refresh));
    assert_eq!(last.expires_in(), 300);
    world.pass(300);
    is_dead(&caller, &last, InvalidTokenReason::Expired);
    check::everything(&world);
}

pub(super) fn a_clients_grant_is_narrowed_and_widened_like_any_other(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = shop(&world);
    let tokens = connected(&caller, "ann");
    let id = tokens.connection.id;
    let open = world.granted(&OpenConsent {
        ask: ConsentAsk::Widen {
            connection_id: id,
            owner: None,
            add_scopes: names(&SCOPES[1..3]),
            seconds: Some(7_200),
        },
        ..caller.ask("ann")
    });
    let session_id = open.session.id;
    let entered = world.granted(&EnterConsent { session_id, code: open.code.hash() });
    let decided = world.granted(&DecideConsent {
        session_id,
        cookie: entered.cookie.hash(),
        decision: Decision::Grant {
            scopes: names(&SCOPES[1..3]),
            lifetime: agentadmit_core::issue::Lifetime::Seconds(7_200),
            agent_label: None,
            user_intent: None,
        },
        origin: Origin::default(),
    });
    assert!(matches!(decided.outcome, ConsentOutcome::Widened { .. }));
    assert_eq!(decided.authorization, None);
    let needs = |scopes: &[&str]| Verify {
        scope_used: names(scopes),
        ..caller.verify_verb(tokens.tokens.access.hash())
    };
    assert_allowed(&world.run(&needs(&SCOPES[..3])));
    world.granted(&Narrow {
        credential: caller.credential(),
        connection_id: id,
        less: Less {
            remove_scopes: names(&SCOPES[..1]),
            expires_at: Some(world.now().plus_seconds(60)),
            user_label: None,
        },
        origin: Origin::default(),
    });
    assert!(matches!(world.run(&needs(&SCOPES[..1])), VerifyAnswer::Denied { .. }));
    let next = world.granted(&refresh(&tokens.tokens.refresh));
    assert_eq!((next.expires_in(), next.scopes), (60, names(&SCOPES[1..3])));
    world.pass(60);
    assert_dead(&calls(&caller, &tokens.tokens.access), InvalidTokenReason::Expired);
    check::everything(&world);
}

pub(super) fn tokens_are_forgotten_after_their_time(backend: &Backend<'_>) {
    let world = World::open(backend);
    let caller = world.caller_with(settings(RESOURCE));
    let first = connected(&caller, "ann");
    let second = world.granted(&refresh(&first.tokens.refresh));
    let knows = |hash: SecretHash| world.read(|views| views.oauth_secret(&hash)).is_some();
    world.pass(600 + 3_599);
    world.run(&ExpireDue);
    assert!(knows(first.tokens.access.hash()));
    world.pass(1);
    world.run(&ExpireDue);
    assert!(!knows(first.tokens.access.hash()));
    assert!(knows(first.tokens.refresh.hash()), "used, and recognised when it comes again");
    world.pass(30 * 86_400);
    while world.run(&ExpireDue) {}
    assert!(!knows(first.tokens.refresh.hash()));
    assert!(knows(second.tokens.refresh.hash()), "it goes with its connection");
    check::everything(&world);
}
