//! One call of an agent (PROTOCOL, `POST /v1/verify`), and introspection (RFC 7662).

use agentadmit_core::Refusal;
use agentadmit_core::app::{App, EnvironmentState};
use agentadmit_core::connection::{Activity, Connection};
use agentadmit_core::oauth::secret::{AccessToken, OAuthSecret, Opens};
use agentadmit_core::rate::{BucketState, Charge, Rate};
use agentadmit_core::verify::{self as decision, DeadToken, InsufficientScope};
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::error::{ErrorCode, InvalidTokenReason};
use agentadmit_protocol::id::EventId;
use agentadmit_protocol::oauth::{ClientId, ResourceUri};
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::scope::{self, ScopeName};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use crate::record::{Entry, Origin};
use crate::refusals::{Counted, WindowKey};
use crate::store::{Foreseen, StoreError};
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::auth::{AppCredential, AuthenticatedApp};

/// Asks whether the call of an agent may proceed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// The app that asks.
    pub credential: AppCredential,
    /// What the agent presented.
    pub token: PresentedToken,
    /// Every scope that the call needs.
    pub scope_used: Vec<ScopeName>,
    /// Whether this is introspection, which never enforces scopes.
    pub introspection: bool,
    /// Where the call came from.
    pub origin: Origin,
}

/// A token as it was presented, already parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresentedToken {
    /// The hash of an access token.
    Access(SecretHash),
    /// No access token: another length, character, checksum or kind.
    Malformed,
}

/// What the asker hears.
#[derive(Debug, Clone, PartialEq)]
pub enum VerifyAnswer {
    /// The asker's own credential is bad or may not ask.
    Refused(Refusal),
    /// One call too many.
    RateLimited {
        /// Whose limit it is.
        limited: Limited,
        /// Nanoseconds until a call would pass.
        retry_in_ns: u64,
        /// The limits as they stand.
        limits: Limits,
    },
    /// The token opens no live connection.
    Dead {
        /// Why.
        reason: InvalidTokenReason,
        /// The limits as they stand.
        limits: Limits,
    },
    /// The connection waits for an operator after a restore.
    Suspended,
    /// The connection is live and this call is refused. Recorded.
    Denied {
        /// Why.
        denial: Denial,
        /// The record.
        audit_id: EventId,
        /// The limits as they stand.
        limits: Limits,
    },
    /// The call may proceed. Recorded.
    Allowed {
        /// The connection.
        connection: Box<Connection>,
        /// The scopes that count now.
        scopes: Vec<ScopeName>,
        /// The record.
        audit_id: EventId,
        /// The limits as they stand.
        limits: Limits,
        /// What the token of an OAuth client says beside that; `None` for one that was handed over.
        client: Option<Box<TokenOfClient>>,
    },
}

/// What the access token of an OAuth client says beside its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOfClient {
    /// Whose it is.
    pub client_id: ClientId,
    /// What it is for.
    pub resource: ResourceUri,
    /// When it dies.
    pub ends_at: Timestamp,
}

/// Why a call of a live connection is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// A scope is missing.
    InsufficientScope(InsufficientScope),
    /// The plan's calls are used up.
    LimitExceeded,
}

/// Whose rate limit refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// The asking key's.
    Key,
    /// The agent's connection's.
    Connection,
}

/// The rate limits that a call was held against; `None` where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The asking key's.
    pub key: Option<BucketState>,
    /// The agent's connection's.
    pub connection: Option<BucketState>,
}

/// One call too many: what [`VerifyAnswer::RateLimited`] says.
struct Overrun {
    limited: Limited,
    retry_in_ns: u64,
    limits: Limits,
}

impl Verb for Verify {
    type Answer = VerifyAnswer;
    const NAME: &'static str = "verify";
    // and the app's writer counts its rates
    const SPREADS: bool = true;

    fn foresee(&self, foreseen: &mut Foreseen) {
        let token = match self.token {
            PresentedToken::Access(hash) => Some(hash),
            PresentedToken::Malformed => None,
        };
        if let AppCredential::ApiKey(key) = self.credential {
            foreseen.calls.push((key, token));
        }
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<VerifyAnswer, StoreError> {
        tx.rows.share(true);
        let answer = self.answer(tx);
        tx.rows.share(false);
        answer
    }
}

impl Verify {
    fn answer(&self, tx: &mut Tx<'_>) -> Result<VerifyAnswer, StoreError> {
        let caller = match tx.authorize(&self.credential, Permission::Verify)? {
            Ok(caller) => caller,
            Err(refusal) => return Ok(VerifyAnswer::Refused(refusal)),
        };
        match self.live(tx, &caller)? {
            Err((DeadToken::Suspended, _)) => Ok(VerifyAnswer::Suspended),
            Err((DeadToken::Invalid(reason), found)) => {
                self.dead(tx, &caller, found.as_ref(), reason)
            }
            Ok((connection, client)) => match tx.charge(&caller, &connection) {
                Err(Overrun { limited, retry_in_ns, limits }) => {
                    Ok(VerifyAnswer::RateLimited { limited, retry_in_ns, limits })
                }
                Ok(limits) => self.decide(tx, &caller, connection, client, limits),
            },
        }
    }
}

/// What a token opens: a connection, and what the token says by itself.
type Opened = (Connection, Option<Box<TokenOfClient>>);
/// A live connection, or why there is none, with what was found.
type Live = Result<Opened, (DeadToken, Option<Connection>)>;

impl Verify {
    fn live(&self, tx: &mut Tx<'_>, caller: &AuthenticatedApp) -> Result<Live, StoreError> {
        let PresentedToken::Access(hash) = self.token else {
            return Ok(Err((DeadToken::Invalid(InvalidTokenReason::Malformed), None)));
        };
        let (found, client) = match tx.rows.connection_by_access_token(&hash)? {
            Some(connection) => (Some(connection), None),
            None => match tx.opened_by_client(&hash)? {
                Some((connection, client)) => (Some(connection), client),
                None => (None, None),
            },
        };
        let (tenant, now) = (caller.caller.tenant, tx.now);
        let judge = |found: Option<&Connection>, used| {
            decision::live_connection(tenant, &caller.app, found, used, now).map(|_| ())
        };
        let mut verdict = judge(found.as_ref(), None);
        // a use can only put the end off: what is live without one needs no look at them
        if let (Err(DeadToken::Invalid(InvalidTokenReason::Expired)), Some(connection)) =
            (verdict, &found)
        {
            let used = tx.rows.activity(connection.id)?.last_used_at;
            verdict = judge(found.as_ref(), used);
        }
        if verdict.is_ok() && client.as_ref().is_some_and(|client| now >= client.ends_at) {
            verdict = Err(DeadToken::Invalid(InvalidTokenReason::Expired));
        }
        Ok(match (verdict, found) {
            (Ok(()), Some(connection)) => Ok((connection, client)),
            (Ok(()), None) => Err((DeadToken::Invalid(InvalidTokenReason::Unknown), None)),
            (Err(dead), found) => Err((dead, found)),
        })
    }

    fn decide(
        &self,
        tx: &mut Tx<'_>,
        caller: &AuthenticatedApp,
        connection: Connection,
        client: Option<Box<TokenOfClient>>,
        limits: Limits,
    ) -> Result<VerifyAnswer, StoreError> {
        let environment = tx.rows.environment(connection.tenant)?;
        let scopes = match self.scopes(&caller.app, &environment, &connection) {
            Ok(scopes) => scopes,
            Err(missing) => {
                return self.deny(
                    tx,
                    caller,
                    &connection,
                    Denial::InsufficientScope(missing),
                    limits,
                );
            }
        };
        if !tx.take_from_plan(&caller.app, connection.tenant)? {
            return self.deny(tx, caller, &connection, Denial::LimitExceeded, limits);
        }
        let event =
            if self.introspection { AuditEvent::Introspected } else { AuditEvent::Verified };
        let entry = self.entry(event, caller, &connection).outcome(Outcome::Allowed);
        let audit_id = tx.record(entry)?;
        tx.count_call(connection.tenant, Outcome::Allowed);
        let activity = Activity { calls: 1, last_used_at: Some(tx.now) };
        tx.rows.note_activity(connection.id, activity)?;
        let connection = Box::new(connection);
        Ok(VerifyAnswer::Allowed { connection, scopes, audit_id, limits, client })
    }

    fn scopes(
        &self,
        app: &App,
        environment: &EnvironmentState,
        connection: &Connection,
    ) -> Result<Vec<ScopeName>, InsufficientScope> {
        if self.introspection {
            return Ok(connection.live_scopes(environment).cloned().collect());
        }
        decision::check_scopes(app, environment, connection, &self.scope_used)
    }

    fn deny(
        &self,
        tx: &mut Tx<'_>,
        caller: &AuthenticatedApp,
        connection: &Connection,
        denial: Denial,
        limits: Limits,
    ) -> Result<VerifyAnswer, StoreError> {
        let code = match denial {
            Denial::InsufficientScope(_) => ErrorCode::InsufficientScope,
            Denial::LimitExceeded => ErrorCode::LimitExceeded,
        };
        let entry = self
            .entry(AuditEvent::Refused, caller, connection)
            .outcome(Outcome::Refused)
            .reason(code.as_str());
        let audit_id = tx.record(entry)?;
        tx.count_call(connection.tenant, Outcome::Refused);
        let activity = Activity { calls: 0, last_used_at: Some(tx.now) };
        tx.rows.note_activity(connection.id, activity)?;
        Ok(VerifyAnswer::Denied { denial, audit_id, limits })
    }

    fn entry(
        &self,
        event: AuditEvent,
        caller: &AuthenticatedApp,
        connection: &Connection,
    ) -> Entry {
        Entry::new(event, caller.actor())
            .about(connection)
            .scope(scope::join(&self.scope_used))
            .origin(&self.origin)
    }

    /// Counts a refusal that concerns no live connection, against a bucket of its own.
    fn dead(
        &self,
        tx: &mut Tx<'_>,
        caller: &AuthenticatedApp,
        found: Option<&Connection>,
        reason: InvalidTokenReason,
    ) -> Result<VerifyAnswer, StoreError> {
        let limits = Limits { key: tx.key_state(caller), connection: None };
        if let Some(retry_in_ns) = tx.charge_junk(caller) {
            return Ok(VerifyAnswer::RateLimited { limited: Limited::Key, retry_in_ns, limits });
        }
        let tenant = caller.caller.tenant;
        let known = found.filter(|connection| connection.tenant == tenant);
        let key = WindowKey {
            tenant,
            key: caller.caller.key,
            connection: known.map(|connection| connection.id),
            reason,
        };
        let noted = tx.writer.refusals.note(key, tx.now);
        if let Some(former) = noted.former {
            tx.record_counted(former)?;
        }
        if let Some(first) = noted.first {
            let about = known.filter(|connection| Some(connection.id) == first.connection);
            let mut entry = Entry::new(AuditEvent::Refused, caller.actor()).tenant(tenant);
            if let Some(connection) = about {
                entry = entry.about(connection);
            }
            let scope = scope::join(&self.scope_used);
            let entry = entry.outcome(Outcome::Refused).reason(reason.as_str()).scope(scope);
            tx.record(entry.origin(&self.origin))?;
        }
        Ok(VerifyAnswer::Dead { reason, limits })
    }
}

impl Tx<'_> {
    /// What the access token of an OAuth client opens. Looked for where nothing was handed over with
    /// that token, so that what was costs nothing more.
    #[cold]
    fn opened_by_client(&mut self, hash: &SecretHash) -> Result<Option<Opened>, StoreError> {
        let Some(OAuthSecret { opens: Opens::Access(token), .. }) = self.rows.oauth_secret(hash)?
        else {
            return Ok(None);
        };
        let AccessToken { connection_id, handle, client_id, resource, ends_at } = token;
        let connection = self.rows.connection_by_access_token(&handle)?;
        let client = Box::new(TokenOfClient { client_id, resource, ends_at });
        let is_its = |connection: &Connection| connection.id == connection_id;
        Ok(connection.filter(is_its).map(|connection| (connection, Some(client))))
    }

    /// Records what a window counted beside its first refusal.
    ///
    /// # Errors
    /// The store's.
    pub fn record_counted(&mut self, counted: Counted) -> Result<(), StoreError> {
        let Counted { key, count } = counted;
        let mut entry = Entry::new(AuditEvent::Refused, Actor::Key(key.key))
            .tenant(key.tenant)
            .outcome(Outcome::Refused)
            .reason(key.reason.as_str())
            .count(count);
        entry.connection_id = key.connection;
        self.record(entry)?;
        Ok(())
    }

    /// Charges one call to the key's and the connection's bucket, or to neither.
    fn charge(
        &mut self,
        caller: &AuthenticatedApp,
        connection: &Connection,
    ) -> Result<Limits, Overrun> {
        let now_ns = self.monotonic_ns;
        let (rates, nodes) = (&caller.app.settings.rate_limit, self.nodes);
        let buckets = &mut self.writer.buckets;
        let bucket = caller.caller.bucket;
        let by_key = rates
            .per_key_per_second
            .and_then(Rate::per_second)
            .map(|rate| buckets.keys.ask(bucket, rate.shared_by(nodes), now_ns));
        let by_connection = rates
            .per_connection_per_second
            .and_then(Rate::per_second)
            .map(|rate| buckets.connections.ask(connection.id, rate.shared_by(nodes), now_ns));
        let limits = Limits { key: by_key.map(state), connection: by_connection.map(state) };
        for (charge, limited) in [(by_connection, Limited::Connection), (by_key, Limited::Key)] {
            if let Some(Charge::Refused { retry_in_ns, .. }) = charge {
                return Err(Overrun { limited, retry_in_ns, limits });
            }
        }
        if let Some(Charge::Passed { full_at_ns, .. }) = by_key {
            buckets.keys.settle(bucket, full_at_ns, now_ns);
        }
        if let Some(Charge::Passed { full_at_ns, .. }) = by_connection {
            buckets.connections.settle(connection.id, full_at_ns, now_ns);
        }
        Ok(limits)
    }

    fn key_rate(&self, caller: &AuthenticatedApp) -> Option<Rate> {
        let per_second = caller.app.settings.rate_limit.per_key_per_second?;
        Some(Rate::per_second(per_second)?.shared_by(self.nodes))
    }

    fn key_state(&self, caller: &AuthenticatedApp) -> Option<BucketState> {
        let rate = self.key_rate(caller)?;
        Some(self.writer.buckets.keys.state(caller.caller.bucket, rate, self.monotonic_ns))
    }

    /// Charges one dead token to the key's junk bucket; the wait when it is one too many.
    fn charge_junk(&mut self, caller: &AuthenticatedApp) -> Option<u64> {
        let now_ns = self.monotonic_ns;
        let rate = self.key_rate(caller)?;
        let bucket = caller.caller.bucket;
        match self.writer.buckets.junk.ask(bucket, rate, now_ns) {
            Charge::Refused { retry_in_ns, .. } => Some(retry_in_ns),
            Charge::Passed { full_at_ns, .. } => {
                self.writer.buckets.junk.settle(bucket, full_at_ns, now_ns);
                None
            }
        }
    }
}

fn state(charge: Charge) -> BucketState {
    match charge {
        Charge::Passed { state, .. } | Charge::Refused { state, .. } => state,
    }
}
