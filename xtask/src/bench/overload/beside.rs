//! Who else asks while the load goes on, and how long they wait.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};

use super::{super::ask::Asker, World, flood::Done};

/// Clients that keep to `Retry-After`.
const POLITE: usize = 8;
/// How long such a client waits after a refusal: what it was told; and after an answer.
const TOLD: Duration = Duration::from_secs(1);
const CONTENT: Duration = Duration::from_millis(100);
/// Between two calls of the app that revokes, and of the operator.
const EVERY: Duration = Duration::from_millis(50);
/// Clients of the second app, each of which asks as soon as it has an answer: enough to fill its
/// share of every batch.
const COMPANY: usize = 24;

/// What those beside the load saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    /// How long refusals took, in milliseconds.
    pub(super) refusals_ms: Vec<f64>,
    /// How long revocations and the operator's calls took.
    pub(super) reserved_ms: Vec<f64>,
    /// Refusals without `Retry-After`.
    pub(super) silent: u32,
    /// Calls a second of the second app that were decided.
    pub(super) company: f64,
}

impl Beside {
    /// Runs the load with all the others beside it.
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    pub(super) fn while_it_runs(
        address: SocketAddr,
        world: &World,
        has_company: bool,
        load: impl FnOnce() -> Result<Done>,
    ) -> Result<(Done, Self)> {
        let stop = AtomicBool::new(false);
        let decided = AtomicU64::new(0);
        let began = std::time::Instant::now();
        thread::scope(|scope| {
            let polite: Vec<_> = (0..POLITE)
                .map(|_| scope.spawn(|| be_polite(&stop, address, &world.verify)))
                .collect();
            let reserved = scope.spawn(|| use_reserved_lane(&stop, address, world));
            let company: Vec<_> = (0..if has_company { COMPANY } else { 0 })
                .map(|_| scope.spawn(|| keep_company(&stop, address, &world.other_app, &decided)))
                .collect();
            let done = load();
            let took = began.elapsed().as_secs_f64();
            stop.store(true, Ordering::Relaxed);
            let mut beside = Self::default();
            for client in polite {
                let (waits, silent) = client.join().map_err(|_| anyhow!("a client stopped"))??;
                beside.refusals_ms.extend(waits);
                beside.silent += silent;
            }
            beside.reserved_ms = reserved.join().map_err(|_| anyhow!("a client stopped"))??;
            for client in company {
                client.join().map_err(|_| anyhow!("a client stopped"))??;
            }
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            {
                beside.company = decided.load(Ordering::Relaxed) as f64 / took;
            }
            Ok((done?, beside))
        })
    }
}

fn milliseconds(waited: Duration) -> f64 {
    waited.as_secs_f64() * 1_000.0
}

/// Asks over a new connection each time, and comes back when it was told to. How long its refusals
/// took, and how many did not say when to come back.
#[expect(clippy::disallowed_methods, reason = "it waits as long as it is told")]
fn be_polite(stop: &AtomicBool, address: SocketAddr, verify: &str) -> Result<(Vec<f64>, u32)> {
    let (mut waits, mut silent) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let answer = Asker::connect(address)?.ask(verify).context("a polite client")?;
        if answer.status == 503 || answer.status == 429 {
            waits.push(milliseconds(answer.waited));
            silent += u32::from(!answer.has_header("retry-after"));
            thread::sleep(TOLD);
        } else {
            ensure!(answer.status == 200, "a polite client was answered {}", answer.body);
            thread::sleep(CONTENT);
        }
    }
    Ok((waits, silent))
}

/// Revokes, asks as an operator, in turns. How long each took.
#[expect(clippy::disallowed_methods, reason = "it is a calm caller")]
fn use_reserved_lane(stop: &AtomicBool, address: SocketAddr, world: &World) -> Result<Vec<f64>> {
    let mut client = Asker::connect(address)?;
    let mut waits = Vec::new();
    let calls = world.revokes.iter().flat_map(|revoke| [revoke, &world.operator]).cycle();
    for call in calls {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let answer = client.ask(call).and_then(super::super::ask::Answer::expect_ok);
        waits.push(milliseconds(answer.context("who revokes, or operates")?.waited));
        thread::sleep(EVERY);
    }
    Ok(waits)
}

fn keep_company(
    stop: &AtomicBool,
    address: SocketAddr,
    verify: &str,
    decided: &AtomicU64,
) -> Result<()> {
    let mut client = Asker::connect(address)?;
    while !stop.load(Ordering::Relaxed) {
        let answer = client.ask(verify).context("the second app")?;
        if answer.status == 200 {
            decided.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
