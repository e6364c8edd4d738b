//! The audit export: a stream, however long the log is (PROTOCOL, Scopes, audit, usage).
//!
//! The bounds are fixed first; then the log is read in slices, each a snapshot of its own, so that
//! a slow reader holds no read transaction. A reader who leaves ends the work.

use std::sync::Arc;

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_core::audit::export::{
    AuditKey, ChainBounds, EXPORT_VERSION, ExportHeader, ExportWriter,
};
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::id::ChainId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::views::{Chain, ChainKind, LogPosition};
use agentadmit_store::{Store, StoreError, read};
use tokio::sync::mpsc;

use crate::engine::Engine;
use crate::query::AuditFilter;

/// Records read at a time.
const SLICE: usize = 1_000;
/// Slices that wait for a slow reader.
const AHEAD: usize = 4;

/// What an export is asked for.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// Whose records; `None` for the service's own chain.
    pub tenant: Option<Tenant>,
    /// What of them. An empty filter makes a full export, which can be verified.
    pub filter: AuditFilter,
}

/// A piece of an export.
#[derive(Debug)]
pub enum Piece {
    /// Before everything: what will come.
    Header(Box<ExportHeader>),
    /// Some records, in order.
    Records(Vec<AuditRecord>),
    /// The end; everything was sent.
    End,
    /// The store failed; the export is cut off, and its missing trailer says so.
    Failed(StoreError),
}

impl Engine {
    /// Starts an export. Pieces come as fast as they are taken.
    pub fn export(&self, request: ExportRequest) -> mpsc::Receiver<Piece> {
        let (pieces, receiver) = mpsc::channel(AHEAD);
        let store = self.store();
        let (issuer, keys, now) = (self.issuer().to_owned(), self.audit_keys(), self.wall());
        tokio::task::spawn_blocking(move || {
            let export = Export { store, request, pieces };
            if let Err(error) = export.run(issuer, keys, now) {
                tracing::warn!(%error, "an audit export was cut off");
                let _gone = export.pieces.blocking_send(Piece::Failed(error));
            }
        });
        receiver
    }
}

struct Export {
    store: Arc<dyn Store>,
    request: ExportRequest,
    pieces: mpsc::Sender<Piece>,
}

/// The reader has left; nothing is wrong.
struct Gone;

impl Export {
    fn run(&self, issuer: String, keys: Vec<AuditKey>, now: Timestamp) -> Result<(), StoreError> {
        let tenant = self.request.tenant;
        let (chains, end) = read(&*self.store, "export_bounds", |views| {
            Ok((views.chains(tenant)?, views.log_end()?))
        })?;
        let filtered = self.request.filter != AuditFilter::default();
        let register = chains.iter().find(|chain| chain.kind == ChainKind::Register);
        let others = chains.iter().filter(|chain| chain.kind != ChainKind::Register);
        let header = ExportHeader {
            version: EXPORT_VERSION,
            app_id: tenant.map(|tenant| tenant.app_id),
            environment: tenant.map(|tenant| tenant.environment),
            filtered,
            exported_at: now,
            service: Some(issuer),
            register: register.filter(|_| !filtered).map(bounds),
            chains: others.filter(|_| !filtered).map(bounds).collect(),
            keys,
        };
        let register = header.register.map(|register| register.chain);
        if self.send(Piece::Header(Box::new(header))).is_err() {
            return Ok(());
        }
        if let Some(register) = register
            && self.send_register(register, &chains, end)?.is_err()
        {
            return Ok(());
        }
        if self.send_log(register, end)?.is_ok() {
            let _gone = self.send(Piece::End);
        }
        Ok(())
    }

    fn send_register(
        &self,
        register: ChainId,
        chains: &[Chain],
        end: LogPosition,
    ) -> Result<Result<(), Gone>, StoreError> {
        let Some(chain) = chains.iter().find(|chain| chain.id == register) else {
            return Ok(Ok(()));
        };
        let (mut sent, mut after) = (chain.tail.seq, 0);
        while sent < chain.head.seq {
            let slice = read(&*self.store, "export_register", |views| {
                views.chain_records(register, after, end, SLICE)
            })?;
            sent = slice.records.last().map_or(sent, |last| last.seq);
            if !slice.records.is_empty() && self.send(Piece::Records(slice.records)).is_err() {
                return Ok(Err(Gone));
            }
            match slice.next {
                Some(next) => after = next,
                None if sent < chain.head.seq => {
                    let text =
                        format!("records after {sent} of the register {register} are missing");
                    return Err(StoreError::Corrupt(text));
                }
                None => break,
            }
        }
        Ok(Ok(()))
    }

    fn send_log(
        &self,
        register: Option<ChainId>,
        end: LogPosition,
    ) -> Result<Result<(), Gone>, StoreError> {
        let filter = &self.request.filter;
        let mut after = 0;
        loop {
            let slice = read(&*self.store, "export_log", |views| {
                views.log(self.request.tenant, after, end, SLICE)
            })?;
            let mut records = slice.records;
            records.retain(|record| {
                Some(record.chain) != register
                    && record.app_id == self.request.tenant.map(|tenant| tenant.app_id)
                    && filter.matches(record)
            });
            if !records.is_empty() && self.send(Piece::Records(records)).is_err() {
                return Ok(Err(Gone));
            }
            match slice.next {
                Some(next) => after = next,
                None => return Ok(Ok(())),
            }
        }
    }

    fn send(&self, piece: Piece) -> Result<(), Gone> {
        self.pieces.blocking_send(piece).map_err(|_| Gone)
    }
}

fn bounds(chain: &Chain) -> ChainBounds {
    let ChainHead { seq, hash } = chain.tail;
    ChainBounds {
        chain: chain.id,
        first_seq: seq + 1,
        first_prev_hash: hash,
        last_seq: chain.head.seq,
        last_hash: chain.head.hash,
    }
}

/// Turns pieces into the lines of an NDJSON export.
#[derive(Default)]
pub struct NdjsonLines {
    writer: Option<ExportWriter>,
}

impl NdjsonLines {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self { writer: Some(ExportWriter::new()) }
    }

    /// Appends a piece's lines. Nothing for a failure: the trailer will be missing.
    ///
    /// # Errors
    /// When a record cannot be written as JSON.
    pub fn write(&mut self, piece: &Piece, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        match piece {
            Piece::Header(header) => writer.header(header, out),
            Piece::Records(records) => {
                records.iter().try_for_each(|record| writer.record(record, out))
            }
            Piece::End => match self.writer.take() {
                Some(writer) => writer.trailer(out),
                None => Ok(()),
            },
            Piece::Failed(_) => Ok(()),
        }
    }
}
