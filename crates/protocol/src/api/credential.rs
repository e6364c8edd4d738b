//! `GET /v1/credential`.

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::id::{AppId, KeyId};
use crate::permission::Permissions;

/// What the credential of a call is, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CredentialAnswer {
    /// The credential's name in audit records.
    pub key_id: KeyId,
    /// Whose it is.
    pub app_id: AppId,
    /// The environment that it sees, and the only one.
    pub environment: Environment,
    /// What it may do.
    pub permissions: Permissions,
}
