//! The workspace as cargo describes it, and cargo itself.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

/// The workspace's source does not compile. Steps that would compile the same source again are
/// pointless after it.
#[derive(Debug, thiserror::Error)]
#[error("the build failed")]
pub(crate) struct BuildFailed;

/// What `cargo metadata --no-deps` says.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    /// The folder of the root `Cargo.toml`.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo writes; everything that a chore writes goes there too.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// One line of a `[dependencies]` table of any kind.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    /// The package's own name, also where the line renames it.
    pub(crate) name: String,
    /// Absent for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// The folder of a path dependency.
    pub(crate) path: Option<PathBuf>,
}

/// Something that cargo can build.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

/// The lines of `--message-format json` that tell where an executable is.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

impl Workspace {
    /// Asks cargo about the workspace around the current folder.
    pub(crate) fn load() -> Result<Self> {
        Self::load_at(&env::current_dir()?)
    }

    /// Asks cargo about the workspace around `folder`.
    pub(crate) fn load_at(folder: &Path) -> Result<Self> {
        let mut command = cargo_in(folder);
        let said =
            process::output_of(command.args(["metadata", "--format-version", "1", "--no-deps"]))?;
        serde_json::from_str(&said).context("cargo metadata printed something unexpected")
    }

    /// `cargo`, to be run at the root.
    pub(crate) fn cargo(&self) -> Command {
        cargo_in(&self.root)
    }

    /// A folder under `target` for what a chore writes; made when missing.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(folder)
    }

    /// Builds the binary `name` in the dev profile and says where it is.
    ///
    /// Features are those of the tests (`--workspace --all-features`), so that nothing is compiled
    /// a second time for it. Errors: [`BuildFailed`].
    pub(crate) fn build(&self, name: &str) -> Result<PathBuf> {
        self.built("bin", name)
    }

    /// The same for an example: a program that tests need and nobody else.
    pub(crate) fn build_example(&self, name: &str) -> Result<PathBuf> {
        self.built("example", name)
    }

    fn built(&self, kind: &str, name: &str) -> Result<PathBuf> {
        let output = self
            .cargo()
            .args(["build", "--workspace", "--all-features", &format!("--{kind}"), name])
            .args(["--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit())
            .output()
            .context("cargo could not be started")?;
        if !output.status.success() {
            return Err(BuildFailed.into());
        }
        executable(&String::from_utf8_lossy(&output.stdout), kind, name)
            .with_context(|| format!("cargo built no {kind} `{name}`"))
    }
}

/// The executable of the binary or example `name` among cargo's messages, one JSON document a line.
fn executable(messages: &str, kind: &str, name: &str) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()).find_map(
        |message| {
            let target = message.target?;
            let is_it = target.name == name && target.kind.iter().any(|known| known == kind);
            message.executable.filter(|_| is_it)
        },
    )
}

/// `cargo` without what the cargo that started this program put into the environment: build
/// scripts watch some of these variables and would run again at every change of caller.
fn cargo_in(folder: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    without_cargos_variables(command.current_dir(folder));
    command
}

/// Takes out of a command's environment what cargo put into ours.
pub(crate) fn without_cargos_variables(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_can_be_read() {
        let workspace = Workspace::load().unwrap();
        assert!(workspace.packages.iter().any(|package| package.name == "xtask"));
        assert!(workspace.root.join("Cargo.toml").is_file());
    }

    #[test]
    fn the_executable_is_found_among_the_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"tool","kind":["lib"]},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"tool","kind":["bin"]},"executable":"/t/tool"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages, "bin", "tool"), Some(PathBuf::from("/t/tool")));
        assert_eq!(executable(messages, "bin", "other"), None);
    }
}
