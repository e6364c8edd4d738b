//! What an authorization server says of itself (RFC 8414; OpenID Connect Discovery 1.0 says the same
//! elsewhere).
//!
//! Whoever is asked for a token was named by a resource, which may be hostile. The metadata must be that
//! of the issuer that was named (RFC 8414 section 3.3); its endpoints may be on other hosts, since the
//! issuer itself says so.

use serde::Deserialize;
use url::Url;

use super::resource::Resource;
use super::{NotAuthorized, address, document, words_of};
use crate::origin::Origin;
use crate::wire::Client;

/// What is known of a server.
#[derive(Clone)]
pub struct Server {
    /// Its name, byte by byte.
    pub issuer: String,
    /// Where a person is sent.
    pub authorization: Option<Url>,
    /// Where tokens are.
    pub token: Url,
    /// Where a device begins (RFC 8628).
    pub device: Option<Url>,
    /// Where clients register (RFC 7591).
    pub registration: Option<Url>,
    /// Where a token ends (RFC 7009).
    pub revocation: Option<Url>,
    /// The scopes that it knows, as far as it says so.
    pub scopes: Vec<String>,
    /// How clients may prove themselves; nothing is said where it is empty.
    pub methods: Vec<String>,
    /// Whether it promises `iss` in what comes back (RFC 9207).
    pub sends_issuer: bool,
    /// Whether a client may be the address of a document.
    pub takes_documents: bool,
    /// Whether it promises PKCE with `S256`.
    pub has_s256: bool,
    /// Whoever asks it: kept off this machine and its network if a public resource named it.
    pub(crate) client: Client,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    client_id_metadata_document_supported: bool,
}

/// Reads the metadata of the server that a resource names.
///
/// # Errors
/// [`NotAuthorized`]: there is none, or it is of somebody else.
pub async fn find(client: &Client, resource: &Resource) -> Result<Server, NotAuthorized> {
    let issuer = &resource.issuer;
    let client = if resource.is_public { client.to_public() } else { client.clone() };
    for place in places(issuer) {
        if let Some((read, _)) = document::<Document>(&client, &place).await? {
            return check(read, &place, issuer, client);
        }
    }
    let why = "publishes no metadata".to_owned();
    Err(NotAuthorized::Cannot { issuer: crate::words::clean(issuer, 200), why })
}

/// Where the metadata of an issuer may stand, in the order of MCP, Authorization.
fn places(issuer: &str) -> Vec<Url> {
    let known = address(issuer).filter(|url| url.query().is_none());
    let (Some(url), Ok(origin)) = (known, Origin::of(issuer)) else { return Vec::new() };
    let path = url.path().trim_end_matches('/');
    let (oauth, openid) =
        ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration");
    let mut places = vec![format!("{oauth}{path}"), format!("{openid}{path}")];
    if !path.is_empty() {
        places.push(format!("{path}{openid}"));
    }
    places.iter().filter_map(|place| origin.at(place)).collect()
}

fn check(
    read: Document,
    place: &Url,
    issuer: &str,
    client: Client,
) -> Result<Server, NotAuthorized> {
    if read.issuer != issuer {
        return Err(NotAuthorized::document(place, "is the metadata of another issuer"));
    }
    let optional = |named: Option<String>| named.as_deref().and_then(address);
    let token = address(&read.token_endpoint)
        .ok_or_else(|| NotAuthorized::document(place, "names no token endpoint over https"))?;
    Ok(Server {
        issuer: read.issuer,
        authorization: optional(read.authorization_endpoint),
        token,
        device: optional(read.device_authorization_endpoint),
        registration: optional(read.registration_endpoint),
        revocation: optional(read.revocation_endpoint),
        scopes: words_of(&read.scopes_supported.join(" ")),
        methods: read.token_endpoint_auth_methods_supported,
        sends_issuer: read.authorization_response_iss_parameter_supported,
        takes_documents: read.client_id_metadata_document_supported,
        has_s256: read.code_challenge_methods_supported.iter().any(|method| method == "S256"),
        client,
    })
}

impl Server {
    /// What it lacks.
    pub(crate) fn lacks(&self, why: &str) -> NotAuthorized {
        NotAuthorized::Cannot {
            issuer: crate::words::clean(&self.issuer, 200),
            why: why.to_owned(),
        }
    }

    /// Whether it takes this way of proof; one that says nothing takes the default (RFC 8414
    /// section 2) and, being asked by a public client, none.
    pub(crate) fn takes(&self, method: &str) -> bool {
        let is_default = ["none", "client_secret_basic"].contains(&method);
        self.methods.iter().any(|known| known == method) || (self.methods.is_empty() && is_default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_metadata_stands() {
        let shown =
            |issuer: &str| -> Vec<String> { places(issuer).iter().map(Url::to_string).collect() };
        assert_eq!(
            shown("https://as.example"),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            shown("https://as.example/t/1"),
            [
                "https://as.example/.well-known/oauth-authorization-server/t/1",
                "https://as.example/.well-known/openid-configuration/t/1",
                "https://as.example/t/1/.well-known/openid-configuration",
            ]
        );
        for none in ["http://as.example", "https://as.example?x", "https://as.example/#x", "x", ""]
        {
            assert!(places(none).is_empty(), "{none}");
        }
    }
}
