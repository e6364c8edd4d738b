//! The credential table's columns for developers: what each route of operators answers to an owner of the
//! app, to a viewer, and to a developer of another app.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Browser, account_link, app_link};
use crate::credentials::{Expected, ROWS, Row, Wants, World};
use crate::support::{Ask, Reply, Service};

/// What a route is to developers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theirs {
    /// The operator's alone.
    Nothing,
    /// About one app: its members look.
    Look,
    /// About one app: its owners change it.
    Change,
    /// Of all apps, where a developer names one in the query.
    Within,
    /// The own ones, whoever asks.
    Own,
    /// A session of an operator, which is nobody else's to end.
    Hidden,
}

use Theirs::{Change, Hidden, Look, Nothing, Own, Within};

const TABLE: &[(&str, &str, Theirs)] = &[
    ("GET", "/metrics", Nothing),
    ("GET", "/v1/operator/apps", Own),
    ("POST", "/v1/operator/apps", Own),
    ("GET", "/v1/operator/apps/{app_id}", Look),
    ("PATCH", "/v1/operator/apps/{app_id}", Change),
    ("DELETE", "/v1/operator/apps/{app_id}", Change),
    ("GET", "/v1/operator/apps/{app_id}/usage", Look),
    ("PUT", "/v1/operator/apps/{app_id}/plan", Nothing),
    ("GET", "/v1/operator/apps/{app_id}/api-keys", Look),
    ("POST", "/v1/operator/apps/{app_id}/api-keys", Change),
    ("POST", "/v1/operator/apps/{app_id}/api-keys/{key_id}/rotate", Change),
    ("DELETE", "/v1/operator/apps/{app_id}/api-keys/{key_id}", Change),
    ("GET", "/v1/operator/apps/{app_id}/public-keys", Look),
    ("PUT", "/v1/operator/apps/{app_id}/public-keys", Change),
    ("GET", "/v1/operator/apps/{app_id}/scopes", Look),
    ("PUT", "/v1/operator/apps/{app_id}/scopes", Change),
    ("GET", "/v1/operator/apps/{app_id}/members", Look),
    ("PATCH", "/v1/operator/apps/{app_id}/members/{account_id}", Change),
    ("DELETE", "/v1/operator/apps/{app_id}/members/{account_id}", Change),
    ("GET", "/v1/operator/apps/{app_id}/invites", Look),
    ("POST", "/v1/operator/apps/{app_id}/invites", Change),
    ("DELETE", "/v1/operator/apps/{app_id}/invites/{invite_id}", Change),
    ("GET", "/v1/operator/accounts", Nothing),
    ("GET", "/v1/operator/accounts/invites", Nothing),
    ("POST", "/v1/operator/accounts/invites", Nothing),
    ("DELETE", "/v1/operator/accounts/invites/{invite_id}", Nothing),
    ("POST", "/v1/operator/accounts/{account_id}/sign-in-link", Nothing),
    ("POST", "/v1/operator/accounts/{account_id}/suspend", Nothing),
    ("POST", "/v1/operator/accounts/{account_id}/resume", Nothing),
    ("DELETE", "/v1/operator/accounts/{account_id}", Nothing),
    ("GET", "/v1/operator/health", Nothing),
    ("GET", "/v1/operator/overview", Nothing),
    ("GET", "/v1/operator/users", Nothing),
    ("GET", "/v1/operator/connections", Within),
    ("GET", "/v1/operator/connections/{connection_id}", Look),
    ("PATCH", "/v1/operator/connections/{connection_id}", Change),
    ("POST", "/v1/operator/connections/resume", Nothing),
    ("POST", "/v1/operator/connections/revoke", Change),
    ("GET", "/v1/operator/audit", Within),
    ("GET", "/v1/operator/audit/export", Within),
    ("GET", "/v1/operator/audit/verification", Nothing),
    ("POST", "/v1/operator/audit/verification", Nothing),
    ("POST", "/v1/operator/clock/accept", Nothing),
    ("GET", "/v1/operator/operators", Nothing),
    ("POST", "/v1/operator/operators", Nothing),
    ("POST", "/v1/operator/operators/{operator_id}/rotate", Nothing),
    ("DELETE", "/v1/operator/operators/{operator_id}", Nothing),
    ("POST", "/v1/operator/sign-in-codes", Nothing),
    ("GET", "/v1/operator/sessions", Own),
    ("DELETE", "/v1/operator/sessions/{session_id}", Hidden),
];

const GOOD: Expected = (200, "");
const NOT_THEIRS: Expected = (403, "forbidden");
const NOT_THERE: Expected = (404, "not_found");
const WHICH_APP: Expected = (400, "invalid_request");

/// What an owner, a viewer and a stranger are answered.
const fn expected(theirs: Theirs) -> [Expected; 3] {
    match theirs {
        Nothing => [NOT_THEIRS; 3],
        Look => [GOOD, GOOD, NOT_THERE],
        Change => [GOOD, NOT_THEIRS, NOT_THERE],
        Within => [WHICH_APP; 3],
        Own => [GOOD; 3],
        Hidden => [NOT_THERE; 3],
    }
}

fn is_operators(row: &Row) -> bool {
    matches!(row.wants, Wants::Operator { .. } | Wants::Machine)
}

fn theirs(row: &Row) -> Theirs {
    let mut rows = TABLE.iter();
    let found = rows.find(|(method, path, _)| (*method, *path) == (row.method, row.path));
    assert!(found.is_some(), "{} {} is not in the table", row.method, row.path);
    found.unwrap().2
}

fn expect(row: &Row, who: &str, reply: &Reply, (status, code): Expected) {
    let place = format!("{} {} by {who}: {reply}", row.method, row.path);
    if code.is_empty() {
        assert!((200..300).contains(&reply.status), "{place}");
    } else {
        assert_eq!((reply.status, reply.text("error").as_str()), (status, code), "{place}");
        reply.expect_error(status, code);
    }
}

/// Three developers: an owner of the app, a viewer of it, and an owner of another.
async fn developers(service: &Service, app_id: &str) -> [Browser; 3] {
    let link = app_link(service, app_id, "owner").await;
    let owner = Browser::joined(service, &link, "Olga").await;
    let link = app_link(service, app_id, "viewer").await;
    let viewer = Browser::joined(service, &link, "Victor").await;
    let link = account_link(service).await;
    let stranger = Browser::joined(service, &link, "Stan").await;
    let made = Ask::post("/v1/operator/apps", &json!({"name": "Elsewhere"}));
    service.ask(stranger.with(made)).await.expect(201);
    [owner, viewer, stranger]
}

#[tokio::test]
async fn viewers_and_strangers_change_nothing() {
    let service = Service::start();
    let world = World::new(&service).await;
    let [_, viewer, stranger] = developers(&service, &world.app.app_id).await;
    for row in ROWS.iter().filter(|row| is_operators(row)) {
        let [_, to_viewer, to_stranger] = expected(theirs(row));
        let reply = service.ask(viewer.with(world.request(row))).await;
        expect(row, "a viewer", &reply, to_viewer);
        let reply = service.ask(stranger.with(world.request(row))).await;
        expect(row, "a stranger", &reply, to_stranger);
        if theirs(row) != Own {
            let body = String::from_utf8_lossy(&reply.body);
            assert!(!body.contains("Shop") && !body.contains("orders"), "{} {body}", row.path);
        }
    }
    // after all that was refused nothing has changed
    world.app.verify(&world.granted.access_token, "orders:read").await.expect(200);
}

#[tokio::test]
async fn an_owner_may_do_what_an_apps_developers_do() {
    for row in ROWS.iter().filter(|row| is_operators(row)) {
        let service = Service::start();
        let world = World::new(&service).await;
        let [owner, ..] = developers(&service, &world.app.app_id).await;
        let reply = service.ask(owner.with(world.request(row))).await;
        expect(row, "an owner", &reply, expected(theirs(row))[0]);
    }
}

#[tokio::test]
async fn who_names_an_app_sees_that_one_and_no_other() {
    let service = Service::start();
    let world = World::new(&service).await;
    let [owner, viewer, stranger] = developers(&service, &world.app.app_id).await;
    for (_, path, _) in TABLE.iter().filter(|(.., theirs)| *theirs == Within) {
        let path = format!("{path}?app_id={}&environment=live", world.app.app_id);
        for browser in [&owner, &viewer] {
            let reply = browser.get(&service, &path).await;
            assert_eq!(reply.status, 200, "{path}: {reply}");
            let body = String::from_utf8_lossy(&reply.body);
            assert!(body.contains(&world.granted.connection_id), "{path}: {body}");
        }
        stranger.get(&service, &path).await.expect_error(404, "not_found");
    }
    let apps = stranger.get(&service, "/v1/operator/apps").await.expect(200);
    let names: Vec<_> = apps["apps"].as_array().unwrap().iter().map(|app| &app["name"]).collect();
    assert_eq!(names, ["Elsewhere"]);
}

#[test]
fn the_table_names_every_route_of_operators() {
    let named: BTreeSet<_> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    let rows = ROWS.iter().filter(|row| is_operators(row));
    let there: BTreeSet<_> = rows.map(|row| (row.method, row.path)).collect();
    assert_eq!(named, there);
    assert_eq!(named.len(), TABLE.len());
}
