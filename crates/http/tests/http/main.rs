//! The routes, asked as clients ask them, on a store in memory and a clock that stands still.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod assertion;
mod bad_bodies;
mod bad_forms;
mod bad_queries;
mod contract;
mod credentials;
mod export;
mod fast_lane;
mod full_disk;
mod grant;
mod limits;
mod oauth;
mod operators;
mod overload;
mod service;
mod sockets;
mod support;
