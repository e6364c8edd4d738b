//! What a refresh token is good for (OAuth 2.1 section 4.3; RFC 9700 section 4.14).
//!
//! A refresh token is good once: with the new access token comes its successor. For
//! [`GRACE_SECONDS`] it may be presented again, by processes that share it and by whoever lost the
//! answer, and is answered word for word the same: the successors are derived from it. Later
//! somebody has it who should not, and all that came of it ends.

use agentadmit_protocol::oauth::{ClientId, ResourceUri};
use agentadmit_protocol::time::Timestamp;

use crate::app::App;
use crate::connection::{Activity, Connection, Standing};
use crate::oauth::OAuthGrant;
use crate::oauth::secret::RefreshToken;

/// How long a refresh token that was used may be presented again.
pub const GRACE_SECONDS: i64 = 30;
/// How long it is known as used after that.
pub const KEPT_SECONDS: i64 = 30 * 86_400;

/// What to do with a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// The first presentation: it is used, and the successors are made.
    First,
    /// The same again within the grace: the successors that were made then.
    Again {
        /// When they were made.
        at: Timestamp,
    },
    /// Somebody has it who should not: refuse, record, and end the connection.
    Replay,
    /// The grant is for another resource. Nothing is used.
    OtherResource,
    /// The connection waits for an operator after a restore. Nothing is used.
    Suspended,
    /// Of another client, or of a connection that has ended: refuse.
    Refuse,
}

/// Decides one presentation of a refresh token of `connection`.
pub fn decide(
    app: &App,
    (connection, activity): (&Connection, Activity),
    grant: &OAuthGrant,
    token: &RefreshToken,
    (client_id, resource): (&ClientId, Option<&ResourceUri>),
    now: Timestamp,
) -> Refresh {
    if grant.client.id != *client_id {
        return Refresh::Refuse;
    }
    match connection.standing(app, activity.last_used_at, now) {
        Standing::Active => {}
        Standing::Suspended => return Refresh::Suspended,
        Standing::Pending | Standing::Revoked(_) | Standing::Expired(_) => return Refresh::Refuse,
    }
    match token.used_at {
        Some(at) if now.millis_since(at) >= GRACE_SECONDS * 1_000 => Refresh::Replay,
        _ if !grant.is_for(resource) => Refresh::OtherResource,
        Some(at) => Refresh::Again { at },
        None => Refresh::First,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::testing::{World, world};
    use proptest::prelude::*;

    proptest! {
        /// In order of what counts: the client, the connection, a replay, the resource, the first use.
        #[test]
        fn a_token_is_used_once_and_again_within_the_grace(
            used_ms in prop::option::of(0_i64..60_000),
            is_client: bool,
            resource in 0_usize..3,
            world in world(),
        ) {
            let World { app, connection, grant, now } = world;
            let standing = connection.standing(&app, None, now);
            let used_at = used_ms.map(|ago| Timestamp::from_millis(now.as_millis() - ago));
            let token = RefreshToken { connection_id: connection.id, used_at };
            let other: ClientId = "https://other.example/c".parse().unwrap();
            let client = if is_client { &grant.client.id } else { &other };
            let elsewhere: ResourceUri = "https://elsewhere.example/".parse().unwrap();
            let named = [None, Some(&grant.resource), Some(&elsewhere)][resource];
            let activity = Activity::default();
            let decided = decide(&app, (&connection, activity), &grant, &token, (client, named), now);
            let expected = match (standing, used_ms) {
                _ if !is_client => Refresh::Refuse,
                (Standing::Suspended, _) => Refresh::Suspended,
                (Standing::Active, Some(ago)) if ago >= 30_000 => Refresh::Replay,
                (Standing::Active, _) if resource == 2 => Refresh::OtherResource,
                (Standing::Active, Some(_)) => Refresh::Again { at: used_at.unwrap() },
                (Standing::Active, None) => Refresh::First,
                _ => Refresh::Refuse,
            };
            prop_assert_eq!(decided, expected);
        }
    }
}
