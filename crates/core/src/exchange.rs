//! Who gets the access token, once (PROTOCOL, `POST /v1/token/exchange`).

use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::OnReplay;
use agentadmit_protocol::time::Timestamp;

use crate::app::{App, Tenant};
use crate::connection::{Activity, Connection, Standing, State};

/// How long the same `Idempotency-Key` is the same exchange.
pub const IDEMPOTENCY_SECONDS: i64 = 60;
/// Later replays of one connection are recorded at most this often.
pub const REPLAY_RECORD_SECONDS: i64 = 3_600;

/// What to do with a presented connection token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The first presentation in time: make the access token.
    First,
    /// The same exchange again: make a new access token, the former one is dead.
    Again,
    /// A second presentation: refuse, record it if `record`, and revoke if `revoke`.
    Replay {
        /// Whether the log gets a record of it.
        record: bool,
        /// Whether the connection ends.
        revoke: bool,
    },
    /// Unknown, expired, revoked, or not the caller's: refuse; nothing is spent.
    Refuse,
}

/// What came with the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presentation {
    /// The app whose credential came with it, if one did.
    pub presenter: Option<Tenant>,
    /// The hash of its `Idempotency-Key`, if it had one.
    pub idempotency_key: Option<SecretHash>,
}

/// Decides one presentation of the connection token of `connection`.
pub fn decide(
    app: &App,
    connection: &Connection,
    activity: Activity,
    presentation: Presentation,
    now: Timestamp,
) -> Exchange {
    if presentation.presenter.is_some_and(|tenant| tenant != connection.tenant) {
        return Exchange::Refuse;
    }
    if connection.exchanged_at().is_none() {
        return match connection.standing(app, None, now) {
            Standing::Pending => Exchange::First,
            _ => Exchange::Refuse,
        };
    }
    if is_same_exchange(app, connection, activity, presentation, now) {
        return Exchange::Again;
    }
    let in_time = now < connection.token_expires_at;
    let recorded_lately = connection
        .replayed_at
        .is_some_and(|at| now.millis_since(at) < REPLAY_RECORD_SECONDS * 1_000);
    let live = matches!(
        connection.standing(app, activity.last_used_at, now),
        Standing::Active | Standing::Suspended
    );
    let revoke = in_time && live && app.settings.on_replay == OnReplay::Revoke;
    Exchange::Replay { record: revoke || !recorded_lately, revoke }
}

fn is_same_exchange(
    app: &App,
    connection: &Connection,
    activity: Activity,
    presentation: Presentation,
    now: Timestamp,
) -> bool {
    let State::Active(access) = &connection.state else { return false };
    let same_key = match (&presentation.idempotency_key, &access.idempotency_key) {
        (Some(presented), Some(known)) => presented.ct_eq(known),
        _ => false,
    };
    same_key
        && activity.last_used_at.is_none()
        && now.millis_since(access.exchanged_at) < IDEMPOTENCY_SECONDS * 1_000
        && connection.standing(app, None, now) == Standing::Active
}
