//! What the tests of the service share; a dev-dependency only, never part of a build that ships.
//!
//! - `fuzz` (feature `fuzz`): the bodies of the fuzz targets.
//! - [`power`], [`gate`]: a disk that forgets what was not synced, and one that is slow.
//! - [`service`], [`process`]: the service in this process, or as its real binary.
//! - [`client`], [`world`]: the referee that asks it, and what tests ask for.
//! - [`load`], [`evidence`]: load that takes notes, and whether what was promised is still there.
#![expect(clippy::panic, reason = "a test fails by panicking")]

pub mod client;
pub mod evidence;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod gate;
pub mod load;
pub mod power;
pub mod process;
pub mod service;
pub mod world;

/// The store's crate, for tests of crates that may not import it themselves.
pub use agentadmit_store as store;

/// How many rounds a test makes: `few` in every run, `many` where long rounds are wanted
/// (`cargo xtask test --full`).
pub fn rounds(few: usize, many: usize) -> usize {
    if std::env::var_os("AGENTADMIT_FULL").is_some_and(|value| value == "1") { many } else { few }
}
