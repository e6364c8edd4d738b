//! Secrets as texts: the parser against a second reading of the contract.

use agentadmit_protocol::secret::{self, MalformedSecret, Secret, SecretHash, SecretKind};

use super::{Bytes, shows_a_secret};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of the random number, and of the checksum behind it.
const RANDOM_DIGITS: usize = 43;
const CHECKSUM_DIGITS: usize = 6;

/// The input as a text that may be a secret, and as the recipe of one that is.
pub fn secret(data: &[u8]) {
    any_text(&String::from_utf8_lossy(data));
    minted(&mut Bytes(data));
}

/// Any text is a secret exactly if a second reading of the contract says so.
fn any_text(text: &str) {
    let referee = read(text);
    match secret::parse(text) {
        Ok((kind, hash)) => {
            let random = referee.unwrap_or_else(|| unreachable!("{text:?} is no secret"));
            assert_eq!(hash, SecretHash::of(text.as_bytes()));
            let again = Secret::mint(kind, random);
            assert_eq!(again.expose(), text, "the same bits are the same secret");
            one_typo_is_noticed(text);
        }
        Err(why) => {
            assert_eq!(referee, None, "{text:?} is a secret, but refused: {why}");
            explained(text, why);
        }
    }
}

/// Whatever 256 bits and whichever kind: what is minted is recognised, a changed one is not.
fn minted(bytes: &mut Bytes<'_>) {
    let kinds = SecretKind::ALL;
    let Some(kind) = kinds.get(bytes.below(kinds.len())).copied() else { return };
    let minted = Secret::mint(kind, bytes.take());
    assert_eq!(secret::parse(minted.expose()), Ok((kind, minted.hash())));
    let mut changed = minted.expose().as_bytes().to_vec();
    let place = bytes.below(changed.len());
    if let Some(slot) = changed.get_mut(place) {
        *slot = bytes.byte();
    }
    if changed != minted.expose().as_bytes() {
        let refused = String::from_utf8(changed).map_or(true, |text| secret::parse(&text).is_err());
        assert!(refused, "one changed character of a {kind:?} went unnoticed");
    }
}

/// A CRC-32 tells every single changed character.
fn one_typo_is_noticed(text: &str) {
    for place in 0..text.len() {
        let mut typo = text.as_bytes().to_vec();
        if let Some(slot) = typo.get_mut(place) {
            *slot = if *slot == b'x' { b'y' } else { b'x' };
        }
        let typo = String::from_utf8_lossy(&typo);
        assert!(secret::parse(&typo).is_err(), "a typo at {place} went unnoticed");
    }
}

/// A refusal names the right kind and says nothing of the text.
fn explained(text: &str, why: MalformedSecret) {
    let kind = SecretKind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()));
    assert_eq!(why.kind(), kind);
    if let MalformedSecret::Length { length, .. } = why {
        assert_eq!(length, text.chars().count());
    }
    assert!(!shows_a_secret(&why.to_string()), "{why}");
    let clipped = kind == Some(SecretKind::ConnectionToken)
        && text.len() != SecretKind::ConnectionToken.text_length();
    assert_eq!(secret::looks_truncated(text), clipped);
}

/// The contract once more, slowly: the random bits of a well-formed secret.
fn read(text: &str) -> Option<[u8; 32]> {
    let kind = SecretKind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
    let digits = text.as_bytes().get(kind.prefix().len()..)?;
    if digits.len() != RANDOM_DIGITS + CHECKSUM_DIGITS {
        return None;
    }
    let (random, checksum) = digits.split_at(RANDOM_DIGITS);
    let before = text.as_bytes().get(..text.len() - CHECKSUM_DIGITS)?;
    let sum: [u8; 32] = number(checksum)?;
    let expected = crc32(before).to_be_bytes();
    let (high, low) = sum.split_at(28);
    (high.iter().all(|byte| *byte == 0) && low == expected).then_some(())?;
    number(random)
}

/// A base62 number as 32 big-endian bytes; `None` for another character or a larger number.
fn number(digits: &[u8]) -> Option<[u8; 32]> {
    let mut number = [0_u8; 32];
    for digit in digits {
        let value = ALPHABET.iter().position(|character| character == digit)?;
        let mut carry = u32::try_from(value).ok()?;
        for byte in number.iter_mut().rev() {
            let sum = u32::from(*byte) * 62 + carry;
            let [.., low] = sum.to_be_bytes();
            *byte = low;
            carry = sum >> 8;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(number)
}

/// CRC-32/ISO-HDLC, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
