//! What the service says of itself under `/metrics`.

use anyhow::{Context, Result};

use crate::bench::Server;

/// Where the metrics are, and the credential for them.
pub(super) struct Metrics {
    agent: ureq::Agent,
    url: String,
    bearer: String,
}

impl Metrics {
    pub(super) fn of(server: &Server, operator_token: &str) -> Self {
        let agent = ureq::Agent::new_with_defaults();
        let url = format!("{}/metrics", server.address);
        Self { agent, url, bearer: format!("Bearer {operator_token}") }
    }

    /// Calls that were allowed since the service started.
    pub(super) fn allowed(&self) -> Result<u64> {
        let mut answer = self.agent.get(&self.url).header("Authorization", &self.bearer).call()?;
        let text = answer.body_mut().read_to_string()?;
        Ok(counter(&text, r#"agentadmit_verdicts_total{verdict="allowed"}"#).unwrap_or(0))
    }
}

/// The value of a series in the text of Prometheus; a series that never counted is not there.
fn counter(text: &str, series: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().context("a counter is a number").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_labels() {
        let text = "# HELP a\nv_total{verdict=\"no\"} 3\nv_total{verdict=\"yes\"} 42\n";
        assert_eq!(counter(text, r#"v_total{verdict="yes"}"#), Some(42));
        assert_eq!(counter(text, r#"v_total{verdict="never"}"#), None);
    }
}
