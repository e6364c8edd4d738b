//! What a client says of itself, checked (RFC 7591 section 2;
//! draft-ietf-oauth-client-id-metadata-document section 4).

use agentadmit_fetch::Fetcher;
use agentadmit_protocol::WebUrl;
use agentadmit_protocol::api::oauth_server::ClientMetadata;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::oauth::ClientRedirectUri;
use agentadmit_protocol::text::Label;
use serde_json::Value;

use super::keys;
use crate::error::{Answer, ApiError};

/// The most addresses that a client may be sent back to.
const MAX_REDIRECT_URIS: usize = 10;
/// The grants that a client may ask for.
pub(crate) const CODE: &str = "authorization_code";
pub(crate) const REFRESH: &str = "refresh_token";
pub(crate) const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Where metadata came from: a document cannot keep a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A Client ID Metadata Document.
    Document,
    /// A registration (RFC 7591).
    Registration,
}

/// How a client proves itself (RFC 7591, `token_endpoint_auth_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// It does not: a public client.
    None,
    /// A secret in the header.
    SecretBasic,
    /// A secret in the form.
    SecretPost,
    /// A JWT that it signs.
    PrivateKey,
}

impl Method {
    const ALL: [Self; 4] = [Self::None, Self::SecretBasic, Self::SecretPost, Self::PrivateKey];

    /// The word of RFC 7591.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::PrivateKey => "private_key_jwt",
        }
    }
}

/// What counts of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What people call it.
    pub(crate) name: Option<Label>,
    /// Where browsers may be sent back to.
    pub(crate) redirect_uris: Vec<ClientRedirectUri>,
    /// How it proves itself.
    pub(crate) method: Method,
    /// Its keys, or the address where they are; with [`Method::PrivateKey`] alone.
    pub(crate) keys: Option<String>,
    /// The grants that it may ask for, of those that there are.
    pub(crate) grants: Vec<&'static str>,
}

/// Checks what a client says of itself.
///
/// # Errors
/// `invalid_redirect_uri` and `invalid_client_metadata`, naming the member.
pub(crate) fn check(said: &ClientMetadata, source: Source, fetcher: &Fetcher) -> Answer<Checked> {
    let grants = grants(said)?;
    if !said.response_types.is_empty() && !said.response_types.iter().any(|one| one == "code") {
        return Err(bad("response_types", "must hold `code`, the only one that there is"));
    }
    let kinds = [None, Some("web"), Some("native")];
    if !kinds.contains(&said.application_type.as_deref()) {
        return Err(bad("application_type", "must be `web` or `native`"));
    }
    if said.client_uri.as_ref().is_some_and(|uri| WebUrl::new(uri.as_str()).is_err()) {
        return Err(bad("client_uri", "must be an https address"));
    }
    let name =
        match said.client_name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => Some(Label::new(name).map_err(|error| {
                bad("client_name", format!("cannot be shown to people: {error}"))
            })?),
        };
    let method = method(said, source)?;
    let keys = if method == Method::PrivateKey { Some(keys(said, fetcher)?) } else { None };
    let redirect_uris = redirect_uris(said, grants.contains(&CODE))?;
    Ok(Checked { name, redirect_uris, method, keys, grants })
}

fn grants(said: &ClientMetadata) -> Answer<Vec<&'static str>> {
    if said.grant_types.is_empty() {
        return Ok(vec![CODE, REFRESH]);
    }
    let is_asked = |known: &&str| said.grant_types.iter().any(|asked| asked == known);
    let mut grants: Vec<&'static str> = [CODE, DEVICE].into_iter().filter(is_asked).collect();
    if grants.is_empty() {
        let text = format!("must hold `{CODE}` or `{DEVICE}`");
        return Err(bad("grant_types", text));
    }
    // whoever gets an access token gets a refresh token with it
    grants.push(REFRESH);
    Ok(grants)
}

fn method(said: &ClientMetadata, source: Source) -> Answer<Method> {
    let field = "token_endpoint_auth_method";
    if source == Source::Document && said.client_secret.is_some() {
        return Err(bad("client_secret", "must not stand in a document that anybody can read"));
    }
    let Some(asked) = said.token_endpoint_auth_method.as_deref() else {
        return Ok(match source {
            Source::Document => Method::None,
            // the default of RFC 7591
            Source::Registration => Method::SecretBasic,
        });
    };
    let method = Method::ALL.into_iter().find(|method| method.as_str() == asked);
    match (method, source) {
        (Some(Method::SecretBasic | Method::SecretPost), Source::Document) => {
            Err(bad(field, "must be `none` or `private_key_jwt`: a document keeps no secret"))
        }
        (Some(method), _) => Ok(method),
        (None, _) => Err(bad(
            field,
            "must be `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`",
        )),
    }
}

/// The keys as they are kept: a JWK set, or the address of one.
fn keys(said: &ClientMetadata, fetcher: &Fetcher) -> Answer<String> {
    match (&said.jwks, &said.jwks_uri) {
        (Some(set), None) => {
            keys::read(set).map_err(|text| bad("jwks", text))?;
            Ok(set.to_string())
        }
        (None, Some(uri)) => {
            fetcher.check(uri).map_err(|error| bad("jwks_uri", error.to_string()))?;
            Ok(uri.clone())
        }
        _ => Err(bad("jwks", "`private_key_jwt` needs exactly one of `jwks` and `jwks_uri`")),
    }
}

fn redirect_uris(said: &ClientMetadata, are_needed: bool) -> Answer<Vec<ClientRedirectUri>> {
    let bad =
        |text: String| ApiError::new(ErrorCode::InvalidRedirectUri, text).field("redirect_uris");
    if are_needed && said.redirect_uris.is_empty() {
        return Err(bad("name at least one address that browsers are sent back to".to_owned()));
    }
    if said.redirect_uris.len() > MAX_REDIRECT_URIS {
        return Err(bad(format!("name at most {MAX_REDIRECT_URIS} addresses")));
    }
    let read = |text: &String| ClientRedirectUri::new(text.as_str());
    let read: Result<Vec<_>, _> = said.redirect_uris.iter().map(read).collect();
    read.map_err(|error| bad(format!("each {error}")))
}

/// Metadata as a registration answers it: what counts, and nothing that was not understood.
pub(crate) fn echo(said: &ClientMetadata, checked: &Checked) -> ClientMetadata {
    let word = |text: &&str| (*text).to_owned();
    let is_signed = checked.method == Method::PrivateKey;
    let code: &[&str] = if checked.grants.contains(&CODE) { &["code"] } else { &[] };
    ClientMetadata {
        client_id: None,
        redirect_uris: checked.redirect_uris.iter().map(ToString::to_string).collect(),
        token_endpoint_auth_method: Some(checked.method.as_str().to_owned()),
        grant_types: checked.grants.iter().map(word).collect(),
        response_types: code.iter().map(word).collect(),
        client_name: checked.name.as_ref().map(ToString::to_string),
        client_uri: said.client_uri.clone(),
        application_type: said.application_type.clone(),
        jwks: said.jwks.clone().filter(|_| is_signed),
        jwks_uri: said.jwks_uri.clone().filter(|_| is_signed),
        client_secret: None::<Value>,
    }
}

fn bad(field: &'static str, text: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::InvalidClientMetadata, text).field(field)
}

#[cfg(test)]
mod tests {
    use agentadmit_fetch::{FetchLimits, Reach};
    use serde_json::json;

    use super::*;

    fn checked(said: Value, source: Source) -> Result<Checked, (ErrorCode, String)> {
        let said: ClientMetadata = serde_json::from_value(said).unwrap();
        let fetcher = Fetcher::new(FetchLimits::default(), Reach::Public);
        check(&said, source, &fetcher).map_err(|error| {
            let code = error.code();
            (code, error.into_parts().2.field.unwrap_or_default())
        })
    }

    #[test]
    fn what_a_client_does_not_say_has_a_default() {
        let said = json!({"redirect_uris": ["https://a.example/cb"]});
        let document = checked(said.clone(), Source::Document).unwrap();
        assert_eq!((document.method, &document.grants[..]), (Method::None, &[CODE, REFRESH][..]));
        assert_eq!((document.name, document.keys), (None, None));
        let registered = checked(said, Source::Registration).unwrap();
        assert_eq!(registered.method, Method::SecretBasic);
        let device = json!({"grant_types": [DEVICE, "password"], "client_name": " A\u{e9} "});
        let device = checked(device, Source::Document).unwrap();
        assert_eq!(device.grants, [DEVICE, REFRESH]);
        assert_eq!(device.name.unwrap().as_str(), "A\u{e9}");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let uris = json!(["https://a.example/cb"]);
        let key = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]});
        let signed =
            json!({"redirect_uris": uris, "token_endpoint_auth_method": "private_key_jwt"});
        let with = |mut object: Value, name: &str, value: Value| {
            object[name] = value;
            object
        };
        let plain = json!({"redirect_uris": uris});
        for (said, field) in [
            (json!({}), "redirect_uris"),
            (json!({"redirect_uris": ["http://a.example/cb"]}), "redirect_uris"),
            (json!({"redirect_uris": ["https://a.example/cb#x"]}), "redirect_uris"),
            (json!({"redirect_uris": ["javascript:alert(1)"]}), "redirect_uris"),
            (json!({"redirect_uris": vec!["https://a.example/cb"; 11]}), "redirect_uris"),
            (with(plain.clone(), "grant_types", json!(["implicit"])), "grant_types"),
            (with(plain.clone(), "response_types", json!(["token"])), "response_types"),
            (with(plain.clone(), "application_type", json!("x")), "application_type"),
            (with(plain.clone(), "client_uri", json!("javascript:alert(1)")), "client_uri"),
            (with(plain.clone(), "client_name", json!("a\u{202e}b")), "client_name"),
            (with(plain.clone(), "client_name", json!("x".repeat(101))), "client_name"),
            (
                with(plain.clone(), "token_endpoint_auth_method", json!("client_secret_jwt")),
                "token_endpoint_auth_method",
            ),
            (signed.clone(), "jwks"),
            (with(signed.clone(), "jwks", json!({"keys": []})), "jwks"),
            (with(signed.clone(), "jwks", json!({"keys": [{"kty": "oct", "k": "AA"}]})), "jwks"),
            (
                with(
                    signed.clone(),
                    "jwks",
                    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}]}),
                ),
                "jwks",
            ),
            (with(signed.clone(), "jwks_uri", json!("https://127.0.0.1/k")), "jwks_uri"),
            (with(signed.clone(), "jwks_uri", json!("http://a.example/k")), "jwks_uri"),
            (with(with(signed, "jwks_uri", json!("https://a.example/k")), "jwks", key), "jwks"),
        ] {
            for source in [Source::Document, Source::Registration] {
                let (code, named) = checked(said.clone(), source).unwrap_err();
                assert_eq!(named, field, "{said}");
                let is_uri = code == ErrorCode::InvalidRedirectUri;
                assert_eq!(is_uri, field == "redirect_uris", "{said}");
            }
        }
        for (name, value) in [
            ("token_endpoint_auth_method", json!("client_secret_post")),
            ("client_secret", json!("x")),
        ] {
            let said = with(plain.clone(), name, value);
            assert_eq!(checked(said, Source::Document).unwrap_err().1, name);
        }
    }
}
