//! The HTTP side, by the rules of [`crate::wire`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use ::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use serde_json::Value;
use sse_stream::{Sse, SseStream};
use url::Url;

use super::raw::{self, Answers};
use super::refusals;
use crate::Surroundings;
use crate::credentials::{CredentialFile, Grant};
use crate::oauth::challenge::Challenge;
use crate::oauth::{NotAuthorized, keep, union};
use crate::origin::{BadOrigin, Origin};
use crate::token_text::Token;
use crate::wire::{Ask, Client, End, Limits, NoAnswer, Opened};
use crate::words::clean;

/// How long a server may think before an answer begins, and an answer may take that is no stream.
const CALL: Duration = Duration::from_mins(5);
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// An MCP server, and the credential for it.
#[derive(Clone)]
pub struct McpHttp {
    client: Client,
    file: CredentialFile,
    url: Url,
    origin: Origin,
    max_answer: usize,
    surroundings: Surroundings,
    /// What was put on the way last: an answer may repeat it.
    last: Arc<Mutex<Option<Token>>>,
    /// The client's answers as they came, until they are sent.
    sent: Answers,
    /// The server's answers as they came, until the client has them.
    answers: Answers,
}

type Failed = StreamableHttpError<NoAnswer>;

impl McpHttp {
    /// The server at an address; answers and events are at most so many bytes long.
    ///
    /// # Errors
    /// [`BadOrigin`]: nothing may be sent there.
    pub fn new(
        client: Client,
        file: CredentialFile,
        url: Url,
        max_answer: usize,
        surroundings: Surroundings,
    ) -> Result<Self, BadOrigin> {
        let origin = Origin::of(url.as_str())?;
        Ok(Self {
            client,
            file,
            url,
            origin,
            max_answer,
            surroundings,
            last: Arc::default(),
            sent: Answers::default(),
            answers: Answers::default(),
        })
    }

    pub(super) const fn sent(&self) -> &Answers {
        &self.sent
    }

    pub(super) const fn answers(&self) -> &Answers {
        &self.answers
    }

    pub(super) fn address(&self) -> String {
        self.url.to_string()
    }

    pub(super) const fn limit(&self) -> usize {
        self.max_answer
    }

    /// A text without the credential.
    pub(super) fn without_own(&self, text: &str) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_ref() {
            // a short one could be a word
            Some(token) if token.expose().len() >= 8 => text.replace(token.expose(), "…"),
            _ => text.to_owned(),
        }
    }

    /// The credential as it is now.
    ///
    /// # Errors
    /// [`NotAuthorized`]: it could not be renewed.
    pub async fn grant(&self, not_taken: Option<&Token>) -> Result<Option<Grant>, NotAuthorized> {
        let (key, surroundings) = (self.url.as_str(), self.surroundings);
        keep::current(&self.client, &self.file, key, not_taken, surroundings).await
    }

    /// Asks with the credential; once more with a new one where it was not taken.
    async fn ask(&self, ask: Ask) -> Result<Opened, NotAuthorized> {
        let grant = self.grant(None).await?;
        let opened = self.with(ask.clone(), grant.as_ref()).await?;
        let Some(old) = grant.filter(|_| opened.status == StatusCode::UNAUTHORIZED) else {
            return Ok(opened);
        };
        let new = self.grant(Some(&old.access_token)).await?;
        let is_new = new.as_ref().is_some_and(|new| !new.access_token.is(&old.access_token));
        if is_new { self.with(ask, new.as_ref()).await } else { Ok(opened) }
    }

    async fn with(&self, mut ask: Ask, grant: Option<&Grant>) -> Result<Opened, NotAuthorized> {
        if let Some(grant) = grant {
            let bearer = HeaderValue::try_from(format!("Bearer {}", grant.access_token.expose()));
            let mut bearer = bearer.map_err(|_| NotAuthorized::System("header"))?;
            bearer.set_sensitive(true);
            ask.headers.insert(AUTHORIZATION, bearer);
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(grant.access_token.clone());
        }
        Ok(self.client.open(&self.origin, ask, CALL).await?)
    }

    /// Remembers what a refusal wants, for the next `connect`.
    async fn want(&self, scopes: &[String]) -> Result<(), NotAuthorized> {
        let locked = keep::lock(&self.file).await?;
        let mut credentials = locked.read()?;
        let entry = credentials.entry_at(self.url.as_str());
        entry.wanted = union([entry.wanted.as_slice(), scopes]);
        Ok(locked.write(&credentials)?)
    }

    /// What a refused request says to whoever asked.
    async fn refusal(&self, opened: &Opened) -> Option<String> {
        let url = clean(self.url.as_str(), 200);
        match opened.status {
            StatusCode::UNAUTHORIZED => Some(refusals::not_connected(&url)),
            StatusCode::FORBIDDEN => {
                let challenge = Challenge::of(&opened.headers)?;
                if challenge.error.as_deref() != Some("insufficient_scope") {
                    return None;
                }
                let scopes = challenge.scopes().unwrap_or_default();
                // what cannot be written down is asked for again at the next refusal
                let _later = self.want(&scopes).await;
                Some(refusals::missing(&url, &scopes))
            }
            _ => None,
        }
    }

    async fn post(
        &self,
        message: &ClientJsonRpcMessage,
        session: Option<&str>,
        more: &HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let id = super::id_of(message);
        let body = raw::to_server(message, &self.sent)?;
        let mut ask = Ask { method: Method::POST, body: body.into(), ..Ask::get(self.url.clone()) };
        fill(&mut ask.headers, session, more);
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let both = HeaderValue::from_static("application/json, text/event-stream");
        ask.headers.insert(ACCEPT, both);
        let opened = match self.ask(ask).await {
            Ok(opened) => opened,
            Err(why) => {
                let words = refusals::no_answer(&why.to_string());
                return Ok(in_words(message, id, words));
            }
        };
        if let Some(words) = self.refusal(&opened).await {
            return Ok(in_words(message, id, words));
        }
        match opened.status {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                Ok(StreamableHttpPostResponse::Accepted)
            }
            StatusCode::NOT_FOUND if session.is_some() => Err(StreamableHttpError::SessionExpired),
            _ => self.read(message, id, opened).await,
        }
    }

    /// An answer with something in it.
    async fn read(
        &self,
        asked: &ClientJsonRpcMessage,
        id: Option<RequestId>,
        opened: Opened,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let (status, is_success) = (opened.status.as_u16(), opened.status.is_success());
        let session = opened.headers.get(SESSION).and_then(|value| value.to_str().ok());
        let session = session.map(str::to_owned);
        if is_success && is_type(&opened.headers, "text/event-stream") {
            return Ok(StreamableHttpPostResponse::Sse(self.events(opened), session));
        }
        let answer = opened.read(Limits { bytes: self.max_answer, time: CALL }).await;
        let came: Option<Value> = match answer.end {
            End::Whole => serde_json::from_slice(&answer.body).ok(),
            End::TooLarge | End::TimedOut | End::Broken => None,
        };
        let read = came.and_then(|came| self.passing(came, id.as_ref()));
        match (read, id) {
            (Some(message @ JsonRpcMessage::Error(_)), Some(_)) => {
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            (Some(message), _) if is_success => {
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            (_, id) => {
                let words = match answer.end {
                    End::TooLarge => format!(
                        "The answer is larger than {} KiB, and was left out: ask for less.",
                        self.max_answer / 1024
                    ),
                    _ => refusals::other(&clean(self.url.as_str(), 200), status),
                };
                Ok(in_words(asked, id, words))
            }
        }
    }

    /// A message of the server's as it passes the SDK.
    fn passing(&self, mut came: Value, asked: Option<&RequestId>) -> Option<ServerJsonRpcMessage> {
        let is_error = came.get("error").is_some();
        if let (Some(id), Some(members)) = (asked.filter(|_| is_error), came.as_object_mut()) {
            // whoever refuses before reading does not know which request it is
            members.insert("id".to_owned(), serde_json::to_value(id).ok()?);
        }
        serde_json::from_value(raw::of_server(came, &self.answers)).ok()
    }

    /// The events of a stream, each as it passes the SDK.
    fn events(&self, opened: Opened) -> BoxStream<'static, Result<Sse, SseError>> {
        let answers = self.answers.clone();
        let passing = move |event: Result<Sse, SseError>| {
            event.map(|mut event| {
                let came = event.data.as_deref().and_then(|data| serde_json::from_str(data).ok());
                if let Some(came) = came {
                    event.data = Some(raw::of_server(came, &answers).to_string());
                }
                event
            })
        };
        events(opened, self.max_answer).map(passing).boxed()
    }

    async fn stream(
        &self,
        session: Option<&str>,
        after: Option<&str>,
        more: &HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        let mut ask = Ask::get(self.url.clone());
        fill(&mut ask.headers, session, more);
        ask.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(after) = after.and_then(|after| HeaderValue::try_from(after).ok()) {
            ask.headers.insert(LAST_EVENT, after);
        }
        let opened = self
            .ask(ask)
            .await
            .map_err(|why| StreamableHttpError::UnexpectedServerResponse(why.to_string().into()))?;
        let is_stream = opened.status.is_success() && is_type(&opened.headers, "text/event-stream");
        if !is_stream {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        Ok(self.events(opened))
    }
}

/// Words as the answer; a message that wants none is gone.
fn in_words(
    asked: &ClientJsonRpcMessage,
    id: Option<RequestId>,
    words: String,
) -> StreamableHttpPostResponse {
    match id {
        Some(id) => StreamableHttpPostResponse::Json(refusals::answer(asked, id, words), None),
        None => StreamableHttpPostResponse::Accepted,
    }
}

fn fill(headers: &mut HeaderMap, session: Option<&str>, more: &HashMap<HeaderName, HeaderValue>) {
    for (name, value) in more {
        headers.insert(name.clone(), value.clone());
    }
    if let Some(session) = session.and_then(|session| HeaderValue::try_from(session).ok()) {
        headers.insert(SESSION, session);
    }
}

fn is_type(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(expected)
}

/// The events of a stream; one that is larger than the limit ends it.
fn events(opened: Opened, limit: usize) -> BoxStream<'static, Result<Sse, SseError>> {
    let state = (opened, 0_usize, false);
    let bytes =
        futures_util::stream::unfold(state, move |(mut opened, mut size, was_end)| async move {
            let data: Result<Bytes, hyper::Error> = opened.next().await?;
            let Ok(chunk) = &data else { return Some((data, (opened, size, was_end))) };
            let mut is_end = was_end;
            for byte in chunk {
                match byte {
                    // an empty line ends an event
                    b'\n' if is_end => size = 0,
                    b'\n' => is_end = true,
                    b'\r' => {}
                    _ => is_end = false,
                }
                size = size.saturating_add(1);
            }
            if size > limit { None } else { Some((data, (opened, size, is_end))) }
        });
    SseStream::from_bytes_stream(bytes).boxed()
}

impl StreamableHttpClient for McpHttp {
    type Error = NoAnswer;

    async fn post_message(
        &self,
        _uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        self.post(&message, session_id.as_deref(), &custom_headers).await
    }

    async fn delete_session(
        &self,
        _uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        let mut ask = Ask { method: Method::DELETE, ..Ask::get(self.url.clone()) };
        fill(&mut ask.headers, Some(&session_id), &custom_headers);
        // a session that is left behind ends by itself
        let _answer = self.ask(ask).await;
        Ok(())
    }

    async fn get_stream(
        &self,
        _uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        self.stream(session_id.as_deref(), last_event_id.as_deref(), &custom_headers).await
    }
}
