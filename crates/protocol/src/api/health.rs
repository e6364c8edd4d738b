//! `GET /healthz`, `GET /readyz` and `GET /v1/operator/health`.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
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
    /// Such as `admission`, `store`, `disk`, `clock`.
    pub name: String,
    /// Whether it is well.
    pub status: HealthStatus,
    /// What is wrong, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub detail: Option<String>,
}

/// How the service is doing, for whoever runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorHealth {
    /// The version of the program that serves.
    pub version: String,
    /// The service's own address, as client assertions must name it.
    pub issuer: String,
    /// The service's time.
    pub now: Timestamp,
    /// How its store is doing.
    pub store: StoreHealth,
    /// How far its log goes.
    pub log: LogHealth,
}

/// How a store is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoreHealth {
    /// How long a write took just now until it was on the disk, its wait for a turn included, in
    /// microseconds.
    pub write_microseconds: u64,
    /// Bytes that are left where the store lies; `null` where that cannot be said.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub free_bytes: Option<u64>,
}

/// How far the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogHealth {
    /// The newest position; 0 when there is no record.
    pub end: i64,
    /// When its newest record was written.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub newest_record_at: Option<Timestamp>,
}
