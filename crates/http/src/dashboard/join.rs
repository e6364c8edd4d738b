//! Whoever is not signed in yet: who may make an account, and what a link opens.

use agentadmit_core::account::{self, Account, InvitePurpose};
use agentadmit_engine::verbs::Answered;
use agentadmit_engine::verbs::auth::session_of;
use agentadmit_engine::verbs::invites::UseInvite;
use agentadmit_engine::{Lane, StoreError, Views};
use agentadmit_protocol::api::dashboard::CurrentSession;
use agentadmit_protocol::api::developers::{
    InviteApp, InviteShown, ShowInviteRequest, SignUpShown, UseInviteRequest,
};
use agentadmit_protocol::error::{ErrorBody, RateLimitOf};
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;
use axum::extract::State;
use axum::response::Response;

use super::session::signed_in;
use crate::error::{Answer, ApiError};
use crate::extract::{Call, Json, NoQuery, OwnPage};
use crate::state::ServiceState;

/// Says who may make an account
#[utoipa::path(
    get, path = "/dashboard/sign-up", tag = "dashboard", operation_id = "show_sign_up",
    responses((status = 200, description = "Who may.", body = SignUpShown)),
    security(()),
)]
pub(crate) async fn sign_up(
    State(state): State<ServiceState>,
    _: NoQuery,
) -> Answer<axum::Json<SignUpShown>> {
    let mode = state.dashboard()?.sign_up;
    Ok(axum::Json(SignUpShown { mode, rp_id: super::rp_id(state.dashboard_url()) }))
}

/// Shows what a link is good for
///
/// It stays good. One that is not, for whatever reason, is 404.
#[utoipa::path(
    post, path = "/dashboard/invite", tag = "dashboard", operation_id = "show_invite",
    request_body = ShowInviteRequest,
    responses(
        (status = 200, description = "What it is good for.", body = InviteShown),
        (status = 403, description = "`forbidden`: this service makes no accounts; or \
            `cross_site_request`.", body = ErrorBody),
        (status = 404, description = "`not_found`: no such link, or no longer.", body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`: too many bad links.",
            body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn show(
    State(state): State<ServiceState>,
    call: Call,
    OwnPage { cookie }: OwnPage,
    _: NoQuery,
    Json(request): Json<ShowInviteRequest>,
) -> Answer<axum::Json<InviteShown>> {
    let sign_up = state.dashboard()?.sign_up;
    let (code, now) = (request.code.hash(), state.engine().wall());
    let seen = tried(&state, &call, async {
        let question = move |views: &mut dyn Views| seen(views, &code, cookie.as_ref(), now);
        Ok(state.engine().read("invite", question).await??)
    });
    let seen = seen.await?;
    if seen.label.is_none() {
        account::require_sign_up(sign_up, true)?;
    }
    let makes_account = seen.label.is_none();
    Ok(axum::Json(InviteShown {
        kind: seen.invite.kind(),
        app: seen.app.map(|(app_id, name)| shown_app(app_id, &name)).transpose()?,
        role: match seen.invite.purpose {
            InvitePurpose::Member { role, .. } => Some(role),
            InvitePurpose::SignUp | InvitePurpose::SignIn { .. } => None,
        },
        label: seen.label,
        expires_at: seen.invite.expires_at,
        makes_account,
    }))
}

/// Uses a link: makes an account, joins an app, or signs in
///
/// The answer sets the session's cookie. A session that the browser had before ends with this; a
/// developer who is signed in joins with the account that there is.
#[utoipa::path(
    post, path = "/dashboard/invite/use", tag = "dashboard", operation_id = "use_invite",
    request_body = UseInviteRequest,
    responses(
        (status = 200, description = "Signed in; `Set-Cookie` holds the session.", body = CurrentSession),
        (status = 403, description = "`forbidden`: this service makes no accounts; or \
            `cross_site_request`.", body = ErrorBody),
        (status = 404, description = "`not_found`: no such link, or no longer.", body = ErrorBody),
        (status = 409, description = "`conflict`: a member already, or too many of them; the link stays \
            good.", body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `address`: too many bad links.",
            body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn use_invite(
    State(state): State<ServiceState>,
    call: Call,
    OwnPage { cookie: former }: OwnPage,
    _: NoQuery,
    Json(request): Json<UseInviteRequest>,
) -> Answer<Response> {
    let options = state.dashboard()?;
    let verb = UseInvite {
        code: request.code.hash(),
        label: request.label,
        sign_up: options.sign_up,
        limits: options.limits,
        former,
        origin: call.origin(),
    };
    let used =
        tried(&state, &call, async { Ok(state.engine().granted(Lane::Anonymous, verb).await?) });
    let used = used.await?;
    signed_in(&state, used.opened).await
}

/// A try at a link: an address that comes with bad ones is held up.
async fn tried<T>(
    state: &ServiceState,
    call: &Call,
    work: impl Future<Output = Answer<T>>,
) -> Answer<T> {
    let client = call.client(state);
    let now_ns = || state.engine().monotonic_ns();
    state.link_tries().lock().begin(client, now_ns()).map_err(|retry_in| {
        let text = "too many links that are not good: wait, then open one that is";
        ApiError::rate_limited(RateLimitOf::Address, retry_in, text)
    })?;
    let done = work.await;
    let is_bad = done.as_ref().is_err_and(|error| error.is_about("code"));
    if is_bad {
        state.link_tries().lock().failed(client, now_ns());
    } else {
        state.link_tries().lock().is_no_failure();
    }
    done
}

/// A link, and what a browser with this cookie would come to by it.
struct Seen {
    invite: account::Invite,
    app: Option<(AppId, String)>,
    /// As whom; `None` for a new account.
    label: Option<Label>,
}

fn seen(
    views: &mut dyn Views,
    code: &SecretHash,
    cookie: Option<&SecretHash>,
    now: Timestamp,
) -> Result<Answered<Seen>, StoreError> {
    let bad = || Ok(Err(account::invalid_invite()));
    let Some(invite) = views.invite(code)?.filter(|invite| invite.is_good(now)) else {
        return bad();
    };
    let (app, whose) = match invite.purpose {
        InvitePurpose::SignUp => (None, None),
        InvitePurpose::SignIn { account_id } => (None, Some(account_id)),
        InvitePurpose::Member { app_id, .. } => {
            let app = views.app(app_id)?.filter(|app| app.deleted_at.is_none());
            let Some(app) = app else { return bad() };
            let session = match cookie {
                Some(cookie) => session_of(views, cookie, now)?.ok(),
                None => None,
            };
            (Some((app.id, app.name.clone())), session.and_then(|it| it.holder.account_id()))
        }
    };
    let label = match whose {
        None => None,
        Some(account_id) => match views.account(account_id)?.filter(Account::is_good) {
            Some(account) => Some(account.label),
            None => return bad(),
        },
    };
    Ok(Ok(Seen { invite, app, label }))
}

fn shown_app(app_id: AppId, name: &str) -> Answer<InviteApp> {
    let name = name.parse().map_err(|_| ApiError::internal())?;
    Ok(InviteApp { app_id, name })
}
