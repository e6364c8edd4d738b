//! All chains of an export, and what its register says about them.

use std::collections::BTreeMap;

use agentadmit_protocol::audit::{AuditEvent, AuditHash, AuditRecord};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ChainId};
use agentadmit_protocol::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::super::chain::ChainHead;
use super::super::export::{AuditKey, ExportHeader};
use super::super::register::{
    AuditTrimmed, ChainClosed, ChainOpened, Checkpoint, NamedHead, StoreRestored, read_details,
};
use super::chain_check::{ChainCheck, Ending, Link, Problem, RegisterState, Source};
use super::report::{FindingKind, Findings, Place};
use super::restores::{Restore, Restores};
use super::{MAX_CHAINS, VerifySignature};

/// The place of a line in its chain, read from one that is no acceptable record any more.
#[derive(Debug, Deserialize)]
pub(super) struct Skeleton {
    chain: ChainId,
    seq: u64,
    prev_hash: AuditHash,
    hash: AuditHash,
}

impl Skeleton {
    pub(super) const fn of(record: &AuditRecord) -> Self {
        let AuditRecord { chain, seq, prev_hash, hash, .. } = record;
        Self { chain: *chain, seq: *seq, prev_hash: *prev_hash, hash: *hash }
    }
}

/// The chains of one export while it is read.
pub(super) struct Chains<'a> {
    verify_signature: VerifySignature<'a>,
    app_id: Option<AppId>,
    environment: Option<Environment>,
    register: Option<ChainId>,
    keys: Vec<(String, [u8; 32])>,
    map: BTreeMap<ChainId, ChainCheck>,
    /// No record of the register was altered or unreadable so far.
    register_sound: bool,
    past_register: bool,
    said: Said,
    unsigned_trims: u64,
    checkpoints: u64,
    newest_checkpoint: Option<Timestamp>,
    /// The kept checkpoint, where it is one of this export.
    kept: Option<Checkpoint>,
    restores: Restores,
    /// Reused for every record.
    problems: Vec<Problem>,
}

/// Findings that are made once a file.
#[derive(Default)]
struct Said {
    register_late: bool,
    too_many: bool,
}

/// What the report says about the chains as a whole.
pub(super) struct Summary {
    pub(super) chains: u64,
    pub(super) trimmed_chains: u64,
    pub(super) unsigned_trims: u64,
    pub(super) checkpoints: u64,
    pub(super) newest_checkpoint: Option<Timestamp>,
    pub(super) restores: Vec<Restore>,
}

impl<'a> Chains<'a> {
    /// The chains that the header promises; the header was found in order.
    pub(super) fn new(header: &ExportHeader, verify_signature: VerifySignature<'a>) -> Self {
        let mut map: BTreeMap<ChainId, ChainCheck> = BTreeMap::new();
        for bounds in header.register.iter().chain(&header.chains) {
            map.entry(bounds.chain).or_default().set_bounds(bounds);
        }
        Self {
            verify_signature,
            app_id: header.app_id,
            environment: header.environment,
            register: header.register.map(|bounds| bounds.chain),
            keys: Vec::new(),
            map,
            register_sound: true,
            past_register: false,
            said: Said::default(),
            unsigned_trims: 0,
            checkpoints: 0,
            newest_checkpoint: None,
            kept: None,
            restores: Restores::default(),
            problems: Vec::new(),
        }
    }

    /// The keys that signatures are checked with.
    pub(super) fn use_keys(&mut self, keys: &[AuditKey], place: Place, findings: &mut Findings) {
        for key in keys {
            match key.public_key() {
                Some(public_key) => self.keys.push((key.kid.clone(), public_key)),
                None => findings.add(
                    FindingKind::Malformed,
                    place,
                    format!("the key {} is not 32 bytes in base64url", key.kid),
                ),
            }
        }
    }

    /// A checkpoint that was kept elsewhere: every chain must reach and pass through its heads,
    /// and the register through its own record.
    pub(super) fn expect_kept(&mut self, kept: &Checkpoint, findings: &mut Findings) {
        let place = Place::chain(kept.register.chain);
        if (kept.app_id, kept.environment) != (self.app_id, self.environment) {
            let text = "the kept checkpoint is of another app or environment than this export";
            findings.add(FindingKind::Malformed, place, text);
            return;
        }
        if let Err(text) = self.check_signature(kept) {
            findings.add(FindingKind::BadSignature, place, format!("the kept checkpoint: {text}"));
            return;
        }
        if self.register.is_some_and(|register| register != kept.register.chain) {
            let text = "the header names another register than that of the kept checkpoint";
            findings.add(FindingKind::Altered, place, text);
        }
        self.kept = Some(kept.clone());
        for head in heads_of(kept) {
            if let Some(chain) = self.chain_mut(head.chain, findings) {
                chain.expect_head(Source::Kept, head.head());
            }
        }
    }

    /// Takes a record whose line is exactly one, with the hash that its members have.
    pub(super) fn record(
        &mut self,
        record: &AuditRecord,
        computed: AuditHash,
        line: u64,
        findings: &mut Findings,
    ) {
        let sound = record.hash == computed;
        if sound {
            self.check_belonging(record, line, findings);
        }
        self.take(&Skeleton::of(record), computed, sound, line, findings);
        if sound && self.register == Some(record.chain) {
            self.read_register(record, line, findings);
        }
    }

    /// Takes a line that shows its place in a chain but is no acceptable record.
    pub(super) fn unreadable(&mut self, place: &Skeleton, line: u64, findings: &mut Findings) {
        self.take(place, place.hash, false, line, findings);
    }

    fn take(
        &mut self,
        place: &Skeleton,
        computed: AuditHash,
        sound: bool,
        line: u64,
        findings: &mut Findings,
    ) {
        let Skeleton { chain, seq, prev_hash, hash } = *place;
        if self.register == Some(chain) {
            self.register_sound &= sound;
            if self.past_register && !core::mem::replace(&mut self.said.register_late, true) {
                let text = "a record of the register stands after records of other chains";
                findings.add(FindingKind::Reordered, Place::record(chain, seq, line), text);
            }
        } else if sound {
            self.past_register = true;
        }
        let Some(check) = self.map.get_mut(&chain) else { return };
        check.take(&Link { seq, prev_hash, hash, computed, sound }, &mut self.problems);
        for (kind, text) in self.problems.drain(..) {
            findings.add(kind, Place::record(chain, seq, line), text);
        }
    }

    /// A record of a chain that the header does not name, or of another app: one finding a chain.
    fn check_belonging(&mut self, record: &AuditRecord, line: u64, findings: &mut Findings) {
        let other = |header: bool, record: bool, same: bool| header && record && !same;
        let foreign =
            other(self.app_id.is_some(), record.app_id.is_some(), self.app_id == record.app_id)
                || other(
                    self.environment.is_some(),
                    record.environment.is_some(),
                    self.environment == record.environment,
                );
        let Some(check) = self.chain_mut(record.chain, findings) else { return };
        let text = if foreign {
            "the record is of another app or environment than the export"
        } else if !check.is_in_header() {
            "the header does not name this chain"
        } else {
            return;
        };
        if check.say_foreign() {
            let place = Place::record(record.chain, record.seq, line);
            findings.add(FindingKind::Inserted, place, text);
        }
    }

    /// What a record of the register says about other chains.
    fn read_register(&mut self, record: &AuditRecord, line: u64, findings: &mut Findings) {
        let understood = match record.event {
            AuditEvent::ChainOpened => read_details::<ChainOpened>(record).map(|opened| {
                if let Some(chain) = self.chain_mut(opened.chain, findings) {
                    chain.set_opened();
                }
            }),
            AuditEvent::ChainClosed => read_details::<ChainClosed>(record).map(|closed| {
                if let Some(chain) = self.chain_mut(closed.chain, findings) {
                    let head = ChainHead { seq: closed.last_seq, hash: closed.last_hash };
                    chain.expect_head(Source::Closed, head);
                }
            }),
            AuditEvent::AuditTrimmed => read_details::<AuditTrimmed>(record).map(|trimmed| {
                self.unsigned_trims = self.unsigned_trims.saturating_add(1);
                for trim in &trimmed.chains {
                    if let Some(chain) = self.chain_mut(trim.chain, findings) {
                        chain.set_trim(trim);
                    }
                }
            }),
            AuditEvent::StoreRestored => read_details::<StoreRestored>(record).map(|restored| {
                let its_place = NamedHead {
                    chain: record.chain,
                    seq: record.seq.saturating_sub(1),
                    hash: record.prev_hash,
                };
                if restored.heads.contains(&its_place) {
                    self.restores.add(record, &restored);
                } else {
                    let place = Place::record(record.chain, record.seq, line);
                    let text =
                        "the record of a restore was written at another place of the register";
                    findings.add(FindingKind::Altered, place, text);
                }
            }),
            AuditEvent::Checkpoint => Checkpoint::of_record(record)
                .map(|checkpoint| self.read_checkpoint(&checkpoint, record, line, findings)),
            _ => Some(()),
        };
        if understood.is_none() {
            let place = Place::record(record.chain, record.seq, line);
            let text = format!("the details of {} cannot be read", record.event.as_str());
            findings.add(FindingKind::Malformed, place, text);
        }
    }

    fn read_checkpoint(
        &mut self,
        checkpoint: &Checkpoint,
        record: &AuditRecord,
        line: u64,
        findings: &mut Findings,
    ) {
        let place = Place::record(record.chain, record.seq, line);
        if let Err(text) = self.check_signature(checkpoint) {
            findings.add(FindingKind::BadSignature, place, text);
            return;
        }
        self.checkpoints = self.checkpoints.saturating_add(1);
        self.newest_checkpoint = self.newest_checkpoint.max(Some(checkpoint.occurred_at));
        for head in checkpoint.details.heads.iter().filter(|head| head.seq > 0) {
            if head.chain != record.chain {
                if let Some(chain) = self.chain_mut(head.chain, findings) {
                    chain.expect_head(Source::Signed, head.head());
                }
            } else if (head.seq.saturating_add(1), head.hash) == (record.seq, record.prev_hash) {
                self.unsigned_trims = 0;
                self.restores.covered(&checkpoint.details.kid, head.seq);
            } else {
                let text = "the checkpoint was signed at another place of the register";
                findings.add(FindingKind::Altered, place, text);
            }
        }
    }

    fn check_signature(&self, checkpoint: &Checkpoint) -> Result<(), &'static str> {
        let details = &checkpoint.details;
        let key = self.keys.iter().find(|(kid, _)| *kid == details.kid);
        let (_, public_key) = key.ok_or("the key that signed it is not known")?;
        let message = checkpoint.message().ok_or("it cannot have been signed")?;
        let signature = URL_SAFE_NO_PAD.decode(&details.signature).unwrap_or_default();
        let holds = (self.verify_signature)(public_key, message.as_bytes(), &signature);
        holds.then_some(()).ok_or("the signature does not hold")
    }

    /// The state of a chain, new where it is the first that is heard of it; `None` when there
    /// are too many.
    fn chain_mut(&mut self, chain: ChainId, findings: &mut Findings) -> Option<&mut ChainCheck> {
        if self.map.len() >= MAX_CHAINS && !self.map.contains_key(&chain) {
            if !core::mem::replace(&mut self.said.too_many, true) {
                let text = format!("more than {MAX_CHAINS} chains: the rest is not checked");
                findings.add(FindingKind::Malformed, Place::chain(chain), text);
            }
            return None;
        }
        Some(self.map.entry(chain).or_default())
    }

    /// What the end of the file shows. `complete`: it ends with its trailer.
    pub(super) fn finish(mut self, complete: bool, findings: &mut Findings) -> Summary {
        let register = self.register.and_then(|register| self.map.get(&register));
        let register_state = match register {
            Some(register) if self.register_sound && register.is_whole() => {
                if register.begins_late() {
                    RegisterState::WholeFromLater
                } else {
                    RegisterState::WholeFromStart
                }
            }
            _ => RegisterState::Incomplete,
        };
        self.restores.close(register_state != RegisterState::Incomplete, self.kept.as_ref());
        self.explain_kept(findings);
        for (chain, check) in &self.map {
            let is_register = self.register == Some(*chain);
            let ending = Ending { complete, register: register_state, is_register };
            check.finish(ending, &mut self.problems);
            for (kind, text) in self.problems.drain(..) {
                findings.add(kind, Place::chain(*chain), text);
            }
        }
        let count = |which: fn(&ChainCheck) -> bool| {
            self.map.values().filter(|check| which(check)).count().try_into().unwrap_or(u64::MAX)
        };
        Summary {
            chains: count(ChainCheck::has_records),
            trimmed_chains: count(ChainCheck::begins_late),
            unsigned_trims: self.unsigned_trims,
            checkpoints: self.checkpoints,
            newest_checkpoint: self.newest_checkpoint,
            restores: self.restores.into_list(),
        }
    }

    /// Of the heads that the kept checkpoint names and that are not here: those that a restore took.
    fn explain_kept(&mut self, findings: &mut Findings) {
        let Some(kept) = &self.kept else { return };
        for head in heads_of(kept) {
            let Some(check) = self.map.get_mut(&head.chain).filter(|check| check.misses_kept())
            else {
                continue;
            };
            let Some(lost) = self.restores.took(kept, head, check.is_known()) else { continue };
            let text = format!(
                "records {} to {}, which the kept checkpoint names, are gone: the store was \
                 restored at {} from a backup that ends before them, says {}, record {} of the \
                 register",
                lost.kept_to.saturating_add(1),
                head.seq,
                lost.by.at,
                lost.by.id,
                lost.by.seq,
            );
            findings.add(FindingKind::LostInRestore, Place::chain(head.chain), text);
            check.forget_kept();
            if !check.is_known() {
                self.map.remove(&head.chain);
            }
        }
    }
}

/// The heads that a checkpoint names, the register's with its own record.
fn heads_of(checkpoint: &Checkpoint) -> impl Iterator<Item = &NamedHead> {
    let register = checkpoint.register.chain;
    let others = checkpoint.details.heads.iter().filter(move |head| head.chain != register);
    others.chain([&checkpoint.register]).filter(|head| head.seq > 0)
}
