//! What makes an RSA public key fit to be registered.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Sizes of a modulus in bits (PROTOCOL, The app's own key pair).
const BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A key in its one spelling, with its name.
#[derive(Debug)]
pub(super) struct RsaKey {
    /// The modulus, base64url of the shortest bytes (RFC 7518 section 6.3.1.1).
    pub(super) n: String,
    /// The exponent, likewise.
    pub(super) e: String,
    /// The RFC 7638 thumbprint.
    pub(super) thumbprint: String,
}

/// Why a key is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnfitKey {
    /// The member that is wrong.
    pub(super) member: &'static str,
    /// The rule that it breaks.
    pub(super) rule: &'static str,
}

impl RsaKey {
    /// Checks modulus and exponent.
    pub(super) fn new(n: &str, e: &str) -> Result<Self, UnfitKey> {
        let unfit = |member, rule| UnfitKey { member, rule };
        let spelling = "must be base64url of the shortest big-endian bytes, without padding";
        let modulus = number(n).ok_or_else(|| unfit("n", spelling))?;
        let exponent = number(e).ok_or_else(|| unfit("e", spelling))?;
        if !BITS.contains(&bits(&modulus)) {
            return Err(unfit("n", "must be an RSA modulus of 2048 to 4096 bits"));
        }
        if !is_odd(&modulus) {
            return Err(unfit("n", "must be odd: this is no RSA modulus"));
        }
        // 3 and other small exponents have a history; more than 64 bits only slow every check down
        if !is_odd(&exponent) || !(17..=64).contains(&bits(&exponent)) {
            return Err(unfit("e", "must be an odd number from 65537 to 2^64 - 1; usual is AQAB"));
        }
        let jwk = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes()));
        Ok(Self { n: n.to_owned(), e: e.to_owned(), thumbprint })
    }
}

/// The bytes of a number in its one spelling: no leading zero byte, no stray bits.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.first().is_some_and(|first| *first != 0)).then_some(bytes)
}

fn bits(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |first| first.leading_zeros());
    number.len() * 8 - usize::try_from(leading).unwrap_or(0)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7638 section 3.1.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    #[test]
    fn the_thumbprint_is_that_of_the_standard() {
        let key = RsaKey::new(N, "AQAB").unwrap();
        assert_eq!(key.thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn weak_and_odd_keys_are_refused() {
        let number = |length: usize, last: u8| {
            let mut bytes = vec![0xff; length];
            bytes[length - 1] = last;
            URL_SAFE_NO_PAD.encode(bytes)
        };
        let member = |n: &str, e: &str| RsaKey::new(n, e).unwrap_err().member;
        assert_eq!(member(&number(255, 1), "AQAB"), "n");
        assert_eq!(member(&number(513, 1), "AQAB"), "n");
        assert_eq!(member(&number(256, 2), "AQAB"), "n");
        assert_eq!(member("", "AQAB"), "n");
        assert_eq!(member(&format!("AA{N}"), "AQAB"), "n");
        assert_eq!(member(N, "Aw"), "e");
        assert_eq!(member(N, "AQAC"), "e");
        assert_eq!(member(N, "AAEAAQ"), "e");
        assert!(RsaKey::new(&number(512, 1), "AQAB").is_ok());
    }
}
