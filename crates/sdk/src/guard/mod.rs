//! Guards: which of a request's makers may pass (PROTOCOL, Guards).
//!
//! | guard | nobody | the app's user | agent with the scopes | agent without |
//! | --- | --- | --- | --- | --- |
//! | [`require_scope_if_agent`] | passes: the app decides | passes, the service is not asked | passes | 403 `insufficient_scope` |
//! | [`require_scope`] | 401 | 403 `agent_required` | passes | 403 `insufficient_scope` |
//! | [`open_to_agents`] | passes: the app decides | passes, the service is not asked | passes | passes |
//! | none, or one without scopes | untouched | untouched | 403 `agent_not_allowed` | 403 `agent_not_allowed` |
//!
//! A route has one guard, and one request of an agent is one verify: the scopes of guards that are
//! joined with [`Guard::and`] are asked for together. Every agent that passes has a live connection,
//! and a user whom the app knows.
//!
//! ```
//! use agentadmit::guard::{open_to_agents, require_scope, require_scope_if_agent};
//!
//! let orders = require_scope_if_agent(["read:orders"]).summary("Your orders");
//! let refunds = orders.clone().and(require_scope(["create:refunds"]));
//! assert_eq!(refunds.scope_used().as_deref(), Some("create:refunds read:orders"));
//! assert_eq!(open_to_agents().scope_used(), None);
//! ```

mod address;
mod admission;
mod credential;

use std::collections::BTreeSet;

use agentadmit_protocol::scope::{MAX_LISTED, ScopeName, join};
use http::Method;

use crate::refusal::Refused;

pub(crate) use address::client_address;
pub(crate) use admission::app_failed;
pub use admission::{Admission, AgentCaller};
#[cfg(feature = "tower")]
pub(crate) use admission::{AgentCall, Reask, not_an_agent};
pub(crate) use credential::agent_token;
use credential::{holds_token, misplaced};

/// Passes the app's users and nobody unchanged, and agents that hold all of these scopes.
pub fn require_scope_if_agent<I>(scopes: I) -> Guard
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    Guard::closed().requiring(scopes)
}

/// Passes only agents that hold all of these scopes.
pub fn require_scope<I>(scopes: I) -> Guard
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    Guard { agents_only: true, ..Guard::closed() }.requiring(scopes)
}

/// Passes everybody, and every agent with a live connection, whatever it holds. For what any
/// connected agent may know, such as whose account this is.
pub fn open_to_agents() -> Guard {
    Guard { open: true, ..Guard::closed() }
}

/// Passes only agents. Without a scope, and unless it is opened, it passes none of them either; joined
/// with another guard it keeps people out.
pub fn agents_only() -> Guard {
    Guard { agents_only: true, ..Guard::closed() }
}

/// Refuses a form that holds an agent's token.
///
/// # Errors
/// 400, which every route answers, whoever calls it.
pub fn check_form(form: &[u8]) -> Result<(), Refused> {
    if holds_token(form) { Err(misplaced("a form")) } else { Ok(()) }
}

/// What a route asks of whoever calls it. See the table in the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    agents_only: bool,
    open: bool,
    scopes: BTreeSet<ScopeName>,
    fault: Option<String>,
    summary: Option<String>,
    hidden: bool,
}

impl Guard {
    /// The guard of a route without a guard: agents are refused, all others are the app's matter.
    pub const fn closed() -> Self {
        Self {
            agents_only: false,
            open: false,
            scopes: BTreeSet::new(),
            fault: None,
            summary: None,
            hidden: false,
        }
    }

    /// A name that is no scope name, and more than 50 of them, are a [`Guard::fault`].
    fn requiring<I>(mut self, scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for name in scopes {
            match ScopeName::new(name.as_ref()) {
                Ok(scope) => drop(self.scopes.insert(scope)),
                Err(error) => self.fault = Some(format!("`{}` {error}", name.as_ref())),
            }
        }
        if self.scopes.is_empty() && self.fault.is_none() {
            self.fault = Some("it names no scope: agents are refused".to_owned());
        }
        self.within_bounds()
    }

    fn within_bounds(mut self) -> Self {
        if self.scopes.len() > MAX_LISTED {
            self.fault = Some(format!("it needs more than {MAX_LISTED} scopes"));
        }
        self
    }

    /// Both guards at once: the stricter rule, and all scopes of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.agents_only |= other.agents_only;
        self.open |= other.open;
        self.scopes.extend(other.scopes);
        self.fault = self.fault.or(other.fault);
        self.summary = self.summary.or(other.summary);
        self.hidden |= other.hidden;
        self.within_bounds()
    }

    /// Opens the route to agents without a scope. A guard that names scopes still wants them.
    #[must_use]
    pub const fn open_to_agents(mut self) -> Self {
        self.open = true;
        self
    }

    /// What the route does, for agents that read the discovery document.
    #[must_use]
    pub fn summary(mut self, text: impl Into<String>) -> Self {
        self.summary = Some(text.into());
        self
    }

    /// Leaves the route out of the discovery document.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// The scopes, sorted, each once.
    pub fn scopes(&self) -> impl Iterator<Item = &ScopeName> {
        self.scopes.iter()
    }

    /// The scopes as verify wants them; `None` when there are none.
    pub fn scope_used(&self) -> Option<String> {
        let names: Vec<ScopeName> = self.scopes.iter().cloned().collect();
        (!names.is_empty()).then(|| join(&names))
    }

    /// What is wrong with the guard. A guard with a fault refuses every agent.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Whether any agent can pass.
    pub(crate) fn lets_agents_in(&self) -> bool {
        self.fault.is_none() && (self.open || !self.scopes.is_empty())
    }

    pub(crate) const fn wants_an_agent(&self) -> bool {
        self.agents_only
    }
}

/// A guarded route, for the discovery document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardedRoute {
    /// The method.
    pub method: Method,
    /// The template of its path.
    pub path: String,
    /// Its guard.
    pub guard: Guard,
}

impl GuardedRoute {
    pub(crate) fn scope_used(&self) -> Option<String> {
        self.guard.scope_used()
    }

    pub(crate) fn summary(&self) -> Option<&str> {
        self.guard.summary.as_deref()
    }

    pub(crate) const fn is_hidden(&self) -> bool {
        self.guard.hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_sorted_and_named_once() {
        let guard =
            require_scope_if_agent(["b:x", "a:x", "b:x"]).and(require_scope(["a:x", "c:x"]));
        assert_eq!(guard.scope_used().as_deref(), Some("a:x b:x c:x"));
        assert!(guard.wants_an_agent() && guard.lets_agents_in());
    }

    #[test]
    fn a_guard_that_is_set_up_wrongly_refuses_agents() {
        let many: Vec<String> = (0..=MAX_LISTED).map(|n| format!("a:{n}")).collect();
        for guard in [
            require_scope_if_agent(["orders"]),
            require_scope_if_agent(["read:orders", "orders:*"]),
            require_scope_if_agent(Vec::<String>::new()),
            require_scope_if_agent(&many),
            require_scope_if_agent(many.iter().take(30)).and(require_scope(many.iter().skip(20))),
            open_to_agents().and(require_scope(["A:b"])),
            Guard::closed(),
        ] {
            assert!(!guard.lets_agents_in(), "{guard:?}");
        }
    }
}
