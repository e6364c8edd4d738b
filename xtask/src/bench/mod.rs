//! `cargo xtask bench`: how fast it is, beside a yardstick that runs in the same minutes on the same
//! machine.

pub(crate) mod ask;
mod dashboard;
mod flush;
mod instructions;
mod load;
pub(crate) mod machine;
mod overload;
mod postgres;
mod python;
mod sdk;
mod server;
mod stores;
mod table;
mod verify;

use anyhow::Result;
use clap::{Args, Subcommand};

pub(crate) use instructions::{Counted, Instructions};
pub(crate) use load::{Load, Question};
pub(crate) use server::Server;
pub(crate) use stores::{StoreCopy, Wanted};

use crate::{Chore, Verdict, workspace::Workspace};

/// Measure how fast the service is, beside a yardstick in the same run.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Durable verifies on a large store: in a file beside a fixed answer of bare hyper, on a
    /// database beside pgbench
    Verify(verify::Verify),
    /// Verify as an app asks it: the clients of the SDK beside reqwest
    Sdk(sdk::Sdk),
    /// What a Python app pays: a call beside other clients and a check of a JWT, a guarded route, an
    /// import
    Python(python::Python),
    /// Many times more calls than a slow disk or a full core can take: what is still done, and how
    /// the rest is told
    Overload(overload::Overload),
    /// Every view of the dashboard on a store with 100,000 connections and 10 million records
    Dashboard(dashboard::Dashboard),
    /// Instructions of one verify, counted by callgrind and compared with the committed counts
    Instructions(Instructions),
}

impl Chore for Bench {
    fn run(self, workspace: &Workspace) -> Result<Verdict> {
        match self.what {
            What::Verify(verify) => verify.run(workspace),
            What::Sdk(sdk) => sdk.run(workspace),
            What::Python(python) => python.run(workspace),
            What::Overload(overload) => overload.run(workspace),
            What::Dashboard(dashboard) => dashboard.run(workspace),
            What::Instructions(instructions) => instructions.run(workspace),
        }
    }
}
