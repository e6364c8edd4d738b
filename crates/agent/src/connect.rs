//! A connection token against an access token: once, however many processes start at the same time and
//! whatever becomes of them (PROTOCOL, `POST /v1/token/exchange`).
//!
//! A second presentation of a connection token ends its connection. So one process at a time exchanges,
//! under the lock of the file; one that waited finds the access token there. What was begun is written
//! down before it is sent, and repeated under the same `Idempotency-Key`.

use std::time::Duration;

use agentadmit_protocol::api::token::ExchangeCall;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::{Secret, SecretKind};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::Surroundings;
use crate::credentials::{
    BadFile, CredentialFile, Credentials, Grant, Locked, Pending, fingerprint,
};
use crate::door::Door;
use crate::token_text::Token;
use crate::wire::{Answer, Ask, Client, End, Limits, NoAnswer};
use crate::words::clean;

/// What the answer to an exchange may cost.
const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(30) };
/// The longest grant that is believed, in seconds: a hundred years.
const LONGEST: u64 = 100 * 366 * 86_400;
/// The header under which the same exchange can be repeated.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum NotConnected {
    /// The token was used before; presenting it again would end its connection.
    #[error("this connection token was used before, and works once")]
    Used,
    /// The app says no.
    #[error(
        "the app does not take this connection token: it was used, has expired (ten minutes after \
         it was made) or was revoked"
    )]
    Refused,
    /// The app cannot do it now.
    #[error("the app cannot exchange the token now; the token is still good, try again{0}")]
    Later(String),
    /// Anything else that is no access token.
    #[error("the app answers the exchange with {status} instead of an access token{said}")]
    Unexpected {
        /// Its status.
        status: u16,
        /// What it says, cleaned.
        said: String,
    },
    /// There is no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The file of credentials cannot be used.
    #[error(transparent)]
    File(#[from] BadFile),
    /// The system gives no randomness, or no thread.
    #[error("the system gives no {0}")]
    System(&'static str),
}

/// Exchanges a connection token and keeps what comes of it, or finds what came of it before.
///
/// # Errors
/// [`NotConnected`].
pub async fn connect(
    client: &Client,
    file: &CredentialFile,
    door: &Door,
    token: &Secret,
    agent: &str,
    surroundings: Surroundings,
) -> Result<Grant, NotConnected> {
    let key = door.key.as_str();
    let print = fingerprint(token);
    // without the lock: most starts find what the first one left
    if let Some(found) = kept(&file.read()?, key, &print)? {
        return Ok(found);
    }
    let locked = lock(file).await?;
    let mut credentials = locked.read()?;
    if let Some(found) = kept(&credentials, key, &print)? {
        return Ok(found);
    }
    let entry = credentials.entry_at(key);
    let begun = entry.pending.take().filter(|pending| pending.token == print);
    let pending = match begun {
        Some(pending) => pending,
        None => Pending { token: print.clone(), key: new_key(surroundings)? },
    };
    entry.pending = Some(pending.clone());
    locked.write(&credentials)?;

    let done = exchange(client, door, token, &pending, agent).await;
    let entry = credentials.entry_at(key);
    match done {
        Ok(exchanged) => {
            let grant = exchanged.into_grant(door, &print, surroundings);
            entry.use_up(&print);
            entry.grant = Some(grant.clone());
            locked.write(&credentials)?;
            Ok(grant)
        }
        Err(refused) => {
            if matches!(refused, NotConnected::Refused) {
                entry.use_up(&print);
                locked.write(&credentials)?;
            }
            Err(refused)
        }
    }
}

/// What this token was exchanged for. One that was used for another address is used.
fn kept(credentials: &Credentials, key: &str, print: &str) -> Result<Option<Grant>, NotConnected> {
    let grant = credentials.at(key).and_then(|entry| entry.grant.as_ref());
    match grant {
        Some(grant) if grant.from == print => Ok(Some(grant.clone())),
        _ if credentials.is_used(print) => Err(NotConnected::Used),
        _ => Ok(None),
    }
}

/// The lock is waited for on a thread of its own.
async fn lock(file: &CredentialFile) -> Result<Locked, NotConnected> {
    let file = file.clone();
    let waiting = tokio::task::spawn_blocking(move || file.lock());
    Ok(waiting.await.map_err(|_| NotConnected::System("thread"))??)
}

fn new_key(surroundings: Surroundings) -> Result<String, NotConnected> {
    let random = (surroundings.random)().ok_or(NotConnected::System("randomness"))?;
    Ok(Secret::plain(random).expose().to_owned())
}

/// What is read of the answer.
#[derive(Deserialize)]
struct Exchanged {
    access_token: Secret,
    token_type: String,
    expires_in: Option<u64>,
    scopes: Vec<ScopeName>,
    connection_id: ConnectionId,
    user_label: Option<String>,
}

impl Exchanged {
    fn into_grant(self, door: &Door, print: &str, surroundings: Surroundings) -> Grant {
        let now = (surroundings.now)();
        let seconds = self.expires_in.map(|seconds| seconds.min(LONGEST));
        let ends = seconds.and_then(|seconds| i64::try_from(seconds).ok());
        Grant {
            access_token: Token::from(&self.access_token),
            from: print.to_owned(),
            connection_id: Some(self.connection_id),
            scopes: self.scopes,
            app: door.name.clone(),
            user_label: self.user_label.map(|label| clean(&label, 100)),
            expires_at: ends.map(|seconds| now.plus_seconds(seconds)),
            connected_at: now,
            page: door.page.as_ref().map(|page| page.url.to_string()),
            oauth: None,
        }
    }
}

/// Sends the exchange, and once more if nobody can say whether it arrived.
async fn exchange(
    client: &Client,
    door: &Door,
    token: &Secret,
    pending: &Pending,
    agent: &str,
) -> Result<Exchanged, NotConnected> {
    let ask = question(door, token, pending, agent)?;
    let first = client.send(&door.origin, ask.clone(), LIMITS).await;
    let is_worth_another = match &first {
        Ok(answer) => {
            matches!(answer.status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
                || answer.end == End::Broken
        }
        Err(error) => error.is_worth_another(),
    };
    if is_worth_another {
        return read(&client.send(&door.origin, ask, LIMITS).await?);
    }
    read(&first?)
}

fn question(
    door: &Door,
    token: &Secret,
    pending: &Pending,
    agent: &str,
) -> Result<Ask, NotConnected> {
    let call = ExchangeCall { token: token.expose(), agent_label: Some(agent), agent_ip: None };
    let body = serde_json::to_vec(&call).map_err(|_| NotConnected::System("memory"))?;
    let mut key = HeaderValue::try_from(pending.key.as_str())
        .map_err(|_| NotConnected::System("randomness"))?;
    key.set_sensitive(true);
    // a copy that the connection wipes nowhere: it lives as long as the request
    let mut ask =
        Ask { method: Method::POST, body: Bytes::from(body), ..Ask::get(door.exchange.clone()) };
    ask.headers.insert(IDEMPOTENCY_KEY, key);
    ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(ask)
}

/// Reads the answer to an exchange; what it says in words is a stranger's.
fn read(answer: &Answer) -> Result<Exchanged, NotConnected> {
    let status = answer.status.as_u16();
    let body = Zeroizing::new(answer.body.to_vec());
    if answer.status == StatusCode::OK {
        let exchanged: Option<Exchanged> = serde_json::from_slice(&body).ok();
        let is_ours = |exchanged: &Exchanged| {
            let kind = agentadmit_protocol::secret::parse(exchanged.access_token.expose());
            kind.is_ok_and(|(kind, _)| kind == SecretKind::AccessToken)
                && exchanged.token_type.eq_ignore_ascii_case("bearer")
        };
        let said = ", or with one that is none of AgentAdmit's".to_owned();
        return exchanged.filter(is_ours).ok_or(NotConnected::Unexpected { status, said });
    }
    let error: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
    match status {
        400 if error.error == "invalid_grant" => Err(NotConnected::Refused),
        429 | 502..=504 => {
            let wait = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let seconds = wait.and_then(|text| text.parse::<u32>().ok());
            let wait = seconds.map(|seconds| format!(" in {seconds} s")).unwrap_or_default();
            Err(NotConnected::Later(wait))
        }
        _ => {
            let said = clean(&error.error_description, 300);
            let said = if said.is_empty() { said } else { format!(": {said}") };
            Err(NotConnected::Unexpected { status, said })
        }
    }
}
