//! Whether one call of an agent may proceed (PROTOCOL, `POST /v1/verify`).
//!
//! The decision has two halves, so that a rate limit can stand between them: first whether the
//! token opens a live connection of the caller, then whether that connection may make this call.

use agentadmit_protocol::error::InvalidTokenReason;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::settings::ScopeUsed;
use agentadmit_protocol::time::Timestamp;

use crate::app::{App, EnvironmentState, Tenant};
use crate::connection::{Connection, Standing};

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadToken {
    /// There is no live connection behind it.
    Invalid(InvalidTokenReason),
    /// The connection waits for an operator after a restore: the service cannot say yes, and the
    /// token is not dead either.
    Suspended,
}

/// Why a live connection may not make this call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsufficientScope {
    /// Every scope that was needed and is missing; empty when the app demands that one is named.
    pub missing: Vec<ScopeName>,
    /// What the connection holds.
    pub granted: Vec<ScopeName>,
}

/// The live connection that an access token opens for this caller.
///
/// `found` is the connection whose access token was presented, if any. A token of another app or
/// environment is `unknown`: its existence is not revealed.
///
/// # Errors
/// Why there is none.
pub fn live_connection<'a>(
    tenant: Tenant,
    app: &App,
    found: Option<&'a Connection>,
    last_used_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<&'a Connection, DeadToken> {
    let connection = found
        .filter(|connection| connection.tenant == tenant)
        .ok_or(DeadToken::Invalid(InvalidTokenReason::Unknown))?;
    match connection.standing(app, last_used_at, now) {
        Standing::Active => Ok(connection),
        Standing::Suspended => Err(DeadToken::Suspended),
        Standing::Revoked(_) => Err(DeadToken::Invalid(InvalidTokenReason::Revoked)),
        Standing::Expired(_) => Err(DeadToken::Invalid(InvalidTokenReason::Expired)),
        // an access token exists only after the exchange
        Standing::Pending => Err(DeadToken::Invalid(InvalidTokenReason::Unknown)),
    }
}

/// Whether the connection holds every scope that the call needs now.
///
/// # Errors
/// What is missing. A call without any scope is refused where the app demands one.
pub fn check_scopes(
    app: &App,
    environment: &EnvironmentState,
    connection: &Connection,
    needed: &[ScopeName],
) -> Result<Vec<ScopeName>, InsufficientScope> {
    let granted: Vec<ScopeName> = connection.live_scopes(environment).cloned().collect();
    let missing: Vec<ScopeName> =
        needed.iter().filter(|scope| !granted.contains(scope)).cloned().collect();
    let unnamed = needed.is_empty() && app.settings.scope_used == ScopeUsed::Required;
    if missing.is_empty() && !unnamed {
        Ok(granted)
    } else {
        Err(InsufficientScope { missing, granted })
    }
}
