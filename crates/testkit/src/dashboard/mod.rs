//! What the dashboard asks, on a store of some size: `cargo xtask bench dashboard` measures it, and a
//! test counts what each view reads.

pub mod fill;
pub mod views;
