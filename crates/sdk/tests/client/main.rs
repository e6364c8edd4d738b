//! Both clients, against the real service and against servers that misbehave on purpose.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod service;
mod support;
