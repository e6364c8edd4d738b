//! The release binary under faults, as `cargo xtask faults` runs it.

use anyhow::Result;

use super::Run;
use crate::{faults::Faults, report::Counts};

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    Faults { short: !run.full, only: Vec::new() }.count(run.workspace)
}
