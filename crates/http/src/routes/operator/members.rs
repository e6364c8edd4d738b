//! Members of an app: developers, and what each may do with it.

use agentadmit_core::account::Member;
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::verbs::Answered;
use agentadmit_engine::verbs::members::ChangeMember;
use agentadmit_engine::{Lane, StoreError, Views};
use agentadmit_protocol::api::developers::{
    ChangeMemberRequest, MemberList, MemberRemoved, MemberView, RemovedStatus,
};
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::{AccountId, AppId};
use axum::extract::State;

use super::ask_about;
use crate::error::Answer;
use crate::extract::{Call, Id, Json, NoQuery, OperatorAuth};
use crate::state::ServiceState;

/// Lists an app's members
#[utoipa::path(
    get, path = "/v1/operator/apps/{app_id}/members", tag = "developers",
    operation_id = "list_members",
    params(("app_id" = AppId, Path, description = "The app.")),
    responses((status = 200, description = "The members.", body = MemberList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
) -> Answer<axum::Json<MemberList>> {
    let members = ask_about(&state, credential, "members", app_id, move |views, _| {
        if views.app(app_id)?.is_none() {
            return Ok(Err(Refusal::not_found("app")));
        }
        let members = views.members_of(app_id)?;
        let mut shown = Vec::with_capacity(members.len());
        for member in &members {
            shown.extend(view(views, member)?);
        }
        Ok(Ok(shown))
    })
    .await?;
    Ok(axum::Json(MemberList { members }))
}

/// Gives a member another role
///
/// An app keeps an owner: 409 for the last one, unless an operator asks.
#[utoipa::path(
    patch, path = "/v1/operator/apps/{app_id}/members/{account_id}", tag = "developers",
    operation_id = "change_member",
    params(
        ("app_id" = AppId, Path, description = "The app."),
        ("account_id" = AccountId, Path, description = "The member's account."),
    ),
    request_body = ChangeMemberRequest,
    responses(
        (status = 200, description = "The member as it is now.", body = MemberView),
        (status = 409, description = "`conflict`: the app's last owner.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn change(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id, account_id)): Id<(AppId, AccountId)>,
    _: NoQuery,
    Json(request): Json<ChangeMemberRequest>,
) -> Answer<axum::Json<MemberView>> {
    let role = Some(request.role);
    let verb = ChangeMember { credential, app_id, account_id, role, origin: call.origin() };
    let engine = state.engine();
    let member = engine.granted(Lane::Reserved, verb).await?;
    let shown = engine.read("member", move |views| -> Result<Answered<_>, StoreError> {
        Ok(view(views, &member)?.ok_or_else(|| Refusal::not_found("member")))
    });
    Ok(axum::Json(shown.await??))
}

/// Ends a membership
///
/// Everybody may end the own one. An app keeps an owner: 409 for the last one, unless an operator asks.
#[utoipa::path(
    delete, path = "/v1/operator/apps/{app_id}/members/{account_id}", tag = "developers",
    operation_id = "remove_member",
    params(
        ("app_id" = AppId, Path, description = "The app."),
        ("account_id" = AccountId, Path, description = "The member's account."),
    ),
    responses(
        (status = 200, description = "No member any more.", body = MemberRemoved),
        (status = 409, description = "`conflict`: the app's last owner.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn remove(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((app_id, account_id)): Id<(AppId, AccountId)>,
    _: NoQuery,
) -> Answer<axum::Json<MemberRemoved>> {
    let verb = ChangeMember { credential, app_id, account_id, role: None, origin: call.origin() };
    state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(MemberRemoved { app_id, account_id, status: RemovedStatus::Removed }))
}

/// A member with the account's label; `None` where the account is not there, which would be damage.
fn view(views: &mut dyn Views, member: &Member) -> Result<Option<MemberView>, StoreError> {
    let account = views.account(member.account_id)?;
    Ok(account.map(|account| MemberView {
        account_id: account.id,
        label: account.label,
        role: member.role,
        joined_at: member.joined_at,
    }))
}
