//! The store for many nodes: one `PostgreSQL` database, any number of writers.
//!
//! What the tables, keys and indexes are for, and why what is promised holds with several writers,
//! is in `docs/POSTGRES.md`. The verbs are in `agentadmit-store`; here are the rows, and what is
//! particular to `PostgreSQL`:
//!
//! | module | what |
//! | --- | --- |
//! | [`store`] | the store: opening, transactions, snapshots, the clock |
//! | [`statements`] | the SQL statements |
//! | [`migrations`], `indexes` | the schema's history; indexes that are built while everybody goes on |
//! | `writer` | a connection, a lane of positions, retries, commits of unknown outcome |
//! | `session`, `views`, `rows`, `connections`, `people`, `chains`, `usage` | reads and writes of one transaction |
//! | `foresight` | what a batch will look up, fetched in one round trip |
//! | `leases`, `nodes` | limits that several writers share: what a lane keeps of a plan, how many nodes live |
//! | `load` | a whole store of another kind, loaded into an empty database |
//! | `log`, `search` | the audit log, and reading it |
//! | `maintain` | folding, parts, segments, indexes, retention |
//! | `address`, `tls`, `advice` | where the database is, how connections are protected, what to do when none comes |
//! | `link`, `driver` | the driver |

mod accounts;
mod address;
mod advice;
mod chains;
mod codec;
mod connections;
mod driver;
mod durability;
mod error;
mod foresight;
mod indexes;
mod leases;
mod link;
mod load;
mod log;
mod maintain;
pub mod migrations;
mod nodes;
mod oauth;
mod options;
mod people;
mod rows;
mod search;
mod session;
pub mod statements;
pub mod store;
mod tls;
mod usage;
mod views;
mod writer;

pub use error::OpenError;
pub use indexes::{Index, WithRows};
pub use load::Loaded;
pub use migrations::Migrated;
#[cfg(feature = "testing")]
pub use options::NextVersion;
pub use options::{Patience, PostgresOptions, Time};
pub use store::PostgresStore;
