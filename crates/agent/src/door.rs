//! Where a connection token is exchanged: at the app itself, or, for an MCP server that does not exchange
//! tokens, at the service that the human typed too.
//!
//! A token goes to an origin that the human typed and to no other (PROTOCOL, Discovery document). What a
//! server says of itself never sends it anywhere: it can only keep it from being sent.

use url::Url;

use crate::oauth::{NotAuthorized, address, resource};
use crate::offer::{BadOffer, Offer, Page, discover};
use crate::origin::{BadOrigin, Origin};
use crate::target::McpServer;
use crate::wire::Client;
use crate::words::clean;

/// Where a service exchanges tokens.
const EXCHANGE: &str = "/v1/token/exchange";

/// A place that exchanges a token, and what the credential is kept under.
#[derive(Debug, Clone)]
pub struct Door {
    /// The app's origin, or the address of the MCP server.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// Where a person gets a token and widens a grant.
    pub page: Option<Page>,
    /// The origin that the human typed.
    pub origin: Origin,
    /// The place on it.
    pub(crate) exchange: Url,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum NoDoor {
    /// The MCP server's app has no discovery document, and nobody said which service the token is from.
    #[error(
        "{server} exchanges no connection token itself. It says that its service is {service}: if your \
         token is from there, say so (--service {service}); the token goes to no address that you did \
         not type"
    )]
    Unsaid {
        /// Which server.
        server: String,
        /// What it says.
        service: String,
    },
    /// The server's service is another one.
    #[error(
        "{server} says that its service is {says}, and not {typed}: a token of another service opens \
         nothing there, and is not sent"
    )]
    Other {
        /// Which server.
        server: String,
        /// What it says.
        says: String,
        /// What the human typed.
        typed: String,
    },
    /// What was typed is no address.
    #[error(transparent)]
    Address(#[from] BadOrigin),
    /// The origin has a discovery document that must not be believed, or gives no answer.
    #[error(transparent)]
    Offer(#[from] BadOffer),
    /// The server does not say whose tokens it takes.
    #[error(transparent)]
    NotAuthorized(#[from] NotAuthorized),
}

impl From<&Offer> for Door {
    fn from(offer: &Offer) -> Self {
        Self {
            key: offer.origin.to_string(),
            name: offer.name.clone(),
            page: offer.page.clone(),
            origin: offer.origin.clone(),
            exchange: offer.exchange.clone(),
        }
    }
}

impl Door {
    /// The door of an MCP server: its own origin's, if an app is there; else that of the service which
    /// the human typed, if it is the one that the server names.
    ///
    /// # Errors
    /// [`NoDoor`].
    pub async fn of_server(
        client: &Client,
        server: &McpServer,
        service: Option<&str>,
    ) -> Result<Self, NoDoor> {
        let key = server.url.to_string();
        let Some(typed) = service else {
            let origin = Origin::of(server.url.as_str())?;
            return match discover(client, &origin).await {
                Ok(offer) => Ok(Self { key, ..Self::from(&offer) }),
                Err(BadOffer::NotThere { status: ..500, .. }) => Err(unsaid(client, server).await),
                Err(why) => Err(why.into()),
            };
        };
        let found = resource::find(client, &server.url, server.challenge.as_ref()).await?;
        let origin = Origin::of(typed)?;
        let plain =
            |text: &str| address(text).map(|url| url.as_str().trim_end_matches('/').to_owned());
        let (says, typed) = (plain(&found.issuer), plain(typed));
        let place = typed.as_deref().filter(|_| says == typed);
        let place = place.and_then(|place| Url::parse(&format!("{place}{EXCHANGE}")).ok());
        let exchange = place.filter(|place| origin.holds(place)).ok_or_else(|| NoDoor::Other {
            server: clean(server.url.as_str(), 200),
            says: clean(&found.issuer, 200),
            typed: clean(typed.as_deref().unwrap_or_default(), 200),
        })?;
        let name =
            found.title.unwrap_or_else(|| server.url.host_str().unwrap_or_default().to_owned());
        Ok(Self { key, name, page: None, origin, exchange })
    }
}

/// What the server says of its service, for the human to type.
async fn unsaid(client: &Client, server: &McpServer) -> NoDoor {
    match resource::find(client, &server.url, server.challenge.as_ref()).await {
        Ok(found) => NoDoor::Unsaid {
            server: clean(server.url.as_str(), 200),
            service: clean(&found.issuer, 200),
        },
        Err(why) => why.into(),
    }
}
