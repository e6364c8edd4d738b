//! A disk that is slow, fails, or loses power: the VFS of the test kit, in this process.

use std::sync::Arc;

use agentadmit_store::{Clock, SystemClock};
use agentadmit_store_sqlite::StoreOptions;
use agentadmit_testkit::power::{FileKind, PowerVfs};
use agentadmit_testkit::service::{ServiceOptions, TestService};
use anyhow::{Result, anyhow};
use parking_lot::{Condvar, Mutex};

use crate::Bench;
use crate::load::{Heard, World};
use crate::report::Outcome;

const SLOW_MS: u64 = 10;

fn start(vfs: &PowerVfs) -> Result<TestService> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = StoreOptions { clock, readers: 2, ..StoreOptions::new() };
    TestService::on_power(vfs, options, ServiceOptions::default())
        .map_err(|error| anyhow!("the service does not start: {error}"))
}

/// Every flush takes 10 ms.
pub(crate) fn slow_flush(bench: &Bench) -> Result<Outcome> {
    let mut outcome = Outcome::of("VFS, each flush of the log waits 10 ms");
    let vfs = PowerVfs::new();
    let service = start(&vfs)?;
    let world = World::on(&service.operator());
    vfs.on_sync_started(|event| {
        if event.file == FileKind::Wal {
            let (never, wait) = (Mutex::new(()), Condvar::new());
            let pause = std::time::Duration::from_millis(SLOW_MS);
            let _timed_out = wait.wait_for(&mut never.lock(), pause);
        }
    });
    let syncs = vfs.syncs();
    let calls = bench.rounds(300, 5_000);
    let (done, heard) = world.under_load(|progress| progress.wait_for(200, calls));
    done?;
    outcome.heard(&heard);
    world.look_for(&heard, &mut outcome)?;
    let syncs = vfs.syncs() - syncs;
    outcome.expect(heard.answered(503) == 0, || format!("{:?}", heard.statuses));
    outcome.message = format!("{syncs} flushes for {} answers: batches grow", heard.calls);
    Ok(outcome)
}

/// Flushes fail now and then: what was not flushed is not answered.
pub(crate) fn failing_flush(bench: &Bench) -> Result<Outcome> {
    let rounds = bench.rounds(5, 50);
    let mut outcome = Outcome::of(format!("VFS, 3 flushes in a row fail, {rounds} rounds"));
    let vfs = PowerVfs::new();
    let service = start(&vfs)?;
    let world = World::on(&service.operator());
    let (done, heard) = world.under_load(|progress| -> Result<()> {
        for _ in 0..rounds {
            progress.wait_for(200, 50)?;
            vfs.fail_next_syncs(3);
            progress.wait_for(503, 1)?;
        }
        progress.wait_for(200, 50)
    });
    done?;
    outcome.heard(&heard);
    outcome.expect(heard.cut_off == 0, || format!("{} calls got no answer", heard.cut_off));
    world.look_for(&heard, &mut outcome)?;
    outcome.message = format!("503 to {} calls, then it goes on by itself", heard.answered(503));
    Ok(outcome)
}

/// The power goes under load: any part of what was not flushed is missing or torn between sectors.
pub(crate) fn cut(bench: &Bench) -> Result<Outcome> {
    let rounds = bench.rounds(5, 60);
    let mut outcome = Outcome::of(format!("VFS, {rounds} cuts"));
    let mut vfs = PowerVfs::new();
    let mut service = start(&vfs)?;
    let mut world = World::on(&service.operator());
    let mut all = Heard::default();
    for round in 0..rounds {
        let (after, heard) = world.under_load(|progress| -> Result<PowerVfs> {
            progress.wait_for(200, 60)?;
            vfs.lose_power_after(round * 37 % 101 + 1);
            // the first call that cannot be written any more
            progress.wait_for(503, 1)?;
            Ok(vfs.cut(round))
        });
        vfs = after?;
        outcome.heard(&heard);
        all.merge(heard);
        drop(service);
        service = start(&vfs)?;
        world.at(service.address());
        world.look_for(&all, &mut outcome)?;
        let (status, _) = world.verify()?;
        outcome.expect(status == 200, || format!("after a cut a verify is {status}"));
    }
    outcome.said("it starts again on what the disk kept", &[]);
    Ok(outcome)
}
