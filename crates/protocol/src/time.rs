//! Time on the wire: RFC 3339 in UTC with milliseconds.
//!
//! A [`Timestamp`] is milliseconds since the Unix epoch and always within the years 0000 to
//! 9999, so that it can always be written. Writing is on the path of every verify and allocates
//! nothing; reading goes through jiff's calendar.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::decimal::{four, two};

/// 0000-01-01T00:00:00.000Z
const MIN_MILLIS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z
const MAX_MILLIS: i64 = 253_402_300_799_999;
const MILLIS_PER_DAY: i64 = 86_400_000;
/// Characters of `2026-01-02T03:04:05.678Z`.
const TEXT_LENGTH: usize = 24;

/// An instant in milliseconds since the Unix epoch, within the years 0000 to 9999.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant that RFC 3339 can write.
    pub const MIN: Self = Self(MIN_MILLIS);
    /// The last instant that RFC 3339 can write.
    pub const MAX: Self = Self(MAX_MILLIS);

    /// From milliseconds since the Unix epoch; what lies outside [`Self::MIN`] and [`Self::MAX`]
    /// becomes the nearer of the two.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < MIN_MILLIS {
            Self::MIN
        } else if millis > MAX_MILLIS {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant `seconds` later (earlier when negative), at most [`Self::MAX`].
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1_000))
    }

    /// This instant `millis` later (earlier when negative), at most [`Self::MAX`].
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Appends the text form to bytes, `2026-01-02T03:04:05.678Z`.
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text());
    }

    /// The text form as ASCII bytes.
    fn text(self) -> [u8; TEXT_LENGTH] {
        let (year, month, day) = civil(self.0.div_euclid(MILLIS_PER_DAY));
        let rest = small(self.0.rem_euclid(MILLIS_PER_DAY));
        let [y0, y1, y2, y3] = four(year);
        let ([o0, o1], [d0, d1]) = (two(month), two(day));
        let ([h0, h1], [m0, m1]) = (two(rest / 3_600_000), two(rest / 60_000 % 60));
        let ([s0, s1], [_, f0, f1, f2]) = (two(rest / 1_000 % 60), four(rest % 1_000));
        [
            y0, y1, y2, y3, b'-', o0, o1, b'-', d0, d1, b'T', h0, h1, b':', m0, m1, b':', s0, s1,
            b'.', f0, f1, f2, b'Z',
        ]
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an RFC 3339 time with an offset, within the years 0000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time with an offset, such as 2026-01-02T03:04:05.678Z")]
pub struct InvalidTimestamp;

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads RFC 3339 with any offset; what is finer than a millisecond is cut off.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        parse(text).ok_or(InvalidTimestamp)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let text = self.text();
            let text = core::str::from_utf8(&text).map_err(serde::ser::Error::custom)?;
            serializer.serialize_str(text)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(TextVisitor)
        } else {
            i64::deserialize(deserializer).map(Self::from_millis)
        }
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }
}

crate::schema::impl_schema!(
    Timestamp,
    crate::schema::format(
        utoipa::openapi::KnownFormat::DateTime,
        "RFC 3339; answers are in UTC with milliseconds.",
        "2026-01-02T03:04:05.678Z",
    )
);

/// The shape of RFC 3339 section 5.6 is checked here, the calendar by jiff, which reads more
/// than RFC 3339 (missing separators, named zones).
fn parse(text: &str) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let shape_holds = date_time.bytes().enumerate().all(|(position, byte)| match position {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b'T' | b't'),
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !shape_holds {
        return None;
    }
    let (millis, rest) = fraction(rest)?;
    let offset_minutes = offset(rest)?;
    let civil: jiff::civil::DateTime = date_time.parse().ok()?;
    let seconds = civil.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_secs();
    let millis = (seconds - offset_minutes * 60) * 1_000 + millis;
    (MIN_MILLIS..=MAX_MILLIS).contains(&millis).then_some(Timestamp(millis))
}

/// Milliseconds of an optional `.digits`, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(text) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(end)?;
    let mut millis = 0;
    for position in 0..3 {
        let digit = digits.as_bytes().get(position).map_or(0, |byte| i64::from(byte - b'0'));
        millis = millis * 10 + digit;
    }
    (!digits.is_empty()).then_some((millis, rest))
}

/// Minutes east of UTC of `Z` or `+hh:mm`.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let &[sign, h0, h1, b':', m0, m1] = text.as_bytes() else { return None };
    if ![h0, h1, m0, m1].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let (hours, minutes) = (value(h0, h1), value(m0, m1));
    let total = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
    match sign {
        b'+' => Some(total),
        b'-' => Some(-total),
        _ => None,
    }
}

/// Year, month and day of a day counted from the Unix epoch, by the Gregorian calendar.
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day ends a year. The first
/// era begins 400 years early, so that no number is negative.
const fn civil(days: i64) -> (u32, u32, u32) {
    let days = small(days + 719_468 + 146_097);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 } - 400;
    (year, month, day)
}

/// A number that is neither negative nor large: arithmetic in 32 bits takes half the instructions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds of a day, and days of 10,400 years from 0, are below 2^32"
)]
const fn small(value: i64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<i64, InvalidTimestamp> {
        text.parse::<Timestamp>().map(Timestamp::as_millis)
    }

    #[test]
    fn the_range_is_the_years_0000_to_9999() {
        assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.plus_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.plus_millis(-1), Timestamp::MIN);
        assert_eq!(parsed("9999-12-31T23:59:59.999Z"), Ok(MAX_MILLIS));
        assert_eq!(parsed("0000-01-01T00:00:00Z"), Ok(MIN_MILLIS));
        assert_eq!(parsed("9999-12-31T23:59:59.999-00:01"), Err(InvalidTimestamp));
    }

    #[test]
    fn offsets_count_and_what_is_finer_is_cut_off() {
        assert_eq!(parsed("1970-01-01T01:00:00.0019999999999+01:00"), Ok(1));
        assert_eq!(parsed("1969-12-31t23:59:59.9999z"), Ok(-1));
        assert_eq!(parsed("1970-01-01T00:00:00.5-00:30"), Ok(1_800_500));
    }

    #[test]
    fn only_rfc_3339_is_read() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "19700101T000000Z",
            "1970-01-01T00:00:00,5Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+0100",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+01:60",
            "1970-01-01T00:00:00Z[UTC]",
            "1970-02-29T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "+001970-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z ",
            "1970-01-01T00:00:00é",
        ] {
            assert_eq!(parsed(text), Err(InvalidTimestamp), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in MIN_MILLIS..=MAX_MILLIS) {
            let timestamp = Timestamp::from_millis(millis);
            let mut written = Vec::new();
            timestamp.write_to(&mut written);
            let written = String::from_utf8(written).unwrap();
            proptest::prop_assert_eq!(written.parse::<Timestamp>(), Ok(timestamp));
            proptest::prop_assert_eq!(timestamp.to_string(), written);
        }
    }
}
