//! An MCP server over HTTP as one on STDIO: every message passes, and the credential is put on the way
//! (Model Context Protocol, Transports; the official SDK speaks streamable HTTP, with its sessions and
//! its streams that are resumed).
//!
//! The proxy trusts neither side. The credential is looked up at each message and renewed when its time
//! is over; it goes to the address that the human typed and to no other, redirects are not followed,
//! and a message that repeats it has it cut. A refusal becomes a result that says what to ask the human
//! for, as a model gets one from [`crate::bridge`].

mod http;
mod lines;
mod raw;
mod refusals;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rmcp::ErrorData;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::transport::Transport as _;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

pub use http::McpHttp;

use crate::words::{holds_token, without_tokens};
use lines::Lines;

/// The longest message of a client.
const MAX_MESSAGE: usize = 4 << 20;

/// Serves one client until it goes, or until the server's side is over.
///
/// # Errors
/// What the transport says.
pub async fn serve<R, W>(server: McpHttp, read: R, write: W) -> Result<(), String>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (mut lines, mut here) = (Lines::new(read, MAX_MESSAGE), Here(write));
    let mut config = StreamableHttpClientTransportConfig::with_uri(server.address());
    config.max_json_response_size = server.limit();
    config.max_sse_event_size = server.limit();
    let mut there = StreamableHttpClientTransport::with_client(server.clone(), config);
    let mut on_the_way = FuturesUnordered::new();
    let is_over = loop {
        tokio::select! {
            // what was read first goes first
            biased;
            Some((id, sent)) = on_the_way.next(), if !on_the_way.is_empty() => {
                let sent: Result<(), String> = sent;
                let (Some(id), Err(why)) = (id, sent) else { continue };
                let error = ErrorData::internal_error(without_tokens(&why).into_owned(), None);
                if !here.say(&JsonRpcMessage::error(error, Some(id))).await {
                    break Ok(());
                }
            }
            message = there.receive() => {
                let Some(message) = message else {
                    break Err("the server's side is over".to_owned());
                };
                let Ok(came) = raw::to_client(&message, server.answers()) else { continue };
                if !here.write(&without_secrets(came, &server)).await {
                    break Ok(());
                }
            }
            line = lines.next() => {
                let Ok(Some(line)) = line else { break Ok(()) };
                // what is no JSON has no id to answer to
                let Ok(came) = serde_json::from_slice::<Value>(&line) else { continue };
                let Ok(message) = raw::of_client(&came, server.sent()) else {
                    let error = ErrorData::invalid_request("this is no message of MCP", None);
                    let mut answer = json!({"jsonrpc": "2.0", "error": error});
                    if let (Some(id), Some(members)) = (came.get("id"), answer.as_object_mut()) {
                        members.insert("id".to_owned(), id.clone());
                    }
                    if !here.write(&answer).await {
                        break Ok(());
                    }
                    continue;
                };
                let id = id_of(&message);
                if let Some(words) = refused(&came) {
                    // who waits for nothing is told nothing
                    let Some(id) = id else { continue };
                    if !here.say(&refusals::answer(&message, id, words)).await {
                        break Ok(());
                    }
                    continue;
                }
                let sending = there.send(message);
                on_the_way.push(async move { (id, sending.await.map_err(|error| error.to_string())) });
            }
        }
    };
    // the session ends at the server, if there is one
    let _gone = there.close().await;
    is_over
}

/// The client's side, to be written to.
struct Here<W>(W);

impl<W: AsyncWrite + Unpin> Here<W> {
    /// Whether the client is still there.
    async fn write(&mut self, message: &Value) -> bool {
        let line = format!("{message}\n");
        self.0.write_all(line.as_bytes()).await.is_ok() && self.0.flush().await.is_ok()
    }

    /// The same, for a message of our own.
    async fn say(&mut self, message: &ServerJsonRpcMessage) -> bool {
        match serde_json::to_value(message) {
            Ok(message) => self.write(&message).await,
            Err(_) => true,
        }
    }
}

fn id_of(message: &ClientJsonRpcMessage) -> Option<RequestId> {
    match message {
        ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
        _ => None,
    }
}

/// Why a message is not passed on: a model that has a token must not send it anywhere.
fn refused(message: &Value) -> Option<&'static str> {
    let words = "Nothing was sent: there is a token in the arguments. The credential is here already, and \
                 no tool needs one from you.";
    holds_token(&message.to_string()).then_some(words)
}

/// A message without any token of ours, and without the one that it was asked with.
fn without_secrets(message: Value, server: &McpHttp) -> Value {
    let text = message.to_string();
    let clean = server.without_own(&without_tokens(&text));
    if clean == text {
        return message;
    }
    serde_json::from_str(&clean).unwrap_or_else(|_| {
        let words = "the answer holds a token, and was left out";
        let error = ErrorData::internal_error(words, None);
        json!({"jsonrpc": "2.0", "id": message.get("id"), "error": error})
    })
}
