//! Against the real service, over real sockets.

use agentadmit::client::{Refusal, Verdict};
use agentadmit::error::{Error, RefusedError};
use agentadmit::protocol::api::revoke::RevokeRequest;
use agentadmit::protocol::permission::Permissions;
use agentadmit::protocol::secret::{Secret, SecretKind};
use agentadmit::settings::ApiKey;
use agentadmit::{Client, Settings};
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::{App, Connection, Operator, SCOPES, no_rate_limits};
use serde_json::json;

use crate::support::{Asker, issue_request, runtime, settings_at, some_key, some_token};

/// The settings of an app of a service.
fn settings_of(app: &App) -> Settings {
    let mut settings = settings_at(app.address, ApiKey::new(app.key.as_str()).unwrap());
    settings.app_id = Some(app.app_id.parse().unwrap());
    settings
}

/// Runs a test on a service with one app.
fn on_service(test: impl AsyncFnOnce(App, Operator)) {
    let service = TestService::on_model();
    let app = service.operator().app(&no_rate_limits());
    runtime().block_on(test(app, service.operator()));
    service.stop();
}

fn connect(app: &App, user: &str, scopes: &[&str]) -> Connection {
    app.connect(&mut app.client(), user, scopes)
}

fn refusal(verdict: Result<Verdict, Error>) -> Refusal {
    match verdict.unwrap() {
        Verdict::Refused(refusal) => *refusal,
        Verdict::Allowed(agent) => panic!("allowed: {agent:?}"),
    }
}

#[test]
fn a_yes_says_who_and_a_no_says_why() {
    on_service(async |app, _operator| {
        for asker in Asker::both_in_real_time(&settings_of(&app)) {
            let connection = connect(&app, "u1", &SCOPES[..1]);
            let token = connection.access_token.as_str();
            let Verdict::Allowed(agent) = asker.verify(token, Some(SCOPES[0])).await.unwrap()
            else {
                panic!("refused")
            };
            assert_eq!(agent.connection_id.to_string(), connection.id);
            assert_eq!((agent.user_id.as_str(), agent.has_scope(SCOPES[0])), ("u1", true));

            let no = refusal(asker.verify(token, Some(&SCOPES.join(" "))).await);
            assert_eq!((no.active, no.error.as_str()), (true, "insufficient_scope"));
            assert_eq!(no.required_scope.as_deref(), Some("write:orders read:profile"));
            assert!(no.audit_id.is_some() && !no.description.is_empty());
            assert_eq!(no.granted_scopes.unwrap().len(), 1);

            for (token, reason) in [
                (some_token().as_str(), "unknown"),
                ("no token", "malformed"),
                (Secret::mint(SecretKind::ConnectionToken, [1; 32]).expose(), "malformed"),
            ] {
                let no = refusal(asker.verify(token, None).await);
                assert_eq!((no.active, no.error.as_str()), (false, "invalid_token"));
                assert_eq!(no.reason.as_deref(), Some(reason));
            }
            app.client().ask(&app.revoke(&json!({"connection_id": connection.id}))).expect(200);
            assert_eq!(refusal(asker.verify(token, None).await).reason.as_deref(), Some("revoked"));
        }
    });
}

#[test]
fn a_grant_is_issued_exchanged_once_and_used() {
    on_service(async |app, _operator| {
        for asker in Asker::both_in_real_time(&settings_of(&app)) {
            let issued = asker.issue(&issue_request(&SCOPES[..2])).await.unwrap();
            let exchanged = asker.exchange(issued.token.expose(), None).await.unwrap();
            assert_eq!(exchanged.connection_id, issued.connection_id);
            let token = exchanged.access_token.expose();
            let verdict = asker.verify(token, Some(SCOPES[1])).await.unwrap();
            let Verdict::Allowed(agent) = verdict else { panic!("refused") };
            assert_eq!(
                agent.agent_label.as_ref().map(ToString::to_string).as_deref(),
                Some("Assistant")
            );

            let again = asker.exchange(issued.token.expose(), None).await.unwrap_err();
            let Error::Refused(RefusedError { status: 400, body }) = again else {
                panic!("{again}")
            };
            assert_eq!(body.error, "invalid_grant");
            let replayed = refusal(asker.verify(token, None).await);
            assert_eq!(replayed.reason.as_deref(), Some("revoked"), "a replay ends the connection");
        }
    });
}

#[test]
fn an_exchange_with_its_key_is_the_same_exchange() {
    on_service(async |app, _operator| {
        for asker in Asker::both_in_real_time(&settings_of(&app)) {
            let issued = asker.issue(&issue_request(&SCOPES[..1])).await.unwrap();
            let key = Some("0123456789abcdefghijkl");
            let first = asker.exchange(issued.token.expose(), key).await.unwrap();
            let second = asker.exchange(issued.token.expose(), key).await.unwrap();
            assert_eq!(first.connection_id, second.connection_id);
            for bad in ["short", "0123456789abcdefghijkl\r\nx: y", ""] {
                let error = asker.exchange(issued.token.expose(), Some(bad)).await.unwrap_err();
                let Error::Refused(RefusedError { status: 422, body }) = error else {
                    panic!("{error}")
                };
                assert_eq!(body.field.as_deref(), Some("Idempotency-Key"));
            }
        }
    });
}

#[test]
fn lists_narrowing_scopes_audit_usage_and_the_credential_are_read() {
    on_service(async |app, _operator| {
        let client = Client::new(&settings_of(&app)).unwrap();
        let connection = connect(&app, "u&1 =?", &SCOPES);
        connect(&app, "u2", &SCOPES);

        let query = serde_json::from_value(json!({"user_id": "u&1 =?", "limit": "10"})).unwrap();
        let list = client.connections(&query).await.unwrap();
        assert_eq!((list.total, list.connections.len()), (1, 1));
        let id = list.connections[0].connection_id;
        assert_eq!(id.to_string(), connection.id);
        let narrowed = serde_json::from_value(json!({"remove_scopes": [SCOPES[0]]})).unwrap();
        assert_eq!(client.narrow(id, &narrowed).await.unwrap().scopes.len(), 2);
        assert_eq!(client.connection(id).await.unwrap().scopes.len(), 2);

        assert_eq!(client.scopes().await.unwrap().scopes.len(), SCOPES.len());
        let catalogue = json!({"scopes": agentadmit_testkit::world::catalogue(&SCOPES)});
        client.put_scopes(&serde_json::from_value(catalogue).unwrap()).await.unwrap();

        let query = serde_json::from_value(json!({"connection_id": connection.id})).unwrap();
        assert!(client.audit(&query).await.unwrap().events.len() >= 3);
        client.usage(&serde_json::from_value(json!({})).unwrap()).await.unwrap();
        let credential = client.credential().await.unwrap();
        assert_eq!(credential.app_id.to_string(), app.app_id);
        assert_eq!(credential.permissions, Permissions::ALL);

        let not_hers = client.revoke_of_user(id, &"u2".parse().unwrap()).await.unwrap_err();
        let Error::Refused(RefusedError { status: 404, body }) = not_hers else { panic!() };
        assert_eq!(body.error, "not_found");
        client.revoke_of_user(id, &"u&1 =?".parse().unwrap()).await.unwrap();
        let all: RevokeRequest = serde_json::from_value(json!({"user_id": "u2"})).unwrap();
        client.revoke(&all).await.unwrap();
    });
}

#[test]
fn a_bad_key_or_a_foreign_app_is_the_apps_own_mistake() {
    on_service(async |app, operator| {
        let other = operator.app(&no_rate_limits());
        let connection = connect(&app, "u1", &SCOPES);
        let mut foreign = settings_of(&app);
        foreign.app_id = Some(other.app_id.parse().unwrap());
        for (settings, says) in [
            (settings_at(app.address, some_key()), "does not accept the API key"),
            (foreign, "set the key of this app"),
        ] {
            for asker in Asker::both_in_real_time(&settings) {
                let error = asker.verify(&connection.access_token, None).await.unwrap_err();
                let Error::Configuration(error) = error else { panic!("{error}") };
                assert!(error.to_string().contains(says), "{error}");
            }
        }
    });
}

#[test]
fn one_client_serves_many_calls_at_a_time() {
    on_service(async |app, _operator| {
        let connections = app.connect_many(32);
        for asker in Asker::both_in_real_time(&settings_of(&app)) {
            let calls: Vec<_> = connections
                .iter()
                .cloned()
                .map(|connection| {
                    let asker = asker.clone();
                    tokio::spawn(async move {
                        for _ in 0..5 {
                            let verdict =
                                asker.verify(&connection.access_token, None).await.unwrap();
                            let Verdict::Allowed(agent) = verdict else { panic!("refused") };
                            assert_eq!(agent.connection_id.to_string(), connection.id);
                        }
                    })
                })
                .collect();
            for call in calls {
                call.await.unwrap();
            }
        }
    });
}
