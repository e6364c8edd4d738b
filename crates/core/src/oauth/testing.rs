//! Connections in every state, for tests of what depends on it.

use agentadmit_protocol::audit::Actor;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConnectionId};
use agentadmit_protocol::oauth::CodeChallenge;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{Plan, Settings};
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::{ClientSummary, OAuthGrant, Proof};
use crate::app::{App, Tenant};
use crate::connection::{Access, Connection, State};

/// What answers the challenge of [`World::grant`].
pub(super) const VERIFIER: &[u8] = b"0123456789012345678901234567890123456789012";

/// A grant and the moment in which it is looked at.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) app: App,
    pub(super) connection: Connection,
    pub(super) grant: OAuthGrant,
    pub(super) now: Timestamp,
}

/// A grant in any state, marks and times included.
pub(super) fn world() -> impl Strategy<Value = World> {
    let bools = (any::<bool>(), any::<bool>(), any::<bool>());
    (0..4, bools, 0_i64..120, prop::option::of(0_i64..7_200_000)).prop_map(
        |(state, (suspended, is_marked, is_until_revoked), seconds, replayed_ms)| {
            let at = Timestamp::from_millis(1_000_000_000);
            let now = at.plus_seconds(seconds);
            let ago = |ms: i64| Timestamp::from_millis(now.as_millis() - ms);
            World {
                app: app(is_marked.then_some(at)),
                connection: Connection {
                    suspended: suspended && state == 1,
                    expires_at: (!is_until_revoked).then(|| at.plus_seconds(90)),
                    replayed_at: replayed_ms.map(ago),
                    ..connection(at, state_of(state, at))
                },
                grant: grant(at),
                now,
            }
        },
    )
}

fn state_of(which: i32, at: Timestamp) -> State {
    match which {
        0 => State::Pending,
        1 => State::Active(Access {
            token: SecretHash::of(b"handle"),
            exchanged_at: at,
            idempotency_key: None,
        }),
        2 => State::Revoked { at, by: Actor::System, exchanged_at: Some(at) },
        _ => State::Expired { at, exchanged_at: None },
    }
}

fn app(revoked_before: Option<Timestamp>) -> App {
    App {
        id: AppId::from_bytes([1; 16]),
        name: "Shop".to_owned(),
        description: None,
        settings: Settings::default(),
        plan: Plan::default(),
        created_at: Timestamp::from_millis(0),
        deleted_at: None,
        revoked_before,
    }
}

fn connection(at: Timestamp, state: State) -> Connection {
    Connection {
        id: ConnectionId::v7(at, [1; 10]),
        tenant: Tenant::new(AppId::from_bytes([1; 16]), Environment::Test),
        user_id: UserId::new("ann").unwrap(),
        user_label: None,
        agent_label: None,
        purpose: None,
        user_intent: None,
        scopes: vec![],
        created_at: at,
        expires_at: None,
        connection_token: SecretHash::of(b"code"),
        token_expires_at: at.plus_seconds(60),
        state,
        suspended: false,
        replayed_at: None,
        replays: 0,
    }
}

fn grant(at: Timestamp) -> OAuthGrant {
    let challenge = URL_SAFE_NO_PAD.encode(SecretHash::of(VERIFIER).as_bytes());
    OAuthGrant {
        connection_id: ConnectionId::v7(at, [1; 10]),
        client: ClientSummary {
            id: "https://a.example/client".parse().unwrap(),
            name: "Agent".parse().unwrap(),
        },
        resource: "https://app.example/mcp".parse().unwrap(),
        proof: Proof::Code {
            redirect_uri: "https://a.example/cb".parse().unwrap(),
            code_challenge: CodeChallenge::new(challenge).unwrap(),
        },
    }
}
