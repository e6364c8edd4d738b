//! Guards the tools of an MCP server over streamable HTTP: what each needs, and one question to the
//! service for each request. The counterpart of `agentadmit.mcp` in Python.
//!
//! ```
//! use agentadmit::mcp::ToolGuard;
//!
//! # fn main() -> Result<(), agentadmit::error::ConfigurationError> {
//! let guard = ToolGuard::new([
//!     ("list_notes", "notes:read"),
//!     ("add_note", "notes:write"),
//!     ("delete_note", "notes:write notes:delete"),
//! ])?
//! .first_scopes("notes:read")?;
//! assert!(guard.contains("add_note") && !guard.contains("wipe_server"));
//! # Ok(())
//! # }
//! ```
//!
//! The server itself is any `Service` of HTTP requests, such as `StreamableHttpService` of `rmcp`:
//! `AgentRouter::mcp` puts it behind the guard at a path, and [`ToolGuard::over_http`] around any
//! other router.
//!
//! | a request | what happens |
//! | --- | --- |
//! | without a token | 401, with the way to the metadata of the resource (RFC 9728) |
//! | with one that opens nothing | 401 `invalid_token` |
//! | the call of a tool, some of its scopes missing | 403 `insufficient_scope`, with all scopes of the tool (RFC 6750) |
//! | the call of a tool that the map does not name | a result with `isError`; the tool does not run |
//! | `resources/read` and whatever else knows no scope | the error of a method that does not exist, unless [`ToolGuard::open_methods`] names it |
//! | several messages in one | 400: a question is about one |
//! | in the session of another user | 404, as for one that has ended |
//! | anything else | goes on to the server with a live token, without its header `Authorization` |
//!
//! What goes out is watched as on any route: a stream, and a tool that takes long, is asked about
//! again every 30 s, and broken off at the first refusal or doubt.

mod answers;
mod layer;
mod listed;
mod message;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentadmit_protocol::text::Endpoint;
use http::request::Parts;

pub use layer::{GuardedServer, MessageBody, ToolGuardLayer};
pub use listed::Listed;
use session::Sessions;

use crate::admit::AgentAdmit;
use crate::app::{App, User};
use crate::context::AuthContext;
use crate::error::ConfigurationError;
use crate::guard::{AgentCaller, Guard, require_scope};
use crate::refusal::Refused;

/// How long a message may be unless said, in bytes: it is read before anybody knows whose it is.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Lets calls of tools pass that the service admits, and no others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ToolGuard {
    rules: Arc<Rules>,
}

#[derive(Debug, Clone)]
struct Rules {
    sessions: Arc<Sessions>,
    tools: BTreeMap<String, Guard>,
    open_methods: BTreeSet<String>,
    first_scopes: Option<String>,
    max_message_bytes: usize,
}

impl ToolGuard {
    /// `scope_map` names for each tool the scope that a call of it needs, or several with spaces
    /// between, all needed. What it does not name is refused and not listed.
    ///
    /// # Errors
    /// A name that no tool can have, a tool without a scope, or with one that is no scope name; a
    /// machine without randomness, which binds sessions to users.
    pub fn new<T, S>(
        scope_map: impl IntoIterator<Item = (T, S)>,
    ) -> Result<Self, ConfigurationError>
    where
        T: Into<String>,
        S: AsRef<str>,
    {
        let of_tool = |(tool, scopes): (T, S)| {
            let tool = tool.into();
            guard_of(&tool, scopes.as_ref()).map(|guard| (tool, guard))
        };
        let tools = scope_map.into_iter().map(of_tool).collect::<Result<_, _>>()?;
        let rules = Rules {
            sessions: Arc::new(Sessions::new()?),
            tools,
            open_methods: BTreeSet::new(),
            first_scopes: None,
            max_message_bytes: MAX_MESSAGE_BYTES,
        };
        Ok(Self { rules: Arc::new(rules) })
    }

    /// Methods of MCP with data, such as `resources/read` or `prompts/get`, that the server answers
    /// to every agent with a live token: they know no scope, and are refused otherwise.
    #[must_use]
    pub fn open_methods<M: Into<String>>(self, methods: impl IntoIterator<Item = M>) -> Self {
        self.with(|rules| rules.open_methods.extend(methods.into_iter().map(Into::into)))
    }

    /// What a client is told to ask for that has not called any tool yet, with spaces between;
    /// without it that is everything which is neither sensitive nor an admin's.
    ///
    /// # Errors
    /// One is no scope name.
    pub fn first_scopes(self, scopes: &str) -> Result<Self, ConfigurationError> {
        let asked = scope_of(scopes).map_err(|fault| {
            ConfigurationError(format!("the first scopes of an MCP server: {fault}"))
        })?;
        Ok(self.with(|rules| rules.first_scopes = asked.scope_used()))
    }

    /// How long a message may be; 413 beyond that. [`MAX_MESSAGE_BYTES`] unless said.
    #[must_use]
    pub fn max_message_bytes(self, bytes: usize) -> Self {
        self.with(|rules| rules.max_message_bytes = bytes)
    }

    /// Whether the map names a tool.
    pub fn contains(&self, tool: &str) -> bool {
        self.rules.tools.contains_key(tool)
    }

    /// Puts the guard before a server of HTTP requests. In an axum app use `AgentRouter::mcp`: a
    /// router's own guard would close the path to agents.
    pub fn over_http<A: App>(&self, agents: &AgentAdmit<A>) -> ToolGuardLayer<A> {
        for (tool, guard) in &self.rules.tools {
            for scope in guard.scopes().filter(|scope| !agents.is_in_catalogue(scope)) {
                tracing::warn!(tool, %scope, "no connection can hold a scope outside of `scopes`");
            }
        }
        ToolGuardLayer::new(agents.clone(), self.clone())
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

/// Who calls a tool: the agent, and the app's own user in whose name. `rmcp` hands a tool the
/// request's [`Parts`] as `Extension<Parts>`.
///
/// # Errors
/// 500 where no [`ToolGuard`] stands before the server, or where its app has another user type.
pub fn auth_context<U: User>(parts: &Parts) -> Result<AuthContext<U>, Refused> {
    let caller = parts.extensions.get::<Arc<AgentCaller<U>>>().ok_or_else(|| {
        tracing::error!("a tool asks who calls, but no `ToolGuard` stands before its server");
        Refused::internal()
    })?;
    Ok(AuthContext::of_agent(caller.agent.clone(), caller.user.clone()))
}

/// What the service is told of a tool's call.
fn endpoint_of(tool: &str) -> String {
    format!("tool:{tool}")
}

fn guard_of(tool: &str, scopes: &str) -> Result<Guard, ConfigurationError> {
    if tool.is_empty() || Endpoint::new(endpoint_of(tool)).is_err() {
        let shown: String = tool.chars().take(300).collect();
        let text = format!("the scope map names a tool that no tool can be: {shown:?}");
        return Err(ConfigurationError(text));
    }
    // without a scope it says so: a tool that asks for nothing would be open to every agent
    scope_of(scopes)
        .map_err(|fault| ConfigurationError(format!("the scope map, tool `{tool}`: {fault}")))
}

fn scope_of(scopes: &str) -> Result<Guard, String> {
    let guard = require_scope(scopes.split_ascii_whitespace());
    match guard.fault() {
        Some(fault) => Err(fault.to_owned()),
        None => Ok(guard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_means_nothing_is_refused() {
        let long = "t".repeat(300);
        for (tool, scopes) in [
            ("", "notes:read"),
            (long.as_str(), "notes:read"),
            ("list_notes", ""),
            ("list_notes", " "),
            ("list_notes", "notes"),
            ("list_notes", "notes:read Notes:write"),
            ("list_notes", "notes:*"),
        ] {
            assert!(ToolGuard::new([(tool, scopes)]).is_err(), "{tool:.20} {scopes}");
        }
        let guard = ToolGuard::new([("list_notes", "notes:read")]).unwrap();
        assert!(guard.clone().first_scopes("").is_err());
        assert!(guard.first_scopes("notes:read notes").is_err());
    }
}
