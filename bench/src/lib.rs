//! The programs that `cargo xtask bench` starts; nobody imports this package.
//!
//! | program | what |
//! | --- | --- |
//! | `bare-hyper` | the yardstick: what the same HTTP library does when it decides nothing |
//! | `sdk-client` | a client of the SDK, or reqwest, that asks as fast as it gets answers |
//! | `fill-store` | a store with many connections, and their tokens in a file |

pub mod fill;
