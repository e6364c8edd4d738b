//! What is kept of a grant, and how it is renewed and ended.
//!
//! A refresh token is replaced each time it is used, and using an old one ends the grant. So one process
//! at a time renews, under the lock of the file, and those that waited find the new tokens there. What a
//! server answered is on disk before the lock goes.

use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::client::OAuthClient;
use super::resource;
use super::server::{self, Server};
use super::token::{self, Tokens, field};
use super::{Asked, NotAuthorized, address};
use crate::Surroundings;
use crate::credentials::{CredentialFile, Grant, Locked};
use crate::token_text::Token;
use crate::wire::Client;

/// How long before its end a token is renewed, in seconds.
const EARLY: i64 = 30;
/// The longest life of a token that is believed, in seconds: a hundred years.
const LONGEST: u64 = 100 * 366 * 86_400;

/// What a server lacks that ends nothing.
const NO_END: &str = "has no way to end a token from here";

/// How a grant is renewed and ended: all of it is of one authorization server, and goes to no other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renewal {
    /// Who the agent is there.
    pub(crate) client: OAuthClient,
    /// Where tokens are.
    token_endpoint: String,
    /// Where they end.
    revocation_endpoint: Option<String>,
    /// The resource, as it writes its name.
    pub(crate) resource: String,
    /// What renews the access token.
    refresh_token: Option<Token>,
    /// When the access token ends, if the server said so.
    token_expires_at: Option<Timestamp>,
    /// What was asked for.
    pub(crate) asked: Vec<String>,
    /// What was granted.
    pub(crate) granted: Vec<String>,
    /// Whether the server must be on the public internet, as the resource that named it is.
    is_public: bool,
}

impl Renewal {
    /// The server that gave the grant.
    pub fn issuer(&self) -> &str {
        &self.client.issuer
    }

    /// What was granted, in the server's own words.
    pub fn scopes(&self) -> &[String] {
        &self.granted
    }

    fn take(&mut self, tokens: &Tokens, now: Timestamp) {
        let seconds = tokens.expires_in.and_then(|life| i64::try_from(life.min(LONGEST)).ok());
        self.token_expires_at = seconds.map(|seconds| now.plus_seconds(seconds));
        if let Some(refresh) = &tokens.refresh {
            self.refresh_token = Some(refresh.clone());
        }
        if let Some(scopes) = &tokens.scopes {
            self.granted.clone_from(scopes);
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.token_expires_at.is_some_and(|end| now.plus_seconds(EARLY) >= end)
    }

    fn whoever_asks(&self, client: &Client) -> Client {
        if self.is_public { client.to_public() } else { client.clone() }
    }
}

/// A grant, as it is kept first.
pub fn grant(
    server: &Server,
    client: OAuthClient,
    asked: &Asked,
    tokens: &Tokens,
    name: &str,
    now: Timestamp,
) -> Grant {
    let mut renewal = Renewal {
        client,
        token_endpoint: server.token.to_string(),
        revocation_endpoint: server.revocation.as_ref().map(Url::to_string),
        resource: asked.resource.clone(),
        refresh_token: None,
        token_expires_at: None,
        asked: asked.scopes.clone(),
        granted: asked.scopes.clone(),
        is_public: server.client.is_public(),
    };
    renewal.take(tokens, now);
    Grant {
        access_token: tokens.access.clone(),
        from: String::new(),
        connection_id: tokens.connection,
        scopes: scope_names(&renewal.granted),
        app: name.to_owned(),
        user_label: None,
        expires_at: None,
        connected_at: now,
        page: None,
        oauth: Some(renewal),
    }
}

/// The names of scopes of an AgentAdmit app; other servers have other rules for them.
fn scope_names(scopes: &[String]) -> Vec<ScopeName> {
    scopes.iter().filter_map(|scope| scope.parse().ok()).collect()
}

/// The grant that is kept under a key, with a token that is still good: renewed if its time is over, or
/// if it is the one that the resource did not take.
///
/// # Errors
/// [`NotAuthorized`]: it could not be renewed. A server that says that the grant is over ends it here.
pub async fn current(
    client: &Client,
    file: &CredentialFile,
    key: &str,
    not_taken: Option<&Token>,
    surroundings: Surroundings,
) -> Result<Option<Grant>, NotAuthorized> {
    let is_good = |grant: &Grant| {
        let is_taken = not_taken.is_none_or(|token| !grant.access_token.is(token));
        let renewal = grant.oauth.as_ref().filter(|renewal| renewal.refresh_token.is_some());
        // one that cannot be renewed is used as long as it is taken
        renewal.is_none_or(|renewal| is_taken && !renewal.is_over((surroundings.now)()))
    };
    let kept = file.read()?;
    let Some(grant) = kept.at(key).and_then(|entry| entry.grant.clone()) else { return Ok(None) };
    if is_good(&grant) {
        return Ok(Some(grant));
    }
    let locked = lock(file).await?;
    let mut credentials = locked.read()?;
    let entry = credentials.entry_at(key);
    // somebody else was faster
    let Some(grant) = entry.grant.as_mut() else { return Ok(None) };
    if is_good(grant) {
        return Ok(Some(grant.clone()));
    }
    let Some(renewal) = grant.oauth.as_mut() else { return Ok(Some(grant.clone())) };
    match renewed(client, renewal).await {
        Ok(tokens) => {
            renewal.take(&tokens, (surroundings.now)());
            grant.scopes = scope_names(&renewal.granted);
            grant.access_token = tokens.access;
            let grant = grant.clone();
            locked.write(&credentials)?;
            Ok(Some(grant))
        }
        Err(NotAuthorized::Refused { code, .. }) if code == "invalid_grant" => {
            entry.grant = None;
            locked.write(&credentials)?;
            Ok(None)
        }
        Err(why) => Err(why),
    }
}

async fn renewed(client: &Client, renewal: &Renewal) -> Result<Tokens, NotAuthorized> {
    let broken = || NotAuthorized::System("grant that can be renewed");
    let place = address(&renewal.token_endpoint).ok_or_else(broken)?;
    let refresh = renewal.refresh_token.as_ref().ok_or_else(broken)?;
    let form = || {
        vec![
            field("grant_type", "refresh_token"),
            field("refresh_token", refresh.expose()),
            field("resource", &renewal.resource),
        ]
    };
    let client = renewal.whoever_asks(client);
    match token::ask(&client, &place, &renewal.client, form()).await {
        // it may have arrived: servers forgive the same token for a moment
        Err(NotAuthorized::NoAnswer(why)) if why.is_worth_another() => {
            token::ask(&client, &place, &renewal.client, form()).await
        }
        done => done,
    }
}

/// Ends a grant where it was given. A connection that was handed over ends at the app's authorization
/// server too: an AgentAdmit service wants no more than the token itself (PROTOCOL, OAuth doors).
///
/// # Errors
/// [`NotAuthorized`]: nobody knows whether it has ended. [`NotAuthorized::Cannot`],
/// [`NotAuthorized::NoResource`]: there is nothing that could end it.
pub async fn revoke(client: &Client, key: &str, grant: &Grant) -> Result<(), NotAuthorized> {
    let Some(renewal) = &grant.oauth else {
        let target = address(key).ok_or_else(|| NotAuthorized::NoResource(key.to_owned()))?;
        let resource = resource::find(client, &target, None).await?;
        let server = server::find(client, &resource).await?;
        let lacks = || server.lacks(NO_END);
        let place = server.revocation.as_ref().ok_or_else(lacks)?;
        let token = &grant.access_token;
        let ended = token::revoke(&server.client, place, None, token, "access_token").await;
        return match ended {
            // a server that wants to know who asks does not end it like this
            Err(NotAuthorized::Refused { .. }) => Err(lacks()),
            ended => ended,
        };
    };
    let lacks = || NotAuthorized::Cannot {
        issuer: crate::words::clean(&renewal.client.issuer, 200),
        why: NO_END.to_owned(),
    };
    let place = renewal.revocation_endpoint.as_deref().and_then(address).ok_or_else(lacks)?;
    let (token, kind) = match &renewal.refresh_token {
        Some(refresh) => (refresh, "refresh_token"),
        None => (&grant.access_token, "access_token"),
    };
    let (client, who) = (renewal.whoever_asks(client), Some(&renewal.client));
    token::revoke(&client, &place, who, token, kind).await
}

/// The lock is waited for on a thread of its own.
pub(crate) async fn lock(file: &CredentialFile) -> Result<Locked, NotAuthorized> {
    let file = file.clone();
    let waiting = tokio::task::spawn_blocking(move || file.lock());
    Ok(waiting.await.map_err(|_| NotAuthorized::System("thread"))??)
}
