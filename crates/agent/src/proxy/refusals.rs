//! Refusals of an MCP server, as a model gets them.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResult, ClientJsonRpcMessage, ClientRequest, ContentBlock, JsonRpcMessage, RequestId,
    ServerJsonRpcMessage, ServerResult,
};

/// An answer in words: the result of a call, or an error of any other request.
pub(super) fn answer(
    asked: &ClientJsonRpcMessage,
    id: RequestId,
    words: impl Into<String>,
) -> ServerJsonRpcMessage {
    let is_call = matches!(
        asked,
        ClientJsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::CallToolRequest(_))
    );
    if is_call {
        let result = CallToolResult::error(vec![ContentBlock::text(words)]);
        return JsonRpcMessage::response(ServerResult::CallToolResult(result), id);
    }
    JsonRpcMessage::error(ErrorData::invalid_request(words.into(), None), Some(id))
}

/// Nobody has connected, or it is over.
pub(super) fn not_connected(url: &str) -> String {
    format!(
        "Nothing was done: nobody has connected this machine to {url}, or the access has ended. Do not \
         try again by yourself. Ask your human whether you may; they run `agentadmit connect {url}` in a \
         terminal, and the next call finds it."
    )
}

/// A scope is missing.
pub(super) fn missing(url: &str, scopes: &[String]) -> String {
    let which = if scopes.is_empty() { "more".to_owned() } else { scopes.join(" ") };
    format!(
        "Nothing was done: the server wants {which}, which your human has not granted. Ask your human \
         whether you may have it; they run `agentadmit connect {url}` in a terminal, which asks for it, \
         and the next call finds it. Do not look for another way."
    )
}

/// Nobody can say what became of it.
pub(super) fn no_answer(why: &str) -> String {
    format!(
        "{why}. Whether the call had an effect is not known; try again later, and tell your human if it \
         stays so."
    )
}

/// A refusal of another kind.
pub(super) fn other(url: &str, status: u16) -> String {
    format!("{url} answers {status}, and nothing that is MCP. Tell your human.")
}
