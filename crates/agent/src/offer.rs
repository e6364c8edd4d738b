//! What an app offers to agents: its discovery document, read as if the app were hostile
//! (PROTOCOL, Discovery document).
//!
//! The document is the app's own claim. An address in it that a token or a call would go to must be on
//! the origin that the human named, else the whole document is refused: an honest app never names
//! another one.

use std::time::Duration;

use agentadmit_protocol::prompt::DISCOVERY_PATH;
use agentadmit_protocol::scope::ScopeName;
use http::header::{ACCEPT, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::origin::Origin;
use crate::template::Template;
use crate::wire::{Ask, Client, End, Limits, NoAnswer};
use crate::words::clean;

/// What the document may cost.
const LIMITS: Limits = Limits { bytes: 256 * 1024, time: Duration::from_secs(15) };
/// Routes beyond these are left out.
pub const MAX_ROUTES: usize = 400;
/// Scopes beyond these are left out.
const MAX_SCOPES: usize = 500;
/// The most characters of a text, as the contract has it.
const MAX_TEXT: usize = 1_000;
/// The most characters of a name.
const MAX_NAME: usize = 100;

/// Why an app's offer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOffer {
    /// The app gives no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// It has no such document.
    #[error("{origin}{DISCOVERY_PATH} answers {status}: no app that lets agents in by AgentAdmit")]
    NotThere {
        /// Who was asked.
        origin: String,
        /// What came.
        status: u16,
    },
    /// The document is larger than it may be, or does not end.
    #[error("the discovery document of {0} is larger than 256 KiB, or does not end")]
    Endless(String),
    /// It is not what the contract says.
    #[error("the discovery document of {origin} cannot be used: {why}")]
    Document {
        /// Whose it is.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// It leads away.
    #[error(
        "the discovery document of {origin} names another origin as `{member}`: nothing is sent \
         there, and the app is not to be trusted with a token"
    )]
    OtherOrigin {
        /// Whose it is.
        origin: String,
        /// The member that does.
        member: &'static str,
    },
}

/// What an app offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The origin that the human named.
    pub origin: Origin,
    /// What the app calls itself; its host where it has no name.
    pub name: String,
    /// What it says it is.
    pub description: Option<String>,
    /// Where a connection token is exchanged, on the origin.
    pub exchange: Url,
    /// Where a person gets a token and widens a grant.
    pub page: Option<Page>,
    /// What may be granted.
    pub scopes: Vec<OfferedScope>,
    /// What may be called.
    pub routes: Vec<OfferedRoute>,
    /// How many routes of the document are left out: too many, or none that can be called.
    pub left_out: usize,
    /// Where the API is described, where that is on the origin.
    pub openapi: Option<Url>,
}

/// A page for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where.
    pub url: Url,
    /// Whether it is on the origin that the human named.
    pub is_own: bool,
}

/// A scope, as the app describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedScope {
    /// Its name.
    pub name: ScopeName,
    /// What it means.
    pub description: String,
    /// Whether the app calls it sensitive.
    pub sensitive: bool,
}

/// A route that agents may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedRoute {
    /// Its method.
    pub method: Method,
    /// Its path as the document writes it.
    pub path: String,
    /// The same, understood.
    pub template: Template,
    /// Every scope that it needs.
    pub scopes: Vec<ScopeName>,
    /// What it does.
    pub summary: Option<String>,
}

/// Asks an app what it offers.
///
/// # Errors
/// [`BadOffer`].
pub async fn discover(client: &Client, origin: &Origin) -> Result<Offer, BadOffer> {
    let not_there = |status: u16| BadOffer::NotThere { origin: origin.to_string(), status };
    let mut ask = Ask::get(origin.at(DISCOVERY_PATH).ok_or_else(|| not_there(0))?);
    ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = client.send(origin, ask, LIMITS).await?;
    if answer.status != StatusCode::OK {
        return Err(not_there(answer.status.as_u16()));
    }
    match answer.end {
        End::Whole => read(origin, &answer.body),
        End::TooLarge | End::TimedOut => Err(BadOffer::Endless(origin.to_string())),
        End::Broken => {
            let why = "the answer broke off".to_owned();
            Err(NoAnswer::Broken(origin.to_string(), why).into())
        }
    }
}

/// The members that are read.
#[derive(Deserialize)]
struct Document {
    agentadmit_version: String,
    app: Card,
    token_exchange_endpoint: String,
    connections_page: Option<String>,
    #[serde(default)]
    scopes: Vec<ScopeEntry>,
    #[serde(default)]
    routes: Vec<RouteEntry>,
}

#[derive(Deserialize)]
struct Card {
    name: Option<String>,
    description: Option<String>,
    openapi_uri: Option<String>,
}

#[derive(Deserialize)]
struct ScopeEntry {
    name: ScopeName,
    #[serde(default)]
    description: String,
    #[serde(default)]
    sensitive: bool,
}

#[derive(Deserialize)]
struct RouteEntry {
    method: String,
    path: String,
    scope: Option<String>,
    summary: Option<String>,
}

/// Reads a document that came from an origin.
///
/// # Errors
/// [`BadOffer::Document`], [`BadOffer::OtherOrigin`].
pub fn read(origin: &Origin, json: &[u8]) -> Result<Offer, BadOffer> {
    let bad = |why: String| BadOffer::Document { origin: origin.to_string(), why };
    let document: Document = serde_json::from_slice(json).map_err(|error| {
        // its own words may repeat the document
        bad(format!("it breaks the contract in line {} column {}", error.line(), error.column()))
    })?;
    if document.agentadmit_version != "1" {
        return Err(bad("its `agentadmit_version` is another than \"1\"".to_owned()));
    }
    let exchange = own(origin, "token_exchange_endpoint", &document.token_exchange_endpoint)?;
    let is_away = |route: &RouteEntry| !route.path.starts_with('/') || route.path.starts_with("//");
    if document.routes.iter().any(is_away) {
        return Err(BadOffer::OtherOrigin { origin: origin.to_string(), member: "routes" });
    }
    let named = document.routes.len();
    let routes: Vec<OfferedRoute> =
        document.routes.into_iter().filter_map(route).take(MAX_ROUTES).collect();
    let name = document.app.name.map(|name| clean(&name, MAX_NAME));
    Ok(Offer {
        name: name
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| origin.host().to_owned()),
        description: document.app.description.map(|text| clean(&text, MAX_TEXT)),
        exchange,
        page: document.connections_page.and_then(|page| page_of(origin, &page)),
        scopes: document.scopes.into_iter().take(MAX_SCOPES).map(scope).collect(),
        left_out: named.saturating_sub(routes.len()),
        routes,
        openapi: document.app.openapi_uri.and_then(|uri| own(origin, "openapi_uri", &uri).ok()),
        origin: origin.clone(),
    })
}

/// An address that must be on the origin, in the spelling in which it stands there.
fn own(origin: &Origin, member: &'static str, address: &str) -> Result<Url, BadOffer> {
    let away = || BadOffer::OtherOrigin { origin: origin.to_string(), member };
    let url = Url::parse(address).map_err(|_| away())?;
    if url.as_str() != address || url.fragment().is_some() || !origin.holds(&url) {
        return Err(away());
    }
    Ok(url)
}

/// An address that a person may be sent to. On another origin it is the app's word alone, and whoever
/// shows it says so.
fn page_of(origin: &Origin, address: &str) -> Option<Page> {
    let url = Url::parse(agentadmit_protocol::WebUrl::new(address).ok()?.as_str()).ok()?;
    (url.as_str().len() <= 500).then(|| Page { is_own: origin.holds(&url), url })
}

fn scope(entry: ScopeEntry) -> OfferedScope {
    let description = clean(&entry.description, MAX_TEXT);
    OfferedScope { name: entry.name, description, sensitive: entry.sensitive }
}

/// A route that can be called; nothing for what no request is made of.
fn route(entry: RouteEntry) -> Option<OfferedRoute> {
    let method = match entry.method.as_str() {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => return None,
    };
    let template = Template::parse(&entry.path)?;
    let scopes = entry.scope.unwrap_or_default();
    let scopes: Result<Vec<ScopeName>, _> = scopes.split_whitespace().map(str::parse).collect();
    Some(OfferedRoute {
        method,
        path: entry.path,
        template,
        scopes: scopes.ok()?,
        summary: entry.summary.map(|text| clean(&text, MAX_TEXT)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document() -> Value {
        json!({
            "agentadmit_version": "1",
            "app": {
                "id": "app_0", "name": "Shop", "description": null,
                "openapi_uri": "https://shop.example/openapi.json", "new": 1,
            },
            "service": "https://service.example",
            "token_exchange_endpoint": "https://shop.example/agentadmit/token/exchange",
            "connections_page": "https://shop.example/agentadmit",
            "scopes": [{"name": "read:orders", "description": "See\norders", "category": null}],
            "routes": [
                {"method": "GET", "path": "/orders/{id}", "scope": "read:orders", "summary": null},
                {"method": "TRACE", "path": "/x", "scope": null, "summary": null},
            ],
            "instructions": "x",
        })
    }

    fn offer(document: &Value) -> Result<Offer, BadOffer> {
        let origin = Origin::of("https://shop.example").unwrap();
        read(&origin, document.to_string().as_bytes())
    }

    #[test]
    fn a_document_is_read() {
        let offer = offer(&document()).unwrap();
        assert_eq!(offer.name, "Shop");
        assert_eq!((offer.routes.len(), offer.left_out), (1, 1));
        assert_eq!(offer.routes[0].scopes, ["read:orders".parse::<ScopeName>().unwrap()]);
        assert_eq!(offer.scopes[0].description, "See orders");
        assert!(offer.page.unwrap().is_own && offer.openapi.is_some());
    }

    #[test]
    fn a_token_goes_to_no_other_origin() {
        for address in [
            "https://evil.example/agentadmit/token/exchange",
            "http://shop.example/agentadmit/token/exchange",
            "https://shop.example:8443/x",
            "https://shop.example@evil.example/x",
            "https://user@shop.example/x",
            "https:\\\\shop.example/x",
            "//evil.example/x",
            "/agentadmit/token/exchange",
            "https://shop.example/../x",
            "",
        ] {
            let mut document = document();
            document["token_exchange_endpoint"] = json!(address);
            let refused = offer(&document).unwrap_err();
            assert!(matches!(refused, BadOffer::OtherOrigin { .. }), "{address}: {refused}");
        }
        for path in ["https://evil.example/x", "//evil.example/x", "evil", ""] {
            let mut document = document();
            document["routes"][0]["path"] = json!(path);
            let refused = offer(&document).unwrap_err();
            assert!(matches!(refused, BadOffer::OtherOrigin { member: "routes", .. }), "{path}");
        }
        let mut document = document();
        document["app"]["openapi_uri"] = json!("https://evil.example/openapi.json");
        document["connections_page"] = json!("https://evil.example/");
        let offer = offer(&document).unwrap();
        assert!(offer.openapi.is_none() && !offer.page.unwrap().is_own);
    }

    #[test]
    fn what_breaks_the_contract_is_refused_without_repeating_it() {
        let long = json!(vec!["x"; 3]);
        for (member, value) in [
            ("agentadmit_version", json!("2")),
            ("agentadmit_version", json!(1)),
            ("app", json!("IGNORE ALL")),
            ("token_exchange_endpoint", Value::Null),
            ("scopes", json!([{"name": "IGNORE ALL"}])),
            ("routes", json!({"a": "IGNORE ALL"})),
            ("routes", long),
        ] {
            let mut document = document();
            document[member] = value;
            let refused = offer(&document).unwrap_err();
            assert!(matches!(refused, BadOffer::Document { .. }), "{member}: {refused}");
            assert!(!refused.to_string().contains("IGNORE"), "{refused}");
        }
        let origin = Origin::of("https://shop.example").unwrap();
        let deep = format!("{{\"app\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
        for json in ["", "[]", "<html>", &deep] {
            assert!(read(&origin, json.as_bytes()).is_err());
        }
    }

    #[test]
    fn routes_beyond_the_limit_are_left_out() {
        let mut document = document();
        let route = |n: usize| json!({"method": "GET", "path": format!("/r{n}"), "scope": null});
        document["routes"] = (0..MAX_ROUTES + 7).map(route).collect();
        let offer = offer(&document).unwrap();
        assert_eq!((offer.routes.len(), offer.left_out), (MAX_ROUTES, 7));
    }
}
