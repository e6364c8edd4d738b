//! The whole way of a verify on one thread, the same at every run: what `cargo xtask bench
//! instructions` counts.
//!
//! Requests go in as bytes over in-memory streams, through the connection loop, the router,
//! admission and SQLite, and answers come out as bytes. Admission has no thread here: once all
//! requests of a round wait, this program admits them as one batch. Time, seed and the order of
//! tokens are fixed. What is not in it: the kernel's sockets and the change of threads.
//!
//! The counted part is the function `counted`, by whose name callgrind is told when to count.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use agentadmit_bench::fill;
use agentadmit_bench::ticking::Ticking;
use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_engine::keyring::SecretKey;
use agentadmit_engine::{Engine, EngineOptions, EngineSteps, Keyring};
use agentadmit_http::serve::{ServeLimits, Site, Stopping, connection};
use agentadmit_http::{HttpOptions, ServiceState};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;
use tokio::task::yield_now;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole way of a verify on one thread
#[derive(Parser)]
struct Arguments {
    /// A folder for the store; must not exist
    folder: PathBuf,
    /// Calls that wait at the same moment
    #[arg(long)]
    batch: usize,
    /// How often so many wait
    #[arg(long)]
    rounds: usize,
}

/// Connections in the store: few, so that filling takes no time, and more than one page's worth.
const CONNECTIONS: u32 = 2_000;
/// Rounds before anything is counted: statements are prepared, pages are in memory.
const WARM_UP: usize = 20;
/// Bytes that a stream holds between its ends: more than a request or an answer.
const STREAM: usize = 16 * 1024;
/// Turns of the runtime after which all requests of a round must wait.
const MOST_TURNS: usize = 1_000;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let clock = Arc::new(Ticking::default());
    fill::fill(&arguments.folder, CONNECTIONS, Arc::clone(&clock) as _, true, |_| {})?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut bench = Bench::start(&arguments, &runtime, clock)?;
    runtime.block_on(bench.rounds(WARM_UP))?;
    counted(&runtime, &mut bench, arguments.rounds)
}

/// The part that is counted. It keeps its name, and nothing else has it.
#[inline(never)]
fn counted(runtime: &Runtime, bench: &mut Bench, rounds: usize) -> Result<()> {
    runtime.block_on(bench.rounds(rounds))
}

/// A service, and clients that call it at the same moment.
struct Bench {
    engine: Engine,
    steps: EngineSteps,
    clients: Vec<DuplexStream>,
    requests: Requests,
    /// Connections end when it goes.
    _stopping: Stopping,
}

impl Bench {
    fn start(arguments: &Arguments, runtime: &Runtime, clock: Arc<Ticking>) -> Result<Self> {
        let mut options = StoreOptions::repeatable_for_tests(*b"the same service at every count.");
        options.clock = Arc::clone(&clock) as _;
        let store = SqliteStore::open(arguments.folder.join("store.db"), options, Access::Service)?;
        let keyring = Keyring::open(&store, &SecretKey::new([2; 32]))?;
        let options = EngineOptions {
            issuer: "http://127.0.0.1".to_owned(),
            limits: AdmissionLimits::default(),
            retention: None,
            is_service: true,
        };
        let (engine, steps) = Engine::in_steps(Arc::new(store), clock, keyring, options)?;
        let state = ServiceState::new(engine.clone(), HttpOptions::default());
        let site = Site::with_fast_lane(agentadmit_http::router(state.clone()), state);
        let stopping = Stopping::default();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let mut clients = Vec::new();
        for _ in 0..arguments.batch {
            let (client, server) = tokio::io::duplex(STREAM);
            clients.push(client);
            let _guard = runtime.enter();
            let (site, stop) = (site.clone(), stopping.listen());
            runtime.spawn(connection(server, site, peer, ServeLimits::default(), stop));
        }
        Ok(Self {
            engine,
            steps,
            clients,
            requests: Requests::read(&arguments.folder)?,
            _stopping: stopping,
        })
    }

    /// Every client asks once, all are admitted together, every client hears its answer; again and
    /// again.
    async fn rounds(&mut self, rounds: usize) -> Result<()> {
        let mut answer = vec![0; STREAM];
        for _ in 0..rounds {
            for client in &mut self.clients {
                client.write_all(self.requests.next()).await?;
            }
            let admitted = self.admit().await;
            ensure!(admitted == self.clients.len(), "{admitted} calls were admitted together");
            for client in &mut self.clients {
                read_answer(client, &mut answer).await?;
            }
        }
        Ok(())
    }

    /// Lets every connection read its request, then admits.
    async fn admit(&mut self) -> usize {
        for _ in 0..MOST_TURNS {
            if self.engine.stats().queued.load(Ordering::Relaxed) == self.wanted() {
                break;
            }
            yield_now().await;
        }
        self.steps.batch()
    }

    fn wanted(&self) -> u64 {
        u64::try_from(self.clients.len()).unwrap_or(u64::MAX)
    }
}

/// Reads one whole answer, which must be a good one.
async fn read_answer(client: &mut DuplexStream, answer: &mut [u8]) -> Result<()> {
    let mut length = 0;
    while !answer.get(..length).is_some_and(is_whole) {
        let free = answer.get_mut(length..).context("an answer that is too long")?;
        let read = client.read(free).await?;
        ensure!(read > 0, "a connection was closed");
        length += read;
    }
    Ok(())
}

/// Whether these bytes are an answer that lets the call pass: the object ends, and so does it.
fn is_whole(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"}")
}

/// Requests with the tokens of a filled store, in an order that is always the same.
struct Requests {
    text: Vec<u8>,
    token_at: usize,
    tokens: Vec<Vec<u8>>,
    next: usize,
}

/// Added to the position of a token modulo their number, which has no factor in common with it.
const STRIDE: usize = 1_237;

impl Requests {
    fn read(folder: &Path) -> Result<Self> {
        let key = std::fs::read_to_string(folder.join("api_key"))?;
        let tokens = std::fs::read(folder.join("tokens"))?;
        let tokens: Vec<Vec<u8>> = tokens
            .split(|byte| *byte == b'\n')
            .filter(|token| !token.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        let Some(first) = tokens.first() else { bail!("a store without tokens") };
        let before = r#"{"token":""#;
        let after = r#"","scope_used":"orders:read","endpoint":"/orders/{id}","method":"GET"}"#;
        let mut text = format!(
            "POST /v1/verify HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{before}",
            key.trim(),
            before.len() + first.len() + after.len(),
        )
        .into_bytes();
        let token_at = text.len();
        text.extend_from_slice(first);
        text.extend_from_slice(after.as_bytes());
        Ok(Self { text, token_at, tokens, next: 0 })
    }

    fn next(&mut self) -> &[u8] {
        let token = self.tokens.get(self.next).map(Vec::as_slice).unwrap_or_default();
        for (to, from) in self.text.iter_mut().skip(self.token_at).zip(token) {
            *to = *from;
        }
        self.next = (self.next + STRIDE) % self.tokens.len();
        &self.text
    }
}
