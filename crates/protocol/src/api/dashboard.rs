//! Signing in to the dashboard: `/dashboard/session`, and what operators do with codes and sessions.

use serde::{Deserialize, Serialize};

use crate::account::Role;
use crate::id::{AccountId, AppId, SessionId};
use crate::sign_in_code::SignInCode;
use crate::time::Timestamp;
use crate::wire::{object, words};

/// A one-time code, to be exchanged for a session.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInRequest {
    /// The code as it was typed.
    pub code: SignInCode,
}
object!(SignInRequest);

words! {
    /// Who is signed in.
    pub enum SessionKind {
        /// Whoever runs the service.
        Operator = "operator",
        /// A developer of apps.
        Developer = "developer",
    }
}

/// An app of a developer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionApp {
    /// The app.
    pub app_id: AppId,
    /// What the developer may do with it.
    pub role: Role,
}

/// 200: the session of this browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurrentSession {
    /// The session's public name.
    pub session_id: SessionId,
    /// Who is signed in.
    pub kind: SessionKind,
    /// How to call them.
    pub label: String,
    /// A developer's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub account_id: Option<AccountId>,
    /// A developer's apps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub apps: Option<Vec<SessionApp>>,
    /// When it ends if it is used no more.
    pub idle_expires_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
}

/// 201: a one-time code. It is shown this once.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInCodeCreated {
    /// The code.
    pub code: SignInCode,
    /// From when on it opens nothing.
    pub expires_at: Timestamp,
    /// Where to type it; `null` where the answer comes from the command line on a store.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub dashboard_url: Option<String>,
}

/// A session of an operator's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    /// The public name, also in records.
    pub session_id: SessionId,
    /// Who is signed in.
    pub kind: SessionKind,
    /// How to call them.
    pub label: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to within a minute.
    pub last_used_at: Timestamp,
    /// When it ends if it is used no more.
    pub idle_expires_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// Whether it is the session that asks.
    pub current: bool,
}

/// The sessions of operators that are good now, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// At most 100.
    pub sessions: Vec<SessionView>,
}

words! {
    /// Where a session stands that is over.
    pub enum EndedStatus {
        /// Over.
        Ended = "ended",
    }
}

/// 200: the session is over for every call that starts after this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionEnded {
    /// The session.
    pub session_id: SessionId,
    /// Always `ended`.
    pub status: EndedStatus,
    /// When; of one that was over before, then.
    pub ended_at: Timestamp,
}
