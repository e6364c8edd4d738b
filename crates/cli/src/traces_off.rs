//! A program without the feature `otel` writes no traces, and says so to whoever asked for them.

use std::sync::Arc;

use agentadmit_http::observe::RequestObserver;

use crate::exit::Failure;

/// No traces.
pub(crate) struct Traces;

impl Traces {
    /// Warns where the environment names a receiver.
    #[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
    pub(crate) fn as_the_environment_says() -> Result<Self, Failure> {
        for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
            if std::env::var_os(name).is_some_and(|value| !value.is_empty()) {
                tracing::warn!("{name} is set, and this program was built without traces (otel)");
            }
        }
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "with the feature it has a part of it")]
    pub(crate) fn observer(&self) -> Option<Arc<dyn RequestObserver>> {
        None
    }

    #[expect(clippy::unused_self, reason = "with the feature it ends")]
    pub(crate) fn end(self) {}
}
