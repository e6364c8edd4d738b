//! Secrets: how they are made, recognised and hashed (PROTOCOL, Identifiers and secrets).
//!
//! `prefix` · 43 characters (256 random bits, base62) · 6 characters (CRC-32 of all before,
//! base62). Of a secret that is presented only the SHA-256 of its text goes any further. [`parse`]
//! tells a typo from a dead secret without a look-up; it is on the path of every call and
//! allocates nothing.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of 256 bits in base62.
const RANDOM_DIGITS: usize = 43;
/// Characters of 32 bits in base62.
const CHECKSUM_DIGITS: usize = 6;
/// 2^256 - 1 in base62. The alphabet is in ASCII order, so texts compare as numbers do.
const LARGEST: &[u8; RANDOM_DIGITS] = b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1";

/// What a secret is for. Its prefix says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// An app's key for the test environment.
    ApiKeyTest,
    /// An app's key for the live environment.
    ApiKeyLive,
    /// What a human hands to an agent; exchanged once.
    ConnectionToken,
    /// What an agent calls with.
    AccessToken,
    /// What an OAuth client renews its access token with.
    RefreshToken,
    /// An operator's credential.
    OperatorToken,
    /// What an OAuth client exchanges for tokens, once (RFC 6749 section 4.1.2).
    AuthorizationCode,
    /// What a device asks with whether its user has decided (RFC 8628 section 3.2).
    DeviceCode,
    /// What a confidential OAuth client shows that it is itself with.
    ClientSecret,
    /// What stands in the `request_uri` of a pushed request (RFC 9126 section 2.2).
    PushedRequest,
}

impl SecretKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::ApiKeyTest,
        Self::ApiKeyLive,
        Self::ConnectionToken,
        Self::AccessToken,
        Self::RefreshToken,
        Self::OperatorToken,
        Self::AuthorizationCode,
        Self::DeviceCode,
        Self::ClientSecret,
        Self::PushedRequest,
    ];

    /// What a secret of this kind begins with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKeyTest => "aa_test_",
            Self::ApiKeyLive => "aa_live_",
            Self::ConnectionToken => "ag_ct_",
            Self::AccessToken => "ag_at_",
            Self::RefreshToken => "ag_rt_",
            Self::OperatorToken => "aa_op_",
            Self::AuthorizationCode => "ag_ac_",
            Self::DeviceCode => "ag_dc_",
            Self::ClientSecret => "ag_cs_",
            Self::PushedRequest => "ag_pr_",
        }
    }

    /// How many characters a secret of this kind has.
    pub const fn text_length(self) -> usize {
        self.prefix().len() + RANDOM_DIGITS + CHECKSUM_DIGITS
    }

    /// The kind with whose prefix a text begins: byte by byte, since no prefix need be compared whole.
    const fn of(text: &[u8]) -> Option<Self> {
        Some(match text {
            [b'a', b'g', b'_', b'a', b't', b'_', ..] => Self::AccessToken,
            [b'a', b'g', b'_', b'c', b't', b'_', ..] => Self::ConnectionToken,
            [b'a', b'g', b'_', b'r', b't', b'_', ..] => Self::RefreshToken,
            [b'a', b'g', b'_', b'a', b'c', b'_', ..] => Self::AuthorizationCode,
            [b'a', b'g', b'_', b'd', b'c', b'_', ..] => Self::DeviceCode,
            [b'a', b'g', b'_', b'c', b's', b'_', ..] => Self::ClientSecret,
            [b'a', b'g', b'_', b'p', b'r', b'_', ..] => Self::PushedRequest,
            [b'a', b'a', b'_', b'o', b'p', b'_', ..] => Self::OperatorToken,
            [b'a', b'a', b'_', b'l', b'i', b'v', b'e', b'_', ..] => Self::ApiKeyLive,
            [b'a', b'a', b'_', b't', b'e', b's', b't', b'_', ..] => Self::ApiKeyTest,
            _ => return None,
        })
    }
}

/// The text of a secret. Redacted when printed for debugging, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes a secret of 256 random bits.
    pub fn mint(kind: SecretKind, mut random: [u8; 32]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(kind.text_length()));
        text.push_str(kind.prefix());
        let digits = Zeroizing::new(base62_256(random));
        random.zeroize();
        push_ascii(&mut text, digits.as_slice());
        let checksum = base62_32(crc32fast::hash(text.as_bytes()));
        push_ascii(&mut text, &checksum);
        Self(text)
    }

    /// Makes a secret of 256 random bits without prefix and checksum, for what only a browser
    /// carries: a code in an address, a cookie.
    pub fn plain(mut random: [u8; 32]) -> Self {
        let digits = Zeroizing::new(base62_256(random));
        random.zeroize();
        let mut text = Zeroizing::new(String::with_capacity(RANDOM_DIGITS));
        push_ascii(&mut text, digits.as_slice());
        Self(text)
    }

    /// The text itself, to be shown once and written nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.as_bytes())
    }
}

impl core::str::FromStr for Secret {
    type Err = MalformedSecret;

    /// A secret that was handed to this side, such as an API key in a configuration.
    fn from_str(text: &str) -> Result<Self, MalformedSecret> {
        parse(text).map(|_| Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Writes the text: only the one answer that shows a new secret does this. Never into a row.
impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return Err(serde::ser::Error::custom(
                "a secret is stored as its hash, never as itself",
            ));
        }
        serializer.serialize_str(self.expose())
    }
}

/// Reads the text: only a client that is shown a new secret does this.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

crate::schema::impl_schema!(
    Secret,
    crate::schema::pattern(
        "^(aa_(test|live|op)|ag_(ct|at|rt|ac|dc|cs|pr))_[0-9A-Za-z]{49}$",
        "A secret, shown this once.",
        "ag_ct_0000000000000000000000000000000000000000000000000",
    )
);

/// SHA-256 of a secret's whole text: what the stores keep and look up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretHash(#[serde(with = "crate::row_bytes")] [u8; 32]);

impl SecretHash {
    /// From the 32 bytes of a row.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash of any secret bytes, such as an `Idempotency-Key` or a `jti`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes as a big-endian number: the key of the stores' hot tables.
    ///
    /// Sixty-four bits of a hash may collide: whoever finds a row by it compares the whole hash.
    pub const fn key(&self) -> i64 {
        match self.0.first_chunk() {
            Some(first) => i64::from_be_bytes(*first),
            None => 0,
        }
    }

    /// Compares in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        ct_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(")?;
        for byte in self.0.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…)")
    }
}

/// Why a text is no secret of ours. Never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedSecret {
    /// It begins with none of our prefixes.
    #[error(
        "it begins with none of the prefixes aa_test_, aa_live_, aa_op_, ag_ct_, ag_at_, ag_rt_, \
         ag_ac_, ag_dc_, ag_cs_, ag_pr_"
    )]
    Prefix,
    /// It has another length than its kind has.
    #[error("it has {length} characters instead of {}: it looks cut off", kind.text_length())]
    Length {
        /// What its prefix says.
        kind: SecretKind,
        /// How long it is.
        length: usize,
    },
    /// A character that is not in `0-9A-Za-z` stands after the prefix.
    #[error("a character after its prefix is none of 0-9A-Za-z")]
    Character(SecretKind),
    /// Its number has more than 256 bits.
    #[error("it was never issued by any service: its number is too large")]
    TooLarge(SecretKind),
    /// Its checksum is another one: a character was mistyped.
    #[error("its checksum does not match: a character was mistyped")]
    Checksum(SecretKind),
}

impl MalformedSecret {
    /// The kind that the prefix says, where there is one.
    pub const fn kind(self) -> Option<SecretKind> {
        match self {
            Self::Prefix => None,
            Self::Length { kind, .. }
            | Self::Character(kind)
            | Self::TooLarge(kind)
            | Self::Checksum(kind) => Some(kind),
        }
    }

    /// A connection token of the wrong length: the exchange answers 400 `invalid_request` to it,
    /// not `invalid_grant`, since a clipped paste is the one mistake that the agent's human can
    /// mend (PROTOCOL, Errors, 400).
    pub const fn is_clipped_connection_token(self) -> bool {
        matches!(self, Self::Length { kind: SecretKind::ConnectionToken, .. })
    }
}

/// Recognises a secret: its kind, and the hash to look it up by.
///
/// Nothing is trimmed and case matters.
///
/// # Errors
/// What is wrong with the text; `malformed` on the wire.
pub fn parse(text: &str) -> Result<(SecretKind, SecretHash), MalformedSecret> {
    let kind = SecretKind::of(text.as_bytes()).ok_or(MalformedSecret::Prefix)?;
    if text.len() != kind.text_length() {
        return Err(MalformedSecret::Length { kind, length: text.chars().count() });
    }
    let bytes = text.as_bytes();
    let (before, checksum) = bytes.split_at(bytes.len() - CHECKSUM_DIGITS);
    let (_, random) = before.split_at(kind.prefix().len());
    // without a way out in the middle, many bytes are looked at together
    let is_plain = |bytes: &[u8]| {
        bytes.iter().fold(true, |is_plain, byte| is_plain & byte.is_ascii_alphanumeric())
    };
    if !(is_plain(random) && is_plain(checksum)) {
        return Err(MalformedSecret::Character(kind));
    }
    if random > LARGEST.as_slice() {
        return Err(MalformedSecret::TooLarge(kind));
    }
    if checksum != base62_32(crc32fast::hash(before)) {
        return Err(MalformedSecret::Checksum(kind));
    }
    Ok((kind, SecretHash::of(bytes)))
}

/// Compares two texts in constant time: what they say is a secret, how long they are is not.
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // in words of eight: byte by byte it takes six times as long
    let ((words_a, rest_a), (words_b, rest_b)) = (a.as_chunks(), b.as_chunks());
    let same = words_a.iter().zip(words_b).fold(rest_a.ct_eq(rest_b), |same, (a, b)| {
        same & u64::from_ne_bytes(*a).ct_eq(&u64::from_ne_bytes(*b))
    });
    same.into()
}

/// Whether a text looks like a connection token of which something is missing.
pub fn looks_truncated(text: &str) -> bool {
    parse(text).is_err_and(MalformedSecret::is_clipped_connection_token)
}

/// A secret as a request presents it: recognised while the request is read, so that the text
/// itself is never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented(pub Result<(SecretKind, SecretHash), MalformedSecret>);

impl<'de> Deserialize<'de> for Presented {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PresentedVisitor)
    }
}

struct PresentedVisitor;

impl serde::de::Visitor<'_> for PresentedVisitor {
    type Value = Presented;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Presented, E> {
        Ok(Presented(parse(text)))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Presented, E> {
        self.visit_str(&Zeroizing::new(text))
    }
}

crate::schema::impl_schema!(
    Presented,
    crate::schema::format(
        utoipa::openapi::KnownFormat::Password,
        "A secret; any string is read, and one that is not well-formed is answered as such.",
        "ag_at_0000000000000000000000000000000000000000000000000",
    )
);

fn push_ascii(text: &mut String, bytes: &[u8]) {
    text.extend(bytes.iter().copied().map(char::from));
}

/// Long division of a 256-bit number by 62, digit by digit from the right.
fn base62_256(number: [u8; 32]) -> [u8; RANDOM_DIGITS] {
    let mut limbs = Zeroizing::new([0_u64; 8]);
    for (limb, bytes) in limbs.iter_mut().zip(number.chunks_exact(4)) {
        *limb = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    let mut digits = [b'0'; RANDOM_DIGITS];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for limb in limbs.iter_mut() {
            let value = remainder << 32 | *limb;
            *limb = value / 62;
            remainder = value % 62;
        }
        *digit = base62(remainder);
    }
    digits
}

fn base62_32(number: u32) -> [u8; CHECKSUM_DIGITS] {
    let mut rest = u64::from(number);
    let mut digits = [b'0'; CHECKSUM_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = base62(rest % 62);
        rest /= 62;
    }
    digits
}

/// The character of a number below 62.
fn base62(value: u64) -> u8 {
    usize::try_from(value).ok().and_then(|index| ALPHABET.get(index)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = SecretKind> {
        prop::sample::select(SecretKind::ALL.as_slice())
    }

    #[test]
    fn the_largest_number_is_2_to_the_256th_minus_1() {
        assert_eq!(&base62_256([0xff; 32]), LARGEST);
        let secret = Secret::mint(SecretKind::AccessToken, [0xff; 32]);
        assert!(parse(secret.expose()).is_ok());
    }

    #[test]
    fn a_kind_is_that_of_the_prefix_and_of_nothing_less() {
        for kind in SecretKind::ALL {
            let prefix = kind.prefix().as_bytes();
            assert_eq!(SecretKind::of(prefix), Some(kind));
            assert_eq!(SecretKind::of(&prefix[..prefix.len() - 1]), None);
            for (at, byte) in (0..prefix.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte)))
            {
                let mut changed = prefix.to_vec();
                changed[at] = byte;
                let expected = SecretKind::ALL
                    .into_iter()
                    .find(|kind| changed.starts_with(kind.prefix().as_bytes()));
                assert_eq!(SecretKind::of(&changed), expected);
            }
        }
    }

    #[test]
    fn nothing_is_printed_of_a_secret() {
        let secret = Secret::mint(SecretKind::ApiKeyLive, [7; 32]);
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert!(postcard::to_allocvec(&secret).is_err(), "and nothing is stored of it");
        assert_eq!(format!("{:?}", SecretHash::from_bytes([0xab; 32])), "SecretHash(abababab…)");
    }

    #[test]
    fn texts_are_compared_to_their_last_byte() {
        let text = b"0123456789abcdefX";
        assert!(ct_eq(text, &text.clone()));
        for at in 0..text.len() {
            let mut other = *text;
            other[at] ^= 1;
            assert!(!ct_eq(text, &other), "{at}");
            assert!(!ct_eq(text, &text[..at]));
        }
        assert!(ct_eq(b"", b""));
    }

    #[test]
    fn the_key_is_the_first_eight_bytes() {
        let mut bytes = [0; 32];
        bytes[0] = 0x80;
        bytes[7] = 0x01;
        assert_eq!(SecretHash::from_bytes(bytes).key(), i64::MIN + 1);
    }

    #[test]
    fn a_clipped_connection_token_is_told_from_other_mistakes() {
        let token = Secret::mint(SecretKind::ConnectionToken, [9; 32]);
        let text = token.expose();
        assert!(!looks_truncated(text));
        assert!(looks_truncated(&text[..54]));
        assert!(looks_truncated("ag_ct_"));
        assert!(looks_truncated(&format!("{text} ")));
        assert!(!looks_truncated("ag_ct"));
        assert!(!looks_truncated(&format!("{}_", &text[..54])));
        let access = Secret::mint(SecretKind::AccessToken, [9; 32]);
        assert!(!looks_truncated(&access.expose()[..54]));
    }

    proptest! {
        #[test]
        fn what_is_minted_is_recognised(kind in kinds(), random: [u8; 32]) {
            let secret = Secret::mint(kind, random);
            prop_assert_eq!(secret.expose().len(), kind.text_length());
            prop_assert_eq!(parse(secret.expose()), Ok((kind, secret.hash())));
        }

        #[test]
        fn one_changed_character_is_noticed(
            kind in kinds(),
            random: [u8; 32],
            place: prop::sample::Index,
            character in "[0-9A-Za-z]",
        ) {
            let text = Secret::mint(kind, random).expose().to_owned();
            let place = place.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(place..=place, &character);
            prop_assert_eq!(parse(&changed).is_ok(), changed == text);
        }

        #[test]
        fn any_text_is_answered(text: String) {
            prop_assert!(parse(&text).is_err());
        }

        #[test]
        fn any_text_behind_a_prefix_is_answered(kind in kinds(), rest in ".{0,60}") {
            let _ = parse(&format!("{}{rest}", kind.prefix()));
        }
    }
}
