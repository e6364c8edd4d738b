//! Exports of the audit log, as somebody hands them over to be checked.

use agentadmit_core::audit::{Options, Report, Verifier};

use super::Bytes;
use super::export::{sample, signature_holds};

/// Changes that are made to the sample, at most.
const MOST_CHANGES: usize = 8;

/// The input as a file, and as a list of changes to a file that is in order.
pub fn audit_file(data: &[u8]) {
    let report = check(data);
    assert_eq!(report, check(data), "a check depends on nothing but the file");
    sample_changed(&mut Bytes(data));
}

/// Whatever is changed in an export without mending its sums is found.
fn sample_changed(script: &mut Bytes<'_>) {
    let mut changed: Vec<Vec<u8>> = lines(sample()).map(<[u8]>::to_vec).collect();
    for _ in 0..MOST_CHANGES {
        if script.is_empty() {
            break;
        }
        change(&mut changed, script);
    }
    let changed = changed.join(b"\n".as_slice());
    let untouched = lines(sample()).eq(lines(&changed));
    let report = check(&changed);
    assert_eq!(report.ok, untouched, "{:?}", report.findings);
}

/// One thing that somebody may do to a file.
fn change(lines: &mut Vec<Vec<u8>>, script: &mut Bytes<'_>) {
    let (what, place, other) =
        (script.byte(), script.below(lines.len()), script.below(lines.len()));
    match what % 8 {
        0 if !lines.is_empty() => drop(lines.remove(place)),
        1 if !lines.is_empty() => {
            let line = lines.get(other).cloned().unwrap_or_default();
            lines.insert(place, line);
        }
        2 if !lines.is_empty() => lines.swap(place, other),
        3 => lines.truncate(place),
        _ => change_line(lines.get_mut(place), what, script),
    }
}

fn change_line(line: Option<&mut Vec<u8>>, what: u8, script: &mut Bytes<'_>) {
    let Some(line) = line else { return };
    let (at, byte) = (script.below(line.len()), script.byte());
    match what % 8 {
        4 => line.truncate(at),
        5 => line.insert(at, byte),
        _ => {
            if let Some(slot) = line.get_mut(at) {
                *slot = byte;
            }
        }
    }
}

/// Checks a file; a report is good exactly when nothing was found.
fn check(file: &[u8]) -> Report {
    let mut verifier = Verifier::new(Options::default(), &signature_holds);
    if !file.is_empty() {
        for (number, line) in (1..).zip(lines(file)) {
            verifier.line(number, line);
        }
    }
    let report = verifier.finish();
    assert_eq!(report.ok, report.findings.is_empty() && report.findings_left_out == 0);
    report
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.strip_suffix(b"\n").unwrap_or(file).split(|byte| *byte == b'\n')
}
