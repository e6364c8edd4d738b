//! What `serve` is told and what it then runs with: options, environment and file put together and
//! checked. No I/O, and nothing of the service: the command line, a fuzzer and a test read the same
//! configuration without it.
//!
//! | module | what |
//! | --- | --- |
//! | `options` | every option, as a flag, a variable and a key of the TOML file |
//! | `location` | where a store is |
//! | `requests` | which requests leave a line in the log |
//! | `serve` | the whole, checked |
//! | `address` | addresses of services |
//! | `redact` | no secret in what is said about any of this |

mod address;
mod location;
mod options;
mod redact;
mod requests;
mod serve;

pub use address::{is_loopback, service_url};
pub use location::{DatabaseAddress, InvalidLocation, StoreLocation};
pub use options::{LogFormat, ServeOptions};
pub use redact::without_secrets;
pub use requests::{InvalidLogRequests, LogRequests};
pub use serve::{BadConfig, DashboardConfig, ServeConfig, TlsFiles};
