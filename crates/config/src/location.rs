//! Where a store is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

/// Where a store is: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StoreLocation {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A database that several nodes share.
    Postgres(DatabaseAddress),
}

/// The address of a database. It may hold a password, which is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseAddress(Url);

impl DatabaseAddress {
    /// The whole address, for whoever connects.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "postgres://{host}{}", self.0.path())
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StoreLocation {
    /// The file, where the store is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(address) => fmt::Display::fmt(address, f),
        }
    }
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a store is named sqlite:PATH, such as sqlite:/var/lib/agentadmit/store.db, \
     or postgres://USER@HOST/DATABASE"
)]
pub struct InvalidLocation;

impl FromStr for StoreLocation {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        let address = Url::parse(text).map_err(|_| InvalidLocation)?;
        let is_database =
            ["postgres", "postgresql"].contains(&address.scheme()) && address.path().len() > 1;
        if is_database {
            Ok(Self::Postgres(DatabaseAddress(address)))
        } else {
            Err(InvalidLocation)
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
        assert_eq!(store.file(), Some(Path::new("a/b.db")));
        assert_eq!(store.to_string(), "sqlite:a/b.db");
        for text in
            ["", "sqlite:", "a/b.db", "postgres://h", "postgres://h/", "mysql://h/db", "SQLITE:x"]
        {
            assert_eq!(text.parse::<StoreLocation>(), Err(InvalidLocation), "{text}");
        }
    }

    #[test]
    fn the_password_of_a_database_is_shown_nowhere() {
        let text = "postgres://node:secret@db.example/agentadmit?password=secret&sslmode=require";
        let store: StoreLocation = text.parse().unwrap();
        assert_eq!(store.file(), None);
        assert_eq!(store.to_string(), "postgres://db.example/agentadmit");
        assert!(!format!("{store:?}").contains("secret"), "{store:?}");
        let StoreLocation::Postgres(address) = store else { panic!("it is a database") };
        assert_eq!(address.expose(), text);
    }
}
