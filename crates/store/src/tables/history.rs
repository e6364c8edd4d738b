//! The schema's history: migrations are numbered, embedded, forward only, and never changed once
//! released. Each backend has its own texts under the same numbers and names; a step that one of
//! them has no need of is left out there.

use sha2::{Digest, Sha256};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number, from 1.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

impl Migration {
    /// The schema version that whoever works on a store with this step must know, named by a line
    /// `-- needs: N` of its text. Only a step that takes something away has one: what only adds
    /// something is no matter to those who do not know it.
    pub fn needs(&self) -> Option<i64> {
        self.sql.lines().find_map(|line| line.strip_prefix("-- needs: ")?.trim().parse().ok())
    }

    /// SHA-256 of its text.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.sql.as_bytes()).into()
    }
}

/// Why a store's history is not one that this version can go on with.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A later version of AgentAdmit wrote it.
    #[error(
        "the store has schema version {found} and this version of AgentAdmit knows up to {known}: \
         use the version that wrote it, or restore a backup from before the upgrade"
    )]
    TooNew {
        /// What the store has.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// A migration that was applied is another one than the migration of this number here.
    #[error(
        "migration {version} ({name}) was applied with another text than this version has: use the \
         version of AgentAdmit that made the store"
    )]
    Changed {
        /// Its number.
        version: i64,
        /// Its name.
        name: String,
    },
}

/// The newest version of a history.
pub fn newest(known: &[Migration]) -> i64 {
    known.last().map_or(0, |migration| migration.version)
}

/// The newest version that a store has, by what was applied to it: numbers and SHA-256s in order.
///
/// # Errors
/// [`HistoryError`].
pub fn found(known: &[Migration], applied: &[(i64, Vec<u8>)]) -> Result<i64, HistoryError> {
    let found = applied.last().map_or(0, |(version, _)| *version);
    let newest = newest(known);
    if found > newest {
        return Err(HistoryError::TooNew { found, known: newest });
    }
    for (known, (version, sha256)) in known.iter().zip(applied) {
        if known.version != *version || known.sha256() != **sha256 {
            let (version, name) = (known.version, known.name.to_owned());
            return Err(HistoryError::Changed { version, name });
        }
    }
    Ok(found)
}

/// As [`found`], where versions work side by side: a store may be newer than what is known, as long
/// as nothing that was applied to it needs more. `needs` is the most that any step does.
///
/// # Errors
/// [`HistoryError`].
pub fn found_beside_others(
    known: &[Migration],
    applied: &[(i64, Vec<u8>)],
    needs: i64,
) -> Result<i64, HistoryError> {
    let newest = newest(known);
    if needs > newest {
        return Err(HistoryError::TooNew { found: needs, known: newest });
    }
    let beginning = applied.iter().filter(|(version, _)| *version <= newest);
    found(known, &beginning.cloned().collect::<Vec<_>>())
}

/// The steps that a store of this version has not got.
pub fn missing(known: &[Migration], found: i64) -> impl Iterator<Item = &Migration> {
    known.iter().filter(move |migration| migration.version > found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Migration] = &[
        Migration { version: 1, name: "one", sql: "CREATE" },
        Migration { version: 3, name: "three", sql: "ALTER" },
    ];

    fn applied(versions: &[i64]) -> Vec<(i64, Vec<u8>)> {
        let of = |version| KNOWN.iter().find(|known| known.version == version);
        let sha256 = |version| of(version).map_or(vec![], |known| known.sha256().to_vec());
        versions.iter().map(|version| (*version, sha256(*version))).collect()
    }

    #[test]
    fn a_history_is_this_one_or_its_beginning() {
        for (versions, expected) in [(&[][..], 0), (&[1], 1), (&[1, 3], 3)] {
            assert_eq!(found(KNOWN, &applied(versions)).unwrap(), expected);
            let missing: Vec<_> = missing(KNOWN, expected).map(|step| step.version).collect();
            assert_eq!([versions, &missing].concat(), [1, 3]);
        }
        let later = found(KNOWN, &applied(&[1, 3, 4]));
        assert!(matches!(later, Err(HistoryError::TooNew { found: 4, known: 3 })));
        let skipped = found(KNOWN, &applied(&[3]));
        assert!(matches!(skipped, Err(HistoryError::Changed { version: 1, .. })));
        // a later version has only added something, or takes away what this one needs
        let later = applied(&[1, 3, 4]);
        assert_eq!(found_beside_others(KNOWN, &later, 3).unwrap(), 3);
        let taken = found_beside_others(KNOWN, &later, 4);
        assert!(matches!(taken, Err(HistoryError::TooNew { found: 4, known: 3 })));
        let fifth = Migration { version: 5, name: "five", sql: "-- Old.\n-- needs: 4\nDROP" };
        assert_eq!((fifth.needs(), KNOWN[0].needs()), (Some(4), None));
        let mut other = applied(&[1, 3]);
        other[1].1[0] ^= 1;
        assert!(matches!(found(KNOWN, &other), Err(HistoryError::Changed { version: 3, .. })));
    }
}
