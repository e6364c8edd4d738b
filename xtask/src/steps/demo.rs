//! The demo, as the README tells people to run it.

use anyhow::Result;

use super::Run;
use crate::{process, report::Counts};

/// `cargo run --release -- demo --once` exits 0 only if every step of the story behaved.
pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    let mut cargo = run.workspace.cargo();
    let passed = process::run(cargo.args(["run", "--release", "--", "demo", "--once"]))?;
    Ok(Counts::one(passed))
}
