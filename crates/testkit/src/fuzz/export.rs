//! A small export that is in order: what the mutations of [`super::audit_file`] begin with.

use std::sync::LazyLock;

use agentadmit_core::audit::{
    AuditKey, ChainBounds, ChainClosed, ChainHead, ChainOpened, CheckpointDetails, ExportHeader,
    ExportWriter, NamedHead, checkpoint_message, seal,
};
use agentadmit_protocol::audit::{Actor, AuditEvent, AuditHash, AuditRecord, Details, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId, EventId};
use agentadmit_protocol::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

const APP: AppId = AppId::from_bytes([7; 16]);
const REGISTER: ChainId = ChainId::from_bytes([0; 16]);
const WRITER: ChainId = ChainId::from_bytes([1; 16]);
const KID: &str = "k1";
const PUBLIC_KEY: [u8; 32] = [42; 32];
const SINCE: i64 = 1_767_323_045_678;

/// The export as a file: a register, a writer that was closed, a checkpoint between them.
pub fn sample() -> &'static [u8] {
    static SAMPLE: LazyLock<Vec<u8>> =
        LazyLock::new(|| Log::default().written().unwrap_or_else(|why| unreachable!("{why}")));
    &SAMPLE
}

/// Stands in for Ed25519: what is looked at here is the reading, not the cryptography.
pub(super) fn signature_holds(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    sign(key, message) == signature
}

fn sign(key: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let mut signature = [0_u8; 64];
    for (place, byte) in key.iter().chain(message).enumerate() {
        if let Some(slot) = signature.get_mut(place % 64) {
            *slot = slot.rotate_left(3) ^ byte;
        }
    }
    signature
}

/// What could not be written; nothing, in practice.
type Error = Box<dyn std::error::Error>;

#[derive(Default)]
struct Log {
    register: Chain,
    writer: Chain,
    clock: i64,
}

#[derive(Default)]
struct Chain {
    head: Option<ChainHead>,
    records: Vec<AuditRecord>,
}

impl Log {
    fn written(mut self) -> Result<Vec<u8>, Error> {
        let opened = ChainOpened { chain: WRITER, writer: "node-1".to_owned() };
        self.append(REGISTER, AuditEvent::ChainOpened, Some(details(&opened)?))?;
        for event in [AuditEvent::ConnectionCreated, AuditEvent::ConnectionExchanged] {
            self.append(WRITER, event, None)?;
        }
        self.checkpoint()?;
        for event in [AuditEvent::Verified, AuditEvent::Refused, AuditEvent::ConnectionRevoked] {
            self.append(WRITER, event, None)?;
        }
        let last = self.writer.head();
        let closed = ChainClosed { chain: WRITER, last_seq: last.seq, last_hash: last.hash };
        self.append(REGISTER, AuditEvent::ChainClosed, Some(details(&closed)?))?;
        self.export()
    }

    fn append(
        &mut self,
        id: ChainId,
        event: AuditEvent,
        details: Option<Details>,
    ) -> Result<(), Error> {
        self.clock += 1;
        let now = Timestamp::from_millis(SINCE + self.clock);
        let mut record = AuditRecord {
            id: EventId::v7(now, [1; 10]),
            chain: id,
            seq: 0,
            occurred_at: now,
            app_id: Some(APP),
            environment: Some(Environment::Test),
            event,
            connection_id: None,
            user_id: Some("u \"1\"".parse()?),
            agent_label: Some("Zoë's agent".parse()?),
            agent_ip: None,
            scope: Some("orders:read".to_owned()),
            endpoint: None,
            method: None,
            outcome: Outcome::Done,
            reason: None,
            actor: Actor::System,
            on_behalf_of: None,
            request_id: None,
            count: 1,
            details,
            prev_hash: AuditHash::ZERO,
            hash: AuditHash::ZERO,
        };
        let chain = if id == REGISTER { &mut self.register } else { &mut self.writer };
        chain.head = Some(seal(&mut record, &chain.head(), &mut Vec::new()));
        chain.records.push(record);
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), Error> {
        let heads = vec![self.register.named(REGISTER), self.writer.named(WRITER)];
        let now = Timestamp::from_millis(SINCE + self.clock + 1);
        let message = checkpoint_message(Some(APP), Some(Environment::Test), &heads, KID, now)?;
        let signature = URL_SAFE_NO_PAD.encode(sign(&PUBLIC_KEY, message.as_bytes()));
        let checkpoint = CheckpointDetails { heads, kid: KID.to_owned(), signature };
        self.append(REGISTER, AuditEvent::Checkpoint, Some(details(&checkpoint)?))
    }

    fn export(&self) -> Result<Vec<u8>, Error> {
        let header = ExportHeader {
            version: 1,
            app_id: Some(APP),
            environment: Some(Environment::Test),
            filtered: false,
            exported_at: Timestamp::from_millis(SINCE + self.clock),
            service: Some("https://admit.example".to_owned()),
            register: Some(self.register.bounds(REGISTER)),
            chains: vec![self.writer.bounds(WRITER)],
            keys: vec![AuditKey::new(KID, &PUBLIC_KEY)],
        };
        let (mut writer, mut out) = (ExportWriter::new(), Vec::new());
        writer.header(&header, &mut out)?;
        for record in self.register.records.iter().chain(&self.writer.records) {
            writer.record(record, &mut out)?;
        }
        writer.trailer(&mut out)?;
        Ok(out)
    }
}

impl Chain {
    fn head(&self) -> ChainHead {
        self.head.unwrap_or(ChainHead::START)
    }

    fn named(&self, chain: ChainId) -> NamedHead {
        NamedHead { chain, seq: self.head().seq, hash: self.head().hash }
    }

    fn bounds(&self, chain: ChainId) -> ChainBounds {
        ChainBounds {
            chain,
            first_seq: 1,
            first_prev_hash: AuditHash::ZERO,
            last_seq: self.head().seq,
            last_hash: self.head().hash,
        }
    }
}

fn details<T: Serialize>(value: &T) -> Result<Details, Error> {
    Ok(Details::new(value)?)
}
