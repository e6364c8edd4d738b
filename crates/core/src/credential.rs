//! The rows behind credentials, and whether one is good now.

use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, KeyId, OperatorId};
use agentadmit_protocol::permission::{Permission, Permissions};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::{App, Tenant};
use crate::refusal::Refusal;

/// An API key. Its secret is stored as a hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The public name of the key.
    pub id: KeyId,
    /// The app it speaks for.
    pub app_id: AppId,
    /// The environment it sees, and the only one.
    pub environment: Environment,
    /// What it may do.
    pub permissions: Permissions,
    /// A name for people.
    pub name: Option<String>,
    /// The rate bucket: the first key of a line of rotations, which all share it.
    pub bucket: KeyId,
    /// SHA-256 of the secret.
    pub hash: SecretHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// Dead from this moment on.
    pub expires_at: Option<Timestamp>,
    /// Dead since this moment.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key itself is good now.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A registered public key of an app, for `private_key_jwt` (RFC 7523).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Its name in records, as an API key has one.
    pub id: KeyId,
    /// The RFC 7638 thumbprint.
    pub kid: String,
    /// The environment it sees.
    pub environment: Environment,
    /// What it may do.
    pub permissions: Permissions,
    /// RSA modulus, base64url without padding (RFC 7518 section 6.3.1).
    pub n: String,
    /// RSA exponent, base64url without padding.
    pub e: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// An operator of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The public name.
    pub id: OperatorId,
    /// A name for people.
    pub name: Option<String>,
    /// `true` for a token that may set plans and nothing else.
    pub billing_only: bool,
    /// SHA-256 of the token.
    pub hash: SecretHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// Dead from this moment on.
    pub expires_at: Option<Timestamp>,
    /// Dead since this moment.
    pub revoked_at: Option<Timestamp>,
}

impl Operator {
    /// Whether the token is good now.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A caller whose app credential was found good: who it is and what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppCaller {
    /// The app and environment that the credential sees.
    pub tenant: Tenant,
    /// The credential's name in records.
    pub key: KeyId,
    /// The rate bucket that its calls are charged to.
    pub bucket: KeyId,
    /// What it may do.
    pub permissions: Permissions,
}

impl AppCaller {
    /// The caller behind an API key, if key and app are good now.
    ///
    /// # Errors
    /// `invalid_api_key`, whatever is wrong with it.
    pub fn from_api_key(key: &ApiKey, app: &App, now: Timestamp) -> Result<Self, Refusal> {
        if !key.is_good(now) || app.deleted_at.is_some() {
            return Err(Refusal::invalid_api_key());
        }
        Ok(Self {
            tenant: Tenant::new(key.app_id, key.environment),
            key: key.id,
            bucket: key.bucket,
            permissions: key.permissions,
        })
    }

    /// The caller behind a client assertion whose signature and claims were good.
    ///
    /// # Errors
    /// `invalid_api_key` when the app is gone.
    pub fn from_public_key(key: &PublicKey, app: &App) -> Result<Self, Refusal> {
        if app.deleted_at.is_some() {
            return Err(Refusal::invalid_api_key());
        }
        Ok(Self {
            tenant: Tenant::new(app.id, key.environment),
            key: key.id,
            bucket: key.id,
            permissions: key.permissions,
        })
    }

    /// Whether the credential may do this.
    ///
    /// # Errors
    /// `forbidden`, naming the permission that is missing.
    pub fn require(&self, permission: Permission) -> Result<(), Refusal> {
        if self.permissions.contains(permission) {
            return Ok(());
        }
        Err(Refusal::new(
            agentadmit_protocol::error::ErrorCode::Forbidden,
            format!("this credential lacks the permission `{}`", permission.as_str()),
        ))
    }

    /// Whether the app in the address is the caller's own.
    ///
    /// # Errors
    /// `not_found`: existence elsewhere is not revealed.
    pub fn require_app(&self, app_id: AppId) -> Result<(), Refusal> {
        if self.tenant.app_id == app_id { Ok(()) } else { Err(Refusal::not_found("app")) }
    }
}
