//! What an app answered, as a model gets it: JSON and text as text, anything else as a blob, refusals as
//! sentences that say what to ask the human for. No token is in it.

use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::scope::{MAX_LISTED, join};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;
use url::Url;

use super::tools::RouteTool;
use super::{place, refusal};
use crate::offer::Offer;
use crate::wire::{Answer, End, Limits};
use crate::words::{clean, holds_token, without_tokens};

/// The most characters of what an app says about an error.
const MAX_SAID: usize = 300;
/// The most bytes of the body of an error.
const MAX_ERROR: usize = 8 * 1024;

/// What was asked, for whoever reads the answer.
pub(super) struct Asked<'a> {
    pub(super) offer: &'a Offer,
    pub(super) tool: &'a RouteTool,
    pub(super) url: &'a Url,
    pub(super) limits: Limits,
}

impl Asked<'_> {
    /// The result of the call.
    pub(super) fn result(&self, answer: &Answer) -> CallToolResult {
        match answer.status {
            status if status.is_success() => self.success(answer),
            status if status.is_redirection() => refusal(format!(
                "{} answers {}, a redirect, and the bridge follows none. Tell your human.",
                self.offer.name,
                status.as_u16()
            )),
            _ => self.refused(answer),
        }
    }

    fn success(&self, answer: &Answer) -> CallToolResult {
        let kind = Kind::of(answer);
        let ended = match answer.end {
            End::Whole => None,
            End::TooLarge => Some(format!(
                "The answer is larger than {} bytes and was cut there: ask for less, with a filter \
                 or a page, if the tool has one.",
                self.limits.bytes
            )),
            End::TimedOut => Some(format!(
                "The answer did not end within {} s; this is what came.",
                self.limits.time.as_secs()
            )),
            End::Broken => Some("The answer broke off; this is what came.".to_owned()),
        };
        let is_whole = ended.is_none();
        let mut result = match kind {
            Kind::Empty => said(format!("Done ({}); the answer is empty.", answer.status.as_u16())),
            Kind::Json(value) if is_whole => json(value, &answer.body),
            Kind::Json(_) | Kind::Text => {
                said(without_tokens(&String::from_utf8_lossy(&answer.body)).into_owned())
            }
            // half of a picture is none
            Kind::Blob(_) if !is_whole => said("The answer is no text.".to_owned()),
            Kind::Blob(media_type) => self.blob(media_type, answer),
        };
        result.content.extend(ended.map(ContentBlock::text));
        // a stream does not end by itself; anything else that breaks off is not what was asked for
        let is_stream = media_type(answer) == "text/event-stream";
        if matches!(answer.end, End::TimedOut | End::Broken) && !is_stream {
            result.is_error = Some(true);
        }
        result
    }

    fn blob(&self, media_type: String, answer: &Answer) -> CallToolResult {
        if holds_token(&String::from_utf8_lossy(&answer.body)) {
            return refusal("The answer holds a token, and was left out. Tell your human.");
        }
        let blob = STANDARD.encode(&answer.body);
        let block = if media_type.starts_with("image/") {
            ContentBlock::image(blob, media_type)
        } else if media_type.starts_with("audio/") {
            ContentBlock::audio(blob, media_type)
        } else {
            let uri = without_tokens(self.url.as_str()).into_owned();
            ContentBlock::resource(ResourceContents::blob(blob, uri).with_mime_type(media_type))
        };
        CallToolResult::success(vec![block])
    }

    /// Every other status, as PROTOCOL says what an agent sees from an app.
    fn refused(&self, answer: &Answer) -> CallToolResult {
        let error: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
        let (name, place) = (&self.offer.name, place(self.offer));
        let origin = &self.offer.origin;
        let wait = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|text| text.parse::<u32>().ok());
        let wait = wait.map_or_else(|| "a minute".to_owned(), |seconds| format!("{seconds} s"));
        match (answer.status, error.error.as_ref()) {
            (StatusCode::UNAUTHORIZED, _) => refusal(format!(
                "{name} does not take the credential (any more): the access has expired, or your \
                 human ended it. Do not try again. Ask your human whether you may go on; they get a \
                 new connection token {place} and run `agentadmit connect {origin}` in a terminal."
            )),
            (StatusCode::FORBIDDEN, "insufficient_scope") => refusal(self.missing(&error)),
            (StatusCode::FORBIDDEN, "limit_exceeded") => refusal(format!(
                "{name} refuses: the calls that the app has are used up. Tell your human; the app \
                 has to do something about it."
            )),
            (StatusCode::FORBIDDEN, "agent_not_allowed") => refusal(format!(
                "{name} does not let agents do this, whatever they hold. Your human can do it."
            )),
            (StatusCode::TOO_MANY_REQUESTS, _) => refusal(format!(
                "Too many calls: nothing was done. Wait {wait}, then try once more."
            )),
            (StatusCode::SERVICE_UNAVAILABLE, _) => refusal(format!(
                "{name} cannot say now whether the call may proceed, and nothing was done. The \
                 credential is still good: try again in {wait}."
            )),
            (status, _) => self.other(status, &error, answer),
        }
    }

    fn missing(&self, error: &ErrorBody) -> String {
        let (name, place) = (&self.offer.name, place(self.offer));
        let needed = error.required_scope.as_deref().map(|text| clean(text, MAX_SAID));
        let needed = needed.filter(|needed| !needed.is_empty());
        let needed = needed.unwrap_or_else(|| join(&self.tool.route.scopes));
        let meaning = self.offer.scopes.iter().find(|scope| scope.name.as_str() == needed);
        let meaning = meaning.map(|scope| format!(" ({})", scope.description)).unwrap_or_default();
        let held = error.granted_scopes.as_deref().unwrap_or_default();
        let held = held.get(..MAX_LISTED).unwrap_or(held);
        let held = if held.is_empty() { "nothing".to_owned() } else { join(held) };
        format!(
            "Nothing was done: your human has not granted {needed}{meaning}. Granted is {held}. Ask \
             your human whether you may have it; they widen the grant for {name} {place}, and the \
             next call finds it. Do not look for another way."
        )
    }

    fn other(&self, status: StatusCode, error: &ErrorBody, answer: &Answer) -> CallToolResult {
        let name = &self.offer.name;
        let said = clean(&error.error_description, MAX_SAID);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let field = error.field.as_deref().map(|field| clean(field, 100));
        let field = field.filter(|field| !field.is_empty());
        let field = field.map(|field| format!(" (it is about `{field}`)")).unwrap_or_default();
        let mut blocks =
            vec![ContentBlock::text(format!("{name} answers {}{said}{field}", status.as_u16()))];
        // what an app says in a form of its own, such as FastAPI's 422
        if matches!(Kind::of(answer), Kind::Json(_) | Kind::Text) && said.is_empty() {
            let body = answer.body.get(..MAX_ERROR).unwrap_or(&answer.body);
            let body = String::from_utf8_lossy(body);
            blocks.push(ContentBlock::text(without_tokens(&unescaped(&body)).into_owned()));
        }
        CallToolResult::error(blocks)
    }
}

fn said(text: String) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// JSON as it came, and once more as a value; with a token in it as it is without.
fn json(mut value: Value, raw: &[u8]) -> CallToolResult {
    let text = if redact(&mut value) {
        value.to_string()
    } else {
        String::from_utf8_lossy(raw).into_owned()
    };
    let mut result = said(text);
    result.structured_content = Some(value);
    result
}

/// Cuts tokens in every text of a value, names too. Whether there was one.
fn redact(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let is_token = holds_token(text);
            if is_token {
                *text = without_tokens(text).into_owned();
            }
            is_token
        }
        // every one of them is looked at, whatever was found before
        Value::Array(values) => {
            let found = values.iter_mut().map(redact).filter(|found| *found);
            found.count() > 0
        }
        Value::Object(members) => {
            let names: Vec<String> =
                members.keys().filter(|name| holds_token(name)).cloned().collect();
            for name in &names {
                if let Some(value) = members.remove(name) {
                    members.insert(without_tokens(name).into_owned(), value);
                }
            }
            let inside = members.values_mut().map(redact).filter(|found| *found);
            inside.count() > 0 || !names.is_empty()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The JSON of an error, in which escapes could hide a token, written plainly.
fn unescaped(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    value.map_or_else(|| body.to_owned(), |value| value.to_string())
}

/// What an answer is.
enum Kind {
    Empty,
    Json(Value),
    Text,
    Blob(String),
}

impl Kind {
    fn of(answer: &Answer) -> Self {
        if answer.body.is_empty() {
            return Self::Empty;
        }
        let essence = media_type(answer);
        let is_json = essence == "application/json" || essence.ends_with("+json");
        if is_json && let Ok(value) = serde_json::from_slice(&answer.body) {
            return Self::Json(value);
        }
        let texts = [
            "application/javascript",
            "application/x-ndjson",
            "application/x-www-form-urlencoded",
            "application/xml",
            "application/yaml",
            "",
        ];
        let is_text = is_json
            || essence.starts_with("text/")
            || essence.ends_with("+xml")
            || texts.contains(&essence.as_str());
        match std::str::from_utf8(&answer.body) {
            // a cut text may end in the middle of a character
            Err(error) if error.error_len().is_some() => Self::Blob(shown(essence)),
            _ if is_text => Self::Text,
            _ => Self::Blob(shown(essence)),
        }
    }
}

/// The type of an answer without its parameters, in lower case.
fn media_type(answer: &Answer) -> String {
    let value = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// A type that a client may be told.
fn shown(essence: String) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-._".contains(&byte);
    let is_type = essence.contains('/') && essence.len() <= 100 && essence.bytes().all(is_plain);
    if is_type { essence } else { "application/octet-stream".to_owned() }
}
