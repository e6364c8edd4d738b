//! The file of what humans handed over and granted: one entry for each app, under its origin, and for
//! each MCP server, under its address; readable by its owner alone.
//!
//! It is replaced as a whole, so that a reader sees the old or the new one and never half of one.
//! Whoever changes it holds the lock beside it; readers need none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::Secret;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::oauth::client::OAuthClient;
use crate::oauth::keep::Renewal;
use crate::origin::Origin;
use crate::token_text::Token;

/// The largest file that is read.
const MAX_FILE: u64 = 4 << 20;
/// Used connection tokens that are remembered for each origin; the oldest is forgotten first.
const MAX_USED: usize = 32;
/// The form of the file.
const VERSION: u32 = 1;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// Others could read what is in it, or put something else in its place.
    #[error("{0} holds credentials and others can get at it: `chmod {1} {0}`")]
    Exposed(String, &'static str),
    /// It is not ours.
    #[error("{0} is no file of credentials of this version")]
    Form(String),
    /// The system's.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Credentials {
    version: u32,
    /// By origin, or by the address of an MCP server.
    apps: BTreeMap<String, Entry>,
}

/// What is known of one app or server.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Entry {
    /// What the agent calls with; nothing after `connect end`.
    pub grant: Option<Grant>,
    /// SHA-256 of connection tokens that were exchanged or refused: presenting one again would end
    /// its connection.
    #[serde(default)]
    used: Vec<String>,
    /// An exchange that was begun.
    #[serde(default)]
    pub(crate) pending: Option<Pending>,
    /// A registration that nobody has got a grant with yet.
    #[serde(default)]
    pub(crate) client: Option<OAuthClient>,
    /// The scopes that calls were refused for since somebody was asked last.
    #[serde(default)]
    pub(crate) wanted: Vec<String>,
    /// How often somebody was asked for scopes again that had been asked for before.
    #[serde(default)]
    pub(crate) step_ups: u32,
}

/// What a human granted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Grant {
    /// What the agent calls with.
    pub access_token: Token,
    /// SHA-256 of the connection token that it came from; empty for one that came otherwise.
    pub(crate) from: String,
    /// The connection, which the human sees in the app.
    pub connection_id: Option<ConnectionId>,
    /// What was granted, as far as an AgentAdmit app could have granted it.
    pub scopes: Vec<ScopeName>,
    /// What the app calls itself.
    pub app: String,
    /// Whose account it is.
    pub user_label: Option<String>,
    /// When it ends; `None` is until the human ends it.
    pub expires_at: Option<Timestamp>,
    /// When it was handed over.
    pub connected_at: Timestamp,
    /// Where the human widens or ends it, if the app says so.
    pub page: Option<String>,
    /// How it is renewed and ended, where an authorization server gave it.
    #[serde(default)]
    pub oauth: Option<Renewal>,
}

impl Grant {
    /// What was granted, in the words of whoever granted it.
    pub fn scope_names(&self) -> Vec<String> {
        match &self.oauth {
            Some(renewal) => renewal.scopes().to_vec(),
            None => self.scopes.iter().map(ToString::to_string).collect(),
        }
    }
}

/// An exchange that was begun: with the same key it can be repeated for a minute, whatever became of
/// the process that began it (PROTOCOL, `Idempotency-Key`).
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// SHA-256 of the connection token.
    pub(crate) token: String,
    /// The `Idempotency-Key`.
    pub(crate) key: String,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending(redacted)")
    }
}

impl Default for Credentials {
    fn default() -> Self {
        Self { version: VERSION, apps: BTreeMap::new() }
    }
}

impl Credentials {
    /// What is known of an origin.
    pub fn of(&self, origin: &Origin) -> Option<&Entry> {
        self.at(&origin.to_string())
    }

    /// What is known under a key: an origin, or the address of an MCP server.
    pub fn at(&self, key: &str) -> Option<&Entry> {
        self.apps.get(key)
    }

    /// The same, to be changed.
    pub(crate) fn entry_at(&mut self, key: &str) -> &mut Entry {
        self.apps.entry(key.to_owned()).or_default()
    }

    /// Whether a token was presented before, for whatever address, with an answer.
    pub(crate) fn is_used(&self, token: &str) -> bool {
        self.apps.values().any(|entry| entry.is_used(token))
    }

    /// All grants, by origin.
    pub fn grants(&self) -> impl Iterator<Item = (&str, &Grant)> {
        self.apps
            .iter()
            .filter_map(|(origin, entry)| Some((origin.as_str(), entry.grant.as_ref()?)))
    }
}

impl Entry {
    /// Whether this token was presented before, with an answer.
    fn is_used(&self, token: &str) -> bool {
        self.used.iter().any(|used| used == token)
    }

    /// Remembers that this token is of no use any more.
    pub(crate) fn use_up(&mut self, token: &str) {
        if !self.is_used(token) {
            self.used.push(token.to_owned());
        }
        let too_many = self.used.len().saturating_sub(MAX_USED);
        self.used.drain(..too_many);
        self.pending = None;
    }
}

/// SHA-256 of a token, as the file has it.
pub(crate) fn fingerprint(token: &Secret) -> String {
    token.hash().as_bytes().iter().fold(String::new(), |mut hex, byte| {
        // writing into a String cannot fail
        let _never = write!(hex, "{byte:02x}");
        hex
    })
}

/// Where the file is.
#[derive(Debug, Clone)]
pub struct CredentialFile {
    path: PathBuf,
}

impl CredentialFile {
    /// A file of this name.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// `agentadmit/credentials.json` in `$XDG_CONFIG_HOME`, else in `~/.config` (XDG Base Directory
    /// Specification); nothing where there is no home.
    pub fn of_user(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        // a relative path there is to be ignored, says the specification
        let folder =
            |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
        Some(Self::at(config.join("agentadmit/credentials.json")))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it; a file that is not there holds nothing.
    ///
    /// # Errors
    /// [`BadFile`].
    pub fn read(&self) -> Result<Credentials, BadFile> {
        let shown = self.path.display().to_string();
        let io = |error| BadFile::Io(shown.clone(), error);
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Credentials::default());
            }
            file => file.map_err(io)?,
        };
        let known = file.metadata().map_err(io)?;
        if known.permissions().mode() & 0o077 != 0 {
            return Err(BadFile::Exposed(shown, "600"));
        }
        let mut text = Zeroizing::new(Vec::new());
        file.take(MAX_FILE).read_to_end(&mut text).map_err(io)?;
        // its own words may repeat a token
        let read: Result<Credentials, _> = serde_json::from_slice(&text);
        read.ok().filter(|read| read.version == VERSION).ok_or(BadFile::Form(shown))
    }

    /// Waits for the lock, and opens the file to be changed. Blocks as long as somebody else has it.
    ///
    /// # Errors
    /// [`BadFile`].
    pub fn lock(&self) -> Result<Locked, BadFile> {
        let folder = self.folder();
        let shown = folder.display().to_string();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| BadFile::Io(shown.clone(), error))?;
        let known = fs::metadata(&folder).map_err(|error| BadFile::Io(shown.clone(), error))?;
        let (mode, sticky) = (known.permissions().mode(), 0o1000);
        if mode & 0o022 != 0 && mode & sticky == 0 {
            return Err(BadFile::Exposed(shown, "700"));
        }
        let mut beside = self.path.as_os_str().to_owned();
        beside.push(".lock");
        let beside = PathBuf::from(beside);
        let io = |error| BadFile::Io(beside.display().to_string(), error);
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&beside);
        let lock = lock.map_err(io)?;
        lock.lock().map_err(io)?;
        Ok(Locked { file: self.clone(), _lock: lock })
    }

    fn folder(&self) -> PathBuf {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }
}

/// The file, as long as nobody else changes it.
#[derive(Debug)]
pub struct Locked {
    file: CredentialFile,
    /// Let go when it is closed.
    _lock: File,
}

impl Locked {
    /// What is in it.
    ///
    /// # Errors
    /// [`BadFile`].
    pub fn read(&self) -> Result<Credentials, BadFile> {
        self.file.read()
    }

    /// Puts a new one in its place; it is on disk when this returns.
    ///
    /// # Errors
    /// [`BadFile`].
    pub fn write(&self, credentials: &Credentials) -> Result<(), BadFile> {
        let folder = self.file.folder();
        let io = |error| BadFile::Io(self.file.path.display().to_string(), error);
        let text = serde_json::to_vec_pretty(credentials).map(Zeroizing::new);
        let text = text.map_err(|error| io(error.into()))?;
        // made with mode 0600
        let mut new = NamedTempFile::with_prefix_in(".credentials", &folder).map_err(io)?;
        new.write_all(&text).and_then(|()| new.write_all(b"\n")).map_err(io)?;
        new.as_file().sync_all().map_err(io)?;
        new.persist(&self.file.path).map_err(|error| io(error.error))?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(io)
    }

    /// Forgets what an agent calls an app or a server with. Which connection tokens were used stays
    /// known.
    ///
    /// # Errors
    /// [`BadFile`].
    pub fn forget(&self, key: &str) -> Result<Option<Grant>, BadFile> {
        let mut credentials = self.read()?;
        let entry = credentials.entry_at(key);
        let forgotten = entry.grant.take();
        if forgotten.is_some() {
            (entry.client, entry.step_ups) = (None, 0);
            entry.wanted.clear();
            self.write(&credentials)?;
        }
        Ok(forgotten)
    }
}

#[cfg(test)]
mod tests {
    use agentadmit_protocol::secret::SecretKind;

    use super::*;

    fn grant() -> Grant {
        Grant {
            access_token: Token::from(&Secret::mint(SecretKind::AccessToken, [1; 32])),
            from: "00".to_owned(),
            connection_id: Some(ConnectionId::from_bytes([1; 16])),
            scopes: vec!["read:orders".parse().unwrap()],
            app: "Shop".to_owned(),
            user_label: None,
            expires_at: None,
            connected_at: Timestamp::from_millis(0),
            page: None,
            oauth: None,
        }
    }

    #[test]
    fn the_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialFile::at(folder.path().join("a/b/credentials.json"));
        let origin = Origin::of("https://shop.example").unwrap();
        assert_eq!(file.read().unwrap().grants().count(), 0);
        let locked = file.lock().unwrap();
        let mut credentials = locked.read().unwrap();
        credentials.entry_at(&origin.to_string()).grant = Some(grant());
        locked.write(&credentials).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(file.path()), 0o600);
        assert_eq!(mode(file.path().parent().unwrap()), 0o700);
        let read = file.read().unwrap();
        let token = grant().access_token;
        assert_eq!(read.grants().next().unwrap().1.access_token.expose(), token.expose());
        assert!(!format!("{read:?}").contains(token.expose()));
        let key = origin.to_string();
        assert!(locked.forget(&key).unwrap().is_some());
        assert!(locked.forget(&key).unwrap().is_none());
        assert!(!fs::read_to_string(file.path()).unwrap().contains(token.expose()));
        let left: Vec<_> = fs::read_dir(file.folder()).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn what_others_can_get_at_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialFile::at(folder.path().join("x/credentials.json"));
        file.lock().unwrap().write(&Credentials::default()).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        let refused = file.read().unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        fs::set_permissions(file.folder(), fs::Permissions::from_mode(0o770)).unwrap();
        let refused = file.lock().unwrap_err().to_string();
        assert!(refused.contains("chmod 700"), "{refused}");
        fs::set_permissions(file.folder(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(file.path(), "{\"version\": 2, \"apps\": {}}").unwrap();
        assert!(matches!(file.read(), Err(BadFile::Form(_))));
    }

    #[test]
    fn where_the_file_of_a_user_is() {
        let of = |variables: &[(&str, &str)]| {
            let known = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            CredentialFile::of_user(known).map(|file| file.path().display().to_string())
        };
        let home = ("HOME", "/people/ada");
        let expected = "/people/ada/.config/agentadmit/credentials.json";
        assert_eq!(of(&[home]).unwrap(), expected);
        assert_eq!(of(&[home, ("XDG_CONFIG_HOME", "relative")]).unwrap(), expected);
        let expected = "/x/agentadmit/credentials.json";
        assert_eq!(of(&[home, ("XDG_CONFIG_HOME", "/x")]).unwrap(), expected);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_oldest_used_token_is_forgotten_first() {
        let mut entry = Entry::default();
        for n in 0..=MAX_USED {
            entry.use_up(&n.to_string());
        }
        assert!(!entry.is_used("0") && entry.is_used("1") && entry.is_used(&MAX_USED.to_string()));
    }
}
