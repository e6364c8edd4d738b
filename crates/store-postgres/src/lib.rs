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
//! | [`migrations`] | the schema's history |
//! | `writer` | a connection, a lane of positions, retries, commits of unknown outcome |
//! | `session`, `views`, `rows`, `connections`, `chains`, `usage` | reads and writes of one transaction |
//! | `foresight` | what a batch will look up, fetched in one round trip |
//! | `log`, `search` | the audit log, and reading it |
//! | `maintain` | folding, parts, segments, indexes, retention |
//! | `link`, `driver` | the driver |

mod chains;
mod codec;
mod connections;
mod driver;
mod error;
mod foresight;
mod link;
mod log;
mod maintain;
pub mod migrations;
mod options;
mod rows;
mod search;
mod session;
pub mod statements;
pub mod store;
mod usage;
mod views;
mod writer;

pub use error::OpenError;
pub use options::{PostgresOptions, Time};
pub use store::PostgresStore;
