//! What a writer keeps in memory between its transactions. None of it decides about access; losing
//! it loses no promise.

use std::hash::Hash;

use agentadmit_core::app::Tenant;
use agentadmit_core::clock::ClockGuard;
use agentadmit_core::rate::{BucketState, Charge, Rate};
use agentadmit_protocol::id::{ConnectionId, KeyId};
use agentadmit_protocol::oauth::UserCode;
use agentadmit_protocol::secret::{Secret, SecretKind};
use agentadmit_protocol::sign_in_code::SignInCode;
use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};

use crate::maps::{KeyMap, KeySet};
use crate::refusals::RefusalWindows;
use crate::verbs::plan_use::UsedUp;
use crate::views::{Chain, ChainKind, LogPosition};

/// Rules of the whole service that verbs need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterOptions {
    /// Live keys and live issues only for apps with a plan (`serve --live-requires-plan`).
    pub live_requires_plan: bool,
}

/// The chains that are remembered between transactions; above that they are read anew.
const MOST_CHAINS: usize = 1_024;

/// The memory of one writer: a database session with one transaction at a time.
#[derive(Debug)]
pub struct WriterState {
    /// The writer's name in chains: random, so that every incarnation has its own.
    pub writer: u64,
    /// Rules of the whole service.
    pub options: WriterOptions,
    /// Whether the clock is believed.
    pub clock: ClockGuard,
    /// The end of the log when the clock was last held against it; `None` before the first time.
    pub(crate) seen_to: Option<LogPosition>,
    /// This writer's open chains by tenant, as of [`WriterState::chains_at`].
    pub(crate) chains: KeyMap<Option<Tenant>, Chain>,
    /// The end of the log that `chains` go with: nothing changes a chain without appending a record.
    pub(crate) chains_at: Option<LogPosition>,
    /// Refusals that are counted.
    pub refusals: RefusalWindows,
    /// Tenants with records since their last checkpoint.
    pub unchecked: KeySet<Option<Tenant>>,
    pub(crate) buckets: Buckets,
    pub(crate) used_up: UsedUp,
    random: ChaCha12Rng,
}

impl WriterState {
    /// A new writer. `seed` is the only randomness it ever gets.
    pub fn new(seed: [u8; 32], options: WriterOptions) -> Self {
        let mut random = ChaCha12Rng::from_seed(seed);
        Self {
            // 53 bits: a JSON number that every reader keeps exactly
            writer: random.next_u64() >> 11,
            options,
            clock: ClockGuard::default(),
            seen_to: None,
            chains: KeyMap::default(),
            chains_at: None,
            refusals: RefusalWindows::default(),
            unchecked: KeySet::default(),
            buckets: Buckets::default(),
            used_up: UsedUp::default(),
            random,
        }
    }

    /// The transaction is committed: what it charged stays charged.
    pub fn committed(&mut self) {
        self.buckets.keep();
    }

    /// The transaction was rolled back: what it charged is given back, since it may be run again.
    /// Nobody knows which first record of a refusal was lost, so each window begins anew.
    pub fn roll_back(&mut self) {
        self.buckets.give_back();
        self.used_up.forget();
        self.refusals.forget();
        self.forget_chains();
    }

    /// Whether this writer knows that a tenant's plan lets no call through, without looking at it.
    pub fn knows_as_used_up(&self, tenant: Tenant, monotonic_ns: u64) -> bool {
        self.used_up.has(tenant, monotonic_ns)
    }

    /// Takes the chains as they stand at the end of a transaction that is about to be committed.
    pub(crate) fn remember_chains(
        &mut self,
        chains: KeyMap<Option<Tenant>, Chain>,
        end: LogPosition,
    ) {
        if self.chains.len() >= MOST_CHAINS {
            self.chains.clear();
        }
        self.chains.extend(chains);
        self.chains_at = Some(end);
    }

    /// The chain that this writer has open for a tenant, where it is remembered.
    pub(crate) fn chain(&self, tenant: Option<Tenant>) -> Option<&Chain> {
        let writer = self.writer;
        self.chains.get(&tenant).filter(|chain| chain.kind == ChainKind::Writer { writer })
    }

    /// Forgets the chains, to read them anew, where the log has another end than the one that they go with.
    pub(crate) fn hold_chains_against(&mut self, end: LogPosition) {
        if self.chains_at != Some(end) {
            self.forget_chains();
        }
    }

    /// Forgets the chains: for a store in which another writer may close or trim them while the log's
    /// end stays where it is.
    pub fn forget_chains(&mut self) {
        self.chains.clear();
        self.chains_at = None;
    }

    /// How much randomness has been drawn.
    pub fn drawn(&self) -> u128 {
        self.random.get_word_pos()
    }

    /// Draws the same randomness again, from where [`WriterState::drawn`] said. For a transaction
    /// that is run again after it was rolled back, so that its ids and secrets stay what they were.
    pub fn draw_again(&mut self, drawn: u128) {
        self.random.set_word_pos(drawn);
    }

    /// Ten random bytes: the tail of an id.
    pub fn random_id(&mut self) -> [u8; 10] {
        let mut bytes = [0; 10];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// A new secret.
    pub fn mint(&mut self, kind: SecretKind) -> Secret {
        Secret::mint(kind, self.random_secret())
    }

    /// A new secret that only a browser carries.
    pub fn mint_plain(&mut self) -> Secret {
        Secret::plain(self.random_secret())
    }

    /// A new sign-in code.
    pub fn mint_code(&mut self) -> SignInCode {
        SignInCode::mint(self.random_id())
    }

    /// A new code that a user types for a device.
    pub fn mint_user_code(&mut self) -> UserCode {
        let mut bytes = [0; 8];
        self.random.fill_bytes(&mut bytes);
        UserCode::mint(bytes)
    }

    fn random_secret(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.random.fill_bytes(&mut bytes);
        bytes
    }
}

/// The rate buckets of a writer (PROTOCOL, Limits).
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    pub(crate) keys: BucketMap<KeyId>,
    pub(crate) junk: BucketMap<KeyId>,
    pub(crate) connections: BucketMap<ConnectionId>,
    /// Consent sessions that keys open.
    pub(crate) asked: BucketMap<KeyId>,
}

impl Buckets {
    fn keep(&mut self) {
        self.keys.charged.clear();
        self.junk.charged.clear();
        self.connections.charged.clear();
        self.asked.charged.clear();
    }

    fn give_back(&mut self) {
        self.keys.give_back();
        self.junk.give_back();
        self.connections.give_back();
        self.asked.give_back();
    }
}

/// Buckets by key. Only those that are not full have an entry.
#[derive(Debug)]
pub(crate) struct BucketMap<K> {
    full_at_ns: KeyMap<K, u64>,
    /// What stood there before each charge of the running transaction.
    charged: Vec<(K, Option<u64>)>,
    sweep_at: usize,
}

/// Entries below which nobody sweeps.
const SMALL: usize = 1_024;

impl<K> Default for BucketMap<K> {
    fn default() -> Self {
        Self { full_at_ns: KeyMap::default(), charged: Vec::new(), sweep_at: SMALL }
    }
}

impl<K: Copy + Eq + Hash> BucketMap<K> {
    /// What the bucket would say to one call. Nothing is charged.
    pub(crate) fn ask(&self, key: K, rate: Rate, now_ns: u64) -> Charge {
        rate.charge(self.full_at(key), now_ns)
    }

    /// The bucket as it is.
    pub(crate) fn state(&self, key: K, rate: Rate, now_ns: u64) -> BucketState {
        rate.state(self.full_at(key), now_ns)
    }

    /// Charges what [`BucketMap::ask`] let pass.
    pub(crate) fn settle(&mut self, key: K, full_at_ns: u64, now_ns: u64) {
        if self.full_at_ns.len() >= self.sweep_at {
            self.full_at_ns.retain(|_, full_at| *full_at > now_ns);
            self.sweep_at = self.full_at_ns.len().saturating_mul(2).max(SMALL);
        }
        let before = self.full_at_ns.insert(key, full_at_ns);
        self.charged.push((key, before));
    }

    fn give_back(&mut self) {
        while let Some((key, before)) = self.charged.pop() {
            match before {
                Some(full_at_ns) => self.full_at_ns.insert(key, full_at_ns),
                None => self.full_at_ns.remove(&key),
            };
        }
    }

    fn full_at(&self, key: K) -> u64 {
        self.full_at_ns.get(&key).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of ten million connections that call at random: what is kept is what one call takes out
    /// of its bucket until that is full again.
    #[test]
    fn full_buckets_take_no_memory() {
        const CONNECTIONS: u64 = 10_000_000;
        const CALL_EVERY_NS: u64 = 20_000;
        for per_second in [1, 50] {
            let rate = Rate::per_second(per_second).unwrap();
            let open = 1_000_000_000 / u64::from(per_second) / CALL_EVERY_NS;
            let most = 8 * usize::try_from(open).unwrap().max(SMALL);
            let mut random = ChaCha12Rng::from_seed([7; 32]);
            let mut map = BucketMap::default();
            for call in 0..8 * open.max(20_000) {
                let (connection, now_ns) = (random.next_u64() % CONNECTIONS, call * CALL_EVERY_NS);
                if let Charge::Passed { full_at_ns, .. } = map.ask(connection, rate, now_ns) {
                    map.settle(connection, full_at_ns, now_ns);
                }
                map.charged.clear();
                assert!(map.full_at_ns.capacity() <= most, "{call}: {most} were enough");
            }
        }
    }

    #[test]
    fn one_seed_gives_one_writer() {
        let first = WriterState::new([7; 32], WriterOptions::default());
        let second = WriterState::new([7; 32], WriterOptions::default());
        assert_eq!(first.writer, second.writer);
        assert!(first.writer < 1 << 53);
    }
}
