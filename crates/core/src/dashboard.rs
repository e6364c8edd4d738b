//! Signing in to the dashboard: one-time codes, and the sessions that they open.
//!
//! A code opens one session, once. A session ends by itself after a time without use and after a
//! time in all, and by whoever ends it; one that a code of an operator's token opened also ends with
//! that token, be it revoked, expired or rotated, and one that a passkey opened with that passkey.

use agentadmit_protocol::id::{AccountId, OperatorId, SessionId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::credential::Operator;

/// How long a code can be used.
pub const CODE_SECONDS: i64 = 600;
/// Wrong tries at a code, with the last of which it is void.
pub const CODE_TRIES: u32 = 5;
/// Codes that wait at a time; with one more, the oldest is void.
pub const MAX_CODES: usize = 20;
/// Sessions of one holder at a time; with one more, the oldest is ended. All operators together are
/// one holder.
pub const MAX_SESSIONS: usize = 100;
/// Use is written down at most so often: a session may end so much earlier than its idle time says.
pub const NOTED_SECONDS: i64 = 60;

/// Which operator's token stands behind a code or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BehindToken {
    /// The operator.
    pub operator_id: OperatorId,
    /// The token as it was: another one, after a rotation, is no longer this.
    pub token: SecretHash,
}

impl BehindToken {
    /// That of an operator.
    pub fn of(operator: &Operator) -> Self {
        Self { operator_id: operator.id, token: operator.hash }
    }

    /// Whether this is the operator's token, it is good now, and may do everything.
    pub fn is_good(&self, operator: Option<&Operator>, now: Timestamp) -> bool {
        operator.is_some_and(|operator| {
            operator.id == self.operator_id
                && operator.hash.ct_eq(&self.token)
                && operator.is_good(now)
                && !operator.billing_only
        })
    }
}

/// A one-time code. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingCode {
    /// Its first group, which says that it is meant.
    pub handle: u32,
    /// SHA-256 of the whole.
    pub hash: SecretHash,
    /// Whose token made it; `None` on the machine.
    pub behind: Option<BehindToken>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it opens nothing.
    pub expires_at: Timestamp,
    /// Wrong tries so far.
    pub wrong_tries: u32,
}

impl WaitingCode {
    /// The code after one more wrong try; `None`: it is void.
    #[must_use]
    pub fn tried(self) -> Option<Self> {
        let wrong_tries = self.wrong_tries + 1;
        (wrong_tries < CODE_TRIES).then_some(Self { wrong_tries, ..self })
    }

    /// Whether time has left it good.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// Who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// Whoever runs the service.
    Operator {
        /// By whose token; `None` on the machine.
        behind: Option<BehindToken>,
    },
    /// A developer of apps, who came in with a link.
    Developer {
        /// The account.
        account_id: AccountId,
    },
    /// A developer of apps, who came in with a passkey: without it the session is over.
    PasskeyOwner {
        /// The account.
        account_id: AccountId,
        /// What stores find the passkey by.
        passkey: SecretHash,
    },
}

impl Holder {
    /// The account, if this is a developer.
    pub const fn account_id(&self) -> Option<AccountId> {
        match self {
            Self::Operator { .. } => None,
            Self::Developer { account_id } | Self::PasskeyOwner { account_id, .. } => {
                Some(*account_id)
            }
        }
    }
}

/// How somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInMethod {
    /// With a one-time code.
    Code,
    /// With a link.
    Link,
    /// With a passkey.
    Passkey,
}

impl SignInMethod {
    /// The word of the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Link => "link",
            Self::Passkey => "passkey",
        }
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without use.
    pub idle_seconds: i64,
    /// In all.
    pub seconds: i64,
}

impl Default for SessionLimits {
    /// Half an hour without use, twelve hours in all.
    fn default() -> Self {
        Self { idle_seconds: 30 * 60, seconds: 12 * 3_600 }
    }
}

/// A session of the dashboard: one browser. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name, also in records. Not its secret.
    pub id: SessionId,
    /// Who is signed in.
    pub holder: Holder,
    /// SHA-256 of the browser's cookie.
    pub cookie: SecretHash,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to within [`NOTED_SECONDS`].
    pub last_used_at: Timestamp,
    /// How long it lasts without use.
    pub idle_seconds: i64,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// When somebody ended it.
    pub ended_at: Option<Timestamp>,
}

impl Session {
    /// When it ends if it is used no more.
    pub fn idle_expires_at(&self) -> Timestamp {
        self.last_used_at.plus_seconds(self.idle_seconds).min(self.expires_at)
    }

    /// When it ended, or will end if it is used no more; its row may go then.
    pub fn ends_at(&self) -> Timestamp {
        let by_time = self.idle_expires_at();
        self.ended_at.map_or(by_time, |ended| ended.min(by_time))
    }

    /// Whether it is good now, as far as it says so itself.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.ends_at()
    }

    /// Whether a use now is to be written down.
    pub fn is_to_be_noted(&self, now: Timestamp) -> bool {
        let seconds = NOTED_SECONDS.min(self.idle_seconds / 10);
        self.is_good(now) && now >= self.last_used_at.plus_seconds(seconds)
    }

    /// The session, used now.
    #[must_use]
    pub fn used(self, now: Timestamp) -> Self {
        Self { last_used_at: now.max(self.last_used_at), ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn session() -> Session {
        Session {
            id: SessionId::from_bytes([1; 16]),
            holder: Holder::Operator { behind: None },
            cookie: SecretHash::of(b"cookie"),
            created_at: at(0),
            last_used_at: at(0),
            idle_seconds: 1_800,
            expires_at: at(43_200),
            ended_at: None,
        }
    }

    #[test]
    fn a_session_ends_without_use_in_all_and_by_somebody() {
        assert!(session().is_good(at(1_799)) && !session().is_good(at(1_800)));
        let used = session().used(at(43_000));
        assert!(used.is_good(at(43_199)) && !used.is_good(at(43_200)));
        let ended = Session { ended_at: Some(at(10)), ..session() };
        assert!(!ended.is_good(at(10)) && ended.ends_at() == at(10));
        let late = Session { ended_at: Some(at(5_000)), ..session() };
        assert_eq!(late.ends_at(), at(1_800), "it was over already");
    }

    #[test]
    fn use_is_noted_now_and_then() {
        assert!(!session().is_to_be_noted(at(59)) && session().is_to_be_noted(at(60)));
        assert!(!session().is_to_be_noted(at(1_800)), "what is over stays over");
        let short = Session { idle_seconds: 60, ..session() };
        assert!(!short.is_to_be_noted(at(5)) && short.is_to_be_noted(at(6)));
        assert_eq!(session().used(at(-5)).last_used_at, at(0), "a clock that was set back");
    }

    #[test]
    fn the_fifth_wrong_try_is_the_last() {
        let mut code = Some(WaitingCode {
            handle: 7,
            hash: SecretHash::of(b"code"),
            behind: None,
            created_at: at(0),
            expires_at: at(CODE_SECONDS),
            wrong_tries: 0,
        });
        for _ in 1..CODE_TRIES {
            code = code.and_then(WaitingCode::tried);
            assert!(code.as_ref().is_some_and(|code| code.is_good(at(599))));
        }
        assert!(!code.as_ref().unwrap().is_good(at(600)));
        assert_eq!(code.and_then(WaitingCode::tried), None);
    }

    #[test]
    fn a_token_behind_it_must_be_the_same_and_good() {
        let operator = Operator {
            id: OperatorId::from_bytes([2; 16]),
            name: None,
            billing_only: false,
            hash: SecretHash::of(b"token"),
            created_at: at(0),
            expires_at: Some(at(100)),
            revoked_at: None,
        };
        let behind = BehindToken::of(&operator);
        assert!(behind.is_good(Some(&operator), at(99)));
        assert!(!behind.is_good(Some(&operator), at(100)));
        assert!(!behind.is_good(None, at(0)));
        for other in [
            Operator { hash: SecretHash::of(b"rotated"), ..operator.clone() },
            Operator { revoked_at: Some(at(1)), ..operator.clone() },
            Operator { billing_only: true, ..operator.clone() },
            Operator { id: OperatorId::from_bytes([3; 16]), ..operator },
        ] {
            assert!(!behind.is_good(Some(&other), at(2)), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_use_outlives_the_limits(
            uses in proptest::collection::vec(0_i64..60_000, 0..40),
            idle in 1_i64..20_000,
        ) {
            let mut session = Session { idle_seconds: idle, ..session() };
            let (mut now, mut last) = (0, 0);
            for step in uses {
                now += step / 20;
                if session.is_good(at(now)) {
                    prop_assert!(now < 43_200 && now - last < idle);
                    last = now;
                    if session.is_to_be_noted(at(now)) {
                        session = session.used(at(now));
                    }
                } else {
                    // it ends at most so much earlier than the idle time says
                    let slack = NOTED_SECONDS.min(idle / 10).max(1);
                    prop_assert!(now >= 43_200 || now - last >= idle - slack);
                    break;
                }
            }
        }
    }
}
