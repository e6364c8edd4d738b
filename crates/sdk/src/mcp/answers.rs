//! What the guard says in the server's place, in the words of JSON-RPC: the client takes it for an
//! answer of the server, and the model reads it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

// JSON-RPC 2.0, section 5.1
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;

/// The revision that knows no sessions, has statuses for errors, and a kind for every result.
const STATELESS: &str = "2026-07-28";

/// Whether a request is one of the newest revision, as its header says. Dates compare as texts do.
pub(super) fn is_stateless(headers: &HeaderMap) -> bool {
    let said = headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
    said.is_some_and(|version| version >= STATELESS)
}

/// The scope map does not name the tool.
pub(super) fn tool_not_mapped(id: &Value, is_stateless: bool) -> Response<Bytes> {
    let text = "This tool is not open to agents. tools/list shows those that are.";
    let mut result = json!({"content": [{"type": "text", "text": text}], "isError": true});
    if is_stateless && let Some(members) = result.as_object_mut() {
        members.insert("resultType".to_owned(), json!("complete"));
    }
    answer(StatusCode::OK, &json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// The call names no tool.
pub(super) fn no_tool(id: &Value) -> Response<Bytes> {
    let text = "`name` is a text, and `arguments` is an object";
    error(StatusCode::OK, id, INVALID_PARAMS, text)
}

/// A method that answers with data and knows no scope.
pub(super) fn method_not_open(method: &str, id: &Value, is_stateless: bool) -> Response<Bytes> {
    let status = if is_stateless { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let method: String = method.chars().take(100).collect();
    let text = format!(
        "`{method}` is not open to agents: only tools are guarded, and nothing else is let in"
    );
    error(status, id, METHOD_NOT_FOUND, &text)
}

/// Several messages in one request, which the revisions since 2025-06-18 know no more.
pub(super) fn batch() -> Response<Bytes> {
    let text = "several messages in one request are not taken: send each alone";
    error(StatusCode::BAD_REQUEST, &Value::Null, INVALID_REQUEST, text)
}

/// No message.
pub(super) fn unreadable() -> Response<Bytes> {
    let text = "the body is no message of JSON-RPC, or one that says two things at once";
    error(StatusCode::BAD_REQUEST, &Value::Null, PARSE_ERROR, text)
}

fn error(status: StatusCode, id: &Value, code: i32, message: &str) -> Response<Bytes> {
    let error = json!({"code": code, "message": message});
    answer(status, &json!({"jsonrpc": "2.0", "id": id, "error": error}))
}

fn answer(status: StatusCode, message: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(message.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
