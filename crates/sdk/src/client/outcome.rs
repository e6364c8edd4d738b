//! What an answer means to whoever asked.

use agentadmit_protocol::error::ErrorBody;
use serde::de::DeserializeOwned;

use super::transport::answer::Answer;
use crate::error::{ConfigurationError, Error, RefusedError, ServiceUnavailableError};
use crate::time::Clock;

/// The answer to anything but verify.
pub(crate) fn read<T: DeserializeOwned>(answer: &Answer, clock: &dyn Clock) -> Result<T, Error> {
    match answer.status() {
        200 | 201 if answer.head.is_json => parse(answer),
        status @ 400..=499 if status != 401 => match serde_json::from_slice(answer.body()) {
            Ok(body) => Err(refused(status, body)),
            Err(_) => Err(no_answer(answer, clock)),
        },
        _ => Err(no_answer(answer, clock)),
    }
}

/// The body of an answer that says yes. The parser's own text may quote what it read, a token
/// among it, so only the place is named.
pub(crate) fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(answer.body()).map_err(|error| {
        let (status, line, column) = (answer.status(), error.line(), error.column());
        let cause = format!(
            "an answer of status {status} that is not understood (line {line}, column {column})"
        );
        unavailable(cause)
    })
}

fn refused(status: u16, body: ErrorBody) -> Error {
    RefusedError { status, body: Box::new(body) }.into()
}

/// What to think of an answer that says neither yes nor no.
pub(crate) fn no_answer(answer: &Answer, clock: &dyn Clock) -> Error {
    let text = match answer.status() {
        300..=399 => {
            "service_url does not answer but sends elsewhere (a redirect is never followed): set \
             service_url to the address of the service itself"
        }
        401 => {
            "the service does not accept the API key: it is revoked, expired or of another service; \
             set AGENTADMIT_API_KEY to a good one"
        }
        404 | 405 => "there is no AgentAdmit service at service_url",
        403 if is_from_service(answer) => {
            "the API key may not do this: its permissions leave it out; use another key"
        }
        status => {
            let retry_after = answer.head.retry_after.map(|after| after.from(clock.unix_ms()));
            let cause = format!("an answer of status {status}{}", code_of(answer));
            return ServiceUnavailableError { cause, retry_after }.into();
        }
    };
    ConfigurationError(text.to_owned()).into()
}

fn is_from_service(answer: &Answer) -> bool {
    let body: Option<ErrorBody> = serde_json::from_slice(answer.body()).ok();
    body.is_some_and(|body| body.error == "forbidden")
}

/// The code of an error body, where it is one; texts from outside stay out of errors.
fn code_of(answer: &Answer) -> String {
    let body: Option<ErrorBody> = serde_json::from_slice(answer.body()).ok();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    match body {
        Some(body) if body.error.len() <= 64 && body.error.bytes().all(is_word) => {
            format!(" ({})", body.error)
        }
        _ => String::new(),
    }
}

pub(crate) fn unavailable(cause: String) -> Error {
    ServiceUnavailableError { cause, retry_after: None }.into()
}
