//! `cargo xtask upgrade --from TAG`: an older version of the service, built from its source, and the
//! one of the tree, one after the other on the same store and under load.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    Chore, Verdict, process, tools,
    workspace::{BuildFailed, Workspace, without_cargos_variables},
};

/// Upgrade from an older version under load: on SQLite by stop and start, on `PostgreSQL` node by node
#[derive(Args)]
pub(crate) struct Upgrade {
    /// The older version: a tag, or any commit
    #[arg(long, value_name = "TAG")]
    from: String,

    /// Build both without optimisation, with the features of the tests, of which most is compiled
    /// already
    #[arg(long)]
    dev: bool,
}

impl Chore for Upgrade {
    fn run(self, workspace: &Workspace) -> Result<Verdict> {
        tools::postgres()?;
        let scratch = workspace.scratch("upgrade")?;
        let source = scratch.join("source");
        self.unpack(workspace, &source)?;
        let older = self.build(workspace, &source, &scratch.join("agentadmit-older"))?;
        let newer = self.build(workspace, &workspace.root, &scratch.join("agentadmit-newer"))?;
        let mut upgrade = workspace.cargo();
        upgrade.args(["run", "--quiet", "--workspace", "--all-features", "--bin", "upgrade", "--"]);
        let is_clean = process::run(upgrade.arg(older).arg(newer))?;
        Ok(if is_clean { Verdict::Clean } else { Verdict::Findings })
    }
}

impl Upgrade {
    /// The files of the older version, where nothing of the tree is touched.
    fn unpack(&self, workspace: &Workspace, source: &Path) -> Result<()> {
        if source.is_dir() {
            fs::remove_dir_all(source)?;
        }
        fs::create_dir_all(source)?;
        let mut archive = Command::new("git");
        archive.current_dir(&workspace.root).args(["archive", "--format=tar", &self.from]);
        let mut archive = archive.stdout(Stdio::piped()).spawn().context("git cannot be run")?;
        let files = archive.stdout.take().context("a piped stdout")?;
        // as new as they are here: by the commit's time, cargo took what it had built of another
        // version in this folder for what these files make
        let mut unpack = Command::new("tar");
        let unpacked = unpack.args(["-x", "-m", "-C"]).arg(source).stdin(files).status()?;
        if !archive.wait()?.success() || !unpacked.success() {
            bail!("{} is no version of this repository", self.from);
        }
        Ok(())
    }

    /// Builds the binary of a source. Both use the same folder for what they have in common, so the
    /// binary is put aside.
    fn build(&self, workspace: &Workspace, source: &Path, binary: &Path) -> Result<PathBuf> {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        without_cargos_variables(build.current_dir(source));
        build.args(["build", "--bin", "agentadmit", "--target-dir"]).arg(&workspace.target);
        if self.dev {
            build.args(["--workspace", "--all-features"]);
        } else {
            build.args(["--package", "agentadmit-cli", "--release"]);
        }
        if !process::run(&mut build)? {
            return Err(BuildFailed.into());
        }
        let folder = if self.dev { "debug" } else { "release" };
        fs::copy(workspace.target.join(folder).join("agentadmit"), binary)
            .with_context(|| format!("{} cannot be written", binary.display()))?;
        Ok(binary.to_owned())
    }
}
