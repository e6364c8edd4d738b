//! What the tests of the service share; a dev-dependency only, never part of a build that ships.
//!
//! - `fuzz` (feature `fuzz`): the bodies of the fuzz targets. Everything else is the feature
//!   `service`, which is on by default.
//! - [`power`], [`gate`], [`disk`]: a disk that forgets what was not synced, one that is slow, a
//!   small one.
//! - [`postgres`]: a real `PostgreSQL`: a database per test, servers to kill, a proxy that cuts off.
//! - [`service`], [`process`]: the service in this process, or as its real binary.
//! - [`client`], [`world`]: the referee that asks it, and what tests ask for.
//! - [`dashboard`]: a store of some size, and what the dashboard asks of it.
//! - [`fleet`]: two nodes that are replaced under load.
//! - [`load`], [`evidence`]: load that takes notes, and whether what was promised is still there.
#![expect(clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "service")]
pub mod client;
#[cfg(feature = "service")]
pub mod dashboard;
#[cfg(feature = "service")]
pub mod disk;
#[cfg(feature = "service")]
pub mod evidence;
#[cfg(feature = "service")]
pub mod fleet;
#[cfg(feature = "fuzz")]
pub mod fuzz;
#[cfg(feature = "service")]
pub mod gate;
#[cfg(feature = "service")]
pub mod load;
#[cfg(feature = "service")]
pub mod postgres;
#[cfg(feature = "service")]
pub mod power;
#[cfg(feature = "service")]
pub mod process;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "service")]
pub mod world;

/// The store's crate, for tests of crates that may not import it themselves.
#[cfg(feature = "service")]
pub use agentadmit_store as store;

/// How many rounds a test makes: `few` in every run, `many` where long rounds are wanted
/// (`cargo xtask test --full`).
pub fn rounds(few: usize, many: usize) -> usize {
    if std::env::var_os("AGENTADMIT_FULL").is_some_and(|value| value == "1") { many } else { few }
}
