//! One client that asks for verify as fast as it gets answers, for `cargo xtask bench sdk`.
//!
//! Prints one line of JSON: how many calls, how long, and the processor time of this process.

#![expect(clippy::print_stdout, reason = "a program talks to its caller")]

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use agentadmit::client::Verdict;
use agentadmit::protocol::api::verify::{VerifyAnswer, VerifyCall};
use agentadmit::settings::ApiKey;
use agentadmit::time::{Clock, SystemClock};
use agentadmit::{Client, Settings, blocking};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Parser, ValueEnum};
use tokio::runtime::{Builder, Runtime};

/// What every call needs; the scope that `fill-store` grants.
const SCOPE: &str = "orders:read";
/// Tokens that are asked for in turn.
const TOKENS: usize = 10_000;

#[derive(Parser)]
struct Arguments {
    /// Who asks
    #[arg(long, value_enum)]
    client: Which,
    /// The service's address
    #[arg(long)]
    service: String,
    /// A folder that `fill-store` wrote
    #[arg(long)]
    filled: PathBuf,
    /// Calls at a time
    #[arg(long)]
    at_a_time: usize,
    /// How long
    #[arg(long)]
    seconds: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// `agentadmit::Client` on a runtime of one thread
    Async,
    /// `agentadmit::blocking::Client`, a thread for each call
    Blocking,
    /// `agentadmit::Client` under `block_on`, a thread for each call: what a blocking client on a
    /// runtime would cost
    BlockOn,
    /// reqwest on a runtime of one thread
    Reqwest,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let key = fs::read_to_string(arguments.filled.join("api_key"))?.trim().to_owned();
    let load = Arc::new(Load::new(&arguments)?);
    let mut settings = Settings::new(arguments.service.parse()?, ApiKey::new(key.as_str())?);
    settings.timeout = Duration::from_secs(10);
    let at_a_time = arguments.at_a_time;
    let stop = Arc::clone(&load);
    let seconds = Duration::from_secs(arguments.seconds);
    std::thread::spawn(move || {
        SystemClock.block(seconds);
        stop.is_over.store(true, Ordering::Relaxed);
    });
    let (cpu, start) = (cpu_seconds(), SystemClock.monotonic_ns());
    match arguments.client {
        Which::Async => on_runtime(&load, at_a_time, &Client::new(&settings)?)?,
        Which::Reqwest => {
            let url = format!("{}/v1/verify", arguments.service);
            on_runtime(&load, at_a_time, &Peer { client: reqwest::Client::new(), url, key })?;
        }
        Which::Blocking => on_threads(&load, at_a_time, &blocking::Client::new(&settings)?)?,
        Which::BlockOn => {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            let client = BlockOn(Client::new(&settings)?, Arc::new(runtime));
            on_threads(&load, at_a_time, &client)?;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
    let seconds = (SystemClock.monotonic_ns() - start) as f64 / 1e9;
    let calls = load.calls.load(Ordering::Relaxed);
    let cpu = cpu_seconds() - cpu;
    println!(r#"{{"calls":{calls},"seconds":{seconds:.6},"cpu_seconds":{cpu:.6}}}"#);
    Ok(())
}

/// What is asked, and how often it was.
struct Load {
    tokens: Vec<String>,
    calls: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn new(arguments: &Arguments) -> Result<Self> {
        let tokens = fs::read_to_string(arguments.filled.join("tokens"))?;
        let tokens: Vec<String> = tokens.lines().take(TOKENS).map(str::to_owned).collect();
        if tokens.is_empty() {
            bail!("there are no tokens");
        }
        Ok(Self { tokens, calls: AtomicUsize::new(0), is_over: AtomicBool::new(false) })
    }

    /// The next call to make, until it is over.
    fn next(&self) -> Option<VerifyCall<'_>> {
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let token = self.tokens.get(number % self.tokens.len())?;
        Some(VerifyCall {
            token,
            scope_used: Some(SCOPE),
            endpoint: Some("/orders/{id}"),
            method: Some("GET"),
            agent_ip: None,
        })
    }
}

/// Somebody who can be asked on a runtime.
trait Asks: Clone + Send + Sync + 'static {
    fn ask(&self, call: &VerifyCall<'_>) -> impl Future<Output = Result<()>> + Send;
}

/// Somebody who can be asked on a thread.
trait AsksHere: Clone + Send + 'static {
    fn ask_here(&self, call: &VerifyCall<'_>) -> Result<()>;
}

fn on_runtime(load: &Arc<Load>, at_a_time: usize, client: &impl Asks) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let one = || {
            let (load, client) = (Arc::clone(load), client.clone());
            async move {
                while let Some(call) = load.next() {
                    client.ask(&call).await?;
                }
                anyhow::Ok(())
            }
        };
        let all: Vec<_> = (0..at_a_time).map(|_| tokio::spawn(one())).collect();
        for task in all {
            task.await??;
        }
        Ok(())
    })
}

fn on_threads(load: &Arc<Load>, at_a_time: usize, client: &impl AsksHere) -> Result<()> {
    let one = |_| {
        let (load, client) = (Arc::clone(load), client.clone());
        std::thread::spawn(move || {
            while let Some(call) = load.next() {
                client.ask_here(&call)?;
            }
            anyhow::Ok(())
        })
    };
    let all: Vec<_> = (0..at_a_time).map(one).collect();
    for thread in all {
        thread.join().map_err(|_| anyhow!("a thread has died"))??;
    }
    Ok(())
}

fn allowed(verdict: &Verdict) -> Result<()> {
    match verdict {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Refused(refusal) => bail!("refused, so nothing was measured: {}", refusal.error),
    }
}

impl Asks for Client {
    async fn ask(&self, call: &VerifyCall<'_>) -> Result<()> {
        allowed(&self.verify(call).await?)
    }
}

impl AsksHere for blocking::Client {
    fn ask_here(&self, call: &VerifyCall<'_>) -> Result<()> {
        allowed(&self.verify(call)?)
    }
}

#[derive(Clone)]
struct BlockOn(Client, Arc<Runtime>);

impl AsksHere for BlockOn {
    fn ask_here(&self, call: &VerifyCall<'_>) -> Result<()> {
        self.1.block_on(self.0.ask(call))
    }
}

/// The yardstick: the usual client, doing the same and reading the same.
#[derive(Clone)]
struct Peer {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Asks for Peer {
    async fn ask(&self, call: &VerifyCall<'_>) -> Result<()> {
        let request = self.client.post(&self.url).bearer_auth(&self.key);
        let request = request.header("content-type", "application/json");
        let answer = request.body(serde_json::to_vec(call)?).send().await?.error_for_status()?;
        let answer: VerifyAnswer = serde_json::from_slice(&answer.bytes().await?)?;
        answer.active.then_some(()).context("not active")
    }
}

/// User and system time of this process, all of its threads.
fn cpu_seconds() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    #[expect(unsafe_code, reason = "getrusage fills the whole struct, which is plain numbers")]
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
