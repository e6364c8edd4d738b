//! The handlers, one file per family. Each reads its request into a verb or a question.

pub(crate) mod audit;
pub(crate) mod authorization;
pub(crate) mod connections;
pub(crate) mod consent;
pub(crate) mod credential;
mod export;
pub(crate) mod oauth;
mod oauth_client;
pub(crate) mod operator;
pub(crate) mod revoke;
pub(crate) mod scopes;
pub(crate) mod service;
pub(crate) mod token;
pub(crate) mod usage;
pub(crate) mod verify;

pub(crate) use oauth_client::JWT_BEARER;

use agentadmit_engine::cursor::Cursor;
use agentadmit_protocol::api::query::Cursor as CursorText;

use crate::error::{Answer, ApiError};

/// The position in a cursor, if one was sent and it is one of this list.
fn position<T>(
    cursor: Option<&CursorText>,
    of_this_list: impl Fn(Cursor) -> Option<T>,
) -> Answer<Option<T>> {
    let Some(text) = cursor else { return Ok(None) };
    let parsed = Cursor::parse(text.as_str()).ok().and_then(of_this_list);
    parsed.map(Some).ok_or_else(|| {
        ApiError::bad_request(agentadmit_engine::cursor::BadCursor.to_string()).field("cursor")
    })
}
