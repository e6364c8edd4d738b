//! Cursors: where the next page of a list begins, opaque to callers.
//!
//! A cursor holds a position and nothing that grants anything; a made-up one that happens to parse
//! only moves the page.

use agentadmit_protocol::id::{AccountId, AppId, ConnectionId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Below this connection.
    Connection(ConnectionId),
    /// Below this position in the log.
    Log(i64),
    /// After this app.
    App(AppId),
    /// After this account.
    Account(AccountId),
}

/// The text is no cursor that we gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor of this list: begin without one, or send `next_cursor` as it came")]
pub struct BadCursor;

impl Cursor {
    /// The text that callers pass back.
    pub fn to_text(self) -> String {
        let bytes = match self {
            Self::Connection(id) => tagged(b'c', id.as_bytes()),
            Self::Log(position) => tagged(b'l', &position.to_be_bytes()),
            Self::App(id) => tagged(b'a', id.as_bytes()),
            Self::Account(id) => tagged(b'd', id.as_bytes()),
        };
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// [`BadCursor`].
    pub fn parse(text: &str) -> Result<Self, BadCursor> {
        if text.len() > 64 {
            return Err(BadCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let (tag, rest) = bytes.split_first().ok_or(BadCursor)?;
        match tag {
            b'c' => Ok(Self::Connection(ConnectionId::from_bytes(array(rest)?))),
            b'l' => Ok(Self::Log(i64::from_be_bytes(array(rest)?))),
            b'a' => Ok(Self::App(AppId::from_bytes(array(rest)?))),
            b'd' => Ok(Self::Account(AccountId::from_bytes(array(rest)?))),
            _ => Err(BadCursor),
        }
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut tagged = Vec::with_capacity(bytes.len() + 1);
    tagged.push(tag);
    tagged.extend_from_slice(bytes);
    tagged
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], BadCursor> {
    bytes.try_into().map_err(|_| BadCursor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_we_give_out_comes_back(position in any::<i64>(), id in any::<[u8; 16]>()) {
            for cursor in [
                Cursor::Log(position),
                Cursor::Connection(ConnectionId::from_bytes(id)),
                Cursor::App(AppId::from_bytes(id)),
                Cursor::Account(AccountId::from_bytes(id)),
            ] {
                prop_assert_eq!(Cursor::parse(&cursor.to_text()), Ok(cursor));
            }
        }

        #[test]
        fn anything_else_is_refused_or_a_cursor(text in "\\PC{0,80}") {
            if let Ok(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.to_text(), text);
            }
        }
    }
}
