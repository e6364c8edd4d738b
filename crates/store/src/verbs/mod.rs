//! The verbs: each is what one caller asks, as a plain value that can be run, and run again.
//!
//! | file | verbs |
//! | --- | --- |
//! | [`auth`] | credentials of apps and operators, checked inside the transaction |
//! | [`verify`] | one call of an agent; introspection |
//! | [`token`] | issue, exchange |
//! | [`revoke`] | by connection, by user, by app |
//! | [`person`] | everything of one person, in all apps |
//! | [`narrow`] | fewer scopes, an earlier end |
//! | [`consent`] | sessions of the hosted consent page |
//! | [`oauth`] | requests, codes, tokens, devices and clients of OAuth |
//! | [`catalogue`] | the scopes of an environment |
//! | [`apps`] | apps, settings, plans |
//! | [`keys`] | API keys and public keys |
//! | [`operators`] | operators |
//! | [`accounts`] | developers' accounts |
//! | [`members`] | which developers may do what with an app |
//! | [`invites`] | links that let a developer in, once |
//! | [`dashboard`] | one-time codes and sessions of the dashboard |
//! | [`upkeep`] | expiry, counted refusals, chains, checkpoints, retention, the clock |

pub mod accounts;
pub mod apps;
pub mod auth;
pub mod catalogue;
pub mod consent;
pub mod dashboard;
pub mod invites;
pub mod keys;
pub mod members;
pub mod narrow;
pub mod oauth;
pub mod operators;
pub mod passkeys;
pub mod person;
pub(crate) mod plan_use;
pub mod revoke;
pub mod token;
pub mod upkeep;
pub mod verify;

use agentadmit_core::Refusal;

use crate::store::{Foreseen, StoreError};
use crate::tx::Tx;

/// What one caller asks of the store.
pub trait Verb: Send {
    /// What the caller hears when the transaction is durable. A refusal is an answer.
    type Answer: Send;
    /// A name for metrics and logs.
    const NAME: &'static str;

    /// Whether it holds nothing that others wait for, so that several writers may run such verbs side by
    /// side; those of one app are always the same writer's. All others are the first writer's.
    const SPREADS: bool = false;

    /// Says what it will look up, where it knows.
    fn foresee(&self, _foreseen: &mut Foreseen) {}

    /// Reads, decides, writes. May be run again after a rollback.
    ///
    /// # Errors
    /// [`StoreError`]: nothing can be said, and the whole transaction is rolled back.
    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError>;
}

/// An answer that may be a refusal.
pub type Answered<T> = Result<T, Refusal>;

/// Unwraps an [`Answered`] inside a verb: a refusal becomes the verb's answer.
macro_rules! granted {
    ($answered:expr) => {
        match $answered {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}
pub(crate) use granted;
