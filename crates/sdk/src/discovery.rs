//! What the app says of itself to agents: `/.well-known/agentadmit`, and its public keys beside it
//! (PROTOCOL, Discovery document).
//!
//! Every address in it is built from the configured `public_url`. Everything else is the app's own
//! claim, cleaned and bounded; only `signed_metadata` can be held against keys that somebody else
//! vouches for. Admin scopes, hidden routes and routes that need an admin scope are left out.

use std::borrow::Cow;

use agentadmit_protocol::WebUrl;
use agentadmit_protocol::api::public_keys::JwksAnswer;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::scope::{Scope, ScopeName};
use agentadmit_protocol::text::Label;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use parking_lot::Mutex;
use serde::Serialize;

use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::error::ConfigurationError;
use crate::guard::GuardedRoute;
use crate::keys::SigningKey;
use crate::resource::OAuthEntry;

/// Where the document stands, on every app.
pub use agentadmit_protocol::prompt::DISCOVERY_PATH;
/// Where the app's public keys stand.
pub const JWKS_PATH: &str = "/.well-known/agentadmit/jwks.json";
/// The `typ` of `signed_metadata`.
pub const METADATA_TYPE: &str = "agentadmit-metadata+jwt";

/// The most characters of a text in the document.
const MAX_TEXT: usize = 1_000;
/// How long a signature may be believed, in seconds: 24 h, the most that the contract allows.
const SIGNED_FOR: i64 = 86_400;
/// After how many seconds the document is signed anew.
const SIGN_AGAIN_AFTER: i64 = 3_600;

const CACHEABLE: &str = "public, max-age=300";

/// The document. Members that the app does not have are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document<'a> {
    /// Always `1`.
    pub agentadmit_version: &'static str,
    /// The app.
    pub app: Card<'a>,
    /// The service's address.
    pub service: String,
    /// Where a connection token is exchanged: on the document's own origin.
    pub token_exchange_endpoint: String,
    /// Where a person gets a token: the mounted page, unless the app names its own.
    pub connections_page: Cow<'a, str>,
    /// How an agent shows its token.
    pub authorization: Authorization,
    /// The other way to a token, for clients that speak OAuth.
    pub oauth: OAuthEntry<'a>,
    /// What may be granted, admin scopes left out.
    pub scopes: Vec<ScopeEntry<'a>>,
    /// What agents may call.
    pub routes: Vec<RouteEntry>,
    /// What an agent should know before it calls.
    pub instructions: Cow<'a, str>,
    /// The app's public keys; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
}

/// The app as agents see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Card<'a> {
    /// Its id at the service.
    pub id: AppId,
    /// What people call it; the host of its address where it has no name.
    pub name: Cow<'a, str>,
    /// What it is.
    pub description: Option<Cow<'a, str>>,
    /// Its picture.
    pub logo_uri: Option<&'a WebUrl>,
    /// Where its API is explained.
    pub documentation_uri: Option<&'a WebUrl>,
    /// Where its API is described in OpenAPI.
    pub openapi_uri: Option<&'a WebUrl>,
}

/// How an agent shows its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Authorization {
    scheme: &'static str,
    header: &'static str,
    access_token_prefix: &'static str,
    connection_token_prefix: &'static str,
}

/// A scope that a user may grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScopeEntry<'a> {
    name: &'a ScopeName,
    description: Cow<'a, str>,
    category: Option<&'a Label>,
    sensitive: bool,
}

/// A route that agents may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteEntry {
    method: String,
    path: String,
    /// Every scope that it needs, separated by spaces; `null` is any live connection.
    scope: Option<String>,
    summary: Option<String>,
}

/// The claims of `signed_metadata`: the document's members and who says so, until when.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: AppId,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    document: &'a Document<'a>,
}

#[derive(Serialize)]
struct Signed<'a> {
    #[serde(flatten)]
    document: &'a Document<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_metadata: Option<String>,
}

/// The document as it was last written, so that a reader costs no signature.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Option<Written>>);

impl Published {
    /// The next reader gets it written anew.
    pub(crate) fn forget(&self) {
        *self.0.lock() = None;
    }
}

#[derive(Debug)]
struct Written {
    at: i64,
    routes: usize,
    json: Bytes,
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// The discovery document, without its signature.
    pub fn document(&self) -> Document<'_> {
        let settings = self.settings();
        let (identity, texts) = (self.identity(), self.texts());
        let origin = &identity.origin;
        Document {
            agentadmit_version: "1",
            app: Card {
                id: identity.app_id,
                name: self.shown_name(),
                description: settings.description.as_ref().map(|text| clean(text.as_str())),
                logo_uri: texts.logo_uri.as_ref(),
                documentation_uri: texts.documentation_uri.as_ref(),
                openapi_uri: texts.openapi_uri.as_ref(),
            },
            service: settings.service_url.as_str().trim_end_matches('/').to_owned(),
            token_exchange_endpoint: self.exchange_endpoint(),
            connections_page: texts.connections_page.as_ref().map_or_else(
                || format!("{origin}{}", self.prefix()).into(),
                |page| page.as_str().into(),
            ),
            authorization: Authorization {
                scheme: "Bearer",
                header: "Authorization",
                access_token_prefix: "ag_at_",
                connection_token_prefix: "ag_ct_",
            },
            oauth: self.oauth_entry(),
            scopes: self.shown_scopes().map(scope_entry).collect(),
            routes: self.routes().iter().filter(|it| self.is_shown(it)).map(route_entry).collect(),
            instructions: texts
                .instructions
                .as_deref()
                .map_or_else(|| self.default_instructions().into(), clean),
            jwks_uri: self.signing_key().map(|_| format!("{origin}{JWKS_PATH}")),
        }
    }

    /// What people call the app; the host of its address where it has no name.
    pub(crate) fn shown_name(&self) -> Cow<'_, str> {
        let origin = self.identity().origin.as_str();
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        self.settings().name.as_ref().map_or(host.into(), |name| clean(name.as_str()))
    }

    /// The app's public keys as a JWK set; empty where it has no key pair.
    pub fn public_keys(&self) -> JwksAnswer {
        JwksAnswer { keys: self.signing_key().map(SigningKey::public_jwk).into_iter().collect() }
    }

    /// Where an agent exchanges a connection token.
    pub(crate) fn exchange_endpoint(&self) -> String {
        let (origin, prefix) = (&self.identity().origin, self.prefix());
        format!("{origin}{prefix}/token/exchange")
    }

    fn shown_scopes(&self) -> impl Iterator<Item = &Scope> {
        self.settings().scopes.iter().filter(|scope| !self.is_admin_scope(&scope.name))
    }

    fn is_shown(&self, route: &GuardedRoute) -> bool {
        let mut scopes = route.guard.scopes();
        route.guard.lets_agents_in()
            && !route.is_hidden()
            && !scopes.any(|scope| self.is_admin_scope(scope))
    }

    fn default_instructions(&self) -> String {
        let endpoint = self.exchange_endpoint();
        format!(
            "A person gives you a connection token (ag_ct_…). Exchange it once: POST {endpoint} with \
             {{\"token\": …}} as JSON and a random `Idempotency-Key`. Send the access token that you \
             get to this origin alone, as `Authorization: Bearer …`. 401 means that the access has \
             ended: ask the person, not the app. 403 means that it does not include what you tried. \
             After 429 and 503 wait as `Retry-After` says."
        )
    }

    /// `GET /.well-known/agentadmit`.
    pub(crate) fn answer_document(&self) -> Response<Bytes> {
        let now = self.clock().unix_ms() / 1_000;
        let routes = self.route_count();
        let mut written = self.published().0.lock();
        let json = match written.as_ref() {
            // a clock that went back signs anew too
            Some(last)
                if last.routes == routes && (0..SIGN_AGAIN_AFTER).contains(&(now - last.at)) =>
            {
                last.json.clone()
            }
            _ => {
                let json = self.write_document(now);
                *written = Some(Written { at: now, routes, json: json.clone() });
                json
            }
        };
        drop(written);
        cacheable(json)
    }

    /// A document that cannot be signed goes out without a signature: to an agent it then is what
    /// any unsigned document is.
    fn write_document(&self, now: i64) -> Bytes {
        let document = self.document();
        let signed_metadata = match self.sign_document(&document, now) {
            Ok(signature) => signature,
            Err(error) => {
                tracing::error!(%error, "the discovery document could not be signed");
                None
            }
        };
        json(&Signed { document: &document, signed_metadata })
    }

    fn sign_document(
        &self,
        document: &Document<'_>,
        iat: i64,
    ) -> Result<Option<String>, ConfigurationError> {
        let Some(key) = self.signing_key() else { return Ok(None) };
        let identity = self.identity();
        let exp = iat.saturating_add(SIGNED_FOR);
        let claims = Claims { iss: &identity.origin, sub: identity.app_id, iat, exp, document };
        key.sign(METADATA_TYPE, &claims).map(Some)
    }

    /// `GET /.well-known/agentadmit/jwks.json`.
    pub(crate) fn answer_public_keys(&self) -> Response<Bytes> {
        cacheable(json(&self.public_keys()))
    }
}

fn scope_entry(scope: &Scope) -> ScopeEntry<'_> {
    ScopeEntry {
        name: &scope.name,
        description: clean(scope.description.as_str()),
        category: scope.category.as_ref(),
        sensitive: scope.sensitive,
    }
}

fn route_entry(route: &GuardedRoute) -> RouteEntry {
    RouteEntry {
        method: route.method.as_str().to_owned(),
        path: clean(&route.path).into_owned(),
        scope: route.scope_used(),
        summary: route.summary().map(|text| clean(text).into_owned()),
    }
}

/// At most 1,000 characters, none of which controls a terminal or reorders text.
fn clean(text: &str) -> Cow<'_, str> {
    let is_trick =
        |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    if text.chars().nth(MAX_TEXT).is_none() && !text.contains(is_trick) {
        return Cow::Borrowed(text);
    }
    // a line end separates words
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    Cow::Owned(spaced.filter(|c| !is_trick(*c)).take(MAX_TEXT).collect())
}

pub(crate) fn json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

/// A document that anyone may keep for five minutes.
pub(crate) fn cacheable(json: Bytes) -> Response<Bytes> {
    let mut response = Response::new(json);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHEABLE));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_hold_no_tricks() {
        assert_eq!(clean("Your orders"), "Your orders");
        assert_eq!(clean("a\nb\u{1b}[31mc\u{202e}d\0"), "a b[31mcd");
        assert_eq!(clean(&"é".repeat(1_001)).chars().count(), 1_000);
        assert!(matches!(clean(&"é".repeat(1_000)), Cow::Borrowed(_)));
    }
}
