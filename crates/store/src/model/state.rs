//! Everything that the model remembers, and what its maintenance does.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentadmit_core::app::{
    App, CatalogueScope, ConnectionCounts, DayUsage, EnvironmentState, Tenant,
};
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_core::connection::{Activity, Connection};
use agentadmit_core::consent::ConsentSession;
use agentadmit_core::credential::{ApiKey, Operator, PublicKey};
use agentadmit_core::dashboard::{Session, WaitingCode};
use agentadmit_core::plan;
use agentadmit_protocol::audit::{AuditRecord, Outcome};
use agentadmit_protocol::id::{
    AppId, ChainId, ConnectionId, ConsentSessionId, KeyId, OperatorId, SessionId,
};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use super::accounts::Developers;
use super::oauth::OAuth;
use crate::views::{Chain, LogPosition, LogSlice, Milestone};

/// The tables.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) apps: BTreeMap<AppId, App>,
    pub(super) environments: BTreeMap<Tenant, EnvironmentState>,
    pub(super) counts: BTreeMap<Tenant, ConnectionCounts>,
    pub(super) scopes: BTreeMap<(Tenant, u32), ScopeRow>,
    pub(super) api_keys: BTreeMap<KeyId, ApiKey>,
    pub(super) public_keys: BTreeMap<AppId, Vec<PublicKey>>,
    pub(super) spent_assertions: BTreeMap<(AppId, SecretHash), Timestamp>,
    pub(super) operators: BTreeMap<OperatorId, Operator>,
    pub(super) waiting_codes: BTreeMap<u32, WaitingCode>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) milestones: BTreeMap<Milestone, Timestamp>,
    pub(super) connections: BTreeMap<ConnectionId, ConnectionRow>,
    /// Access tokens outlive the state that they were made in: a revoked connection is still found
    /// by its token.
    pub(super) access_tokens: BTreeMap<SecretHash, ConnectionId>,
    pub(super) connection_tokens: BTreeMap<SecretHash, ConnectionId>,
    pub(super) developers: Developers,
    pub(super) oauth: OAuth,
    pub(super) consent_sessions: BTreeMap<ConsentSessionId, ConsentSession>,
    pub(super) activity: BTreeMap<ConnectionId, Activity>,
    pub(super) key_use: BTreeMap<KeyId, Timestamp>,
    pub(super) usage: BTreeMap<(Tenant, i32), DayUsage>,
    pub(super) refusals: BTreeMap<(Tenant, i32, String), u64>,
    pub(super) labels: BTreeMap<(Tenant, i32, Option<String>), u64>,
    pub(super) chains: BTreeMap<ChainId, Chain>,
    pub(super) sealed_secrets: BTreeMap<String, Vec<u8>>,
    /// What is kept of the log, oldest first.
    pub(super) log: Vec<Logged>,
    /// The position of the newest record, kept or not.
    pub(super) last_position: LogPosition,
    pub(super) newest_record_at: Option<Timestamp>,
    /// The last position of each closed segment that is kept, oldest first.
    pub(super) segments: Vec<LogPosition>,
    /// Up to where allowed calls were counted by label.
    pub(super) labels_folded_to: LogPosition,
}

/// A scope of a catalogue and how many connections hold it.
#[derive(Debug, Clone)]
pub(super) struct ScopeRow {
    pub(super) scope: CatalogueScope,
    pub(super) holders: u64,
}

/// A connection and when it is due.
#[derive(Debug, Clone)]
pub(super) struct ConnectionRow {
    pub(super) connection: Connection,
    pub(super) due: Option<Timestamp>,
}

/// A record and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub(super) position: LogPosition,
    pub(super) record: Arc<AuditRecord>,
}

impl Logged {
    /// Whose record it is.
    pub(super) fn tenant(&self) -> Option<Tenant> {
        Some(Tenant::new(self.record.app_id?, self.record.environment?))
    }
}

impl State {
    pub(super) fn log_end(&self) -> LogPosition {
        self.last_position
    }

    /// Records between two positions, oldest first.
    pub(super) fn slice(
        &self,
        after: LogPosition,
        up_to: LogPosition,
        limit: usize,
        is_wanted: impl Fn(&Logged) -> bool,
    ) -> LogSlice {
        let mut hits = self
            .log
            .iter()
            .filter(|logged| after < logged.position && logged.position <= up_to)
            .filter(|logged| is_wanted(logged));
        let slice: Vec<&Logged> = hits.by_ref().take(limit).collect();
        let next = slice.last().map(|last| last.position).filter(|_| hits.next().is_some());
        let records = slice.iter().map(|logged| AuditRecord::clone(&logged.record)).collect();
        LogSlice { records, next }
    }

    /// Counts the allowed calls since the last time by the label of their agent.
    pub(super) fn fold_labels(&mut self) -> u64 {
        let mut folded = 0;
        for logged in self.log.iter().filter(|logged| logged.position > self.labels_folded_to) {
            let record = &logged.record;
            let Some(tenant) = logged.tenant() else { continue };
            if record.outcome == Outcome::Allowed {
                let label = record.agent_label.as_ref().map(|label| label.as_str().to_owned());
                let key = (tenant, plan::day(record.occurred_at), label);
                *self.labels.entry(key).or_default() += u64::from(record.count);
                folded += 1;
            }
        }
        self.labels_folded_to = self.last_position;
        folded
    }

    /// Closes every full segment of the tail.
    pub(super) fn close_segments(&mut self, records: usize) -> u64 {
        let closed = self.segments.last().copied().unwrap_or(0);
        let tail = self.log.iter().filter(|logged| logged.position > closed);
        let ends: Vec<LogPosition> =
            tail.skip(records - 1).step_by(records).map(|logged| logged.position).collect();
        self.segments.extend(&ends);
        u64::try_from(ends.len()).unwrap_or(u64::MAX)
    }

    /// The oldest closed segment.
    pub(super) fn oldest_segment(&self) -> Option<&[Logged]> {
        let end = *self.segments.first()?;
        let (segment, _) = self.log.split_at(self.log.partition_point(|l| l.position <= end));
        Some(segment)
    }

    /// The last record of each chain in a part of the log.
    pub(super) fn last_of_chains(&self, part: &[Logged]) -> Vec<(Chain, ChainHead)> {
        let mut last: BTreeMap<ChainId, ChainHead> = BTreeMap::new();
        for Logged { record, .. } in part {
            last.insert(record.chain, ChainHead { seq: record.seq, hash: record.hash });
        }
        let chain = |id| self.chains.get(id).cloned();
        last.iter().filter_map(|(id, head)| Some((chain(id)?, *head))).collect()
    }
}
