//! Where a store is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

/// Where a store is: `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StoreLocation(PathBuf);

impl StoreLocation {
    /// The database file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:{}", self.0.display())
    }
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a store is named sqlite:PATH, such as sqlite:/var/lib/agentadmit/store.db")]
pub struct InvalidLocation;

impl FromStr for StoreLocation {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self(PathBuf::from(path))),
            _ => Err(InvalidLocation),
        }
    }
}

impl TryFrom<String> for StoreLocation {
    type Error = InvalidLocation;

    fn try_from(text: String) -> Result<Self, InvalidLocation> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_kind_and_path() {
        let store: StoreLocation = "sqlite:a/b.db".parse().unwrap();
        assert_eq!(store.path(), Path::new("a/b.db"));
        assert_eq!(store.to_string(), "sqlite:a/b.db");
        for text in ["", "sqlite:", "a/b.db", "postgres://h/db", "SQLITE:x"] {
            assert_eq!(text.parse::<StoreLocation>(), Err(InvalidLocation), "{text}");
        }
    }
}
