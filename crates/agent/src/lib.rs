//! The agent's side: what an app offers, the credential that a human handed over, and calls with it.
//!
//! An app is a stranger to an agent, and to whoever runs one. So whatever an app says is read as if it
//! were hostile: sizes, times and counts are limited, texts are data and are cleaned, and a token goes
//! to the origin that the human named and to no other (PROTOCOL, Discovery document). The token itself
//! stays in this process and in a file that nobody else can read: it is in no argument of a program, in
//! no message to a model, in no log.
//!
//! | module | what |
//! | --- | --- |
//! | [`origin`] | the place that a human named |
//! | [`wire`] | one request to that place, with limits, without redirects |
//! | [`words`] | texts of strangers, cleaned; tokens, taken out of them |
//! | [`offer`], [`template`] | the discovery document and its routes |
//! | [`openapi`] | what the app's OpenAPI document says of its routes |
//! | [`credentials`] | the file of what was handed over |
//! | [`door`] | where a connection token is exchanged |
//! | [`connect`] | a connection token against an access token, once |
//! | [`target`] | what is at an address: an app, or an MCP server |
//! | [`oauth`] | a person is asked by way of an authorization server |
//! | [`token_text`] | the text of a credential, whoever made it |
//! | [`bridge`] | an app's routes as tools of an MCP server |
//! | [`proxy`] | an MCP server over HTTP as one on STDIO |
//!
//! The crate knows nothing of the service: everything goes through the app's own address. Time and
//! randomness are arguments ([`Surroundings`]).

pub mod bridge;
pub mod connect;
pub mod credentials;
pub mod door;
pub mod oauth;
pub mod offer;
pub mod openapi;
pub mod origin;
pub mod proxy;
mod schema;
pub mod target;
pub mod template;
pub mod token_text;
pub mod wire;
pub mod words;

use agentadmit_protocol::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// What a process has of the world around it.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// This machine's time.
    pub now: fn() -> Timestamp,
    /// 256 random bits; nothing where the system gives none.
    pub random: fn() -> Option<[u8; 32]>,
}

/// Base64, as HTTP Basic has it; wiped when dropped.
pub(crate) fn base64(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

/// Base64 for addresses, without padding (RFC 4648 section 5).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
