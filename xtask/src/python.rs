//! The Python package: its wheel, interpreters to test it on, and virtual environments under
//! `target/python`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{Chore, Verdict, process, tools, workspace::Workspace};

/// What builds and checks the package.
const DEVELOPMENT: &str = "requirements-dev.txt";
/// What its tests need, in each interpreter.
pub(crate) const TESTS: &str = "requirements-test.txt";
/// Inside a virtual environment: the requirements that were installed into it.
const STAMP: &str = "agentadmit-installed.txt";

/// Make the environment in which one works on the Python package: `target/python/dev`, with the
/// package as it is in the tree.
#[derive(Args)]
pub(crate) struct Python {}

impl Chore for Python {
    fn run(self, workspace: &Workspace) -> Result<Verdict> {
        let programs = development(workspace)?;
        let mut maturin = maturin(workspace, &programs);
        if !process::run(maturin.args(["develop", "--release"]))? {
            return Ok(Verdict::Findings);
        }
        println!("to work in it: . {}", programs.join("activate").display());
        Ok(Verdict::Clean)
    }
}

/// A `CPython` that the package promises to work on.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    pub(crate) version: (u32, u32),
    pub(crate) path: PathBuf,
}

impl Interpreter {
    /// Such as `3.12`.
    pub(crate) fn name(&self) -> String {
        let (major, minor) = self.version;
        format!("{major}.{minor}")
    }
}

/// The folder of the package.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("python")
}

/// One interpreter of each version that this machine has, the oldest first: those on the search
/// path, and pyenv's.
pub(crate) fn interpreters() -> Result<Vec<Interpreter>> {
    let mut found = BTreeMap::new();
    for path in candidates() {
        let Some(version) = tools::python_version(path.as_os_str()) else { continue };
        if version >= tools::OLDEST_PYTHON && is_cpython(&path) {
            found.entry(version).or_insert(path);
        }
    }
    if found.is_empty() {
        let (major, minor) = tools::OLDEST_PYTHON;
        bail!("this step needs CPython {major}.{minor} or newer");
    }
    Ok(found.into_iter().map(|(version, path)| Interpreter { version, path }).collect())
}

fn candidates() -> Vec<PathBuf> {
    let (_, oldest) = tools::OLDEST_PYTHON;
    let named = (oldest..oldest + 10).map(|minor| format!("python3.{minor}"));
    let mut all: Vec<PathBuf> =
        named.chain(["python3".to_owned()]).filter_map(|name| tools::on_path(&name)).collect();
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
    if let Some(pyenv) = env::var_os("PYENV_ROOT").map(PathBuf::from).or(home)
        && let Ok(versions) = fs::read_dir(pyenv.join("versions"))
    {
        all.extend(versions.flatten().map(|version| version.path().join("bin/python3")));
    }
    all
}

fn is_cpython(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import sys; print(sys.implementation.name)"]);
    process::output_of(&mut command).is_ok_and(|said| said.trim() == "cpython")
}

/// The programs of `target/python/dev`, with everything that development needs.
pub(crate) fn development(workspace: &Workspace) -> Result<PathBuf> {
    let newest = interpreters()?.pop().context("there is no interpreter")?;
    environment(workspace, "dev", &newest, &[TESTS, DEVELOPMENT])
}

/// The programs of a virtual environment with these requirements of the package's folder. It is
/// made, or filled again, only when they or the interpreter have changed.
pub(crate) fn environment(
    workspace: &Workspace,
    name: &str,
    interpreter: &Interpreter,
    requirements: &[&str],
) -> Result<PathBuf> {
    let venv = workspace.scratch("python")?.join(name);
    let programs = venv.join("bin");
    let mut wanted = format!("# {}\n", interpreter.path.display());
    let mut install = Command::new(programs.join("python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for file in requirements {
        let file = folder(workspace).join(file);
        let text = fs::read_to_string(&file);
        wanted += &text.with_context(|| format!("{} cannot be read", file.display()))?;
        install.arg("-r").arg(file);
    }
    let stamp = venv.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    let mut make = Command::new(&interpreter.path);
    if !process::run(make.args(["-m", "venv", "--clear"]).arg(&venv))? {
        bail!("no virtual environment could be made (Debian: `apt-get install python3-venv`)");
    }
    if !requirements.is_empty() && !process::run(&mut install)? {
        bail!("{} could not be installed", requirements.join(" and "));
    }
    fs::write(&stamp, wanted).with_context(|| format!("{} cannot be written", stamp.display()))?;
    Ok(programs)
}

/// maturin in the package's folder. It uses the release build of the program, and leaves the same
/// behind.
fn maturin(workspace: &Workspace, programs: &Path) -> Command {
    let mut command = Command::new(programs.join("maturin"));
    command.current_dir(folder(workspace));
    if let Some(venv) = programs.parent() {
        command.env("VIRTUAL_ENV", venv);
    }
    crate::workspace::without_cargos_variables(&mut command);
    command
}

/// Builds the wheel, and says where it is.
pub(crate) fn wheel(workspace: &Workspace, programs: &Path) -> Result<PathBuf> {
    let place = workspace.target.join("python/wheels");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    let mut build = maturin(workspace, programs);
    build.args(["build", "--release", "--out"]).arg(&place);
    build.arg("--interpreter").arg(programs.join("python"));
    if !process::run(&mut build)? {
        return Err(crate::workspace::BuildFailed.into());
    }
    let wheels = fs::read_dir(&place)?.flatten().map(|entry| entry.path());
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|name| name == "whl");
    wheels.into_iter().find(is_wheel).context("maturin built no wheel")
}

/// Puts the wheel into a virtual environment, in place of the one that is there.
pub(crate) fn install(programs: &Path, wheel: &Path) -> Result<()> {
    let mut install = Command::new(programs.join("python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    if !process::run(install.args(["--force-reinstall", "--no-deps"]).arg(wheel))? {
        bail!("{} could not be installed", wheel.display());
    }
    Ok(())
}
