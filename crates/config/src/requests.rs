//! Which requests leave a line in the log.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::Deserialize;

/// Which requests leave a line in the log. Answers of 500 and above do in all but `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogRequests {
    /// None.
    Off,
    /// Those of 500 and above.
    Errors,
    /// Those that took so many milliseconds, too.
    Slow(u64),
    /// One of so many, too.
    Sampled(NonZeroU64),
    /// Every one.
    All,
}

impl Default for LogRequests {
    /// What is out of the ordinary: the audit log has a record of every answer already.
    fn default() -> Self {
        Self::Slow(500)
    }
}

/// A text that chooses no requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "say `off`, `errors`, `slow:MS` (such as slow:500), `sampled:N` (one of N, such as \
     sampled:1000) or `all`"
)]
pub struct InvalidLogRequests;

impl FromStr for LogRequests {
    type Err = InvalidLogRequests;

    fn from_str(text: &str) -> Result<Self, InvalidLogRequests> {
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| InvalidLogRequests);
        match text.split_once(':') {
            None if text == "off" => Ok(Self::Off),
            None if text == "errors" => Ok(Self::Errors),
            None if text == "all" => Ok(Self::All),
            Some(("slow", ms)) => Ok(Self::Slow(number(ms)?)),
            Some(("sampled", one_of)) => {
                NonZeroU64::new(number(one_of)?).map(Self::Sampled).ok_or(InvalidLogRequests)
            }
            _ => Err(InvalidLogRequests),
        }
    }
}

impl TryFrom<String> for LogRequests {
    type Error = InvalidLogRequests;

    fn try_from(text: String) -> Result<Self, InvalidLogRequests> {
        text.parse()
    }
}

impl fmt::Display for LogRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Errors => f.write_str("errors"),
            Self::Slow(ms) => write!(f, "slow:{ms}"),
            Self::Sampled(one_of) => write!(f, "sampled:{one_of}"),
            Self::All => f.write_str("all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for text in ["off", "errors", "slow:0", "slow:500", "sampled:1", "sampled:1000", "all"] {
            assert_eq!(text.parse::<LogRequests>().unwrap().to_string(), text);
        }
        for text in
            ["", "on", "slow", "slow:", "slow:1s", "sampled:0", "sampled:-1", "ALL", "all:1"]
        {
            assert_eq!(text.parse::<LogRequests>(), Err(InvalidLogRequests), "{text}");
        }
    }
}
