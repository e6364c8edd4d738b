//! The token endpoint (RFC 6749 section 3.2), and the end of a token (RFC 7009).

use std::time::Duration;

use agentadmit_protocol::id::ConnectionId;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::client::OAuthClient;
use super::{NotAuthorized, words_of};
use crate::token_text::Token;
use crate::wire::{Answer, Ask, Client, End, Limits};
use crate::words::clean;

/// What an answer may cost.
pub(super) const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(30) };

/// A form: secrets may be in it.
pub(super) type Form = Vec<(&'static str, Zeroizing<String>)>;

/// A field of a form.
pub(super) fn field(name: &'static str, value: &str) -> (&'static str, Zeroizing<String>) {
    (name, Zeroizing::new(value.to_owned()))
}

/// What a server gives.
#[derive(Debug)]
pub struct Tokens {
    /// What the agent calls with.
    pub access: Token,
    /// What it renews it with.
    pub refresh: Option<Token>,
    /// For how many seconds the first is good, if the server says so.
    pub expires_in: Option<u64>,
    /// What was granted; where the server says nothing, it is what was asked for (section 5.1).
    pub scopes: Option<Vec<String>>,
    /// The connection, where the server is an AgentAdmit service.
    pub connection: Option<ConnectionId>,
}

#[derive(Deserialize)]
struct Document {
    access_token: Token,
    token_type: String,
    expires_in: Option<u64>,
    refresh_token: Option<Token>,
    scope: Option<String>,
    connection_id: Option<ConnectionId>,
}

/// Posts a form, as a client where one is needed.
pub(super) async fn post(
    client: &Client,
    place: &Url,
    who: Option<&OAuthClient>,
    mut form: Form,
) -> Result<Answer, NotAuthorized> {
    let mut ask = Ask { method: Method::POST, ..Ask::get(place.clone()) };
    if let Some(who) = who {
        who.sign(&mut ask, &mut form);
    }
    // a copy that the connection wipes nowhere: it lives as long as the request
    ask.body = encoded(&form).into();
    let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    ask.headers.insert(CONTENT_TYPE, media_type);
    ask.accept_json();
    Ok(client.send_to(ask, LIMITS).await?)
}

fn encoded(form: &Form) -> String {
    let mut body = Serializer::new(String::new());
    for (name, value) in form {
        body.append_pair(name, value);
    }
    body.finish()
}

/// Asks for tokens.
pub(super) async fn ask(
    client: &Client,
    place: &Url,
    who: &OAuthClient,
    form: Form,
) -> Result<Tokens, NotAuthorized> {
    read(&post(client, place, Some(who), form).await?, place)
}

fn read(answer: &Answer, place: &Url) -> Result<Tokens, NotAuthorized> {
    if answer.status != StatusCode::OK {
        return Err(refused(answer));
    }
    let body = Zeroizing::new(answer.body.to_vec());
    // its own words may repeat a token
    let read: Option<Document> = serde_json::from_slice(&body).ok();
    let read = read.filter(|read| read.token_type.eq_ignore_ascii_case("bearer"));
    let read = read.filter(|_| answer.end == End::Whole);
    let read =
        read.ok_or_else(|| NotAuthorized::document(place, "answers with no bearer token"))?;
    Ok(Tokens {
        access: read.access_token,
        refresh: read.refresh_token,
        expires_in: read.expires_in,
        scopes: read.scope.map(|scope| words_of(&scope)),
        connection: read.connection_id,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

/// A refusal in the words of the server (section 5.2).
pub(super) fn refused(answer: &Answer) -> NotAuthorized {
    let error: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let status = answer.status.as_u16();
    let code = clean(&error.error, 60);
    let code = if code.is_empty() { format!("{status}, in no words of OAuth") } else { code };
    let said = clean(&error.error_description, 300);
    NotAuthorized::Refused { code, said: if said.is_empty() { said } else { format!(": {said}") } }
}

/// Ends a token, and with it what hangs on it. A server that does not know it (any more) says yes too
/// (RFC 7009 section 2.2).
pub(super) async fn revoke(
    client: &Client,
    place: &Url,
    who: Option<&OAuthClient>,
    token: &Token,
    kind: &'static str,
) -> Result<(), NotAuthorized> {
    let form = vec![field("token", token.expose()), field("token_type_hint", kind)];
    let answer = post(client, place, who, form).await?;
    if answer.status.is_success() { Ok(()) } else { Err(refused(&answer)) }
}
