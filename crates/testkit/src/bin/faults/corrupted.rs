//! A database file that is not what was written: the service refuses to start and names the way
//! out, or refuses what it cannot read and lets nobody through for it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use agentadmit_testkit::client::Request;
use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::Bench;
use crate::load::World;
use crate::process::Program;
use crate::report::Outcome;

const PAGE: u64 = 4_096;
/// The way out of a store that cannot be used.
const WAY_OUT: &str = "agentadmit restore";

/// A store with a world in it that was ended in good order, and a backup of it.
struct Made {
    program: Program,
    world: World,
    store: PathBuf,
    _folder: TempDir,
}

fn made(bench: &Bench) -> Result<Made> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    let program = Program::new(bench, &store);
    let service = program.start()?;
    let world = World::on(&service.operator());
    for _ in 0..20 {
        world.verify()?;
    }
    let backup = folder.path().join("backup.db").display().to_string();
    let (status, said) = program.run(&["backup", &backup])?;
    ensure!(status.success(), "backup: {said}");
    service.terminate()?;
    Ok(Made { program, world, store, _folder: folder })
}

/// Breaks the file; the start must be refused and name the way out, which is then gone.
fn refused(
    bench: &Bench,
    used: &str,
    codes: &[i32],
    breaks: impl FnOnce(&Path) -> Result<()>,
) -> Result<Outcome> {
    let mut outcome = Outcome::of(used);
    let Made { program, mut world, store, _folder } = made(bench)?;
    breaks(&store)?;
    let (code, said) = program.refuses()?;
    outcome.expect(code.is_some_and(|code| codes.contains(&code)), || format!("exit {code:?}"));
    outcome.said(&said, &["store.db", WAY_OUT]);
    outcome.expect(!said.contains("panicked"), || said.clone());

    let backup = store.with_file_name("backup.db").display().to_string();
    let (status, said) = program.run(&["restore", "--keep-connections", &backup])?;
    outcome.expect(status.success(), || format!("the way out does not work: {said}"));
    let service = program.start()?;
    world.at(service.address);
    let (status, _) = world.verify()?;
    outcome.expect(status == 200, || format!("after the restore a verify is {status}"));
    let dead = world.under_load(|progress| progress.wait_for(403, 20));
    dead.0?;
    outcome.heard(&dead.1);
    Ok(outcome)
}

fn write_at(path: &Path, at: u64, bytes: &[u8]) -> Result<()> {
    Ok(OpenOptions::new().write(true).open(path)?.write_all_at(bytes, at)?)
}

/// Bytes that are no page of anything, the same at every run.
fn garbage(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub(crate) fn header(bench: &Bench) -> Result<Outcome> {
    refused(bench, "100 bytes of garbage at the start", &[2, 3], |store| {
        write_at(store, 0, &garbage(100, 1))
    })
}

pub(crate) fn truncated(bench: &Bench) -> Result<Outcome> {
    refused(bench, "the second half cut off", &[3], |store| {
        let half = fs::metadata(store)?.len() / 2 / PAGE * PAGE;
        Ok(OpenOptions::new().write(true).open(store)?.set_len(half)?)
    })
}

pub(crate) fn foreign(bench: &Bench) -> Result<Outcome> {
    refused(bench, "a SQLite database of somebody else", &[2], |store| {
        fs::remove_file(store)?;
        let database = rusqlite::Connection::open(store)?;
        Ok(database
            .execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine');")?)
    })
}

pub(crate) fn text(bench: &Bench) -> Result<Outcome> {
    refused(bench, "a text in its place", &[2], |store| {
        Ok(fs::write(store, "no database at all\n".repeat(500))?)
    })
}

pub(crate) fn empty(bench: &Bench) -> Result<Outcome> {
    refused(bench, "a file of 0 bytes in its place", &[2, 3], |store| Ok(fs::write(store, "")?))
}

/// Each page in turn: whatever was in it, nobody passes who should not, and what can be read goes
/// on. Where the service starts, a verify is answered rightly or refused as damaged.
pub(crate) fn pages(bench: &Bench) -> Result<Outcome> {
    let Made { program, mut world, store, _folder } = made(bench)?;
    let whole = fs::read(&store)?;
    let count = whole.len() as u64 / PAGE;
    let rounds = bench.rounds(6, count - 1).min(count - 1);
    let mut outcome =
        Outcome::of(format!("garbage in one page after the other, {rounds} of {count}"));
    let (mut refused, mut damaged, mut unharmed) = (0, 0, 0);
    for round in 0..rounds {
        // spread over the file, never the first page: its header is another fault
        let page = 1 + round * (count - 1) / rounds;
        fs::write(&store, &whole)?;
        for beside in ["-wal", "-shm"] {
            let _absent = fs::remove_file(store.with_file_name(format!("store.db{beside}")));
        }
        write_at(&store, page * PAGE, &garbage(4_096, page))?;
        let service = match program.start() {
            Ok(service) => service,
            Err(refusal) => {
                let said = format!("{refusal:#}");
                outcome.expect(said.contains(WAY_OUT), || format!("page {page}: {said}"));
                outcome.expect(!said.contains("panicked"), || format!("page {page}: {said}"));
                refused += 1;
                continue;
            }
        };
        world.at(service.address);
        let statuses = ask_everybody(&world, &mut outcome)?;
        let said = service.log.text();
        outcome.expect(!said.contains("panicked"), || format!("page {page}: {said}"));
        if statuses.iter().any(|status| *status >= 500) {
            damaged += 1;
            outcome.expect(said.contains(WAY_OUT), || {
                format!("page {page}: the log names no way out: {said}")
            });
        } else {
            unharmed += 1;
        }
    }
    outcome.message = format!(
        "{refused} refusals to start, {damaged} services that refuse what is damaged, {unharmed} \
         where no verify needs the page"
    );
    Ok(outcome)
}

/// Every connection is verified once: the statuses of the living ones.
fn ask_everybody(world: &World, outcome: &mut Outcome) -> Result<Vec<u16>> {
    let mut client = world.app.client();
    for connection in &world.dead {
        let reply = client.send(&world.app.verify(&connection.access_token, "read:orders"))?;
        outcome.calls += 1;
        outcome.wrong_allows += u64::from(reply.status == 200);
    }
    let mut statuses = Vec::new();
    for connection in &world.alive {
        let reply = client.send(&world.app.verify(&connection.access_token, "read:orders"))?;
        outcome.calls += 1;
        statuses.push(reply.status);
    }
    // the service is alive, whatever it cannot read
    let alive = client.send(&Request::get("/healthz"))?;
    outcome.expect(alive.status == 200, || format!("healthz: {alive:?}"));
    Ok(statuses)
}

/// The log of a killed service, overwritten: what was in it is gone, but nothing of it is believed.
pub(crate) fn log(bench: &Bench) -> Result<Outcome> {
    let rounds = bench.rounds(2, 20);
    let mut outcome =
        Outcome::of(format!("garbage in the log of a killed service, {rounds} rounds"));
    let (mut refused, mut started) = (0, 0);
    for round in 0..rounds {
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store.db");
        let program = Program::new(bench, &store);
        let mut service = program.start()?;
        let mut world = World::on(&service.operator());
        service.signal("-KILL")?;
        service.ended()?;
        let log = store.with_file_name("store.db-wal");
        let length = fs::metadata(&log)?.len();
        ensure!(length > PAGE, "there is no log to overwrite");
        write_at(&log, 32 + length * round / rounds / 2, &garbage(4_096, round))?;
        match program.start() {
            Ok(service) => {
                started += 1;
                world.at(service.address);
                let mut client = world.app.client();
                for connection in &world.dead {
                    let request = world.app.verify(&connection.access_token, "read:orders");
                    let reply = client.send(&request)?;
                    outcome.calls += 1;
                    outcome.wrong_allows += u64::from(reply.status == 200);
                }
            }
            Err(refusal) => {
                refused += 1;
                let said = format!("{refusal:#}");
                outcome.expect(said.contains(WAY_OUT), || said.clone());
            }
        }
    }
    outcome.message =
        format!("{started} starts on what stood before the damage, {refused} refusals to start");
    Ok(outcome)
}
