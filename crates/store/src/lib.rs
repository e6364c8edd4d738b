//! The verbs of storage, the same for every backend.
//!
//! A backend implements two synchronous traits over its transaction, [`Views`] (reads) and [`Rows`]
//! (keyed reads and writes), and the trait [`Store`] that opens transactions. Everything else is
//! here once: what a verb reads, which decision of `agentadmit-core` it asks, what it writes, which
//! audit records it appends. Backends therefore differ in SQL, never in behaviour, and the
//! `conformance` suite (feature `conformance`) proves it against the in-memory [`model`].
//!
//! ```text
//! engine: a sealed batch of jobs
//!    -> Store::transaction("admit", |tx| for job in batch { job.verb.run(tx) })
//!         Tx: rows + one `now` + the writer's state
//!           verbs::Verify::run -> core::verify -> tx.record(...) -> chained, appended
//!    -> committed and flushed: every caller gets its own answer
//! ```

pub mod accounts;
pub mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod copy;
pub mod maps;
pub mod model;
pub mod oauth;
pub mod record;
pub mod refusals;
pub mod restored;
pub mod selection;
pub mod store;
pub mod tables;
pub mod tx;
pub mod verbs;
pub mod views;
pub mod writer;

pub use clock::{Clock, FakeClock, SystemClock};
pub use store::{
    ClockControl, Foreseen, MaintenanceReport, Store, StoreError, read, write, write_on,
};
pub use tx::Tx;
pub use verbs::Verb;
pub use views::{Rows, Views};
pub use writer::{WriterOptions, WriterState};
