//! Nodes of the service on one database, asked side by side.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{
    bench::{
        Server,
        load::{self, Load, Sample},
    },
    process,
};

/// The key under which the nodes seal the service's secrets, which nobody else ever sees.
const SECRET_KEY: &str = "Y2FyZ28geHRhc2sgYmVuY2g6IG5vdGhpbmcgc2VjcmU";

/// Nodes that run.
pub(super) struct Nodes(Vec<Server>);

impl Nodes {
    pub(super) fn start(service: &Path, store: &str, nodes: u32) -> Result<Self> {
        let start = |_| {
            let mut serve = Command::new(service);
            serve.args(["serve", "--listen", "127.0.0.1:0", "--log", "error"]);
            serve.env("AGENTADMIT_STORE", store).env("AGENTADMIT_SECRET_KEY", SECRET_KEY);
            Server::start_command(serve)
        };
        Ok(Self((0..nodes).map(start).collect::<Result<_>>()?))
    }

    /// Asks all of them at once, the clients shared out among them.
    pub(super) fn ask(&self, load: &Load, clients: u32, seconds: u32) -> Result<Sample> {
        let nodes = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let each = (clients / nodes.max(1)).max(1);
        let mut asking = Vec::new();
        for node in &self.0 {
            let mut wrk = load.command(&node.address, each, seconds);
            let child = wrk.stdout(Stdio::piped()).spawn().context("wrk cannot be started")?;
            asking.push((process::shown(&wrk), child));
        }
        let mut samples = Vec::new();
        for (shown, child) in asking {
            let output = child.wait_with_output().with_context(|| shown)?;
            samples.push(load::parse(&String::from_utf8_lossy(&output.stdout), false)?);
        }
        together(&samples).context("at least one node")
    }

    /// Processor time of all of them so far, in seconds.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.0.iter().map(Server::cpu_seconds).sum()
    }

    /// Ends them in good order.
    pub(super) fn stop(self) -> Result<()> {
        self.0.into_iter().try_for_each(Server::stop)
    }
}

/// What was measured at the same time as one: calls add up, and of waits the longest counts.
fn together(samples: &[Sample]) -> Option<Sample> {
    let first = *samples.first()?;
    let most = |figure: fn(&Sample) -> f64| samples.iter().map(figure).fold(0.0, f64::max);
    Some(Sample {
        requests: samples.iter().map(|sample| sample.requests).sum(),
        seconds: most(|sample| sample.seconds),
        p50_us: most(|sample| sample.p50_us),
        p99_us: most(|sample| sample.p99_us),
        p999_us: most(|sample| sample.p999_us),
        ..first
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_add_up_and_the_longest_wait_counts() {
        let sample = |requests, p99_us| Sample {
            requests,
            seconds: 2.0,
            p50_us: 1.0,
            p99_us,
            p999_us: 3.0,
            refused: 0,
            broken: 0,
            cpu_seconds: 0.0,
            written_bytes: 0.0,
        };
        let all = together(&[sample(10, 2.0), sample(30, 9.0)]).unwrap();
        assert_eq!(all.requests, 40);
        assert!((all.requests_per_second() - 20.0).abs() < 1e-9 && (all.p99_us - 9.0).abs() < 1e-9);
        assert!(together(&[]).is_none());
    }
}
