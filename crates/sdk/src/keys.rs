//! The app's own RS256 key pair (PROTOCOL, The app's own key pair): reading, making, signing.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use agentadmit_protocol::api::public_keys::{Base64Url, KeyAlgorithm, KeyType, KeyUse, PublicJwk};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::error::ConfigurationError;

/// Sizes of a modulus in bytes: 2048 to 4096 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// The longest key file that is read: a 4096-bit key in PEM is a third of it.
const MAX_PEM_BYTES: u64 = 16 * 1024;
/// Characters of base64 in one line of PEM (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// A private RSA key of 2048 to 4096 bits that signs RS256. Debug shows the `kid` alone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<KeyPair>,
    public: PublicJwk,
}

impl SigningKey {
    /// A new key of 2048 bits.
    ///
    /// # Errors
    /// The machine gives no randomness.
    pub fn generate() -> Result<Self, ConfigurationError> {
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| wrong("no RSA key could be made on this machine"))?;
        Self::of(pair)
    }

    /// Reads a key from a file (PKCS#8 or PKCS#1 in PEM).
    ///
    /// # Errors
    /// The file cannot be read, or holds no such key. Names the file.
    pub fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let shown = path.display();
        let mut pem = Zeroizing::new(String::new());
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_PEM_BYTES).read_to_string(&mut pem))
            .map_err(|error| wrong(format!("{shown} cannot be read: {error}")))?;
        Self::from_pem(&pem).map_err(|error| wrong(format!("{shown}: {error}")))
    }

    /// Reads a key from the text of a PEM file (PKCS#8 or PKCS#1).
    ///
    /// # Errors
    /// It is no RSA key of 2048 to 4096 bits. Shows nothing of the text.
    pub fn from_pem(pem: &str) -> Result<Self, ConfigurationError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong("this is no private key in PEM (`-----BEGIN PRIVATE KEY-----`)"))?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong("this is no RSA key: RS256 wants one of 2048 to 4096 bits")),
        };
        let pair =
            pair.map_err(|_| wrong("this is no RSA key that can sign RS256 (2048 to 4096 bits)"))?;
        Self::of(pair)
    }

    /// The key as PEM (PKCS#8), for a file of mode 0600 and nowhere else.
    ///
    /// # Errors
    /// The key cannot be encoded, which no key that was read or made here can meet.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, ConfigurationError> {
        let der: Pkcs8V1Der<'_> =
            self.pair.as_der().map_err(|_| wrong("the private key cannot be written as PKCS#8"))?;
        let digits = Zeroizing::new(STANDARD.encode(der.as_ref()));
        let mut pem = Zeroizing::new(String::with_capacity(digits.len() + 128));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = digits.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// The RFC 7638 thumbprint, by which the service knows the key.
    pub fn kid(&self) -> &str {
        self.public.kid.as_str()
    }

    /// The public half, as an operator registers it and `jwks.json` shows it.
    pub fn public_jwk(&self) -> PublicJwk {
        self.public.clone()
    }

    /// Signs claims: a compact JWS (RFC 7515) with `alg` RS256, this `kid` and `typ`.
    ///
    /// # Errors
    /// The claims are no JSON, or the machine cannot sign.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, ConfigurationError> {
        let header = json!({"alg": "RS256", "kid": self.kid(), "typ": typ});
        let claims = serde_json::to_vec(claims)
            .map_err(|error| wrong(format!("the claims cannot be written as JSON: {error}")))?;
        let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut text);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| wrong("the private key could not sign"))?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }

    fn of(pair: KeyPair) -> Result<Self, ConfigurationError> {
        if !MODULUS_BYTES.contains(&pair.public_modulus_len()) {
            return Err(wrong("the RSA key must have 2048 to 4096 bits"));
        }
        let public = public_jwk(&pair).ok_or_else(|| wrong("this is no usable RSA key"))?;
        Ok(Self { pair: Arc::new(pair), public })
    }
}

/// The public half; the thumbprint is that of RFC 7638 section 3.
fn public_jwk(pair: &KeyPair) -> Option<PublicJwk> {
    let key = pair.public_key();
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let n = number(key.modulus().big_endian_without_leading_zero());
    let e = number(key.exponent().big_endian_without_leading_zero());
    let jwk = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    let thumbprint = number(digest(&SHA256, jwk.as_bytes()).as_ref());
    Some(PublicJwk {
        kty: KeyType::Rsa,
        usage: KeyUse::Sig,
        alg: KeyAlgorithm::Rs256,
        kid: Base64Url::new(thumbprint).ok()?,
        n: Base64Url::new(n).ok()?,
        e: Base64Url::new(e).ok()?,
    })
}

fn wrong(text: impl Into<String>) -> ConfigurationError {
    ConfigurationError(text.into())
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_signed_verifies_under_the_public_half_and_no_other() {
        let key = SigningKey::generate().unwrap();
        let token = key.sign("client-authentication+jwt", &json!({"iss": "app_1"})).unwrap();
        let header = decode_header(&token).unwrap();
        assert_eq!(header.alg, Algorithm::RS256);
        assert_eq!(header.kid.as_deref(), Some(key.kid()));
        assert_eq!(header.typ.as_deref(), Some("client-authentication+jwt"));
        let claims = |jwk: &PublicJwk| {
            let public = DecodingKey::from_rsa_components(jwk.n.as_str(), jwk.e.as_str()).unwrap();
            let mut rules = Validation::new(Algorithm::RS256);
            rules.required_spec_claims.clear();
            rules.validate_exp = false;
            decode::<Value>(&token, &public, &rules).map(|token| token.claims)
        };
        assert_eq!(claims(&key.public_jwk()).unwrap()["iss"], "app_1");
        assert!(claims(&SigningKey::generate().unwrap().public_jwk()).is_err());
    }

    #[test]
    fn pem_comes_back_as_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::generate().unwrap();
        let pem = key.to_pem().unwrap();
        assert!(pem.lines().all(|line| line.len() <= PEM_LINE));
        let file = folder.path().join("key.pem");
        std::fs::write(&file, pem.as_bytes()).unwrap();
        assert_eq!(SigningKey::read(&file).unwrap().kid(), key.kid());
        let debugged = format!("{key:?}");
        assert_eq!(debugged, format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_without_being_shown() {
        let elliptic = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n";
        let broken = "-----BEGIN PRIVATE KEY-----\nMHcCAQEE\n-----END PRIVATE KEY-----\n";
        for text in ["", "aa_live_secret", elliptic, broken] {
            let error = SigningKey::from_pem(text).unwrap_err().to_string();
            assert!(!error.contains("MHc") && !error.contains("aa_live"), "{error}");
        }
        let missing = SigningKey::read(Path::new("no/such.pem")).unwrap_err().to_string();
        assert!(missing.contains("no/such.pem"), "{missing}");
    }
}
