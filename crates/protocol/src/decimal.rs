//! Decimal digits for times and headers, two at a time out of a table: each division is half of what
//! it takes one at a time, and nothing goes through the formatting machinery.

/// The digits of 0 to 99.
static PAIRS: [[u8; 2]; 100] = pairs();

#[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[b'0'; 2]; 100];
    let (mut value, mut digits) = (0, 0_u8);
    while value < pairs.len() {
        pairs[value] = [b'0' + digits / 10, b'0' + digits % 10];
        (value, digits) = (value + 1, digits + 1);
    }
    pairs
}

/// The last two digits of a number.
pub(crate) fn two(value: u32) -> [u8; 2] {
    PAIRS.get((value % 100) as usize).copied().unwrap_or_default()
}

/// The last four digits of a number.
pub(crate) fn four(value: u32) -> [u8; 4] {
    let ([a, b], [c, d]) = (two(value / 100), two(value));
    [a, b, c, d]
}

/// Appends a number.
pub fn write(value: u64, out: &mut Vec<u8>) {
    match u32::try_from(value) {
        // in pieces whose length the compiler knows: limits and lengths are short
        Ok(short @ 0..10) => out.extend_from_slice(&[two(short)[1]]),
        Ok(short @ 10..100) => out.extend_from_slice(&two(short)),
        Ok(short @ 100..1_000) => {
            let [_, digits @ ..] = four(short);
            out.extend_from_slice(&digits);
        }
        Ok(short @ 1_000..10_000) => out.extend_from_slice(&four(short)),
        _ => {
            write(value / 10_000, out);
            out.extend_from_slice(&four(u32::try_from(value % 10_000).unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_the_library_does(value: u64, shift in 0_u32..64) {
            for value in [value >> shift, u64::MAX - (value >> shift)] {
                let mut written = b"x".to_vec();
                write(value, &mut written);
                prop_assert_eq!(String::from_utf8(written).unwrap(), format!("x{value}"));
            }
        }
    }

    #[test]
    fn all_short_numbers_are() {
        for value in 0..100_000_u32 {
            let mut written = Vec::new();
            write(value.into(), &mut written);
            assert_eq!(written, value.to_string().into_bytes());
            assert_eq!(four(value).to_vec(), format!("{:04}", value % 10_000).into_bytes());
        }
    }
}
