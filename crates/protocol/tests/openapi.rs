//! Schemas that JSON Schema's readers will trust: closed requests, members that are always there.

#![cfg(feature = "openapi")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use agentadmit_protocol::api::operator::{CreateAppRequest, CreateKeyRequest};
use agentadmit_protocol::api::token::{ExchangeAnswer, IssueRequest};
use agentadmit_protocol::api::verify::{VerifyAnswer, VerifyRequest};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::error::ErrorBody;
use serde_json::{Value, json};
use utoipa::PartialSchema;

fn schema<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap()
}

fn required(schema: &Value) -> Vec<&str> {
    schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn requests_are_closed_and_name_what_they_need() {
    for (schema, needed) in [
        (schema::<VerifyRequest>(), vec!["token"]),
        (schema::<IssueRequest>(), vec!["user_id", "scopes"]),
        (schema::<CreateAppRequest>(), vec!["name"]),
        (schema::<CreateKeyRequest>(), vec!["environment"]),
    ] {
        assert_eq!(schema["additionalProperties"], json!(false), "{schema:#}");
        assert_eq!(required(&schema), needed, "{schema:#}");
    }
}

#[test]
fn answers_name_the_members_that_are_null_where_empty() {
    let record = schema::<AuditRecord>();
    assert_eq!(required(&record).len(), record["properties"].as_object().unwrap().len());
    let verify = schema::<VerifyAnswer>();
    assert_eq!(required(&verify).len(), verify["properties"].as_object().unwrap().len());
    let exchange = schema::<ExchangeAnswer>();
    assert!(!required(&exchange).contains(&"expires_in"));
}

#[test]
fn members_that_are_absent_are_not_null() {
    let schema = schema::<ErrorBody>();
    assert_eq!(required(&schema), ["error", "error_description", "request_id"]);
    for (name, member) in schema["properties"].as_object().unwrap() {
        assert!(!member.to_string().contains("\"null\""), "{name}: {member}");
    }
}

#[test]
fn bounds_are_told() {
    let schema = schema::<IssueRequest>();
    let duration = &schema["properties"]["duration_seconds"];
    assert_eq!((&duration["minimum"], &duration["maximum"]), (&json!(60), &json!(31_536_000)));
    assert_eq!(schema["properties"]["scopes"]["minItems"], json!(1));
}
