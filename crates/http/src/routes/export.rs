//! An export as a response body: pieces are turned into bytes as they are taken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use agentadmit_engine::export::{ExportRequest, NdjsonLines, Piece};
use agentadmit_protocol::api::audit::ExportFormat;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::error::ErrorCode;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use tokio::sync::mpsc::Receiver;
use tokio_stream::Stream;

use crate::error::{Answer, ApiError};
use crate::exports::Running;
use crate::state::ServiceState;

/// The answer: a stream that ends early, without its trailer, when the store fails.
pub(crate) fn respond(
    state: &ServiceState,
    request: ExportRequest,
    format: ExportFormat,
) -> Answer<Response> {
    let running = state.exports().begin(request.tenant).ok_or_else(|| {
        let text = "too many exports run: take them to their end, or try again after `Retry-After`";
        ApiError::new(ErrorCode::Unavailable, text)
    })?;
    let pieces = state.engine().export(request);
    Ok(match format {
        ExportFormat::Ndjson => answer(
            "application/x-ndjson",
            "attachment; filename=\"audit.ndjson\"",
            body(pieces, Ndjson(NdjsonLines::new()), Some(running)),
        ),
        ExportFormat::Csv => answer(
            "text/csv; charset=utf-8",
            "attachment; filename=\"audit.csv\"",
            body(pieces, Csv, Some(running)),
        ),
    })
}

fn answer(media_type: &'static str, disposition: &'static str, body: Body) -> Response {
    ([(CONTENT_TYPE, media_type), (CONTENT_DISPOSITION, disposition)], body).into_response()
}

/// A form of an export.
trait Form: Send + Unpin + 'static {
    fn write(&mut self, piece: &Piece, out: &mut Vec<u8>) -> io::Result<()>;
}

struct Ndjson(NdjsonLines);

impl Form for Ndjson {
    fn write(&mut self, piece: &Piece, out: &mut Vec<u8>) -> io::Result<()> {
        self.0.write(piece, out).map_err(io::Error::other)
    }
}

/// For people and their spreadsheets; it does not verify.
struct Csv;

impl Form for Csv {
    fn write(&mut self, piece: &Piece, out: &mut Vec<u8>) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        match piece {
            Piece::Header(_) => writer.write_record(COLUMNS)?,
            Piece::Records(records) => {
                for record in records {
                    writer.write_record(cells(record).map(harmless))?;
                }
            }
            Piece::End | Piece::Failed(_) => {}
        }
        writer.flush()
    }
}

fn body(pieces: Receiver<Piece>, form: impl Form, running: Option<Running>) -> Body {
    Body::from_stream(Chunks { pieces, form, is_over: false, running })
}

/// Pieces as bytes. It ends well only behind the last piece: anything else breaks the connection
/// off, so that nobody takes a part for the whole.
struct Chunks<F> {
    pieces: Receiver<Piece>,
    form: F,
    is_over: bool,
    running: Option<Running>,
}

impl<F: Form> Stream for Chunks<F> {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunks = self.get_mut();
        if chunks.is_over {
            return Poll::Ready(None);
        }
        let piece = ready!(chunks.pieces.poll_recv(context));
        Poll::Ready(Some(chunks.next(piece)))
    }
}

impl<F: Form> Chunks<F> {
    /// The bytes of a piece; `None` is a worker that stopped before its last one.
    fn next(&mut self, piece: Option<Piece>) -> io::Result<Bytes> {
        if matches!(piece, None | Some(Piece::End | Piece::Failed(_))) {
            self.is_over = true;
            self.running = None;
        }
        let Some(piece) = piece.filter(|piece| !matches!(piece, Piece::Failed(_))) else {
            return Err(io::Error::other("the export was cut off: the store failed"));
        };
        let mut out = Vec::new();
        self.form.write(&piece, &mut out)?;
        Ok(Bytes::from(out))
    }
}

const COLUMNS: [&str; 23] = [
    "id",
    "chain",
    "seq",
    "occurred_at",
    "app_id",
    "environment",
    "event",
    "connection_id",
    "user_id",
    "agent_label",
    "agent_ip",
    "scope",
    "endpoint",
    "method",
    "outcome",
    "reason",
    "actor",
    "on_behalf_of",
    "request_id",
    "count",
    "details",
    "prev_hash",
    "hash",
];

fn cells(record: &AuditRecord) -> [String; 23] {
    fn text<T: ToString>(value: Option<&T>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    [
        record.id.to_string(),
        record.chain.to_string(),
        record.seq.to_string(),
        record.occurred_at.to_string(),
        text(record.app_id.as_ref()),
        text(record.environment.as_ref()),
        record.event.to_string(),
        text(record.connection_id.as_ref()),
        text(record.user_id.as_ref()),
        text(record.agent_label.as_ref()),
        text(record.agent_ip.as_ref()),
        text(record.scope.as_ref()),
        text(record.endpoint.as_ref()),
        text(record.method.as_ref()),
        record.outcome.to_string(),
        text(record.reason.as_ref()),
        record.actor.to_string(),
        text(record.on_behalf_of.as_ref()),
        text(record.request_id.as_ref()),
        record.count.to_string(),
        record.details.as_ref().map(|details| details.as_str().to_owned()).unwrap_or_default(),
        record.prev_hash.to_string(),
        record.hash.to_string(),
    ]
}

/// A cell that a spreadsheet would run as a formula gets a leading `'` (PROTOCOL, audit export).
fn harmless(mut cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        cell.insert(0, '\'');
    }
    cell
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn an_export_whose_worker_dies_does_not_end_like_a_whole_one() {
        for is_whole in [true, false] {
            let (pieces, receiver) = mpsc::channel(2);
            pieces.send(Piece::Records(Vec::new())).await.unwrap();
            if is_whole {
                pieces.send(Piece::End).await.unwrap();
            }
            drop(pieces);
            assert_eq!(body(receiver, Csv, None).collect().await.is_ok(), is_whole);
        }
    }

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            assert_eq!(harmless(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["", "a=1", "orders:read", "'=1"] {
            assert_eq!(harmless(cell.to_owned()), cell);
        }
    }
}
