//! Developers' accounts, as operators see them.

use agentadmit_core::account::{Account, Member};
use agentadmit_engine::cursor::Cursor;
use agentadmit_engine::verbs::accounts::{AccountChange, ChangeAccount};
use agentadmit_engine::verbs::auth::OperatorCredential;
use agentadmit_engine::verbs::invites::{InviteDeveloper, MakeSignInLink, RevokeInvite};
use agentadmit_engine::{Lane, StoreError, Views};
use agentadmit_protocol::api::dashboard::SessionApp;
use agentadmit_protocol::api::developers::{
    AccountDeleted, AccountList, AccountView, InviteCreated, InviteDeveloperRequest, InviteList,
    InviteRevoked, SignInLinkRequest,
};
use agentadmit_protocol::api::operator::{DeletedStatus, PageQuery};
use agentadmit_protocol::api::revoke::RevokedStatus;
use agentadmit_protocol::error::ErrorBody;
use agentadmit_protocol::id::{AccountId, InviteId};
use axum::extract::State;
use http::StatusCode;

use super::ask;
use super::invites::{shown_once, waiting};
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Id, NoQuery, OperatorAuth, OptionalJson, Query};
use crate::routes::position;
use crate::state::ServiceState;
use crate::wire;

/// Lists developers' accounts, oldest first, deleted ones too
#[utoipa::path(
    get, path = "/v1/operator/accounts", tag = "developers", operation_id = "list_accounts",
    params(PageQuery),
    responses((status = 200, description = "A page.", body = AccountList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    Query(wanted): Query<PageQuery>,
) -> Answer<axum::Json<AccountList>> {
    let after = position(wanted.cursor.as_ref(), |cursor| match cursor {
        Cursor::Account(id) => Some(id),
        _ => None,
    })?;
    let limit = wanted.limit.unwrap_or_default().get();
    let accounts = ask(&state, credential, "accounts", move |views, _| {
        let accounts = views.accounts(after, limit)?;
        let shown = accounts.into_iter().map(|account| view(views, account));
        shown.collect::<Result<Vec<_>, StoreError>>().map(Ok)
    })
    .await?;
    let last = accounts.last().filter(|_| accounts.len() == limit);
    let next = last.map(|last| Cursor::Account(last.account_id));
    Ok(axum::Json(AccountList { next_cursor: wire::cursor(next)?, accounts }))
}

/// Makes a link to a new account
///
/// Whoever has it makes an account, once, unless the service makes none (`serve --sign-up closed`).
#[utoipa::path(
    post, path = "/v1/operator/accounts/invites", tag = "developers",
    operation_id = "invite_developer",
    request_body = Option<InviteDeveloperRequest>,
    responses(
        (status = 201, description = "The link, shown this once.", body = InviteCreated),
        (status = 409, description = "`conflict`: too many links wait.", body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn invite(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
    OptionalJson(request): OptionalJson<InviteDeveloperRequest>,
) -> Answer<(StatusCode, axum::Json<InviteCreated>)> {
    let is_local = credential == OperatorCredential::Local;
    let seconds = request.seconds.into();
    let verb = InviteDeveloper { credential, seconds, origin: call.origin() };
    let invited = state.engine().granted(Lane::Reserved, verb).await?;
    Ok(shown_once(&state, is_local, &invited))
}

/// Lists the links to accounts that wait: to new ones, and to sign in
#[utoipa::path(
    get, path = "/v1/operator/accounts/invites", tag = "developers",
    operation_id = "list_account_invites",
    responses((status = 200, description = "The links, never a code.", body = InviteList)),
    security(("operator_token" = [])),
)]
pub(crate) async fn invites(
    State(state): State<ServiceState>,
    OperatorAuth(credential): OperatorAuth,
    _: NoQuery,
) -> Answer<axum::Json<InviteList>> {
    let question = |views: &mut dyn Views, now| waiting(views, None, now).map(Ok);
    let invites = ask(&state, credential, "account_invites", question).await?;
    Ok(axum::Json(InviteList { invites }))
}

/// Takes a link to an account back
#[utoipa::path(
    delete, path = "/v1/operator/accounts/invites/{invite_id}", tag = "developers",
    operation_id = "revoke_account_invite",
    params(("invite_id" = InviteId, Path, description = "The link.")),
    responses((status = 200, description = "It opens nothing any more.", body = InviteRevoked)),
    security(("operator_token" = [])),
)]
pub(crate) async fn revoke_invite(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((invite_id,)): Id<(InviteId,)>,
    _: NoQuery,
) -> Answer<axum::Json<InviteRevoked>> {
    let verb = RevokeInvite { credential, app_id: None, invite_id, origin: call.origin() };
    state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(InviteRevoked { invite_id, status: RevokedStatus::Revoked }))
}

/// Makes a link that signs a developer in
///
/// For one without a passkey, or who lost it.
#[utoipa::path(
    post, path = "/v1/operator/accounts/{account_id}/sign-in-link", tag = "developers",
    operation_id = "make_sign_in_link",
    params(("account_id" = AccountId, Path, description = "The account.")),
    request_body = Option<SignInLinkRequest>,
    responses(
        (status = 201, description = "The link, shown this once.", body = InviteCreated),
        (status = 409, description = "`conflict`: the account is suspended, or too many links wait.",
            body = ErrorBody),
    ),
    security(("operator_token" = [])),
)]
pub(crate) async fn sign_in_link(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((account_id,)): Id<(AccountId,)>,
    _: NoQuery,
    OptionalJson(request): OptionalJson<SignInLinkRequest>,
) -> Answer<(StatusCode, axum::Json<InviteCreated>)> {
    let is_local = credential == OperatorCredential::Local;
    let seconds = request.seconds.into();
    let verb = MakeSignInLink { credential, account_id, seconds, origin: call.origin() };
    let invited = state.engine().granted(Lane::Reserved, verb).await?;
    Ok(shown_once(&state, is_local, &invited))
}

/// Suspends an account: nobody gets in from the answer on, its sessions included
#[utoipa::path(
    post, path = "/v1/operator/accounts/{account_id}/suspend", tag = "developers",
    operation_id = "suspend_account",
    params(("account_id" = AccountId, Path, description = "The account.")),
    responses((status = 200, description = "Suspended.", body = AccountView)),
    security(("operator_token" = [])),
)]
pub(crate) async fn suspend(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((account_id,)): Id<(AccountId,)>,
    _: NoQuery,
) -> Answer<axum::Json<AccountView>> {
    let account = change(&state, &call, credential, account_id, AccountChange::Suspend).await?;
    Ok(axum::Json(shown(&state, account).await?))
}

/// Lets a suspended account in again
#[utoipa::path(
    post, path = "/v1/operator/accounts/{account_id}/resume", tag = "developers",
    operation_id = "resume_account",
    params(("account_id" = AccountId, Path, description = "The account.")),
    responses((status = 200, description = "Good again.", body = AccountView)),
    security(("operator_token" = [])),
)]
pub(crate) async fn resume(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((account_id,)): Id<(AccountId,)>,
    _: NoQuery,
) -> Answer<axum::Json<AccountView>> {
    let account = change(&state, &call, credential, account_id, AccountChange::Resume).await?;
    Ok(axum::Json(shown(&state, account).await?))
}

/// Deletes an account for good
///
/// Its apps stay, those too of which it was the only owner: they are the operator's then.
#[utoipa::path(
    delete, path = "/v1/operator/accounts/{account_id}", tag = "developers",
    operation_id = "delete_account",
    params(("account_id" = AccountId, Path, description = "The account.")),
    responses((status = 200, description = "Deleted.", body = AccountDeleted)),
    security(("operator_token" = [])),
)]
pub(crate) async fn delete(
    State(state): State<ServiceState>,
    call: Call,
    OperatorAuth(credential): OperatorAuth,
    Id((account_id,)): Id<(AccountId,)>,
    _: NoQuery,
) -> Answer<axum::Json<AccountDeleted>> {
    let account = change(&state, &call, credential, account_id, AccountChange::Delete).await?;
    let deleted_at = account.deleted_at.ok_or_else(ApiError::internal)?;
    Ok(axum::Json(AccountDeleted { account_id, status: DeletedStatus::Deleted, deleted_at }))
}

async fn change(
    state: &ServiceState,
    call: &Call,
    credential: OperatorCredential,
    account_id: AccountId,
    change: AccountChange,
) -> Answer<Account> {
    let verb = ChangeAccount { credential, account_id, change, origin: call.origin() };
    Ok(state.engine().granted(Lane::Reserved, verb).await?)
}

async fn shown(state: &ServiceState, account: Account) -> Answer<AccountView> {
    let question = move |views: &mut dyn Views| view(views, account.clone());
    Ok(state.engine().read("account", question).await?)
}

fn view(views: &mut dyn Views, account: Account) -> Result<AccountView, StoreError> {
    let members = views.memberships_of(account.id)?;
    let app = |member: &Member| SessionApp { app_id: member.app_id, role: member.role };
    Ok(AccountView {
        account_id: account.id,
        label: account.label,
        created_at: account.created_at,
        suspended_at: account.suspended_at,
        deleted_at: account.deleted_at,
        apps: members.iter().map(app).collect(),
    })
}
