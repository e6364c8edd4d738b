//! What clients were told, and whether the service still knows it: the promise of durability from
//! the side of those it was given to.

use std::collections::{BTreeMap, BTreeSet};

use agentadmit_core::audit::{Options, Report, Verifier};
use agentadmit_engine::keyring::verify_signature;
use serde_json::Value;

use crate::client::{Client, Reply, Request};
use crate::world::{App, text};

/// How far a connection has come; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not there.
    Unknown,
    /// Issued.
    Pending,
    /// Exchanged.
    Active,
    /// Ended.
    Revoked,
}

impl Stage {
    fn of(status: &str) -> Self {
        match status {
            "pending" => Self::Pending,
            "active" => Self::Active,
            "revoked" | "expired" => Self::Revoked,
            _ => Self::Unknown,
        }
    }
}

/// What was asked and what was answered about one connection.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The last answer that came.
    answered: Stage,
    /// The last request that was sent: nobody knows whether it was done.
    asked: Stage,
}

impl Known {
    /// Whether this status is more or less than what was asked for and answered.
    fn is_contradicted_by(self, status: &str) -> bool {
        // the time of a connection token ends without a request: a long test lives to see it
        if status == "expired" && self.answered == Stage::Pending {
            return false;
        }
        let found = Stage::of(status);
        found < self.answered || found > self.asked
    }
}

/// What the clients of an app were told.
#[derive(Debug, Default)]
pub struct Evidence {
    audit_ids: BTreeSet<String>,
    connections: BTreeMap<String, Known>,
}

/// Something that was promised and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost(pub String);

impl Evidence {
    /// Notes the record that an answer of verify named.
    pub fn heard(&mut self, reply: &Reply) {
        let audit_id = reply.text("audit_id");
        if !audit_id.is_empty() {
            self.audit_ids.insert(audit_id);
        }
    }

    /// Notes that a request is about to be sent that brings a known connection to this stage.
    pub fn asks(&mut self, connection_id: &str, stage: Stage) {
        if let Some(known) = self.connections.get_mut(connection_id) {
            known.asked = known.asked.max(stage);
        }
    }

    /// Notes that an answer said so.
    pub fn answered(&mut self, connection_id: &str, stage: Stage) {
        let known = Known { answered: stage, asked: stage };
        let known = self.connections.entry(connection_id.to_owned()).or_insert(known);
        known.answered = known.answered.max(stage);
        known.asked = known.asked.max(stage);
    }

    /// Everything that another client was told.
    pub fn merge(&mut self, other: Self) {
        self.audit_ids.extend(other.audit_ids);
        self.connections.extend(other.connections);
    }

    /// Records that answers named.
    pub fn records(&self) -> usize {
        self.audit_ids.len()
    }

    /// Connections that were issued.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Everything that is missing at the service that runs now, or that it cannot tell.
    pub fn missing(&self, app: &App) -> Vec<Lost> {
        let mut client = app.client();
        let export = match answer(&mut client, &app.export()) {
            Ok(export) => export.body,
            Err(lost) => return vec![lost],
        };
        let mut lost = self.missing_records(&export);
        let report = verify_export(&export);
        lost.extend(report.findings.iter().map(|finding| Lost(format!("{finding:?}"))));
        for (id, known) in &self.connections {
            match answer(&mut client, &app.show(id)) {
                Ok(shown) => {
                    let status = shown.text("status");
                    if known.is_contradicted_by(&status) {
                        lost.push(Lost(format!("{id}: {known:?}, found {status}")));
                    }
                }
                Err(missing) => lost.push(missing),
            }
        }
        lost
    }

    fn missing_records(&self, export: &[u8]) -> Vec<Lost> {
        let found: BTreeSet<String> = records(export).iter().map(|it| text(it, "id")).collect();
        self.audit_ids.difference(&found).map(|id| Lost(format!("the record {id}"))).collect()
    }
}

/// A good answer.
fn answer(client: &mut Client, request: &Request) -> Result<Reply, Lost> {
    match client.send(request) {
        Ok(reply) if reply.status == 200 => Ok(reply),
        Ok(reply) => Err(Lost(format!("{request:?}: {reply:?}"))),
        Err(error) => Err(Lost(format!("{request:?}: {error}"))),
    }
}

/// The records of an export, without its header and trailer.
pub fn records(export: &[u8]) -> Vec<Value> {
    let lines = export.split(|byte| *byte == b'\n');
    let values = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    values.filter(|value| value.get("prev_hash").is_some()).collect()
}

/// The offline check of an export, as `agentadmit audit verify` makes it.
pub fn verify_export(export: &[u8]) -> Report {
    let mut verifier = Verifier::new(Options::default(), &verify_signature);
    for (number, line) in (1..).zip(export.split_inclusive(|byte| *byte == b'\n')) {
        verifier.line(number, line.strip_suffix(b"\n").unwrap_or(line));
    }
    verifier.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_asked_for_contradicts() {
        let known = |answered, asked| Known { answered, asked };
        let pending = known(Stage::Pending, Stage::Active);
        for status in ["pending", "active", "expired"] {
            assert!(!pending.is_contradicted_by(status), "{status}");
        }
        for status in ["", "revoked"] {
            assert!(pending.is_contradicted_by(status), "{status}");
        }
        let active = known(Stage::Active, Stage::Active);
        for status in ["", "pending", "expired", "revoked"] {
            assert!(active.is_contradicted_by(status), "{status}");
        }
        let revoked = known(Stage::Revoked, Stage::Revoked);
        assert!(revoked.is_contradicted_by("active") && !revoked.is_contradicted_by("revoked"));
    }
}
