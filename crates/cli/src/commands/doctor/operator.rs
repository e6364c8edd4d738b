//! What only whoever runs the service can ask: its store, its disk, its log.

use std::collections::BTreeMap;

use agentadmit_core::audit::{ChainHead, FindingKind, Options, Verifier};
use agentadmit_engine::keyring::verify_signature;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::ChainId;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::exam::{Exam, Part, text};
use super::report::Outcome;
use crate::client::{Request, Transport};
use crate::exit::{Exit, Failure};

/// A write that takes longer makes every verify wait for it.
const SLOW_WRITE_MS: u64 = 250;
/// With less than this left, a busy log fills the disk within days.
const MIN_FREE_BYTES: u64 = 1 << 30;
const HOUR_SECONDS: i64 = 3_600;
/// Records of one app's environment that are checked, at most; `audit export` and `audit verify`
/// know no such bound.
const MAX_RECORDS: u64 = 200_000;
/// Apps whose log is looked at, at most.
const MAX_APPS: usize = 200;

/// The token is good, or the store can be opened; asks what the next checks look at.
pub(super) async fn token(exam: &mut Exam) -> Outcome {
    let Some(operator) = &exam.operator else { return Outcome::skipped("no operator token") };
    let said = operator.call(Request::get("/v1/operator/health")).await.and_then(|answer| {
        serde_json::from_value(answer).map_err(|error| {
            Failure::could_not(format!("the service's health cannot be read: {error}"))
        })
    });
    let outcome = match said {
        Ok(health) => {
            exam.health = Some(health);
            return Outcome::well("it is good");
        }
        Err(failure) if failure.exit == Exit::No => Outcome::finding(
            format!("the service refuses it: {}", failure.words()),
            "make a new one on the service's machine: `agentadmit operator create --store …`; \
             where operators have an address of their own, name it: --operator-url URL",
        ),
        Err(failure) => Outcome::unknown(failure.words()),
    };
    exam.block_after(Part::Health, "operator_token", outcome)
}

/// The service's own name is the address that apps sign for.
pub(super) fn issuer(exam: &mut Exam) -> Outcome {
    let issuer = exam.health.as_ref().map(|health| health.issuer.clone()).unwrap_or_default();
    let service = exam.subject.service().as_str().trim_end_matches('/');
    if exam.args.store.is_some() {
        return Outcome::skipped("a store does not know its service's address");
    }
    let document = exam.document.as_ref();
    let signs = exam.subject.settings.private_key_path.is_some()
        || document.is_some_and(|document| !text(document, "jwks_uri").is_empty());
    if !signs {
        return Outcome::skipped("the app has no key pair to sign with");
    }
    if issuer == service {
        return Outcome::well(issuer);
    }
    Outcome::finding(
        format!("the service calls itself {issuer}, and apps call it {service}"),
        "start it with `--public-url` set to the address that apps use: what they sign for \
         another address is refused",
    )
}

/// A write is on the disk soon.
pub(super) fn store_latency(exam: &mut Exam) -> Outcome {
    let took = exam.health.as_ref().map(|health| health.store.write_microseconds / 1_000);
    match took {
        Some(took) if took > SLOW_WRITE_MS => Outcome::finding(
            format!("a write took {took} ms until it was on the disk"),
            "every verify waits for one: give the store a disk of its own, an SSD that may flush",
        ),
        Some(took) => Outcome::well(format!("a write took {took} ms")),
        None => Outcome::skipped("the service did not say"),
    }
}

/// There is room for the log.
pub(super) fn disk_left(exam: &mut Exam) -> Outcome {
    let free = exam.health.as_ref().and_then(|health| health.store.free_bytes);
    match free {
        Some(free) if free < MIN_FREE_BYTES => Outcome::finding(
            format!("{} MiB are left where the store lies", free >> 20),
            "make room, or keep less of the log (`serve --retention-days`): a full disk refuses \
             every agent",
        ),
        Some(free) => Outcome::well(format!("{} GiB", free >> 30)),
        None => Outcome::unknown("the service cannot say how much room its store has"),
    }
}

/// What was recorded in the last hour is whole.
pub(super) async fn audit_chain(exam: &mut Exam) -> Outcome {
    let (Some(operator), Some(health)) = (&exam.operator, &exam.health) else {
        return Outcome::skipped("no operator token");
    };
    let from = health.now.plus_seconds(-HOUR_SECONDS).to_string();
    let mut sum = Checked::default();
    let tenants = match tenants(operator).await {
        Ok(tenants) => tenants,
        Err(failure) => return Outcome::unknown(failure.words()),
    };
    for (app_id, environment) in &tenants {
        let request = Request::get("/v1/operator/audit/export")
            .with("app_id", app_id.as_ref())
            .with("environment", environment.as_ref())
            .with("from", Some(&from));
        match check(operator, request).await {
            Ok(checked) => sum.add(checked),
            Err(failure) => return Outcome::unknown(failure.words()),
        }
    }
    if let Some(first) = sum.findings.first() {
        return Outcome::finding(
            format!(
                "{} things are wrong with the log of the last hour: {first}",
                sum.findings.len()
            ),
            "keep a copy of the store now; export the whole log and run `agentadmit audit verify`",
        );
    }
    let cut = if sum.is_cut { ", the first of many" } else { "" };
    Outcome::well(format!("{} records of the last hour are whole{cut}", sum.records))
}

/// Whose logs there are: the service's own, and both environments of every app.
async fn tenants(
    operator: &Transport,
) -> Result<Vec<(Option<String>, Option<Environment>)>, Failure> {
    let request = Request::get("/v1/operator/apps").with("limit", Some(&MAX_APPS));
    let answer = operator.call(request).await?;
    let apps = answer.get("apps").and_then(Value::as_array).cloned().unwrap_or_default();
    let of_apps = apps.iter().flat_map(|app| {
        let app_id = text(app, "app_id").to_owned();
        [Environment::Test, Environment::Live].map(|it| (Some(app_id.clone()), Some(it)))
    });
    Ok(std::iter::once((None, None)).chain(of_apps).collect())
}

/// What looking at exports came to.
#[derive(Default)]
struct Checked {
    records: u64,
    is_cut: bool,
    findings: Vec<String>,
}

impl Checked {
    fn add(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.is_cut |= other.is_cut;
        self.findings.extend(other.findings);
    }
}

/// Checks an export while it comes in. One that is filtered by time holds an unbroken piece of
/// each chain: beside each record's own hash, its link to the one before is checked.
async fn check(operator: &Transport, request: Request) -> Result<Checked, Failure> {
    let mut body = operator.stream(request).await?;
    let mut lines = Lines::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Failure::could_not(format!("the export broke off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            lines.feed(&data);
        }
        if lines.records >= MAX_RECORDS {
            return Ok(lines.finish(true));
        }
    }
    Ok(lines.finish(false))
}

struct Lines<'v> {
    verifier: Verifier<'v>,
    unfinished: Vec<u8>,
    number: u64,
    records: u64,
    heads: BTreeMap<ChainId, ChainHead>,
    broken: Vec<String>,
}

impl Lines<'_> {
    fn new() -> Self {
        Self {
            verifier: Verifier::new(Options::default(), &verify_signature),
            unfinished: Vec::new(),
            number: 0,
            records: 0,
            heads: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    fn feed(&mut self, data: &[u8]) {
        let mut pieces = data.split(|byte| *byte == b'\n');
        if let Some(first) = pieces.next() {
            self.unfinished.extend_from_slice(first);
        }
        for piece in pieces {
            let line = std::mem::replace(&mut self.unfinished, piece.to_vec());
            self.line(&line);
        }
    }

    fn line(&mut self, line: &[u8]) {
        self.number = self.number.saturating_add(1);
        self.verifier.line(self.number, line);
        let Ok(record) = serde_json::from_slice::<AuditRecord>(line) else { return };
        self.records = self.records.saturating_add(1);
        let head = ChainHead { seq: record.seq, hash: record.hash };
        let Some(before) = self.heads.insert(record.chain, head) else { return };
        if record.seq != before.seq.saturating_add(1) {
            self.broken.push(format!(
                "in {} the record {} does not come after {}",
                record.chain, record.seq, before.seq
            ));
        } else if record.prev_hash != before.hash {
            self.broken.push(format!(
                "in {} the record {} does not hold the hash of the one before",
                record.chain, record.seq
            ));
        }
    }

    /// The report. What was cut off here is not cut off there.
    fn finish(self, is_cut: bool) -> Checked {
        let report = self.verifier.finish();
        let ours = |kind| is_cut && kind == FindingKind::CutOff;
        let found = report.findings.into_iter().filter(|finding| !ours(finding.kind));
        let mut findings = self.broken;
        findings.extend(found.map(|finding| finding.text));
        Checked { records: self.records, is_cut, findings }
    }
}
