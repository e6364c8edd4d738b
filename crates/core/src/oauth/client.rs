//! Registered clients (RFC 7591), and for how long they are kept.

use agentadmit_protocol::id::OAuthClientId;
use agentadmit_protocol::oauth::ClientRedirectUri;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::oauth::ClientSummary;

/// How long a client is kept that never got a grant.
pub const UNUSED_SECONDS: i64 = 86_400;
/// How long one that did is kept after its last use.
pub const IDLE_SECONDS: i64 = 90 * 86_400;
/// The most clients that wait for their first grant; with one more the oldest of them goes.
pub const MAX_UNUSED: usize = 10_000;
/// A use is noted when the last one that was noted is older.
const NOTED_SECONDS: i64 = 86_400;

/// A client that registered itself. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredClient {
    /// Its name.
    pub id: OAuthClientId,
    /// What it calls itself. Nobody vouches for it.
    pub name: Label,
    /// Where it may be sent back to.
    pub redirect_uris: Vec<ClientRedirectUri>,
    /// How it proves that it is itself.
    pub auth: ClientAuth,
    /// All that it registered, as it was answered (JSON).
    pub metadata: String,
    /// When it registered.
    pub created_at: Timestamp,
    /// When it got a grant or tokens, noted once a day; `None` until its first grant.
    pub last_used_at: Option<Timestamp>,
}

/// How a client proves that it is itself (RFC 7591 section 2, `token_endpoint_auth_method`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientAuth {
    /// It cannot: a public client.
    None,
    /// By a secret.
    Secret {
        /// SHA-256 of it.
        hash: SecretHash,
        /// In the `Authorization` header; else in the form.
        is_basic: bool,
    },
    /// By signatures with one of these keys: its JWK Set (RFC 7517), as it registered it.
    Keys(String),
}

impl RegisteredClient {
    /// What stands beside what it asks for.
    pub fn summary(&self) -> ClientSummary {
        ClientSummary { id: self.id.into(), name: self.name.clone() }
    }

    /// When it is forgotten, if nobody uses it.
    pub fn reap_at(&self) -> Timestamp {
        match self.last_used_at {
            None => self.created_at.plus_seconds(UNUSED_SECONDS),
            Some(at) => at.plus_seconds(IDLE_SECONDS),
        }
    }

    /// The client, used now, where that is to be noted.
    pub fn used(&self, now: Timestamp) -> Option<Self> {
        let is_noted =
            self.last_used_at.is_some_and(|at| now.millis_since(at) < NOTED_SECONDS * 1_000);
        (!is_noted).then(|| Self { last_used_at: Some(now), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_use_puts_the_end_off_and_is_noted_once_a_day(seconds in 0_i64..200_000) {
            let at = Timestamp::from_millis(0);
            let client = RegisteredClient {
                id: OAuthClientId::v7(at, [1; 10]),
                name: "Agent".parse().unwrap(),
                redirect_uris: vec![],
                auth: ClientAuth::None,
                metadata: String::new(),
                created_at: at,
                last_used_at: None,
            };
            prop_assert_eq!(client.reap_at(), at.plus_seconds(UNUSED_SECONDS));
            let used = client.used(at).unwrap();
            prop_assert_eq!(used.reap_at(), at.plus_seconds(IDLE_SECONDS));
            let later = used.used(at.plus_seconds(seconds));
            prop_assert_eq!(later.is_some(), seconds >= NOTED_SECONDS);
        }
    }
}
