//! The process ends: killed, and asked to.

use std::collections::BTreeSet;
use std::time::Duration;

use agentadmit_store::{Clock as _, SystemClock};
use anyhow::Result;

use crate::Bench;
use crate::load::{Heard, World};
use crate::process::Program;
use crate::report::Outcome;

/// Answers before the end, so that the load is one.
const BEFORE: u64 = 300;
/// A drained end takes at most so long: 20 s for requests, 5 s for the writer.
const DRAIN: Duration = Duration::from_secs(25);

/// SIGKILL under load, and a start on what is left.
pub(crate) fn killed(bench: &Bench) -> Result<Outcome> {
    let rounds = bench.rounds(3, 30);
    let mut outcome = Outcome::of(format!("SIGKILL, {rounds} rounds"));
    let folder = tempfile::tempdir()?;
    let program = Program::new(bench, &folder.path().join("store.db"));
    let mut service = program.start()?;
    let mut world = World::on(&service.operator());
    let mut all = Heard::default();
    for round in 0..rounds {
        let (done, heard) = world.under_load(|progress| -> Result<()> {
            progress.wait_for(200, BEFORE + round * 97 % 200)?;
            service.signal("-KILL")?;
            service.ended()?;
            Ok(())
        });
        done?;
        outcome.heard(&heard);
        all.merge(heard);
        service = program.start()?;
        world.at(service.address);
        world.look_for(&all, &mut outcome)?;
    }
    outcome.said("it starts again on what is there", &[]);
    Ok(outcome)
}

/// SIGTERM under load: what was admitted is answered, the others are cut off before that.
pub(crate) fn terminated(bench: &Bench) -> Result<Outcome> {
    let rounds = bench.rounds(3, 20);
    let mut outcome = Outcome::of(format!("SIGTERM, {rounds} rounds"));
    let folder = tempfile::tempdir()?;
    let program = Program::new(bench, &folder.path().join("store.db"));
    let mut service = program.start()?;
    let mut world = World::on(&service.operator());
    let mut all = Heard::default();
    let clock = SystemClock::new();
    let (mut longest, mut cut_off) = (Duration::ZERO, 0);
    for _ in 0..rounds {
        let (ended, heard) = world.under_load(|progress| -> Result<_> {
            progress.wait_for(200, BEFORE)?;
            let asked_ns = clock.monotonic_ns();
            service.signal("-TERM")?;
            let status = service.ended()?;
            Ok((status, Duration::from_nanos(clock.monotonic_ns() - asked_ns)))
        });
        let (status, took) = ended?;
        outcome.expect(status.code() == Some(0), || format!("it ended with {status}"));
        outcome.expect(took < DRAIN, || format!("it took {took:?} to end"));
        longest = longest.max(took);
        cut_off += heard.cut_off;
        outcome.heard(&heard);
        all.merge(heard);
        let said = service.log.text();
        outcome.expect(said.contains("draining"), || format!("it does not say so: {said}"));
        service = program.start()?;
        world.at(service.address);
        let written: BTreeSet<String> = world.look_for(&all, &mut outcome)?;
        let unheard = written.difference(&all.records).count();
        outcome.expect(unheard == 0, || format!("{unheard} admitted calls got no answer"));
    }
    outcome.message = format!(
        "draining; exit 0 after at most {} ms; every admitted call was answered, {cut_off} \
         connections were closed between calls",
        longest.as_millis()
    );
    Ok(outcome)
}
