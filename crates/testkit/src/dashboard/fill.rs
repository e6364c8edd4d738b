//! A store as a service of some size has it after some weeks: many apps, people in several of them,
//! connections in every state, and a long log. Made by the verbs themselves, on any store.

use std::sync::Arc;
use std::time::Duration;

use agentadmit_core::app::{App, Tenant};
use agentadmit_core::issue::Lifetime;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConnectionId, KeyId};
use agentadmit_protocol::permission::Permissions;
use agentadmit_protocol::scope::{Scope, ScopeName};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{RateLimits, Settings};
use agentadmit_protocol::text::{Endpoint, Label, Method, UserId};
use agentadmit_store::record::Origin;
use agentadmit_store::verbs::Answered;
use agentadmit_store::verbs::apps::CreateApp;
use agentadmit_store::verbs::auth::{AppCredential, OperatorCredential};
use agentadmit_store::verbs::keys::CreateApiKey;
use agentadmit_store::verbs::revoke::{Revoke, RevokeTarget};
use agentadmit_store::verbs::token::{Exchange, Issue};
use agentadmit_store::verbs::upkeep::ExpireDue;
use agentadmit_store::verbs::verify::{PresentedToken, Verify};
use agentadmit_store::{FakeClock, Store, StoreError, Tx, Verb, write};
use anyhow::{Context as _, Result, anyhow};

/// Connections made, and calls made, in one transaction.
const BATCH: u64 = 2_000;
/// Connections of one user, each in an app of its own.
const PER_USER: u64 = 4;
/// One in so many is revoked, has ended by time, or waits for its exchange.
const REVOKED: u64 = 20;
const SHORT: u64 = 25;
const PENDING: u64 = 500;
/// One call in so many lacks a scope, or has a token that is none.
const OVERSTEPS: u64 = 50;
const MALFORMED: u64 = 500;
/// The person who is in every app.
pub const EVERYWHERE: &str = "everywhere@example.com";

/// How large a store is made.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Apps, each with connections in its live environment.
    pub apps: u32,
    /// Connections of all apps.
    pub connections: u32,
    /// Records in the log.
    pub records: u64,
    /// Days over which they are spread; the last one is the clock's at the end.
    pub days: u32,
}

/// What is in a store, to ask for.
#[derive(Debug, Clone)]
pub struct Filled {
    /// An app in the middle.
    pub app_id: AppId,
    /// The key of that app.
    pub key_id: KeyId,
    /// A connection of that app that was called all the time.
    pub connection_id: ConnectionId,
    /// Its user.
    pub user_id: UserId,
    /// Records in the log.
    pub records: u64,
}

struct Shop {
    app: App,
    key: SecretHash,
    key_id: KeyId,
}

struct Agent {
    shop: usize,
    id: ConnectionId,
    user_id: UserId,
    token: Option<SecretHash>,
}

/// Fills a store that has nothing in it. `clock` is the store's, and is moved on.
///
/// # Errors
/// What was refused, or could not be written.
pub fn fill(
    store: &dyn Store,
    clock: &Arc<FakeClock>,
    size: Size,
    say: &dyn Fn(String),
) -> Result<Filled> {
    let mut filling = Filling { store, clock, size, shops: Vec::new(), agents: Vec::new() };
    for number in 0..size.apps {
        filling.shops.push(filling.shop(number)?);
    }
    filling.connect(say)?;
    let records = filling.call(say)?;
    filling.leave_pending()?;
    filling.settle()?;
    let shop = filling.shops.len() / 2;
    let mut agents = filling.agents.iter();
    let agent = agents.find(|agent| {
        agent.shop == shop && agent.token.is_some() && agent.user_id.as_str() != EVERYWHERE
    });
    let agent = agent.context("every app has agents")?;
    let shop = filling.shops.get(shop).context("there are apps")?;
    Ok(Filled {
        app_id: shop.app.id,
        key_id: shop.key_id,
        connection_id: agent.id,
        user_id: agent.user_id.clone(),
        records,
    })
}

struct Filling<'f> {
    store: &'f dyn Store,
    clock: &'f Arc<FakeClock>,
    size: Size,
    shops: Vec<Shop>,
    agents: Vec<Agent>,
}

impl Filling<'_> {
    fn shop(&self, number: u32) -> Result<Shop> {
        let no_limit = RateLimits { per_key_per_second: None, per_connection_per_second: None };
        let scope = |name: &str| -> Result<Scope> {
            Ok(Scope {
                name: parsed(name)?,
                description: parsed("Read and change orders")?,
                category: None,
                sensitive: false,
                admin: false,
            })
        };
        let app = granted(write(
            self.store,
            &CreateApp {
                credential: OperatorCredential::Local,
                name: format!("Shop {number}"),
                description: None,
                scopes: vec![scope("orders:read")?, scope("orders:write")?],
                settings: Settings { rate_limit: no_limit, ..Settings::default() },
                origin: Origin::default(),
            },
        )?)?;
        let made = granted(write(
            self.store,
            &CreateApiKey {
                credential: OperatorCredential::Local,
                app_id: app.id,
                environment: Environment::Live,
                permissions: Permissions::default(),
                name: None,
                expires_at: None,
                origin: Origin::default(),
            },
        )?)?;
        Ok(Shop { app, key: made.key.hash, key_id: made.key.id })
    }

    fn issue(&self, shop: usize, user: &str, seconds: i64) -> Result<Issue> {
        let shop = self.shops.get(shop).context("there is such an app")?;
        Ok(Issue {
            credential: AppCredential::ApiKey(shop.key),
            app_id: shop.app.id,
            user_id: parsed(user)?,
            scopes: vec![parsed::<ScopeName>("orders:read")?],
            lifetime: Lifetime::Seconds(seconds),
            user_label: None,
            agent_label: Some(parsed::<Label>("Assistant")?),
            purpose: None,
            user_intent: None,
            origin: Origin::default(),
        })
    }

    /// All that will be there in the first hours.
    fn connect(&mut self, say: &dyn Fn(String)) -> Result<()> {
        let (shops, total) = (u64::from(self.size.apps), u64::from(self.size.connections));
        for start in (0..total).step_by(usize::try_from(BATCH)?) {
            let end = total.min(start + BATCH);
            let mut wanted = Vec::new();
            for number in start..end {
                let everywhere = number < shops;
                let user = if everywhere {
                    EVERYWHERE.to_owned()
                } else {
                    format!("user-{:07}", number / PER_USER)
                };
                let shop = usize::try_from(number % shops)?;
                let is_short = number % SHORT == 7;
                let seconds = if is_short { 7_200 } else { 31_536_000 };
                wanted.push((shop, self.issue(shop, &user, seconds)?, number % REVOKED == 3));
            }
            let mut made = Vec::new();
            self.store.transaction("connect", &mut |tx| {
                made.clear();
                for (shop, issue, is_revoked) in &wanted {
                    made.push(connect_one(tx, *shop, issue, *is_revoked)?);
                }
                Ok(())
            })?;
            self.agents.extend(made.into_iter().collect::<Result<Vec<_>>>()?);
            self.clock.advance(Duration::from_mins(1));
            self.upkeep()?;
            say(format!("{end} connections"));
        }
        Ok(())
    }

    /// Calls, spread over the days, until the log is long enough.
    fn call(&self, say: &dyn Fn(String)) -> Result<u64> {
        let end = || agentadmit_store::read(self.store, "end", |views| views.log_end());
        let there = u64::try_from(end()?)?;
        let calls = self.size.records.saturating_sub(there);
        let batches = calls.div_ceil(BATCH).max(1);
        let step = Duration::from_hours(24 * u64::from(self.size.days)) / u32::try_from(batches)?;
        let live: Vec<&Agent> = self.agents.iter().filter(|agent| agent.token.is_some()).collect();
        let many = u64::try_from(live.len())?;
        for batch in 0..batches {
            let first = batch * BATCH;
            let mut wanted = Vec::new();
            for number in first..calls.min(first + BATCH) {
                // everybody in turn, in an order that is none
                let agent = usize::try_from(number.wrapping_mul(7_919) % many)?;
                let agent = live.get(agent).context("an agent")?;
                wanted.push(self.verify(agent, number)?);
            }
            self.store.transaction("calls", &mut |tx| {
                wanted.iter().try_for_each(|verify| verify.run(tx).map(|_| ()))
            })?;
            self.clock.advance(step);
            self.upkeep()?;
            if batch % 50 == 0 {
                say(format!("{} of {calls} calls", first + BATCH));
            }
        }
        Ok(u64::try_from(end()?)?)
    }

    fn verify(&self, agent: &Agent, number: u64) -> Result<Verify> {
        let shop = self.shops.get(agent.shop).context("an agent has an app")?;
        let needed = if number % OVERSTEPS == 11 { "orders:write" } else { "orders:read" };
        let token = match agent.token {
            Some(token) if number % MALFORMED != 99 => PresentedToken::Access(token),
            _ => PresentedToken::Malformed,
        };
        Ok(Verify {
            credential: AppCredential::ApiKey(shop.key),
            token,
            scope_used: vec![parsed::<ScopeName>(needed)?],
            introspection: false,
            origin: Origin {
                endpoint: Some(parsed::<Endpoint>("/orders/{order_id}")?),
                method: Some(parsed::<Method>("GET")?),
                ..Origin::default()
            },
        })
    }

    /// Some who were given a token and have not used it yet.
    fn leave_pending(&self) -> Result<()> {
        let pending = (u64::from(self.size.connections) / PENDING).max(3);
        let issues = (0..pending)
            .map(|number| {
                let shop = usize::try_from(number)? % self.shops.len();
                self.issue(shop, &format!("new-{number:05}"), 31_536_000)
            })
            .collect::<Result<Vec<_>>>()?;
        self.store.transaction("pending", &mut |tx| {
            issues.iter().try_for_each(|issue| issue.run(tx).map(|_| ()))
        })?;
        Ok(())
    }

    /// What a service would do in its own time: time ends connections, segments are closed.
    fn upkeep(&self) -> Result<()> {
        while write(self.store, &ExpireDue)? {}
        self.store.maintain(Duration::from_millis(50))?;
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        while self.store.maintain(Duration::from_secs(1))?.more {}
        self.store.checkpoint()?;
        Ok(())
    }
}

fn connect_one(
    tx: &mut Tx<'_>,
    shop: usize,
    issue: &Issue,
    is_revoked: bool,
) -> Result<Result<Agent>, StoreError> {
    let issued = match granted(issue.run(tx)?) {
        Ok(issued) => issued,
        Err(why) => return Ok(Err(why)),
    };
    let exchange = Exchange {
        credential: None,
        token: issued.token.hash(),
        agent_label: None,
        idempotency_key: None,
        origin: Origin::default(),
    };
    let exchanged = match granted(exchange.run(tx)?) {
        Ok(exchanged) => exchanged,
        Err(why) => return Ok(Err(why)),
    };
    let id = issued.connection.id;
    if is_revoked {
        let revoke = Revoke {
            credential: issue.credential.clone(),
            target: RevokeTarget::Connection { id, owner: None },
            reason: None,
            origin: Origin::default(),
        };
        if let Err(why) = granted(revoke.run(tx)?) {
            return Ok(Err(why));
        }
    }
    let is_short = matches!(issue.lifetime, Lifetime::Seconds(seconds) if seconds < 86_400);
    let token = (!is_revoked && !is_short).then(|| exchanged.access_token.hash());
    Ok(Ok(Agent { shop, id, user_id: issue.user_id.clone(), token }))
}

/// The environment that everything stands in.
pub fn tenant(app_id: AppId) -> Tenant {
    Tenant::new(app_id, Environment::Live)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|why| anyhow!("{text}: {why}"))
}

fn granted<T>(answer: Answered<T>) -> Result<T> {
    answer.map_err(|refusal| anyhow!("refused: {}", refusal.description))
}
