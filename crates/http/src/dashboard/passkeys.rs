//! `/dashboard/passkeys…`: signing in and up with a passkey, and those of the own account.

use agentadmit_core::passkey::{self, Challenge, ChallengePurpose};
use agentadmit_engine::Lane;
use agentadmit_engine::verbs::passkeys::{
    AddPasskey, BeginCeremony, Begun, RemovePasskey, SignInWithPasskey, SignUpWithPasskey,
    TakeChallenge, Wanted,
};
use agentadmit_protocol::api::dashboard::CurrentSession;
use agentadmit_protocol::api::developers::RemovedStatus;
use agentadmit_protocol::api::passkeys::{
    CredentialId, MadePasskeyRequest, PasskeyOptions, PasskeyRemoved, PasskeySignUpRequest,
    PasskeyView, UsedPasskeyRequest,
};
use agentadmit_protocol::error::{ErrorBody, RateLimitOf};
use agentadmit_protocol::link_code::LinkCode;
use agentadmit_protocol::secret::SecretHash;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::session::signed_in;
use super::webauthn::{Assertion, Party, credential_bytes, credential_id};
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Id, Json, NoQuery, OwnPage, SessionAuth};
use crate::state::ServiceState;

/// Makes a challenge to sign in with a passkey
#[utoipa::path(
    post, path = "/dashboard/passkeys/sign-in/options", tag = "dashboard",
    operation_id = "passkey_sign_in_options",
    responses(
        (status = 200, description = "What the browser is told.", body = PasskeyOptions),
        (status = 403, description = "`cross_site_request`: not from the dashboard's own page.",
            body = ErrorBody),
        (status = 409, description = "`conflict`: the dashboard's address has no name.",
            body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`.", body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn sign_in_options(
    State(state): State<ServiceState>,
    call: Call,
    _: OwnPage,
    _: NoQuery,
) -> Answer<axum::Json<PasskeyOptions>> {
    let begun = begin(&state, &call, Wanted::SignIn).await?;
    let options = party(&state)?.request(&begun)?;
    Ok(told(&begun, options))
}

/// Signs in with a passkey
///
/// The answer sets the session's cookie. A session that the browser had before ends with this.
#[utoipa::path(
    post, path = "/dashboard/passkeys/sign-in", tag = "dashboard",
    operation_id = "passkey_sign_in",
    request_body = UsedPasskeyRequest,
    responses(
        (status = 200, description = "Signed in; `Set-Cookie` holds the session.", body = CurrentSession),
        (status = 401, description = "`invalid_passkey`: whatever is wrong, one and the same.",
            body = ErrorBody),
        (status = 403, description = "`cross_site_request`: not from the dashboard's own page.",
            body = ErrorBody),
        (status = 409, description = "`conflict`: the dashboard's address has no name.",
            body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn sign_in(
    State(state): State<ServiceState>,
    call: Call,
    OwnPage { cookie: former }: OwnPage,
    _: NoQuery,
    Json(request): Json<UsedPasskeyRequest>,
) -> Answer<Response> {
    let (party, limits) = (party(&state)?, state.dashboard()?.limits);
    let assertion = Assertion::read(request.credential)?;
    let challenge = take(&state, &request.challenge_id).await?;
    if challenge.purpose != ChallengePurpose::SignIn {
        return Err(passkey::invalid_passkey().into());
    }
    let key = SecretHash::of(&assertion.credential()?);
    let known = state.engine().read("passkey", move |views| views.passkey(&key)).await?;
    let passkey = known.ok_or_else(passkey::invalid_passkey)?;
    let signed = party.signed(&request.challenge_id, &assertion, &passkey)?;
    let verb = SignInWithPasskey { passkey, signed, limits, former, origin: call.origin() };
    signed_in(&state, state.engine().granted(Lane::Anonymous, verb).await?).await
}

/// Makes a challenge to make an account with a passkey
#[utoipa::path(
    post, path = "/dashboard/passkeys/sign-up/options", tag = "dashboard",
    operation_id = "passkey_sign_up_options",
    request_body = PasskeySignUpRequest,
    responses(
        (status = 200, description = "What the browser is told.", body = PasskeyOptions),
        (status = 403, description = "`forbidden`: this service makes no accounts, or wants a link; or \
            `cross_site_request`.", body = ErrorBody),
        (status = 404, description = "`not_found`: no such link, or no longer.", body = ErrorBody),
        (status = 409, description = "`conflict`: the dashboard's address has no name.",
            body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`.", body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn sign_up_options(
    State(state): State<ServiceState>,
    call: Call,
    _: OwnPage,
    _: NoQuery,
    Json(request): Json<PasskeySignUpRequest>,
) -> Answer<axum::Json<PasskeyOptions>> {
    let wanted = Wanted::SignUp {
        label: request.label,
        invite: request.code.as_ref().map(LinkCode::hash),
        mode: state.dashboard()?.sign_up,
    };
    let begun = begin(&state, &call, wanted).await?;
    let options = party(&state)?.creation(&begun)?;
    Ok(told(&begun, options))
}

/// Makes an account with a passkey
///
/// The answer sets the session's cookie. A session that the browser had before ends with this. With a link
/// to an app the account is a member of it.
#[utoipa::path(
    post, path = "/dashboard/passkeys/sign-up", tag = "dashboard",
    operation_id = "passkey_sign_up",
    request_body = MadePasskeyRequest,
    responses(
        (status = 200, description = "Signed in; `Set-Cookie` holds the session.", body = CurrentSession),
        (status = 401, description = "`invalid_passkey`: whatever is wrong, one and the same.",
            body = ErrorBody),
        (status = 403, description = "`forbidden`: this service makes no accounts, or wants a link; or \
            `cross_site_request`.", body = ErrorBody),
        (status = 404, description = "`not_found`: the link is no longer good.", body = ErrorBody),
        (status = 409, description = "`conflict`: the passkey is known, or the dashboard's address has no \
            name.", body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn sign_up(
    State(state): State<ServiceState>,
    call: Call,
    OwnPage { cookie: former }: OwnPage,
    _: NoQuery,
    Json(request): Json<MadePasskeyRequest>,
) -> Answer<Response> {
    let (party, options) = (party(&state)?, state.dashboard()?);
    let challenge = take(&state, &request.challenge_id).await?;
    let ChallengePurpose::SignUp { account_id, label, invite } = challenge.purpose else {
        return Err(passkey::invalid_passkey().into());
    };
    let MadePasskeyRequest { challenge_id, credential, name } = request;
    let verb = SignUpWithPasskey {
        account_id,
        label,
        invite,
        mode: options.sign_up,
        passkey: party.made(&challenge_id, account_id, credential, name)?,
        limits: options.limits,
        former,
        origin: call.origin(),
    };
    signed_in(&state, state.engine().granted(Lane::Anonymous, verb).await?).await
}

/// Makes a challenge to add a passkey to the own account
#[utoipa::path(
    post, path = "/dashboard/passkeys/options", tag = "dashboard",
    operation_id = "passkey_options",
    responses(
        (status = 200, description = "What the browser is told.", body = PasskeyOptions),
        (status = 403, description = "`forbidden`: an operator has no account; or \
            `cross_site_request`.", body = ErrorBody),
        (status = 409, description = "`conflict`: there are too many, or the dashboard's address has no \
            name.", body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`.", body = ErrorBody),
    ),
    security(("dashboard_session" = [])),
)]
pub(crate) async fn options(
    State(state): State<ServiceState>,
    call: Call,
    SessionAuth(credential): SessionAuth,
    _: NoQuery,
) -> Answer<axum::Json<PasskeyOptions>> {
    let begun = begin(&state, &call, Wanted::Add(credential)).await?;
    let options = party(&state)?.creation(&begun)?;
    Ok(told(&begun, options))
}

/// Adds a passkey to the own account
#[utoipa::path(
    post, path = "/dashboard/passkeys", tag = "dashboard", operation_id = "add_passkey",
    request_body = MadePasskeyRequest,
    responses(
        (status = 201, description = "The passkey.", body = PasskeyView),
        (status = 401, description = "`invalid_passkey`, or `unauthenticated`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: an operator has no account; or \
            `cross_site_request`.", body = ErrorBody),
        (status = 409, description = "`conflict`: the passkey is known, there are too many, or the \
            dashboard's address has no name.", body = ErrorBody),
    ),
    security(("dashboard_session" = [])),
)]
pub(crate) async fn add(
    State(state): State<ServiceState>,
    call: Call,
    SessionAuth(credential): SessionAuth,
    _: NoQuery,
    Json(request): Json<MadePasskeyRequest>,
) -> Answer<(StatusCode, axum::Json<PasskeyView>)> {
    let party = party(&state)?;
    // who may not is told so before a challenge is spent
    let asked = state.engine().ask_as_operator(credential.clone(), "own_account", |_, who, _| {
        Ok(who.account_id().ok_or_else(agentadmit_core::account::developers_only))
    });
    let signed_in = asked.await?;
    let challenge = take(&state, &request.challenge_id).await?;
    let (
        ChallengePurpose::Add { account_id },
        MadePasskeyRequest { challenge_id, credential: made, name },
    ) = (challenge.purpose, request)
    else {
        return Err(passkey::invalid_passkey().into());
    };
    if account_id != signed_in {
        return Err(passkey::invalid_passkey().into());
    }
    let passkey = party.made(&challenge_id, account_id, made, name)?;
    let verb = AddPasskey { credential, account_id, passkey, origin: call.origin() };
    let added = state.engine().granted(Lane::Reserved, verb).await?;
    Ok((StatusCode::CREATED, axum::Json(view(&added)?)))
}

/// Removes a passkey of the own account
///
/// It signs nobody in from the answer on, and the sessions that it opened are over, this one too if it is
/// one of them.
#[utoipa::path(
    delete, path = "/dashboard/passkeys/{credential_id}", tag = "dashboard",
    operation_id = "remove_passkey",
    params(("credential_id" = CredentialId, Path, description = "The passkey.")),
    responses(
        (status = 200, description = "Removed.", body = PasskeyRemoved),
        (status = 403, description = "`forbidden`: an operator has no account; or \
            `cross_site_request`.", body = ErrorBody),
    ),
    security(("dashboard_session" = [])),
)]
pub(crate) async fn remove(
    State(state): State<ServiceState>,
    call: Call,
    SessionAuth(credential): SessionAuth,
    Id((credential_id,)): Id<(CredentialId,)>,
    _: NoQuery,
) -> Answer<axum::Json<PasskeyRemoved>> {
    let key = SecretHash::of(&credential_bytes(&credential_id)?);
    let verb = RemovePasskey { credential, key, origin: call.origin() };
    state.engine().granted(Lane::Reserved, verb).await?;
    Ok(axum::Json(PasskeyRemoved { credential_id, status: RemovedStatus::Removed }))
}

/// A passkey as its developer sees it.
pub(crate) fn view(passkey: &passkey::Passkey) -> Answer<PasskeyView> {
    Ok(PasskeyView {
        credential_id: credential_id(passkey)?,
        name: passkey.name.clone(),
        created_at: passkey.created_at,
        last_used_at: passkey.last_used_at,
        is_synced: passkey.is_synced,
    })
}

fn party(state: &ServiceState) -> Answer<Party> {
    Party::of(state.dashboard_url())
}

/// Each challenge is a row for five minutes: an address makes ten a minute, all together a hundred.
async fn begin(state: &ServiceState, call: &Call, wanted: Wanted) -> Answer<Begun> {
    party(state)?;
    let (client, now_ns) = (call.client(state), state.engine().monotonic_ns());
    let limited = {
        let mut asked = state.passkey_tries().lock();
        let begun = asked.begin(client, now_ns);
        if begun.is_ok() {
            asked.failed(client, now_ns);
        }
        begun
    };
    limited.map_err(|retry_in| {
        let text = "too many tries with passkeys from this address: wait a little";
        ApiError::rate_limited(RateLimitOf::Address, retry_in, text)
    })?;
    let lane = match wanted {
        Wanted::Add(_) => Lane::Reserved,
        Wanted::SignIn | Wanted::SignUp { .. } => Lane::Anonymous,
    };
    Ok(state.engine().granted(lane, BeginCeremony { wanted }).await?)
}

async fn take(state: &ServiceState, challenge: &LinkCode) -> Answer<Challenge> {
    let verb = TakeChallenge { hash: challenge.hash() };
    Ok(state.engine().granted(Lane::Anonymous, verb).await?)
}

fn told(begun: &Begun, options: serde_json::Value) -> axum::Json<PasskeyOptions> {
    let challenge_id = LinkCode::from(&begun.challenge);
    axum::Json(PasskeyOptions { challenge_id, options })
}
