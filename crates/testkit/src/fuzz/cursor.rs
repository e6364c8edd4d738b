//! Cursors: whatever parses is one that was given out.

use agentadmit_core::cursor::Cursor;
use agentadmit_protocol::id::{AppId, ConnectionId};

use super::Bytes;

/// The input as a text that may be a cursor, and as the position of one that is.
pub fn cursor(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(cursor) = Cursor::parse(&text) {
        assert_eq!(cursor.to_text(), text, "one position has one text");
    }
    let mut bytes = Bytes(data);
    let id = bytes.take();
    let position = i64::from_be_bytes(bytes.take());
    for cursor in [
        Cursor::Connection(ConnectionId::from_bytes(id)),
        Cursor::App(AppId::from_bytes(id)),
        Cursor::Log(position),
    ] {
        assert_eq!(Cursor::parse(&cursor.to_text()), Ok(cursor));
    }
}
