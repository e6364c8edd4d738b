//! API keys and public keys of apps (PROTOCOL, operator API).

use agentadmit_core::Refusal;
use agentadmit_core::account::Need;
use agentadmit_core::app::Tenant;
use agentadmit_core::credential::{ApiKey, PublicKey};
use agentadmit_core::{issue, plan};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AppId, KeyId};
use agentadmit_protocol::permission::Permissions;
use agentadmit_protocol::secret::{Secret, SecretKind};
use agentadmit_protocol::time::Timestamp;
use serde_json::{Value, json};

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::{Answered, Verb, granted};

/// The most API keys of one app that are good at a time.
pub const MAX_API_KEYS: usize = 100;
/// The most public keys of one app.
pub const MAX_PUBLIC_KEYS: usize = 5;

/// Makes an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateApiKey {
    /// The operator.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// The environment it will see.
    pub environment: Environment,
    /// What it may do.
    pub permissions: Permissions,
    /// A name for people.
    pub name: Option<String>,
    /// Its end.
    pub expires_at: Option<Timestamp>,
    /// Where the call came from.
    pub origin: Origin,
}

/// A key that was made.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// Its secret, shown this once.
    pub secret: Secret,
    /// When the key that it replaces dies, where it replaces one.
    pub former_expires_at: Option<Timestamp>,
}

impl Verb for CreateApiKey {
    type Answer = Answered<CreatedApiKey>;
    const NAME: &'static str = "create_api_key";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.keeper(&self.credential, self.app_id, Need::Write)?);
        let app = granted!(tx.known_app(self.app_id)?);
        if self.expires_at.is_some_and(|end| end <= tx.now) {
            let text = "the end of the key lies in the past";
            return Ok(Err(unprocessable(text).field("expires_at")));
        }
        let needs_plan =
            self.environment == Environment::Live && tx.writer.options.live_requires_plan;
        if needs_plan && !plan::allows_live_keys(&app.plan) {
            return Ok(Err(issue::subscription_required(&app)));
        }
        granted!(tx.room_for_a_key(self.app_id)?);
        let secret = tx.writer.mint(secret_kind(self.environment));
        let id = KeyId::v7(tx.now, tx.writer.random_id());
        let key = ApiKey {
            id,
            app_id: self.app_id,
            environment: self.environment,
            permissions: self.permissions,
            name: self.name.clone(),
            bucket: id,
            hash: secret.hash(),
            created_at: tx.now,
            expires_at: self.expires_at,
            revoked_at: None,
        };
        tx.rows.put_api_key(&key)?;
        tx.record(entry(AuditEvent::KeyCreated, operator.actor(), &key, &self.origin)?)?;
        Ok(Ok(CreatedApiKey { key, secret, former_expires_at: None }))
    }
}

/// Replaces a key by one of the same environment, permissions and rate bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateApiKey {
    /// The operator.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// The key that is replaced.
    pub key_id: KeyId,
    /// How long both are good; with 0 the old one is dead when the answer leaves.
    pub overlap_seconds: i64,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for RotateApiKey {
    type Answer = Answered<CreatedApiKey>;
    const NAME: &'static str = "rotate_api_key";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.keeper(&self.credential, self.app_id, Need::Write)?);
        granted!(tx.known_app(self.app_id)?);
        let former = granted!(tx.key_of(self.app_id, self.key_id)?);
        if !former.is_good(tx.now) {
            return Ok(Err(Refusal::new(
                ErrorCode::Conflict,
                "this key is dead already: make a new one instead",
            )));
        }
        granted!(tx.room_for_a_key(self.app_id)?);
        let overlap_end = tx.now.plus_seconds(self.overlap_seconds);
        let end = former.expires_at.map_or(overlap_end, |end| end.min(overlap_end));
        let secret = tx.writer.mint(secret_kind(former.environment));
        let key = ApiKey {
            id: KeyId::v7(tx.now, tx.writer.random_id()),
            hash: secret.hash(),
            created_at: tx.now,
            ..former.clone()
        };
        tx.rows.put_api_key(&ApiKey { expires_at: Some(end), ..former })?;
        tx.rows.put_api_key(&key)?;
        let details = details([
            ("key_id", key.id.to_string().into()),
            ("former_key_id", self.key_id.to_string().into()),
            ("former_expires_at", end.to_string().into()),
        ])?;
        let entry = entry(AuditEvent::KeyRotated, operator.actor(), &key, &self.origin)?;
        tx.record(entry.details(details))?;
        Ok(Ok(CreatedApiKey { key, secret, former_expires_at: Some(end) }))
    }
}

/// Ends a key at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeApiKey {
    /// The operator.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// The key.
    pub key_id: KeyId,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for RevokeApiKey {
    type Answer = Answered<ApiKey>;
    const NAME: &'static str = "revoke_api_key";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.keeper(&self.credential, self.app_id, Need::Write)?);
        granted!(tx.known_app(self.app_id)?);
        let before = granted!(tx.key_of(self.app_id, self.key_id)?);
        if before.revoked_at.is_some() {
            return Ok(Ok(before));
        }
        let key = ApiKey { revoked_at: Some(tx.now), ..before };
        tx.rows.put_api_key(&key)?;
        tx.record(entry(AuditEvent::KeyRevoked, operator.actor(), &key, &self.origin)?)?;
        Ok(Ok(key))
    }
}

/// Says which public keys an app has from now on. Keys that stay keep their id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutPublicKeys {
    /// The operator.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// All of its keys, already checked for kind and size.
    pub keys: Vec<NewPublicKey>,
    /// Where the call came from.
    pub origin: Origin,
}

/// A public key as the operator gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPublicKey {
    /// The RFC 7638 thumbprint.
    pub kid: String,
    /// The environment it sees.
    pub environment: Environment,
    /// What it may do.
    pub permissions: Permissions,
    /// RSA modulus, base64url.
    pub n: String,
    /// RSA exponent, base64url.
    pub e: String,
}

impl Verb for PutPublicKeys {
    type Answer = Answered<Vec<PublicKey>>;
    const NAME: &'static str = "put_public_keys";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let operator = granted!(tx.keeper(&self.credential, self.app_id, Need::Write)?);
        granted!(tx.known_app(self.app_id)?);
        if self.keys.len() > MAX_PUBLIC_KEYS {
            return Ok(Err(unprocessable("an app has at most 5 public keys").field("keys")));
        }
        for (index, key) in self.keys.iter().enumerate() {
            if self.keys.iter().take(index).any(|earlier| earlier.kid == key.kid) {
                let text = "this key is in the list twice";
                return Ok(Err(unprocessable(text).field(format!("keys[{index}]"))));
            }
        }
        let before = tx.rows.public_keys(self.app_id)?;
        let mut after = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let known = before.iter().find(|known| known.kid == key.kid);
            after.push(PublicKey {
                id: match known {
                    Some(known) => known.id,
                    None => KeyId::v7(tx.now, tx.writer.random_id()),
                },
                kid: key.kid.clone(),
                environment: key.environment,
                permissions: key.permissions,
                n: key.n.clone(),
                e: key.e.clone(),
                created_at: known.map_or(tx.now, |known| known.created_at),
            });
        }
        if after == before {
            return Ok(Ok(after));
        }
        tx.rows.put_public_keys(self.app_id, &after)?;
        let details = details([("old", said(&before)), ("new", said(&after))])?;
        let entry = Entry::new(AuditEvent::PublicKeysChanged, operator.actor())
            .tenant(Tenant::new(self.app_id, Environment::Live))
            .details(details)
            .origin(&self.origin);
        tx.record(entry)?;
        Ok(Ok(after))
    }
}

impl Tx<'_> {
    fn key_of(&mut self, app_id: AppId, id: KeyId) -> Result<Answered<ApiKey>, StoreError> {
        Ok(self.rows.api_key_by_id(app_id, id)?.ok_or_else(|| Refusal::not_found("API key")))
    }

    fn room_for_a_key(&mut self, app_id: AppId) -> Result<Answered<()>, StoreError> {
        let now = self.now;
        let good = self.rows.api_keys(app_id)?.iter().filter(|key| key.is_good(now)).count();
        if good < MAX_API_KEYS {
            return Ok(Ok(()));
        }
        Ok(Err(Refusal::new(
            ErrorCode::Conflict,
            "this app has 100 API keys that are good: revoke some first",
        )))
    }
}

fn secret_kind(environment: Environment) -> SecretKind {
    match environment {
        Environment::Test => SecretKind::ApiKeyTest,
        Environment::Live => SecretKind::ApiKeyLive,
    }
}

fn entry(
    event: AuditEvent,
    actor: Actor,
    key: &ApiKey,
    origin: &Origin,
) -> Result<Entry, StoreError> {
    let details = details([
        ("key_id", key.id.to_string().into()),
        ("name", key.name.clone().into()),
        ("permissions", json!(key.permissions)),
        ("expires_at", key.expires_at.map(|end| end.to_string()).into()),
    ])?;
    Ok(Entry::new(event, actor)
        .tenant(Tenant::new(key.app_id, key.environment))
        .details(details)
        .origin(origin))
}

fn said(keys: &[PublicKey]) -> Value {
    keys.iter()
        .map(|key| {
            json!({
                "key_id": key.id,
                "kid": key.kid,
                "environment": key.environment,
                "permissions": key.permissions,
            })
        })
        .collect()
}

fn unprocessable(text: &'static str) -> Refusal {
    Refusal::new(ErrorCode::UnprocessableRequest, text)
}
