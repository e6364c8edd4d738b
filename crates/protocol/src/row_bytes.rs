//! Ids and hashes in rows: their bytes, in words of eight.
//!
//! postcard writes and reads an array of bytes one by one, at ten instructions and more for each, and
//! a verify has some 250 of them. The only thing that it takes in one piece of eight bytes is an
//! `f64`, as it stands in memory, little-endian. So the bytes pass as such, and rows are the same.

use core::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeTuple as _};
use serde::{Deserializer, Serializer};

#[cfg(all(target_arch = "x86", not(target_feature = "sse2")))]
compile_error!("without SSE2 numbers may change some of their bits on the way");

const NOT_A_ROW: &str = "these bytes stand in rows alone";

/// Writes `N` bytes, a multiple of eight.
pub(crate) fn serialize<S: Serializer, const N: usize>(
    bytes: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    const { assert!(N.is_multiple_of(8)) };
    if serializer.is_human_readable() {
        return Err(S::Error::custom(NOT_A_ROW));
    }
    let (words, _) = bytes.as_chunks();
    let mut tuple = serializer.serialize_tuple(words.len())?;
    for word in words {
        tuple.serialize_element(&f64::from_bits(u64::from_le_bytes(*word)))?;
    }
    tuple.end()
}

/// Reads `N` bytes, a multiple of eight.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    const { assert!(N.is_multiple_of(8)) };
    if deserializer.is_human_readable() {
        return Err(D::Error::custom(NOT_A_ROW));
    }
    deserializer.deserialize_tuple(N / 8, Words)
}

struct Words<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for Words<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<[u8; N], A::Error> {
        let mut bytes = [0; N];
        for (position, word) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            let value: f64 =
                words.next_element()?.ok_or_else(|| A::Error::invalid_length(position, &self))?;
            *word = value.to_bits().to_le_bytes();
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row(#[serde(with = "crate::row_bytes")] [u8; 32]);

    /// Both forms of the same row.
    fn is_as_an_array_has_it(bytes: [u8; 32]) {
        let row = postcard::to_allocvec(&Row(bytes)).unwrap();
        assert_eq!(row, postcard::to_allocvec(&bytes).unwrap());
        assert_eq!(postcard::from_bytes::<Row>(&row).unwrap(), Row(bytes));
        assert!(postcard::from_bytes::<Row>(&row[..31]).is_err());
    }

    #[test]
    fn what_is_no_number_passes_too() {
        // signalling and quiet, of both signs; infinities; the least number; minus zero
        let words = [
            0x7ff0_0000_0000_0001,
            0x7ff8_0000_0000_0000,
            0xfff0_dead_beef_cafe,
            0xffff_ffff_ffff_ffff,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            1,
            1 << 63,
        ];
        for four in words.as_chunks::<4>().0 {
            let mut bytes = [0; 32];
            for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(four) {
                *to = u64::to_le_bytes(*word);
            }
            is_as_an_array_has_it(bytes);
        }
    }

    #[test]
    fn json_has_none_of_them() {
        assert!(serde_json::to_string(&Row([1; 32])).is_err());
        assert!(serde_json::from_str::<Row>("[1,2,3,4]").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_the_same_row(bytes: [u8; 32]) {
            is_as_an_array_has_it(bytes);
        }
    }
}
