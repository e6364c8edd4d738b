//! A restore explains what a kept checkpoint misses, stays a finding, and hides nothing.

use super::fixture::{Export, Log, REGISTER, chain, check, kinds};
use super::{keeping, kinds_keeping};
use crate::audit::export::AuditKey;
use crate::audit::verify::FindingKind::{Altered, ChainLeftOut, CutOff, LostInRestore};
use crate::audit::verify::{FindingKind, Options};

/// A backup, the log that went on after it and was lost, and the log of the restored store, whose
/// service closed what was open.
fn lost_and_restored() -> (Log, Log) {
    let backup = Log::sample();
    let mut lost = backup.clone();
    for number in [2, 3, 4, 4, 2] {
        lost.write(number);
    }
    lost.checkpoint();
    let mut restored = backup.restored(&lost);
    for number in [2, 3] {
        restored.close(number);
    }
    restored.write(5);
    (lost, restored)
}

#[test]
fn what_a_restore_took_is_said_and_stays_a_finding() {
    let (lost, mut restored) = lost_and_restored();
    restored.checkpoint();
    let report = check(&restored.export().bytes(), keeping(&lost));
    assert_eq!(kinds(&report), [LostInRestore]);
    // chains 2 and 3 went on, 4 was new, and so did the register
    assert_eq!(report.findings.len(), 4);
    let [restore] = report.restores.as_slice() else { panic!("{:?}", report.restores) };
    assert!(restore.signed);
    for finding in &report.findings {
        let (id, seq) = (restore.id.to_string(), format!("record {} of", restore.seq));
        assert!(finding.text.contains(&id) && finding.text.contains(&seq), "{finding:?}");
    }
    // without the checkpoint nothing is missed, and the report still tells of the restore
    let report = check(&restored.export().bytes(), Options::default());
    assert!(report.ok && report.restores.len() == 1);
}

#[test]
fn a_restore_that_lost_nothing_of_the_checkpoint_is_no_finding() {
    let mut log = Log::sample();
    log.checkpoint();
    let mut restored = log.restored(&log);
    restored.checkpoint();
    assert_eq!(kinds_keeping(&restored.export(), &log), []);
}

#[test]
fn a_restore_that_nobody_signed_explains_nothing() {
    let (lost, restored) = lost_and_restored();
    let report = check(&restored.export().bytes(), keeping(&lost));
    let found = kinds(&report);
    assert!(!found.contains(&LostInRestore) && found.contains(&CutOff), "{found:?}");
    assert!(!report.restores[0].signed);
}

#[test]
fn a_forger_with_a_key_of_their_own_explains_nothing() {
    let (lost, mut forged) = lost_and_restored();
    let real = forged.key;
    forged.key = [9; 32];
    let before = forged.register.len();
    forged.checkpoint();
    let mut export = forged.export();
    // the header names both keys, the forger's under a name of its own
    export.header.keys = vec![AuditKey::new("k1", &real), AuditKey::new("k2", &[9; 32])];
    let position = export.position(REGISTER, before as u64 + 1);
    let details = export.records[position].details.as_ref().unwrap().to_value().to_string();
    assert!(details.contains("k1"));
    let with_other_name = resigned(&forged);
    export.records[position] = with_other_name;
    export.rehash(REGISTER);
    let found = kinds_keeping(&export, &lost);
    assert!(!found.contains(&LostInRestore) && found.contains(&CutOff), "{found:?}");
}

/// The newest checkpoint of a log, signed by its key under the name `k2`.
fn resigned(log: &Log) -> agentadmit_protocol::audit::AuditRecord {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut record = log.register.last().unwrap().clone();
    let mut checkpoint = crate::audit::register::Checkpoint::of_record(&record).unwrap();
    checkpoint.details.kid = "k2".to_owned();
    let message = checkpoint.message().unwrap();
    let signature = super::fixture::sign(&log.key, message.as_bytes());
    checkpoint.details.signature = URL_SAFE_NO_PAD.encode(signature);
    record.details = Some(super::details(&checkpoint.details));
    record
}

#[test]
fn a_restore_before_the_checkpoint_explains_nothing() {
    let (lost, mut restored) = lost_and_restored();
    restored.checkpoint();
    let early = restored.export();
    // the checkpoint is kept from the restored store, and then its end is cut off
    restored.write(5);
    restored.checkpoint();
    assert_eq!(kinds_keeping(&early, &restored), [CutOff]);
    assert_eq!(kinds_keeping(&early, &lost), [LostInRestore]);
}

#[test]
fn what_the_backup_had_is_not_explained() {
    let (lost, mut restored) = lost_and_restored();
    restored.checkpoint();
    let tampered = |change: &dyn Fn(&mut Export)| -> Vec<FindingKind> {
        let mut export = restored.export();
        change(&mut export);
        kinds_keeping(&export, &lost)
    };
    let altered = tampered(&|export| {
        export.record(chain(2), 2).count = 7;
        export.rehash(chain(2));
    });
    assert_eq!(altered, [Altered, LostInRestore], "hashed anew, and not what was closed");
    let left_out = tampered(&|export| {
        export.records.retain(|record| record.chain != chain(2));
        export.header.chains.retain(|bounds| bounds.chain != chain(2));
    });
    assert!(left_out.contains(&ChainLeftOut), "{left_out:?}");
    let claimed = tampered(&|export| {
        // the forger lets the restore go further back than it did
        let position = export.records.iter().position(|record| {
            record.event == agentadmit_protocol::audit::AuditEvent::StoreRestored
        });
        let record = &mut export.records[position.unwrap()];
        let mut heads: crate::audit::register::StoreRestored =
            crate::audit::register::read_details(record).unwrap();
        heads.heads.retain(|head| head.chain == REGISTER);
        record.details = Some(super::details(&heads));
        export.rehash(REGISTER);
    });
    assert!(claimed.contains(&Altered) && !claimed.contains(&LostInRestore), "{claimed:?}");
}
