//! What is at an address: an app that lets agents in, or an MCP server.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use crate::oauth::challenge::Challenge;
use crate::oauth::{NotAuthorized, resource};
use crate::offer::{BadOffer, Offer, discover};
use crate::origin::{BadOrigin, Origin};
use crate::wire::{Answer, Ask, Client, Limits};

/// What the first question may cost.
const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(15) };
/// A question that every MCP server knows, and that one with authorization does not answer to a stranger.
const QUESTION: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
/// The question that servers with sessions want first, and refuse others for in words of their own. The
/// session that it begins is left behind, and ends by itself.
const HANDSHAKE: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"agentadmit","version":"1"}}}"#;

/// What was found.
#[derive(Debug)]
pub enum Target {
    /// An app, on the origin.
    App(Box<Offer>),
    /// An MCP server, at the address (streamable HTTP).
    Mcp(McpServer),
}

/// An MCP server.
#[derive(Debug, Clone)]
pub struct McpServer {
    /// Its address, as it was typed.
    pub url: Url,
    /// How it refused a stranger.
    pub challenge: Option<Challenge>,
    /// Whether it answers strangers.
    pub is_open: bool,
}

/// Why nothing is there.
#[derive(Debug, thiserror::Error)]
pub enum NoTarget {
    /// No address.
    #[error(transparent)]
    Address(#[from] BadOrigin),
    /// No app, and no MCP server.
    #[error(transparent)]
    Offer(#[from] BadOffer),
    /// It refuses strangers, and does not say how one becomes none.
    #[error(transparent)]
    NotAuthorized(#[from] NotAuthorized),
}

/// The address of an MCP server, as credentials are kept under it; nothing for what is none.
///
/// # Errors
/// [`BadOrigin`].
pub fn address(typed: &str) -> Result<Url, BadOrigin> {
    let bad = || BadOrigin::Address(crate::words::clean(typed, 200));
    let origin = Origin::of(typed)?;
    let mut url = Url::parse(typed).map_err(|_| bad())?;
    url.set_fragment(None);
    if origin.holds(&url) { Ok(url) } else { Err(bad()) }
}

/// Asks what is at an address. With a path it may be an MCP server; the root is an app, if it has a
/// discovery document.
///
/// # Errors
/// [`NoTarget`].
pub async fn find(client: &Client, typed: &str) -> Result<Target, NoTarget> {
    let (origin, url) = (Origin::of(typed)?, address(typed)?);
    let is_root = url.path() == "/";
    let mut no_app = None;
    if is_root {
        match discover(client, &origin).await {
            Ok(offer) => return Ok(Target::App(Box::new(offer))),
            Err(why @ BadOffer::NotThere { status: ..500, .. }) => no_app = Some(why),
            Err(why) => return Err(why.into()),
        }
    }
    let (server, is_app) = probe(client, &origin, &url).await?;
    if !is_root && (server.is_none() || is_app) {
        match discover(client, &origin).await {
            Ok(offer) => return Ok(Target::App(Box::new(offer))),
            Err(why) => no_app = Some(why),
        }
    }
    match (server, no_app) {
        (Some(server), _) => Ok(Target::Mcp(server)),
        (None, Some(why)) => Err(why.into()),
        (None, None) => Err(NotAuthorized::NoResource(origin.to_string()).into()),
    }
}

/// Asks the address as if it were an MCP server. Whether the resource there is the whole origin comes
/// with it: then an app with a route of this name may be meant.
async fn probe(
    client: &Client,
    origin: &Origin,
    url: &Url,
) -> Result<(Option<McpServer>, bool), NoTarget> {
    let answer = ask(client, origin, url, QUESTION).await?;
    let challenge = Challenge::of(&answer.headers);
    let is_refused = answer.status == StatusCode::UNAUTHORIZED;
    if !is_refused {
        // nothing is there, or nothing that takes a message
        let is_nothing = matches!(
            answer.status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE
        );
        let is_mcp = speaks_mcp(&answer)
            || (answer.status.is_client_error()
                && !is_nothing
                && speaks_mcp(&ask(client, origin, url, HANDSHAKE).await?));
        let open = McpServer { url: url.clone(), challenge: None, is_open: is_mcp };
        return Ok((is_mcp.then_some(open), false));
    }
    match resource::find(client, url, challenge.as_ref()).await {
        Ok(found) => {
            let is_origin = Url::parse(&found.name).is_ok_and(|name| name.path() == "/");
            let server = McpServer { url: url.clone(), challenge, is_open: false };
            Ok((Some(server), is_origin))
        }
        Err(NotAuthorized::NoResource(_)) => Ok((None, true)),
        Err(why) => Err(why.into()),
    }
}

/// Sends a message of MCP.
async fn ask(
    client: &Client,
    origin: &Origin,
    url: &Url,
    message: &'static [u8],
) -> Result<Answer, NoTarget> {
    let mut ask = Ask { method: Method::POST, body: message.into(), ..Ask::get(url.clone()) };
    ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let both = HeaderValue::from_static("application/json, text/event-stream");
    ask.headers.insert(ACCEPT, both);
    Ok(client.send(origin, ask, LIMITS).await.map_err(BadOffer::from)?)
}

/// Whether an answer is one of JSON-RPC: a result, an error, or a stream of them.
fn speaks_mcp(answer: &Answer) -> bool {
    let is_stream = answer.headers.get(CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream")
    });
    let value: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let is_rpc = value.is_some_and(|value| value.get("jsonrpc").is_some_and(|it| it == "2.0"));
    is_rpc || (is_stream && answer.status.is_success())
}
