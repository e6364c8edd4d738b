//! `GET /healthz` and `GET /readyz`.

use serde::{Deserialize, Serialize};

use crate::wire::words;

words! {
    /// Whether the service is well.
    pub enum HealthStatus {
        /// It is.
        Ok = "ok",
        /// It is not: see the checks.
        Failing = "failing",
    }
}

/// The process runs and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthAnswer {
    /// Always `ok`.
    pub status: HealthStatus,
}

/// Whether the service can answer a verify: 200 when every check is `ok`, else 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadyAnswer {
    /// `ok` when every check is.
    pub status: HealthStatus,
    /// What was looked at.
    pub checks: Vec<ReadyCheck>,
}

/// One thing that must be well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadyCheck {
    /// Such as `store`, `clock`, `admission`.
    pub name: String,
    /// Whether it is well.
    pub status: HealthStatus,
    /// What is wrong, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub detail: Option<String>,
}
