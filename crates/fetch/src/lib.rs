//! Reads a small public document at an address that a stranger named, and can be led nowhere else.
//!
//! Whoever may name an address that a server fetches can make the server ask what only the server
//! can reach: the cloud's metadata at 169.254.169.254, a database beside it, its own loopback
//! (OWASP: server-side request forgery). So:
//!
//! - `https` alone, in the one spelling that a browser would show ([`PublicUrl`]);
//! - the name is resolved once, each address that comes out must be a public one
//!   ([`is_public`]), and the connection goes to an address that was checked: a name that resolves
//!   to something else a moment later changes nothing;
//! - no redirect is followed, whatever the answer; 200 alone is an answer;
//! - size, time, and how many at once are limited, and no credential or cookie is ever sent.
//!
//! The crate knows nothing of the service: an address in, bytes out.

mod address;
mod fetch;
mod resolve;

pub use address::{BadUrl, PublicUrl, is_public};
pub use fetch::{Document, FetchError, FetchLimits, Fetcher, Reach};
pub use resolve::{Addresses, Resolve, SystemResolver};
