//! Audit records: the members that people read are the members that are hashed (PROTOCOL, Audit).
//!
//! [`AuditRecord`] is what the wire shows and, in a binary format, the row that a store keeps.
//! Its canonical form and its hash are decisions and live in the core crate.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::environment::Environment;
use crate::id::{
    AccountId, AppId, ChainId, ConnectionId, EventId, InvalidId, KeyId, OperatorId, SessionId,
};
use crate::row_bytes;
use crate::text::{AgentIp, Endpoint, InvalidText, Label, Method, UserId, texts};
use crate::time::Timestamp;
use crate::wire::{object, present, words};

pub use crate::details::{Details, InvalidDetails};

words! {
    /// What happened. Only ever appended to: rows hold the position.
    pub enum AuditEvent {
        /// An app issued a connection.
        ConnectionCreated = "connection_created",
        /// An agent exchanged the connection token.
        ConnectionExchanged = "connection_exchanged",
        /// A spent connection token was presented again.
        ConnectionTokenReplayed = "connection_token_replayed",
        /// A call was allowed.
        Verified = "verified",
        /// An introspection was answered.
        Introspected = "introspected",
        /// A call was refused.
        Refused = "refused",
        /// Somebody ended a connection.
        ConnectionRevoked = "connection_revoked",
        /// Time ended a connection.
        ConnectionExpired = "connection_expired",
        /// Scopes were taken away, or the end brought forward.
        ConnectionNarrowed = "connection_narrowed",
        /// The user granted more.
        ConnectionWidened = "connection_widened",
        /// An operator lifted the suspension after a restore.
        ConnectionResumed = "connection_resumed",
        /// The catalogue changed.
        ScopesChanged = "scopes_changed",
        /// The app's settings changed.
        SettingsChanged = "settings_changed",
        /// An operator registered an app.
        AppCreated = "app_created",
        /// An operator deleted an app.
        AppDeleted = "app_deleted",
        /// An API key was made.
        KeyCreated = "key_created",
        /// An API key got a successor.
        KeyRotated = "key_rotated",
        /// An API key was ended.
        KeyRevoked = "key_revoked",
        /// The app's registered public keys changed.
        PublicKeysChanged = "public_keys_changed",
        /// The app's plan changed.
        PlanChanged = "plan_changed",
        /// An operator was made.
        OperatorCreated = "operator_created",
        /// An operator got a new token.
        OperatorRotated = "operator_rotated",
        /// An operator was ended.
        OperatorRevoked = "operator_revoked",
        /// Register: a writer began a chain.
        ChainOpened = "chain_opened",
        /// Register: a chain ended; last seq and hash.
        ChainClosed = "chain_closed",
        /// Register: retention dropped the beginning of chains.
        AuditTrimmed = "audit_trimmed",
        /// Register: the signed heads of all open chains.
        Checkpoint = "checkpoint",
        /// A backup was restored.
        StoreRestored = "store_restored",
        /// An operator accepted the clock as it is.
        ClockAccepted = "clock_accepted",
        /// An app opened a session of the hosted consent page.
        ConsentSessionCreated = "consent_session_created",
        /// The user said no on the hosted consent page.
        ConsentSessionDenied = "consent_session_denied",
        /// A developer made an account.
        AccountCreated = "account_created",
        /// An account got another label.
        AccountChanged = "account_changed",
        /// An operator suspended an account.
        AccountSuspended = "account_suspended",
        /// An operator lifted the suspension of an account.
        AccountResumed = "account_resumed",
        /// An operator deleted an account.
        AccountDeleted = "account_deleted",
        /// Somebody made a link: to an account, to an app, or to sign in with.
        InviteCreated = "invite_created",
        /// A link was taken back.
        InviteRevoked = "invite_revoked",
        /// A link was used.
        InviteUsed = "invite_used",
        /// An account became a member of an app.
        MemberAdded = "member_added",
        /// A member of an app got another role.
        MemberChanged = "member_changed",
        /// An account is no longer a member of an app.
        MemberRemoved = "member_removed",
        /// Somebody made a one-time code for the dashboard.
        SignInCodeCreated = "sign_in_code_created",
        /// A wrong code was typed for one that is known.
        SignInRefused = "sign_in_refused",
        /// Somebody signed in to the dashboard.
        SignedIn = "signed_in",
        /// A session of the dashboard was ended, by itself or by somebody else.
        SessionEnded = "session_ended",
        /// An OAuth client asked for a grant.
        AuthorizationRequested = "authorization_requested",
        /// An OAuth client registered itself.
        ClientRegistered = "client_registered",
        /// Registered OAuth clients that nobody used were forgotten.
        ClientReaped = "client_reaped",
        /// An OAuth client renewed its access token.
        TokenRefreshed = "token_refreshed",
        /// A refresh token was presented long after its successor was made.
        RefreshTokenReplayed = "refresh_token_replayed",
        /// A spent authorization code was presented again.
        AuthorizationCodeReplayed = "authorization_code_replayed",
        /// A developer added a passkey.
        PasskeyAdded = "passkey_added",
        /// A developer removed a passkey.
        PasskeyRemoved = "passkey_removed",
    }
}

impl AuditEvent {
    /// Whether there are records of this event that ended with a no.
    pub fn may_refuse(self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::ConnectionTokenReplayed
                | Self::ConsentSessionDenied
                | Self::SignInRefused
                | Self::RefreshTokenReplayed
                | Self::AuthorizationCodeReplayed
        )
    }

    /// Whether there are records of this event that say why.
    pub fn may_have_reason(self) -> bool {
        matches!(self, Self::Refused | Self::ConnectionRevoked | Self::SignInRefused)
    }
}

words! {
    /// How it ended.
    pub enum Outcome {
        /// The call may proceed.
        Allowed = "allowed",
        /// The call may not.
        Refused = "refused",
        /// A change was made.
        Done = "done",
    }
}

/// One record of the log: every member is on the wire, `null` where empty, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRecord {
    /// The record's name.
    pub id: EventId,
    /// The chain that it stands in.
    pub chain: ChainId,
    /// Its place in the chain, from 1, without gaps.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub seq: u64,
    /// When.
    pub occurred_at: Timestamp,
    /// Whose; empty for what concerns the service itself.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub app_id: Option<AppId>,
    /// Which half of the app; empty for what concerns the service itself.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub environment: Option<Environment>,
    /// What happened.
    pub event: AuditEvent,
    /// About which connection.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub connection_id: Option<ConnectionId>,
    /// About which of the app's users.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_id: Option<UserId>,
    /// How the agent calls itself.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub agent_label: Option<Label>,
    /// Where the agent called from, as the app says.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub agent_ip: Option<AgentIp>,
    /// Scope names, separated by spaces.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub scope: Option<String>,
    /// The route's template, or the tool's name.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub endpoint: Option<Endpoint>,
    /// The method.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub method: Option<Method>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why: a code or reason for a refusal, the caller's words for a revocation.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub reason: Option<String>,
    /// By which credential.
    pub actor: Actor,
    /// For whom, as the app says.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub on_behalf_of: Option<OnBehalfOf>,
    /// The call, as the service's log names it.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub request_id: Option<String>,
    /// How many such events this record stands for; 1 unless they were counted together.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub count: u32,
    /// What belongs to the event and has no member of its own.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub details: Option<Details>,
    /// The hash of the record before it in the chain; zeros for the first.
    pub prev_hash: AuditHash,
    /// The hash of this record without this member.
    pub hash: AuditHash,
}
object!(AuditRecord);

/// SHA-256 of a record's canonical form: 64 lower-case hex digits on the wire, 32 bytes in rows.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditHash([u8; 32]);

impl AuditHash {
    /// What stands before the first record of a chain.
    pub const ZERO: Self = Self([0; 32]);

    /// From 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Appends the text form to bytes.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text());
    }

    fn text(&self) -> [u8; 64] {
        let mut text = [0; 64];
        for (eight, four) in text.as_chunks_mut().0.iter_mut().zip(self.0.as_chunks().0) {
            *eight = hex(u32::from_be_bytes(*four)).to_be_bytes();
        }
        text
    }
}

/// A text that is not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 lower-case hex digits")]
pub struct InvalidAuditHash;

impl FromStr for AuditHash {
    type Err = InvalidAuditHash;

    fn from_str(text: &str) -> Result<Self, InvalidAuditHash> {
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| InvalidAuditHash)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else { return Err(InvalidAuditHash) };
            *byte = hex_value(high)? << 4 | hex_value(low)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AuditHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            row_bytes::serialize(&self.0, serializer)
        }
    }
}

impl<'de> Deserialize<'de> for AuditHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            row_bytes::deserialize(deserializer).map(Self)
        }
    }
}

crate::schema::impl_schema!(
    AuditHash,
    crate::schema::pattern(
        "^[0-9a-f]{64}$",
        "SHA-256 in lower-case hex.",
        "0000000000000000000000000000000000000000000000000000000000000000",
    )
);

/// The credential that something was done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// An app's API key or registered public key: `key:key_…`.
    Key(KeyId),
    /// An operator's token: `operator:op_…`.
    Operator(OperatorId),
    /// An agent's own token: `agent:conn_…`.
    Agent(ConnectionId),
    /// A developer who is signed in: `account:acct_…`.
    Account(AccountId),
    /// The service itself: `system`.
    System,
    /// A session of the dashboard: `session:ses_…`.
    Session(SessionId),
}

impl Actor {
    /// Appends the text form to bytes.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Key(id) => {
                out.extend_from_slice(b"key:");
                id.write_to(out);
            }
            Self::Operator(id) => {
                out.extend_from_slice(b"operator:");
                id.write_to(out);
            }
            Self::Agent(id) => {
                out.extend_from_slice(b"agent:");
                id.write_to(out);
            }
            Self::Account(id) => {
                out.extend_from_slice(b"account:");
                id.write_to(out);
            }
            Self::System => out.extend_from_slice(b"system"),
            Self::Session(id) => {
                out.extend_from_slice(b"session:");
                id.write_to(out);
            }
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(48);
        self.write_to(&mut text);
        f.pad(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// A text that names no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be key:key_…, operator:op_…, agent:conn_…, account:acct_…, session:ses_… or system")]
pub struct InvalidActor;

impl From<InvalidId> for InvalidActor {
    fn from(_: InvalidId) -> Self {
        Self
    }
}

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        match text.split_once(':') {
            Some(("key", id)) => Ok(Self::Key(id.parse()?)),
            Some(("operator", id)) => Ok(Self::Operator(id.parse()?)),
            Some(("agent", id)) => Ok(Self::Agent(id.parse()?)),
            Some(("account", id)) => Ok(Self::Account(id.parse()?)),
            Some(("session", id)) => Ok(Self::Session(id.parse()?)),
            None if text == "system" => Ok(Self::System),
            _ => Err(InvalidActor),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let row = match *self {
            Self::Key(id) => ActorRow::Key(id),
            Self::Operator(id) => ActorRow::Operator(id),
            Self::Agent(id) => ActorRow::Agent(id),
            Self::Account(id) => ActorRow::Account(id),
            Self::System => ActorRow::System,
            Self::Session(id) => ActorRow::Session(id),
        };
        row.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
        }
        Ok(match ActorRow::deserialize(deserializer)? {
            ActorRow::Key(id) => Self::Key(id),
            ActorRow::Operator(id) => Self::Operator(id),
            ActorRow::Agent(id) => Self::Agent(id),
            ActorRow::Account(id) => Self::Account(id),
            ActorRow::System => Self::System,
            ActorRow::Session(id) => Self::Session(id),
        })
    }
}

crate::schema::impl_schema!(
    Actor,
    crate::schema::pattern(
        "^(key:key_|operator:op_|agent:conn_|account:acct_|session:ses_)[0-7][0-9a-hjkmnp-tv-z]{25}$|^system$",
        "The credential that something was done with.",
        "system",
    )
);

/// An [`Actor`] as rows hold it. Only ever appended to.
#[derive(Serialize, Deserialize)]
enum ActorRow {
    Key(KeyId),
    Operator(OperatorId),
    Agent(ConnectionId),
    System,
    Account(AccountId),
    Session(SessionId),
}

texts! {
    /// For whom an app says that it acts: `user:ID`, `admin:ID`, `agent:conn_…`.
    OnBehalfOf, "a caller", on_behalf_of,
        crate::schema::text(
            6, 134,
            r"^((user|admin):[^\u0000-\u001f\u007f-\u009f]{1,128}|agent:conn_[0-7][0-9a-hjkmnp-tv-z]{25})$",
            "For whom the app says that it acts.",
        );
}

fn on_behalf_of(text: &str) -> Result<(), InvalidText> {
    let holds = match text.split_once(':') {
        Some(("user" | "admin", id)) => UserId::new(id).is_ok(),
        Some(("agent", id)) => id.parse::<ConnectionId>().is_ok(),
        _ => false,
    };
    if holds {
        return Ok(());
    }
    Err(InvalidText::Rule("must be user:ID, admin:ID or agent:conn_…"))
}

/// The eight hex digits of a number, a byte each, the first in the highest.
const fn hex(value: u32) -> u64 {
    /// A one in each byte.
    const ONES: u64 = 0x0101_0101_0101_0101;
    let value = value as u64;
    let halves = ((value << 16) | value) & 0x0000_ffff_0000_ffff;
    let bytes = ((halves << 8) | halves) & 0x00ff_00ff_00ff_00ff;
    let digits = ((bytes << 4) | bytes) & 0x0f0f_0f0f_0f0f_0f0f;
    // from ten on, six more make a sixteen
    let letters = ((digits + 6 * ONES) >> 4) & ONES;
    digits + b'0' as u64 * ONES + (b'a' - b'9' - 1) as u64 * letters
}

const fn hex_value(digit: u8) -> Result<u8, InvalidAuditHash> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidAuditHash),
    }
}

#[cfg(test)]
mod tests;
