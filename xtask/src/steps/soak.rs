//! Sizes and records under full load, in the short form.

use anyhow::Result;

use super::Run;
use crate::{
    report::Counts,
    soak::{Soak, Soaked},
};

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    match Soak::short().soak(run.workspace)? {
        Soaked::Judged { passed, failed } => Ok(Counts { passed, failed, ..Counts::default() }),
        Soaked::Skipped(why) => {
            println!("skipped: {why}");
            Ok(Counts::one_skipped())
        }
    }
}
