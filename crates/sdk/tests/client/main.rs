//! Both clients, against the real service and against servers that misbehave on purpose.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cases;
mod connections;
mod retries;
mod scripted;
mod service;
mod support;
mod verdicts;
