//! The text of a credential, whoever made it: an authorization server gives its tokens any form.

use std::fmt;

use agentadmit_protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The longest that is taken: it has to fit into a header.
const MAX_LENGTH: usize = 16 * 1024;

/// A token, a code, a client's secret. Not shown, not even for debugging; wiped when dropped.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A text that can stand in a header (RFC 6750 section 2.1 allows fewer characters, and servers
    /// use more); nothing for any other.
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = !text.is_empty() && text.len() <= MAX_LENGTH && is_plain;
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text itself: for the one request that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether two are one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        agentadmit_protocol::secret::ct_eq(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl From<&Secret> for Token {
    fn from(secret: &Secret) -> Self {
        Self(Zeroizing::new(secret.expose().to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl Serialize for Token {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // its own words would repeat the token
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("a token that fits no header"))
    }
}
