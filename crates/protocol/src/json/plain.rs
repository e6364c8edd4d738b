//! Where a JSON string is plain: what of it stands for itself, found eight bytes at a time.

/// Whether a text stands between quotes as it is: nothing in it is a quote, a backslash or a control
/// character below U+0020, which JSON escapes (RFC 8259 section 7).
pub fn is_plain(text: &str) -> bool {
    plain_bytes(text.as_bytes()) == text.len()
}

/// How many bytes stand before the first that JSON escapes in a string, or at which one ends.
pub fn plain_bytes(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    let mut length = 0;
    for word in words {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return length + special.trailing_zeros() as usize / 8;
        }
        length += word.len();
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | ..b' ');
    length + rest.iter().take_while(is_plain).count()
}

/// The lowest bit that is set here is the highest one of the first special byte: no byte before it
/// borrows from the next one. What is set above it may be wrong, and nobody looks at it.
const fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const fn below(word: u64, bound: u8) -> u64 {
        word.wrapping_sub(ONES * bound as u64) & !word
    }
    let quote = below(word ^ (ONES * b'"' as u64), 1);
    let backslash = below(word ^ (ONES * b'\\' as u64), 1);
    (below(word, b' ') | quote | backslash) & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one_by_one(bytes: &[u8]) -> usize {
        let is_special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
        bytes.iter().position(is_special).unwrap_or(bytes.len())
    }

    #[test]
    fn every_byte_is_seen_at_every_place() {
        for length in 0..=24 {
            for (at, byte) in (0..length).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                for other in [b' ', b'~', 0x80, 0xff, b'!', b'#', b'[', b']'] {
                    let mut bytes = vec![other; length];
                    bytes[at] = byte;
                    assert_eq!(plain_bytes(&bytes), one_by_one(&bytes), "{bytes:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn eight_at_a_time_is_one_by_one(bytes: Vec<u8>) {
            prop_assert_eq!(plain_bytes(&bytes), one_by_one(&bytes));
        }
    }
}
