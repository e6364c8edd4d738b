//! The steps that are one or two plain calls of cargo.

use anyhow::Result;

use super::Run;
use crate::{
    process,
    report::{self, Counts},
};

/// `cargo fmt --all --check`.
pub(super) fn fmt(run: &Run<'_>) -> Result<Counts> {
    let passed = process::run(run.workspace.cargo().args(["fmt", "--all", "--check"]))?;
    Ok(Counts::one(passed))
}

/// `cargo clippy` over everything, warnings being errors.
pub(super) fn clippy(run: &Run<'_>) -> Result<Counts> {
    let mut cargo = run.workspace.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--all-features"]);
    Ok(Counts::one(process::run(cargo.args(["--", "-D", "warnings"]))?))
}

/// `cargo doc`, warnings being errors, and the examples in the documentation.
pub(super) fn docs(run: &Run<'_>) -> Result<Counts> {
    let mut doc = run.workspace.cargo();
    doc.args(["doc", "--workspace", "--all-features", "--no-deps"]);
    let built = Counts::one(process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?);

    let mut test = run.workspace.cargo();
    test.args(["test", "--quiet", "--workspace", "--all-features", "--doc", "--no-fail-fast"]);
    let finished = process::run_captured(test.env("CARGO_TERM_COLOR", "never"))?;
    let examples = report::of_libtest(&finished.stdout);
    let crashed = !finished.status.success() && examples.failed == 0;
    Ok(built + if crashed { examples + Counts::one_failed() } else { examples })
}
