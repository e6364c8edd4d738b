//! Random sequences of verbs over a small universe: two apps, two environments, three users, four
//! scopes, and steps of time. Small, so that the same things meet again and again.

use proptest::prelude::*;

/// Apps of the universe.
pub const APPS: usize = 2;
/// Users of the universe.
pub const USERS: [&str; 3] = ["ann", "bob", "eve"];

/// A key of the universe: app, and whether it is the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// Which app.
    pub app: usize,
    /// Which of its environments.
    pub live: bool,
}

/// One step. Connections are named by number, in the order in which they were issued, modulo how
/// many there are; where `stranger` is given, the call comes from that key and not from the
/// connection's own. Scopes are bits, in the order of the suite's catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the line of a variant says what its members are")]
pub enum Op {
    /// Issue; a lifetime of 0 is until revoked.
    Issue { who: Who, user: usize, scopes: u8, seconds: i64, labelled: bool },
    /// Issue for an hour, and exchange the newest connection.
    Connect { who: Who, user: usize },
    /// Exchange; a key of 0 is no `Idempotency-Key`.
    Exchange { nth: usize, key: u8, presenter: Option<Who> },
    /// Open a session of the consent page; `widens` asks for more for the newest connection.
    OpenConsent { who: Who, user: usize, scopes: u8, widens: bool },
    /// Bring the code of the newest session to a browser.
    EnterConsent { nth: usize },
    /// Decide it: scopes of 0 are a no.
    DecideConsent { nth: usize, scopes: u8 },
    /// Make a link: to membership of an app, to a new account where none is named.
    Invite { app: Option<usize>, owner: bool },
    /// Come with the code of the newest link, signed in as this account where one is named.
    Come { nth: usize, account: Option<usize> },
    /// Give a member a role (1 viewer, 2 owner), or none.
    Member { app: usize, nth: usize, role: u8 },
    /// Suspend (0), resume (1) or delete (2) an account.
    Account { nth: usize, change: u8 },
    /// An OAuth client asks, the user decides; scopes of 0 are a no.
    ClientAsks { who: Who, user: usize, scopes: u8 },
    /// The newest code is exchanged, by its client or by another one; `who` asks about the token.
    ClientExchanges { nth: usize, who: Who, thief: bool },
    /// A refresh token is presented: the newest, or one of before.
    ClientRefreshes { nth: usize, ago: usize },
    /// Verify the access token of a client.
    ClientCalls { nth: usize, stranger: Option<Who>, scopes: u8 },
    /// A client ends its grant.
    ClientRevokes { nth: usize },
    /// Verify, or introspect; counts only connections that were exchanged, if there are any.
    Verify { nth: usize, stranger: Option<Who>, scopes: u8, introspection: bool },
    /// Verify what is no token.
    Malformed { who: Who },
    /// Revoke by id.
    Revoke { nth: usize, stranger: Option<Who>, owner: Option<usize> },
    /// Revoke by access token, or by connection token.
    RevokeToken { nth: usize, stranger: Option<Who>, access: bool },
    /// Revoke all of a user's.
    RevokeUser { who: Who, user: usize },
    /// Revoke all of an app's.
    RevokeApp { app: usize },
    /// Delete an app.
    DeleteApp { app: usize },
    /// Narrow: scopes that go, and seconds to the new end.
    Narrow { nth: usize, stranger: Option<Who>, scopes: u8, end_in: Option<i64> },
    /// Put a catalogue: scopes that stay, and those that are named for removal.
    Catalogue { who: Who, keep: u8, remove: u8 },
    /// Set a plan.
    Plan { app: usize, limit: Option<u64>, refuse: bool },
    /// Change what happens to replays, to the idle and to whom names no scope.
    Settings { app: usize, revoke_replays: bool, idle_days: u32, require_scope: bool },
    /// Rotate a key.
    Rotate { who: Who, overlap: i64 },
    /// Do to a connection what a restore does.
    Suspend { nth: usize },
    /// Lift that of all.
    Resume,
    /// Expire what is due.
    Expire,
    /// Write what means nothing.
    Probe,
    /// Record counted refusals.
    Flush { all: bool },
    /// Time passes. Ends a transaction.
    Pass { milliseconds: u64 },
    /// Maintenance. Ends a transaction.
    Maintain,
    /// Close this writer's chains, in a transaction of its own.
    CloseChains,
    /// Sign a checkpoint, in a transaction of its own.
    Checkpoint { who: Who },
    /// Look at everything that can be read. Ends a transaction.
    Look,
}

impl Op {
    /// Whether the step cannot share a transaction with others.
    pub fn stands_alone(&self) -> bool {
        matches!(
            self,
            Self::Pass { .. }
                | Self::Maintain
                | Self::CloseChains
                | Self::Checkpoint { .. }
                | Self::Look
        )
    }
}

/// Sequences of at most this many steps.
pub fn ops(longest: usize) -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(op(), 1..=longest)
}

/// One step. Most are calls that pass, so that there is something to end.
pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        60 => agents_step(),
        6 => endings_step(),
        8 => changes_step(),
        4 => developers_step(),
        15 => clients_step(),
        12 => time_step(),
    ]
}

fn agents_step() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (who(), user()).prop_map(|(who, user)| Op::Connect { who, user }),
        3 => (who(), user(), scopes(), lifetime(), any::<bool>()).prop_map(
            |(who, user, scopes, seconds, labelled)| Op::Issue { who, user, scopes, seconds, labelled }
        ),
        3 => (nth(), 0_u8..3, rarely(who())).prop_map(
            |(nth, key, presenter)| Op::Exchange { nth, key, presenter }
        ),
        10 => (nth(), rarely(who()), scopes(), prop::bool::weighted(0.1)).prop_map(
            |(nth, stranger, scopes, introspection)| Op::Verify { nth, stranger, scopes, introspection }
        ),
        1 => who().prop_map(|who| Op::Malformed { who }),
        2 => (who(), user(), scopes(), prop::bool::weighted(0.3)).prop_map(
            |(who, user, scopes, widens)| Op::OpenConsent { who, user, scopes, widens }
        ),
        2 => (0_usize..3).prop_map(|nth| Op::EnterConsent { nth }),
        2 => (0_usize..3, scopes()).prop_map(|(nth, scopes)| Op::DecideConsent { nth, scopes }),
    ]
}

fn clients_step() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (who(), user(), scopes()).prop_map(
            |(who, user, scopes)| Op::ClientAsks { who, user, scopes }
        ),
        4 => (0_usize..2, who(), prop::bool::weighted(0.1)).prop_map(
            |(nth, who, thief)| Op::ClientExchanges { nth, who, thief }
        ),
        4 => (0_usize..3, prop_oneof![4 => Just(0_usize), 1 => 0_usize..3]).prop_map(
            |(nth, ago)| Op::ClientRefreshes { nth, ago }
        ),
        8 => (0_usize..3, rarely(who()), scopes()).prop_map(
            |(nth, stranger, scopes)| Op::ClientCalls { nth, stranger, scopes }
        ),
        1 => (0_usize..3).prop_map(|nth| Op::ClientRevokes { nth }),
    ]
}

fn developers_step() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (rarely(0..APPS), any::<bool>()).prop_map(|(app, owner)| Op::Invite { app, owner }),
        3 => (0..APPS, any::<bool>()).prop_map(
            |(app, owner)| Op::Invite { app: Some(app), owner }
        ),
        6 => (0_usize..3, rarely(0_usize..3)).prop_map(|(nth, account)| Op::Come { nth, account }),
        2 => (0..APPS, 0_usize..3, 0_u8..3).prop_map(
            |(app, nth, role)| Op::Member { app, nth, role }
        ),
        1 => (0_usize..3, 0_u8..3).prop_map(|(nth, change)| Op::Account { nth, change }),
    ]
}

fn endings_step() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (nth(), rarely(who()), rarely(user())).prop_map(
            |(nth, stranger, owner)| Op::Revoke { nth, stranger, owner }
        ),
        6 => (nth(), rarely(who()), any::<bool>()).prop_map(
            |(nth, stranger, access)| Op::RevokeToken { nth, stranger, access }
        ),
        4 => (who(), user()).prop_map(|(who, user)| Op::RevokeUser { who, user }),
        3 => (0..APPS).prop_map(|app| Op::RevokeApp { app }),
        // one app lives on, so that something can still happen
        1 => Just(Op::DeleteApp { app: APPS - 1 }),
    ]
}

fn changes_step() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (nth(), rarely(who()), scopes().prop_map(|scopes| scopes << 1), prop::option::of(-10_i64..5_000)).prop_map(
            |(nth, stranger, scopes, end_in)| Op::Narrow { nth, stranger, scopes, end_in }
        ),
        3 => (who(), any::<bool>(), 0_u8..16, 0_u8..16).prop_map(
            |(who, all, keep, remove)| {
                let keep = if all { 0b1111 } else { keep };
                Op::Catalogue { who, keep, remove: remove & !keep }
            }
        ),
        4 => (0..APPS, prop::option::weighted(0.8, 0_u64..6), prop::bool::weighted(0.8)).prop_map(
            |(app, limit, refuse)| Op::Plan { app, limit, refuse }
        ),
        2 => (0..APPS, any::<bool>(), 1_u32..4, prop::bool::weighted(0.2)).prop_map(
            |(app, revoke_replays, idle_days, require_scope)| {
                Op::Settings { app, revoke_replays, idle_days, require_scope }
            }
        ),
        1 => (who(), prop_oneof![Just(0_i64), 1_i64..3_600]).prop_map(
            |(who, overlap)| Op::Rotate { who, overlap }
        ),
        1 => nth().prop_map(|nth| Op::Suspend { nth }),
        1 => Just(Op::Resume),
    ]
}

fn time_step() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => milliseconds().prop_map(|milliseconds| Op::Pass { milliseconds }),
        3 => Just(Op::Expire),
        1 => Just(Op::Probe),
        2 => any::<bool>().prop_map(|all| Op::Flush { all }),
        2 => Just(Op::Maintain),
        1 => Just(Op::CloseChains),
        1 => who().prop_map(|who| Op::Checkpoint { who }),
        1 => Just(Op::Look),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    (0..APPS, any::<bool>()).prop_map(|(app, live)| Who { app, live })
}

fn user() -> impl Strategy<Value = usize> {
    0..USERS.len()
}

/// New connections meet more often than old ones.
fn nth() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 0_usize..4, 1 => 0_usize..64]
}

/// Bits of scopes: mostly the first alone, which every connection of these sequences tends to hold.
fn scopes() -> impl Strategy<Value = u8> {
    prop_oneof![5 => Just(0b0001_u8), 2 => 1_u8..8, 1 => 0_u8..16]
}

fn rarely<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    prop::option::weighted(0.1, strategy)
}

fn lifetime() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0_i64), Just(60), 60_i64..7_200, Just(31_536_000)]
}

/// Steps that end things: a moment, a minute, the token's ten minutes, an hour, days.
fn milliseconds() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0_u64..2_000,
        2 => prop_oneof![Just(59_999_u64), Just(60_000), Just(600_000)],
        1 => prop_oneof![Just(3_600_000_u64), Just(86_400_000), 1_u64..200_000_000],
    ]
}
