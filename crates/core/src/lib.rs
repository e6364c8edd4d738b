//! Decisions of the service as pure functions of facts, call and time.
//!
//! Nothing here does I/O, reads a clock or draws a random number, and nothing panics: what a
//! function needs to know is an argument, and what it decided is its value. The stores load the
//! facts and write the consequences; this crate alone says what the consequences are.
//!
//! | module | decides |
//! | --- | --- |
//! | [`account`] | what a developer may do with an app, and who becomes one |
//! | [`verify`] | whether one call of an agent may proceed |
//! | [`connection`] | the states of a connection and the ways between them |
//! | [`issue`] | what may be granted: scopes and durations |
//! | [`consent`] | what a user is asked on the hosted page, and what may come of it |
//! | [`exchange`] | who gets the access token, once |
//! | [`oauth`] | requests, codes, tokens and clients of OAuth 2.1 |
//! | [`catalogue`] | how a scope catalogue changes |
//! | [`credential`] | whether an API key, public key or operator token is good now |
//! | [`assertion`] | what a client assertion says before its signature was checked |
//! | [`dashboard`] | one-time codes and sessions of the dashboard |
//! | [`cursor`] | where the next page of a list begins |
//! | [`rate`] | rate limits (GCRA) and their headers |
//! | [`plan`] | whether a plan's call limit is reached |
//! | [`clock`] | whether the clock can be believed |
//! | [`audit`] | the canonical form, the chain, and the check of an export |

pub mod account;
pub mod app;
pub mod assertion;
pub mod audit;
pub mod catalogue;
pub mod clock;
pub mod connection;
pub mod consent;
pub mod credential;
pub mod cursor;
pub mod dashboard;
pub mod exchange;
pub mod issue;
pub mod oauth;
pub mod passkey;
pub mod plan;
pub mod rate;
pub mod refusal;
pub mod verify;

pub use refusal::Refusal;
