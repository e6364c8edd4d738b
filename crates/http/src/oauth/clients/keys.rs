//! Public keys of OAuth clients (RFC 7517) and the JWTs that they sign to prove who they are
//! (`private_key_jwt`: RFC 7523 section 3, OpenID Connect Core section 9).

use agentadmit_protocol::oauth::ClientId;
use agentadmit_protocol::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

/// What clients may sign with.
pub(crate) const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];
const MAX_KEYS: usize = 10;
/// The longest assertion that is read.
const MAX_LENGTH: usize = 4_096;
/// How far the clocks of client and service may differ.
const SKEW_SECONDS: i64 = 30;
/// How far `exp` may lie ahead: libraries sign for minutes, and some (authlib) for an hour. Its `jti` counts
/// once all the same.
const MAX_LIFETIME_SECONDS: i64 = 3_600;

/// Members of a JWK that are no public key's (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Reads a set of public keys.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(set: &Value) -> Result<JwkSet, &'static str> {
    let keys = set.get("keys").and_then(Value::as_array).ok_or("must be a JWK set with `keys`")?;
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err("must hold 1 to 10 keys");
    }
    if keys.iter().any(|key| PRIVATE.iter().any(|member| key.get(member).is_some())) {
        return Err("must hold public keys alone");
    }
    let set: JwkSet = serde_json::from_value(set.clone())
        .map_err(|_| "must be a JWK set of RSA, EC or OKP keys")?;
    if set.keys.iter().any(|key| algorithms(key).is_empty()) {
        return Err("must hold keys for RS256, PS256, ES256 or EdDSA");
    }
    Ok(set)
}

/// What a key can be used with: its type decides, never the header of what it signed.
fn algorithms(key: &Jwk) -> &'static [Algorithm] {
    match &key.algorithm {
        AlgorithmParameters::RSA(_) => &[Algorithm::RS256, Algorithm::PS256],
        AlgorithmParameters::EllipticCurve(_) => &[Algorithm::ES256],
        AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
        _ => &[],
    }
}

/// An assertion that a client's key signed: to be spent, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// Its `jti`.
    pub(crate) jti: String,
    /// Until when its `jti` must be remembered.
    pub(crate) until: Timestamp,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// Whose assertion it says it is, before anything was checked: where to look for the keys.
pub(crate) fn issuer(jwt: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    if jwt.len() > MAX_LENGTH {
        return None;
    }
    part::<Issuer>(jwt.split('.').nth(1)?).map(|claims| claims.iss)
}

/// Checks an assertion: who signed it, for whom, and when.
///
/// # Errors
/// What is wrong with it; nothing of it is repeated.
pub(crate) fn verify(
    jwt: &str,
    client: &ClientId,
    keys: &JwkSet,
    audiences: &[String],
    now: Timestamp,
) -> Result<Signed, &'static str> {
    if jwt.len() > MAX_LENGTH {
        return Err("it is longer than 4096 characters");
    }
    let header: Header =
        jwt.split('.').next().and_then(part).ok_or("its header must be JSON with `alg`")?;
    if header.crit.is_some() {
        return Err("its header has `crit`, which nobody here understands");
    }
    let types = [None, Some("JWT"), Some("jwt"), Some("client-authentication+jwt")];
    if !types.contains(&header.typ.as_deref()) {
        return Err("its `typ` must be `client-authentication+jwt` or `JWT`");
    }
    let algorithm = match header.alg.as_str() {
        "RS256" => Algorithm::RS256,
        "PS256" => Algorithm::PS256,
        "ES256" => Algorithm::ES256,
        "EdDSA" => Algorithm::EdDSA,
        _ => return Err("its `alg` must be RS256, PS256, ES256 or EdDSA"),
    };
    let may_be = |key: &&Jwk| {
        let is_named = header.kid.is_none() || key.common.key_id == header.kid;
        let is_for_this = key.common.public_key_use != Some(PublicKeyUse::Encryption);
        is_named && is_for_this && algorithms(key).contains(&algorithm)
    };
    let claims = keys.keys.iter().filter(may_be).find_map(|key| claims(jwt, key, algorithm));
    let claims = claims.ok_or("none of the client's keys has signed it, or a claim is missing")?;
    claims.check(client, audiences, now)
}

fn claims(jwt: &str, key: &Jwk, algorithm: Algorithm) -> Option<Claims> {
    let key = DecodingKey::from_jwk(key).ok()?;
    let mut validation = Validation::new(algorithm);
    // times, audience and issuer are checked by our own rules
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    Some(jsonwebtoken::decode::<Claims>(jwt, &key, &validation).ok()?.claims)
}

impl Claims {
    fn check(
        &self,
        client: &ClientId,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<Signed, &'static str> {
        if self.iss != client.as_str() || self.sub != client.as_str() {
            return Err("`iss` and `sub` must both be the client's id");
        }
        let is_ours = match &self.aud {
            Audience::One(one) => audiences.contains(one),
            Audience::Some(some) => {
                some.len() == 1 && some.iter().all(|one| audiences.contains(one))
            }
        };
        if !is_ours {
            return Err("`aud` must be the service's issuer, or the address it is sent to");
        }
        if !(8..=256).contains(&self.jti.chars().count()) {
            return Err("`jti` must have 8 to 256 characters");
        }
        let now = now.as_millis().div_euclid(1_000);
        let expires = seconds(self.exp)?;
        if now >= expires + SKEW_SECONDS {
            return Err("it has expired: sign a new one for every call");
        }
        if expires > now + MAX_LIFETIME_SECONDS + SKEW_SECONDS {
            return Err("`exp` must lie at most an hour ahead");
        }
        for begins in [self.iat, self.nbf].into_iter().flatten() {
            if seconds(begins)? > now + SKEW_SECONDS {
                return Err("`iat` or `nbf` lies in the future: is the client's clock right?");
            }
        }
        let until = Timestamp::from_millis(expires.saturating_mul(1_000));
        let until = until.plus_seconds(SKEW_SECONDS);
        Ok(Signed { jti: self.jti.clone(), until })
    }
}

/// A `NumericDate` (RFC 7519 section 2) in whole seconds.
fn seconds(number: f64) -> Result<i64, &'static str> {
    const LATEST: f64 = 253_402_300_799.0; // the end of the year 9999
    if (0.0..=LATEST).contains(&number) {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be far below 2^53")]
        return Ok(number as i64);
    }
    Err("times must be seconds since 1970")
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
