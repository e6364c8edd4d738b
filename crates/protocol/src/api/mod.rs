//! Requests and answers of every endpoint of the service, one file per family.
//!
//! Requests refuse members that they do not know; `null` for an optional member is as good as
//! absent. Answers are read leniently: clients ignore members that they do not know.

pub mod audit;
pub mod connections;
pub mod health;
pub mod oauth;
pub mod operator;
pub mod public_keys;
pub mod query;
pub mod revoke;
pub mod scopes;
pub mod token;
pub mod usage;
pub mod verify;
