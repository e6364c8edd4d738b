//! `doctor`: for each of its checks something that breaks just that, and is found as just that.

mod app;
mod credential;
pub(crate) mod front;
mod operator;
mod service;
mod tls;
mod well;
mod world;

/// Every check that the page lists has a test that sees just its finding.
#[test]
fn every_check_is_broken_somewhere() {
    let tests = [
        include_str!("app.rs"),
        include_str!("credential.rs"),
        include_str!("operator.rs"),
        include_str!("service.rs"),
        include_str!("tls.rs"),
    ]
    .concat();
    // a call of `finds` begins with the id, or has it behind what was run
    let found: Vec<&str> = tests.split("finds(").skip(1).collect();
    let is_broken = |id: &str| {
        found.iter().any(|call| call.lines().next().unwrap().contains(&format!("\"{id}\"")))
    };
    let page = include_str!("../../../../../docs/doctor.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let ids: Vec<&str> = rows.map(|(id, _)| id).collect();
    assert!(ids.len() > 20, "{ids:?}");
    for id in ids {
        assert!(is_broken(id), "no test breaks {id}");
    }
}
