//! Nobody gets more than was granted: each attempt is refused with the documented code, and what it
//! was aimed at is untouched afterwards.

use agentadmit_testkit::client::{Client, Reply, Request};
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::{
    App, Connection, Operator, SCOPES, catalogue, no_rate_limits, text,
};
use serde_json::{Value, json};

/// A service with one app, and a connection of Alice's.
struct Scene {
    /// Holds the service's life.
    _service: TestService,
    operator: Operator,
    app: App,
    client: Client,
    alice: Connection,
}

impl Scene {
    fn new() -> Self {
        let service = TestService::on_model();
        let operator = service.operator();
        let app = operator.app(&no_rate_limits());
        let mut client = app.client();
        let alice = app.connect(&mut client, "alice", &SCOPES);
        Self { _service: service, operator, app, client, alice }
    }

    /// The same app with a key of this kind.
    fn with_key(&self, key: &Value) -> App {
        self.app.with_key(&self.operator.key(&self.app.app_id, key))
    }

    fn ask(&mut self, app: &App, request: Request) -> Reply {
        self.client.ask(&app.by_key(request))
    }

    /// Alice's agent goes on as if nothing had happened.
    #[track_caller]
    fn alice_is_untouched(&mut self) {
        for scope in SCOPES {
            self.client.ask(&self.app.verify(&self.alice.access_token, scope)).expect(200);
        }
    }
}

/// Everything that reads, changes or ends a connection, and everything about the app.
fn requests_about(app_id: &str, connection: &Connection) -> Vec<Request> {
    let one = format!("/v1/connections/{}", connection.id);
    let scopes = format!("/v1/apps/{app_id}/scopes");
    vec![
        Request::get(&one),
        Request::new("DELETE", &one),
        Request::new("DELETE", format!("{one}?user_id={}", connection.user_id)),
        Request::new("PATCH", &one).json(&json!({"remove_scopes": [SCOPES[0]]})),
        Request::post("/v1/revoke", &json!({"connection_id": connection.id})),
        Request::new("PUT", &scopes).json(&json!({"scopes": [], "remove": SCOPES})),
        Request::get(&scopes),
    ]
}

#[test]
fn a_key_that_may_only_verify_does_nothing_else() {
    let mut scene = Scene::new();
    let verifier = scene.with_key(&json!({"environment": "test", "permissions": ["verify"]}));
    let mut requests = requests_about(&scene.app.app_id, &scene.alice);
    requests.extend([
        Request::post("/v1/revoke", &json!({"user_id": "alice"})),
        Request::get("/v1/connections"),
        Request::get("/v1/audit"),
        Request::get("/v1/audit/export?format=ndjson"),
        Request::get("/v1/usage"),
        Request::post(
            format!("/v1/apps/{}/token", scene.app.app_id),
            &json!({"user_id": "mallory", "scopes": SCOPES}),
        ),
    ]);
    for request in requests {
        scene.ask(&verifier, request).expect_error(403, "forbidden");
    }
    scene.alice_is_untouched();

    scene.client.ask(&verifier.verify(&scene.alice.access_token, SCOPES[0])).expect(200);
    let issued = scene.client.ask(&scene.app.issue("bob", &SCOPES)).expect(201);
    scene.client.ask(&verifier.exchange(&text(&issued, "token"))).expect(200);
}

#[test]
fn each_permission_is_only_itself() {
    let mut scene = Scene::new();
    let issuer = scene.with_key(&json!({"environment": "test", "permissions": ["issue"]}));
    let manager = scene.with_key(&json!({"environment": "test", "permissions": ["manage"]}));
    let alice = scene.alice.clone();
    for (app, request) in [
        (&issuer, issuer.verify(&alice.access_token, SCOPES[0])),
        (&issuer, issuer.revoke(&json!({"connection_id": alice.id}))),
        (&manager, manager.verify(&alice.access_token, SCOPES[0])),
        (&manager, manager.issue("mallory", &SCOPES)),
    ] {
        assert_eq!(app.app_id, scene.app.app_id);
        scene.client.ask(&request).expect_error(403, "forbidden");
    }
    scene.alice_is_untouched();
}

#[test]
fn a_test_key_cannot_take_scopes_from_live_grants() {
    let mut scene = Scene::new();
    let live = scene.with_key(&json!({"environment": "live"}));
    let real = live.connect(&mut scene.client, "alice", &SCOPES);
    let path = format!("/v1/apps/{}/scopes", scene.app.app_id);
    let put = |body: Value| Request::new("PUT", path.clone()).json(&body);

    let test = scene.app.clone();
    let held = scene.ask(&test, put(json!({"scopes": []})));
    held.expect_error(409, "conflict");
    scene.alice_is_untouched();
    scene.ask(&test, put(json!({"scopes": [], "remove": SCOPES}))).expect(200);

    for scope in SCOPES {
        scene.client.ask(&live.verify(&real.access_token, scope)).expect(200);
        let gone = scene.client.ask(&test.verify(&scene.alice.access_token, scope));
        gone.expect_error(403, "insufficient_scope");
    }
    let catalogue = scene.ask(&live, Request::get(path)).expect(200);
    assert_eq!(catalogue["scopes"].as_array().map(Vec::len), Some(SCOPES.len()));
}

#[test]
fn a_scope_that_comes_back_is_a_new_one() {
    let mut scene = Scene::new();
    let app = scene.app.clone();
    let path = format!("/v1/apps/{}/scopes", app.app_id);
    let kept = catalogue(&[SCOPES[0], SCOPES[2]]);
    let without = json!({"scopes": kept, "remove": [SCOPES[1]]});
    scene.ask(&app, Request::new("PUT", &path).json(&without)).expect(200);
    scene
        .ask(&app, Request::new("PUT", &path).json(&json!({"scopes": catalogue(&SCOPES)})))
        .expect(200);

    let refused = scene.client.ask(&app.verify(&scene.alice.access_token, SCOPES[1]));
    let refusal = refused.expect_error(403, "insufficient_scope");
    assert_eq!(refusal["granted_scopes"], json!([SCOPES[0], SCOPES[2]]));
    let later = app.connect(&mut scene.client, "alice", &SCOPES);
    scene.client.ask(&app.verify(&later.access_token, SCOPES[1])).expect(200);
}

#[test]
fn an_empty_or_repeated_user_id_is_no_user_and_never_everybody() {
    let mut scene = Scene::new();
    let app = scene.app.clone();
    let issue = format!("/v1/apps/{}/token", app.app_id);
    let json_of = |path: &str, body: &str| {
        Request::new("POST", path).body("application/json", body.as_bytes())
    };
    let scopes = json!(SCOPES);
    for request in [
        json_of(&issue, &format!(r#"{{"user_id":"","scopes":{scopes}}}"#)),
        json_of(&issue, &format!(r#"{{"user_id":"bob","user_id":"alice","scopes":{scopes}}}"#)),
        json_of(&issue, &format!(r#"{{"user_id":null,"scopes":{scopes}}}"#)),
        json_of("/v1/revoke", r#"{"user_id":""}"#),
        json_of("/v1/revoke", r#"{"user_id":"bob","user_id":"alice"}"#),
    ] {
        let refusal = scene.ask(&app, request).expect_error(422, "invalid_request");
        assert_eq!(refusal["field"], "user_id");
    }
    for body in ["{}", r#"{"user_id":null}"#] {
        scene.ask(&app, json_of("/v1/revoke", body)).expect_error(422, "invalid_request");
    }
    let one = format!("/v1/connections/{}", scene.alice.id);
    for query in ["user_id=", "user_id=bob&user_id=alice", "user_id"] {
        for request in [
            Request::get(format!("/v1/connections?{query}")),
            Request::get(format!("/v1/audit?{query}")),
            Request::get(format!("/v1/audit/export?format=ndjson&{query}")),
            Request::new("DELETE", format!("{one}?{query}")),
        ] {
            scene.ask(&app, request).expect_error(400, "invalid_request");
        }
    }
    scene
        .ask(&app, Request::new("DELETE", format!("{one}?user_id=bob")))
        .expect_error(404, "not_found");
    scene.alice_is_untouched();
}

#[test]
fn what_is_another_apps_or_environments_does_not_exist() {
    let mut scene = Scene::new();
    let other = scene.operator.app(&no_rate_limits());
    let live = scene.with_key(&json!({"environment": "live"}));
    let issued = scene.client.ask(&scene.app.issue("bob", &SCOPES)).expect(201);
    let token = text(&issued, "token");
    for stranger in [&other, &live] {
        for request in requests_about(&scene.app.app_id, &scene.alice) {
            // the app's own scopes are there in both environments, each with its own catalogue
            let is_of_app = format!("{request:?}").contains("/scopes");
            if !is_of_app || stranger.app_id != scene.app.app_id {
                scene.ask(stranger, request).expect_error(404, "not_found");
            }
        }
        let verified = scene.client.ask(&stranger.verify(&scene.alice.access_token, SCOPES[0]));
        let refusal = verified.expect_error(403, "invalid_token");
        assert_eq!((&refusal["reason"], &refusal["active"]), (&json!("unknown"), &json!(false)));
        scene.client.ask(&stranger.exchange(&token)).expect_error(400, "invalid_grant");

        let of_user = scene.client.ask(&stranger.revoke(&json!({"user_id": "alice"}))).expect(200);
        assert_eq!(of_user["count"], 0);
        let searches = format!("/v1/audit?connection_id={}", scene.alice.id);
        let found = scene.ask(stranger, Request::get(searches)).expect(200);
        assert_eq!(found["events"], json!([]));
        let listed = scene.ask(stranger, Request::get("/v1/connections?user_id=alice")).expect(200);
        assert_eq!((&listed["connections"], &listed["total"]), (&json!([]), &json!(0)));
    }
    let path = format!("/v1/apps/{}/token", scene.app.app_id);
    let body = json!({"user_id": "alice", "scopes": SCOPES});
    scene.ask(&other, Request::post(path, &body)).expect_error(404, "not_found");

    scene.alice_is_untouched();
    // not spent by the strangers, whose failures were no replay
    scene.client.ask(&scene.app.exchange(&token)).expect(200);
}

#[test]
fn a_credential_of_one_kind_is_none_of_another() {
    let mut scene = Scene::new();
    let issued = scene.client.ask(&scene.app.issue("bob", &SCOPES)).expect(201);
    let (connection_token, access_token) =
        (text(&issued, "token"), scene.alice.access_token.clone());
    let (api_key, operator) = (scene.app.key.clone(), scene.operator.token.clone());
    for bearer in [&connection_token, &access_token, &operator] {
        let request = Request::get("/v1/connections").bearer(bearer);
        scene.client.ask(&request).expect_error(401, "invalid_api_key");
    }
    for bearer in [&connection_token, &access_token, &api_key] {
        let request = Request::get("/v1/operator/apps").bearer(bearer);
        scene.client.ask(&request).expect_error(401, "invalid_operator_token");
    }
    for token in [&connection_token, &api_key, &operator] {
        let verified = scene.client.ask(&scene.app.verify(token, SCOPES[0]));
        assert_eq!(verified.expect_error(403, "invalid_token")["reason"], "malformed");
    }
    for token in [&access_token, &api_key, &operator] {
        scene.client.ask(&scene.app.exchange(token)).expect_error(400, "invalid_grant");
    }
    // a connection token that was shown to verify is not spent
    scene.client.ask(&scene.app.exchange(&connection_token)).expect(200);
    scene.alice_is_untouched();
}
