//! Links to membership of an app; what all links share.

use agentadmit_core::account::{Invite, InvitePurpose};
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::verbs::auth::OperatorCredential;
use agentadmit_engine::verbs::invites::{InviteMember, Invited, RevokeInvite};
use agentadmit_engine::{Lane, StoreError, Views};
use agentadmit_protocol::api::developers::{
    InviteCreated, InviteList, InviteMemberRequest, InviteRevoked, InviteView,
};
use agentadmit_protocol::api::revoke::RevokedStatus;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::{AppId, InviteId};
use agentadmit_protocol::link_code::LinkCode;
use agentadmit_protocol::time::Timestamp;
use axum::extract::State;
use http::StatusCode;

use super::ask_about;
use crate::dashboard::link;
use crate::error::Answer;
use crate::extract::{Call, Id, Json, NoQuery, OperatorAuth};
use crate::state::ServiceState;

/// Makes a link to membership of an app
///
/// Whoever has it becomes a member, once: with the own account, or with a new one where the service makes
/// accounts (`serve --sign-up`).
#[utoipa::path(
    post, path = "/v1/operator/apps/{app_id}/invites", tag = "developers",
    operation_id = "invite_member",
    params(("app_id" = AppId, Path, description = "The app.")),
    request_body = InviteMemberRequest,
    responses(
        (status = 201, description = "The link, shown this once.", body = InviteCreated),
        (status = 409, description = "`conflict`: too many links wait.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn create(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
    Json(request): Json<InviteMemberRequest>,
) -> Answer<(StatusCode, axum::Json<InviteCreated>)> {
    let is_local = credential == OperatorCredential::Local;
    let InviteMemberRequest { role, seconds } = request;
    let seconds = seconds.into();
    let verb = InviteMember { credential, app_id, role, seconds, origin: call.origin() };
    let invited = state.engine().granted(Lane::Reserved, verb).await?;
    Ok(shown_once(&state, is_local, &invited))
}

/// Lists the links to an app that wait
#[utoipa::path(
    get, path = "/v1/operator/apps/{app_id}/invites", tag = "developers",
    operation_id = "list_invites",
    params(("app_id" = AppId, Path, description = "The app.")),
    responses((status = 200, description = "The links, never a code.", body = InviteList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
) -> Answer<axum::Json<InviteList>> {
    let invites = ask_about(&state, credential, "invites", app_id, move |views, now| {
        match views.app(app_id)? {
            Some(_) => waiting(views, Some(app_id), now).map(Ok),
            None => Ok(Err(Refusal::not_found("app"))),
        }
    })
    .await?;
    Ok(axum::Json(InviteList { invites }))
}

/// Takes a link to an app back
#[utoipa::path(
    delete, path = "/v1/operator/apps/{app_id}/invites/{invite_id}", tag = "developers",
    operation_id = "revoke_invite",
    params(
        ("app_id" = AppId, Path, description = "The app."),
        ("invite_id" = InviteId, Path, description = "The link."),
    ),
    responses((status = 200, description = "It opens nothing any more.", body = InviteRevoked)),
    security(("operator_token" = [])),
)]
pub(crate) async fn revoke(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id, invite_id)): Id<(AppId, InviteId)>,
    _: NoQuery,
) -> Answer<axum::Json<InviteRevoked>> {
    let app_id = Some(app_id);
    let verb = RevokeInvite { credential, app_id, invite_id, origin: call.origin() };
    state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(InviteRevoked { invite_id, status: RevokedStatus::Revoked }))
}

/// The links that are good now, of an app or the service's own.
pub(super) fn waiting(
    views: &mut dyn Views,
    app_id: Option<AppId>,
    now: Timestamp,
) -> Result<Vec<InviteView>, StoreError> {
    let invites = views.invites_of(app_id)?;
    Ok(invites.iter().filter(|invite| invite.is_good(now)).map(view).collect())
}

/// The answer to whoever made a link.
pub(super) fn shown_once(
    state: &ServiceState,
    is_local: bool,
    invited: &Invited,
) -> (StatusCode, axum::Json<InviteCreated>) {
    let code = LinkCode::from(&invited.code);
    // the command line on a store does not know where its service can be reached
    let is_known = !is_local && state.dashboard().is_ok();
    let answer = InviteCreated {
        invite_id: invited.invite.id,
        url: is_known.then(|| link(state.dashboard_url(), &code)),
        code,
        expires_at: invited.invite.expires_at,
    };
    (StatusCode::CREATED, axum::Json(answer))
}

fn view(invite: &Invite) -> InviteView {
    let (role, account_id) = match invite.purpose {
        InvitePurpose::Member { role, .. } => (Some(role), None),
        InvitePurpose::SignIn { account_id } => (None, Some(account_id)),
        InvitePurpose::SignUp => (None, None),
    };
    InviteView {
        invite_id: invite.id,
        kind: invite.kind(),
        role,
        account_id,
        by: invite.by,
        created_at: invite.created_at,
        expires_at: invite.expires_at,
    }
}
