//! What a protected resource says of itself (RFC 9728): under which name tokens are for it, and which
//! authorization server gives them.
//!
//! The document is the resource's own claim, and may name any server. Which resource a token is for it
//! may not: the name must be on the origin that the human typed, and hold the address that the human
//! typed (section 3.3), else a token for somebody else's resource would be asked for, and sent here.

use serde::Deserialize;
use url::Url;

use super::challenge::Challenge;
use super::{NotAuthorized, address, document, words_of};
use crate::origin::Origin;
use crate::wire::Client;
use crate::words::clean;

/// Where it stands (section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What is known of a resource.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its name, as it writes it: compared byte by byte (RFC 8707).
    pub name: String,
    /// The issuer that gives tokens for it: the first that it names.
    pub issuer: String,
    /// The scopes that a client asks for which knows nothing better.
    pub scopes: Option<Vec<String>>,
    /// What people call it.
    pub title: Option<String>,
    /// Whether it answered from an address of the public internet: then so must whatever it names.
    pub is_public: bool,
}

#[derive(Deserialize)]
struct Document {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    scopes_supported: Option<Vec<String>>,
    resource_name: Option<String>,
}

/// Finds the document of whatever is at an address: where a refusal said that it is, else behind the
/// well-known part with the address's path, else without (MCP, Authorization).
///
/// # Errors
/// [`NotAuthorized::NoResource`]: there is none. Others: there is one that must not be believed.
pub async fn find(
    client: &Client,
    target: &Url,
    challenge: Option<&Challenge>,
) -> Result<Resource, NotAuthorized> {
    let origin = Origin::of(target.as_str())
        .map_err(|_| NotAuthorized::NoResource(clean(target.as_str(), 200)))?;
    let mut places = Vec::new();
    if let Some(said) = challenge.and_then(|challenge| challenge.resource_metadata.as_deref()) {
        let place = address(said).filter(|place| origin.holds(place)).ok_or_else(|| {
            NotAuthorized::document(
                target,
                "names metadata on another origin: nothing is sent there",
            )
        })?;
        places.push(place);
    }
    let below = target.path().trim_end_matches('/');
    places.extend(origin.at(&format!("{WELL_KNOWN}{below}")));
    if !below.is_empty() {
        places.extend(origin.at(WELL_KNOWN));
    }
    places.dedup();
    for place in places {
        if let Some((read, answer)) = document(client, &place).await? {
            return check(read, &place, target, answer.is_public);
        }
    }
    Err(NotAuthorized::NoResource(origin.to_string()))
}

fn check(
    read: Document,
    place: &Url,
    target: &Url,
    is_public: bool,
) -> Result<Resource, NotAuthorized> {
    if !holds(&read.resource, target) {
        let why = "is of another resource than the one that was typed: no token is asked for";
        return Err(NotAuthorized::document(place, why));
    }
    let issuer = read.authorization_servers.into_iter().find(|issuer| address(issuer).is_some());
    let issuer = issuer.ok_or_else(|| {
        NotAuthorized::document(place, "names no authorization server that could be asked")
    })?;
    let scopes = read.scopes_supported.map(|scopes| words_of(&scopes.join(" ")));
    let title = read.resource_name.map(|title| clean(&title, 100));
    Ok(Resource {
        name: read.resource,
        issuer,
        scopes: scopes.filter(|scopes| !scopes.is_empty()),
        title: title.filter(|title| !title.trim().is_empty()),
        is_public,
    })
}

/// Whether a resource's name holds an address: the same origin, and the same path or one above it.
fn holds(name: &str, target: &Url) -> bool {
    let (Some(name), Ok(origin)) = (address(name), Origin::of(target.as_str())) else {
        return false;
    };
    let above = name.path().trim_end_matches('/');
    let below = target.path().strip_prefix(above);
    let is_above = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    origin.holds(&name) && is_above && (name.query().is_none() || name.query() == target.query())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_origin_and_of_the_path() {
        let target = Url::parse("https://shop.example/a/mcp").unwrap();
        for name in [
            "https://shop.example/a/mcp",
            "https://shop.example/a/mcp/",
            "https://shop.example/a",
            "https://shop.example/",
            "https://shop.example",
            "https://SHOP.example:443/a/mcp",
        ] {
            assert!(holds(name, &target), "{name}");
        }
        for name in [
            "https://evil.example/a/mcp",
            "http://shop.example/a/mcp",
            "https://shop.example:8443/a/mcp",
            "https://shop.example/a/mcp/b",
            "https://shop.example/a/mc",
            "https://shop.example/b",
            "https://shop.example/a/mcp#x",
            "https://shop.example/a/mcp?x",
            "https://shop.example@evil.example/a/mcp",
            "urn:shop",
            "",
        ] {
            assert!(!holds(name, &target), "{name}");
        }
    }
}
