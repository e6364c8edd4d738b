//! The service's own secrets: the key under which they are sealed, and the audit key that signs
//! checkpoints (PROTOCOL, principle 6).

use agentadmit_protocol::secret::{Secret, SecretKind};
use agentadmit_store::verbs::oauth::token::Successors;
use agentadmit_store::{Store, StoreError, read};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The name under which the audit key is kept.
const AUDIT_KEY: &str = "audit_ed25519_pkcs8";
/// The name under which its public half is kept, readable without the secret key.
const AUDIT_PUBLIC_KEY: &str = "audit_ed25519_public";

/// 32 bytes that are not in the database: `AGENTADMIT_SECRET_KEY`, or a file of mode 0600.
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// From the 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// From base64url without padding, as variable and file hold it; white space around is ignored.
    ///
    /// # Errors
    /// [`KeyringError::SecretKey`] when it is not 32 bytes in that form.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let bytes = Zeroizing::new(
            URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| KeyringError::SecretKey)?,
        );
        let bytes = bytes.as_slice().try_into().map_err(|_| KeyringError::SecretKey)?;
        Ok(Self::new(bytes))
    }

    /// The form that [`SecretKey::parse`] reads.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.0.as_slice())?;
        let mut sealed = secret.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)?;
        let mut out = nonce.as_ref().to_vec();
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.0.as_slice())?;
        let (nonce, text) =
            sealed.split_at_checked(NONCE_LEN).ok_or(KeyringError::WrongSecretKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = key
            .open_in_place(nonce, Aad::from(name.as_bytes()), text.as_mut_slice())
            .map_err(|_| KeyringError::WrongSecretKey)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}

/// Why the service's secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The secret key's text is wrong.
    #[error("the secret key must be 32 bytes in base64url without padding (43 characters)")]
    SecretKey,
    /// The store's secrets were sealed under another key.
    #[error(
        "this secret key does not open the store's own secrets: they were sealed under another key \
         (look for the key file that lay beside the store, or the AGENTADMIT_SECRET_KEY it was served with)"
    )]
    WrongSecretKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cryptographic library refused.
    #[error("the cryptographic library refused: {0}")]
    Crypto(String),
}

impl From<Unspecified> for KeyringError {
    fn from(error: Unspecified) -> Self {
        Self::Crypto(error.to_string())
    }
}

impl From<KeyRejected> for KeyringError {
    fn from(error: KeyRejected) -> Self {
        Self::Crypto(error.to_string())
    }
}

/// What the key of [`Keyring::successors`] is derived from the secret key with.
const SUCCESSORS: &[u8] = b"agentadmit successors of refresh tokens 1";

/// The opened secrets of a running service.
pub struct Keyring {
    audit: Ed25519KeyPair,
    /// Whoever has the database and a refresh token still cannot tell what comes of it.
    successors: hmac::Key,
    kid: String,
    public_key: [u8; 32],
}

impl Keyring {
    /// Whether the store has sealed a secret already: only the key that sealed it opens it.
    ///
    /// # Errors
    /// The store's.
    pub fn exists(store: &dyn Store) -> Result<bool, StoreError> {
        read(store, "audit_key", |views| Ok(views.sealed_secret(AUDIT_KEY)?.is_some()))
    }

    /// Opens the store's audit key, or makes it in a store that has none.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn open(store: &dyn Store, secret_key: &SecretKey) -> Result<Self, KeyringError> {
        let known = read(store, "audit_key", |views| views.sealed_secret(AUDIT_KEY))?;
        let pkcs8 = match known {
            Some(sealed) => secret_key.open(AUDIT_KEY, &sealed)?,
            None => Self::create(store, secret_key)?,
        };
        let audit = Ed25519KeyPair::from_pkcs8(&pkcs8)?;
        let public_key: [u8; 32] = audit
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyringError::Crypto("an Ed25519 key has 32 bytes".to_owned()))?;
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret_key.0.as_slice());
        let derived = hmac::sign(&secret, SUCCESSORS);
        let successors = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        Ok(Self { kid: kid(&public_key), audit, successors, public_key })
    }

    fn create(
        store: &dyn Store,
        secret_key: &SecretKey,
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let pair = Ed25519KeyPair::generate()?;
        let pkcs8 = Zeroizing::new(pair.to_pkcs8()?.as_ref().to_vec());
        let sealed = secret_key.seal(AUDIT_KEY, &pkcs8)?;
        let public = pair.public_key().as_ref().to_vec();
        let mut first = None;
        store.transaction("create_audit_key", &mut |tx| {
            first = tx.rows.sealed_secret(AUDIT_KEY)?;
            if first.is_none() {
                tx.rows.put_sealed_secret(AUDIT_KEY, &sealed)?;
                tx.rows.put_sealed_secret(AUDIT_PUBLIC_KEY, &public)?;
            }
            Ok(())
        })?;
        match first {
            // another process was first
            Some(sealed) => secret_key.open(AUDIT_KEY, &sealed),
            None => Ok(pkcs8),
        }
    }

    /// Signs with the audit key (Ed25519, RFC 8032).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        for (to, from) in signature.iter_mut().zip(self.audit.sign(message).as_ref()) {
            *to = *from;
        }
        signature
    }

    /// What comes of a refresh token, always the same: derived, so that whoever presents it again
    /// within the grace is answered the same, and only hashes are stored (HMAC-SHA256, RFC 2104).
    pub(crate) fn successors(&self, refresh_token: &str) -> Successors {
        let derive = |kind: SecretKind| {
            let mut context = hmac::Context::with_key(&self.successors);
            context.update(kind.prefix().as_bytes());
            context.update(refresh_token.as_bytes());
            let tag = context.sign();
            let mut random = [0; 32];
            for (to, from) in random.iter_mut().zip(tag.as_ref()) {
                *to = *from;
            }
            Secret::mint(kind, random)
        };
        Successors {
            access: derive(SecretKind::AccessToken),
            refresh: derive(SecretKind::RefreshToken),
        }
    }

    /// The audit key's name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The audit key's public half.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }
}

/// The name of an audit key: the RFC 8037 appendix A.3 thumbprint of its JWK.
fn kid(public_key: &[u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, jwk.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref())
}

/// Whether a signature of an audit key is good: what the offline check of an export asks.
pub fn verify_signature(public_key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}
