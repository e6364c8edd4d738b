//! `GET /v1/audit`, `GET /v1/audit/export`, `GET /v1/audit/keys`.

use serde::{Deserialize, Serialize};

use crate::api::query::{Cursor, PageLimit};
use crate::audit::{Actor, AuditEvent, AuditRecord, Outcome};
use crate::environment::Environment;
use crate::id::{AppId, ConnectionId};
use crate::text::{Text, UserId};
use crate::time::Timestamp;
use crate::wire::words;

/// Which records a search shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct AuditQuery {
    /// Only about this connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// Only about this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Only this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<AuditEvent>,
    /// Only what was done with this credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Only what ended like this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Only for exactly this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// Not before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// How many, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<PageLimit>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// Which records an operator's search shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct OperatorAuditQuery {
    /// Only of this app.
    pub app_id: Option<AppId>,
    /// Only of this environment.
    pub environment: Option<Environment>,
    /// Only about this connection.
    pub connection_id: Option<ConnectionId>,
    /// Only about this user.
    pub user_id: Option<UserId>,
    /// Only this event.
    pub event: Option<AuditEvent>,
    /// Only what was done with this credential.
    pub actor: Option<Actor>,
    /// Only what ended like this.
    pub outcome: Option<Outcome>,
    /// Only for exactly this reason.
    pub reason: Option<Text>,
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    /// How many, at most.
    pub limit: Option<PageLimit>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

/// What an export holds, and in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct ExportQuery {
    /// The form; NDJSON when nothing is said.
    pub format: Option<ExportFormat>,
    /// Only about this connection; a filtered export verifies record by record only.
    pub connection_id: Option<ConnectionId>,
    /// Only about this user.
    pub user_id: Option<UserId>,
    /// Only this event.
    pub event: Option<AuditEvent>,
    /// Only what was done with this credential.
    pub actor: Option<Actor>,
    /// Only what ended like this.
    pub outcome: Option<Outcome>,
    /// Only for exactly this reason.
    pub reason: Option<Text>,
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
}

/// What an operator's export holds: one environment of one app, or, when none is named, what
/// concerns the service itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct OperatorExportQuery {
    /// Only of this app; needs `environment`.
    pub app_id: Option<AppId>,
    /// Only of this environment; needs `app_id`.
    pub environment: Option<Environment>,
    /// The form; NDJSON when nothing is said.
    pub format: Option<ExportFormat>,
    /// Only about this connection; a filtered export verifies record by record only.
    pub connection_id: Option<ConnectionId>,
    /// Only about this user.
    pub user_id: Option<UserId>,
    /// Only this event.
    pub event: Option<AuditEvent>,
    /// Only what was done with this credential.
    pub actor: Option<Actor>,
    /// Only what ended like this.
    pub outcome: Option<Outcome>,
    /// Only for exactly this reason.
    pub reason: Option<Text>,
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
}

words! {
    /// The form of an export.
    #[derive(Default)]
    pub enum ExportFormat {
        /// A JSON object per line; verifies offline.
        #[default]
        Ndjson = "ndjson",
        /// For people and their spreadsheets.
        Csv = "csv",
    }
}

/// A page of records, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditList {
    /// The page; it may be short, even empty, and still have a next one.
    pub events: Vec<AuditRecord>,
    /// Where the next page begins; `null` on the last.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_cursor: Option<Cursor>,
}

/// Whether the log is whole, as the node that answers knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditVerification {
    /// The check that runs.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub running: Option<RunningVerification>,
    /// The newest check that came to its end since the node started.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last: Option<LastVerification>,
    /// When the newest check broke off because the store failed, where none ended since.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub failed_at: Option<Timestamp>,
}

/// How far a check of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunningVerification {
    /// When it began.
    pub started_at: Timestamp,
    /// Records that were hashed again.
    pub records: u64,
    /// Where in the log it is.
    pub position: i64,
    /// Where in the log it will end.
    pub end: i64,
}

/// What a check of the log found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastVerification {
    /// When it began: what was recorded later was not looked at.
    pub started_at: Timestamp,
    /// When it ended.
    pub verified_at: Timestamp,
    /// Whether every record is unaltered and every chain reaches its head without a gap.
    pub intact: bool,
    /// Records that were hashed again.
    pub records: u64,
    /// Chains that were followed.
    pub chains: u64,
    /// What is wrong, in sentences; the first hundred.
    pub findings: Vec<String>,
    /// How many findings there are.
    pub findings_total: u64,
}

/// The keys that the service signs checkpoints with, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditKeys {
    /// As a JWK set (RFC 7517 section 5).
    pub keys: Vec<AuditKey>,
}

/// An Ed25519 public key as a JWK (RFC 8037 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditKey {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// The RFC 7638 thumbprint.
    pub kid: String,
    /// The key: 32 bytes in base64url without padding.
    pub x: String,
    /// Always `EdDSA`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}
