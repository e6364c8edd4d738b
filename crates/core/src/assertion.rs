//! Client assertions (RFC 7523) before their signature was checked: what is read of a text that
//! anyone may send (PROTOCOL, The app's own key pair).

use agentadmit_protocol::id::AppId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::refusal::Refusal;

/// The longest assertion that is read.
const MAX_LENGTH: usize = 4_096;

/// What an assertion says of itself before its signature was checked: where to look for the key
/// that it must be checked with, and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// The app that it names.
    pub app_id: AppId,
    /// The key that it names.
    pub kid: String,
}

/// Reads the header and the issuer of a compact JWS (RFC 7515 section 3.1).
///
/// # Errors
/// `invalid_api_key`, with a sentence that says what is wrong and repeats nothing of it.
pub fn unverified(jwt: &str) -> Result<Unverified, Refusal> {
    /// The one claim that is read without a signature.
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    if jwt.len() > MAX_LENGTH {
        return Err(refuse("it is longer than 4096 characters"));
    }
    let mut parts = jwt.split('.');
    let (Some(header), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(refuse("it must have three parts: header, claims and signature"));
    };
    let header = checked_header(header)?;
    let app_id = part::<Issuer>(claims)
        .and_then(|claims| claims.iss.parse().ok())
        .ok_or_else(|| refuse("the claims must be JSON, and `iss` an app id"))?;
    Ok(Unverified { app_id, kid: header.kid })
}

/// The refusal of an assertion: `invalid_api_key`, with what is wrong.
pub fn refuse(what: &'static str) -> Refusal {
    let refusal = Refusal::invalid_api_key();
    Refusal { description: format!("this client assertion is not valid: {what}").into(), ..refusal }
}

/// What a header may hold; anything else (`jku`, `x5u`, `jwk`, `crit`, …) is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: Option<String>,
}

fn checked_header(text: &str) -> Result<Header, Refusal> {
    let header: Header = part(text).ok_or_else(|| {
        refuse("the header must be JSON with `alg`, `kid` and `typ` and nothing else")
    })?;
    if header.alg != "RS256" {
        return Err(refuse("`alg` must be RS256"));
    }
    match header.typ.as_deref() {
        None | Some("client-authentication+jwt" | "JWT") => Ok(header),
        Some(_) => Err(refuse("`typ` must be `client-authentication+jwt` or `JWT`")),
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
