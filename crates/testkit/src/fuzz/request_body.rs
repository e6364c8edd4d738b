//! Request bodies: every request type reads the input.

use agentadmit_protocol::api::connections::PatchConnectionRequest;
use agentadmit_protocol::api::consent::ConsentSessionRequest;
use agentadmit_protocol::api::operator::{
    CreateAppRequest, CreateKeyRequest, CreateOperatorRequest, OperatorRevokeRequest,
    ResumeRequest, RotateRequest, UpdateAppRequest,
};
use agentadmit_protocol::api::public_keys::PutPublicKeysRequest;
use agentadmit_protocol::api::revoke::RevokeRequest;
use agentadmit_protocol::api::scopes::PutScopesRequest;
use agentadmit_protocol::api::token::{ExchangeRequest, IssueRequest};
use agentadmit_protocol::api::verify::VerifyRequest;
use agentadmit_protocol::json::{self, BadBody, MAX_DEPTH};
use agentadmit_protocol::plain_body;
use agentadmit_protocol::settings::Plan;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::shows_a_secret;

/// Put into every string of a body: an answer that holds it repeats a value.
const CANARY: &str = "qzxjkcanaryqzxjk";

/// The longest path to a member: that many names of 64 characters, and indices.
const LONGEST_FIELD: usize = MAX_DEPTH * 300;

/// The input as the body of every request there is.
pub fn request_body(data: &[u8]) {
    let value = referee(data);
    let value = value.as_ref();
    reads::<VerifyRequest>(data, value);
    plain_is_what_json_says(data);
    reads::<ExchangeRequest>(data, value);
    round_trips::<IssueRequest>(data, value);
    round_trips::<ConsentSessionRequest>(data, value);
    round_trips::<RevokeRequest>(data, value);
    round_trips::<PatchConnectionRequest>(data, value);
    round_trips::<PutScopesRequest>(data, value);
    round_trips::<PutPublicKeysRequest>(data, value);
    round_trips::<CreateAppRequest>(data, value);
    round_trips::<UpdateAppRequest>(data, value);
    round_trips::<CreateKeyRequest>(data, value);
    round_trips::<RotateRequest>(data, value);
    round_trips::<OperatorRevokeRequest>(data, value);
    round_trips::<ResumeRequest>(data, value);
    round_trips::<CreateOperatorRequest>(data, value);
    round_trips::<Plan>(data, value);
}

/// What is read without the JSON parser is what the parser reads.
fn plain_is_what_json_says(body: &[u8]) {
    if let Some(plain) = plain_body::verify_request(body) {
        let slow = json::from_slice::<VerifyRequest>(body).map(|request| format!("{request:?}"));
        assert_eq!(slow, Ok(format!("{plain:?}")));
    }
}

/// The JSON that the input is, if it is one that is not nested too deep.
fn referee(data: &[u8]) -> Option<Value> {
    serde_json::from_slice(data).ok().filter(|value| depth(value) <= MAX_DEPTH)
}

/// A request that a client writes too: read, written and read again it is the same.
fn round_trips<T>(body: &[u8], value: Option<&Value>)
where
    T: DeserializeOwned + Serialize + PartialEq + core::fmt::Debug,
{
    let Some(first) = reads::<T>(body, value) else { return };
    let written = serde_json::to_vec(&first);
    let written = written.unwrap_or_else(|error| unreachable!("{first:?}: {error}"));
    assert_eq!(json::from_slice::<T>(&written).as_ref(), Ok(&first));
}

/// The request that the body is; else its refusal was looked at.
fn reads<T: DeserializeOwned>(body: &[u8], value: Option<&Value>) -> Option<T> {
    if let Some(value) = value {
        repeats_no_value::<T>(value);
    }
    match json::from_slice::<T>(body) {
        Ok(request) => {
            assert!(value.is_some_and(Value::is_object), "no JSON object, but read");
            // there are two ways of reading, a quick and an exact one: they agree
            assert!(serde_json::from_slice::<T>(body).is_ok(), "only the slow way reads it");
            Some(request)
        }
        Err(BadBody::Syntax { description }) => {
            assert!(value.is_none(), "JSON, but: {description}");
            assert!(!shows_a_secret(&description), "{description}");
            None
        }
        Err(BadBody::Member { field, description }) => {
            assert!(value.is_some(), "no JSON, but: {description}");
            names_the_member(&field, &description);
            None
        }
    }
}

/// A 422 says which member it is about, and shows no secret.
fn names_the_member(field: &str, description: &str) {
    let subject = if field.is_empty() { "the body ".to_owned() } else { format!("`{field}` ") };
    assert!(description.starts_with(&subject), "{field:?}: {description}");
    assert!(!field.chars().any(char::is_control), "{field:?}");
    assert!(field.len() <= LONGEST_FIELD, "{} bytes of path", field.len());
    assert!(!shows_a_secret(field) && !shows_a_secret(description), "{description}");
}

/// The same body with a mark in every string: no refusal of it holds the mark.
fn repeats_no_value<T: DeserializeOwned>(value: &Value) {
    if value.to_string().contains(CANARY) {
        return; // as the name of a member, which may be repeated
    }
    let mut marked = value.clone();
    mark(&mut marked);
    if let Err(error) = json::from_slice::<T>(marked.to_string().as_bytes()) {
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
}

fn mark(value: &mut Value) {
    match value {
        Value::String(text) => text.push_str(CANARY),
        Value::Array(items) => items.iter_mut().for_each(mark),
        Value::Object(members) => members.values_mut().for_each(mark),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
