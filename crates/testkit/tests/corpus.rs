//! The committed inputs of the fuzz targets, looked at without a fuzzer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use agentadmit_testkit::fuzz::{self, TARGETS};

/// Fewer inputs than this are no corpus.
const FEWEST: usize = 10;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The names in a folder, without the end of a file's name.
fn names(folder: &Path) -> BTreeSet<String> {
    let files = files(folder);
    files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_committed_input_holds() {
    let mut found = Vec::new();
    for (name, target) in TARGETS {
        let corpus = files(&fuzz_folder().join("corpus").join(name));
        assert!(corpus.len() >= FEWEST, "{name}: {} inputs", corpus.len());
        for file in corpus {
            let input = fs::read(&file).unwrap();
            if panic::catch_unwind(|| target(&input)).is_err() {
                found.push(file);
            }
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn targets_programs_and_corpora_are_the_same() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz_folder().join("fuzz_targets")), targets);
    assert_eq!(names(&fuzz_folder().join("corpus")), targets);
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

/// Everything that the fuzz targets need is compiled a second time, with the fuzzer's counters: a
/// heavy dependency there costs minutes of every run of the tests.
#[test]
fn the_fuzz_targets_build_without_cryptography_and_database() {
    let lock = fs::read_to_string(fuzz_folder().join("Cargo.lock")).unwrap();
    for heavy in ["aws-lc-sys", "libsqlite3-sys", "rustls", "tokio", "hyper"] {
        assert!(!lock.contains(&format!("name = \"{heavy}\"")), "{heavy}");
    }
}

/// The sample from which the mutations of `audit_file` begin is committed as an input too.
#[test]
fn the_sample_export_is_what_is_committed() {
    let file = fuzz_folder().join("corpus/audit_file/in_order.ndjson");
    assert_eq!(fs::read(file).unwrap(), fuzz::sample_export());
}
