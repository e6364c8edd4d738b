//! `POST /v1/verify`: the hot path.

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::id::{AppId, ConnectionId, EventId};
use crate::json::plain::is_plain;
use crate::oauth::{ClientId, ResourceUri};
use crate::scope::{ScopeList, ScopeName};
use crate::secret::Presented;
use crate::text::{AgentIp, Endpoint, Label, Method, Text, UserId};
use crate::time::Timestamp;
use crate::wire::read_object;

/// The call that an agent makes, as the service reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerifyRequest {
    /// What the agent presented.
    pub token: Presented,
    /// The scopes that the call needs, all of them.
    #[serde(default)]
    pub scope_used: Option<ScopeList>,
    /// The route's template, or the tool's name.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// The method.
    #[serde(default)]
    pub method: Option<Method>,
    /// Where the agent called from.
    #[serde(default)]
    pub agent_ip: Option<AgentIp>,
}
read_object!(VerifyRequest);

/// The same call, as a client writes it.
#[derive(Clone, Copy, Serialize)]
pub struct VerifyCall<'a> {
    /// What the agent presented, as it came.
    pub token: &'a str,
    /// The scopes that the call needs, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_used: Option<&'a str>,
    /// The route's template, or the tool's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'a str>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// Where the agent called from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_ip: Option<&'a str>,
}

/// 200: the call may proceed. Its record is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerifyAnswer {
    /// Always `true`.
    pub active: bool,
    /// The app that asked.
    pub app_id: AppId,
    /// The environment of its credential.
    pub environment: Environment,
    /// The connection behind the token.
    pub connection_id: ConnectionId,
    /// The app's user who granted it.
    pub user_id: UserId,
    /// How the app calls the user.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_label: Option<Label>,
    /// How the agent calls itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub agent_label: Option<Label>,
    /// Everything that the connection holds now.
    pub scopes: Vec<ScopeName>,
    /// When it was granted.
    pub created_at: Timestamp,
    /// When it ends; `null` is until revoked.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
    /// What the app says it is for.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub purpose: Option<Text>,
    /// What the user says it is for.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_intent: Option<Text>,
    /// The record of this call.
    pub audit_id: EventId,
    /// The OAuth client that holds the token; `null` for an agent that was given it by hand.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub client_id: Option<ClientId>,
    /// The resource that the token is for (RFC 8707): an API that has another address must not take
    /// it. `null` beside a `client_id` of `null`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub resource: Option<ResourceUri>,
}

impl VerifyAnswer {
    /// Appends what `serde_json` would write, member by member: it is written once for every call
    /// of every agent.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // a member more does not compile until it is written
        let Self {
            active,
            app_id,
            environment,
            connection_id,
            user_id,
            user_label,
            agent_label,
            scopes,
            created_at,
            expires_at,
            purpose,
            user_intent,
            audit_id,
            client_id,
            resource,
        } = self;
        out.extend_from_slice(if *active { b"{\"active\":true" } else { b"{\"active\":false" });
        out.extend_from_slice(b",\"app_id\":\"");
        app_id.write_to(out);
        out.extend_from_slice(b"\",\"environment\":\"");
        out.extend_from_slice(environment.as_str().as_bytes());
        out.extend_from_slice(b"\",\"connection_id\":\"");
        connection_id.write_to(out);
        out.extend_from_slice(b"\",\"user_id\":");
        write_text(Some(user_id.as_str()), out);
        out.extend_from_slice(b",\"user_label\":");
        write_text(user_label.as_ref().map(Label::as_str), out);
        out.extend_from_slice(b",\"agent_label\":");
        write_text(agent_label.as_ref().map(Label::as_str), out);
        out.extend_from_slice(b",\"scopes\":[");
        for (position, scope) in scopes.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write_text(Some(scope.as_str()), out);
        }
        out.extend_from_slice(b"],\"created_at\":");
        write_time(Some(*created_at), out);
        out.extend_from_slice(b",\"expires_at\":");
        write_time(*expires_at, out);
        out.extend_from_slice(b",\"purpose\":");
        write_text(purpose.as_ref().map(Text::as_str), out);
        out.extend_from_slice(b",\"user_intent\":");
        write_text(user_intent.as_ref().map(Text::as_str), out);
        out.extend_from_slice(b",\"audit_id\":\"");
        audit_id.write_to(out);
        if client_id.is_none() && resource.is_none() {
            // what nearly every answer ends with
            return out.extend_from_slice(b"\",\"client_id\":null,\"resource\":null}");
        }
        out.extend_from_slice(b"\",\"client_id\":");
        write_text(client_id.as_ref().map(ClientId::as_str), out);
        out.extend_from_slice(b",\"resource\":");
        write_text(resource.as_ref().map(ResourceUri::as_str), out);
        out.push(b'}');
    }
}

fn write_time(time: Option<Timestamp>, out: &mut Vec<u8>) {
    let Some(time) = time else { return out.extend_from_slice(b"null") };
    out.push(b'"');
    time.write_to(out);
    out.push(b'"');
}

fn write_text(text: Option<&str>, out: &mut Vec<u8>) {
    let Some(text) = text else { return out.extend_from_slice(b"null") };
    if !is_plain(text) {
        // rare: `serde_json` knows the escapes
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> VerifyAnswer {
        let at = Timestamp::from_millis(1_767_225_600_123);
        VerifyAnswer {
            active: true,
            app_id: AppId::v7(at, [1; 10]),
            environment: Environment::Test,
            connection_id: ConnectionId::v7(at, [2; 10]),
            user_id: UserId::new(text).unwrap(),
            user_label: None,
            agent_label: Some(Label::new(text).unwrap()),
            scopes: Vec::new(),
            created_at: at,
            expires_at: None,
            purpose: Some(Text::new(text).unwrap()),
            user_intent: None,
            audit_id: EventId::v7(at, [3; 10]),
            client_id: None,
            resource: None,
        }
    }

    #[test]
    fn the_quick_form_is_the_form_of_serde() {
        let full = |text: &str| {
            let text = answer(text);
            VerifyAnswer {
                active: false,
                environment: Environment::Live,
                user_label: text.agent_label.clone(),
                scopes: vec!["orders:read".parse().unwrap(), "orders:write".parse().unwrap()],
                expires_at: Some(text.created_at),
                user_intent: text.purpose.clone(),
                client_id: Some("https://agent.example/client.json".parse().unwrap()),
                resource: Some("https://app.example/mcp".parse().unwrap()),
                ..text
            }
        };
        for text in ["plain", r#"a "quoted" \ text"#, "\u{e9}\u{1f600}\u{2028}", "\u{7e}"] {
            for answer in [answer(text), full(text)] {
                let mut out = Vec::new();
                answer.write_json(&mut out);
                assert_eq!(
                    String::from_utf8(out).unwrap(),
                    serde_json::to_string(&answer).unwrap()
                );
            }
        }
    }
}
