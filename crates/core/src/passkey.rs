//! Passkeys of developers (Web Authentication Level 3): what is kept of one, and the challenges that a
//! browser answers.
//!
//! A passkey is for one account; it signs a challenge that was made for this and is answered once. What it
//! signed is checked where HTTP is; here is what a store keeps, and what follows from a counter.

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AccountId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// The most passkeys of one account.
pub const MAX_PASSKEYS: usize = 20;
/// How long a browser has for its answer.
pub const CHALLENGE_SECONDS: i64 = 300;

/// A passkey. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The authenticator's name for it: at most 1023 bytes.
    pub credential: Vec<u8>,
    /// Whom it signs in.
    pub account_id: AccountId,
    /// What its developer calls it.
    pub name: Label,
    /// Its public key, as COSE writes it (RFC 9053).
    pub public_key: Vec<u8>,
    /// How it signs (COSE algorithm).
    pub algorithm: i32,
    /// How often it has signed, if it counts; 0 if it does not.
    pub counter: u32,
    /// Whether its authenticator keeps it on other devices too.
    pub is_synced: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last signed somebody in.
    pub last_used_at: Option<Timestamp>,
}

/// A passkey that an authenticator made, not yet of anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPasskey {
    /// The authenticator's name for it.
    pub credential: Vec<u8>,
    /// What its developer calls it.
    pub name: Label,
    /// Its public key.
    pub public_key: Vec<u8>,
    /// How it signs.
    pub algorithm: i32,
    /// How often it has signed.
    pub counter: u32,
    /// Whether its authenticator keeps it on other devices too.
    pub is_synced: bool,
}

impl NewPasskey {
    /// The passkey of an account from now on.
    pub fn of(self, account_id: AccountId, now: Timestamp) -> Passkey {
        Passkey {
            credential: self.credential,
            account_id,
            name: self.name,
            public_key: self.public_key,
            algorithm: self.algorithm,
            counter: self.counter,
            is_synced: self.is_synced,
            created_at: now,
            last_used_at: None,
        }
    }
}

/// A passkey that signed a challenge well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The count that it signed.
    pub counter: u32,
    /// Whether its authenticator says that it is kept on other devices too.
    pub is_synced: bool,
}

impl Passkey {
    /// What stores find it by.
    pub fn key(&self) -> SecretHash {
        SecretHash::of(&self.credential)
    }

    /// Whether a count that it signed goes on from the last one. One that does not says that there are two
    /// of it (Web Authentication, signature counter considerations); two zeros say that it does not count.
    pub fn counts_on(&self, counter: u32) -> bool {
        (self.counter == 0 && counter == 0) || counter > self.counter
    }

    /// The passkey after it signed somebody in.
    #[must_use]
    pub fn used(self, signed: Signed, now: Timestamp) -> Self {
        let Signed { counter, is_synced } = signed;
        Self { counter, is_synced, last_used_at: Some(now), ..self }
    }
}

/// What a browser is asked to sign, once. Also the row that a store keeps until it is answered or its time
/// is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// SHA-256 of it.
    pub hash: SecretHash,
    /// What it was made for, and good for alone.
    pub purpose: ChallengePurpose,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
}

/// What a challenge was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChallengePurpose {
    /// To sign in, with whatever passkey.
    SignIn,
    /// A first passkey, and the account that comes with it.
    SignUp {
        /// What the account will be.
        account_id: AccountId,
        /// What it will be called.
        label: Label,
        /// By which link, if by one.
        invite: Option<SecretHash>,
    },
    /// A further passkey.
    Add {
        /// Of this account.
        account_id: AccountId,
    },
}

impl Challenge {
    /// Whether it may still be answered.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// One text for every passkey that signs nobody in.
pub fn invalid_passkey() -> Refusal {
    let text = "this passkey signs nobody in here: try again, use another, or ask the operator of this \
                service for a link";
    Refusal::new(ErrorCode::InvalidPasskey, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_or_is_not_there() {
        let passkey = |counter| Passkey {
            credential: vec![1],
            account_id: AccountId::from_bytes([1; 16]),
            name: Label::new("Key").unwrap(),
            public_key: vec![2],
            algorithm: -7,
            counter,
            is_synced: false,
            created_at: Timestamp::from_millis(0),
            last_used_at: None,
        };
        for (known, signed, good) in
            [(0, 0, true), (0, 1, true), (1, 2, true), (1, 1, false), (2, 1, false), (1, 0, false)]
        {
            assert_eq!(passkey(known).counts_on(signed), good, "{known} {signed}");
        }
    }
}
