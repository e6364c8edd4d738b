//! The hot path is no longer than its committed length.

use anyhow::Result;

use super::Run;
use crate::{
    Verdict,
    bench::{Counted, Instructions},
    report::Counts,
};

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    match (Instructions { check: true }).count(run.workspace)? {
        Counted::Verdict(verdict) => Ok(Counts::one(verdict == Verdict::Clean)),
        Counted::Skipped(why) => {
            println!("skipped: {why}");
            Ok(Counts::one_skipped())
        }
    }
}
