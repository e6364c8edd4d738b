//! The embedded store: one SQLite database, one writer.
//!
//! What the tables, keys and indexes are for, and how many bytes a row takes, is in
//! `docs/STORAGE.md`. The verbs are in `agentadmit-store`; here are the rows, and what is particular
//! to SQLite:
//!
//! | module | what |
//! | --- | --- |
//! | [`store`] | the store: opening, transactions, snapshots, the clock |
//! | [`statements`] | every SQL statement |
//! | [`steps`] | what a reading costs, counted |
//! | [`migrations`] | the schema's history |
//! | `session`, `views`, `rows`, `connections`, `people` | reads and writes of one transaction |
//! | `kept` | rows that the writer need not read again |
//! | `activity`, `fold`, `bundle` | calls per connection, between the log and the tables |
//! | `uncounted` | usage and heads of chains, between the log and the tables |
//! | `log`, `terms`, `postings`, `index`, `search` | the audit log, its segments, their index, reading it |
//! | `maintain` | folding, indexing, retention, checkpoints, in slices |
//! | [`backup`], [`mod@restore`], `soundness` | copies, and whether they hold together |
//! | `connect`, `writer`, `readers`, `lock` | connections, and who may have them |
//! | `reserve` | room on the disk that is kept for revocations |

mod accounts;
mod activity;
pub mod backup;
mod block;
mod bundle;
mod checkpoint;
mod codec;
mod connect;
mod connections;
pub mod copy;
mod copying;
mod error;
mod fold;
mod index;
mod kept;
mod lock;
mod log;
mod maintain;
pub mod migrations;
mod oauth;
mod options;
mod people;
mod postings;
mod readers;
mod reserve;
pub mod restore;
mod rows;
mod search;
mod session;
mod soundness;
mod sql;
pub mod statements;
pub mod steps;
pub mod store;
mod terms;
mod uncounted;
mod views;
mod writer;

pub use backup::BackupReport;
pub use copying::Progress;
pub use error::OpenError;
pub use options::{Access, Randomness, StoreOptions, Synchronous};
pub use restore::{RestoreOptions, RestoreReport, restore};
pub use store::SqliteStore;
