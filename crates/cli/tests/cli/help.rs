//! The help texts, as people read them.

use crate::support::{Ran, agentadmit};

fn help(arguments: &[&str]) -> String {
    Ran::of(agentadmit().args(arguments).arg("--help")).ok().stdout
}

#[test]
fn help_of_the_program() {
    insta::assert_snapshot!(help(&[]));
}

#[test]
fn help_of_serve() {
    insta::assert_snapshot!(help(&["serve"]));
}

#[test]
fn help_of_operator_create() {
    insta::assert_snapshot!(help(&["operator", "create"]));
}

#[test]
fn help_of_audit_verify() {
    insta::assert_snapshot!(help(&["audit", "verify"]));
}

#[test]
fn help_of_restore() {
    insta::assert_snapshot!(help(&["restore"]));
}

#[test]
fn generated_files_are_printed_the_same_every_time() {
    for what in ["openapi", "error-codes", "cli-reference"] {
        let print = || Ran::of(agentadmit().args(["__generate", what])).ok().stdout;
        let first = print();
        assert!(first.len() > 1_000 && first.ends_with('\n'), "{what}");
        assert_eq!(first, print(), "{what}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let said = Ran::of(agentadmit().arg("--version")).ok().stdout;
    assert_eq!(said, format!("agentadmit {}\n", env!("CARGO_PKG_VERSION")));
}
