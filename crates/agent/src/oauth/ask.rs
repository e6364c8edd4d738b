//! The whole way from an address to a grant that is kept.

use url::Url;

use super::challenge::Challenge;
use super::client::{Named, OAuthClient, obtain};
use super::resource::{self, Resource};
use super::server::{self, Server};
use super::token::Tokens;
use super::{Asked, NotAuthorized, code, device, keep, union};
use crate::Surroundings;
use crate::credentials::{CredentialFile, Entry, Grant};
use crate::wire::Client;

/// The scope that refresh tokens need at some servers (OpenID Connect Core section 11).
const OFFLINE: &str = "offline_access";
/// How often the same scopes are asked for again because they were refused all the same.
const MAX_REPEATS: u32 = 1;

/// How a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In a browser on this machine.
    Browser,
    /// In a browser anywhere.
    Device,
}

/// What a person is shown.
#[derive(Debug)]
pub enum Prompt<'a> {
    /// A link, for a browser on this machine.
    Link(&'a Url),
    /// A page, and a code to type there.
    Code {
        /// Where.
        page: &'a Url,
        /// The same with the code in it, for a picture of it.
        page_with_code: Option<&'a Url>,
        /// What is typed.
        code: &'a str,
        /// For how many seconds.
        expires_in: u64,
        /// Whether the page is on the server's own origin.
        is_own: bool,
    },
}

/// Whom a grant is with, for people.
#[derive(Debug, Clone)]
pub struct About<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Where the person widens or ends it, if somebody says so.
    pub page: Option<String>,
}

/// Whom to ask, and for what.
pub struct Request {
    /// What the resource says of itself.
    pub resource: Resource,
    /// Who gives tokens for it.
    pub server: Server,
    /// What is asked for.
    pub asked: Asked,
    /// What was kept before.
    earlier: Option<OAuthClient>,
    has_grant: bool,
    step_ups: u32,
}

/// Finds out whom to ask, and for which scopes: those that were typed; else those of the refusal that
/// was met, together with all that were asked for before (MCP, Authorization: Scope Challenge Handling);
/// else what the resource lists; else none.
///
/// # Errors
/// [`NotAuthorized`].
pub async fn prepare(
    client: &Client,
    file: &CredentialFile,
    key: &str,
    target: &Url,
    challenge: Option<&Challenge>,
    typed: &[String],
) -> Result<Request, NotAuthorized> {
    let resource = resource::find(client, target, challenge).await?;
    let server = server::find(client, &resource).await?;
    let kept = file.read()?;
    let nothing = Entry::default();
    let entry = kept.at(key).unwrap_or(&nothing);
    let renewal = entry.grant.as_ref().and_then(|grant| grant.oauth.as_ref());
    // what another server gave means nothing to this one
    let renewal = renewal.filter(|renewal| renewal.issuer() == server.issuer);
    let before = renewal.map(|renewal| renewal.asked.as_slice()).unwrap_or_default();
    let listed = || challenge.and_then(Challenge::scopes).or_else(|| resource.scopes.clone());
    let mut step_ups = 0;
    let mut scopes = if !typed.is_empty() {
        typed.to_vec()
    } else if entry.wanted.is_empty() {
        listed().unwrap_or_default()
    } else {
        if entry.wanted.iter().all(|scope| before.contains(scope)) {
            step_ups = entry.step_ups.saturating_add(1);
        }
        if step_ups > MAX_REPEATS {
            return Err(NotAuthorized::Enough(format!(
                "{} was asked for twice, and {target} still refuses it: nobody is asked again. To ask all \
                 the same, name what you want (--scope)",
                entry.wanted.join(" ")
            )));
        }
        union([before, &entry.wanted])
    };
    let knows_offline = server.scopes.iter().any(|scope| scope == OFFLINE);
    if !scopes.is_empty() && knows_offline && !scopes.iter().any(|scope| scope == OFFLINE) {
        scopes.push(OFFLINE.to_owned());
    }
    let asked = Asked { resource: resource.name.clone(), scopes };
    let has_grant = renewal.is_some();
    let earlier = renewal.map(|renewal| renewal.client.clone()).or_else(|| entry.client.clone());
    Ok(Request { resource, server, asked, earlier, has_grant, step_ups })
}

impl Request {
    /// Asks a person, and keeps what comes of it.
    ///
    /// # Errors
    /// [`NotAuthorized`].
    pub async fn authorize(
        self,
        file: &CredentialFile,
        key: &str,
        (way, named): (Way, &Named),
        about: About<'_>,
        surroundings: Surroundings,
        show: impl FnOnce(&Prompt<'_>),
    ) -> Result<(Grant, Option<Grant>), NotAuthorized> {
        let (client, tokens) = match way {
            Way::Browser => {
                let earlier = self.earlier.as_ref().and_then(|it| it.redirect_uri.as_deref());
                let callback = code::Callback::listen(earlier).await?;
                let back = callback.redirect_uri.clone();
                let client = self.client(file, key, named, Some(&back), surroundings).await?;
                let waiting =
                    code::begin(&self.server, &client, &self.asked, callback, surroundings)?;
                show(&Prompt::Link(&waiting.url));
                let tokens = waiting.tokens().await?;
                (client, tokens)
            }
            Way::Device => {
                let client = self.client(file, key, named, None, surroundings).await?;
                let waiting = device::begin(&self.server, &client, &self.asked).await?;
                let own = crate::origin::Origin::of(&self.server.issuer);
                show(&Prompt::Code {
                    page: &waiting.page,
                    page_with_code: waiting.page_with_code.as_ref(),
                    code: &waiting.code,
                    expires_in: waiting.expires_in,
                    is_own: own.is_ok_and(|own| own.holds(&waiting.page)),
                });
                let tokens = waiting.tokens().await?;
                (client, tokens)
            }
        };
        self.keep(file, key, client, &tokens, about, surroundings).await
    }

    /// The client that asks: the one of before where it still fits, else a new one, written down before
    /// anybody is asked, so that a second try needs no second registration.
    async fn client(
        &self,
        file: &CredentialFile,
        key: &str,
        named: &Named,
        back: Option<&str>,
        surroundings: Surroundings,
    ) -> Result<OAuthClient, NotAuthorized> {
        let now = (surroundings.now)();
        if named.id.is_none()
            && let Some(earlier) = &self.earlier
            && earlier.fits(&self.server.issuer, back)
            && (self.has_grant || earlier.is_fresh(now))
        {
            return Ok(earlier.clone());
        }
        let client = obtain(&self.server, named, back, now).await?;
        let locked = keep::lock(file).await?;
        let mut credentials = locked.read()?;
        credentials.entry_at(key).client = Some(client.clone());
        locked.write(&credentials)?;
        Ok(client)
    }

    /// Keeps the grant; what stood there before comes back with it.
    async fn keep(
        self,
        file: &CredentialFile,
        key: &str,
        client: OAuthClient,
        tokens: &Tokens,
        about: About<'_>,
        surroundings: Surroundings,
    ) -> Result<(Grant, Option<Grant>), NotAuthorized> {
        let now = (surroundings.now)();
        let mut grant = keep::grant(&self.server, client, &self.asked, tokens, about.name, now);
        grant.page = about.page;
        let locked = keep::lock(file).await?;
        let mut credentials = locked.read()?;
        let entry = credentials.entry_at(key);
        entry.client = None;
        entry.wanted.clear();
        entry.step_ups = self.step_ups;
        let before = entry.grant.replace(grant.clone());
        locked.write(&credentials)?;
        Ok((grant, before))
    }
}
