//! What was done with connections and keys, between the log and the tables.
//!
//! No verify writes a row of its connection or of its key: the record in the log says it all. What
//! the records after the fold's mark say is kept in memory and added to the folded rows when somebody asks;
//! [`crate::maintain`] folds it into the tables in the background. The log is the truth: whoever
//! has no memory of it, or a stale one, reads the records again. So nothing is lost or counted
//! twice, whatever crashes, and whichever process appends.
//!
//! Folding goes by windows of the log. A window's keys are folded in order, in slices; with each
//! slice the same transaction writes down how far it came, so the state on disk is always: all
//! records up to `folded_to`, and of those up to `window_to` the keys up to `window_after`. The
//! connections of a large window are put in order while nobody waits for it.

use std::collections::{BTreeMap, HashMap};

use agentadmit_core::app::Tenant;
use agentadmit_core::connection::Activity;
use agentadmit_core::plan;
use agentadmit_protocol::audit::{Actor, AuditRecord, Outcome};
use agentadmit_protocol::id::{ConnectionId, KeyId};
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::maps::KeyMap;
use agentadmit_store::tables::log::{calls_of, tenant_of};
use agentadmit_store::views::LogPosition;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::block::records_up;
use crate::bundle::{self, key_of};
use crate::codec::Packed;
use crate::sql;
use crate::statements as st;

/// Records read at a time.
const CHUNK: i64 = 1_000;
/// Labels and keys folded in one slice; each may stand in a page of its own.
const MOST_OTHERS: usize = 250;

/// Whose use is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subject {
    /// A connection's: calls, and the newest of them.
    Connection(ConnectionId),
    /// A key's: its newest record.
    Key(KeyId),
}

/// What is counted: by connection, by agent label and day, by key. In the order in which it is
/// folded; the disk keeps one of them as a mark, so a new kind goes to the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum FoldKey {
    /// The calls of a connection.
    Connection(ConnectionId),
    /// The allowed calls of a tenant's day by label; empty for agents without one.
    Label(Tenant, i32, String),
    /// The newest record of a key.
    Key(KeyId),
}

impl From<Subject> for FoldKey {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Connection(id) => Self::Connection(id),
            Subject::Key(id) => Self::Key(id),
        }
    }
}

/// How far the log is folded, as the disk says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Counts slices: a memory of another generation is stale.
    pub(crate) generation: i64,
    /// Every record up to here is folded.
    pub(crate) folded_to: LogPosition,
    /// The window that is being folded.
    pub(crate) window: Option<Window>,
}

/// A window that is being folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its last record.
    pub(crate) to: LogPosition,
    /// Keys up to this one have it.
    pub(crate) after: Option<FoldKey>,
}

impl Fold {
    /// How far the log is folded.
    pub(crate) fn read(conn: &Connection) -> Result<Self, StoreError> {
        sql::one(conn, st::FOLD, [], |row| {
            let to: Option<i64> = row.get(2)?;
            let after: Option<Packed<FoldKey>> = row.get(3)?;
            Ok(Self {
                generation: row.get(0)?,
                folded_to: row.get(1)?,
                window: to.map(|to| Window { to, after: after.map(|Packed(key)| key) }),
            })
        })?
        .ok_or_else(|| StoreError::Corrupt("the fold has no mark".to_owned()))
    }

    /// Whether the tables have what the record at `position` says of `key`.
    fn has(&self, position: LogPosition, key: &FoldKey) -> bool {
        position <= self.folded_to
            || self.window.as_ref().is_some_and(|window| {
                position <= window.to && window.after.as_ref().is_some_and(|after| key <= after)
            })
    }
}

/// What some records say, counted.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    connections: KeyMap<ConnectionId, Activity>,
    keys: KeyMap<KeyId, Activity>,
    labels: KeyMap<(Tenant, i32), HashMap<String, u64>>,
}

impl Batch {
    /// Counts a record.
    pub(crate) fn absorb(&mut self, record: &AuditRecord) {
        for (subject, activity) in uses_of(record) {
            self.add(subject, activity);
        }
        if let Some((tenant, day, label)) = label_of(record) {
            self.add_label((tenant, day), label, u64::from(record.count));
        }
    }

    /// What it says of a connection or key.
    pub(crate) fn activity(&self, subject: Subject) -> Activity {
        let known = match subject {
            Subject::Connection(id) => self.connections.get(&id),
            Subject::Key(id) => self.keys.get(&id),
        };
        known.copied().unwrap_or_default()
    }

    /// Takes what another one says.
    pub(crate) fn merge(&mut self, newer: Self) {
        for (id, activity) in newer.connections {
            self.add(Subject::Connection(id), activity);
        }
        for (id, activity) in newer.keys {
            self.add(Subject::Key(id), activity);
        }
        for (day, labels) in newer.labels {
            for (label, calls) in labels {
                self.add_label(day, &label, calls);
            }
        }
    }

    fn add(&mut self, subject: Subject, activity: Activity) {
        let known = match subject {
            Subject::Connection(id) => self.connections.entry(id).or_default(),
            Subject::Key(id) => self.keys.entry(id).or_default(),
        };
        *known = known.and(activity);
    }

    fn add_label(&mut self, day: (Tenant, i32), label: &str, calls: u64) {
        let labels = self.labels.entry(day).or_default();
        match labels.get_mut(label) {
            Some(known) => *known += calls,
            None => {
                labels.insert(label.to_owned(), calls);
            }
        }
    }
}

/// What is left of a window that is being folded.
#[derive(Debug, Default)]
struct Folding {
    connections: KeyMap<ConnectionId, Activity>,
    /// The same connections, the newest first; nothing where they are not in order yet.
    order: Option<Vec<ConnectionId>>,
    /// Labels and keys, which come behind the connections.
    others: BTreeMap<FoldKey, Activity>,
}

impl Folding {
    /// All of a batch.
    fn of(batch: Batch) -> Self {
        let keys = batch.keys.into_iter().map(|(id, activity)| (FoldKey::Key(id), activity));
        let labels = batch.labels.into_iter().flat_map(|((tenant, day), labels)| {
            labels.into_iter().map(move |(label, calls)| {
                (FoldKey::Label(tenant, day, label), Activity { calls, last_used_at: None })
            })
        });
        Self { connections: batch.connections, order: None, others: keys.chain(labels).collect() }
    }

    fn activity(&self, subject: Subject) -> Activity {
        let known = match subject {
            Subject::Connection(id) => self.connections.get(&id),
            Subject::Key(id) => self.others.get(&FoldKey::Key(id)),
        };
        known.copied().unwrap_or_default()
    }

    fn add(&mut self, key: FoldKey, activity: Activity) {
        let known = match key {
            FoldKey::Connection(id) => {
                self.order = None;
                self.connections.entry(id).or_default()
            }
            key => self.others.entry(key).or_default(),
        };
        *known = known.and(activity);
    }
}

/// Puts connections in the order in which they are taken from: the newest first.
pub(crate) fn put_in_order(connections: &mut [ConnectionId]) {
    connections.sort_unstable_by_key(|id| std::cmp::Reverse(u128::from_be_bytes(*id.as_bytes())));
}

/// What a record says of a connection and of a key.
fn uses_of(record: &AuditRecord) -> impl Iterator<Item = (Subject, Activity)> + use<> {
    let of_connection =
        activity_of(record).map(|(id, activity)| (Subject::Connection(id), activity));
    let of_key = match record.actor {
        Actor::Key(id) => {
            let activity = Activity { calls: 0, last_used_at: Some(record.occurred_at) };
            Some((Subject::Key(id), activity))
        }
        _ => None,
    };
    of_connection.into_iter().chain(of_key)
}

/// What a record says of a connection.
fn activity_of(record: &AuditRecord) -> Option<(ConnectionId, Activity)> {
    let id = record.connection_id?;
    let calls = u64::from(calls_of(record)?);
    Some((id, Activity { calls, last_used_at: Some(record.occurred_at) }))
}

fn label_of(record: &AuditRecord) -> Option<(Tenant, i32, &str)> {
    if record.outcome != Outcome::Allowed {
        return None;
    }
    let tenant = tenant_of(record)?;
    let label = record.agent_label.as_ref().map_or("", |label| label.as_str());
    Some((tenant, plan::day(record.occurred_at), label))
}

/// What the records that are not folded yet say.
#[derive(Debug, Default)]
pub(crate) struct Unfolded {
    /// The state of the disk that this goes with.
    fold: Option<Fold>,
    /// Every record up to here is in it.
    pub(crate) known_to: LogPosition,
    /// What is left of the window.
    folding: Folding,
    /// What came after the window.
    fresh: Batch,
}

/// What is folded next.
#[derive(Debug)]
pub(crate) enum Next {
    /// These connections are to be put in order first.
    Unordered(Vec<ConnectionId>),
    /// Rows to add to.
    Rows(Slice),
}

/// Rows to add to, in order.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) connections: Vec<(ConnectionId, Activity)>,
    /// Labels and keys; none as long as there are connections behind these.
    pub(crate) others: Vec<(FoldKey, Activity)>,
}

impl Slice {
    /// Leaves what was not written for the next one.
    pub(crate) fn cut(&mut self, connections: usize) {
        if connections < self.connections.len() {
            self.connections.truncate(connections);
            self.others.clear();
        }
    }

    /// How many rows it adds to.
    pub(crate) fn rows(&self) -> usize {
        self.connections.len() + self.others.len()
    }

    fn last(&self) -> Option<FoldKey> {
        let connection = || self.connections.last().map(|(id, _)| FoldKey::Connection(*id));
        self.others.last().map(|(key, _)| key.clone()).or_else(connection)
    }
}

impl Unfolded {
    /// Brings the memory up to what `conn` sees: reads what others appended, or everything anew
    /// where the fold moved on elsewhere.
    pub(crate) fn sync(&mut self, conn: &Connection, end: LogPosition) -> Result<(), StoreError> {
        let fold = Fold::read(conn)?;
        if self.fold.as_ref() != Some(&fold) {
            *self = Self { known_to: fold.folded_to, fold: Some(fold), ..Self::default() };
        }
        while self.known_to < end {
            let up_to = end.min(self.known_to.saturating_add(CHUNK));
            let first = self.known_to.saturating_add(1);
            for (position, record) in records_up(conn, first, up_to, usize::MAX)? {
                self.absorb(position, &record);
            }
            self.known_to = up_to;
        }
        Ok(())
    }

    fn absorb(&mut self, position: LogPosition, record: &AuditRecord) {
        let Some(fold) = &self.fold else { return };
        let in_window = fold.window.as_ref().is_some_and(|window| position <= window.to);
        if !in_window {
            self.fresh.absorb(record);
            return;
        }
        for (subject, activity) in uses_of(record) {
            let key = FoldKey::from(subject);
            if !fold.has(position, &key) {
                self.folding.add(key, activity);
            }
        }
        if let Some((tenant, day, label)) = label_of(record) {
            let key = FoldKey::Label(tenant, day, label.to_owned());
            if !fold.has(position, &key) {
                let calls = u64::from(record.count);
                self.folding.add(key, Activity { calls, last_used_at: None });
            }
        }
    }

    /// The state of the disk that it goes with.
    pub(crate) fn generation(&self) -> Option<i64> {
        self.fold.as_ref().map(|fold| fold.generation)
    }

    /// What it says of a connection or key.
    pub(crate) fn activity(&self, subject: Subject) -> Activity {
        self.folding.activity(subject).and(self.fresh.activity(subject))
    }

    /// A transaction is committed that appended the records up to `end`, which say `batch`.
    pub(crate) fn committed(&mut self, begin: LogPosition, end: LogPosition, batch: Batch) {
        if self.known_to == begin && self.fold.is_some() {
            self.fresh.merge(batch);
            self.known_to = end;
        }
    }

    /// Whether there is a window to go on with.
    pub(crate) fn is_folding(&self) -> bool {
        self.fold.as_ref().is_some_and(|fold| fold.window.is_some())
    }

    /// Begins a window of all that is known behind the mark, if that is anything: records that say
    /// nothing of a use move the mark too, else every start would read them again. The disk hears of
    /// it with the first slice.
    pub(crate) fn begin_window(&mut self) {
        let Some(fold) = &mut self.fold else { return };
        if fold.window.is_none() && self.known_to > fold.folded_to {
            self.folding = Folding::of(std::mem::take(&mut self.fresh));
            fold.window = Some(Window { to: self.known_to, after: None });
        }
    }

    /// What is folded next, at most so many connections; nothing where there is no window. No more
    /// than that are put in order at once.
    pub(crate) fn next(&mut self, most: usize) -> Option<Next> {
        self.fold.as_ref()?.window.as_ref()?;
        let Folding { connections, order, others } = &mut self.folding;
        let order = if let Some(order) = order {
            order
        } else {
            let mut ids: Vec<_> = connections.keys().copied().collect();
            if ids.len() > most {
                return Some(Next::Unordered(ids));
            }
            put_in_order(&mut ids);
            order.insert(ids)
        };
        let next = order.iter().rev().take(most);
        let next = next.filter_map(|id| Some((*id, *connections.get(id)?)));
        let mut slice = Slice { connections: next.collect(), others: Vec::new() };
        if slice.connections.len() == connections.len() {
            let others = others.iter().take(MOST_OTHERS);
            slice.others = others.map(|(key, add)| (key.clone(), *add)).collect();
        }
        Some(Next::Rows(slice))
    }

    /// The mark to write with what is next.
    pub(crate) fn mark_behind(&self, next: &Next) -> Option<Fold> {
        let fold = self.fold.as_ref()?;
        let window = fold.window.as_ref()?;
        let all = self.folding.connections.len() + self.folding.others.len();
        let generation = fold.generation.saturating_add(1);
        let after = match next {
            Next::Unordered(_) => None,
            Next::Rows(slice) if slice.rows() == all => {
                return Some(Fold { generation, folded_to: window.to, window: None });
            }
            Next::Rows(slice) => slice.last(),
        };
        let after = after.or_else(|| window.after.clone());
        let window = Some(Window { to: window.to, after });
        Some(Fold { generation, folded_to: fold.folded_to, window })
    }

    /// What was next is on disk, and its mark.
    pub(crate) fn folded(&mut self, next: &Next, mark: Fold) {
        if let Next::Rows(slice) = next {
            let Folding { connections, order, others } = &mut self.folding;
            if let Some(order) = order {
                order.truncate(order.len().saturating_sub(slice.connections.len()));
            }
            for (id, _) in &slice.connections {
                connections.remove(id);
            }
            for (key, _) in &slice.others {
                others.remove(key);
            }
        }
        if mark.window.is_none() {
            // the memory of a large window goes with it
            self.folding = Folding::default();
        }
        self.fold = Some(mark);
    }

    /// The connections that were named are in order now.
    pub(crate) fn ordered(&mut self, mark: &Fold, connections: Vec<ConnectionId>) {
        // where somebody else folded meanwhile, everything was read anew
        if self.fold.as_ref() == Some(mark) {
            self.folding.order = Some(connections);
        }
    }

    /// Forgets everything; the next [`Unfolded::sync`] reads it again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// What is folded of the use of a connection or key.
pub(crate) fn folded(conn: &Connection, subject: Subject) -> Result<Activity, StoreError> {
    let found = match subject {
        Subject::Connection(id) => sql::one(conn, st::ACTIVITY, [key_of(id)], |row| {
            Ok(bundle::find(row.get_ref(1)?.as_blob()?, id))
        })?,
        Subject::Key(id) => sql::one(conn, st::KEY_USE, [id.as_bytes()], |row| {
            let last_used_at = Some(Timestamp::from_millis(row.get(0)?));
            Ok(Ok(Activity { calls: 0, last_used_at }))
        })?,
    };
    found.unwrap_or_else(|| Ok(Activity::default()))
}

/// What the records after `after` up to `end` say of one connection or key.
pub(crate) fn appended(
    conn: &Connection,
    subject: Subject,
    after: LogPosition,
    end: LogPosition,
) -> Result<Activity, StoreError> {
    let mut batch = Batch::default();
    let mut after = after;
    while after < end {
        let up_to = end.min(after.saturating_add(CHUNK));
        for (_, record) in records_up(conn, after.saturating_add(1), up_to, usize::MAX)? {
            batch.absorb(&record);
        }
        after = up_to;
    }
    Ok(batch.activity(subject))
}
