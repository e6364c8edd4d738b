//! Files that are generated and committed: printed by our own binaries, compared or written here; and
//! those of `web/`, which are compared or written where there is npm.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{Chore, Verdict, process, web::Web, workspace::Workspace};

/// Regenerate the committed generated files.
#[derive(Args)]
pub(crate) struct Gen {
    /// Write nothing; fail when a committed file differs from what would be generated
    #[arg(long)]
    pub(crate) check: bool,
}

/// One generated file: what `binary` prints when it is called with `arguments`.
struct Generated {
    path: &'static str,
    binary: &'static str,
    arguments: &'static [&'static str],
}

/// Every generated file of the repository.
const FILES: &[Generated] = &[
    agentadmit("contract/openapi.json", &["__generate", "openapi"]),
    agentadmit("contract/error-codes.json", &["__generate", "error-codes"]),
    agentadmit("contract/agentadmit.schema.json", &["__generate", "configuration-schema"]),
    agentadmit("docs/cli.md", &["__generate", "cli-reference"]),
    agentadmit("docs/demo-transcript.json", &["__generate", "demo-transcript"]),
    agentadmit("docs/configuration.md", &["__generate", "configuration"]),
];

/// How many lines of a difference are shown.
const SHOWN_LINES: usize = 40;

const fn agentadmit(path: &'static str, arguments: &'static [&'static str]) -> Generated {
    Generated { path, binary: "agentadmit", arguments }
}

impl Chore for Gen {
    fn run(self, workspace: &Workspace) -> Result<Verdict> {
        let mut verdict = Verdict::Clean;
        for file in FILES {
            let wanted = generate(workspace, file)?;
            let committed = workspace.root.join(file.path);
            if fs::read_to_string(&committed).is_ok_and(|found| found == wanted) {
                println!("{}: up to date", file.path);
            } else if self.check {
                verdict = Verdict::Findings;
                show_difference(workspace, file, &wanted)?;
            } else {
                write(&committed, &wanted)?;
                println!("{}: written", file.path);
            }
        }
        if !self.is_web_done(workspace)? {
            verdict = Verdict::Findings;
        }
        if verdict == Verdict::Findings {
            println!("generated files differ; run `cargo xtask gen` and commit what changes");
        }
        Ok(verdict)
    }
}

impl Gen {
    /// The types of the wire, from the contract as it is now; and what the SDK and the service embed,
    /// from the lockfile. Nothing that cargo builds needs npm, so that without it there is nothing to do.
    fn is_web_done(&self, workspace: &Workspace) -> Result<bool> {
        let Some(web) = Web::install(workspace)? else {
            println!(
                "crates/sdk/assets, crates/http/assets/dashboard: not looked at, there is no npm"
            );
            return Ok(true);
        };
        let arguments: &[&str] = if self.check { &["--check"] } else { &[] };
        let types = process::run(&mut web.script("types", arguments))?;
        let assets = process::run(&mut web.script("build", arguments))?;
        Ok(types && assets)
    }
}

fn generate(workspace: &Workspace, file: &Generated) -> Result<String> {
    let binary = workspace.build(file.binary)?;
    let mut command = Command::new(binary);
    // Help texts are laid out for the terminal; the committed ones have a fixed width.
    command.args(file.arguments).env("COLUMNS", "100").current_dir(&workspace.root);
    let printed = process::output_of(&mut command)?;
    if printed.trim().is_empty() {
        bail!("`{}`, which generates {}, printed nothing", process::shown(&command), file.path);
    }
    Ok(printed)
}

fn write(path: &Path, content: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content).with_context(|| format!("{} cannot be written", path.display()))
}

/// Prints the beginning of the difference between the committed file and the wanted content.
fn show_difference(workspace: &Workspace, file: &Generated, wanted: &str) -> Result<()> {
    println!("{}: differs from what is generated", file.path);
    let generated = workspace.scratch("generated")?.join(file.path);
    write(&generated, wanted)?;
    let committed = workspace.root.join(file.path);
    if !committed.exists() {
        println!("  (it is not there)");
        return Ok(());
    }
    let mut diff = Command::new("git");
    diff.args(["diff", "--no-index", "--no-color", "--unified=1", "--"])
        .args([&committed, &generated]);
    let output = diff.output().context("git could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (head, rest) = summary(&text, SHOWN_LINES);
    println!("{head}");
    if rest > 0 {
        println!("  … and {rest} more lines");
    }
    Ok(())
}

/// The first lines of a difference without its file headers, and how many were left out.
fn summary(diff: &str, most: usize) -> (String, usize) {
    let lines: Vec<&str> = diff.lines().skip_while(|line| !line.starts_with("@@")).collect();
    let shown: Vec<&str> = lines.iter().take(most).copied().collect();
    (shown.join("\n"), lines.len().saturating_sub(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_from_its_first_hunk_and_cut() {
        let diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n";
        assert_eq!(summary(diff, 2), ("@@ -1 +1 @@\n-old".to_owned(), 1));
        assert_eq!(summary(diff, 9), ("@@ -1 +1 @@\n-old\n+new".to_owned(), 0));
    }

    #[test]
    fn no_file_is_generated_twice() {
        let mut paths: Vec<_> = FILES.iter().map(|file| file.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), FILES.len());
    }
}
