//! The app's registered RS256 keys: `PUT /v1/operator/apps/{app_id}/public-keys` and
//! `GET /v1/apps/{app_id}/jwks`.

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::id::{AppId, KeyId};
use crate::permission::Permissions;
use crate::text::{InvalidText, texts};
use crate::time::Timestamp;
use crate::wire::{object, words};

/// The most keys that an app registers.
pub const MAX_PUBLIC_KEYS: usize = 5;

words! {
    /// The family of a key (RFC 7517 section 4.1).
    #[derive(Default)]
    pub enum KeyType {
        /// RSA.
        #[default]
        Rsa = "RSA",
    }
}

words! {
    /// How a key signs (RFC 7517 section 4.4).
    #[derive(Default)]
    pub enum KeyAlgorithm {
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        #[default]
        Rs256 = "RS256",
    }
}

words! {
    /// What a key is for (RFC 7517 section 4.2).
    #[derive(Default)]
    pub enum KeyUse {
        /// Signatures.
        #[default]
        Sig = "sig",
    }
}

texts! {
    /// Bytes in base64url without padding, at most 1024 characters.
    Base64Url, "base64url", base64url,
        crate::schema::pattern("^[A-Za-z0-9_-]{1,1024}$", "Base64url without padding.", "AQAB");
}

fn base64url(text: &str) -> Result<(), InvalidText> {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=1024).contains(&text.len()) && text.len() % 4 != 1 && text.bytes().all(is_digit) {
        return Ok(());
    }
    Err(InvalidText::Rule("must be base64url without padding, at most 1024 characters"))
}

/// All of an app's keys as they shall be from now on: a key that is missing is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PutPublicKeysRequest {
    /// At most five.
    #[serde(deserialize_with = "crate::wire::some_of::<MAX_PUBLIC_KEYS, _, _>")]
    #[cfg_attr(feature = "openapi", schema(max_items = 5))]
    pub keys: Vec<PublicKeyEntry>,
}
object!(PutPublicKeysRequest);

/// An RSA public key of 2048 to 4096 bits as a JWK (RFC 7518 section 6.3.1), and what it may do.
///
/// A private key is refused for its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicKeyEntry {
    /// The family.
    pub kty: KeyType,
    /// The modulus.
    pub n: Base64Url,
    /// The exponent.
    pub e: Base64Url,
    /// The RFC 7638 thumbprint; where it is sent, it must be that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<Base64Url>,
    /// How it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<KeyAlgorithm>,
    /// What it is for.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub usage: Option<KeyUse>,
    /// The environment that it sees.
    pub environment: Environment,
    /// What it may do.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Permissions>))]
    pub permissions: Permissions,
}
object!(PublicKeyEntry);

/// An app's keys, as an operator sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicKeysAnswer {
    /// Whose.
    pub app_id: AppId,
    /// The keys.
    pub keys: Vec<PublicKeyView>,
}

/// A registered key, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicKeyView {
    /// Its name in records.
    pub key_id: KeyId,
    /// The RFC 7638 thumbprint.
    pub kid: Base64Url,
    /// The environment that it sees.
    pub environment: Environment,
    /// What it may do.
    pub permissions: Permissions,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// An app's keys, for anyone (RFC 7517 section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JwksAnswer {
    /// The keys.
    pub keys: Vec<PublicJwk>,
}

/// One key, for anyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicJwk {
    /// The family.
    pub kty: KeyType,
    /// What it is for.
    #[serde(rename = "use")]
    pub usage: KeyUse,
    /// How it signs.
    pub alg: KeyAlgorithm,
    /// The RFC 7638 thumbprint.
    pub kid: Base64Url,
    /// The modulus.
    pub n: Base64Url,
    /// The exponent.
    pub e: Base64Url,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_refused() {
        let public = r#"{"kty":"RSA","n":"AQAB","e":"AQAB","environment":"test"}"#;
        let entry: PublicKeyEntry = serde_json::from_str(public).unwrap();
        assert_eq!(entry.permissions, Permissions::ALL);
        let private = public.replacen('{', r#"{"d":"AQAB","#, 1);
        assert!(serde_json::from_str::<PublicKeyEntry>(&private).is_err());
        for n in ["", "AQAB=", "A+/B", "AAAAA"] {
            assert!(Base64Url::new(n).is_err(), "{n}");
        }
    }
}
