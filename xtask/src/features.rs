//! Features that a dependency has in some of our builds and not in others: it, and everything that
//! depends on it, would be compiled once for each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// Packages by name and version, with their features.
type Features = BTreeMap<String, BTreeSet<String>>;

/// A sentence for each package whose features depend on whether tests are built too.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let without = resolved(workspace, "normal,build")?;
    Ok(findings(&without, &resolved(workspace, "normal,build,dev")?))
}

/// What cargo resolves for the whole workspace with edges of these kinds.
fn resolved(workspace: &Workspace, kinds: &str) -> Result<Features> {
    let mut tree = workspace.cargo();
    tree.args(["tree", "--workspace", "--all-features", "--prefix", "none"]);
    Ok(parse(&process::output_of(tree.args(["-e", kinds, "-f", "{p}|{f}"]))?))
}

/// Reads lines like `serde_json v1.0.1 (/path)|default,std (*)`. A package that is there twice, for
/// the host and for the target, has the features of both.
fn parse(tree: &str) -> Features {
    let mut features = Features::new();
    for line in tree.lines() {
        let Some((package, listed)) = line.split_once('|') else { continue };
        let package = package.split(" (").next().unwrap_or(package).to_owned();
        let listed = listed.trim_end_matches("(*)").trim().split(',').map(str::to_owned);
        features.entry(package).or_default().extend(listed.filter(|name| !name.is_empty()));
    }
    features
}

fn findings(without: &Features, with: &Features) -> Vec<String> {
    let more = |(package, features): (&String, &BTreeSet<String>)| {
        let added: Vec<_> = with.get(package)?.difference(features).map(String::as_str).collect();
        let added = (!added.is_empty()).then(|| added.join(", "))?;
        Some(format!(
            "{package}: only our dev-dependencies switch on {added}, so that it and all that \
             depends on it is compiled twice; name the feature in [workspace.dependencies]"
        ))
    };
    without.iter().filter_map(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_tests_alone_switch_on_is_found() {
        let without = parse("a v1.0.0 (/here)\nb v2.0.0|std\nb v2.0.0|std (*)\nc v1.0.0|\n");
        let with = parse("b v2.0.0|std,extra (*)\nc v1.0.0|\nd v1.0.0|std\n");
        let found = findings(&without, &with);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("b v2.0.0: ") && found[0].contains("extra"), "{found:?}");
    }
}
