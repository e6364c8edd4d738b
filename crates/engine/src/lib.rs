//! The use cases of the service, on any store.
//!
//! Whoever calls (the HTTP routes, the command line) hands over a credential as it was presented
//! and a verb or a question. Verbs go through [`admission`]: calls that wait at the same moment
//! share one transaction, and each is answered when it is committed and flushed. Questions are
//! answered from a snapshot that holds every transaction answered before.
//!
//! ```text
//! Engine::call(lane, verb) -> admission -> one transaction -> flushed -> the verb's answer
//! Engine::ask(credential, permission, question) -> snapshot -> the answer
//! upkeep: between batches, in slices: expiry, counted refusals, checkpoints, retention
//! ```

pub mod admission;
mod assertion;
mod call;
mod checkpoints;
pub mod consent;
pub mod credential;
mod dashboard;
mod engine;
mod error;
pub mod export;
mod health;
pub mod keyring;
pub mod oauth;
pub mod query;
mod space;
pub mod trail;
mod upkeep;
pub mod verification;

pub use agentadmit_core::cursor;
pub use agentadmit_store::record::Origin;
pub use agentadmit_store::{StoreError, Views, WriterOptions, verbs};
pub use engine::{Engine, EngineOptions, EngineSteps, Lane};
pub use error::EngineError;
pub use health::Health;
pub use keyring::Keyring;
