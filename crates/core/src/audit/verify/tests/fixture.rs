//! A log in small: it opens, writes, closes, trims and signs as the service does, and exports.

use std::collections::{BTreeMap, BTreeSet};

use agentadmit_protocol::audit::{Actor, AuditEvent, AuditHash, AuditRecord, Details, Outcome};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId, EventId};
use agentadmit_protocol::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::audit::chain::{ChainHead, record_hash, seal};
use crate::audit::export::{AuditKey, ChainBounds, ExportHeader, ExportWriter};
use crate::audit::register::{
    AuditTrimmed, ChainClosed, ChainOpened, CheckpointDetails, NamedHead, StoreRestored,
    TrimmedChain, checkpoint_message,
};
use crate::audit::verify::{FindingKind, Options, Report, Verifier};

pub(super) const KID: &str = "k1";
pub(super) const APP: AppId = AppId::from_bytes([7; 16]);
pub(super) const REGISTER: ChainId = chain(0);

pub(super) const fn chain(number: u8) -> ChainId {
    ChainId::from_bytes([number; 16])
}

/// Stands in for Ed25519: this crate has none, and only "holds or not" matters here.
pub(super) fn sign(key: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let half: [u8; 32] = Sha256::new().chain_update(key).chain_update(message).finalize().into();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&half);
    signature[32..].copy_from_slice(&half);
    signature
}

pub(super) fn holds(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    sign(key, message) == signature
}

pub(super) fn details<T: Serialize>(value: &T) -> Details {
    Details::new(value).unwrap()
}

/// The records of one app and environment, register and writers.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) register: Vec<AuditRecord>,
    pub(super) others: Vec<AuditRecord>,
    pub(super) heads: BTreeMap<ChainId, ChainHead>,
    open: BTreeSet<ChainId>,
    first_kept: BTreeMap<ChainId, ChainHead>,
    pub(super) key: [u8; 32],
    clock: i64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            register: Vec::new(),
            others: Vec::new(),
            heads: BTreeMap::new(),
            open: BTreeSet::new(),
            first_kept: BTreeMap::new(),
            key: [42; 32],
            clock: 1_767_323_045_678,
        }
    }

    fn append(&mut self, chain: ChainId, event: AuditEvent, details: Option<Details>) {
        self.clock += 1;
        let mut record = AuditRecord {
            id: EventId::v7(Timestamp::from_millis(self.clock), [1; 10]),
            chain,
            seq: 0,
            occurred_at: Timestamp::from_millis(self.clock),
            app_id: Some(APP),
            environment: Some(Environment::Live),
            event,
            connection_id: None,
            user_id: Some("user \"1\"".parse().unwrap()),
            agent_label: Some("Zoë's agent".parse().unwrap()),
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
        let head = self.heads.entry(chain).or_insert(ChainHead::START);
        *head = seal(&mut record, head, &mut Vec::new());
        let records = if chain == REGISTER { &mut self.register } else { &mut self.others };
        records.push(record);
    }

    /// One more record of a writer's chain, which is opened when it is its first.
    pub(super) fn write(&mut self, number: u8) {
        let id = chain(number);
        if !self.heads.contains_key(&id) {
            let opened = ChainOpened { chain: id, writer: "node-1".to_owned() };
            self.append(REGISTER, AuditEvent::ChainOpened, Some(details(&opened)));
            self.open.insert(id);
        }
        if self.open.contains(&id) {
            self.append(id, AuditEvent::Verified, None);
        }
    }

    pub(super) fn close(&mut self, number: u8) {
        let id = chain(number);
        if self.open.remove(&id) {
            let head = self.heads[&id];
            let closed = ChainClosed { chain: id, last_seq: head.seq, last_hash: head.hash };
            self.append(REGISTER, AuditEvent::ChainClosed, Some(details(&closed)));
        }
    }

    pub(super) fn named_heads(&self) -> Vec<NamedHead> {
        let open = |chain: &ChainId| *chain == REGISTER || self.open.contains(chain);
        let heads = self.heads.iter().filter(|(chain, _)| open(chain));
        heads
            .map(|(chain, head)| NamedHead { chain: *chain, seq: head.seq, hash: head.hash })
            .collect()
    }

    pub(super) fn checkpoint(&mut self) {
        let heads = self.named_heads();
        self.checkpoint_of(heads);
    }

    pub(super) fn checkpoint_of(&mut self, heads: Vec<NamedHead>) {
        let now = Timestamp::from_millis(self.clock + 1);
        let message = checkpoint_message(Some(APP), Some(Environment::Live), &heads, KID, now);
        let signature = URL_SAFE_NO_PAD.encode(sign(&self.key, message.unwrap().as_bytes()));
        let checkpoint = CheckpointDetails { heads, kid: KID.to_owned(), signature };
        self.append(REGISTER, AuditEvent::Checkpoint, Some(details(&checkpoint)));
    }

    /// Retention: the records before `seq` of a chain go, and the register says so.
    pub(super) fn trim(&mut self, cuts: &[(ChainId, u64)]) {
        for (chain, first_kept_seq) in cuts {
            let last = first_kept_seq - 1;
            let mut records = self.register.iter().chain(&self.others);
            let gone = records.find(|record| record.chain == *chain && record.seq == last);
            if let Some(gone) = gone {
                self.first_kept.insert(*chain, ChainHead { seq: *first_kept_seq, hash: gone.hash });
            }
        }
        let chains = self.first_kept.iter().map(|(chain, first)| TrimmedChain {
            chain: *chain,
            first_kept_seq: first.seq,
            prev_hash: first.hash,
        });
        self.trim_record(chains.collect());
        let first_kept = &self.first_kept;
        let kept = |record: &AuditRecord| {
            first_kept.get(&record.chain).is_none_or(|first| record.seq >= first.seq)
        };
        self.register.retain(kept);
        self.others.retain(kept);
    }

    /// The register's word that chains were trimmed, and nothing else.
    pub(super) fn trim_record(&mut self, chains: Vec<TrimmedChain>) {
        let trimmed = AuditTrimmed { chains };
        self.append(REGISTER, AuditEvent::AuditTrimmed, Some(details(&trimmed)));
    }

    /// The log of a store that was restored from this backup, a second after what is lost.
    pub(super) fn restored(&self, lost: &Self) -> Self {
        let mut restored = self.clone();
        restored.clock = lost.clock + 1_000;
        let heads = StoreRestored { heads: restored.named_heads() };
        restored.append(REGISTER, AuditEvent::StoreRestored, Some(details(&heads)));
        restored
    }

    /// A log of three writers: one died and was closed, two are open.
    pub(super) fn sample() -> Self {
        let mut log = Self::new();
        for number in [1, 1, 1, 2, 1, 2] {
            log.write(number);
        }
        log.checkpoint();
        for number in [1, 2, 1, 2] {
            log.write(number);
        }
        log.close(1);
        for number in [3, 3, 2, 3] {
            log.write(number);
        }
        log.checkpoint();
        for number in [2, 3] {
            log.write(number);
        }
        log
    }

    /// The sample after retention: a chain gone, two shortened, the register among them.
    pub(super) fn trimmed_sample() -> Self {
        let mut log = Self::sample();
        log.trim(&[(chain(1), 3)]);
        let end = log.heads[&chain(1)].seq + 1;
        log.trim(&[(chain(1), end), (chain(2), 4), (REGISTER, 4)]);
        log.checkpoint();
        log.write(2);
        log
    }

    pub(super) fn export(&self) -> Export {
        let mut bounds: BTreeMap<ChainId, ChainBounds> = BTreeMap::new();
        for record in self.register.iter().chain(&self.others) {
            let bounds = bounds.entry(record.chain).or_insert(ChainBounds {
                chain: record.chain,
                first_seq: record.seq,
                first_prev_hash: record.prev_hash,
                last_seq: record.seq,
                last_hash: record.hash,
            });
            (bounds.last_seq, bounds.last_hash) = (record.seq, record.hash);
        }
        let header = ExportHeader {
            version: 1,
            app_id: Some(APP),
            environment: Some(Environment::Live),
            filtered: false,
            exported_at: Timestamp::from_millis(self.clock),
            service: Some("https://admit.example".to_owned()),
            register: bounds.remove(&REGISTER),
            chains: bounds.into_values().collect(),
            keys: vec![AuditKey::new(KID, &self.key)],
        };
        let records = self.register.iter().chain(&self.others).cloned().collect();
        Export { header, records }
    }
}

/// An export before it is written, to be tampered with by somebody who makes header and trailer
/// fit again.
#[derive(Clone, Debug)]
pub(super) struct Export {
    pub(super) header: ExportHeader,
    pub(super) records: Vec<AuditRecord>,
}

impl Export {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let (mut writer, mut out) = (ExportWriter::new(), Vec::new());
        writer.header(&self.header, &mut out).unwrap();
        for record in &self.records {
            writer.record(record, &mut out).unwrap();
        }
        writer.trailer(&mut out).unwrap();
        out
    }

    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        split(&self.bytes()).map(<[u8]>::to_vec).collect()
    }

    pub(super) fn position(&self, chain: ChainId, seq: u64) -> usize {
        self.records.iter().position(|r| r.chain == chain && r.seq == seq).unwrap()
    }

    pub(super) fn record(&mut self, chain: ChainId, seq: u64) -> &mut AuditRecord {
        let position = self.position(chain, seq);
        &mut self.records[position]
    }

    pub(super) fn bounds(&mut self, chain: ChainId) -> &mut ChainBounds {
        let bounds = self.header.register.iter_mut().chain(&mut self.header.chains);
        bounds.into_iter().find(|bounds| bounds.chain == chain).unwrap()
    }

    /// Numbers, links and hashes one chain anew, as a forger without the key can, header too.
    pub(super) fn rehash(&mut self, chain: ChainId) {
        let start = *self.bounds(chain);
        let mut head = ChainHead { seq: start.first_seq - 1, hash: start.first_prev_hash };
        for record in self.records.iter_mut().filter(|record| record.chain == chain) {
            head = seal(record, &head, &mut Vec::new());
        }
        let bounds = self.bounds(chain);
        (bounds.last_seq, bounds.last_hash) = (head.seq, head.hash);
    }

    pub(super) fn rehash_record(&mut self, chain: ChainId, seq: u64) {
        let record = self.record(chain, seq);
        record.hash = record_hash(record, &mut Vec::new());
    }

    pub(super) fn kinds(&self) -> Vec<FindingKind> {
        kinds(&check(&self.bytes(), Options::default()))
    }
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n')
}

pub(super) fn check(bytes: &[u8], options: Options) -> Report {
    let mut verifier = Verifier::new(options, &holds);
    if !bytes.is_empty() {
        for (number, line) in (1..).zip(split(bytes)) {
            verifier.line(number, line);
        }
    }
    verifier.finish()
}

pub(super) fn join<L: AsRef<[u8]>>(lines: &[L]) -> Vec<u8> {
    let line = |line: &L| [line.as_ref(), b"\n"].concat();
    lines.iter().flat_map(line).collect()
}

/// The kinds of finding of a report, each once.
pub(super) fn kinds(report: &Report) -> Vec<FindingKind> {
    assert_eq!(report.ok, report.findings.is_empty());
    let kinds: BTreeSet<_> = report.findings.iter().map(|finding| finding.kind).collect();
    kinds.into_iter().collect()
}
