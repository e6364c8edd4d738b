//! The audit export: a stream, however long the log is (PROTOCOL, Scopes, audit, usage).
//!
//! The bounds are fixed first; then the log is read in slices, each a snapshot of its own, so that
//! a slow reader holds no read transaction. A reader who leaves ends the work. Where retention takes
//! records that were promised and not sent yet, the export is cut off: it would look as if somebody
//! had taken them out.

use std::collections::HashMap;
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
        let mut sent = Sent::begin(&header);
        if self.send(Piece::Header(Box::new(header.clone()))).is_err() {
            return Ok(());
        }
        if let Some(register) = register
            && self.send_register(register, &chains, end, &mut sent)?.is_err()
        {
            return Ok(());
        }
        if self.send_log(register, end, &mut sent)?.is_ok() {
            self.check_ends(&header, &sent)?;
            let _gone = self.send(Piece::End);
        }
        Ok(())
    }

    fn send_register(
        &self,
        register: ChainId,
        chains: &[Chain],
        end: LogPosition,
        sent: &mut Sent,
    ) -> Result<Result<(), Gone>, StoreError> {
        let Some(chain) = chains.iter().find(|chain| chain.id == register) else {
            return Ok(Ok(()));
        };
        let mut after = 0;
        while sent.last(register) < chain.head.seq {
            let slice = read(&*self.store, "export_register", |views| {
                views.chain_records(register, after, end, SLICE)
            })?;
            self.check(sent, &slice.records)?;
            if !slice.records.is_empty() && self.send(Piece::Records(slice.records)).is_err() {
                return Ok(Err(Gone));
            }
            match slice.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(Ok(()))
    }

    fn send_log(
        &self,
        register: Option<ChainId>,
        end: LogPosition,
        sent: &mut Sent,
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
            self.check(sent, &records)?;
            if !records.is_empty() && self.send(Piece::Records(records)).is_err() {
                return Ok(Err(Gone));
            }
            match slice.next {
                Some(next) => after = next,
                None => return Ok(Ok(())),
            }
        }
    }

    /// Follows the chains of a full export. A gap in one is sent as it is, so that whoever checks
    /// the file finds it, unless retention made it.
    fn check(&self, sent: &mut Sent, records: &[AuditRecord]) -> Result<(), StoreError> {
        for record in records {
            let Some(last) = sent.0.get_mut(&record.chain) else { continue };
            let missing = last.saturating_add(1);
            if record.seq > missing && self.is_trimmed(record.chain, missing)? {
                return Err(trimmed_meanwhile());
            }
            *last = record.seq.max(*last);
        }
        Ok(())
    }

    fn check_ends(&self, header: &ExportHeader, sent: &Sent) -> Result<(), StoreError> {
        for bounds in header.register.iter().chain(&header.chains) {
            let missing = sent.last(bounds.chain).saturating_add(1);
            if missing <= bounds.last_seq && self.is_trimmed(bounds.chain, missing)? {
                return Err(trimmed_meanwhile());
            }
        }
        Ok(())
    }

    fn is_trimmed(&self, chain: ChainId, seq: u64) -> Result<bool, StoreError> {
        let chains =
            read(&*self.store, "export_bounds", |views| views.chains(self.request.tenant))?;
        // a closed chain of which nothing is kept is not there any more
        let known = chains.iter().find(|known| known.id == chain);
        Ok(known.is_none_or(|known| known.tail.seq >= seq))
    }

    fn send(&self, piece: Piece) -> Result<(), Gone> {
        self.pieces.blocking_send(piece).map_err(|_| Gone)
    }
}

/// The last record of each chain that was sent; empty for a filtered export.
struct Sent(HashMap<ChainId, u64>);

impl Sent {
    fn begin(header: &ExportHeader) -> Self {
        let chains = header.register.iter().chain(&header.chains);
        Self(chains.map(|bounds| (bounds.chain, bounds.first_seq.saturating_sub(1))).collect())
    }

    fn last(&self, chain: ChainId) -> u64 {
        self.0.get(&chain).copied().unwrap_or(0)
    }
}

fn trimmed_meanwhile() -> StoreError {
    let text = "retention took records while they were exported: export again";
    StoreError::Unavailable(text.to_owned())
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

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use agentadmit_store::model::ModelStore;
    use agentadmit_store::verbs::Verb;
    use agentadmit_store::verbs::auth::OperatorCredential;
    use agentadmit_store::verbs::upkeep::{AcceptClock, Trim};
    use agentadmit_store::{Clock, FakeClock, WriterOptions, write};

    use super::*;

    #[test]
    fn an_export_is_cut_off_where_retention_takes_what_it_promised() {
        let clock = Arc::new(FakeClock::new(Timestamp::from_millis(1_800_000_000_000)));
        let store = ModelStore::new([1; 32], WriterOptions::default(), Arc::clone(&clock) as _);
        let store: Arc<dyn Store> = Arc::new(store.with_segments_of(SLICE));
        let verb = AcceptClock { credential: OperatorCredential::Local };
        let mut fill = |tx: &mut agentadmit_store::Tx<'_>| {
            (0..6 * SLICE).try_for_each(|_| verb.run(tx).map(|_| ()))
        };
        store.transaction("fill", &mut fill).unwrap();
        clock.advance(Duration::from_secs(9));
        store.maintain(Duration::MAX).unwrap();

        let (pieces, mut receiver) = mpsc::channel(1);
        let request = ExportRequest { tenant: None, filter: AuditFilter::default() };
        let export = Export { store: Arc::clone(&store), request, pieces };
        let running =
            thread::spawn(move || export.run("test".to_owned(), Vec::new(), clock.read().wall));
        assert!(matches!(receiver.blocking_recv(), Some(Piece::Header(_))));
        // nobody takes the records meanwhile: most slices are not read yet
        let before = Timestamp::from_millis(1_800_000_009_000);
        while write(&*store, &Trim { before }).unwrap() {}
        let mut ended = false;
        while let Some(piece) = receiver.blocking_recv() {
            ended |= matches!(piece, Piece::End);
        }
        let failed = running.join().unwrap();
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
        assert!(!ended, "no trailer stands under half of an export");
    }
}
