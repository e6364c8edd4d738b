//! Disks that take no more: full, limited, read-only.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use agentadmit_store::{Clock, SystemClock};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use agentadmit_testkit::disk::{SmallDisk, fill};
use agentadmit_testkit::service::{ServiceOptions, TestService};
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::Bench;
use crate::load::{Heard, World};
use crate::process::{Program, Service, ready};
use crate::report::Outcome;

/// Nobody: root does not heed the modes of files.
const NOBODY: &str = "65534";
/// Nothing listens for an answer that never comes; a load that runs this long has failed.
const ANSWERS: u64 = 100;

/// A disk that is really full, under load, until there is room again.
pub(crate) fn full(bench: &Bench) -> Result<Outcome> {
    let Some(disk) = SmallDisk::mount("64m") else {
        return Ok(Outcome::skipped("only root mounts file systems"));
    };
    let mut outcome = Outcome::of("tmpfs of 64 MiB, filled by another file");
    let program = Program::new(bench, &disk.path("store.db"));
    let service = program.start()?;
    let world = World::on(&service.operator());
    let (done, heard) = world.under_load(|progress| -> Result<String> {
        progress.wait_for(200, ANSWERS)?;
        fill(&disk.path("filler"));
        progress.wait_for(503, ANSWERS)?;
        let (status, ready) = service.ready()?;
        anyhow::ensure!(status == 503, "readyz is {status} on a full disk: {ready}");
        revoke_first(&world)?;
        fs::remove_file(disk.path("filler"))?;
        progress.wait_for(200, ANSWERS)?;
        Ok(ready)
    });
    outcome.said(&done?, &["the disk is full"]);
    finish(&world, &heard, 403, &mut outcome)?;
    Ok(outcome)
}

/// Ends the connection that nobody calls meanwhile; while there is no room it may take a few asks.
fn revoke_first(world: &World) -> Result<()> {
    let last = world.dead.first().context("a dead connection")?;
    let mut client = world.app.client();
    // it is dead already: its end is said again, which must be answered from the reserve
    let request = world.app.revoke(&json!({"connection_id": last.id}));
    let answered = (0..20_000).map(|_| client.send(&request)).find_map(|reply| match reply {
        Ok(reply) if reply.status == 503 => None,
        other => Some(other),
    });
    let reply = answered.context("the reserve lets no revocation in")??;
    anyhow::ensure!(reply.status == 200, "a revocation was answered {reply:?}");
    Ok(())
}

/// Looks at the log, and at a dead connection once more.
fn finish(world: &World, heard: &Heard, status: u16, outcome: &mut Outcome) -> Result<()> {
    outcome.heard(heard);
    outcome.expect(heard.cut_off == 0, || format!("{} calls got no answer", heard.cut_off));
    world.look_for(heard, outcome)?;
    let dead = world.dead.first().context("a dead connection")?;
    let reply = world.app.client().send(&world.app.verify(&dead.access_token, "read:orders"))?;
    outcome.expect(reply.status == status, || format!("a dead connection got {reply:?}"));
    Ok(())
}

/// `max_page_count`: SQLite itself says that it is full. In this process: the program has no such
/// setting.
pub(crate) fn page_limit(_: &Bench) -> Result<Outcome> {
    let mut outcome = Outcome::of("max_page_count, in process");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let start = |max_pages| -> Result<TestService> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let options = StoreOptions { max_pages, clock: Arc::clone(&clock), ..StoreOptions::new() };
        let store = SqliteStore::open(&path, options, Access::Service)?;
        Ok(TestService::start(Arc::new(store), clock, ServiceOptions::default()))
    };
    let service = start(None)?;
    let mut world = World::on(&service.operator());
    service.stop();
    let pages = u32::try_from(fs::metadata(&path)?.len() / 4_096)?;
    let service = start(Some(pages + 40))?;
    world.at(service.address());
    let (done, heard) = world.under_load(|progress| -> Result<()> {
        progress.wait_for(200, 1)?;
        progress.wait_for(503, ANSWERS)
    });
    done?;
    outcome.heard(&heard);
    let (status, why) = ready(service.address())?;
    outcome.expect(status == 503, || format!("readyz is {status}"));
    outcome.said(&why, &["the disk is full"]);
    // the closing of its chains may be what no longer fits: then the next start closes them
    if let Err(error) = service.end() {
        outcome.said(&error.to_string(), &["the disk is full"]);
    }
    let service = start(None)?;
    world.at(service.address());
    let (status, _) = world.verify()?;
    outcome.expect(status == 200, || format!("with room again a verify is {status}"));
    world.look_for(&heard, &mut outcome)?;
    Ok(outcome)
}

/// A store with a world in it, ended in good order.
fn made(program: &Program) -> Result<World> {
    let service = program.start()?;
    let world = World::on(&service.operator());
    service.terminate()?;
    Ok(world)
}

/// The store that was refused is whole: the service starts on it.
fn starts_again(program: &Program, mut world: World, outcome: &mut Outcome) -> Result<Service> {
    let service = program.start()?;
    world.at(service.address);
    let (status, _) = world.verify()?;
    outcome.expect(status == 200, || format!("afterwards a verify is {status}"));
    world.look_for(&Heard::default(), outcome)?;
    Ok(service)
}

/// A file that the service may read and not write.
pub(crate) fn read_only_file(bench: &Bench) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let program = Program::new(bench, &path);
    let world = made(&program)?;
    let mut refused = program.clone();
    let mut used = "mode 0444".to_owned();
    if is_root()? {
        // everything is nobody's, but that its mode forbids to write it
        refused.under = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
            .map(str::to_owned)
            .to_vec();
        used.push_str(", as uid 65534");
        let owned = Command::new("chown").args(["-R", NOBODY]).arg(folder.path()).status()?;
        anyhow::ensure!(owned.success(), "chown failed");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
    let mut outcome = Outcome::of(used);
    let (code, said) = refused.refuses()?;
    outcome.expect(code == Some(3), || format!("it ended with {code:?}"));
    outcome.said(&said, &["store.db", "for writing"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    drop(starts_again(&program, world, &mut outcome)?);
    Ok(outcome)
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output()?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// A file system that is mounted read-only.
pub(crate) fn read_only_mount(bench: &Bench) -> Result<Outcome> {
    let Some(disk) = SmallDisk::mount("64m") else {
        return Ok(Outcome::skipped("only root mounts file systems"));
    };
    let mut outcome = Outcome::of("tmpfs, remounted read-only");
    let program = Program::new(bench, &disk.path("store.db"));
    let world = made(&program)?;
    disk.remount("ro")?;
    let (code, said) = program.refuses()?;
    outcome.expect(code == Some(3), || format!("it ended with {code:?}"));
    outcome.said(&said, &["store.db", "for writing", "Read-only file system"]);
    disk.remount("rw")?;
    drop(starts_again(&program, world, &mut outcome)?);
    Ok(outcome)
}

/// A running service whose files can be written no more, and then again.
pub(crate) fn immutable(bench: &Bench) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let log = folder.path().join("store.db-wal");
    let program = Program::new(bench, &path);
    let service = program.start()?;
    let world = World::on(&service.operator());
    let Some(seal) = Immutable::make(&[&path, &log]) else {
        return Ok(Outcome::skipped("chattr +i is not for this user or this file system"));
    };
    let is_kept = fs::OpenOptions::new().append(true).open(&log).is_err();
    anyhow::ensure!(is_kept, "chattr +i keeps nobody from writing");
    let mut outcome = Outcome::of("chattr +i on the database and its log, while the service runs");
    let (done, heard) = world.under_load(|progress| -> Result<String> {
        progress.wait_for(503, ANSWERS)?;
        let (status, why) = service.ready()?;
        anyhow::ensure!(status == 503, "readyz is {status}: {why}");
        drop(seal);
        progress.wait_for(200, ANSWERS)?;
        Ok(why)
    });
    outcome.said(&done?, &["the store cannot be written"]);
    let said = service.log.text();
    outcome.expect(said.contains("a batch failed"), || said.clone());
    finish(&world, &heard, 403, &mut outcome)?;
    Ok(outcome)
}

/// Files that nobody can change, until it is dropped.
struct Immutable(Vec<std::path::PathBuf>);

impl Immutable {
    fn make(files: &[&Path]) -> Option<Self> {
        let seal = Self(files.iter().map(|file| (*file).to_owned()).collect());
        seal.chattr("+i").then_some(seal)
    }

    fn chattr(&self, flag: &str) -> bool {
        let done = Command::new("chattr").arg(flag).args(&self.0).output();
        done.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        self.chattr("-i");
    }
}
