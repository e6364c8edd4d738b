//! The Python package: what is said of its source, its one wheel, and its tests on every `CPython`
//! that this machine has.

use std::{path::Path, process::Command, thread};

use anyhow::{Context, Result};

use super::Run;
use crate::{
    process,
    python::{self, Interpreter},
    report::{self, Counts},
    workspace::Workspace,
};

pub(super) fn run(run: &Run<'_>) -> Result<Counts> {
    let workspace = run.workspace;
    let programs = python::development(workspace)?;
    let source = source(workspace, &programs)?;
    let wheel = python::wheel(workspace, &programs)?;
    let wheel_counts = of_wheel(&programs, &wheel)?;
    Ok(source + wheel_counts + tests(workspace, &wheel)?)
}

/// Form, lints, types, and how wheels are built elsewhere, which is read and not run.
fn source(workspace: &Workspace, programs: &Path) -> Result<Counts> {
    let elsewhere =
        |platform| ["cibuildwheel", ".", "--platform", platform, "--print-build-identifiers"];
    let [linux, macos, windows] = ["linux", "macos", "windows"].map(elsewhere);
    // as somebody who uses the package sees its types
    let [shop, notes] = ["../examples/fastapi-shop/shop.py", "../examples/mcp-notes/notes.py"];
    let fastmcp = "../examples/fastmcp-notes/server.py";
    let agent = "../examples/scripted-agent/agent.py";
    let checks: [&[&str]; 9] = [
        &["ruff", "format", "--check"],
        &["ruff", "check"],
        &["mypy"],
        &["mypy", "--strict", shop, notes, fastmcp, agent],
        &["pyright", "--warnings"],
        &["pyright", "--warnings", shop, notes, fastmcp],
        &linux,
        &macos,
        &windows,
    ];
    let mut counts = Counts::default();
    for check in checks {
        let Some((program, arguments)) = check.split_first() else { continue };
        let mut command = Command::new(programs.join(program));
        command.args(arguments).current_dir(python::folder(workspace));
        // pyright asks the interpreter on the path where its packages are
        command.env("PATH", search_path(programs)?);
        counts = counts + Counts::one(process::run(&mut command)?);
    }
    Ok(counts)
}

fn search_path(programs: &Path) -> Result<std::ffi::OsString> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&paths));
    std::env::join_paths(all).context("the search path cannot be put together")
}

/// It keeps to the stable ABI, and runs on any Linux of the age that its name says.
fn of_wheel(programs: &Path, wheel: &Path) -> Result<Counts> {
    let mut audit = Command::new(programs.join("abi3audit"));
    let keeps_abi3 = process::run(audit.args(["--strict"]).arg(wheel))?;
    Ok(Counts::one(keeps_abi3) + Counts::one(is_portable(programs, wheel)?))
}

/// Whether auditwheel finds the tag that the name has: maturin has made it, and one of the two
/// could be wrong about a library.
fn is_portable(programs: &Path, wheel: &Path) -> Result<bool> {
    if !cfg!(target_os = "linux") {
        return Ok(true);
    }
    let mut show = Command::new(programs.join("auditwheel"));
    let said = process::output_of(show.args(["show", "--json"]).arg(wheel))?;
    let said: serde_json::Value =
        serde_json::from_str(&said).with_context(|| format!("auditwheel says: {said}"))?;
    let found = said.get("overall_tag").and_then(serde_json::Value::as_str).unwrap_or_default();
    let name = wheel.file_stem().unwrap_or_default().to_string_lossy();
    let named = name.rsplit('-').next().unwrap_or_default();
    let is_portable = found.starts_with("manylinux_") && named.split('.').any(|tag| tag == found);
    println!("auditwheel: {found}; the wheel is named {named}");
    Ok(is_portable)
}

/// The tests on all interpreters at once: they wait more than they work.
fn tests(workspace: &Workspace, wheel: &Path) -> Result<Counts> {
    let interpreters = python::interpreters()?;
    let newest = interpreters.len().saturating_sub(1);
    thread::scope(|scope| {
        let started: Vec<_> = interpreters
            .iter()
            .enumerate()
            .map(|(place, interpreter)| {
                let is_whole = place == 0 || place == newest;
                scope.spawn(move || tests_on(workspace, interpreter, wheel, is_whole))
            })
            .collect();
        let joined = started.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|one| one.unwrap_or_else(|_| anyhow::bail!("a thread panicked"))).sum()
    })
}

/// Oldest and newest run everything; those between leave out what takes long.
fn tests_on(
    workspace: &Workspace,
    interpreter: &Interpreter,
    wheel: &Path,
    is_whole: bool,
) -> Result<Counts> {
    let name = interpreter.name();
    let programs = python::environment(workspace, &name, interpreter, &[python::TESTS])?;
    python::install(&programs, wheel)?;
    let folder = python::folder(workspace);
    let mut pytest = Command::new(programs.join("python"));
    // not in the package's folder: the wheel is tested, not the tree
    pytest
        .current_dir(workspace.scratch("python/run")?)
        .args(["-W", "error", "-m", "pytest", "--color=no", "-q", "-p", "no:cacheprovider"])
        // once more, as nextest does it (.config/nextest.toml)
        .args(["--reruns", "1", "-r", "R", "-c"])
        .arg(folder.join("pyproject.toml"))
        .arg("--rootdir")
        .arg(&folder)
        .arg(folder.join("tests"))
        .env("AGENTADMIT_TESTS_WHEEL", wheel);
    if !is_whole {
        pytest.args(["-m", "not slow"]);
    }
    let output = pytest.output().context("pytest could not be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("Python {name}:\n{said}{}", String::from_utf8_lossy(&output.stderr));
    let counted = report::of_pytest(&said).unwrap_or_default();
    Ok(Counts::of_runner(counted, output.status.success()))
}
