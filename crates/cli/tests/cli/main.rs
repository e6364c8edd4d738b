//! The program as people run it: real binary, real sockets, a store of its own for every test.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod administration;
mod agent;
mod audit;
mod config;
mod copies;
mod demo;
mod dev;
mod developer;
mod doctor;
mod failures;
mod first_call;
mod full_disk;
mod guide;
mod help;
mod lifecycle;
mod log;
mod sign_in;
mod support;
mod tls;
mod traces;
