//! The service over HTTP: every route of PROTOCOL's "Service API" on the engine.
//!
//! A route reads its request into a verb or a question, hands it to the engine with the caller's
//! credential as it was presented, and writes the answer. It decides nothing about access.
//!
//! ```text
//! serve        sockets, TLS, time limits, graceful end
//!  -> fast lane plain verifies, answered without what follows but for their handler
//!  -> envelope request id, body of every error, no-store, time limit, log line, metrics
//!   -> extract credential, path, query, body: the 4xx of what cannot be read
//!    -> routes verb or question -> engine -> answer
//! ```
//! | module | what |
//! | --- | --- |
//! | [`router`](mod@router), [`routes`] | which path is whose |
//! | [`state`] | what all routes share, and what can be set |
//! | `consent` | the hosted consent page, for people |
//! | [`oauth`] | the OAuth 2.1 authorization server |
//! | [`dashboard`] | signing in to the dashboard |
//! | [`error`] | the one table from a refusal or fault to an answer |
//! | `fast_lane` | the plain verify, before hyper |
//! | `extract` | request to typed values |
//! | `wire` | rows of the domain to answers |
//! | [`openapi`](mod@openapi) | the document, from the handlers |
//! | [`serve`](mod@serve), [`tls`] | sockets |

pub mod address;
mod buffers;
mod consent;
pub mod dashboard;
mod envelope;
pub mod error;
pub mod exports;
mod extract;
mod fast_lane;
mod limits;
mod linger;
pub mod metrics;
pub mod oauth;
pub mod observe;
pub mod openapi;
mod patience;
pub mod router;
pub mod routes;
pub mod serve;
pub mod state;
pub mod tls;
mod wire;

pub use error::{ApiError, error_codes};
pub use extract::LocalOperator;
pub use openapi::openapi;
pub use router::{Routers, router, routers};
pub use state::{HttpOptions, ServiceState};
