//! The key under which the service's own secrets are sealed: `AGENTADMIT_SECRET_KEY`, or a file
//! beside the store that nobody else can read (PROTOCOL, principle 6).

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use agentadmit_engine::Keyring;
use agentadmit_engine::keyring::{KeyringError, SecretKey};
use agentadmit_store::Store;
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::output::note;
use crate::storage;

const VARIABLE: &str = "AGENTADMIT_SECRET_KEY";

/// Opens the store's own secrets; makes key and secrets in a store that has none.
///
/// # Errors
/// A key that is missing, unreadable, readable by others, or of another store.
pub(crate) fn open_keyring(store: &dyn Store, store_path: &Path) -> Result<Keyring, Failure> {
    let key = find(store, &file_of(store_path), std::env::var(VARIABLE).ok())?;
    Keyring::open(store, &key).map_err(|error| failure(&error))
}

/// Opens the secrets of a store that several nodes share. Its key is not made here: every node must
/// have the same one.
///
/// # Errors
/// A key that is missing, or of another store.
pub(crate) fn open_shared_keyring(store: &dyn Store) -> Result<Keyring, Failure> {
    let text = std::env::var(VARIABLE).map(Zeroizing::new).ok().filter(|text| !text.is_empty());
    let Some(text) = text else {
        return Err(Failure::usage(format!(
            "set {VARIABLE}: every node on this database needs the same one"
        )));
    };
    let key =
        SecretKey::parse(&text).map_err(|error| Failure::usage(format!("{VARIABLE}: {error}")))?;
    Keyring::open(store, &key).map_err(|error| failure(&error))
}

fn failure(error: &KeyringError) -> Failure {
    match error {
        KeyringError::SecretKey | KeyringError::WrongSecretKey => Failure::usage(error.to_string()),
        KeyringError::Store(_) | KeyringError::Crypto(_) => Failure::could_not(error.to_string()),
    }
}

/// The key's file: the store's path and `.key`.
pub(crate) fn file_of(store_path: &Path) -> PathBuf {
    let mut name = store_path.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

fn find(store: &dyn Store, file: &Path, variable: Option<String>) -> Result<SecretKey, Failure> {
    if let Some(text) = variable.map(Zeroizing::new).filter(|text| !text.is_empty()) {
        return SecretKey::parse(&text)
            .map_err(|error| Failure::usage(format!("{VARIABLE}: {error}")));
    }
    match fs::read_to_string(file).map(Zeroizing::new) {
        Ok(text) => {
            let shown = file.display();
            if others_can_read(file) {
                return Err(Failure::usage(format!(
                    "{shown} holds the store's secret key and others can read it: `chmod 600 {shown}`"
                )));
            }
            SecretKey::parse(&text).map_err(|error| Failure::usage(format!("{shown}: {error}")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(store, file),
        Err(error) => Err(Failure::usage(format!("{} cannot be read: {error}", file.display()))),
    }
}

/// The first start makes a key. A store that has sealed something already needs the one it had.
fn make(store: &dyn Store, file: &Path) -> Result<SecretKey, Failure> {
    let shown = file.display();
    let has_secrets =
        Keyring::exists(store).map_err(|error| Failure::could_not(error.to_string()))?;
    if has_secrets {
        return Err(Failure::usage(format!(
            "this store's secret key is missing: put it into {VARIABLE}, or its file back to {shown}"
        )));
    }
    let key = make_file(file)?;
    note(&format!(
        "made the secret key {shown}: keep a copy of it apart from backups of the store"
    ));
    Ok(key)
}

/// A new key in a new file.
///
/// # Errors
/// The system's.
pub(crate) fn make_file(file: &Path) -> Result<SecretKey, Failure> {
    let key = SecretKey::new(storage::seed()?);
    let cannot =
        |error| Failure::could_not(format!("{} cannot be written: {error}", file.display()));
    write_new(file, key.to_text().as_bytes()).map_err(cannot)?;
    Ok(key)
}

fn write_new(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    opened.write_all(text)?;
    opened.write_all(b"\n")?;
    opened.sync_all()
}

/// Whether anybody but its owner can read a file.
pub(crate) fn others_can_read(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|known| known.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agentadmit_protocol::time::Timestamp;
    use agentadmit_store::model::ModelStore;
    use agentadmit_store::{FakeClock, WriterOptions};

    use super::*;
    use crate::exit::Exit;

    fn store() -> ModelStore {
        let clock = Arc::new(FakeClock::new(Timestamp::from_millis(1_800_000_000_000)));
        ModelStore::new([1; 32], WriterOptions::default(), clock)
    }

    #[test]
    fn the_first_start_makes_a_file_that_nobody_else_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db.key");
        let store = store();
        let made = find(&store, &file, None).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let read = find(&store, &file, None).unwrap();
        assert_eq!(*made.to_text(), *read.to_text());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db.key");
        find(&store(), &file, None).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let failure = find(&store(), &file, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.words().contains("chmod 600"), "{}", failure.words());
    }

    #[test]
    fn a_store_with_secrets_never_gets_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db.key");
        let store = store();
        let key = find(&store, &file, None).unwrap();
        Keyring::open(&store, &key).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(find(&store, &file, None).unwrap_err().exit, Exit::Usage);
        assert!(!file.exists());
        let from_variable = find(&store, &file, Some(key.to_text().to_string())).unwrap();
        assert!(Keyring::open(&store, &from_variable).is_ok());
        assert!(find(&store, &file, Some("short".to_owned())).is_err());
    }
}
