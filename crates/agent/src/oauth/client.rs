//! Who the agent is to an authorization server: the address of a metadata document, an id that was
//! agreed on elsewhere, or what a registration answered (RFC 7591).

use agentadmit_protocol::time::Timestamp;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::server::Server;
use super::token::refused;
use super::{LIMITS, NotAuthorized};
use crate::token_text::Token;
use crate::wire::Ask;

/// What the registration says the program is.
const NAME: &str = "agentadmit";
/// How long a registration is used again that nobody got a grant with, in seconds: servers forget such
/// clients after a day.
const UNUSED: i64 = 20 * 3_600;

/// How a client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// A public client.
    #[serde(rename = "none")]
    None,
    /// HTTP Basic (RFC 6749 section 2.3.1).
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// In the form.
    #[serde(rename = "client_secret_post")]
    Post,
}

impl Proof {
    const ALL: [Self; 3] = [Self::None, Self::Basic, Self::Post];

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

/// A client, as one server knows it and no other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OAuthClient {
    /// The server that knows it. Nothing of it is ever sent to another (MCP, Authorization).
    pub issuer: String,
    /// Its `client_id`.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<Token>,
    /// How it proves itself.
    pub proof: Proof,
    /// Where a browser comes back to, if one may.
    pub redirect_uri: Option<String>,
    /// When it registered; nothing for one that somebody named.
    pub registered_at: Option<Timestamp>,
}

/// What somebody said the agent is.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// A `client_id`: the https address of a metadata document, or one that was agreed on.
    pub id: Option<String>,
    /// The secret that belongs to it.
    pub secret: Option<Token>,
}

impl OAuthClient {
    /// Whether it was registered at this server, and for this way: a browser that comes back needs an
    /// address, and a device has none.
    pub(crate) fn fits(&self, issuer: &str, redirect_uri: Option<&str>) -> bool {
        self.issuer == issuer && self.redirect_uri.as_deref() == redirect_uri
    }

    /// Whether the server still knows it, as far as can be told.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.registered_at.is_some_and(|at| now.millis_since(at) < UNUSED.saturating_mul(1_000))
    }

    /// Adds the client to a form, and its proof to the request.
    pub(crate) fn sign(&self, ask: &mut Ask, form: &mut Vec<(&'static str, Zeroizing<String>)>) {
        match (self.proof, &self.secret) {
            (Proof::Basic, Some(secret)) => {
                let coded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair =
                    Zeroizing::new(format!("{}:{}", coded(&self.id), coded(secret.expose())));
                let basic = format!("Basic {}", *crate::base64(pair.as_bytes()));
                if let Ok(mut basic) = HeaderValue::try_from(Zeroizing::new(basic).as_str()) {
                    basic.set_sensitive(true);
                    ask.headers.insert(AUTHORIZATION, basic);
                }
            }
            (Proof::Post, Some(secret)) => {
                form.push(("client_id", Zeroizing::new(self.id.clone())));
                form.push(("client_secret", Zeroizing::new(secret.expose().to_owned())));
            }
            _ => form.push(("client_id", Zeroizing::new(self.id.clone()))),
        }
    }
}

/// The client that somebody named, or a new registration.
///
/// # Errors
/// [`NotAuthorized`]: the server takes neither.
pub async fn obtain(
    server: &Server,
    named: &Named,
    redirect_uri: Option<&str>,
    now: Timestamp,
) -> Result<OAuthClient, NotAuthorized> {
    let known = |id: &str, secret: Option<Token>, proof: Proof| OAuthClient {
        issuer: server.issuer.clone(),
        id: id.to_owned(),
        secret,
        proof,
        redirect_uri: redirect_uri.map(str::to_owned),
        registered_at: None,
    };
    match (&named.id, &named.secret) {
        (Some(id), Some(secret)) => {
            let ways = [Proof::Basic, Proof::Post];
            let proof = ways.into_iter().find(|proof| server.takes(proof.name()));
            let proof = proof.ok_or_else(|| server.lacks("takes no client secret"))?;
            Ok(known(id, Some(secret.clone()), proof))
        }
        // a server that does not know documents may still let clients register
        (Some(id), None) if !id.starts_with("https://") || server.takes_documents => {
            Ok(known(id, None, Proof::None))
        }
        _ => register(server, redirect_uri, now).await,
    }
}

/// What is read of the answer to a registration.
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<Token>,
    token_endpoint_auth_method: Option<String>,
}

async fn register(
    server: &Server,
    redirect_uri: Option<&str>,
    now: Timestamp,
) -> Result<OAuthClient, NotAuthorized> {
    let lacks = "registers no clients: name one that it knows (--client-id)";
    let place = server.registration.as_ref().ok_or_else(|| server.lacks(lacks))?;
    let asked = Proof::ALL.into_iter().find(|proof| server.takes(proof.name()));
    let asked = asked.ok_or_else(|| server.lacks("takes no proof that this program can give"))?;
    let mut grants = vec!["refresh_token"];
    grants.push(if redirect_uri.is_some() { "authorization_code" } else { super::device::GRANT });
    let mut metadata = json!({
        "client_name": NAME,
        "application_type": "native",
        "grant_types": grants,
        "token_endpoint_auth_method": asked.name(),
    });
    if let (Some(uri), Some(members)) = (redirect_uri, metadata.as_object_mut()) {
        members.insert("redirect_uris".to_owned(), json!([uri]));
        members.insert("response_types".to_owned(), json!(["code"]));
    }
    let body = metadata.to_string().into();
    let mut ask = Ask { method: Method::POST, body, ..Ask::get(place.clone()) };
    ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ask.accept_json();
    let answer = server.client.send_to(ask, LIMITS).await?;
    if !matches!(answer.status, StatusCode::CREATED | StatusCode::OK) {
        return Err(refused(&answer));
    }
    let body = Zeroizing::new(answer.body.to_vec());
    let unusable = || NotAuthorized::document(place, "answers the registration with no client");
    let read: Registered = serde_json::from_slice(&body).map_err(|_| unusable())?;
    let said = read.token_endpoint_auth_method.as_deref();
    let proof = match said {
        None => asked,
        Some(said) => {
            Proof::ALL.into_iter().find(|proof| proof.name() == said).ok_or_else(unusable)?
        }
    };
    let is_id = !read.client_id.is_empty() && read.client_id.len() <= 2_000;
    if !is_id || (proof != Proof::None && read.client_secret.is_none()) {
        return Err(unusable());
    }
    Ok(OAuthClient {
        issuer: server.issuer.clone(),
        id: read.client_id,
        secret: read.client_secret.filter(|_| proof != Proof::None),
        proof,
        redirect_uri: redirect_uri.map(str::to_owned),
        registered_at: Some(now),
    })
}
