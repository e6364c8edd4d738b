//! A folder with a configuration, in which fixes are applied.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use agentadmit::config::{self, Finding, Fix, Loaded, Sources};
use agentadmit::keys::SigningKey;
use agentadmit::protocol::secret::{Secret, SecretKind};
use tempfile::TempDir;

use crate::cases::WHOLE;

const APP: &str = "app_01jd3q7v6tfh5r8m2k4n9p0wxy";

pub(crate) fn secret(kind: SecretKind) -> String {
    Secret::mint(kind, [7; 32]).expose().to_owned()
}

/// A folder with a configuration, and an environment.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) environment: BTreeMap<String, String>,
}

impl World {
    pub(crate) fn new(yaml: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap(), environment: BTreeMap::new() };
        world.write("agentadmit.yaml", yaml);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn yaml(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("agentadmit.yaml")).unwrap()).into_owned()
    }

    pub(crate) fn inspect(&self) -> Loaded {
        let file = self.path("agentadmit.yaml");
        config::inspect(Sources {
            file: Some(&file),
            environment: &|name| self.environment.get(name).cloned(),
            arguments: &[],
        })
    }

    pub(crate) fn findings(&self, id: &str) -> Vec<Finding> {
        self.inspect().findings.into_iter().filter(|finding| finding.id == id).collect()
    }

    pub(crate) fn shell(&self, command: &str) {
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", command]).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }

    /// Does what a fix says.
    pub(crate) fn apply(&mut self, fix: &Fix) {
        match fix {
            Fix::Replace { first_line, last_line, text } => {
                let yaml = self.yaml().replace("\r\n", "\n").replace('\r', "\n");
                let mut lines: Vec<&str> = yaml.split('\n').collect();
                let range =
                    usize::try_from(first_line - 1).unwrap()..usize::try_from(*last_line).unwrap();
                let new: Vec<&str> =
                    if text.is_empty() { vec![] } else { text.split('\n').collect() };
                lines.splice(range, new);
                self.write("agentadmit.yaml", lines.join("\n"));
            }
            Fix::Append { text } => {
                let yaml = self.yaml();
                self.write("agentadmit.yaml", format!("{}\n{text}\n", yaml.trim_end()));
            }
            Fix::Set { name, value: Some(value) } => {
                // a secret that cannot be known is shown with dots
                let known = if value.starts_with("aa_live_") {
                    secret(SecretKind::ApiKeyLive)
                } else {
                    value.clone()
                };
                self.environment.insert(name.clone(), known);
            }
            Fix::Set { name, value: None } => {
                self.environment.remove(name);
            }
            Fix::Run { command } => self.run(command),
        }
    }

    /// Runs a command; those of our own program are played.
    pub(crate) fn run(&mut self, command: &str) {
        let (first, rest) = command.split_once(" && ").unwrap_or((command, ""));
        match first {
            "agentadmit keys" => {
                let pem = SigningKey::generate().unwrap().to_pem().unwrap();
                self.write("key.pem", pem.as_bytes());
            }
            "agentadmit init" | "agentadmit init --force" => self.write("agentadmit.yaml", WHOLE),
            "agentadmit dev" => {
                let yaml = self.yaml();
                self.write("agentadmit.yaml", format!("app_id: {APP}\n{yaml}"));
                let key = secret(SecretKind::ApiKeyTest);
                self.write(".agentadmit/dev.env", format!("AGENTADMIT_API_KEY={key}\n"));
            }
            shell => {
                assert!(!shell.starts_with("agentadmit"), "{shell}");
                self.shell(shell);
            }
        }
        if !rest.is_empty() {
            self.run(rest);
        }
    }
}
