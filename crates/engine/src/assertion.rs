//! `private_key_jwt`: an app's own key pair as its credential (RFC 7523; PROTOCOL, The app's own key
//! pair).
//!
//! Everything that the signature covers is checked here; that the key is still registered, and that
//! the `jti` is new, is decided in the transaction of the call that the assertion is for.

use agentadmit_core::Refusal;
use agentadmit_core::assertion::{Unverified, refuse, unverified};
use agentadmit_core::credential::PublicKey;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::verbs::auth::Assertion;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::engine::Engine;
use crate::error::EngineError;

/// How far the clocks of app and service may differ.
const SKEW_SECONDS: i64 = 30;
/// How far `exp` may lie after `iat`.
const MAX_LIFETIME_SECONDS: i64 = 60;

/// The claims that count. Others are ignored (RFC 7519 section 4).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: f64,
    exp: f64,
    jti: String,
}

impl Engine {
    /// Checks a client assertion. `client_id` is what the request names beside it, if anything.
    ///
    /// # Errors
    /// `invalid_api_key`, with a sentence that says what is wrong with it.
    pub async fn client_assertion(
        &self,
        jwt: &str,
        client_id: Option<&str>,
    ) -> Result<Assertion, EngineError> {
        let Unverified { app_id, kid } = unverified(jwt)?;
        if client_id.is_some_and(|client_id| client_id != app_id.to_string()) {
            return Err(refuse("`client_id` differs from the assertion's `iss`").into());
        }
        let keys = self.read("public_keys", move |views| views.public_keys(app_id)).await?;
        let key = keys
            .iter()
            .find(|key| key.kid == kid)
            .ok_or_else(|| refuse("`kid` names no registered key of this app"))?;
        let claims = verified_claims(jwt, key)?;
        self.check_claims(&claims, app_id, key).map_err(EngineError::from)
    }

    fn check_claims(
        &self,
        claims: &Claims,
        app_id: AppId,
        key: &PublicKey,
    ) -> Result<Assertion, Refusal> {
        if claims.iss != claims.sub || claims.iss != app_id.to_string() {
            return Err(refuse("`iss` and `sub` must both be the app id"));
        }
        if claims.aud != self.issuer() {
            return Err(refuse("`aud` must be the service's issuer, one string, exactly"));
        }
        if !(16..=128).contains(&claims.jti.chars().count()) {
            return Err(refuse("`jti` must have 16 to 128 characters"));
        }
        let (issued, expires) = (seconds(claims.iat)?, seconds(claims.exp)?);
        let now = self.wall().as_millis().div_euclid(1_000);
        if expires <= issued || expires - issued > MAX_LIFETIME_SECONDS {
            return Err(refuse("`exp` must lie at most 60 s after `iat`"));
        }
        if issued > now + SKEW_SECONDS {
            return Err(refuse("`iat` lies in the future: is the app's clock right?"));
        }
        if now >= expires + SKEW_SECONDS {
            return Err(refuse("the assertion has expired: sign a new one for every call"));
        }
        let end = Timestamp::from_millis(expires.saturating_mul(1_000));
        Ok(Assertion {
            app_id,
            kid: key.kid.clone(),
            jti: SecretHash::of(claims.jti.as_bytes()),
            remember_until: end.plus_seconds(SKEW_SECONDS),
        })
    }
}

fn verified_claims(jwt: &str, key: &PublicKey) -> Result<Claims, Refusal> {
    let bad_signature =
        || refuse("the signature is not the registered key's, or a claim has a wrong type");
    let key = DecodingKey::from_rsa_components(&key.n, &key.e).map_err(|_| bad_signature())?;
    let mut validation = Validation::new(Algorithm::RS256);
    // times, audience and issuer are checked by our own rules, which are narrower
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(jwt, &key, &validation)
        .map(|token| token.claims)
        .map_err(|_| bad_signature())
}

/// A `NumericDate` (RFC 7519 section 2) in whole seconds; fractions are cut off.
fn seconds(number: f64) -> Result<i64, Refusal> {
    const LATEST: f64 = 253_402_300_799.0; // the end of the year 9999
    if (0.0..=LATEST).contains(&number) {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be far below 2^53")]
        return Ok(number as i64);
    }
    Err(refuse("`iat` and `exp` must be seconds since 1970"))
}
