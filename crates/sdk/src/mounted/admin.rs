//! What the app's admins do, and agents of admins: see and end all of the app's connections.

use agentadmit_protocol::api::audit::AuditQuery;
use agentadmit_protocol::api::connections::ConnectionsQuery;
use agentadmit_protocol::api::revoke::RevokeRequest;
use agentadmit_protocol::api::usage::UsageQuery;
use agentadmit_protocol::audit::OnBehalfOf;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::text::{Text, UserId};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use super::rules::of_service;
use super::{Call, answer};
use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::guard::{Admission, require_scope};
use crate::refusal::Refused;

const MANAGE: &str = "manage:connections";
const USAGE: &str = "read:usage";
const AUDIT: &str = "read:audit";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    #[serde(default)]
    connection_id: Option<ConnectionId>,
    #[serde(default)]
    user_id: Option<UserId>,
    #[serde(default)]
    reason: Option<Text>,
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// The app's admin by the app's own check, or an agent with the scope whose user passes that
    /// check now. `template` is below the prefix.
    async fn admin(
        &self,
        call: &Call<'_>,
        scope: &str,
        template: &str,
    ) -> Result<Option<OnBehalfOf>, Refused> {
        let guard = require_scope([scope]);
        let template = format!("{}{template}", self.prefix());
        if crate::guard::agent_token(call.parts)?.is_some() {
            let admission = self.admit(&guard, call.parts, Some(&template), call.peer).await?;
            return match admission {
                Admission::Agent(caller) => {
                    Ok(OnBehalfOf::new(format!("agent:{}", caller.agent.connection_id)).ok())
                }
                Admission::NoAgent => Err(Refused::internal()),
            };
        }
        let signed = self.signed_in(call).await?;
        if !self.is_admin(&signed.user).await {
            return Err(Refused::forbidden("this is for the app's admins"));
        }
        Ok(OnBehalfOf::new(format!("admin:{}", signed.id)).ok())
    }

    /// `GET /admin/connections`.
    pub(super) async fn admin_connections(
        &self,
        call: &Call<'_>,
    ) -> Result<Response<Bytes>, Refused> {
        self.admin(call, MANAGE, "/admin/connections").await?;
        let query: ConnectionsQuery = call.query()?;
        let page = self.client().connections(&query).await.map_err(|error| of_service(&error))?;
        Ok(answer(StatusCode::OK, &page))
    }

    /// `GET /admin/usage`.
    pub(super) async fn admin_usage(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        self.admin(call, USAGE, "/admin/usage").await?;
        let query: UsageQuery = call.query()?;
        let usage = self.client().usage(&query).await.map_err(|error| of_service(&error))?;
        Ok(answer(StatusCode::OK, &usage))
    }

    /// `GET /admin/activity`.
    pub(super) async fn admin_activity(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        self.admin(call, AUDIT, "/admin/activity").await?;
        let query: AuditQuery = call.query()?;
        let page = self.client().audit(&query).await.map_err(|error| of_service(&error))?;
        Ok(answer(StatusCode::OK, &page))
    }

    /// `DELETE /admin/connections/{connection_id}`.
    pub(super) async fn admin_end(
        &self,
        call: &Call<'_>,
        connection: ConnectionId,
    ) -> Result<Response<Bytes>, Refused> {
        let caller = self.admin(call, MANAGE, "/admin/connections/{connection_id}").await?;
        call.no_body()?;
        let revoke = Revoke { connection_id: Some(connection), user_id: None, reason: None };
        self.revoke_for(revoke, caller).await
    }

    /// `POST /admin/connections/revoke`.
    pub(super) async fn admin_revoke(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        let caller = self.admin(call, MANAGE, "/admin/connections/revoke").await?;
        self.revoke_for(call.json()?, caller).await
    }

    async fn revoke_for(
        &self,
        revoke: Revoke,
        on_behalf_of: Option<OnBehalfOf>,
    ) -> Result<Response<Bytes>, Refused> {
        let Revoke { connection_id, user_id, reason } = revoke;
        let request = RevokeRequest { connection_id, user_id, reason, on_behalf_of };
        let ended = self.client().revoke(&request).await.map_err(|error| of_service(&error))?;
        Ok(answer(StatusCode::OK, &ended))
    }
}
