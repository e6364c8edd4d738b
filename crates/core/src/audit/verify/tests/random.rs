//! Random logs and random damage.

use proptest::prelude::*;

use super::fixture::{Log, REGISTER, chain, check, join};
use crate::audit::verify::Options;

/// One thing that happens to a log.
#[derive(Debug, Clone)]
enum Step {
    Write(u8),
    Close(u8),
    Checkpoint,
    Trim(Vec<(u8, u64)>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u8..6).prop_map(Step::Write),
        1 => (1_u8..6).prop_map(Step::Close),
        1 => Just(Step::Checkpoint),
        1 => prop::collection::vec((0_u8..6, 1_u64..5), 1..4).prop_map(Step::Trim),
    ]
}

/// A log to which such things happened; trimming is followed by a checkpoint now and then.
fn log() -> impl Strategy<Value = Log> {
    prop::collection::vec(step(), 0..60).prop_map(|steps| {
        let mut log = Log::new();
        for step in steps {
            match step {
                Step::Write(number) => log.write(number),
                Step::Close(number) => log.close(number),
                Step::Checkpoint => log.checkpoint(),
                Step::Trim(cuts) => trim(&mut log, &cuts),
            }
        }
        log
    })
}

/// Deletes so many more records of each chain, the last one at most.
fn trim(log: &mut Log, cuts: &[(u8, u64)]) {
    let cuts: Vec<_> = cuts
        .iter()
        .filter_map(|(number, more)| {
            let id = if *number == 0 { REGISTER } else { chain(*number) };
            let records = if *number == 0 { &log.register } else { &log.others };
            let first = records.iter().find(|record| record.chain == id)?.seq;
            let end = log.heads.get(&id)?.seq + 1;
            Some((id, (first + more).min(end)))
        })
        .filter(|(_, first_kept)| *first_kept > 1)
        .collect();
    if !cuts.is_empty() {
        log.trim(&cuts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_untouched_passes(log in log()) {
        let report = check(&log.export().bytes(), Options::default());
        prop_assert_eq!(report.findings, vec![]);
    }

    #[test]
    fn a_line_less_is_found(log in log(), at: prop::sample::Index) {
        let mut lines = log.export().lines();
        lines.remove(at.index(lines.len()));
        prop_assert!(!check(&join(&lines), Options::default()).ok);
    }

    #[test]
    fn a_line_twice_is_found(
        log in log(),
        at: prop::sample::Index,
        to: prop::sample::Index,
    ) {
        let mut lines = log.export().lines();
        let line = lines[at.index(lines.len())].clone();
        lines.insert(to.index(lines.len() + 1), line);
        prop_assert!(!check(&join(&lines), Options::default()).ok);
    }

    #[test]
    fn a_byte_changed_is_found(log in log(), at: prop::sample::Index, by in 1_u8..=255) {
        let mut bytes = log.export().bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        prop_assert!(!check(&bytes, Options::default()).ok, "byte {at} of {}", bytes.len());
    }

    /// The same by somebody who makes the trailer fit again.
    #[test]
    fn damage_to_records_is_found_without_the_sum(
        log in log(),
        damage in 0..4,
        at: prop::sample::Index,
        to: prop::sample::Index,
    ) {
        let mut export = log.export();
        prop_assume!(!export.records.is_empty());
        let at = at.index(export.records.len());
        match damage {
            0 => drop(export.records.remove(at)),
            1 => {
                let copy = export.records[at].clone();
                export.records.insert(to.index(export.records.len() + 1), copy);
            }
            2 => {
                let same = |position: &usize| {
                    *position != at && export.records[*position].chain == export.records[at].chain
                };
                let others: Vec<_> = (0..export.records.len()).filter(same).collect();
                prop_assume!(!others.is_empty());
                export.records.swap(at, others[to.index(others.len())]);
            }
            _ => export.records[at].count += 1,
        }
        prop_assert_ne!(export.kinds(), vec![]);
    }
}
