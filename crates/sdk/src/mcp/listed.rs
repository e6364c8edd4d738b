//! A list of tools as agents see it: those that the scope map names.
//!
//! A server answers with JSON, or with events that each hold a message (MCP, Streamable HTTP). What
//! is no list of tools goes out as it came.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::response;
use http_body::{Body, Frame, SizeHint};
use serde_json::Value;

use super::ToolGuard;
use crate::stream::BoxError;

/// How long a list, or one event, may be, in bytes. A longer one breaks the answer off.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// The body of an answer, in which lists of tools are cut to what the map names.
pub struct Listed<R> {
    body: R,
    filter: Option<Filter>,
}

struct Filter {
    guard: ToolGuard,
    kind: Kind,
    pending: BytesMut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Events,
}

impl<R> Listed<R> {
    pub(super) const fn plain(body: R) -> Self {
        Self { body, filter: None }
    }

    /// An answer that may be a list.
    pub(super) fn of(body: R, parts: &mut response::Parts, guard: &ToolGuard) -> Self {
        let Some(kind) = kind_of(parts) else { return Self::plain(body) };
        parts.headers.remove(CONTENT_LENGTH);
        let filter = Filter { guard: guard.clone(), kind, pending: BytesMut::new() };
        Self { body, filter: Some(filter) }
    }
}

fn kind_of(parts: &response::Parts) -> Option<Kind> {
    let media_type = parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Some(Kind::Json)
    } else {
        essence.eq_ignore_ascii_case("text/event-stream").then_some(Kind::Events)
    }
}

impl Filter {
    /// What of the pending bytes can go out; `None` waits for more.
    fn take(&mut self, is_end: bool) -> Option<Bytes> {
        let whole = match self.kind {
            _ if is_end => self.pending.len(),
            Kind::Json => 0,
            Kind::Events => end_of_events(&self.pending),
        };
        if whole == 0 {
            return None;
        }
        let taken = self.pending.split_to(whole).freeze();
        Some(match self.kind {
            Kind::Json => self.cut(&taken).map_or(taken, Bytes::from),
            Kind::Events => self.events(&taken),
        })
    }

    /// The message with a shorter list; `None` where it needs no change.
    fn cut(&self, message: &[u8]) -> Option<String> {
        let mut message = serde_json::from_slice::<Value>(message).ok()?;
        let tools = message.pointer_mut("/result/tools")?.as_array_mut()?;
        let before = tools.len();
        let is_mapped = |tool: &Value| {
            tool.get("name").and_then(Value::as_str).is_some_and(|name| self.guard.contains(name))
        };
        tools.retain(is_mapped);
        (tools.len() != before).then(|| message.to_string())
    }

    fn events(&self, events: &[u8]) -> Bytes {
        let mut written = BytesMut::with_capacity(events.len());
        let mut rest = events;
        while !rest.is_empty() {
            let length = match end_of_event(rest) {
                Some(length) => length,
                None => rest.len(),
            };
            let (event, after) = rest.split_at(length);
            rest = after;
            match self.event(event) {
                Some(shorter) => written.extend_from_slice(shorter.as_bytes()),
                None => written.extend_from_slice(event),
            }
        }
        written.freeze()
    }

    /// One event whose data is a list, written anew.
    fn event(&self, event: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(event).ok()?;
        let mut others = String::new();
        let mut data = Vec::new();
        for line in text.lines() {
            match line.strip_prefix("data:") {
                Some(value) => data.push(value.strip_prefix(' ').unwrap_or(value)),
                None if line.is_empty() => {}
                None => {
                    others.push_str(line);
                    others.push('\n');
                }
            }
        }
        let message = self.cut(data.join("\n").as_bytes())?;
        Some(format!("{others}data: {message}\n\n"))
    }
}

/// Where the last whole event ends; 0 where there is none.
fn end_of_events(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = bytes.get(end..).and_then(end_of_event) {
        end += length;
    }
    end
}

/// How long the first event is, with the empty line behind it (WHATWG HTML, Server-sent events).
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let ends: [&[u8]; 3] = [b"\n\n", b"\n\r\n", b"\r\r"];
    let found = ends.iter().filter_map(|end| {
        let at = bytes.windows(end.len()).position(|window| window == *end)?;
        Some(at + end.len())
    });
    found.min()
}

impl<R> Body for Listed<R>
where
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, filter } = &mut *self;
        loop {
            let frame = ready!(Pin::new(&mut *body).poll_frame(context));
            let Some(filtering) = filter else {
                return Poll::Ready(frame.map(|it| it.map_err(Into::into)));
            };
            let data = match frame.map(|it| it.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => data,
                // trailers mean nothing to a message
                Some(Ok(Err(_))) => continue,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => {
                    let last = filtering.take(true);
                    *filter = None;
                    return Poll::Ready(last.map(|bytes| Ok(Frame::data(bytes))));
                }
            };
            filtering.pending.extend_from_slice(&data);
            if let Some(bytes) = filtering.take(false) {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if filtering.pending.len() > MAX_LIST_BYTES {
                tracing::error!(
                    "an MCP server's list of tools has more than {MAX_LIST_BYTES} bytes"
                );
                return Poll::Ready(Some(Err("the list of tools is too long".into())));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.filter.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.filter.is_none() { self.body.size_hint() } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::ToolGuard;

    fn filter(kind: Kind) -> Filter {
        let guard = ToolGuard::new([("a", "notes:read")]).unwrap();
        Filter { guard, kind, pending: BytesMut::new() }
    }

    const LIST: &str = r#"{"id":1,"result":{"tools":[{"name":"a"},{"name":"b"},{}]}}"#;
    const CUT: &str = r#"{"id":1,"result":{"tools":[{"name":"a"}]}}"#;

    /// What goes out when it comes in pieces of this size.
    fn through(kind: Kind, text: &str, size: usize) -> String {
        let mut filter = filter(kind);
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            filter.pending.extend_from_slice(piece);
            out.extend(filter.take(false).unwrap_or_default());
        }
        out.extend(filter.take(true).unwrap_or_default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_is_cut_however_it_comes() {
        let events = format!("id: 0\nretry: 3000\ndata:\n\n: ping\n\nid: 1\ndata: {LIST}\n\n");
        let cut = format!("id: 0\nretry: 3000\ndata:\n\n: ping\n\nid: 1\ndata: {CUT}\n\n");
        let carriage = events.replace('\n', "\r\n");
        for size in [1, 7, 4096] {
            assert_eq!(through(Kind::Json, LIST, size), CUT);
            assert_eq!(through(Kind::Events, &events, size), cut);
            assert!(through(Kind::Events, &carriage, size).ends_with(&format!("data: {CUT}\n\n")));
        }
        let lines = LIST.replace(",\"result\"", ",\ndata:\"result\"");
        assert_eq!(
            through(Kind::Events, &format!("data:{lines}\n\n"), 3),
            format!("data: {CUT}\n\n")
        );
    }

    #[test]
    fn everything_else_goes_out_as_it_came() {
        for text in
            ["", "{}", "nothing", r#"{"result":{"tools":7}}"#, r#"{ "result":{"tools":[]}}"#]
        {
            assert_eq!(through(Kind::Json, text, 2), text);
            let event = format!("event: message\r\ndata: {text}\r\n\r\ndata: cut off");
            assert_eq!(through(Kind::Events, &event, 2), event);
        }
    }

    #[test]
    fn an_event_goes_out_as_soon_as_it_is_whole() {
        let mut filter = filter(Kind::Events);
        filter.pending.extend_from_slice(b"data: one\n\ndata: tw");
        assert_eq!(filter.take(false).unwrap(), "data: one\n\n");
        assert_eq!(filter.take(false), None);
    }
}
