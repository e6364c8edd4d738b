//! What the service tells about itself, and what every answer has.

use std::time::Duration;

use agentadmit_engine::WriterOptions;
use agentadmit_http::{HttpOptions, ServiceState, router, routers};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Ask, Service};

#[tokio::test]
async fn unknown_paths_and_methods_are_errors_of_ours() {
    let service = Service::start();
    for path in
        ["/", "/v1", "/v1/", "/v1/verify/", "/v2/verify", "/V1/verify", "//v1/verify", "/v1/apps"]
    {
        service.ask(Ask::get(path)).await.expect_error(404, "not_found");
    }
    for (method, path, allowed) in [
        ("GET", "/v1/verify", "POST"),
        ("PUT", "/v1/connections", "GET,HEAD"),
        ("TRACE", "/v1/revoke", "POST"),
        ("BREW", "/api/v1/verify", "POST"),
        ("OPTIONS", "/oauth/introspect", "POST"),
        ("POST", "/v1/operator/apps/app_0", "GET,HEAD"),
    ] {
        let reply = service.ask(Ask::new(method, path)).await;
        reply.expect_error(405, "method_not_allowed");
        assert!(
            reply.header("allow").starts_with(allowed),
            "{method} {path}: {}",
            reply.header("allow")
        );
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let options =
        HttpOptions { request_timeout: Duration::from_millis(20), ..HttpOptions::default() };
    let mut service = Service::start();
    let key = service.app(&json!({})).await.live;
    service.router = router(ServiceState::new(service.engine.clone(), options));
    let never = tokio_stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let body = axum::body::Body::from_stream(never);
    let ask = Ask::new("POST", "/v1/verify").body("application/json", body).bearer(&key);
    service.ask(ask).await.expect_error(503, "unavailable");
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let service = Service::start();
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/healthz", "/v1/audit/keys", "/nowhere", "/v1/usage", "/openapi.json"] {
        let reply = service.ask(Ask::get(path).header("x-request-id", "mine")).await;
        let id = reply.header("x-request-id").to_owned();
        assert_eq!(id.len(), 26, "{path}");
        assert!(seen.insert(id), "{path}");
        let no_store = reply.header("cache-control") == "no-store";
        assert_eq!(no_store, path.starts_with("/v1"), "{path}");
    }
}

#[tokio::test]
async fn a_record_names_the_request_that_made_it() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let reply = app.verify(&granted.access_token, "orders:read").await;
    let records = app.ask(Ask::get("/v1/audit?event=verified")).await.expect(200);
    let record = &records["events"][0];
    assert_eq!(record["request_id"], reply.header("x-request-id"));
    assert_eq!(record["id"], reply.text("audit_id"));
    assert_eq!((&record["endpoint"], &record["method"]), (&json!("/orders"), &json!("GET")));
}

#[tokio::test]
async fn readiness_says_what_is_wrong() {
    let service = Service::start();
    service.app(&json!({})).await;
    assert_eq!(service.ask(Ask::get("/healthz")).await.expect(200), json!({"status": "ok"}));
    let ready = service.ask(Ask::get("/readyz")).await.expect(200);
    assert_eq!(ready["status"], "ok");
    service.clock.set_wall("2026-11-22T06:00:00.000Z".parse().unwrap());
    let failing = service.ask(Ask::get("/readyz")).await;
    let body = failing.expect(503);
    assert_eq!((&body["status"], failing.header("retry-after")), (&json!("failing"), "1"));
    let clock = body["checks"].as_array().unwrap().iter().find(|check| check["name"] == "clock");
    assert_eq!(clock.unwrap()["status"], "failing");
    let app = service.local("POST", "/v1/operator/apps", &json!({"name": "x"})).await;
    app.expect_error(503, "unavailable");
    let accepted = service.local("POST", "/v1/operator/clock/accept", &Value::Null).await;
    assert_eq!(accepted.expect(200)["accepted_at"], "2026-11-22T06:00:00.000Z");
    service.ask(Ask::get("/readyz")).await.expect(200);
}

#[tokio::test]
async fn a_dead_writer_is_seen() {
    let service = Service::start();
    let engine = service.engine.clone();
    tokio::task::spawn_blocking(move || engine.shut_down()).await.unwrap().unwrap();
    agentadmit_http::serve::writer_stopped(&service.engine).await;
    let body = service.ask(Ask::get("/readyz")).await.expect(503);
    assert_eq!(
        body["checks"][0],
        json!({"name": "admission", "status": "failing",
        "detail": "the writer has stopped: restart the service"})
    );
    let reply = service.local("POST", "/v1/operator/apps", &json!({"name": "x"})).await;
    reply.expect_error(503, "unavailable");
}

#[tokio::test]
async fn metrics_count_by_route_and_verdict() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    app.verify(&granted.access_token, "orders:read").await.expect(200);
    app.verify("junk", "orders:read").await.expect_error(403, "invalid_token");
    let metrics = service.ask(Ask::get("/metrics").local()).await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(metrics.body).unwrap();
    for line in [
        r#"agentadmit_http_requests_total{method="POST",route="/v1/verify",status="200"} 1"#,
        r#"agentadmit_verdicts_total{verdict="allowed"} 1"#,
        r#"agentadmit_verdicts_total{verdict="malformed"} 1"#,
        "agentadmit_admission_queued 0",
        "agentadmit_admission_batch_size_count ",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains(&granted.connection_id));
}

#[tokio::test]
async fn operators_can_have_an_address_of_their_own() {
    let options = HttpOptions { metrics_need_token: false, ..HttpOptions::default() };
    let service = Service::with(WriterOptions::default(), options.clone());
    let both = routers(ServiceState::new(service.engine.clone(), options));
    let status = async |router: &axum::Router, path: &str| {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        response.into_body().collect().await.unwrap();
        status
    };
    for (path, app, operator) in [
        ("/healthz", 200, 200),
        ("/readyz", 200, 200),
        ("/metrics", 404, 200),
        ("/v1/operator/apps", 404, 401),
        ("/v1/usage", 401, 404),
        ("/openapi.json", 200, 404),
    ] {
        assert_eq!(
            (status(&both.app, path).await, status(&both.operator, path).await),
            (app, operator),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_log_is_searched_by_operators_too() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    service.clock.advance(Duration::from_secs(1));
    app.grant("u1").await;
    let path = format!("/v1/operator/audit?app_id={}&event=connection_created", app.app_id);
    let found = service.local("GET", &path, &Value::Null).await.expect(200);
    assert_eq!(found["events"].as_array().unwrap().len(), 1);
    assert_eq!(found["events"][0]["user_id"], "u1");
    let all = service.local("GET", "/v1/operator/audit?limit=1", &Value::Null).await.expect(200);
    let cursor = all["next_cursor"].as_str().unwrap();
    let path = format!("/v1/operator/audit?limit=1&cursor={cursor}");
    let next = service.local("GET", &path, &Value::Null).await.expect(200);
    assert_ne!(all["events"], next["events"]);
    let wrong = format!("/v1/operator/connections?cursor={cursor}");
    let wrong = service.local("GET", &wrong, &Value::Null).await;
    assert_eq!(wrong.expect_error(400, "invalid_request")["field"], "cursor");
}
