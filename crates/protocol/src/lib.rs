//! Everything that crosses a wire: ids, secrets, times, texts, requests, answers, errors, audit
//! records. No I/O, no clock, no randomness: time and random bits are arguments.
//!
//! Types check their rule when they are read, so that what lies behind a route never meets a
//! value that the contract does not allow. Many of them are also the rows that stores keep: in a
//! format that is not human-readable they are written compactly (ids as 16 bytes, times as
//! milliseconds, words as one byte), and read as they stand.
//!
//! The feature `openapi` gives every type its schema.

pub mod account;
pub mod api;
pub mod audit;
pub mod client_address;
pub mod decimal;
mod details;
pub mod environment;
pub mod error;
pub mod exchange_failures;
pub mod id;
pub mod json;
pub mod link_code;
pub mod oauth;
pub mod permission;
pub mod plain_body;
pub mod plain_request;
pub mod prompt;
mod row_bytes;
mod schema;
pub mod scope;
pub mod secret;
pub mod settings;
pub mod sign_in_code;
pub mod text;
pub mod time;
mod url_text;
mod wire;

pub use url_text::{MAX_URL_LENGTH, RedirectUri, WebUrl};
pub use wire::UnknownWord;
