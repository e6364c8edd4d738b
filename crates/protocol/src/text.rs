//! Validated texts: what people and agents write, bounded and without tricks
//! (PROTOCOL, Identifiers and secrets).
//!
//! Each type checks its rule when it is made and when it is read from JSON. From rows (binary
//! formats) it is read as it stands: it was checked when it was written, and a rule that is
//! tightened later must not make old rows unreadable.

use core::fmt;
use core::marker::PhantomData;

use serde::{Deserialize, Deserializer, de};
use unicode_normalization::is_nfc;

/// Why a text is refused. Says the rule and nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Empty, or too long.
    #[error("must have 1 to {max} characters")]
    Length {
        /// The most characters that are allowed.
        max: usize,
    },
    /// A control character.
    #[error("must not hold control characters")]
    Control,
    /// A character that makes text look as if it stood in another order.
    #[error("must not hold U+202A-202E or U+2066-2069, which reorder text")]
    Reordering,
    /// Two texts that look the same must be the same.
    #[error("must be in Unicode normalisation form C (NFC)")]
    NotNfc,
    /// Any other rule, as a sentence that begins with "must".
    #[error("{0}")]
    Rule(&'static str),
}

/// A text type: its rule, and how it is wrapped.
pub(crate) trait ValidText: Sized {
    const EXPECTING: &'static str;
    fn check(text: &str) -> Result<(), InvalidText>;
    fn wrap(text: Box<str>) -> Self;
}

/// Declares a text type: `Name, "what it is called in an error", check, schema;`.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident, $expecting:literal, $check:expr, $schema:expr;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the rule.
            ///
            /// # Errors
            /// The rule that the text breaks.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, $crate::text::InvalidText> {
                let text = text.into();
                <Self as $crate::text::ValidText>::check(&text)?;
                Ok(Self(text))
            }

            /// The text.
            pub const fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::text::ValidText for $name {
            const EXPECTING: &'static str = $expecting;

            fn check(text: &str) -> Result<(), $crate::text::InvalidText> {
                $check(text)
            }

            fn wrap(text: Box<str>) -> Self {
                Self(text)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::text::InvalidText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0.into_string()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize(deserializer)
            }
        }

        $crate::schema::impl_schema!($name, $schema);
    )+};
}
pub(crate) use texts;

/// What JSON Schema can say of "no control characters".
#[cfg(feature = "openapi")]
const NO_CONTROLS: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// What JSON Schema can say of the rule of labels and texts.
#[cfg(feature = "openapi")]
const PROSE: &str = r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$";

texts! {
    /// The app's name for one of its users: 1 to 128 characters, compared byte by byte.
    ///
    /// Opaque to the service. It should not be an e-mail address: it stands in every record.
    UserId, "a user id", |text| bounded(text, 128),
        crate::schema::text(1, 128, NO_CONTROLS, "The app's own opaque id of a user, compared byte by byte.");
    /// A short name for people: 1 to 100 characters.
    Label, "a label", |text| prose(text, 100),
        crate::schema::text(1, 100, PROSE, "A name for people, NFC.");
    /// A sentence or two for people: 1 to 300 characters.
    Text, "a text", |text| prose(text, 300),
        crate::schema::text(1, 300, PROSE, "A text for people, NFC.");
    /// The template of a route, or the name of a tool: at most 256 characters, no query.
    Endpoint, "an endpoint", endpoint,
        crate::schema::text(
            1, 256, r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069?]*$",
            "The route's template, or the tool's name, without a query.",
        );
    /// An HTTP method, or `CALL` for a tool: at most 16 of `A-Z`.
    Method, "a method", method,
        crate::schema::pattern("^[A-Z]{1,16}$", "An HTTP method, or CALL for a tool.", "GET");
    /// The text of an IPv4 or IPv6 address.
    AgentIp, "an IP address", agent_ip,
        crate::schema::ip_address("The address that the agent called from.");
}

/// No control characters; `max` characters at most.
fn bounded(text: &str, max: usize) -> Result<(), InvalidText> {
    // More bytes than four a character are too many, whatever they are: counting stays short.
    if text.is_empty() || text.len() > max * 4 || (text.len() > max && text.chars().count() > max) {
        return Err(InvalidText::Length { max });
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidText::Control);
    }
    Ok(())
}

/// The rule of labels and texts.
fn prose(text: &str, max: usize) -> Result<(), InvalidText> {
    bounded(text, max)?;
    if text.is_ascii() {
        return Ok(());
    }
    if text.chars().any(|c| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')) {
        return Err(InvalidText::Reordering);
    }
    if is_nfc(text) { Ok(()) } else { Err(InvalidText::NotNfc) }
}

fn endpoint(text: &str) -> Result<(), InvalidText> {
    prose(text, 256)?;
    if text.contains('?') {
        return Err(InvalidText::Rule("must be a route without its query (no `?`)"));
    }
    Ok(())
}

fn method(text: &str) -> Result<(), InvalidText> {
    if (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(InvalidText::Rule("must be 1 to 16 capital letters, such as GET, or CALL for a tool"))
}

fn agent_ip(text: &str) -> Result<(), InvalidText> {
    match text.parse::<core::net::IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(InvalidText::Rule("must be an IPv4 or IPv6 address")),
    }
}

/// Reads a text: checked from JSON, as it stands from a row.
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: ValidText,
    D: Deserializer<'de>,
{
    if deserializer.is_human_readable() {
        deserializer.deserialize_string(TextVisitor(PhantomData))
    } else {
        Box::<str>::deserialize(deserializer).map(T::wrap)
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: ValidText> de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (a string)", T::EXPECTING)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::check(text).map_err(E::custom)?;
        Ok(T::wrap(text.into()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<T, E> {
        T::check(&text).map_err(E::custom)?;
        Ok(T::wrap(text.into_boxed_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(Label::new("é".repeat(100)).is_ok());
        assert_eq!(Label::new("é".repeat(101)), Err(InvalidText::Length { max: 100 }));
        assert_eq!(Label::new(""), Err(InvalidText::Length { max: 100 }));
        assert!(Text::new("𝄞".repeat(300)).is_ok());
        assert_eq!(Text::new("a".repeat(301)), Err(InvalidText::Length { max: 300 }));
        assert!(UserId::new("u".repeat(128)).is_ok());
        assert_eq!(UserId::new("u".repeat(129)), Err(InvalidText::Length { max: 128 }));
    }

    #[test]
    fn labels_hold_no_tricks() {
        for (text, fault) in [
            ("a\nb", InvalidText::Control),
            ("a\u{7f}", InvalidText::Control),
            ("a\u{85}", InvalidText::Control),
            ("a\u{202e}b", InvalidText::Reordering),
            ("\u{2066}a", InvalidText::Reordering),
            ("e\u{301}", InvalidText::NotNfc),
        ] {
            assert_eq!(Label::new(text), Err(fault), "{text:?}");
            assert_eq!(Text::new(text), Err(fault), "{text:?}");
        }
        assert!(UserId::new("e\u{301}").is_ok(), "a user id is compared byte by byte");
        assert_eq!(UserId::new("a\0"), Err(InvalidText::Control));
    }

    #[test]
    fn endpoints_methods_and_addresses_have_their_shapes() {
        assert!(Endpoint::new("/orders/{id}").is_ok());
        assert!(Endpoint::new("/orders?id=1").is_err());
        assert!(Endpoint::new("/".repeat(257)).is_err());
        for method in ["GET", "CALL", "M"] {
            assert!(Method::new(method).is_ok());
        }
        for method in ["", "get", "M-SEARCH", "ABCDEFGHIJKLMNOPQ"] {
            assert!(Method::new(method).is_err(), "{method:?}");
        }
        for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert!(AgentIp::new(address).is_ok(), "{address:?}");
        }
        for address in ["", "192.0.2.256", "192.0.2.1:80", "[::1]", "localhost", "fe80::1%eth0"] {
            assert!(AgentIp::new(address).is_err(), "{address:?}");
        }
    }

    #[test]
    fn rows_are_read_as_they_stand() {
        let row = postcard::to_allocvec("too\nold").unwrap();
        assert_eq!(postcard::from_bytes::<Label>(&row).unwrap().as_str(), "too\nold");
        assert!(serde_json::from_str::<Label>(r#""too\nold""#).is_err());
    }
}
