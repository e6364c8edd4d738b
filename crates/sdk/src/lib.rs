//! Let your users' AI agents into your app.
//!
//! A signed-in user of your app picks scopes and a duration and gets a one-time token to hand to
//! the agent. Every request that the agent then makes is checked at the AgentAdmit service: this
//! crate validates nothing by itself, keeps no verdict, and has no switch to do so. A revocation
//! holds for the very next request. When the service cannot be asked, the agent is refused.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`client`] | asking the service: verify, issue, exchange, revoke, lists |
//! | `blocking` (feature `blocking`) | the same without an async runtime |
//! | [`keys`] | the app's own RS256 key pair |
//! | [`settings`] | what an app runs with, complete and checked |
//! | [`config`] | `agentadmit.yaml` and its variables, with findings that name file and line |
//! | [`context`] | who makes a request: the app's user, or an agent for one |
//! | [`refusal`] | what an agent or a user hears instead of data |
//! | [`time`] | the clock, which a test can replace |

#[cfg(feature = "blocking")]
pub mod blocking;
pub mod client;
pub mod config;
pub mod context;
pub mod error;
pub mod keys;
pub mod refusal;
pub mod settings;
pub mod time;

#[doc(inline)]
pub use agentadmit_protocol as protocol;
pub use client::Client;
pub use error::Error;
pub use settings::Settings;
