//! Who gets tokens for an authorization code, once (OAuth 2.1 section 4.1.3).

use agentadmit_protocol::oauth::{ClientId, ClientRedirectUri, ResourceUri};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use crate::app::App;
use crate::connection::{Activity, Connection, Standing};
use crate::exchange::REPLAY_RECORD_SECONDS;
use crate::oauth::{OAuthGrant, Proof, pkce};

/// How long a code is good.
pub const CODE_SECONDS: i64 = 60;

/// When a code that is made now dies: never after the grant's end.
pub fn code_end(created_at: Timestamp, grant_end: Option<Timestamp>) -> Timestamp {
    let end = created_at.plus_seconds(CODE_SECONDS);
    grant_end.map_or(end, |grant_end| end.min(grant_end))
}

/// What comes with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePresentation {
    /// The client that presents it, as it has proved.
    pub client_id: ClientId,
    /// The address that it says the code was sent to.
    pub redirect_uri: ClientRedirectUri,
    /// The hash of its verifier.
    pub verifier: SecretHash,
    /// The resource that it names, if it names one.
    pub resource: Option<ResourceUri>,
}

/// What to do with a presented code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The first presentation in time, by whom it was made for: make the tokens.
    First,
    /// A second presentation by its client: refuse, record it if `record`, revoke if `revoke`.
    Replay {
        /// Whether the log gets a record of it.
        record: bool,
        /// Whether the connection ends.
        revoke: bool,
    },
    /// It is for another resource. Nothing is spent.
    OtherResource,
    /// Over, of another client, sent elsewhere, not answered: refuse; nothing is spent.
    Refuse,
}

/// Decides one presentation of the code of `connection`.
pub fn decide(
    app: &App,
    connection: &Connection,
    grant: &OAuthGrant,
    activity: Activity,
    presentation: &CodePresentation,
    now: Timestamp,
) -> Exchange {
    let Proof::Code { redirect_uri, code_challenge } = &grant.proof else {
        return Exchange::Refuse;
    };
    if grant.client.id != presentation.client_id {
        return Exchange::Refuse;
    }
    if connection.exchanged_at().is_some() {
        let live = matches!(
            connection.standing(app, activity.last_used_at, now),
            Standing::Active | Standing::Suspended
        );
        let recorded_lately = connection
            .replayed_at
            .is_some_and(|at| now.millis_since(at) < REPLAY_RECORD_SECONDS * 1_000);
        return Exchange::Replay { record: live || !recorded_lately, revoke: live };
    }
    let is_answered = *redirect_uri == presentation.redirect_uri
        && pkce::is_answered(code_challenge, &presentation.verifier);
    match connection.standing(app, None, now) {
        Standing::Pending if !is_answered => Exchange::Refuse,
        Standing::Pending if !grant.is_for(presentation.resource.as_ref()) => {
            Exchange::OtherResource
        }
        Standing::Pending => Exchange::First,
        _ => Exchange::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::testing::{VERIFIER, World, world};
    use proptest::prelude::*;

    proptest! {
        /// Tokens come of a pending connection alone, to whom they were made for; what was exchanged
        /// and comes again ends what lives of it; a stranger's code spends and ends nothing.
        #[test]
        fn a_code_is_good_once_for_its_client(
            is_client: bool, is_address: bool, is_verifier: bool, resource in 0_usize..3, world in world(),
        ) {
            let World { app, connection, grant, now } = world;
            let elsewhere = "https://elsewhere.example/".parse().unwrap();
            let presentation = CodePresentation {
                client_id: if is_client {
                    grant.client.id.clone()
                } else {
                    "https://other.example/c".parse().unwrap()
                },
                redirect_uri: if is_address { "https://a.example/cb" } else { "https://a.example/cb/" }
                    .parse()
                    .unwrap(),
                verifier: SecretHash::of(if is_verifier { VERIFIER } else { b"another" }),
                resource: [None, Some(grant.resource.clone()), Some(elsewhere)][resource].clone(),
            };
            let activity = Activity::default();
            let decided = decide(&app, &connection, &grant, activity, &presentation, now);
            let standing = connection.standing(&app, None, now);
            let live = matches!(standing, Standing::Active | Standing::Suspended);
            let fits = is_client && is_address && is_verifier;
            match decided {
                Exchange::First => {
                    prop_assert!(fits && resource < 2 && standing == Standing::Pending);
                }
                Exchange::OtherResource => {
                    prop_assert!(fits && resource == 2 && standing == Standing::Pending);
                }
                Exchange::Replay { record, revoke } => {
                    prop_assert!(is_client && connection.exchanged_at().is_some());
                    prop_assert_eq!(revoke, live);
                    prop_assert!(record || !revoke, "what ends a connection is recorded");
                }
                Exchange::Refuse => prop_assert!(
                    !is_client || connection.exchanged_at().is_none()
                        && (!fits || standing != Standing::Pending)
                ),
            }
        }
    }
}
