//! `backup` while the service answers.

use anyhow::{Result, ensure};

use crate::Bench;
use crate::load::{Heard, World, compare};
use crate::process::Program;
use crate::report::Outcome;

/// The copy opens, its chains verify, and nothing is missing that was answered before its start.
pub(crate) fn backup(bench: &Bench) -> Result<Outcome> {
    let rounds = bench.rounds(2, 10);
    let mut outcome = Outcome::of(format!("`agentadmit backup`, {rounds} rounds"));
    let folder = tempfile::tempdir()?;
    let program = Program::new(bench, &folder.path().join("store.db"));
    let service = program.start()?;
    let world = World::on(&service.operator());
    let mut before = Heard::default();
    for round in 0..rounds {
        // what these clients heard was answered before the backup begins
        let (done, heard) = world.under_load(|progress| progress.wait_for(200, 300));
        done?;
        outcome.heard(&heard);
        before.merge(heard);
        let to = folder.path().join(format!("backup-{round}.db"));
        let path = to.display().to_string();
        let (copied, during) = world.under_load(|progress| -> Result<_> {
            progress.wait_for(200, 100)?;
            program.run(&["backup", &path])
        });
        let (status, said) = copied?;
        ensure!(status.success(), "backup: {said}");
        said.trim().clone_into(&mut outcome.message);
        outcome.heard(&during);
        outcome.expect(during.cut_off + during.answered(503) == 0, || {
            format!("calls were refused meanwhile: {:?}", during.statuses)
        });
        compare(&export_of(&program, &world, &to)?, &before, &mut outcome);
        before.merge(during);
    }
    world.look_for(&before, &mut outcome)?;
    Ok(outcome)
}

/// The export of a copy, read by a program that knows nothing of the service.
fn export_of(program: &Program, world: &World, copy: &std::path::Path) -> Result<Vec<u8>> {
    let copy = Program { store: copy.to_owned(), ..program.clone() };
    let (status, said) = copy.run(&["store", "check"])?;
    ensure!(status.success(), "store check of the copy: {said}");
    let mut command = copy.command(&["audit", "export", "--app", &world.app.app_id]);
    command.args(["--environment", "test"]);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "export of the copy: {said}");
    Ok(output.stdout)
}
