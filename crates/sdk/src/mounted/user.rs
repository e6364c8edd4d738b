//! What the app's users do: grant, look, narrow, end.

use std::borrow::Cow;

use agentadmit_protocol::api::audit::AuditQuery;
use agentadmit_protocol::api::connections::{
    ConnectionStatus, ConnectionsQuery, PatchConnectionRequest,
};
use agentadmit_protocol::api::query::{Cursor, PageLimit};
use agentadmit_protocol::api::revoke::RevokeRequest;
use agentadmit_protocol::api::token::{IssueAnswer, IssueRequest};
use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::scope::{Scope, ScopeName};
use agentadmit_protocol::text::{Label, Text, UserId};
use agentadmit_protocol::time::Timestamp;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::rules::{Signed, for_user, of_service};
use super::{Call, answer, prompt};
use crate::admit::AgentAdmit;
use crate::app::{App, User};
use crate::client::ServiceClient;
use crate::refusal::Refused;

/// The service's own default, in seconds: 30 days.
const DEFAULT_SECONDS: u32 = 2_592_000;
/// The durations where the app names none: an hour, a day, a week, 30 days. For ever is offered by
/// those alone who say so.
const DEFAULT_DURATIONS: [u32; 4] = [3_600, 86_400, 604_800, DEFAULT_SECONDS];

/// What a user asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GenerateToken {
    scopes: Vec<ScopeName>,
    #[serde(default)]
    duration_seconds: Option<i64>,
    #[serde(default)]
    until_revoked: Option<bool>,
    #[serde(default)]
    purpose: Option<Text>,
    #[serde(default)]
    user_intent: Option<Text>,
    #[serde(default)]
    agent_label: Option<Label>,
}

/// 201: the issue answer, and the message for the agent.
#[derive(Serialize)]
struct Generated<'a> {
    #[serde(flatten)]
    issued: &'a IssueAnswer,
    prompt: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnConnections {
    status: Option<ConnectionStatus>,
    limit: Option<PageLimit>,
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnActivity {
    event: Option<AuditEvent>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    limit: Option<PageLimit>,
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Narrow {
    #[serde(default)]
    remove_scopes: Option<Vec<ScopeName>>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// Everything that a page needs to ask a user.
#[derive(Serialize)]
struct Grantable<'a> {
    scopes: Vec<Scope>,
    durations: Vec<OfferedDuration<'a>>,
    app: AppName<'a>,
}

/// A duration that `generate-token` takes.
#[derive(Serialize)]
struct OfferedDuration<'a> {
    /// The app's own words; `null` leaves the words to the page.
    label: Option<&'a Label>,
    /// `null` is until revoked.
    seconds: Option<u32>,
}

#[derive(Serialize)]
struct AppName<'a> {
    name: Cow<'a, str>,
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// `GET /scopes`.
    pub(super) async fn scopes(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        let signed = self.signed_in(call).await?;
        let scopes = self.grantable(&signed.user).await;
        let app = AppName { name: self.shown_name() };
        Ok(answer(StatusCode::OK, &Grantable { scopes, durations: self.offered(), app }))
    }

    /// The durations that [`Self::duration`] lets pass, in the app's order.
    fn offered(&self) -> Vec<OfferedDuration<'_>> {
        let durations = &self.settings().durations;
        if durations.is_empty() {
            let of_default = |seconds| OfferedDuration { label: None, seconds: Some(seconds) };
            return DEFAULT_DURATIONS.map(of_default).into();
        }
        let of_app = durations.iter();
        of_app.map(|it| OfferedDuration { label: Some(&it.label), seconds: it.seconds }).collect()
    }

    /// What this user may grant, now: what the app's filter leaves, and admin scopes for admins
    /// alone. The catalogue's own words stand, whatever the filter made of them.
    pub(super) async fn grantable(&self, user: &A::User) -> Vec<Scope> {
        let is_admin = self.is_admin(user).await;
        let catalogue: Vec<Scope> = self
            .settings()
            .scopes
            .iter()
            .filter(|scope| is_admin || !self.is_admin_scope(&scope.name))
            .cloned()
            .collect();
        let left = self.app().filter_scopes_for_user(user, catalogue.clone()).await;
        let is_left = |scope: &Scope| left.iter().any(|it| it.name == scope.name);
        catalogue.into_iter().filter(is_left).collect()
    }

    /// `POST /connections/generate-token`.
    pub(super) async fn generate_token(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        let Signed { user, id } = self.signed_in(call).await?;
        let asked: GenerateToken = call.json()?;
        let grantable = self.grantable(&user).await;
        check_scopes(&asked.scopes, &grantable)?;
        let (duration_seconds, until_revoked) = self.duration(&asked)?;
        let request = IssueRequest {
            on_behalf_of: for_user(&id),
            user_id: id,
            scopes: asked.scopes,
            duration_seconds,
            until_revoked,
            purpose: asked.purpose,
            user_intent: asked.user_intent,
            user_label: label_of(&user),
            agent_label: asked.agent_label,
        };
        let issued = self.client().issue(&request).await.map_err(|error| of_service(&error))?;
        let prompt = self.prompt(&issued, &grantable);
        Ok(answer(StatusCode::CREATED, &Generated { issued: &issued, prompt }))
    }

    /// What was asked for, when it is on the list.
    fn duration(&self, asked: &GenerateToken) -> Result<(Option<i64>, bool), Refused> {
        let durations = &self.settings().durations;
        let is_offered = |seconds: Option<i64>| match seconds {
            Some(seconds) if durations.is_empty() => {
                DEFAULT_DURATIONS.iter().any(|offered| i64::from(*offered) == seconds)
            }
            seconds => durations.iter().any(|it| it.seconds.map(i64::from) == seconds),
        };
        let until_revoked = asked.until_revoked.unwrap_or_default();
        let seconds = match (asked.duration_seconds, until_revoked) {
            (Some(_), true) => None,
            (None, true) => {
                return if is_offered(None) { Ok((None, true)) } else { Err(not_offered()) };
            }
            (None, false) => Some(i64::from(DEFAULT_SECONDS)),
            (seconds, false) => seconds,
        };
        match seconds {
            Some(seconds) if is_offered(Some(seconds)) => Ok((Some(seconds), false)),
            _ => Err(not_offered()),
        }
    }

    /// `GET /connections`.
    pub(super) async fn connections(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        let Signed { id, .. } = self.signed_in(call).await?;
        let OwnConnections { status, limit, cursor } = call.query()?;
        let query = ConnectionsQuery { user_id: Some(id), status, limit, cursor };
        let page = self.client().connections(&query).await.map_err(|error| of_service(&error))?;
        Ok(answer(StatusCode::OK, &page))
    }

    /// `DELETE /connections/{connection_id}`.
    pub(super) async fn end_connection(
        &self,
        call: &Call<'_>,
        connection: ConnectionId,
    ) -> Result<Response<Bytes>, Refused> {
        let Signed { id, .. } = self.signed_in(call).await?;
        call.no_body()?;
        self.check_owner(connection, &id).await?;
        let request = RevokeRequest {
            connection_id: Some(connection),
            user_id: None,
            reason: None,
            on_behalf_of: for_user(&id),
        };
        let ended = self.client().revoke(&request).await.map_err(|error| of_service(&error))?;
        Ok(answer(StatusCode::OK, &ended))
    }

    /// `PATCH /connections/{connection_id}`.
    pub(super) async fn narrow_connection(
        &self,
        call: &Call<'_>,
        connection: ConnectionId,
    ) -> Result<Response<Bytes>, Refused> {
        let Signed { id, .. } = self.signed_in(call).await?;
        let Narrow { remove_scopes, expires_at } = call.json()?;
        self.check_owner(connection, &id).await?;
        let request = PatchConnectionRequest {
            remove_scopes: remove_scopes.unwrap_or_default(),
            expires_at,
            user_label: None,
            on_behalf_of: for_user(&id),
        };
        let narrowed = self.client().narrow(connection, &request).await;
        Ok(answer(StatusCode::OK, &narrowed.map_err(|error| of_service(&error))?))
    }

    /// `GET /connections/{connection_id}/activity`.
    pub(super) async fn activity(
        &self,
        call: &Call<'_>,
        connection: ConnectionId,
    ) -> Result<Response<Bytes>, Refused> {
        let Signed { id, .. } = self.signed_in(call).await?;
        let OwnActivity { event, from, to, limit, cursor } = call.query()?;
        self.check_owner(connection, &id).await?;
        let connection_id = Some(connection);
        let query = AuditQuery {
            connection_id,
            user_id: Some(id),
            event,
            from,
            to,
            limit,
            cursor,
            ..AuditQuery::default()
        };
        let page = self.client().audit(&query).await.map_err(|error| of_service(&error))?;
        Ok(answer(StatusCode::OK, &page))
    }

    /// `GET /prompt-templates`: those that need nothing which this user may not grant.
    pub(super) async fn prompt_templates(
        &self,
        call: &Call<'_>,
    ) -> Result<Response<Bytes>, Refused> {
        let signed = self.signed_in(call).await?;
        let grantable = self.grantable(&signed.user).await;
        let templates = prompt::templates(&self.settings().prompt_templates, &grantable);
        Ok(answer(StatusCode::OK, &templates))
    }

    /// Another user's connection is as unknown as one that never was. Whose a connection is never
    /// changes, so what was compared here still holds when the next call is made.
    async fn check_owner(&self, connection: ConnectionId, user: &UserId) -> Result<(), Refused> {
        let view =
            self.client().connection(connection).await.map_err(|error| of_service(&error))?;
        if view.user_id == *user {
            return Ok(());
        }
        Err(Refused::not_found("there is no such connection"))
    }
}

/// How the app calls a user. A name that breaks the rule of labels is left out: it is not the user's
/// mistake.
pub(super) fn label_of(user: &impl User) -> Option<Label> {
    user.user_label().and_then(|label| Label::new(label.as_ref()).ok())
}

/// Whether a user may grant each of these, and at least one is named.
pub(super) fn check_scopes(asked: &[ScopeName], grantable: &[Scope]) -> Result<(), Refused> {
    let is_grantable = |name: &&ScopeName| grantable.iter().any(|scope| scope.name == **name);
    let bad = if asked.is_empty() {
        "pick at least one scope".to_owned()
    } else if let Some(name) = asked.iter().find(|name| !is_grantable(name)) {
        format!("`{name}` is no scope that you may grant")
    } else {
        return Ok(());
    };
    Err(Refused::new(StatusCode::BAD_REQUEST, "invalid_scope", bad).of_field("scopes"))
}

fn not_offered() -> Refused {
    let text = "this app does not offer that duration: send one that it offers as \
                `duration_seconds`, or, where it offers it, `\"until_revoked\": true` alone";
    Refused::new(StatusCode::BAD_REQUEST, "invalid_duration", text).of_field("duration_seconds")
}
