//! Requests and answers of every endpoint of the service, one file per family.
//!
//! Requests refuse members that they do not know; `null` for an optional member is as good as
//! absent. Answers are read leniently: clients ignore members that they do not know.

pub mod audit;
pub mod authorization;
pub mod connections;
pub mod consent;
pub mod credential;
pub mod dashboard;
pub mod developers;
pub mod health;
pub mod oauth;
pub mod oauth_server;
pub mod operator;
pub mod overview;
pub mod passkeys;
pub mod public_keys;
pub mod query;
pub mod revoke;
pub mod scopes;
pub mod token;
pub mod usage;
pub mod verify;
