//! Ids: `TypeIDs`, a prefix and a UUID version 7 as 26 characters of Crockford base32
//! (PROTOCOL, Identifiers and secrets).
//!
//! In rows an id is its 16 bytes, whose order is the order of creation.

use core::fmt;
use core::marker::PhantomData;

use serde::de;

use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of an id behind its underscore: 128 bits, five to a character.
pub const DIGITS: usize = 26;

/// A text that is not an id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {prefix}_ and 26 characters of 0-9a-hjkmnp-tv-z, the first at most 7")]
pub struct InvalidId {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident = $prefix:literal,)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// From the 16 bytes of a row.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes, big-endian: their order is the order of creation.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// A new id: UUID version 7 (RFC 9562 section 5.7) of a time and 74 of 80 random bits.
            pub fn v7(now: Timestamp, random: [u8; 10]) -> Self {
                Self(uuid_v7(now, random))
            }

            /// The time that [`Self::v7`] was given, never before the Unix epoch.
            pub fn created_at(&self) -> Timestamp {
                uuid_time(self.0)
            }

            /// The 26 characters behind the underscore, ASCII.
            pub fn digits(&self) -> [u8; DIGITS] {
                encode(self.0)
            }

            /// Appends the text form to bytes.
            pub fn write_to(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(concat!($prefix, "_").as_bytes());
                out.extend_from_slice(&encode(self.0));
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = encode(self.0);
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(core::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl core::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(InvalidId { prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    let mut text = [0; concat!($prefix, "_").len() + DIGITS];
                    let (prefix, digits) = text.split_at_mut(concat!($prefix, "_").len());
                    prefix.copy_from_slice(concat!($prefix, "_").as_bytes());
                    digits.copy_from_slice(&encode(self.0));
                    let text = core::str::from_utf8(&text).map_err(serde::ser::Error::custom)?;
                    serializer.serialize_str(text)
                } else {
                    crate::row_bytes::serialize(&self.0, serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(IdVisitor { prefix: $prefix, id: PhantomData })
                } else {
                    crate::row_bytes::deserialize(deserializer).map(Self)
                }
            }
        }

        crate::schema::impl_schema!(
            $name,
            crate::schema::pattern(
                concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
                concat!("An id: `", $prefix, "_` and a UUIDv7 in Crockford base32."),
                concat!($prefix, "_01kb5m4v5ye5rvd0c2tqj3n8xa"),
            )
        );
    )+};
}

ids! {
    /// An app.
    AppId = "app",
    /// A connection: one grant of one user to one agent.
    ConnectionId = "conn",
    /// An API key or a registered public key.
    KeyId = "key",
    /// An audit record.
    EventId = "evt",
    /// A consent session.
    ConsentSessionId = "cs",
    /// An operator.
    OperatorId = "op",
    /// An audit chain.
    ChainId = "chain",
    /// A developer's account.
    AccountId = "acct",
    /// An invitation: a link that is good once.
    InviteId = "inv",
    /// A session of the dashboard.
    SessionId = "ses",
    /// An authorization request: what an OAuth client asks a user for.
    AuthorizationRequestId = "ar",
    /// A registered OAuth client.
    OAuthClientId = "client",
}

struct IdVisitor<T> {
    prefix: &'static str,
    id: PhantomData<T>,
}

impl<T: core::str::FromStr<Err = InvalidId>> de::Visitor<'_> for IdVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id that begins with {}_", self.prefix)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// RFC 9562 section 5.7: 48 bits of milliseconds, version, 12 random bits, variant, 62 random
/// bits.
fn uuid_v7(now: Timestamp, random: [u8; 10]) -> [u8; 16] {
    let millis = u128::try_from(now.as_millis()).unwrap_or(0);
    let mut low = [0; 16];
    for (to, from) in low.iter_mut().skip(6).zip(random) {
        *to = from;
    }
    let low = u128::from_be_bytes(low);
    let random_bits = low & !(0xf << 76) & !(0b11 << 62);
    ((millis << 80) | random_bits | (7 << 76) | (0b10 << 62)).to_be_bytes()
}

fn uuid_time(bytes: [u8; 16]) -> Timestamp {
    let millis = u128::from_be_bytes(bytes) >> 80;
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// The characters of ten bits.
static PAIRS: [[u8; 2]; 1_024] = pairs();

#[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
const fn pairs() -> [[u8; 2]; 1_024] {
    let mut pairs = [[0; 2]; 1_024];
    let mut bits = 0;
    while bits < pairs.len() {
        pairs[bits] = [ALPHABET[bits >> 5], ALPHABET[bits & 31]];
        bits += 1;
    }
    pairs
}

/// On the path of every verify, which writes nine of them: two characters at a time, in words of 60
/// bits, twelve characters each, behind the two that hold the first eight bits.
#[expect(clippy::cast_possible_truncation, reason = "only the bits that are kept are looked at")]
fn encode(bytes: [u8; 16]) -> [u8; DIGITS] {
    let value = u128::from_be_bytes(bytes);
    let top = (value >> 120) as u64;
    let mut digits = [0; DIGITS];
    if let ([first, twelves @ ..], []) = digits.as_chunks_mut::<2>() {
        *first = pair_of(top);
        let (high, low) = ((value >> 60) as u64, value as u64);
        for (position, pair) in twelves.iter_mut().enumerate() {
            let word = if position < 6 { high } else { low };
            *pair = pair_of(word >> (50 - 10 * (position % 6)));
        }
    }
    digits
}

/// The characters of the low ten bits.
fn pair_of(value: u64) -> [u8; 2] {
    PAIRS.get((value & 1_023) as usize).copied().unwrap_or_default()
}

fn decode(text: &str) -> Option<[u8; 16]> {
    let digits: &[u8; DIGITS] = text.as_bytes().try_into().ok()?;
    // 26 characters carry 130 bits: the first holds only three.
    if !(b'0'..=b'7').contains(digits.first()?) {
        return None;
    }
    let mut value = 0;
    for digit in digits {
        value = (value << 5) | u128::from(base32_value(*digit)?);
    }
    Some(value.to_be_bytes())
}

const fn base32_value(character: u8) -> Option<u8> {
    Some(match character {
        b'0'..=b'9' => character - b'0',
        b'a'..=b'h' => character - b'a' + 10,
        b'j' | b'k' => character - b'j' + 18,
        b'm' | b'n' => character - b'm' + 20,
        b'p'..=b't' => character - b'p' + 22,
        b'v'..=b'z' => character - b'v' + 27,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bits_that_are_not_random_are_in_their_places() {
        let id = AppId::v7(Timestamp::from_millis(0x0123_4567_89ab), [0xff; 10]);
        assert_eq!(
            id.as_bytes(),
            &[
                0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x7f, 0xff, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff, 0xff
            ]
        );
        let id = AppId::v7(Timestamp::from_millis(-5), [0; 10]);
        assert_eq!(id.created_at(), Timestamp::from_millis(0));
    }

    #[test]
    fn an_error_names_the_prefix_and_not_the_text() {
        let error = "app_zzz".parse::<ConnectionId>().unwrap_err();
        assert!(error.to_string().contains("conn_"));
        assert!(!error.to_string().contains("zzz"));
    }

    /// The characters one after the other.
    fn encode_slowly(bytes: [u8; 16]) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let value = u128::from_be_bytes(bytes);
        let digit = |position: usize| {
            ALPHABET[usize::try_from(value >> (125 - 5 * position) & 31).unwrap()]
        };
        (0..DIGITS).map(|position| char::from(digit(position))).collect()
    }

    #[test]
    fn every_character_is_written() {
        for value in 0..32_u8 {
            let bytes = (u128::from(value) * (u128::MAX / 31)).to_be_bytes();
            assert_eq!(encode(bytes).as_slice(), encode_slowly(bytes).as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_16_bytes_are_read_back_in_both_forms(bytes: [u8; 16]) {
            let id = ConnectionId::from_bytes(bytes);
            let (digits, slowly) = (id.digits(), encode_slowly(bytes));
            prop_assert_eq!(digits.as_slice(), slowly.as_bytes());
            let mut written = Vec::new();
            id.write_to(&mut written);
            let written = String::from_utf8(written).unwrap();
            prop_assert_eq!(&written, &id.to_string());
            prop_assert_eq!(written.parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ConnectionId>(&json).unwrap(), id);
            let row = postcard::to_allocvec(&id).unwrap();
            prop_assert_eq!(row.as_slice(), bytes.as_slice());
            prop_assert_eq!(postcard::from_bytes::<ConnectionId>(&row).unwrap(), id);
        }

        #[test]
        fn text_order_is_byte_order(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (EventId::from_bytes(a), EventId::from_bytes(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn v7_remembers_its_time(millis in 0..(1_i64 << 47), random: [u8; 10]) {
            let now = Timestamp::from_millis(millis);
            prop_assert_eq!(KeyId::v7(now, random).created_at(), now);
        }
    }
}
