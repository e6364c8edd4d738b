//! An MCP server over HTTP as one on STDIO: every message passes, and the credential is put on the way
//! (Model Context Protocol, Transports; the official SDK speaks streamable HTTP, with its sessions and
//! its streams that are resumed).
//!
//! The proxy trusts neither side. The credential is looked up at each message and renewed when its time
//! is over; it goes to the address that the human typed and to no other, redirects are not followed,
//! and a message that repeats it has it cut. A refusal becomes a result that says what to ask the human
//! for, as a model gets one from [`crate::bridge`].

mod http;
mod refusals;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rmcp::ErrorData;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::service::RoleServer;
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use tokio::io::{AsyncRead, AsyncWrite};

pub use http::McpHttp;

use crate::words::{holds_token, without_tokens};

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
    let mut here: AsyncRwTransport<RoleServer, R, W> =
        AsyncRwTransport::new(read, write).with_max_line_length(MAX_MESSAGE);
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
                if Transport::<RoleServer>::send(&mut here, JsonRpcMessage::error(error, Some(id))).await.is_err() {
                    break Ok(());
                }
            }
            message = there.receive() => {
                let Some(message) = message else {
                    break Err("the server's side is over".to_owned());
                };
                let message = without_secrets(message, &server);
                if Transport::<RoleServer>::send(&mut here, message).await.is_err() {
                    break Ok(());
                }
            }
            message = here.receive() => {
                let Some(message) = message else { break Ok(()) };
                let id = id_of(&message);
                if let Some(words) = refused(&message) {
                    // who waits for nothing is told nothing
                    let Some(id) = id else { continue };
                    let answer = refusals::answer(&message, id, words);
                    if Transport::<RoleServer>::send(&mut here, answer).await.is_err() {
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

fn id_of(message: &ClientJsonRpcMessage) -> Option<RequestId> {
    match message {
        ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
        _ => None,
    }
}

/// Why a message is not passed on: a model that has a token must not send it anywhere.
fn refused(message: &ClientJsonRpcMessage) -> Option<&'static str> {
    let text = serde_json::to_string(message).unwrap_or_default();
    let words = "Nothing was sent: there is a token in the arguments. The credential is here already, and \
                 no tool needs one from you.";
    holds_token(&text).then_some(words)
}

/// A message without any token of ours, and without the one that it was asked with.
fn without_secrets(message: ServerJsonRpcMessage, server: &McpHttp) -> ServerJsonRpcMessage {
    let text = serde_json::to_string(&message).unwrap_or_default();
    let clean = server.without_own(&without_tokens(&text));
    if clean == text {
        return message;
    }
    serde_json::from_str(&clean).unwrap_or_else(|_| {
        let id = match &message {
            ServerJsonRpcMessage::Response(response) => Some(response.id.clone()),
            ServerJsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        let words = "the answer holds a token, and was left out";
        JsonRpcMessage::error(ErrorData::internal_error(words, None), id)
    })
}
