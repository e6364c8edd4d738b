//! Who may import whom: the table of ARCHITECTURE.md, checked against what the manifests say.

use std::path::Path;

use clap::Args;

use crate::{
    Chore, Verdict, features, tidy,
    workspace::{Dependency, Package, Workspace},
};

/// Check who imports whom, and the house rules that no compiler checks.
#[derive(Args)]
pub(crate) struct Layers {}

impl Chore for Layers {
    fn run(self, workspace: &Workspace) -> anyhow::Result<Verdict> {
        let mut findings = check(&workspace.root, &workspace.packages);
        findings.extend(tidy::check(workspace)?);
        findings.extend(features::check(workspace)?);
        for finding in &findings {
            println!("{finding}");
        }
        if findings.is_empty() {
            println!(
                "{} packages: every edge is allowed, the tree is tidy",
                workspace.packages.len()
            );
            return Ok(Verdict::Clean);
        }
        println!("{} findings", findings.len());
        Ok(Verdict::Findings)
    }
}

/// The row of one folder in the table.
struct Rule {
    folder: &'static str,
    may_import: Folders,
    /// Packages from outside that its normal and build dependencies must not name.
    never: &'static [&'static [&'static str]],
}

/// Folders of the workspace.
enum Folders {
    Anything,
    Only(&'static [&'static str]),
}

const SQLITE: &[&str] = &["rusqlite", "libsqlite3-sys", "sqlx", "diesel"];
const POSTGRES: &[&str] = &["tokio-postgres", "deadpool-postgres", "postgres", "sqlx", "diesel"];
const WEB: &[&str] = &["axum", "hyper", "hyper-util", "tower-http"];
const RUNTIME: &[&str] = &["tokio", "tokio-util", "async-std", "smol"];
/// jiff is not among them: it is the calendar of plan periods, and `clippy.toml` bans its clock.
const CLOCKS: &[&str] = &["chrono", "time", "quanta", "coarsetime"];
const RANDOMNESS: &[&str] = &["rand", "rand_core", "rand_chacha", "getrandom", "fastrand"];

/// Who may import whom. A folder that is not here is a finding: a new crate gets its row first.
const RULES: &[Rule] = &[
    row("crates/protocol", &[], &[RUNTIME, WEB, SQLITE, POSTGRES]),
    row("crates/core", &["protocol"], &[RUNTIME, WEB, CLOCKS, RANDOMNESS, SQLITE, POSTGRES]),
    row("crates/config", &["protocol"], &[RUNTIME, WEB, SQLITE, POSTGRES]),
    row("crates/store", &["core", "protocol"], &[WEB, SQLITE, POSTGRES]),
    row("crates/store-sqlite", &["store", "core", "protocol"], &[WEB, POSTGRES]),
    row("crates/store-postgres", &["store", "core", "protocol"], &[WEB, SQLITE]),
    row("crates/engine", &["store", "core", "protocol"], &[WEB, SQLITE, POSTGRES]),
    row("crates/fetch", &[], &[SQLITE, POSTGRES]),
    row("crates/agent", &["protocol", "fetch"], &[SQLITE, POSTGRES]),
    row("crates/http", &["engine", "core", "protocol", "fetch"], &[SQLITE, POSTGRES]),
    row(
        "crates/cli",
        &[
            "agent",
            "config",
            "http",
            "fetch",
            "engine",
            "store-sqlite",
            "store-postgres",
            "store",
            "core",
            "protocol",
            "sdk",
            "examples/axum-shop",
        ],
        &[SQLITE, POSTGRES],
    ),
    row("crates/sdk", &["protocol"], &[SQLITE, POSTGRES]),
    row("python", &["sdk", "protocol", "cli"], &[SQLITE, POSTGRES]),
    row("examples/axum-notes", &["sdk"], &[SQLITE, POSTGRES]),
    row("examples/axum-shop", &["sdk"], &[SQLITE, POSTGRES]),
    Rule { folder: "crates/testkit", may_import: Folders::Anything, never: &[] },
    Rule { folder: "xtask", may_import: Folders::Anything, never: &[] },
    Rule { folder: "fuzz", may_import: Folders::Anything, never: &[] },
    Rule { folder: "bench", may_import: Folders::Anything, never: &[] },
];

/// Imported by nobody, in no way.
const IMPORTED_BY_NOBODY: &[&str] = &["xtask", "fuzz", "bench", "python"];

/// Imported through dev-dependencies only (and by what may import anything).
const TESTKIT: &str = "crates/testkit";

/// The embedded driver may be named here and nowhere else, in no kind of dependency: stores differ
/// in SQL, and SQL stays with its store.
const MAY_NAME_SQLITE: &[&str] = &["crates/store-sqlite", TESTKIT];

const fn row(
    folder: &'static str,
    may_import: &'static [&'static str],
    never: &'static [&'static [&'static str]],
) -> Rule {
    Rule { folder, may_import: Folders::Only(may_import), never }
}

/// Every forbidden edge, as a sentence that names the edge and the rule.
pub(crate) fn check(root: &Path, packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(|package| check_package(root, package)).collect()
}

fn check_package(root: &Path, package: &Package) -> Vec<String> {
    let from = folder_of(root, package.manifest_path.parent());
    let Some(rule) = RULES.iter().find(|rule| rule.folder == from) else {
        return vec![format!(
            "{from} (package {}): no row in the table of who may import whom, xtask/src/layers.rs",
            package.name
        )];
    };
    let broken = |dependency: &Dependency| {
        let why = match &dependency.path {
            Some(path) => inner_edge(rule, &folder_of(root, Some(path)), dependency),
            None => outer_edge(rule, dependency),
        }?;
        let kind = dependency.kind.as_deref().unwrap_or("normal");
        Some(format!("{from} -> {} ({kind} dependency): {why}", dependency.name))
    };
    package.dependencies.iter().filter_map(broken).collect()
}

/// Why the edge to another folder of the workspace is forbidden, if it is.
fn inner_edge(rule: &Rule, to: &str, dependency: &Dependency) -> Option<String> {
    let is_dev = dependency.kind.as_deref() == Some("dev");
    if rule.folder == to && is_dev {
        return None; // a crate that switches on its own features for its tests
    }
    if IMPORTED_BY_NOBODY.contains(&to) {
        return Some(format!("{to} is imported by nobody"));
    }
    let allowed = match rule.may_import {
        Folders::Anything => true,
        Folders::Only(folders) => folders.iter().any(|folder| is_folder(folder, to)),
    };
    if allowed || (is_dev && to == TESTKIT) {
        return None;
    }
    if to == TESTKIT {
        return Some("testkit is a dev-dependency only".to_owned());
    }
    Some(format!("{} may import {}", rule.folder, rule.may_import.listed()))
}

/// Why the edge to a package from outside is forbidden, if it is.
fn outer_edge(rule: &Rule, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let is_driver = ["rusqlite", "libsqlite3-sys"].contains(&name);
    if is_driver && !MAY_NAME_SQLITE.contains(&rule.folder) {
        return Some(format!("only {} may name it", MAY_NAME_SQLITE.join(" and ")));
    }
    let is_dev = dependency.kind.as_deref() == Some("dev");
    let forbidden = rule.never.iter().any(|group| group.contains(&name));
    (forbidden && !is_dev).then(|| format!("{} never depends on it", rule.folder))
}

impl Folders {
    fn listed(&self) -> String {
        match self {
            Self::Anything => "anything".to_owned(),
            Self::Only([]) => "no other crate of the workspace".to_owned(),
            Self::Only(folders) => format!("{} and nothing else here", folders.join(", ")),
        }
    }
}

/// Whether the short name of a table row means this folder.
fn is_folder(short: &str, folder: &str) -> bool {
    folder == short || folder.strip_prefix("crates/") == Some(short)
}

fn folder_of(root: &Path, folder: Option<&Path>) -> String {
    let folder = folder.unwrap_or(root);
    folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn inner(to: &str, kind: Option<&str>) -> Dependency {
        Dependency {
            name: to.to_owned(),
            kind: kind.map(str::to_owned),
            path: Some(PathBuf::from("/r").join(to)),
        }
    }

    fn outer(name: &str, kind: Option<&str>) -> Dependency {
        Dependency { name: name.to_owned(), kind: kind.map(str::to_owned), path: None }
    }

    fn findings(from: &str, dependency: Dependency) -> Vec<String> {
        let package = Package {
            name: from.to_owned(),
            manifest_path: PathBuf::from("/r").join(from).join("Cargo.toml"),
            dependencies: vec![dependency],
            targets: Vec::new(),
        };
        check(Path::new("/r"), &[package])
    }

    #[test]
    fn forbidden_edges_between_our_crates_are_found() {
        let forbidden = [
            ("crates/protocol", inner("crates/core", None)),
            ("crates/core", inner("crates/store", None)),
            ("crates/store", inner("crates/engine", None)),
            ("crates/store-sqlite", inner("crates/store-postgres", None)),
            ("crates/engine", inner("crates/store-sqlite", None)),
            ("crates/engine", inner("crates/store-sqlite", Some("dev"))),
            ("crates/engine", inner("crates/store-sqlite", Some("build"))),
            ("crates/http", inner("crates/store-sqlite", None)),
            ("crates/http", inner("crates/testkit", None)),
            ("crates/cli", inner("crates/testkit", Some("build"))),
            ("crates/sdk", inner("crates/engine", None)),
            ("crates/testkit", inner("xtask", None)),
            ("crates/cli", inner("bench", Some("dev"))),
            ("examples/axum-shop", inner("crates/http", None)),
        ];
        for (from, dependency) in forbidden {
            let to = dependency.name.clone();
            let found = findings(from, dependency);
            assert_eq!(found.len(), 1, "{from} -> {to}");
            assert!(found[0].starts_with(&format!("{from} -> {to}")), "{found:?}");
        }
    }

    #[test]
    fn allowed_edges_pass() {
        let allowed = [
            ("crates/core", inner("crates/protocol", None)),
            ("crates/engine", inner("crates/store", None)),
            ("crates/http", inner("crates/engine", None)),
            ("crates/http", inner("crates/testkit", Some("dev"))),
            ("crates/http", inner("crates/engine", Some("dev"))),
            ("crates/store", inner("crates/store", Some("dev"))),
            ("crates/cli", inner("crates/store-sqlite", None)),
            ("crates/cli", inner("examples/axum-shop", None)),
            ("crates/testkit", inner("crates/http", None)),
            ("bench", inner("crates/testkit", None)),
        ];
        for (from, dependency) in allowed {
            assert_eq!(findings(from, dependency), Vec::<String>::new());
        }
    }

    #[test]
    fn forbidden_packages_from_outside_are_found() {
        let forbidden = [
            ("crates/core", outer("tokio", None)),
            ("crates/core", outer("rand", Some("build"))),
            ("crates/core", outer("chrono", None)),
            ("crates/protocol", outer("axum", None)),
            ("crates/engine", outer("axum", None)),
            ("crates/http", outer("rusqlite", None)),
            ("crates/cli", outer("rusqlite", Some("dev"))),
            ("xtask", outer("libsqlite3-sys", None)),
            ("crates/store-postgres", outer("sqlx", None)),
        ];
        for (from, dependency) in forbidden {
            let to = dependency.name.clone();
            assert_eq!(findings(from, dependency).len(), 1, "{from} -> {to}");
        }
        let allowed = [
            ("crates/core", outer("serde", None)),
            ("crates/core", outer("rand", Some("dev"))),
            ("crates/engine", outer("tokio", None)),
            ("crates/store-sqlite", outer("rusqlite", None)),
            ("crates/testkit", outer("libsqlite3-sys", None)),
        ];
        for (from, dependency) in allowed {
            assert_eq!(findings(from, dependency), Vec::<String>::new());
        }
    }

    #[test]
    fn a_crate_without_a_row_is_a_finding() {
        let found = findings("crates/surprise", outer("serde", None));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("crates/surprise"), "{found:?}");
    }
}
