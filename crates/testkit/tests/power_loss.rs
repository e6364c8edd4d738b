//! What was answered is on the disk, whatever crashes next (PROTOCOL, principle 5): the power goes
//! at random moments, and everything that clients were told is looked for on what the disk kept.
//!
//! With `synchronous = OFF` the same test must find a loss, or it proves nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use agentadmit_protocol::time::Timestamp;
use agentadmit_store::FakeClock;
use agentadmit_store_sqlite::{StoreOptions, Synchronous};
use agentadmit_testkit::evidence::Lost;
use agentadmit_testkit::load::Load;
use agentadmit_testkit::power::{FileKind, PowerVfs};
use agentadmit_testkit::service::{ServiceOptions, TestService};
use agentadmit_testkit::world::{App, no_rate_limits};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const CUTS: usize = 200;
/// Rounds at a time.
const THREADS: usize = 4;
/// Small, but with every kind of answer in it.
const LOAD: Load = Load { clients: 3, lives: 8, calls: 3 };
/// Time that passes with each answer: soon folds, checkpoints and segments are due.
const PACE: Duration = Duration::from_millis(250);

/// How small things must be for a short load to reach all of them.
fn options(clock: &Arc<FakeClock>, synchronous: Synchronous, seed: u8) -> StoreOptions {
    StoreOptions {
        clock: Arc::clone(clock) as _,
        synchronous,
        segment_records: 50,
        fold_every: Duration::from_secs(2),
        readers: 1,
        ..StoreOptions::repeatable_for_tests([seed; 32])
    }
}

/// The machine of one round: the power goes once, and never comes back to this disk.
struct Machine {
    vfs: PowerVfs,
    seed: u64,
    after: OnceLock<PowerVfs>,
    unsynced: AtomicUsize,
    /// Checkpoints that reached the database itself.
    checkpoints: Arc<AtomicU64>,
}

impl Machine {
    fn new(seed: u64) -> Arc<Self> {
        let vfs = PowerVfs::new();
        let checkpoints = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&checkpoints);
        vfs.on_sync_returned(move |event| {
            if event.file == FileKind::Database {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let (after, unsynced) = (OnceLock::new(), AtomicUsize::new(0));
        Arc::new(Self { vfs, seed, after, unsynced, checkpoints })
    }

    fn cut(&self) {
        self.after.get_or_init(|| {
            self.unsynced.store(self.vfs.unsynced(), Ordering::SeqCst);
            self.vfs.cut(self.seed)
        });
    }

    /// Lets the power go at the beginning of a sync, `syncs` from now.
    fn cut_at_sync(self: &Arc<Self>, syncs: u64) {
        let machine: Weak<Self> = Arc::downgrade(self);
        let left = AtomicU64::new(syncs);
        self.vfs.on_sync_started(move |_| {
            if left.fetch_sub(1, Ordering::SeqCst) == 1
                && let Some(machine) = machine.upgrade()
            {
                machine.cut();
            }
        });
    }
}

/// What one round found.
struct Round {
    lost: Vec<Lost>,
    /// Records that answers named.
    records: usize,
    /// Changes that the disk could lose.
    unsynced: usize,
    /// Checkpoints under load.
    checkpoints: u64,
}

/// Load, loss of power, and a look at what is left.
fn round(number: usize, synchronous: Synchronous) -> Round {
    let seed = number as u64;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let clock = Arc::new(FakeClock::new(Timestamp::from_millis(1_800_000_000_000)));
    let machine = Machine::new(seed);
    let service = TestService::on_power(
        &machine.vfs,
        options(&clock, synchronous, 1),
        ServiceOptions::default(),
    )
    .unwrap();
    let app = service.operator().app(&no_rate_limits());
    let made = machine.checkpoints.load(Ordering::SeqCst);
    let cut_at = random.random_range(1..100);
    let at_sync = synchronous == Synchronous::Full && random.random_bool(0.5);
    if at_sync {
        machine.cut_at_sync(cut_at);
    }
    let evidence = LOAD.run(&app, &|answers| {
        clock.advance(PACE);
        if !at_sync && answers == cut_at {
            machine.cut();
        }
    });
    machine.cut();
    drop(service);

    let after = machine.after.get().unwrap();
    let restarted = TestService::on_power(
        after,
        options(&clock, Synchronous::Full, 2),
        ServiceOptions::default(),
    );
    let lost = match &restarted {
        Ok(service) => evidence.missing(&App { address: service.address(), ..app }),
        Err(error) => vec![Lost(format!("the store does not open: {error}"))],
    };
    let unsynced = machine.unsynced.load(Ordering::SeqCst);
    let checkpoints = machine.checkpoints.load(Ordering::SeqCst) - made;
    Round { lost, records: evidence.records(), unsynced, checkpoints }
}

#[test]
fn after_200_losses_of_power_everything_that_was_answered_is_there() {
    let (records, risky) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let checkpoints = AtomicU64::new(0);
    thread::scope(|scope| {
        for first in 0..THREADS {
            let (records, risky, checkpoints) = (&records, &risky, &checkpoints);
            scope.spawn(move || {
                for seed in (first..CUTS).step_by(THREADS) {
                    let round = round(seed, Synchronous::Full);
                    assert_eq!(round.lost, [], "seed {seed}");
                    records.fetch_add(round.records, Ordering::SeqCst);
                    checkpoints.fetch_add(round.checkpoints, Ordering::SeqCst);
                    risky.fetch_add(usize::from(round.unsynced > 0), Ordering::SeqCst);
                }
            });
        }
    });
    // a test that cuts when nothing is at risk, or before anybody was answered, tests nothing
    assert!(records.into_inner() > 1_000);
    assert!(risky.into_inner() > CUTS / 4);
    assert!(checkpoints.into_inner() > 50);
}

#[test]
fn without_syncs_the_loss_is_found() {
    let found = (0..50).find(|seed| {
        let round = round(*seed, Synchronous::Off);
        round.records > 0 && !round.lost.is_empty()
    });
    assert!(found.is_some(), "the disk forgot and nobody noticed");
}
