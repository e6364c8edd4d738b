//! The code of a link that lets a developer in: 43 characters of base62, 256 random bits. It stands in
//! the fragment of the link, which no browser sends to anybody.

use core::fmt;

use serde::{Deserialize, Serialize, de};
use zeroize::Zeroizing;

use crate::secret::{Secret, SecretHash};

/// How many characters a code has.
const LENGTH: usize = 43;

/// A code as a link holds it. Redacted when printed for debugging, wiped when dropped.
#[derive(Clone)]
pub struct LinkCode(Zeroizing<String>);

/// A text that cannot be a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the 43 letters and digits behind the `#` of the link: it looks cut off")]
pub struct MalformedLinkCode;

impl LinkCode {
    /// What is stored of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.as_bytes())
    }

    /// The text, to be shown once and written nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&Secret> for LinkCode {
    /// A secret without prefix is the code of a link.
    fn from(secret: &Secret) -> Self {
        Self(Zeroizing::new(secret.expose().to_owned()))
    }
}

impl core::str::FromStr for LinkCode {
    type Err = MalformedLinkCode;

    fn from_str(text: &str) -> Result<Self, MalformedLinkCode> {
        let is_one = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_one.then(|| Self(Zeroizing::new(text.to_owned()))).ok_or(MalformedLinkCode)
    }
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkCode(redacted)")
    }
}

/// Writes the text: only the one answer that shows a new link does this. Never into a row.
impl Serialize for LinkCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return Err(serde::ser::Error::custom("a code is stored as its hash, never as itself"));
        }
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for LinkCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(de::Error::custom)
    }
}

crate::schema::impl_schema!(
    LinkCode,
    crate::schema::pattern(
        "^[0-9A-Za-z]{43}$",
        "The code of a link, which stands behind its `#`.",
        "0000000000000000000000000000000000000000000",
    )
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_what_a_link_holds() {
        let secret = Secret::plain([7; 32]);
        let code = LinkCode::from(&secret);
        let read: LinkCode = secret.expose().parse().unwrap();
        assert_eq!((read.hash(), code.hash()), (secret.hash(), secret.hash()));
        assert_eq!(format!("{code:?}"), "LinkCode(redacted)");
        for text in
            ["", &"a".repeat(42), &"a".repeat(44), &"é".repeat(21), &format!("{}-", "a".repeat(42))]
        {
            assert!(text.parse::<LinkCode>().is_err(), "{text}");
        }
    }
}
