//! Every kind of tampering is found, as the kind it is, and what is untouched passes.

mod fixture;
mod random;
mod restored;

use agentadmit_protocol::audit::{AuditHash, AuditRecord};
use agentadmit_protocol::id::{AppId, ChainId, EventId};

use super::FindingKind::{
    Altered, BadSignature, ChainLeftOut, CutOff, Inserted, Malformed, Missing, Reordered,
};
use super::{FindingKind, MAX_LINE, Options};
use crate::audit::export::AuditKey;
use crate::audit::register::{
    Checkpoint, CheckpointDetails, CheckpointError, TrimmedChain, read_details,
};
use fixture::{APP, Export, Log, REGISTER, chain, check, details, join, kinds};

/// The newest checkpoint record of a log, as the line that somebody keeps.
fn kept_line(log: &Log) -> Vec<u8> {
    let is_checkpoint = |record: &&AuditRecord| Checkpoint::of_record(record).is_some();
    let newest = log.register.iter().rev().find(is_checkpoint).unwrap();
    [serde_json::to_vec(newest).unwrap(), b"\n".to_vec()].concat()
}

const fn hash(byte: u8) -> AuditHash {
    AuditHash::from_bytes([byte; 32])
}

fn keeping(log: &Log) -> Options {
    let checkpoint = Checkpoint::newest_of(&kept_line(log)).unwrap();
    Options { checkpoint: Some(checkpoint), keys: None }
}

fn kinds_keeping(export: &Export, log: &Log) -> Vec<FindingKind> {
    kinds(&check(&export.bytes(), keeping(log)))
}

fn tampered(change: impl FnOnce(&mut Export)) -> Vec<FindingKind> {
    let mut export = Log::sample().export();
    change(&mut export);
    export.kinds()
}

#[test]
fn untouched_exports_pass() {
    for log in [Log::new(), Log::sample(), Log::trimmed_sample()] {
        let report = check(&log.export().bytes(), Options::default());
        assert_eq!(report.findings, []);
        assert!(report.ok);
        assert_eq!(usize::try_from(report.records), Ok(log.register.len() + log.others.len()));
    }
    for log in [Log::sample(), Log::trimmed_sample()] {
        assert_eq!(kinds_keeping(&log.export(), &log), []);
    }
}

#[test]
fn the_report_says_what_was_seen() {
    let report = check(&Log::trimmed_sample().export().bytes(), Options::default());
    assert_eq!(report.app_id, Some(APP));
    assert_eq!((report.chains, report.trimmed_chains), (3, 2), "chain 1 is gone, 3 is whole");
    assert_eq!((report.unsigned_trims, report.checkpoints), (0, 2));
    assert!(report.newest_checkpoint.is_some());

    let mut log = Log::sample();
    log.trim(&[(chain(2), 2)]);
    let report = check(&log.export().bytes(), Options::default());
    assert!(report.ok);
    assert_eq!(report.unsigned_trims, 1, "no checkpoint covers it yet");
}

#[test]
fn a_changed_member_is_altered() {
    assert_eq!(tampered(|export| export.record(chain(2), 2).count = 9), [Altered]);
    assert_eq!(tampered(|export| export.record(chain(2), 2).prev_hash = hash(9)), [Altered]);
    assert_eq!(tampered(|export| export.record(chain(2), 2).hash = hash(9)), [Altered]);
    assert_eq!(tampered(|export| export.record(chain(2), 2).seq = 4), [Altered]);
    assert_eq!(tampered(|export| export.record(REGISTER, 1).count = 9), [Altered]);
}

#[test]
fn a_history_that_was_hashed_anew_is_altered() {
    // Before a signed checkpoint; in a closed chain; and with only the header to contradict.
    for (number, seq) in [(2, 1), (1, 6), (3, 1)] {
        let kinds = tampered(|export| {
            export.record(chain(number), seq).count = 9;
            export.rehash(chain(number));
        });
        assert_eq!(kinds, [Altered], "chain {number}");
    }
    let kinds = tampered(|export| {
        export.record(chain(3), 4).count = 9;
        export.rehash_record(chain(3), 4);
    });
    assert_eq!(kinds, [Altered], "the last record, against the header");
    let kinds = tampered(|export| {
        export.record(REGISTER, 1).count = 9;
        export.rehash(REGISTER);
    });
    assert_eq!(kinds, [Altered], "the register, against its own head in the checkpoint");
}

#[test]
fn what_is_newer_than_every_checkpoint_can_be_rewritten() {
    let kinds = tampered(|export| {
        let last = export.bounds(chain(2)).last_seq;
        export.record(chain(2), last).count = 9;
        export.rehash(chain(2));
    });
    assert_eq!(kinds, [], "the module's documentation says so");
}

#[test]
fn a_changed_header_or_order_is_altered_by_the_sum() {
    let lines = Log::sample().export().lines();
    let header = String::from_utf8(lines[0].clone()).unwrap();
    let mut changed = lines.clone();
    changed[0] = header.replace("admit.example", "admit.invalid").into_bytes();
    assert_eq!(kinds(&check(&join(&changed), Options::default())), [Altered]);
    let mut swapped = lines;
    let (last, other) = (swapped.len() - 2, swapped.len() - 3);
    swapped.swap(last, other);
    assert_eq!(kinds(&check(&join(&swapped), Options::default())), [Altered], "of two chains");
}

#[test]
fn a_gap_is_missing() {
    for (id, seq) in [(chain(2), 3), (chain(2), 1), (REGISTER, 2), (REGISTER, 1)] {
        let kinds = tampered(|export| {
            let position = export.position(id, seq);
            export.records.remove(position);
        });
        assert_eq!(kinds, [Missing], "{id} {seq}");
    }
}

#[test]
fn a_start_that_nobody_trimmed_is_missing() {
    for id in [chain(2), REGISTER] {
        let kinds = tampered(|export| {
            let first = export.position(id, 1);
            let second = export.record(id, 2).prev_hash;
            export.records.remove(first);
            let bounds = export.bounds(id);
            (bounds.first_seq, bounds.first_prev_hash) = (2, second);
        });
        assert_eq!(kinds, [Missing], "{id}");
    }
    // The register says that chain 2 is kept from 4, the header says from 5.
    let mut export = Log::trimmed_sample().export();
    let first = export.position(chain(2), 4);
    let prev_hash = export.records.remove(first).hash;
    let bounds = export.bounds(chain(2));
    (bounds.first_seq, bounds.first_prev_hash) = (5, prev_hash);
    assert_eq!(export.kinds(), [Missing]);
}

#[test]
fn a_start_that_does_not_continue_what_went_before_is_altered() {
    let other_start = |export: &mut Export, id: ChainId| {
        export.bounds(id).first_prev_hash = hash(9);
        export.rehash(id);
    };
    assert_eq!(tampered(|export| other_start(export, chain(3))), [Altered], "no zeros");

    let mut log = Log::new();
    (0..4).for_each(|_| log.write(1));
    log.trim(&[(chain(1), 3)]);
    let mut export = log.export();
    assert_eq!(export.kinds(), []);
    other_start(&mut export, chain(1));
    assert_eq!(export.kinds(), [Altered], "the record of trimming names another");

    // A forger's record of trimming, right behind a head that was signed.
    let mut log = Log::sample();
    log.trim_record(vec![trimmed(2, 6)]);
    log.others.retain(|record| record.chain != chain(2) || record.seq >= 6);
    let mut export = log.export();
    other_start(&mut export, chain(2));
    assert_eq!(export.kinds(), [Altered]);
    // And of a whole chain, which was closed with another last record.
    let mut log = Log::sample();
    log.trim_record(vec![trimmed(1, 7)]);
    log.others.retain(|record| record.chain != chain(1));
    assert_eq!(log.export().kinds(), [Altered]);
}

/// What a forger writes about a chain's trimming.
fn trimmed(number: u8, first_kept_seq: u64) -> TrimmedChain {
    TrimmedChain { chain: chain(number), first_kept_seq, prev_hash: hash(9) }
}

#[test]
fn the_furthest_trimming_counts_and_must_fit_the_records_still_there() {
    let mut log = Log::trimmed_sample();
    log.trim_record(vec![trimmed(2, 3)]);
    assert_eq!(log.export().kinds(), [], "an earlier start, said later");
    let mut log = Log::sample();
    log.trim_record(vec![trimmed(2, 4)]);
    // The register stands first, so record 4 is compared when it comes.
    assert_eq!(log.export().kinds(), [Inserted]);
}

#[test]
fn trimming_that_has_not_deleted_everything_yet_passes() {
    let mut log = Log::sample();
    let before = log.clone();
    log.trim(&[(chain(2), 4), (REGISTER, 3)]);
    log.others = before.others;
    let rest = log.register.split_off(0);
    log.register =
        before.register.into_iter().filter(|record| record.seq == 2).chain(rest).collect();
    let report = check(&log.export().bytes(), Options::default());
    assert_eq!(report.findings, []);
}

#[test]
fn a_record_twice_or_that_links_to_nothing_is_inserted() {
    for id in [chain(2), REGISTER] {
        for seq in 1..=3 {
            let kinds = tampered(|export| {
                let position = export.position(id, seq);
                let copy = export.records[position].clone();
                export.records.insert(position + 1, copy);
            });
            assert_eq!(kinds, [Inserted], "{id} {seq} twice");
        }
    }
    let forged = |export: &mut Export| {
        let position = export.position(chain(2), 3);
        let mut copy = export.records[position].clone();
        copy.id = EventId::from_bytes([3; 16]);
        copy.hash = crate::audit::record_hash(&copy, &mut Vec::new());
        (position, copy)
    };
    let kinds = tampered(|export| {
        let (position, copy) = forged(export);
        export.records.insert(position, copy);
    });
    assert_eq!(kinds, [Inserted], "a number taken by two");
    let kinds = tampered(|export| {
        let (position, copy) = forged(export);
        export.records[position] = copy;
    });
    assert_eq!(kinds, [Inserted], "another in its place: the next does not link to it");
    let kinds = tampered(|export| {
        let (position, copy) = forged(export);
        export.records.remove(position);
        let after = export.position(chain(2), 4);
        export.records.insert(after + 1, copy);
    });
    assert_eq!(kinds, [Inserted], "another, late: it fits no gap");
}

#[test]
fn a_chain_that_the_register_does_not_know_is_inserted() {
    let foreign = || {
        let mut log = Log::new();
        log.write(9);
        log.write(9);
        log.export()
    };
    let kinds = tampered(|export| {
        let mut foreign = foreign();
        export.header.chains.push(*foreign.bounds(chain(9)));
        export.records.extend(foreign.records.into_iter().filter(|r| r.chain != REGISTER));
    });
    assert_eq!(kinds, [Inserted]);
    let kinds = tampered(|export| {
        export.records.extend(foreign().records.into_iter().filter(|r| r.chain != REGISTER));
    });
    assert_eq!(kinds, [Inserted], "nor does the header");
}

#[test]
fn records_past_the_end_or_of_another_app_are_inserted() {
    let kinds = tampered(|export| {
        let last = *export.bounds(chain(1));
        let mut more = export.records[export.position(chain(1), last.last_seq)].clone();
        let head = crate::audit::ChainHead { seq: last.last_seq, hash: last.last_hash };
        crate::audit::seal(&mut more, &head, &mut Vec::new());
        export.records.push(more);
        export.rehash(chain(1));
    });
    assert_eq!(kinds, [Inserted], "after chain_closed");
    let kinds = tampered(|export| export.header.app_id = Some(AppId::from_bytes([8; 16])));
    // The checkpoints' signatures cover the record's app, so they still hold.
    assert_eq!(kinds, [Inserted]);
}

#[test]
fn records_in_another_order_are_reordered() {
    let export = Log::sample().export();
    for a in 0..export.records.len() {
        for b in a + 1..export.records.len() {
            if export.records[a].chain == export.records[b].chain {
                let mut export = export.clone();
                export.records.swap(a, b);
                assert_eq!(export.kinds(), [Reordered], "{a} and {b}");
            }
        }
    }
    let kinds = tampered(|export| {
        let last = export.bounds(REGISTER).last_seq;
        let position = export.position(REGISTER, last);
        let record = export.records.remove(position);
        export.records.push(record);
    });
    assert_eq!(kinds, [Reordered], "the register stands first");
}

/// Cuts a chain's records from `seq` on and makes the header fit.
fn cut(export: &mut Export, id: ChainId, seq: u64) {
    let last_hash = export.record(id, seq - 1).hash;
    export.records.retain(|record| record.chain != id || record.seq < seq);
    let bounds = export.bounds(id);
    (bounds.last_seq, bounds.last_hash) = (seq - 1, last_hash);
}

#[test]
fn a_chain_that_ends_early_is_cut_off() {
    let kinds = tampered(|export| {
        export.records.pop();
    });
    assert_eq!(kinds, [CutOff], "before the header's bounds");
    assert_eq!(tampered(|export| cut(export, chain(1), 6)), [CutOff], "before chain_closed");
    assert_eq!(tampered(|export| cut(export, chain(2), 5)), [CutOff], "before a checkpoint's head");
    assert_eq!(tampered(|export| cut(export, chain(2), 6)), [], "newer than every checkpoint");
}

#[test]
fn a_file_that_ends_early_is_cut_off() {
    let bytes = Log::sample().export().bytes();
    let header = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    for length in (header + 1..bytes.len() - 1).step_by(41).chain([0]) {
        let report = check(&bytes[..length], Options::default());
        assert_eq!(kinds(&report), [CutOff], "{length} bytes of {}", bytes.len());
    }
    assert!(check(&bytes[..bytes.len() - 1], Options::default()).ok, "only the last line feed");
}

#[test]
fn a_whole_end_that_was_cut_off_is_found_with_a_kept_checkpoint() {
    let mut log = Log::sample();
    let old = log.export();
    log.write(2);
    log.checkpoint();
    assert_eq!(old.kinds(), [], "nothing in the file tells");
    assert_eq!(kinds_keeping(&old, &log), [CutOff]);
    assert_eq!(kinds_keeping(&Log::new().export(), &log), [ChainLeftOut]);
    let before = log.export();
    log.checkpoint();
    assert_eq!(kinds_keeping(&before, &log), [CutOff], "nothing but the checkpoint itself");
}

#[test]
fn another_history_is_found_with_a_kept_checkpoint() {
    // Whoever holds the key signs another history: only what was kept elsewhere tells.
    let log = Log::sample();
    let mut forged = Log::new();
    for number in [2, 1, 2, 3, 1, 2, 2, 1, 2, 1, 1, 1, 3, 3, 3, 2] {
        forged.write(number);
    }
    for _ in 0..8 {
        forged.checkpoint();
    }
    assert_eq!(forged.export().kinds(), []);
    assert!(kinds_keeping(&forged.export(), &log).contains(&Altered));
    // A checkpoint at the same place, signed by a forger's key that the header names.
    let mut export = log.export();
    export.header.keys = vec![AuditKey::new("k2", &[1; 32])];
    assert_eq!(kinds_keeping(&export, &log), [BadSignature]);
}

#[test]
fn a_chain_without_its_records_is_left_out() {
    let without = |number: u8, from_header: bool| {
        tampered(|export| {
            export.records.retain(|record| record.chain != chain(number));
            if from_header {
                export.header.chains.retain(|bounds| bounds.chain != chain(number));
            }
        })
    };
    for number in 1..=3 {
        assert_eq!(without(number, false), [ChainLeftOut], "{number}: the header names it");
        assert_eq!(without(number, true), [ChainLeftOut], "{number}: the register opened it");
    }
    assert_eq!(tampered(|export| export.records.retain(|r| r.chain != REGISTER)), [ChainLeftOut]);
    let kinds = tampered(|export| {
        export.records.retain(|record| record.chain != REGISTER);
        export.header.register = None;
    });
    assert_eq!(kinds, [ChainLeftOut], "no register at all");
}

#[test]
fn a_chain_said_to_be_trimmed_away_is_left_out_when_it_went_on() {
    let log = Log::trimmed_sample();
    let mut export = log.export();
    export.records.retain(|record| record.chain != chain(2));
    export.header.chains.retain(|bounds| bounds.chain != chain(2));
    assert_eq!(export.kinds(), [ChainLeftOut], "its signed head is newer than its trimming");
}

#[test]
fn a_checkpoint_that_the_key_did_not_sign_is_a_bad_signature() {
    let resigned = |change: fn(&mut CheckpointDetails)| {
        let mut log = Log::sample();
        log.checkpoint();
        let mut export = log.export();
        let last = export.bounds(REGISTER).last_seq;
        let record = export.record(REGISTER, last);
        let mut checkpoint: CheckpointDetails = read_details(record).unwrap();
        change(&mut checkpoint);
        record.details = Some(details(&checkpoint));
        export.rehash(REGISTER);
        export.kinds()
    };
    assert_eq!(resigned(|checkpoint| checkpoint.kid = "k2".to_owned()), [BadSignature]);
    assert_eq!(resigned(|checkpoint| checkpoint.signature = "A".repeat(86)), [BadSignature]);
    assert_eq!(resigned(|checkpoint| checkpoint.signature.clear()), [BadSignature]);
    assert_eq!(resigned(|checkpoint| checkpoint.heads.clear()), [BadSignature]);

    let log = Log::sample();
    let pinned = |key: [u8; 32]| {
        let keys = Some(vec![AuditKey::new(fixture::KID, &key)]);
        kinds(&check(&log.export().bytes(), Options { checkpoint: None, keys }))
    };
    assert_eq!(pinned(log.key), []);
    assert_eq!(pinned([1; 32]), [BadSignature], "the header's own key does not count then");
}

#[test]
fn a_checkpoint_replayed_elsewhere_in_the_register_is_altered() {
    let mut log = Log::sample();
    let heads = log.named_heads();
    log.write(4);
    log.checkpoint_of(heads);
    assert_eq!(log.export().kinds(), [Altered]);
}

#[test]
fn what_is_no_export_is_malformed() {
    let lines = Log::sample().export().lines();
    let only = |bytes: &[u8]| {
        let report = check(bytes, Options::default());
        assert_eq!(kinds(&report), [Malformed], "{}", String::from_utf8_lossy(bytes));
        report.findings[0].text.clone()
    };
    assert!(only(b"id,chain,seq,occurred_at\nevt_1,chain_1,1,x\n").contains("NDJSON"));
    assert!(only(b"\"id\",\"chain\",\"seq\",\"occurred_at\"\r\n").contains("NDJSON"));
    assert!(only(br#"{"agentadmit_export":2,"new":1}"#).contains("version 2"));
    only(b"\n");
    only(b"[]");
    only(&[0xff; 100]);
    only(&join(&lines[1..]));
    only(&[b"\xef\xbb\xbf".to_vec(), join(&lines)].concat());
    only(&join(&[&lines[..], &lines[..1]].concat()));
    only(&join(&[&lines[..], &[b"".to_vec()]].concat()));
    for junk in [&b"{}"[..], b"", b"junk", b"\xff", &vec![b' '; MAX_LINE + 1]] {
        only(&join(&[&lines[..5], &[junk.to_vec()], &lines[5..]].concat()));
    }
}

#[test]
fn headers_that_contradict_themselves_are_malformed() {
    assert_eq!(tampered(|export| export.header.version = 3), [Malformed]);
    assert_eq!(tampered(|export| export.bounds(chain(1)).first_seq = 0), [Malformed]);
    assert_eq!(tampered(|export| export.bounds(chain(1)).first_seq = 90), [Malformed]);
    assert_eq!(tampered(|export| export.header.keys[0].x.push('A')), [BadSignature, Malformed]);
    let twice = |export: &mut Export| export.header.chains.extend(export.header.register);
    assert_eq!(tampered(twice), [Malformed]);
}

#[test]
fn what_a_line_shows_beside_the_record_is_malformed() {
    let lines = Log::sample().export().lines();
    let changed = |from: &str, to: &str| {
        let mut lines = lines.clone();
        let line = String::from_utf8(lines[8].clone()).unwrap();
        assert!(line.contains(from), "{line}");
        lines[8] = line.replacen(from, to, 1).into_bytes();
        kinds(&check(&join(&lines), Options::default()))
    };
    assert_eq!(changed("\"seq\":", "\"note\":\"approved\",\"seq\":"), [Malformed]);
    assert_eq!(changed("\"seq\":", "\"count\":1,\"seq\":"), [Malformed], "a member twice");
    assert_eq!(changed("\"seq\":", "\"seq\": "), [Malformed]);
    assert_eq!(changed("orders", "\\u006frders"), [Malformed]);
    assert_eq!(changed("\"outcome\":\"done\"", "\"outcome\":\"none\""), [Malformed]);
}

#[test]
fn a_filtered_export_is_checked_record_by_record() {
    let mut export = Log::sample().export();
    export.header.filtered = true;
    (export.header.register, export.header.chains) = (None, Vec::new());
    export.records.retain(|record| record.seq != 2);
    let report = check(&export.bytes(), Options::default());
    assert!(report.ok && report.filtered);
    assert_eq!((report.chains, report.checkpoints), (4, 0));
    let bytes = export.bytes();
    export.record(chain(2), 3).count = 9;
    assert_eq!(export.kinds(), [Altered]);
    let log = Log::sample();
    assert_eq!(kinds(&check(&bytes, keeping(&log))), [Malformed], "it cannot be compared");
    assert_eq!(kinds(&check(&bytes[..bytes.len() - 9], Options::default())), [CutOff]);
}

#[test]
fn kept_files_are_checkpoint_records_and_the_newest_counts() {
    let mut log = Log::sample();
    let old = kept_line(&log);
    log.checkpoint();
    let new = kept_line(&log);
    let newest = Checkpoint::newest_of(&new).unwrap();
    for file in [[&old[..], &new].concat(), [&new[..], b"\n", &old].concat()] {
        assert_eq!(Checkpoint::newest_of(&file).as_ref(), Ok(&newest));
    }
    assert_eq!(Checkpoint::newest_of(b" \n"), Err(CheckpointError::Empty));
    let junk = [&old[..], b"junk\n"].concat();
    assert_eq!(Checkpoint::newest_of(&junk), Err(CheckpointError::NotARecord { line: 2 }));
    let other = serde_json::to_vec(&log.others[0]).unwrap();
    assert_eq!(Checkpoint::newest_of(&other), Err(CheckpointError::NotACheckpoint { line: 1 }));
    let altered = String::from_utf8(old).unwrap().replace("\"count\":1", "\"count\":2");
    let altered = Checkpoint::newest_of(altered.as_bytes());
    assert_eq!(altered, Err(CheckpointError::Altered { line: 1 }));
}

#[test]
fn a_kept_checkpoint_of_another_app_is_refused() {
    let log = Log::sample();
    let mut options = keeping(&log);
    options.checkpoint.as_mut().unwrap().app_id = None;
    assert_eq!(kinds(&check(&log.export().bytes(), options)), [Malformed]);
}

#[test]
fn findings_are_bounded() {
    let mut export = Log::sample().export();
    let copy = export.record(chain(2), 1).clone();
    export.records.extend(std::iter::repeat_n(copy, 1_500));
    let report = check(&export.bytes(), Options::default());
    assert_eq!((report.findings.len(), report.findings_left_out), (1_000, 500));
}
