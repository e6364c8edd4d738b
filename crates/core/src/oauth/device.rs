//! What a device that asks is told (RFC 8628 section 3.5).

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::oauth::{ClientId, ResourceUri};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::GrantedScope;
use crate::oauth::{ClientSummary, invalid_grant};
use crate::refusal::Refusal;

/// How long a device code is good.
pub const DEVICE_SECONDS: i64 = 600;
/// Seconds between two questions of a device, at first; so much more with each that came too soon.
pub const INTERVAL_SECONDS: i64 = 5;
/// How long a code that is over is known as that.
pub const KEPT_SECONDS: i64 = 3_600;

/// What stands under a device code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCode {
    /// Who asks.
    pub client: ClientSummary,
    /// What for.
    pub resource: ResourceUri,
    /// What is asked for.
    pub scopes: Vec<GrantedScope>,
    /// SHA-256 of the code that the user types.
    pub user_code: SecretHash,
    /// Seconds between two questions now.
    pub interval: i64,
    /// When it asked last.
    pub asked_at: Option<Timestamp>,
    /// Where it stands.
    pub state: DeviceState,
}

/// Where a device's request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceState {
    /// Nobody has decided yet.
    Waiting,
    /// The user said yes: this connection waits for the device.
    Granted(ConnectionId),
    /// The user said no.
    Denied,
    /// The device has its tokens.
    Done,
}

/// What a device is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Its tokens, of this connection.
    Tokens(ConnectionId),
    /// Why there are none. What it is told of waiting is noted.
    Nothing(Refusal),
}

impl DeviceCode {
    /// Answers one question of a device: what it is told, and the code as it is after that.
    #[must_use]
    pub fn asked(&self, client_id: &ClientId, ends_at: Timestamp, now: Timestamp) -> (Told, Self) {
        let mut after = self.clone();
        if self.client.id != *client_id {
            return (Told::Nothing(invalid_grant()), after);
        }
        let told = match self.state {
            DeviceState::Granted(id) => {
                after.state = DeviceState::Done;
                return (Told::Tokens(id), after);
            }
            DeviceState::Denied => refusal(ErrorCode::AccessDenied, "the user said no"),
            DeviceState::Done => invalid_grant(),
            DeviceState::Waiting if now >= ends_at => {
                refusal(ErrorCode::ExpiredToken, "nobody decided in time: begin anew")
            }
            DeviceState::Waiting => {
                let earliest = self.asked_at.map(|at| at.plus_seconds(self.interval));
                after.asked_at = Some(now);
                if earliest.is_some_and(|earliest| now < earliest) {
                    after.interval = self.interval.saturating_add(INTERVAL_SECONDS);
                    refusal(ErrorCode::SlowDown, "ask 5 seconds less often from now on")
                } else {
                    refusal(ErrorCode::AuthorizationPending, "the user has not decided yet")
                }
            }
        };
        (Told::Nothing(told), after)
    }
}

fn refusal(code: ErrorCode, text: &'static str) -> Refusal {
    Refusal::new(code, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waiting() -> DeviceCode {
        DeviceCode {
            client: ClientSummary {
                id: "https://tv.example/c".parse().unwrap(),
                name: "TV".parse().unwrap(),
            },
            resource: "https://app.example/".parse().unwrap(),
            scopes: vec![],
            user_code: SecretHash::of(b"code"),
            interval: INTERVAL_SECONDS,
            asked_at: None,
            state: DeviceState::Waiting,
        }
    }

    fn code(told: &Told) -> Option<ErrorCode> {
        match told {
            Told::Tokens(_) => None,
            Told::Nothing(refusal) => Some(refusal.code),
        }
    }

    proptest! {
        /// Whoever waits as long as told is never told to slow down; whoever does not, is.
        #[test]
        fn a_device_is_told_to_slow_down_for_what_comes_too_soon(
            waits in prop::collection::vec(0_i64..40, 1..30),
        ) {
            let mut device = waiting();
            let mut now = Timestamp::from_millis(0);
            let ends_at = now.plus_seconds(DEVICE_SECONDS);
            let mut interval = INTERVAL_SECONDS;
            for (position, wait) in waits.into_iter().enumerate() {
                now = now.plus_seconds(wait);
                let (told, after) = device.asked(&device.client.id, ends_at, now);
                let expected = if now >= ends_at {
                    ErrorCode::ExpiredToken
                } else if position > 0 && wait < interval {
                    interval += INTERVAL_SECONDS;
                    ErrorCode::SlowDown
                } else {
                    ErrorCode::AuthorizationPending
                };
                prop_assert_eq!(code(&told), Some(expected));
                prop_assert_eq!(after.interval, interval);
                device = after;
            }
        }

        #[test]
        fn tokens_come_once_and_to_the_client_alone(seconds in 0_i64..1_200, is_client: bool) {
            let id = ConnectionId::from_bytes([1; 16]);
            let granted = DeviceCode { state: DeviceState::Granted(id), ..waiting() };
            let now = Timestamp::from_millis(0).plus_seconds(seconds);
            let other = "https://other.example/c".parse().unwrap();
            let client = if is_client { &granted.client.id } else { &other };
            let (told, after) = granted.asked(client, now, now);
            if is_client {
                prop_assert_eq!(told, Told::Tokens(id));
                let (again, _) = after.asked(client, now, now);
                prop_assert_eq!(code(&again), Some(ErrorCode::InvalidGrant));
            } else {
                prop_assert_eq!(code(&told), Some(ErrorCode::InvalidGrant));
                prop_assert_eq!(after, granted);
            }
        }
    }

    #[test]
    fn a_no_is_told_as_long_as_the_code_is_known() {
        let denied = DeviceCode { state: DeviceState::Denied, ..waiting() };
        let now = Timestamp::from_millis(0);
        let (told, _) = denied.asked(&denied.client.id, now, now.plus_seconds(1));
        assert_eq!(code(&told), Some(ErrorCode::AccessDenied));
    }
}
