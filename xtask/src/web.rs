//! The npm workspace in `web/`: installed from its lockfile, run by its own Node.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{process, tools, workspace::Workspace};

/// The workspace, installed.
pub(crate) struct Web {
    folder: PathBuf,
    npm: PathBuf,
}

impl Web {
    /// Installs what the lockfile names, unless that was done before; `None` where there is no npm.
    pub(crate) fn install(workspace: &Workspace) -> Result<Option<Self>> {
        let Some(npm) = tools::on_path("npm") else { return Ok(None) };
        let web = Self { folder: workspace.root.join("web"), npm };
        let lockfile = fs::read(web.folder.join("package-lock.json"))?;
        let installed = web.folder.join("node_modules/.of-lockfile");
        if fs::read(&installed).is_ok_and(|found| found == lockfile) {
            return Ok(Some(web));
        }
        let mut install = web.npm();
        install.args(["ci", "--prefer-offline", "--loglevel", "error"]);
        if !process::run(&mut install)? {
            bail!("the packages of web/package-lock.json could not be installed");
        }
        fs::write(&installed, lockfile).context("web/node_modules cannot be written")?;
        Ok(Some(web))
    }

    /// `npm run SCRIPT -- ARGUMENTS`, which puts the workspace's own Node first.
    pub(crate) fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.npm();
        command.args(["run", "--silent", name, "--"]).args(arguments);
        command
    }

    fn npm(&self) -> Command {
        let mut command = Command::new(&self.npm);
        command.current_dir(&self.folder);
        command
    }
}

/// The browser of the tests: Debian's, which is installed where this process may. An error says what
/// to do.
pub(crate) fn browser() -> Result<PathBuf> {
    tools::debian_program("chromium")
}

/// Builds the service, the sample shop and the notes, and tells a command where they are.
pub(crate) fn with_binaries(workspace: &Workspace, command: &mut Command) -> Result<()> {
    let service = workspace.build("agentadmit")?;
    let shop = workspace.build("axum-shop")?;
    workspace.build("axum-notes")?;
    let folder = service.parent().unwrap_or(Path::new("."));
    if shop.parent() != Some(folder) {
        bail!("the binaries are not in one folder");
    }
    command.env("AGENTADMIT_BINARIES", folder);
    Ok(())
}
