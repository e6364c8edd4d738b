//! A store with many connections, made by the verbs themselves: what is in it is what issuing and
//! exchanging would have left, records included.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::app::App;
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::permission::Permissions;
use agentadmit_protocol::scope::{Scope, ScopeName};
use agentadmit_protocol::secret::Secret;
use agentadmit_protocol::settings::{RateLimits, Settings};
use agentadmit_store::record::Origin;
use agentadmit_store::verbs::Answered;
use agentadmit_store::verbs::apps::CreateApp;
use agentadmit_store::verbs::auth::{AppCredential, OperatorCredential};
use agentadmit_store::verbs::keys::CreateApiKey;
use agentadmit_store::verbs::token::{Exchange, Issue};
use agentadmit_store::{Clock, Store, Tx, Verb, store};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore};
use agentadmit_store_sqlite::{Access, SqliteStore, StoreOptions};
use anyhow::{Context, Result, anyhow};

/// Connections made in one transaction.
const BATCH: u32 = 10_000;
/// Connections of one user.
const PER_USER: u32 = 10;
/// The scope that every connection holds.
const SCOPE: &str = "orders:read";
/// Limits are on, and no load comes near them.
const RATE_PER_SECOND: u32 = 1_000_000;
/// Seeds the store's randomness: every filling is the same.
const SEED: [u8; 32] = *b"the same store at every filling.";

/// Fills a new folder. `say` is told how far it is. With `has_limits` the app has rate limits,
/// which no load comes near.
///
/// # Errors
/// What could not be written.
pub fn fill(
    folder: &Path,
    connections: u32,
    clock: Arc<dyn Clock>,
    has_limits: bool,
    say: impl Fn(String),
) -> Result<()> {
    fs::create_dir(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let path = folder.join("store.db");
    let mut options = StoreOptions::repeatable_for_tests(SEED);
    options.clock = clock;
    // nothing is left to be read again at the start of whoever is measured on it
    options.fold_every = Duration::ZERO;
    let store = SqliteStore::open(path, options, Access::Service)?;
    fill_store(&store, folder, connections, has_limits, &say)
}

/// Fills an empty database; the folder gets key and tokens.
///
/// # Errors
/// What could not be written.
pub fn fill_database(
    address: &str,
    folder: &Path,
    connections: u32,
    has_limits: bool,
    say: impl Fn(String),
) -> Result<()> {
    fs::create_dir(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let options = PostgresOptions {
        repeatable_seed: Some(SEED),
        writers: 1,
        fold_every: Duration::ZERO,
        ..PostgresOptions::new()
    };
    let store = PostgresStore::open(address, options)?;
    fill_store(&store, folder, connections, has_limits, &say)
}

fn fill_store(
    store: &dyn Store,
    folder: &Path,
    connections: u32,
    has_limits: bool,
    say: &dyn Fn(String),
) -> Result<()> {
    let issuer = Issuer::new(store, has_limits)?;
    fs::write(folder.join("api_key"), format!("{}\n", issuer.key.expose()))?;
    let mut tokens = BufWriter::new(File::create(folder.join("tokens"))?);
    for start in (0..connections).step_by(usize::try_from(BATCH)?) {
        for token in issuer.connect(store, start..connections.min(start + BATCH))? {
            writeln!(tokens, "{}", token.expose())?;
        }
        say(format!("{} connections", connections.min(start + BATCH)));
    }
    tokens.flush()?;
    settle(store, say)
}

/// Lets the store do what it would do in its own time: folding, segments, their index.
fn settle(store: &dyn Store, say: &dyn Fn(String)) -> Result<()> {
    let mut rows = 0;
    loop {
        let report = store.maintain(Duration::from_millis(500))?;
        rows += report.rows;
        if !report.more {
            say(format!("{rows} rows of upkeep"));
            return Ok(());
        }
    }
}

/// One app that lets agents in.
struct Issuer {
    app: App,
    key: Secret,
    scope: ScopeName,
}

impl Issuer {
    fn new(store: &dyn Store, has_limits: bool) -> Result<Self> {
        let scope: ScopeName = SCOPE.parse().map_err(|why| anyhow!("{SCOPE}: {why}"))?;
        let rate = has_limits.then_some(RATE_PER_SECOND);
        let rate_limit = RateLimits { per_key_per_second: rate, per_connection_per_second: rate };
        let app = granted(store::write(
            store,
            &CreateApp {
                credential: OperatorCredential::Local,
                name: "Bench".to_owned(),
                description: None,
                scopes: vec![Scope {
                    name: scope.clone(),
                    description: "Read orders".parse().map_err(|why| anyhow!("{why}"))?,
                    category: None,
                    sensitive: false,
                    admin: false,
                }],
                settings: Settings { rate_limit, ..Settings::default() },
                origin: Origin::default(),
            },
        )?)?;
        let created = granted(store::write(
            store,
            &CreateApiKey {
                credential: OperatorCredential::Local,
                app_id: app.id,
                environment: Environment::Test,
                permissions: Permissions::default(),
                name: None,
                expires_at: None,
                origin: Origin::default(),
            },
        )?)?;
        Ok(Self { app, key: created.secret, scope })
    }

    /// Makes connections in one transaction; their access tokens.
    fn connect(&self, store: &dyn Store, numbers: std::ops::Range<u32>) -> Result<Vec<Secret>> {
        let mut tokens = Vec::new();
        store.transaction("fill", &mut |tx| {
            tokens.clear();
            for number in numbers.clone() {
                tokens.push(self.connect_one(tx, number)?);
            }
            Ok(())
        })?;
        tokens.into_iter().collect()
    }

    fn connect_one(
        &self,
        tx: &mut Tx<'_>,
        number: u32,
    ) -> Result<Result<Secret>, store::StoreError> {
        let issue = match self.issue(number) {
            Ok(issue) => issue,
            Err(why) => return Ok(Err(why)),
        };
        let token = match granted(issue.run(tx)?) {
            Ok(issued) => issued.token.hash(),
            Err(why) => return Ok(Err(why)),
        };
        let exchange = Exchange {
            credential: None,
            token,
            agent_label: None,
            idempotency_key: None,
            origin: Origin::default(),
        };
        Ok(granted(exchange.run(tx)?).map(|exchanged| exchanged.access_token))
    }

    fn issue(&self, number: u32) -> Result<Issue> {
        let user = format!("user-{:07}", number / PER_USER);
        Ok(Issue {
            credential: AppCredential::ApiKey(self.key.hash()),
            app_id: self.app.id,
            user_id: user.parse().map_err(|why| anyhow!("{user}: {why}"))?,
            scopes: vec![self.scope.clone()],
            lifetime: Lifetime::Seconds(31_536_000),
            user_label: None,
            agent_label: Some("Assistant".parse().map_err(|why| anyhow!("{why}"))?),
            purpose: None,
            user_intent: None,
            origin: Origin::default(),
        })
    }
}

fn granted<T>(answer: Answered<T>) -> Result<T> {
    answer.map_err(|refusal| anyhow!("refused: {}", refusal.description))
}
