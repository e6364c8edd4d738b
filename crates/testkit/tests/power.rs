//! The VFS that loses power, under SQLite itself: what SQLite promises to keep is kept, and what it
//! does not promise is lost often enough for a test to notice.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use agentadmit_testkit::power::{FileKind, PowerVfs, SyncEvent, tick};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, TransactionBehavior, ffi};

const PATH: &str = "/data/store.db";

/// How a connection keeps its journal and how often it syncs.
#[derive(Clone, Copy)]
struct Mode {
    journal: &'static str,
    synchronous: &'static str,
}

const WAL_FULL: Mode = Mode { journal: "WAL", synchronous: "FULL" };
const WAL_NORMAL: Mode = Mode { journal: "WAL", synchronous: "NORMAL" };
const WAL_OFF: Mode = Mode { journal: "WAL", synchronous: "OFF" };
const DELETE_EXTRA: Mode = Mode { journal: "DELETE", synchronous: "EXTRA" };
const DELETE_FULL: Mode = Mode { journal: "DELETE", synchronous: "FULL" };
const TRUNCATE_FULL: Mode = Mode { journal: "TRUNCATE", synchronous: "FULL" };

fn open(vfs: &PowerVfs, mode: Mode) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags_and_vfs(PATH, OpenFlags::default(), vfs.name())?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "synchronous", mode.synchronous)?;
    connection.pragma_update(None, "journal_mode", mode.journal)?;
    // Small, so that a few commits suffice for a checkpoint, and for a log that starts over.
    connection.pragma_update(None, "wal_autocheckpoint", 12)?;
    connection.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
         CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY, entries INTEGER NOT NULL);
         INSERT OR IGNORE INTO total VALUES (1, 0);
         COMMIT;",
    )?;
    Ok(connection)
}

/// One transaction that touches several pages: the next entry, and the number of entries.
fn commit(connection: &mut Connection, words: usize) -> rusqlite::Result<i64> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute("UPDATE total SET entries = entries + 1", [])?;
    let id = tx.query_row("SELECT entries FROM total", [], |row| row.get(0))?;
    tx.execute("INSERT INTO entry VALUES (?1, ?2)", (id, body(id, words)))?;
    tx.commit()?;
    Ok(id)
}

fn body(id: i64, words: usize) -> Vec<u8> {
    id.to_le_bytes().repeat(words)
}

fn entries(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT entries FROM total", [], |row| row.get(0))
}

/// What a store holds after it came back.
#[derive(Debug)]
struct Damaged(String);

impl From<Error> for Damaged {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// Whether the store is whole and holds at least the entries up to `answered`.
fn check(vfs: &PowerVfs, mode: Mode, answered: i64) -> Result<(), Damaged> {
    let connection = open(vfs, mode)?;
    let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if integrity != "ok" {
        return Err(Damaged(integrity));
    }
    let total = entries(&connection)?;
    let mut statement = connection.prepare("SELECT id, body FROM entry ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        found += 1;
        let (id, content): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        if id != found || content != body(id, content.len() / 8) {
            return Err(Damaged(format!("entry {id} is not what was written")));
        }
    }
    if found != total {
        return Err(Damaged(format!("{found} entries, counted as {total}")));
    }
    if found < answered {
        return Err(Damaged(format!("{found} entries of {answered} that were answered")));
    }
    Ok(())
}

/// One life of a store: it commits until the power goes, in the middle of one of its changes of
/// the disk. Returns what the disk holds and the last entry that was answered, here or `before`.
fn live_and_lose_power(vfs: &PowerVfs, mode: Mode, seed: u64, before: i64) -> (PowerVfs, i64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    vfs.lose_power_after(random.random_range(1..200));
    let mut answered = before;
    if let Ok(mut store) = open(vfs, mode) {
        while let Ok(id) = commit(&mut store, random.random_range(1..1_200)) {
            answered = id;
        }
    }
    (vfs.cut(seed), answered)
}

/// How many losses of power one store lives through, recovery after recovery.
const LIVES: u64 = 20;

/// Cuts the power `cuts` times. A store that came back whole lives on, up to [`LIVES`] times; a
/// damaged one is replaced. Returns what was found wrong.
fn cut_often(mode: Mode, cuts: u64) -> Vec<Damaged> {
    let mut damages = Vec::new();
    let mut unsynced = 0;
    let mut vfs = PowerVfs::new();
    let mut answered = 0;
    for seed in 0..cuts {
        if seed % LIVES == 0 {
            (vfs, answered) = (PowerVfs::new(), 0);
        }
        let (found, last) = live_and_lose_power(&vfs, mode, seed, answered);
        unsynced += vfs.unsynced();
        // The check recovers the store, and what recovery writes may be lost too.
        let checked = check(&found, mode, last);
        let recovered = found.cut(seed);
        (vfs, answered) = match checked.and_then(|()| check(&recovered, mode, last)) {
            Ok(()) => (recovered.cut(seed), last),
            Err(damage) => {
                damages.push(damage);
                (PowerVfs::new(), 0)
            }
        };
    }
    assert!(unsynced > 0, "no cut hit anything unsynced");
    damages
}

fn assert_none(damages: &[Damaged]) {
    assert!(damages.is_empty(), "{} cuts did damage: {damages:?}", damages.len());
}

#[test]
fn answered_commits_survive_200_cuts_in_wal_mode() {
    assert_none(&cut_often(WAL_FULL, 200));
}

#[test]
fn answered_commits_survive_cuts_with_a_rollback_journal() {
    assert_none(&cut_often(DELETE_EXTRA, 50));
    assert_none(&cut_often(TRUNCATE_FULL, 50));
}

#[test]
fn without_syncs_the_same_check_finds_losses() {
    let damages = cut_often(WAL_OFF, 50);
    assert!(damages.len() >= 10, "only {damages:?}");
}

#[test]
fn without_a_sync_of_each_commit_answered_ones_are_lost() {
    let damages = cut_often(WAL_NORMAL, 50);
    assert!(!damages.is_empty());
    let lost = damages.iter().all(|damage| damage.0.ends_with("that were answered"));
    assert!(lost, "NORMAL loses the last commits and damages nothing: {damages:?}");
}

#[test]
fn a_deleted_journal_comes_back_when_its_directory_was_not_synced() {
    let damages = cut_often(DELETE_FULL, 50);
    assert!(!damages.is_empty());
}

#[test]
fn a_store_that_loses_power_while_it_is_created_can_be_created_again() {
    for (nth, seed) in (0..8).flat_map(|nth| (0..10).map(move |seed| (nth, seed))) {
        let vfs = Arc::new(PowerVfs::new());
        let found = Arc::new(Mutex::new(None));
        let (machine, out) = (Arc::downgrade(&vfs), Arc::clone(&found));
        let begun = AtomicU64::new(0);
        vfs.on_sync_started(move |_| {
            if begun.fetch_add(1, Ordering::SeqCst) == nth {
                *out.lock().unwrap() = machine.upgrade().map(|vfs| vfs.cut(seed));
            }
        });
        let answered = open(&vfs, WAL_FULL).and_then(|mut store| commit(&mut store, 600));
        let found = found.lock().unwrap().take().unwrap();
        check(&found, WAL_FULL, answered.unwrap_or(0)).unwrap();
    }
}

#[test]
fn connections_see_each_others_commits_and_keep_their_snapshots() {
    for mode in [WAL_FULL, TRUNCATE_FULL] {
        let vfs = PowerVfs::new();
        let mut writer = open(&vfs, mode).unwrap();
        let mut other = open(&vfs, mode).unwrap();
        for round in 0..20 {
            assert_eq!(commit(&mut writer, 400).unwrap(), 2 * round + 1);
            assert_eq!(entries(&other).unwrap(), 2 * round + 1);
            assert_eq!(commit(&mut other, 10).unwrap(), 2 * round + 2);
            assert_eq!(entries(&writer).unwrap(), 2 * round + 2);
        }
    }
    let vfs = PowerVfs::new();
    let mut writer = open(&vfs, WAL_FULL).unwrap();
    let mut reader = open(&vfs, WAL_FULL).unwrap();
    let snapshot = reader.transaction().unwrap();
    assert_eq!(entries(&snapshot).unwrap(), 0);
    for _ in 0..20 {
        commit(&mut writer, 600).unwrap();
    }
    assert_eq!(entries(&snapshot).unwrap(), 0);
    drop(snapshot);
    assert_eq!(entries(&reader).unwrap(), 20);
}

#[test]
fn readers_on_other_threads_only_ever_see_whole_commits() {
    let vfs = Arc::new(PowerVfs::new());
    let mut writer = open(&vfs, WAL_FULL).unwrap();
    // a reader that meets a half-written index of the log takes the writer's lock to look again
    writer.busy_timeout(Duration::from_secs(30)).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (vfs, done) = (Arc::clone(&vfs), Arc::clone(&done));
            let mut connection = open(&vfs, WAL_FULL).unwrap();
            thread::spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::SeqCst) || last < 300 {
                    let tx = connection.transaction().unwrap();
                    let total = entries(&tx).unwrap();
                    let count = "SELECT count(*) FROM entry";
                    assert_eq!(tx.query_row(count, [], |row| row.get(0)), Ok(total));
                    assert!(total >= last);
                    last = total;
                }
            })
        })
        .collect();
    for _ in 0..300 {
        commit(&mut writer, 250).unwrap();
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn locks_exclude() {
    for mode in [WAL_FULL, TRUNCATE_FULL] {
        let vfs = PowerVfs::new();
        let mut first = open(&vfs, mode).unwrap();
        let mut second = open(&vfs, mode).unwrap();
        let held = first.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        assert_eq!(error_code(commit(&mut second, 10)), ErrorCode::DatabaseBusy);
        held.commit().unwrap();
        commit(&mut second, 10).unwrap();
    }
    let vfs = PowerVfs::new();
    let mut writer = open(&vfs, TRUNCATE_FULL).unwrap();
    let mut reader = open(&vfs, TRUNCATE_FULL).unwrap();
    let reading = reader.transaction().unwrap();
    assert_eq!(entries(&reading).unwrap(), 0);
    let blocked = error_code(commit(&mut writer, 10));
    assert_eq!(blocked, ErrorCode::DatabaseBusy, "without a log, readers keep a writer out");
    drop(reading);
    commit(&mut writer, 10).unwrap();
}

#[test]
fn an_answer_can_be_ordered_after_the_sync_of_its_commit() {
    for (mode, expected) in [(WAL_FULL, 1), (WAL_OFF, 0)] {
        let vfs = PowerVfs::new();
        let mut store = open(&vfs, mode).unwrap();
        let events: Arc<Mutex<Vec<SyncEvent>>> = Arc::default();
        let seen = Arc::clone(&events);
        vfs.on_sync_returned(move |event| seen.lock().unwrap().push(event));
        let syncs = vfs.syncs();
        let before = tick();
        commit(&mut store, 10).unwrap();
        let after = tick();
        let events = events.lock().unwrap();
        assert_eq!((events.len(), vfs.syncs() - syncs), (expected, expected as u64));
        for event in events.iter() {
            assert_eq!(event.file, FileKind::Wal);
            assert!(before < event.tick && event.tick < after);
        }
    }
}

#[test]
fn a_sync_waits_for_its_hook_and_nothing_is_durable_before() {
    let vfs = Arc::new(PowerVfs::new());
    let mut store = open(&vfs, WAL_FULL).unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    vfs.on_sync_started(move |event| {
        begun.send(event.file).unwrap();
        may_go_on.lock().unwrap().recv().unwrap();
    });
    let writer = thread::spawn(move || commit(&mut store, 10));
    assert_eq!(has_begun.recv().unwrap(), FileKind::Wal);
    let syncs = vfs.syncs();
    assert!(!writer.is_finished() && vfs.unsynced() > 0);
    let found = vfs.cut(1);
    go_on.send(()).unwrap();
    assert!(writer.join().unwrap().is_err(), "a sync under way does not outlive the power");
    assert_eq!(vfs.syncs(), syncs);
    check(&found, WAL_FULL, 0).unwrap();
}

#[test]
fn a_failed_sync_fails_the_commit() {
    let vfs = PowerVfs::new();
    let mut store = open(&vfs, WAL_FULL).unwrap();
    commit(&mut store, 10).unwrap();
    vfs.fail_next_syncs(1);
    assert_eq!(extended_code(commit(&mut store, 10)), ffi::SQLITE_IOERR_FSYNC);
    assert_eq!(commit(&mut store, 10).unwrap(), 2, "the failed one was rolled back");
    check(&vfs.cut(1), WAL_FULL, 2).unwrap();
}

#[test]
fn a_full_disk_fails_the_commit_and_recovers() {
    let vfs = PowerVfs::new();
    let mut store = open(&vfs, WAL_FULL).unwrap();
    commit(&mut store, 10).unwrap();
    vfs.disk_full_after(8_192);
    assert_eq!(error_code(commit(&mut store, 12_500)), ErrorCode::DiskFull);
    assert_eq!(entries(&store).unwrap(), 1);
    vfs.disk_full_after(u64::MAX);
    assert_eq!(commit(&mut store, 12_500).unwrap(), 2);
    drop(store);
    check(&vfs.cut(1), WAL_FULL, 2).unwrap();
}

#[test]
fn without_power_the_old_store_fails_and_the_new_one_is_on_its_own() {
    let vfs = PowerVfs::new();
    let mut old = open(&vfs, WAL_FULL).unwrap();
    commit(&mut old, 10).unwrap();
    let found = vfs.cut(1);
    let mut new = open(&found, WAL_FULL).unwrap();
    assert!(commit(&mut old, 10).is_err());
    assert!(open(&vfs, WAL_FULL).is_err());
    assert_eq!(commit(&mut new, 10).unwrap(), 2);
    drop(old);
    check(&found, WAL_FULL, 2).unwrap();
}

#[test]
fn connections_outlive_the_vfs_they_were_opened_on() {
    let vfs = PowerVfs::new();
    let name = vfs.name();
    let mut store = open(&vfs, WAL_FULL).unwrap();
    drop(vfs);
    assert_eq!(commit(&mut store, 600).unwrap(), 1);
    assert!(Connection::open_with_flags_and_vfs(PATH, OpenFlags::default(), name).is_err());
    store.close().unwrap();
}

#[test]
fn temporary_files_and_vacuum_work() {
    let vfs = PowerVfs::new();
    let mut store = open(&vfs, WAL_FULL).unwrap();
    store.pragma_update(None, "temp_store", "FILE").unwrap();
    store.pragma_update(None, "cache_size", 2).unwrap();
    for _ in 0..50 {
        commit(&mut store, 1_000).unwrap();
    }
    store.execute_batch("CREATE TEMP TABLE copy AS SELECT * FROM entry; VACUUM;").unwrap();
    let sorted = "SELECT count(*) FROM (SELECT body FROM temp.copy ORDER BY hex(body) LIMIT 40)";
    assert_eq!(store.query_row(sorted, [], |row| row.get(0)), Ok(40));
    store.close().unwrap();
    check(&vfs.cut(1), WAL_FULL, 50).unwrap();
}

fn error_code(outcome: rusqlite::Result<i64>) -> ErrorCode {
    outcome.unwrap_err().sqlite_error_code().unwrap()
}

fn extended_code(outcome: rusqlite::Result<i64>) -> i32 {
    outcome.unwrap_err().sqlite_error().unwrap().extended_code
}
