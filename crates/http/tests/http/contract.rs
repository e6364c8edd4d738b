//! The documents that are generated: error codes, OpenAPI.

use std::collections::BTreeSet;
use std::path::Path;

use agentadmit_http::HttpOptions;
use agentadmit_http::serve::ServeLimits;
use serde_json::Value;

fn document() -> Value {
    serde_json::to_value(agentadmit_http::openapi()).unwrap()
}

#[test]
fn the_error_table() {
    insta::assert_json_snapshot!(agentadmit_http::error_codes());
}

#[test]
fn the_document_is_openapi_3_1_and_stable() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document, self::document());
    let schemes: BTreeSet<&String> =
        document["components"]["securitySchemes"].as_object().unwrap().keys().collect();
    assert_eq!(
        schemes.into_iter().collect::<Vec<_>>(),
        ["api_key", "client_assertion", "client_basic", "dashboard_session", "operator_token"]
    );
}

#[test]
fn every_operation_documents_what_follows_from_its_shape() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            let has = |status: &str| operation["responses"].get(status).is_some();
            assert!(has("500") && has("503"), "{place}");
            let body = operation.get("requestBody").is_some();
            assert_eq!(has("413") && has("415"), body, "{place}");
            assert!(!body || has("400"), "{place}");
            assert_eq!(body && !path.starts_with("/oauth"), has("422"), "{place}");
            assert!(!path.contains('{') || has("404"), "{place}");
            assert!(operation.get("security").is_some(), "{place}");
            assert!(
                operation["summary"].is_string() && operation["operationId"].is_string(),
                "{place}"
            );
        }
    }
}

/// A resource (RFC 8707) is one app's: `oauth_server/introspection.rs` is refused another's.
#[test]
fn operations_that_set_resources_document_that_another_app_may_have_them() {
    let document = document();
    for (path, method) in [("/v1/operator/apps", "post"), ("/v1/operator/apps/{app_id}", "patch")] {
        let conflict = &document["paths"][path][method]["responses"]["409"]["description"];
        assert!(
            conflict.as_str().is_some_and(|said| said.contains("resources")),
            "{method} {path}"
        );
    }
}

#[test]
fn what_need_not_be_sent_is_not_null_when_it_is() {
    let document = document();
    let rotate = "/v1/operator/apps/{app_id}/api-keys/{key_id}/rotate";
    let body = &document["paths"][rotate]["post"]["requestBody"];
    assert_ne!(body["required"], true);
    let schema = &body["content"]["application/json"]["schema"];
    assert_eq!(schema["$ref"], "#/components/schemas/RotateRequest");
    let key = &document["paths"]["/v1/token/exchange"]["post"]["parameters"][0];
    assert_eq!((&key["schema"]["type"], &key["required"]), (&"string".into(), &false.into()));
    let verify = &document["paths"]["/v1/verify"]["post"]["requestBody"];
    assert_eq!(verify["required"], true);
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.insert(reference);
                }
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// PROTOCOL, Limits of connections: the numbers there are the defaults here.
#[test]
fn the_page_of_the_contract_tells_the_limits_that_are_set() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/PROTOCOL.md");
    let page = std::fs::read_to_string(page).unwrap();
    let told = page.lines().find(|line| line.starts_with("**Limits of connections.**")).unwrap();
    let (serve, http) = (ServeLimits::default(), HttpOptions::default());
    assert_eq!(http.exports_each, 2);
    for text in [
        format!("{},000 connections at a time", serve.connections / 1_000),
        format!(
            "head: {} s, {} header lines, {} KiB,",
            serve.head.as_secs(),
            serve.headers,
            serve.head_bytes / 1_024
        ),
        format!("between requests ends after {} s.", serve.head.as_secs()),
        format!("handshake: {} s.", serve.handshake.as_secs()),
        format!("A request: {} s until", http.request_timeout.as_secs()),
        format!("nothing of its answer for {} s", serve.write.as_secs()),
        format!("two of one log at a time, {} together", http.exports),
    ] {
        assert!(told.contains(&text), "{text} is not in\n{told}");
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let document = document();
    let mut names = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].to_string()), "{operation}");
        }
    }
}
