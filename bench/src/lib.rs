//! The programs that `cargo xtask bench` starts; nobody imports this package.
//!
//! | program | what |
//! | --- | --- |
//! | `bare-hyper` | the yardstick: what the same HTTP library does when it decides nothing |
//! | `bare-axum` | a second one, under the framework of the service |
//! | `check-rs256` | what one check of a JWT costs |
//! | `sdk-client` | a client of the SDK, or reqwest, that asks as fast as it gets answers |
//! | `fill-store` | a store with many connections, and their tokens in a file |
//! | `slow-service` | the service on a disk that is slow to flush |
//! | `count-verify` | the whole way of a verify on one thread, the same at every run, to be counted |
//! | `count-fold` | folding one window of calls into a store of many connections, to be counted |

pub mod fill;
pub mod ticking;

use std::num::NonZero;
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

/// The runtime of a yardstick: as the service's, a thread for each core that it may use.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder =
        if cores > 1 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build()
}
