//! One-time sign-in codes: what an operator reads on the machine and types into the dashboard.
//!
//! Sixteen characters of Crockford base32 in four groups, `7Q4M-9XKD-02TB-WR5H`. The first group
//! says which code is meant, so that wrong tries are counted against that one and nobody can spend
//! the tries of a code that they cannot name; the other three are 60 random bits.

use core::fmt;

use serde::{Deserialize, Serialize, de};
use zeroize::{Zeroize, Zeroizing};

use crate::secret::SecretHash;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS: usize = 16;
const GROUP: usize = 4;
/// The most characters that are looked at: room for what people put between groups.
const MAX_TYPED: usize = 64;

/// A code as it is shown or was typed. Redacted when printed for debugging, wiped when dropped.
#[derive(Clone)]
pub struct SignInCode(Zeroizing<[u8; DIGITS]>);

/// A text that cannot be a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the 16 letters and digits of a sign-in code, such as 7Q4M-9XKD-02TB-WR5H")]
pub struct MalformedCode;

impl SignInCode {
    /// A new code of 80 random bits.
    pub fn mint(mut random: [u8; 10]) -> Self {
        let mut digits = Zeroizing::new([b'0'; DIGITS]);
        for (five, eight) in random.chunks_exact(5).zip(digits.chunks_exact_mut(8)) {
            let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for (place, digit) in eight.iter_mut().rev().enumerate() {
                let value = usize::try_from(bits >> (5 * place) & 31).unwrap_or_default();
                *digit = ALPHABET.get(value).copied().unwrap_or(b'0');
            }
        }
        random.zeroize();
        Self(digits)
    }

    /// Which code is meant: the number of the first group.
    pub fn handle(&self) -> u32 {
        let group = self.0.iter().take(GROUP);
        group.fold(0, |number, digit| number << 5 | u32::from(value(*digit).unwrap_or_default()))
    }

    /// What is stored of it: SHA-256 of the sixteen characters.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.as_slice())
    }

    /// The text in groups, to be shown once and written nowhere else.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(DIGITS + DIGITS / GROUP));
        for (place, digit) in self.0.iter().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*digit));
        }
        text
    }
}

impl core::str::FromStr for SignInCode {
    type Err = MalformedCode;

    /// Reads what a person typed: case, spaces and dashes do not matter, `O` is `0`, `I` and `L`
    /// are `1`.
    fn from_str(text: &str) -> Result<Self, MalformedCode> {
        if text.len() > MAX_TYPED {
            return Err(MalformedCode);
        }
        let mut digits = Zeroizing::new([0; DIGITS]);
        let mut places = digits.iter_mut();
        for byte in text.bytes().filter(|byte| !matches!(byte, b' ' | b'-')) {
            let place = places.next().ok_or(MalformedCode)?;
            let value = value(byte).ok_or(MalformedCode)?;
            *place = ALPHABET.get(usize::from(value)).copied().ok_or(MalformedCode)?;
        }
        if places.next().is_some() {
            return Err(MalformedCode);
        }
        Ok(Self(digits))
    }
}

/// What a character stands for.
const fn value(character: u8) -> Option<u8> {
    Some(match character.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => digit - b'0',
        letter @ b'A'..=b'H' => letter - b'A' + 10,
        letter @ (b'J' | b'K') => letter - b'J' + 18,
        letter @ (b'M' | b'N') => letter - b'M' + 20,
        letter @ b'P'..=b'T' => letter - b'P' + 22,
        letter @ b'V'..=b'Z' => letter - b'V' + 27,
        b'O' => 0,
        b'I' | b'L' => 1,
        _ => return None,
    })
}

impl fmt::Debug for SignInCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInCode(redacted)")
    }
}

/// Writes the text: only the one answer that shows a new code does this. Never into a row.
impl Serialize for SignInCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return Err(serde::ser::Error::custom("a code is stored as its hash, never as itself"));
        }
        serializer.serialize_str(&self.expose())
    }
}

impl<'de> Deserialize<'de> for SignInCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(de::Error::custom)
    }
}

crate::schema::impl_schema!(
    SignInCode,
    crate::schema::text(
        16,
        64,
        "^[ -]*([0-9A-TV-Za-tv-z][ -]*){16}$",
        "A one-time sign-in code: 16 characters of Crockford base32, shown in groups of four. Case, \
         spaces and dashes do not matter; `O` is `0`, `I` and `L` are `1`.",
    )
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_person_types_is_the_code() {
        let code = SignInCode::mint([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x10, 0x32]);
        let text = code.expose().to_string();
        assert_eq!(text, "04HM-ASW9-NF6Y-Y41J");
        for typed in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', ""),
            text.replace('-', " "),
            format!("  {text} "),
            text.replace('0', "o").replace('1', "l"),
            text.replace('0', "O").replace('1', "I"),
        ] {
            let read: SignInCode = typed.parse().unwrap();
            assert_eq!((read.hash(), read.handle()), (code.hash(), code.handle()), "{typed}");
        }
        assert_eq!(code.handle(), (4 << 10) + (17 << 5) + 20);
    }

    #[test]
    fn anything_else_is_no_code() {
        for text in [
            "",
            "04HM-ASW9-NF6Y-Y41",
            "04HM-ASW9-NF6Y-Y41J-0",
            "04HM-ASW9-NF6Y-Y41U",
            "04HM-ASW9-NF6Y-Y41é",
            "04HM_ASW9_NF6Y_Y41J",
            &format!("04HM-ASW9-NF6Y-Y41J{}", "-".repeat(60)),
        ] {
            assert!(text.parse::<SignInCode>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_code_is_not_printed() {
        let code = SignInCode::mint([7; 10]);
        assert_eq!(format!("{code:?}"), "SignInCode(redacted)");
    }

    proptest! {
        #[test]
        fn every_code_is_read_back(random: [u8; 10]) {
            let code = SignInCode::mint(random);
            let read: SignInCode = code.expose().parse().unwrap();
            prop_assert_eq!(read.hash(), code.hash());
            prop_assert!(code.handle() < 1 << 20);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _read = text.parse::<SignInCode>();
        }
    }
}
