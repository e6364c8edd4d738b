//! The routes, asked as clients ask them, on a store in memory and a clock that stands still.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod across_apps;
mod assertion;
mod audit_filters;
mod bad_bodies;
mod bad_forms;
mod bad_queries;
mod consent;
mod contract;
mod credentials;
mod dashboard;
mod export;
mod fast_lane;
mod full_disk;
mod grant;
mod limits;
mod oauth;
mod oauth_server;
mod operators;
mod overload;
mod service;
mod sockets;
mod stopping;
mod support;
