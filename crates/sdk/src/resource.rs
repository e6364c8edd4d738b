//! The app as a protected resource of OAuth (RFC 9728): what it says of itself, and how it asks for a
//! token.
//!
//! A client that never heard of this product finds its way from any 401: the challenge names the
//! metadata, the metadata name the authorization server, and the server asks the user. The scopes
//! in a challenge are those that the one request needs; those in the metadata are what a client
//! that was told nothing asks for, so nothing sensitive is among them.

use std::borrow::Cow;

use agentadmit_protocol::WebUrl;
use agentadmit_protocol::scope::ScopeName;
use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response};
use serde::Serialize;

use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::discovery::{DISCOVERY_PATH, JWKS_PATH, cacheable, json};
use crate::error::ConfigurationError;
use crate::guard::Guard;
use crate::refusal::{Challenge, Refused};
use crate::settings::Settings;

/// Where the metadata stand: here, and here with the resource's path behind (RFC 9728 section 3.1).
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// The metadata (RFC 9728 section 2). Members that the app does not have are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceMetadata<'a> {
    /// What clients send as `resource` (RFC 8707).
    pub resource: &'a str,
    /// Who issues tokens for it: the service, by its issuer.
    pub authorization_servers: [String; 1],
    /// What a client asks for that was not told what it needs: everything that is neither an
    /// admin's nor sensitive.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<&'a ScopeName>,
    /// Where a token stands: in the header, and nowhere else.
    pub bearer_methods_supported: [&'static str; 1],
    /// What people call the app.
    pub resource_name: Cow<'a, str>,
    /// Where its API is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<&'a WebUrl>,
}

/// What the discovery document says of OAuth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OAuthEntry<'a> {
    /// What clients send as `resource`.
    pub resource: &'a str,
    /// Where the metadata stand.
    pub resource_metadata: &'a str,
    /// The service's issuer.
    pub authorization_server: String,
}

/// What the app is called as a resource, and where that is explained.
pub(crate) struct Resource {
    identifier: String,
    /// The metadata's path with that of the resource behind.
    path: String,
    metadata_url: String,
}

impl Resource {
    pub(crate) fn of(settings: &Settings) -> Result<Self, ConfigurationError> {
        let url = settings.resource_url();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        let url = url.filter(|url| url.query().is_none() && url.fragment().is_none());
        let url = url.filter(|url| url.path().chars().all(plain)).ok_or_else(|| {
            ConfigurationError(
                "resource must be an address such as https://app.example/mcp, whose path holds \
                 letters, digits and `/-_.~` alone"
                    .to_owned(),
            )
        })?;
        let below = if url.path() == "/" { "" } else { url.path() };
        let path = format!("{METADATA_PATH}{below}");
        let origin = url.origin().ascii_serialization();
        Ok(Self {
            identifier: format!("{origin}{below}"),
            metadata_url: format!("{origin}{path}"),
            path,
        })
    }
}

/// Whether two names of resources mean one: byte by byte, except that an empty path and `/` are
/// the same (RFC 3986 section 6.2.3).
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    bare(one) == bare(other)
}

fn bare(resource: &str) -> &str {
    let authority = resource.split_once("://").map_or(resource, |(_, rest)| rest);
    match authority.split_once('/') {
        Some((_, "")) => resource.strip_suffix('/').unwrap_or(resource),
        _ => resource,
    }
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// The metadata of the protected resource.
    pub fn resource_metadata(&self) -> ResourceMetadata<'_> {
        let scopes = &self.settings().scopes;
        let is_asked_for = |name: &&ScopeName| !self.is_admin_scope(name);
        let harmless = scopes.iter().filter(|scope| !scope.sensitive).map(|scope| &scope.name);
        ResourceMetadata {
            resource: &self.resource().identifier,
            authorization_servers: [self.settings().issuer()],
            scopes_supported: harmless.filter(is_asked_for).collect(),
            bearer_methods_supported: ["header"],
            resource_name: self.shown_name(),
            resource_documentation: self.texts().documentation_uri.as_ref(),
        }
    }

    pub(crate) fn oauth_entry(&self) -> OAuthEntry<'_> {
        OAuthEntry {
            resource: &self.resource().identifier,
            resource_metadata: &self.resource().metadata_url,
            authorization_server: self.settings().issuer(),
        }
    }

    /// The paths of the documents that anyone may read: the discovery document, the public keys, and
    /// the metadata, once more with the resource's path where it has one.
    pub fn document_paths(&self) -> Vec<&str> {
        let own = self.resource().path.as_str();
        let mut paths = vec![DISCOVERY_PATH, JWKS_PATH, METADATA_PATH];
        if own != METADATA_PATH {
            paths.push(own);
        }
        paths
    }

    pub(crate) fn is_resource_metadata(&self, path: &str) -> bool {
        path == METADATA_PATH || path == self.resource().path
    }

    /// `GET /.well-known/oauth-protected-resource`. Pages of other sites read it too: clients run
    /// in browsers, and it says the same to everybody.
    pub(crate) fn answer_resource_metadata(&self) -> Response<Bytes> {
        let mut response = cacheable(json(&self.resource_metadata()));
        let anyone = HeaderValue::from_static("*");
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
        response
    }

    /// A refusal of a route, with the way to a token in its challenge. A route that no agent may
    /// use shows none.
    pub(crate) fn shows_the_way(&self, refused: Refused, guard: &Guard) -> Refused {
        if guard.lets_agents_in() { self.leads(refused, guard.scope_used()) } else { refused }
    }

    /// The same where nobody knows which route is meant.
    pub(crate) fn leads(&self, mut refused: Refused, scope: Option<String>) -> Refused {
        if let Some(challenge) = &mut refused.challenge {
            challenge.resource_metadata = Some(self.resource().metadata_url.clone());
            challenge.scope = scope;
        }
        refused
    }

    /// The values of `WWW-Authenticate` of a 401 that nobody got, on a route with this guard: ours
    /// comes first, with the scopes of the whole route, and a `Bearer` that says nothing goes. `None`
    /// leaves it as it is: no agent may use the route, or the app shows a way of its own.
    pub fn challenges(&self, guard: &Guard, present: &[HeaderValue]) -> Option<Vec<HeaderValue>> {
        let way = Challenge {
            resource_metadata: Some(self.resource().metadata_url.clone()),
            ..Challenge::default()
        };
        let begins = way.to_string();
        // what one of several guards said knows its own scopes alone
        let is_ours = |value: &&HeaderValue| {
            value.as_bytes().eq_ignore_ascii_case(b"bearer")
                || value.as_bytes().starts_with(begins.as_bytes())
        };
        let others: Vec<&HeaderValue> = present.iter().filter(|value| !is_ours(value)).collect();
        let leads = |value: &&HeaderValue| {
            value.as_bytes().windows(17).any(|part| part == b"resource_metadata")
        };
        if !guard.lets_agents_in() || others.iter().any(leads) {
            return None;
        }
        let challenge = Challenge { scope: guard.scope_used(), ..way };
        Some(std::iter::once(challenge.to_header()).chain(others.into_iter().cloned()).collect())
    }

    /// The same on the headers themselves.
    pub(crate) fn challenge_in(&self, guard: &Guard, headers: &mut HeaderMap) {
        let present: Vec<HeaderValue> = headers.get_all(WWW_AUTHENTICATE).iter().cloned().collect();
        let Some(values) = self.challenges(guard, &present) else { return };
        headers.remove(WWW_AUTHENTICATE);
        for value in values {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_path_and_a_slash_are_one_resource() {
        for (one, other, same) in [
            ("https://a.example", "https://a.example/", true),
            ("https://a.example:8443/", "https://a.example:8443", true),
            ("https://a.example/mcp", "https://a.example/mcp", true),
            ("https://a.example/mcp", "https://a.example/mcp/", false),
            ("https://a.example/mcp", "https://a.example/MCP", false),
            ("https://a.example", "https://a.example//", false),
            ("https://a.example", "http://a.example", false),
            ("https://a.example", "https://a.example/?", false),
        ] {
            assert_eq!(is_same(one, other), same, "{one} {other}");
            assert_eq!(is_same(other, one), same, "{other} {one}");
        }
    }
}
