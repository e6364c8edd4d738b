//! HTTP/1.1 to the one service, over connections of our own: one request at a time on each, kept
//! between calls, never a redirect, everything bounded.
//!
//! A library for any server and any version of HTTP costs a task and several channels a call; the
//! hot path here is one write and one read.

pub(crate) mod address;
pub(crate) mod answer;
#[cfg(feature = "blocking")]
pub(crate) mod blocking;
pub(crate) mod pool;
pub(crate) mod stream;
pub(crate) mod tls;

use std::io;
use std::time::Duration;

use crate::error::{ConfigurationError, Error, ServiceUnavailableError};

/// The least that connecting may take, the handshake of TLS included (PROTOCOL, Retry rules).
const CONNECT: Duration = Duration::from_secs(1);

/// How long connecting may take in a call that may take so long. Who gives calls more time than usual
/// has a slow way to the service or a busy machine, and both hold up connecting too.
pub(crate) fn connect_within(call: Duration) -> Duration {
    CONNECT.max(call / 5)
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection failed before any byte of an answer.
    Unanswered(String),
    /// It failed later, or what came is no answer of HTTP/1.1.
    Broken(String),
    /// It took too long.
    TimedOut(&'static str),
    /// The other side is not who it should be.
    NotTrusted(String),
}

impl Fault {
    /// A connection that could not be made.
    fn connecting(error: &io::Error) -> Self {
        if let Some(text) = tls::distrust(error) {
            return Self::NotTrusted(text);
        }
        Self::Unanswered(format!("no connection: {error}"))
    }

    /// A connection that failed under a call.
    fn under_call(error: &io::Error, has_begun: bool) -> Self {
        if let Some(text) = tls::distrust(error) {
            return Self::NotTrusted(text);
        }
        let text = format!("the connection failed: {error}");
        if has_begun { Self::Broken(text) } else { Self::Unanswered(text) }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let cause = match fault {
            Fault::NotTrusted(text) => return ConfigurationError(text).into(),
            Fault::Unanswered(text) | Fault::Broken(text) => text,
            Fault::TimedOut(what) => format!("{what} took too long"),
        };
        ServiceUnavailableError { cause, retry_after: None }.into()
    }
}
