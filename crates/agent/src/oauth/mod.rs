//! An agent as an OAuth client: how it finds out whom to ask, asks a person, and keeps what comes of it.
//!
//! | module | what |
//! | --- | --- |
//! | [`challenge`] | what a refusal says (RFC 6750, RFC 9728) |
//! | [`resource`] | what a resource says of itself: its name and its authorization server (RFC 9728) |
//! | [`server`] | what an authorization server says of itself (RFC 8414, OpenID Connect Discovery) |
//! | [`client`] | who the agent is: a metadata document, an agreed id, or a registration (RFC 7591) |
//! | [`token`] | the token endpoint and the end of a token (RFC 6749, RFC 7009) |
//! | [`code`] | a person with a browser on this machine (RFC 6749 4.1, RFC 7636, RFC 8252, RFC 9207) |
//! | [`device`] | a person with a browser anywhere (RFC 8628) |
//! | [`ask`] | all of that in order, for one address |
//! | [`keep`] | what is kept, and how twenty processes renew it once |
//!
//! Why not a library: `rmcp` and `oauth2` bring neither the device's way nor the rules of [`crate::wire`]
//! (an address that a stranger named leads to no machine inside, redirects lead nowhere, tokens leave no
//! copy behind), and their randomness is no argument.

pub mod ask;
pub mod challenge;
pub mod client;
pub mod code;
pub mod device;
pub mod keep;
pub mod resource;
pub mod server;
pub mod token;

use std::time::Duration;

use serde::de::DeserializeOwned;
use url::Url;

use crate::credentials::BadFile;
use crate::wire::{Answer, Ask, Client, End, Limits, NoAnswer};
use crate::words::clean;

/// What a document may cost.
const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(15) };
/// The most scopes of one list.
const MAX_SCOPES: usize = 200;

/// Why there is no grant.
#[derive(Debug, thiserror::Error)]
pub enum NotAuthorized {
    /// Nobody says how.
    #[error("{0} says nothing of an authorization server")]
    NoResource(String),
    /// A document that must not be believed, or cannot be.
    #[error("{place}: {why}")]
    Document {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server cannot do what is asked.
    #[error("the authorization server {issuer} {why}")]
    Cannot {
        /// Which.
        issuer: String,
        /// What it lacks.
        why: String,
    },
    /// It says no.
    #[error("the authorization server says {code}{said}")]
    Refused {
        /// The code of its error.
        code: String,
        /// Its words, cleaned, behind a colon.
        said: String,
    },
    /// The person did.
    #[error("the person who was asked said no")]
    Denied,
    /// Nobody said anything.
    #[error("nobody said yes in time")]
    TooLate,
    /// What came back by way of the browser is of somebody else.
    #[error("{0}: nothing of it is used")]
    MixedUp(&'static str),
    /// The same scopes were asked for often enough.
    #[error("{0}")]
    Enough(String),
    /// There is no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The file of credentials cannot be used.
    #[error(transparent)]
    File(#[from] BadFile),
    /// The system's.
    #[error("the system gives no {0}")]
    System(&'static str),
}

impl NotAuthorized {
    /// Whether the server is there and does not know the resource, so that a token that was handed
    /// over may still open it.
    pub fn is_unknown_resource(&self) -> bool {
        matches!(self, Self::NoResource(_))
            || matches!(self, Self::Refused { code, .. } if code == "invalid_target")
    }

    fn document(place: &Url, why: impl Into<String>) -> Self {
        Self::Document { place: clean(place.as_str(), 200), why: why.into() }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The resource, as it writes its name (RFC 8707).
    pub resource: String,
    /// The scopes; none is whatever the server gives to those who name none.
    pub scopes: Vec<String>,
}

/// The words of a list that is separated by blanks: each once, and no more than fit.
pub(crate) fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_ascii_whitespace().take(MAX_SCOPES) {
        let is_scope = word.len() <= 256 && word.bytes().all(|byte| byte.is_ascii_graphic());
        if is_scope && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// Some lists as one: each word once, in order.
pub(crate) fn union<'a>(lists: impl IntoIterator<Item = &'a [String]>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in lists.into_iter().flatten() {
        if !all.contains(word) && all.len() < MAX_SCOPES {
            all.push(word.clone());
        }
    }
    all
}

/// An address that a document names and that this machine may ask or show: https, or http on this
/// machine; no user, no password, no fragment.
pub(crate) fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let origin = crate::origin::Origin::of(text).ok()?;
    (url.fragment().is_none() && origin.holds(&url) && text.len() <= 2_000).then_some(url)
}

/// Fetches a document of JSON. Nothing where there is none (any status but 200); an error where there
/// is one that cannot be used.
async fn document<T: DeserializeOwned>(
    client: &Client,
    place: &Url,
) -> Result<Option<(T, Answer)>, NotAuthorized> {
    let mut ask = Ask::get(place.clone());
    ask.accept_json();
    let answer = client.send_to(ask, LIMITS).await?;
    if answer.status != http::StatusCode::OK {
        return Ok(None);
    }
    match answer.end {
        End::Whole => {}
        End::TooLarge | End::TimedOut => {
            return Err(NotAuthorized::document(place, "larger than 64 KiB, or does not end"));
        }
        End::Broken => return Err(NotAuthorized::document(place, "broke off")),
    }
    // its own words may repeat the document
    let read = serde_json::from_slice(&answer.body);
    let read = read.map_err(|_| NotAuthorized::document(place, "is not what it must be"))?;
    Ok(Some((read, answer)))
}
