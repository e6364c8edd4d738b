//! A person with a browser anywhere: a code to type, or an address to open (RFC 8628).

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep};
use url::Url;
use zeroize::Zeroizing;

use super::client::OAuthClient;
use super::server::Server;
use super::token::{self, Tokens, field};
use super::{Asked, NotAuthorized, address};
use crate::token_text::Token;
use crate::words::clean;

/// The grant (section 3.4).
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How often is asked where the server says nothing, and by how much less often when it is too often
/// (section 3.5), in seconds.
const INTERVAL: u64 = 5;
/// The longest that is waited between two questions, and in all, in seconds.
const LONGEST_INTERVAL: u64 = 60;
const LONGEST: u64 = 1_800;

/// A request for access that a person is asked about.
pub struct Waiting<'a> {
    /// Where the person goes.
    pub page: Url,
    /// The same, with the code in it.
    pub page_with_code: Option<Url>,
    /// What the person types there.
    pub code: String,
    /// For how many seconds.
    pub expires_in: u64,
    server: &'a Server,
    client: &'a OAuthClient,
    asked: &'a Asked,
    device: Token,
    interval: u64,
    until: Instant,
}

#[derive(Deserialize)]
struct Document {
    device_code: Token,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

/// Asks the server for a code.
///
/// # Errors
/// [`NotAuthorized`].
pub async fn begin<'a>(
    server: &'a Server,
    client: &'a OAuthClient,
    asked: &'a Asked,
) -> Result<Waiting<'a>, NotAuthorized> {
    let lacks = "gives no codes to devices: use a browser on this machine (--browser)";
    let place = server.device.as_ref().ok_or_else(|| server.lacks(lacks))?;
    let mut form = vec![field("resource", &asked.resource)];
    if !asked.scopes.is_empty() {
        form.push(field("scope", &asked.scopes.join(" ")));
    }
    let answer = token::post(&server.client, place, Some(client), form).await?;
    if !answer.status.is_success() {
        return Err(token::refused(&answer));
    }
    let body = Zeroizing::new(answer.body.to_vec());
    let unusable = || NotAuthorized::document(place, "answers with no code for a device");
    let read: Document = serde_json::from_slice(&body).map_err(|_| unusable())?;
    let code = clean(&read.user_code, 40);
    let page = address(&read.verification_uri).ok_or_else(unusable)?;
    if code.trim().is_empty() {
        return Err(unusable());
    }
    let expires_in = read.expires_in.min(LONGEST);
    Ok(Waiting {
        page_with_code: read.verification_uri_complete.as_deref().and_then(address),
        page,
        code,
        expires_in,
        server,
        client,
        asked,
        device: read.device_code,
        interval: read.interval.unwrap_or(INTERVAL).clamp(1, LONGEST_INTERVAL),
        until: Instant::now().checked_add(Duration::from_secs(expires_in)).ok_or_else(unusable)?,
    })
}

impl Waiting<'_> {
    /// Asks until the person has decided.
    ///
    /// # Errors
    /// [`NotAuthorized`].
    pub async fn tokens(self) -> Result<Tokens, NotAuthorized> {
        let mut interval = self.interval;
        loop {
            sleep(Duration::from_secs(interval)).await;
            if Instant::now() >= self.until {
                return Err(NotAuthorized::TooLate);
            }
            let form = vec![
                field("grant_type", GRANT),
                field("device_code", self.device.expose()),
                field("resource", &self.asked.resource),
            ];
            let asked =
                token::ask(&self.server.client, &self.server.token, self.client, form).await;
            let slower = match asked {
                Ok(tokens) => return Ok(tokens),
                Err(NotAuthorized::Refused { code, said }) => match code.as_str() {
                    "authorization_pending" => 0,
                    "slow_down" => INTERVAL,
                    "access_denied" => return Err(NotAuthorized::Denied),
                    "expired_token" => return Err(NotAuthorized::TooLate),
                    _ => return Err(NotAuthorized::Refused { code, said }),
                },
                // the network may come back (section 3.5)
                Err(NotAuthorized::NoAnswer(_)) => interval,
                Err(other) => return Err(other),
            };
            interval = interval.saturating_add(slower).min(LONGEST_INTERVAL);
        }
    }
}
