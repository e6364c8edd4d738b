//! Messages as they came. The official SDK moves them, and knows fewer members than clients and servers
//! may use: what it would leave out passes beside it.
//!
//! | to | what | how |
//! | --- | --- | --- |
//! | the server | a request, a notification | in the extensions of the SDK's message |
//! | the client | a request, a notification | inside a method of our own, of which the SDK keeps everything |
//! | both | an answer | by its id, until it has passed |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    ClientJsonRpcMessage, GetExtensions as _, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
    ServerNotification, ServerRequest,
};
use serde_json::{Value, json};

/// The method under which a server's message passes the SDK.
const INSIDE: &str = "agentadmit/inside";
/// Answers that are on their way at most; more than nobody waits for are forgotten.
const MAX_ANSWERS: usize = 1_024;

/// What came, in a message of the SDK's.
#[derive(Debug, Clone)]
struct Original(Arc<Value>);

/// Answers on their way in one direction, by id.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(Arc<Mutex<HashMap<String, Value>>>);

impl Answers {
    fn put(&self, answer: &Value) {
        let Some(id) = answer.get("id").filter(|id| !id.is_null()) else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ANSWERS {
            all.clear();
        }
        all.insert(id.to_string(), answer.clone());
    }

    fn take(&self, id: Option<&RequestId>) -> Option<Value> {
        let id = serde_json::to_string(id?).ok()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }
}

/// A client's message as the SDK has it, with what came.
///
/// # Errors
/// It is no message.
pub(super) fn of_client(
    came: &Value,
    answers: &Answers,
) -> Result<ClientJsonRpcMessage, serde_json::Error> {
    let mut message: ClientJsonRpcMessage = serde_json::from_value(came.clone())?;
    match &mut message {
        JsonRpcMessage::Request(request) => {
            request.request.extensions_mut().insert(Original(Arc::new(came.clone())));
        }
        JsonRpcMessage::Notification(told) => {
            told.notification.extensions_mut().insert(Original(Arc::new(came.clone())));
        }
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => answers.put(came),
    }
    Ok(message)
}

/// What is sent to the server: what came, or the SDK's own words.
///
/// # Errors
/// The SDK's words are none.
pub(super) fn to_server(
    message: &ClientJsonRpcMessage,
    answers: &Answers,
) -> Result<Vec<u8>, serde_json::Error> {
    let inside = match message {
        JsonRpcMessage::Request(request) => request.request.extensions().get::<Original>(),
        JsonRpcMessage::Notification(told) => told.notification.extensions().get::<Original>(),
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => None,
    };
    let by_id = match message {
        JsonRpcMessage::Response(answer) => answers.take(Some(&answer.id)),
        JsonRpcMessage::Error(error) => answers.take(error.id.as_ref()),
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
    };
    match (inside, by_id) {
        (Some(Original(came)), _) => serde_json::to_vec(came),
        (None, Some(came)) => serde_json::to_vec(&came),
        (None, None) => serde_json::to_vec(message),
    }
}

/// A server's message as it passes the SDK.
pub(super) fn of_server(came: Value, answers: &Answers) -> Value {
    if came.get("method").is_none() {
        answers.put(&came);
        return came;
    }
    let id = came.get("id").cloned();
    let mut message = json!({"jsonrpc": "2.0", "method": INSIDE, "params": {"came": came}});
    if let (Some(id), Some(members)) = (id, message.as_object_mut()) {
        members.insert("id".to_owned(), id);
    }
    message
}

/// What is sent to the client: what came, or the SDK's own words.
///
/// # Errors
/// The SDK's words are none.
pub(super) fn to_client(
    message: &ServerJsonRpcMessage,
    answers: &Answers,
) -> Result<Value, serde_json::Error> {
    let inside = |method: &str, params: Option<&Value>| {
        params.filter(|_| method == INSIDE).and_then(|params| params.get("came")).cloned()
    };
    let came = match message {
        JsonRpcMessage::Request(request) => match &request.request {
            ServerRequest::CustomRequest(own) => inside(&own.method, own.params.as_ref()),
            _ => None,
        },
        JsonRpcMessage::Notification(told) => match &told.notification {
            ServerNotification::CustomNotification(own) => inside(&own.method, own.params.as_ref()),
            _ => None,
        },
        JsonRpcMessage::Response(answer) => answers.take(Some(&answer.id)),
        JsonRpcMessage::Error(error) => answers.take(error.id.as_ref()),
    };
    came.map_or_else(|| serde_json::to_value(message), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sdk_does_not_know_passes_both_ways() {
        let (there, back) = (Answers::default(), Answers::default());
        for came in [
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "x": 1,
                "params": {"name": "a", "x": {"b": [1]}, "_meta": {"c": 1}}}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized", "params": {"x": 1}}),
            json!({"jsonrpc": "2.0", "id": "a", "result": {"action": "accept", "x": 1}}),
            json!({"jsonrpc": "2.0", "id": 2, "error": {"code": -1, "message": "no", "x": 1}}),
        ] {
            let message = of_client(&came, &there).unwrap();
            let sent: Value =
                serde_json::from_slice(&to_server(&message, &there).unwrap()).unwrap();
            assert_eq!(sent, came);
        }
        for came in [
            json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [
                {"name": "a", "inputSchema": {"type": "object"}, "x": 1}], "x": 1}, "y": 1}),
            json!({"jsonrpc": "2.0", "id": 2, "error": {"code": -1, "message": "no", "x": 1}}),
            json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"x": 1}}),
            json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": 1}}),
            json!({"jsonrpc": "2.0", "method": INSIDE, "params": {"came": {"x": 1}}}),
        ] {
            let passing = of_server(came.clone(), &back);
            let message: ServerJsonRpcMessage = serde_json::from_value(passing).unwrap();
            assert_eq!(to_client(&message, &back).unwrap(), came);
        }
        assert!(there.0.lock().unwrap().is_empty() && back.0.lock().unwrap().is_empty());
    }

    #[test]
    fn what_nobody_waits_for_is_forgotten() {
        let answers = Answers::default();
        for id in 0..=MAX_ANSWERS {
            answers.put(&json!({"jsonrpc": "2.0", "id": id, "result": {}}));
        }
        assert_eq!(answers.0.lock().unwrap().len(), 1);
    }
}
