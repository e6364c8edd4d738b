//! How a command ends: its exit code, and what went wrong (PROTOCOL, Configuration and command
//! line).

use std::borrow::Cow;

use agentadmit_config::{BadConfig, without_secrets};
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use http::StatusCode;

/// What a finished command says by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Done,
    /// 1: the answer is no: a finding, a refusal, a chain that does not verify.
    No,
    /// 2: wrong usage, or an unreadable configuration.
    Usage,
    /// 3: it could not be found out or done: network, disk, store, service.
    CouldNot,
    /// What the program that `dev` ran said.
    Other(u8),
    /// 128 + n: ended by signal n.
    Signal(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::CouldNot => 3,
            Self::Other(code) => code,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

/// Why a command did not do what it was told.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the command ends.
    pub(crate) exit: Exit,
    /// The error as the wire shows it; with `--json` it goes to stdout.
    pub(crate) body: Box<ErrorBody>,
}

impl Failure {
    /// Wrong usage, or a configuration that cannot be read. The words may repeat what was typed:
    /// secrets are taken out of them.
    pub(crate) fn usage(description: impl Into<Cow<'static, str>>) -> Self {
        let description = without_secrets(description.into());
        Self::new(Exit::Usage, ErrorCode::InvalidRequest, description)
    }

    /// The answer is no.
    pub(crate) fn no(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Exit::No, code, description)
    }

    /// It could not be found out or done.
    pub(crate) fn could_not(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Exit::CouldNot, ErrorCode::Unavailable, description)
    }

    /// What the service answered instead of a yes.
    pub(crate) fn answered(status: StatusCode, body: ErrorBody) -> Self {
        Self { exit: exit_of(status, &body), body: Box::new(body) }
    }

    fn new(exit: Exit, code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { exit, body: Box::new(ErrorBody::new(code, description, "")) }
    }

    /// The error in words.
    pub(crate) fn words(&self) -> String {
        let ErrorBody { error, error_description, field, request_id, .. } = &*self.body;
        let field = field.as_deref().filter(|field| !field.is_empty());
        let about = field.map(|field| format!(" ({field})")).unwrap_or_default();
        let place = match request_id.as_str() {
            "" => String::new(),
            id => format!(" [{error}, request {id}]"),
        };
        format!("{error_description}{about}{place}")
    }
}

impl From<BadConfig> for Failure {
    fn from(bad: BadConfig) -> Self {
        Self::usage(bad.to_string())
    }
}

/// A request that the service could not read was wrongly asked; other 4xx are a no; the rest says
/// that nothing is known.
fn exit_of(status: StatusCode, body: &ErrorBody) -> Exit {
    match status.as_u16() {
        429 => Exit::CouldNot,
        400 | 413 | 415 | 422 if body.error == ErrorCode::InvalidRequest.as_str() => Exit::Usage,
        400..=499 => Exit::No,
        _ => Exit::CouldNot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_an_exit_code() {
        let exit = |code: ErrorCode| {
            let status = StatusCode::from_u16(code.status()).unwrap();
            Failure::answered(status, ErrorBody::new(code, "text", "req")).exit
        };
        for code in ErrorCode::ALL {
            let expected = match code {
                ErrorCode::InvalidRequest | ErrorCode::UnprocessableRequest => Exit::Usage,
                ErrorCode::RateLimited | ErrorCode::Internal | ErrorCode::Unavailable => {
                    Exit::CouldNot
                }
                _ => Exit::No,
            };
            assert_eq!(exit(*code), expected, "{code}");
        }
        assert_eq!(Exit::Signal(2).code(), 130);
    }

    #[test]
    fn words_name_the_field_and_the_request() {
        let mut body = ErrorBody::new(ErrorCode::UnprocessableRequest, "must not be empty", "r1");
        body.field = Some("name".to_owned());
        let failure = Failure::answered(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(failure.words(), "must not be empty (name) [invalid_request, request r1]");
        assert_eq!(Failure::usage("wrong").words(), "wrong");
    }
}
