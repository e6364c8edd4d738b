//! The audit log by who did it, how it ended and why; and the check of the whole log.

use serde_json::{Value, json};

use crate::support::{Ask, Service};

/// The events of a search, with how they ended.
async fn found(service: &Service, query: &str) -> Vec<(String, String)> {
    let path = format!("/v1/operator/audit?{query}");
    let page = service.local("GET", &path, &Value::Null).await.expect(200);
    let events = page["events"].as_array().unwrap().iter();
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events.map(|event| (text(event, "event"), text(event, "outcome"))).collect()
}

#[tokio::test]
async fn records_are_found_by_who_did_it_how_it_ended_and_why() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    app.verify(&granted.access_token, "orders:read").await.expect(200);
    let lacking = app.verify(&granted.access_token, "files:write").await;
    lacking.expect_error(403, "insufficient_scope");
    let body = json!({"user_id": "u1", "reason": "log-out"});
    app.ask(Ask::post("/v1/revoke", &body)).await.expect(200);

    let refused = [("refused".to_owned(), "refused".to_owned())];
    assert_eq!(found(&service, "outcome=refused").await, refused);
    assert_eq!(found(&service, "reason=insufficient_scope").await, refused);
    let allowed = [("verified".to_owned(), "allowed".to_owned())];
    assert_eq!(found(&service, "outcome=allowed").await, allowed);
    let ended = [("connection_revoked".to_owned(), "done".to_owned())];
    assert_eq!(found(&service, "reason=log-out").await, ended);
    assert_eq!(found(&service, "reason=log-ou").await, []);
    let agent = format!("actor=agent:{}", granted.connection_id);
    let exchanged = [("connection_exchanged".to_owned(), "done".to_owned())];
    assert_eq!(found(&service, &agent).await, exchanged);

    let credential = app.ask(Ask::get("/v1/credential")).await.expect(200);
    let key = format!("actor=key:{}", credential["key_id"].as_str().unwrap());
    let by_key = found(&service, &key).await;
    let names: Vec<&str> = by_key.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(names, ["connection_revoked", "refused", "verified", "connection_created"]);
    assert_eq!(found(&service, &format!("{key}&outcome=refused")).await, refused);
    assert_eq!(found(&service, &format!("{key}&outcome=refused&reason=log-out")).await, []);

    // the app's own search, and exports
    let own = app.ask(Ask::get("/v1/audit?outcome=refused")).await.expect(200);
    assert_eq!(own["events"].as_array().unwrap().len(), 1);
    let export = app.ask(Ask::get("/v1/audit/export?reason=insufficient_scope")).await;
    let lines = String::from_utf8(export.body).unwrap();
    assert_eq!(lines.lines().count(), 3, "a header, the record, a trailer: {lines}");
    assert!(lines.contains(r#""filtered":true"#), "{lines}");
    let path = format!(
        "/v1/operator/audit/export?app_id={}&environment=live&outcome=refused&format=csv",
        app.app_id
    );
    let csv = service.local("GET", &path, &Value::Null).await;
    assert_eq!(String::from_utf8(csv.body).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn the_whole_log_is_checked_when_an_operator_asks() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    app.grant("u1").await;
    let path = "/v1/operator/audit/verification";
    let before = service.local("GET", path, &Value::Null).await.expect(200);
    assert_eq!(before, json!({"running": null, "last": null, "failed_at": null}));
    service.local("POST", path, &Value::Null).await.expect(202);
    let last = loop {
        let answer = service.local("GET", path, &Value::Null).await.expect(200);
        assert_eq!(answer["failed_at"], Value::Null);
        if answer["running"].is_null() {
            break answer["last"].clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&last["intact"], &last["findings"]), (&json!(true), &json!([])));
    let events = service.local("GET", "/v1/operator/audit?limit=1000", &Value::Null).await;
    let there = events.expect(200)["events"].as_array().unwrap().len();
    assert_eq!(last["records"], there);
    assert!(last["chains"].as_u64().unwrap() > 2, "{last}");
}
