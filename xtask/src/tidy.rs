//! House rules that no compiler checks: short files, a purpose for every dependency, and nothing
//! in the tree that only means something on the machine it was written on.

use std::{fs, io, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{process, workspace::Workspace};

/// A file longer than this holds more than one idea.
const MOST_LINES: usize = 600;

/// Source files that may be longer, each with its reason.
const LONGER_FILES: &[(&str, &str)] =
    &[("web/dashboard/src/contract.ts", "the types of the contract, generated")];

/// What counts as source: written and read by people.
const SOURCE: &[&str] = &["rs", "py", "pyi", "ts", "tsx", "js", "mjs", "css", "html", "sql", "sh"];

/// What no committed file may contain, and what to write instead. Each needle stands here in two
/// halves, so that this file does not contain it either.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("/ho", "me/"), PATHS),
    (concat!("/ro", "ot/"), PATHS),
    (concat!("/Us", "ers/"), PATHS),
    (concat!("crates", ".io"), HOSTS),
    (concat!("static.rust-", "lang.org"), HOSTS),
    (concat!("pypi", ".org"), HOSTS),
    (concat!("files.python", "hosted.org"), HOSTS),
    (concat!("registry.npm", "js.org"), HOSTS),
    (concat!("proxy.go", "lang.org"), HOSTS),
];
const PATHS: &str = "a path of one machine; write it relative to the repository";
const HOSTS: &str = "the host of a package registry; name the package, its client knows the host";

/// Every finding in the files that git tracks or would track.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in tracked_files(&workspace.root)? {
        let content = match fs::read(workspace.root.join(&file)) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            // Deleted and not yet committed, or a link into nowhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("{file} cannot be read")),
        };
        findings.extend(length(&file, &content));
        findings.extend(forbidden_words(&file, &content));
        findings.extend(installs_by_name(&file, &content));
        if file == "Cargo.toml" {
            findings.extend(dependencies_without_purpose(&content));
        }
    }
    Ok(findings)
}

/// What is committed or could be: a new file is checked before its first commit.
fn tracked_files(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    // The clone may belong to another user than the one who runs this: git only lists names here.
    git.args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .current_dir(root);
    let listed = process::output_of(&mut git)?;
    Ok(listed.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
}

fn length(file: &str, content: &str) -> Option<String> {
    let is_source = Path::new(file)
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| SOURCE.contains(&extension));
    let is_excepted = LONGER_FILES.iter().any(|(name, _)| *name == file);
    let lines = content.lines().count();
    (is_source && !is_excepted && lines > MOST_LINES)
        .then(|| format!("{file}: {lines} lines; split it, {MOST_LINES} is the most"))
}

fn forbidden_words(file: &str, content: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1_u32..).zip(content.lines()) {
        for (needle, why) in FORBIDDEN {
            if names(line, needle) {
                findings.push(format!("{file}:{number}: `{needle}` is {why}"));
            }
        }
    }
    findings
}

/// The lines that would install somebody else's package: the name `agentadmit` on `PyPI` is not
/// ours, so ours is installed by path or from a folder.
fn installs_by_name(file: &str, content: &str) -> Vec<String> {
    let is_named = |line: &&str| {
        let Some((_, wanted)) = line.split_once(concat!("pip", " install")) else { return false };
        // what stands behind the command is another one, or prose
        let wanted = wanted.split(['`', '&', '|', ';']).next().unwrap_or_default();
        let quotes = |c: char| matches!(c, '"' | '\'' | '`' | ',' | '.' | ')' | ';');
        wanted.split_whitespace().map(|word| word.trim_matches(quotes)).any(|word| {
            let rest = word.strip_prefix("agentadmit");
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '=', '<', '>', '~']))
        })
    };
    let numbered = (1_u32..).zip(content.lines());
    let why = "the name on PyPI belongs to someone else; install by path: `pip install ./python`";
    numbered
        .filter(|(_, line)| is_named(line))
        .map(|(number, _)| format!("{file}:{number}: {why}"))
        .collect()
}

/// Whether `line` contains `needle` as a whole: a longer name that begins with a host's is another
/// name (the lock file names the index's repository).
fn names(line: &str, needle: &str) -> bool {
    let continues =
        |rest: &str| rest.starts_with(|next: char| next.is_alphanumeric() || next == '-');
    let is_path = needle.ends_with('/');
    line.match_indices(needle).any(|(at, found)| {
        let rest = line.get(at + found.len()..).unwrap_or_default();
        is_path || !continues(rest)
    })
}

/// The lines of `[workspace.dependencies]` that do not say what the dependency is for. Our own
/// crates (`path = …`) are explained by the tree.
fn dependencies_without_purpose(manifest: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut in_table = false;
    let mut open_brackets = 0_usize;
    for (number, line) in (1_u32..).zip(manifest.lines()) {
        let (code, comment) = split_comment(line);
        let begins_entry = open_brackets == 0;
        if begins_entry && code.starts_with('[') {
            in_table = code.trim() == "[workspace.dependencies]";
            continue;
        }
        open_brackets = (open_brackets + code.matches(['[', '{']).count())
            .saturating_sub(code.matches([']', '}']).count());
        let is_complete = open_brackets == 0 && !code.trim().is_empty();
        let is_ours = code.contains("path = ");
        if in_table && is_complete && !is_ours && comment.trim().is_empty() {
            findings.push(format!(
                "Cargo.toml:{number}: say what this dependency is for: `{} # what for`",
                code.trim()
            ));
        }
    }
    findings
}

/// Splits a line of TOML at the `#` that begins its comment.
fn split_comment(line: &str) -> (&str, &str) {
    let mut in_string = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => in_string = !in_string,
            '#' if !in_string => {
                let (code, comment) = line.split_at(at);
                return (code, comment.trim_start_matches('#'));
            }
            _ => {}
        }
    }
    (line, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_by_name_is_found() {
        let pip = concat!("pip", " install");
        for wanted in
            ["agentadmit", "'agentadmit[fastapi]'", "-q agentadmit==1.0.0`", "x agentadmit."]
        {
            assert_eq!(
                installs_by_name("a.md", &format!("run `{pip} {wanted}")).len(),
                1,
                "{wanted}"
            );
        }
        for wanted in [
            "./python",
            "'../../python[fastapi]'",
            "agentadmit_x",
            "x`, then `agentadmit init",
            "x && agentadmit init",
        ] {
            assert_eq!(installs_by_name("a.md", &format!("{pip} {wanted}")).len(), 0, "{wanted}");
        }
    }

    #[test]
    fn a_long_source_file_is_found() {
        let long = "x\n".repeat(MOST_LINES + 1);
        assert!(length("src/a.rs", &long).unwrap().contains("601 lines"));
        assert_eq!(length("src/a.rs", &"x\n".repeat(MOST_LINES)), None);
        assert_eq!(length("contract/openapi.json", &long), None);
    }

    #[test]
    fn paths_and_hosts_are_found_with_their_line() {
        for (needle, _) in FORBIDDEN {
            let found = forbidden_words("a.md", &format!("fine\nsee {needle} there"));
            assert_eq!(found.len(), 1, "{needle}");
            assert!(found[0].starts_with("a.md:2: "), "{found:?}");
        }
        assert_eq!(forbidden_words("a.md", "/homework and /rooted"), Vec::<String>::new());
    }

    #[test]
    fn a_longer_name_is_another_name() {
        let needle = concat!("crates", ".io");
        assert!(!names(&format!("registry+https://example.org/{needle}-index"), needle));
        assert!(names(&format!("https://{needle}/"), needle));
    }

    #[test]
    fn a_dependency_without_a_purpose_is_found() {
        let manifest = r#"
[workspace.dependencies]
own = { path = "crates/own" }
good = "1" # errors of the binary
bare = "1"
empty = "1" #
long = { version = "1", features = [
    "one",
] } # on its last line
"quoted#hash" = "1"

[profile.dev]
debug = 1
"#;
        let found = dependencies_without_purpose(manifest);
        let lines: Vec<_> = found.iter().filter_map(|finding| finding.split(':').nth(1)).collect();
        assert_eq!(lines, ["5", "6", "10"], "{found:?}");
    }
}
