//! Codes: one use, by their client, with their verifier, for their address and app.

use agentadmit_protocol::secret::SecretKind;
use serde_json::json;

use super::{code, exchange, registered, service, shop, token, with_resource};
use crate::support::unknown;

#[tokio::test]
async fn a_code_is_exchanged_with_what_belongs_to_it_alone() {
    let service = service();
    let app = shop(&service).await;
    let _other_app = with_resource(&service, "https://other.example/").await;
    let client = registered(&service, json!({})).await;
    let other = registered(&service, json!({})).await;
    let code = code(&app, &client).await;
    let wrong_verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX";
    let unheard = unknown(SecretKind::AuthorizationCode);
    let refresh = unknown(SecretKind::RefreshToken);
    for (name, value, status, error) in [
        ("client_id", other.as_str(), 400, "invalid_grant"),
        ("client_id", "client_01kb5m4v5ye5rvd0c2tqj3n8xa", 401, "invalid_client"),
        ("client_id", "", 401, "invalid_client"),
        ("code", &unheard, 400, "invalid_grant"),
        ("code", &refresh, 400, "invalid_grant"),
        ("code", "nonsense", 400, "invalid_grant"),
        ("code", "", 400, "invalid_request"),
        ("redirect_uri", "https://client.example/cb/", 400, "invalid_grant"),
        ("redirect_uri", "https://client.example/other", 400, "invalid_grant"),
        ("redirect_uri", "nonsense", 400, "invalid_grant"),
        ("redirect_uri", "", 400, "invalid_request"),
        ("code_verifier", wrong_verifier, 400, "invalid_grant"),
        ("code_verifier", "", 400, "invalid_request"),
        ("resource", "https://other.example/", 400, "invalid_target"),
        ("resource", "https://nobody.example/", 400, "invalid_target"),
        ("grant_type", "", 400, "invalid_request"),
        ("grant_type", "password", 400, "unsupported_grant_type"),
        ("grant_type", "client_credentials", 400, "unsupported_grant_type"),
    ] {
        let mut form = exchange(&client, &code);
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        let reply = token(&service, &form).await;
        assert_eq!(
            (reply.status, reply.text("error").as_str()),
            (status, error),
            "{name}={value}: {reply}"
        );
    }
    for twice in ["grant_type", "client_id", "code", "redirect_uri", "code_verifier"] {
        let mut form = exchange(&client, &code);
        let again = *form.iter().find(|(known, _)| *known == twice).unwrap();
        form.push(again);
        let error = token(&service, &form).await.expect_error(400, "invalid_request");
        assert_eq!(error["field"], twice);
    }
    let mut form = exchange(&client, &code);
    form.extend([("resource", super::RESOURCE), ("resource", super::RESOURCE)]);
    token(&service, &form).await.expect_error(400, "invalid_target");
    // nothing of that has spent it
    let mut good = exchange(&client, &code);
    good.push(("resource", super::RESOURCE));
    token(&service, &good).await.expect(200);
}

/// Whoever stole a code and came second must not go on, and neither may who came first: nobody knows
/// which of them is the thief (OAuth 2.1 section 4.1.3, ASVS 10.4.2).
#[tokio::test]
async fn a_code_that_comes_twice_ends_what_it_opened() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let code = code(&app, &client).await;
    let first = token(&service, &exchange(&client, &code)).await;
    first.expect(200);
    let access = first.text("access_token");
    app.verify(&access, "orders:read").await.expect(200);
    token(&service, &exchange(&client, &code)).await.expect_error(400, "invalid_grant");
    app.verify(&access, "orders:read").await.expect_error(403, "invalid_token");
    super::refreshed(&app, &client, &first.text("refresh_token"))
        .await
        .expect_error(400, "invalid_grant");
    let events =
        app.ask(crate::support::Ask::get("/v1/audit?event=authorization_code_replayed")).await;
    assert_eq!(events.expect(200)["events"].as_array().unwrap().len(), 1);
}

/// A token that a human handed over is a grant like any other.
#[tokio::test]
async fn a_connection_token_is_a_grant() {
    let service = service();
    let app = shop(&service).await;
    let client = registered(&service, json!({})).await;
    let grant = "urn:agentadmit:params:oauth:grant-type:connection-token";
    let (connection_id, handed) = app.issue("u1").await;
    let form =
        [("grant_type", grant), ("connection_token", handed.as_str()), ("client_id", &client)];
    let reply = token(&service, &form).await;
    let answer = reply.expect(200);
    assert_eq!(answer["connection_id"], connection_id);
    assert_eq!((&answer["scope"], &answer["refresh_token"]), (&json!("orders:read"), &json!(null)));
    let verified = app.verify(&reply.text("access_token"), "orders:read").await.expect(200);
    assert_eq!(verified["agent_label"], "Planner");
    // nobody need say who he is: the token is the credential; it works once
    let (_, handed) = app.issue("u1").await;
    let form = [("grant_type", grant), ("connection_token", handed.as_str())];
    token(&service, &form).await.expect(200);
    token(&service, &form).await.expect_error(400, "invalid_grant");
    // a client that says who it is must be that
    let (_, handed) = app.issue("u1").await;
    let liar = "client_01kb5m4v5ye5rvd0c2tqj3n8xa";
    let form = [("grant_type", grant), ("connection_token", handed.as_str()), ("client_id", liar)];
    token(&service, &form).await.expect_error(401, "invalid_client");
    // tries are limited by address
    for _ in 0..9 {
        let form = [("grant_type", grant), ("connection_token", "nonsense")];
        token(&service, &form).await.expect_error(400, "invalid_grant");
    }
    let form = [("grant_type", grant), ("connection_token", handed.as_str())];
    token(&service, &form).await.expect_error(429, "rate_limited");
}
