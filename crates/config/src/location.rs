//! Where a store is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

/// Where a store is: `sqlite:PATH` or `postgres://USER@HOST[,HOST...]/DATABASE`.
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
pub struct DatabaseAddress(String);

impl DatabaseAddress {
    /// The whole address, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Hosts and name of the database, where a text is the address of one.
    fn parts(text: &str) -> Option<(&str, &str)> {
        let rest =
            text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))?;
        let (place, _parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, name) = place.split_once('/')?;
        let (_user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        (!hosts.is_empty() && !name.is_empty()).then_some((hosts, name))
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, name) = Self::parts(&self.0).unwrap_or_default();
        write!(f, "postgres://{hosts}/{name}")
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
     or postgres://USER@HOST[,HOST...]/DATABASE"
)]
pub struct InvalidLocation;

impl FromStr for StoreLocation {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        match DatabaseAddress::parts(text) {
            Some(_) => Ok(Self::Postgres(DatabaseAddress(text.to_owned()))),
            None => Err(InvalidLocation),
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
        for text in [
            "",
            "sqlite:",
            "a/b.db",
            "postgres://h",
            "postgres://h/",
            "postgres:///db",
            "mysql://h/db",
            "SQLITE:x",
        ] {
            assert_eq!(text.parse::<StoreLocation>(), Err(InvalidLocation), "{text}");
        }
    }

    #[test]
    fn the_password_of_a_database_is_shown_nowhere() {
        for (text, shown) in [
            (
                "postgres://node:secret@db.example/agentadmit?password=secret&sslmode=require",
                "postgres://db.example/agentadmit",
            ),
            (
                "postgresql://node:se%2Fcret@a.example:5433,[::1]:5434/agentadmit",
                "postgres://a.example:5433,[::1]:5434/agentadmit",
            ),
            ("postgres://node:se@cret@%2Frun%2Fpostgresql/a", "postgres://%2Frun%2Fpostgresql/a"),
        ] {
            let store: StoreLocation = text.parse().unwrap();
            assert_eq!(store.file(), None);
            assert_eq!(store.to_string(), shown);
            assert!(!format!("{store:?}").contains("cret"), "{store:?}");
            let StoreLocation::Postgres(address) = store else { panic!("it is a database") };
            assert_eq!(address.expose(), text);
        }
    }
}
