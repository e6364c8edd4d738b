//! What the steps need beside the compiler, found on the machine or installed under `target`.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{process, workspace::Workspace};

/// The oldest Python that the tools run on.
pub(crate) const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// The program `name` on the search path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH")?;
    env::split_paths(&paths).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The program `name` of the Debian package of the same name: the one on the search path, or one
/// that is installed now, where this process may.
pub(crate) fn debian_program(name: &str) -> Result<PathBuf> {
    if let Some(found) = on_path(name) {
        return Ok(found);
    }
    install(name)?;
    on_path(name).with_context(|| format!("{name} was installed and is not there"))
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> Result<bool> {
    Ok(process::output_of(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Installs a Debian package, where this process may.
fn install(package: &str) -> Result<()> {
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", package]);
    if is_root()? && on_path("apt-get").is_some() && process::run(&mut install)? {
        return Ok(());
    }
    bail!("this needs {package} (Debian: `apt-get install {package}`)")
}

/// The folder of the newest server programs of `PostgreSQL`, installed now where this process may. They
/// are not on the search path: Debian keeps each version in a folder of its own.
pub(crate) fn postgres() -> Result<PathBuf> {
    if let Some(programs) = newest_postgres() {
        return Ok(programs);
    }
    install("postgresql")?;
    newest_postgres().context("postgresql was installed and is not there")
}

fn newest_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let found = versions.filter_map(|entry| Some(entry.ok()?.path()));
    let found = found.filter(|version| version.join("bin/initdb").is_file());
    found.max_by_key(number).map(|version| version.join("bin"))
}

/// Whether this machine has nextest; without it the tests run under `cargo test`.
pub(crate) fn has_nextest(workspace: &Workspace) -> bool {
    let mut command = workspace.cargo();
    command.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A compiler for the C++ of libFuzzer, if there is one.
pub(crate) fn cpp_compiler() -> Option<PathBuf> {
    let named = env::var_os("CXX").filter(|name| !name.is_empty()).map(PathBuf::from);
    named.or_else(|| ["c++", "g++", "clang++"].into_iter().find_map(on_path))
}

/// The cargo subcommand `name` (such as `cargo-fuzz`): the one on the search path, or this version
/// of it, which is installed once under `target/tools`.
pub(crate) fn cargo_tool(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let root = workspace.target.join("tools");
    let own = root.join("bin").join(name);
    if let Some(found) = on_path(name).or_else(|| own.is_file().then(|| own.clone())) {
        return Ok(found);
    }
    let mut install = workspace.cargo();
    install.args(["install", name, "--version", version, "--locked", "--root"]).arg(&root);
    if !process::run(&mut install)? {
        bail!("{name} could not be installed; with one on the search path nothing is installed");
    }
    Ok(own)
}

/// The folder of programs of a virtual environment under `target/venv` in which `requirement`
/// (such as `tool==1.2`) is installed.
pub(crate) fn python_programs(workspace: &Workspace, requirement: &str) -> Result<PathBuf> {
    let venv = workspace.target.join("venv");
    let programs = venv.join("bin");
    let python = programs.join("python");
    if !has_pip(&python) {
        make_venv(&venv)?;
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]);
    if !process::run(&mut install)? {
        bail!("{requirement} could not be installed");
    }
    Ok(programs)
}

fn has_pip(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Makes the environment anew: one that was left half made is of no use.
fn make_venv(venv: &Path) -> Result<()> {
    let python = system_python()?;
    let mut command = Command::new(python);
    command.args(["-m", "venv", "--clear"]).arg(venv);
    if !process::run(&mut command)? {
        bail!("no virtual environment could be made (Debian: `apt-get install python3-venv`)");
    }
    Ok(())
}

fn system_python() -> Result<PathBuf> {
    let names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
    let (major, minor) = OLDEST_PYTHON;
    names
        .into_iter()
        .filter_map(on_path)
        .find(|python| python_version(python.as_os_str()).is_some_and(|it| it >= OLDEST_PYTHON))
        .with_context(|| format!("this step needs Python {major}.{minor} or newer"))
}

pub(crate) fn python_version(python: &OsStr) -> Option<(u32, u32)> {
    let mut command = Command::new(python);
    let said = process::output_of(command.arg("--version")).ok()?;
    parse_python_version(&said)
}

/// Reads `Python 3.11.7`.
fn parse_python_version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().strip_prefix("Python ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Where the library of faketime is, which is installed where that is possible.
pub(crate) fn faketime() -> Result<PathBuf> {
    let program = debian_program("faketime")?;
    let said =
        process::output_of(Command::new(program).args(["-f", "+0s", "printenv", "LD_PRELOAD"]))?;
    let library = said.trim().split(':').find(|path| path.contains("libfaketime"));
    // it may hold a `$LIB`, which the dynamic linker expands
    library.map(PathBuf::from).context("faketime names no library")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_version_is_read_and_compared_as_numbers() {
        assert_eq!(parse_python_version("Python 3.11.7\n"), Some((3, 11)));
        assert!(parse_python_version("Python 3.9.2").unwrap() < OLDEST_PYTHON);
        assert!(parse_python_version("Python 3.10.0").unwrap() >= OLDEST_PYTHON);
        assert_eq!(parse_python_version("pyenv: command not found"), None);
    }

    #[test]
    fn the_search_path_is_searched() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program-here").is_none());
    }
}
