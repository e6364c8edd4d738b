//! Exports as they leave the service.

use agentadmit_core::audit::verify::{Options, Verifier};
use agentadmit_engine::WriterOptions;
use agentadmit_engine::keyring::verify_signature;
use agentadmit_http::HttpOptions;
use serde_json::{Value, json};

use crate::support::{App, Ask, Service};

async fn busy(service: &Service) -> App<'_> {
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    for scope in ["orders:read", "orders:write"] {
        app.verify(&granted.access_token, scope).await;
    }
    app.verify("junk", "orders:read").await;
    let reason = json!({"user_id": "u1", "reason": "=SUM(A1)"});
    app.ask(Ask::post("/v1/revoke", &reason)).await.expect(200);
    app
}

#[tokio::test]
async fn a_full_export_verifies_offline() {
    let service = Service::start();
    let app = busy(&service).await;
    let export = app.ask(Ask::get("/v1/audit/export")).await;
    export.expect(200);
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    assert_eq!(export.header("content-disposition"), "attachment; filename=\"audit.ndjson\"");
    let mut verifier = Verifier::new(Options::default(), &verify_signature);
    let body = export.body.strip_suffix(b"\n").unwrap();
    for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
        verifier.line(index as u64 + 1, line);
    }
    let report = verifier.finish();
    assert!(report.ok, "{report:?}");
    assert!(report.records > 5, "{report:?}");
}

#[tokio::test]
async fn a_filtered_export_says_so() {
    let service = Service::start();
    let app = busy(&service).await;
    let export = app.ask(Ask::get("/v1/audit/export?event=verified&format=ndjson")).await;
    let lines: Vec<Value> = String::from_utf8(export.body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["filtered"], true);
    assert_eq!((lines.len(), &lines[1]["event"]), (3, &json!("verified")));
    assert_eq!(lines[2]["records"], 1);
}

#[tokio::test]
async fn csv_is_for_people() {
    let service = Service::start();
    let app = busy(&service).await;
    let export = app.ask(Ask::get("/v1/audit/export?format=csv")).await;
    assert_eq!(export.header("content-type"), "text/csv; charset=utf-8");
    let text = String::from_utf8(export.body).unwrap();
    assert!(text.starts_with("id,chain,seq,occurred_at,"), "{text}");
    assert!(text.contains(",'=SUM(A1),"), "{text}");
    let columns = text.lines().next().unwrap().split(',').count();
    assert_eq!(columns, 23);
}

#[tokio::test]
async fn an_operator_exports_one_environment_or_the_service_itself() {
    let service = Service::start();
    let app = busy(&service).await;
    let export = async |query: &str| {
        service.local("GET", &format!("/v1/operator/audit/export{query}"), &Value::Null).await
    };
    let live = export(&format!("?app_id={}&environment=live", app.app_id)).await;
    let own = app.ask(Ask::get("/v1/audit/export")).await;
    assert_eq!(live.body, own.body);
    let system = export("").await;
    let header: Value =
        serde_json::from_str(String::from_utf8_lossy(&system.body).lines().next().unwrap())
            .unwrap();
    assert_eq!(header["app_id"], json!(null));
    let half = export(&format!("?app_id={}", app.app_id)).await;
    assert_eq!(half.expect_error(400, "invalid_request")["field"], "environment");
    let half = export("?environment=live").await;
    assert_eq!(half.expect_error(400, "invalid_request")["field"], "app_id");
}

#[tokio::test]
async fn a_log_is_exported_twice_at_a_time_and_no_more() {
    let service = Service::start();
    let (app, other) = (busy(&service).await, service.app(&json!({})).await);
    let export = |key: &str| Ask::get("/v1/audit/export").bearer(key);
    let (first, second) =
        (service.begin(export(&app.live)).await, service.begin(export(&app.live)).await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    service.ask(export(&app.live)).await.expect_error(503, "unavailable");
    // others, and the other environment, have their own
    service.ask(export(&other.live)).await.expect(200);
    service.ask(export(&app.test)).await.expect(200);
    // one that was left makes room, and so does one that was read
    drop(first);
    service.ask(export(&app.live)).await.expect(200);
    service.ask(export(&app.live)).await.expect(200);
    drop(second);
}

#[tokio::test]
async fn all_exports_together_have_a_limit() {
    let options = HttpOptions { exports: 1, ..HttpOptions::default() };
    let service = Service::with(WriterOptions::default(), options);
    let (app, other) = (busy(&service).await, service.app(&json!({})).await);
    let export = |key: &str| Ask::get("/v1/audit/export").bearer(key);
    let first = service.begin(export(&app.live)).await;
    service.ask(export(&other.live)).await.expect_error(503, "unavailable");
    let system = service.local("GET", "/v1/operator/audit/export", &Value::Null).await;
    system.expect_error(503, "unavailable");
    drop(first);
    service.ask(export(&other.live)).await.expect(200);
}
