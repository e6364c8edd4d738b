//! `/dashboard/account`: the developer who is signed in, and what the account is called.

use agentadmit_core::account::{self, Account};
use agentadmit_core::passkey::Passkey;
use agentadmit_engine::Lane;
use agentadmit_engine::verbs::accounts::RenameAccount;
use agentadmit_protocol::api::developers::{OwnAccount, RenameAccountRequest};
use agentadmit_protocol::error::ErrorBody;
use axum::extract::State;

use super::passkeys::view;
use crate::error::Answer;
use crate::extract::{Call, Json, NoQuery, SessionAuth};
use crate::state::ServiceState;

/// Shows the own account
#[utoipa::path(
    get, path = "/dashboard/account", tag = "dashboard", operation_id = "own_account",
    responses(
        (status = 200, description = "The account.", body = OwnAccount),
        (status = 403, description = "`forbidden`: an operator has no account; or \
            `cross_site_request`.", body = ErrorBody),
    ),
    security(("dashboard_session" = [])),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    SessionAuth(credential): SessionAuth,
    _: NoQuery,
) -> Answer<axum::Json<OwnAccount>> {
    let asked =
        state.engine().ask_as_operator(credential, "own_account", |views, who, _| {
            match who.account() {
                Some(account) => Ok(Ok((account.clone(), views.passkeys_of(account.id)?))),
                None => Ok(Err(account::developers_only())),
            }
        });
    let (account, passkeys) = asked.await?;
    own(&account, &passkeys)
}

/// Gives the own account another name
#[utoipa::path(
    patch, path = "/dashboard/account", tag = "dashboard", operation_id = "rename_account",
    request_body = RenameAccountRequest,
    responses(
        (status = 200, description = "The account as it is now.", body = OwnAccount),
        (status = 403, description = "`forbidden`: an operator has no account; or \
            `cross_site_request`.", body = ErrorBody),
    ),
    security(("dashboard_session" = [])),
)]
pub(crate) async fn rename(
    State(state): State<ServiceState>,
    call: Call,
    SessionAuth(credential): SessionAuth,
    _: NoQuery,
    Json(request): Json<RenameAccountRequest>,
) -> Answer<axum::Json<OwnAccount>> {
    let verb = RenameAccount { credential, label: request.label, origin: call.origin() };
    let account = state.engine().granted(Lane::Reserved, verb).await?;
    let id = account.id;
    let passkeys = state.engine().read("passkeys", move |views| views.passkeys_of(id)).await?;
    own(&account, &passkeys)
}

fn own(account: &Account, passkeys: &[Passkey]) -> Answer<axum::Json<OwnAccount>> {
    Ok(axum::Json(OwnAccount {
        account_id: account.id,
        label: account.label.clone(),
        created_at: account.created_at,
        passkeys: passkeys.iter().map(view).collect::<Answer<_>>()?,
    }))
}
