//! `cargo xtask bench dashboard`: every view of the dashboard on a store with many connections and a
//! long log. The measuring is the program `dashboard` of the test kit.

use std::fs;

use anyhow::Result;
use clap::Args;

use crate::{Verdict, process, workspace::Workspace};

/// How large the store is.
#[derive(Args)]
pub(super) struct Dashboard {
    /// Apps
    #[arg(long, default_value_t = 500)]
    apps: u32,

    /// Connections of all apps
    #[arg(long, default_value_t = 100_000)]
    connections: u32,

    /// Records in the log
    #[arg(long, default_value_t = 10_000_000)]
    records: u64,

    /// How often each view is asked for
    #[arg(long, default_value_t = 200)]
    times: u32,
}

impl Dashboard {
    pub(super) fn run(&self, workspace: &Workspace) -> Result<Verdict> {
        let folder = workspace.scratch("bench")?.join("dashboard");
        if folder.is_dir() {
            fs::remove_dir_all(&folder)?;
        }
        let mut run = workspace.cargo();
        run.args(["run", "--release", "-p", "agentadmit-testkit", "--features", "dashboard"]);
        run.args(["--bin", "dashboard", "--", "--folder"]).arg(&folder);
        run.args(["--apps", &self.apps.to_string()]);
        run.args(["--connections", &self.connections.to_string()]);
        run.args(["--records", &self.records.to_string()]);
        run.args(["--times", &self.times.to_string()]);
        let is_within = process::run(&mut run)?;
        // it is large, and the next run makes its own
        fs::remove_dir_all(&folder)?;
        Ok(if is_within { Verdict::Clean } else { Verdict::Findings })
    }
}
