//! Opening a session of the hosted consent page. The page itself is [`crate::consent`].

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::consent::{ConsentAsk, OpenConsent, OpenedConsent};
use agentadmit_protocol::api::consent::{ConsentSessionAnswer, ConsentSessionRequest};
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use agentadmit_protocol::id::AppId;
use axum::extract::State;
use http::StatusCode;

use crate::consent::session_url;
use crate::error::{Answer, ApiError};
use crate::extract::{AppAuth, Call, Id, Json, NoQuery};
use crate::state::ServiceState;

/// Opens a session of the hosted consent page
///
/// The user decides on the service's page: about a new connection (`user_id`), or about more for one
/// that there is (`connection_id`). The address is for one browser, once.
#[utoipa::path(
    post, path = "/v1/apps/{app_id}/consent-sessions", tag = "consent",
    operation_id = "open_consent_session",
    params(("app_id" = AppId, Path, description = "The caller's own app.")),
    request_body = ConsentSessionRequest,
    responses(
        (status = 201, description = "Where to send the user's browser.", body = ConsentSessionAnswer),
        (status = 400, description = "`invalid_request`, `invalid_scope` or `invalid_duration`.", body = ErrorBody),
        (status = 403, description = "`forbidden` (the permission `issue` is missing) or \
            `subscription_required`.", body = ErrorBody),
        (status = 409, description = "`conflict`: the connection has ended, or the user has too many \
            open sessions.", body = ErrorBody),
        (status = 429, description = "`rate_limited` with `limit` `key`: more than 20 a second.",
            body = ErrorBody),
    ),
    security(("api_key" = []), ("client_assertion" = [])),
)]
pub(crate) async fn open(
    State(state): State<ServiceState>,
    call: Call,
    AppAuth(credential): AppAuth,
    Id((app_id,)): Id<(AppId,)>,
    _: NoQuery,
    Json(request): Json<ConsentSessionRequest>,
) -> Answer<(StatusCode, axum::Json<ConsentSessionAnswer>)> {
    let verb = OpenConsent {
        credential: credential.clone(),
        app_id,
        ask: ask(&request)?,
        purpose: request.purpose,
        return_url: request.return_url,
        locale: request.locale,
        prompt_templates: request.prompt_templates,
        origin: call.origin_for(request.on_behalf_of),
    };
    let engine = state.engine();
    let opened: OpenedConsent = engine.granted(Lane::App(&credential), verb).await?;
    engine.learn(&credential, opened.session.tenant);
    let answer = ConsentSessionAnswer {
        session_id: opened.session.id,
        session_url: session_url(engine.issuer(), opened.session.id, &opened.code),
        expires_at: opened.session.expires_at,
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Which of the two questions it is; members of the other one are refused, not ignored.
fn ask(request: &ConsentSessionRequest) -> Answer<ConsentAsk> {
    let ConsentSessionRequest { user_id, user_label, scopes, preselected, .. } = request;
    let ConsentSessionRequest { add_scopes, duration_seconds, .. } = request;
    let Some(connection_id) = request.connection_id else {
        let of_the_other = [
            ("add_scopes", !add_scopes.is_empty()),
            ("duration_seconds", duration_seconds.is_some()),
        ];
        refuse(&of_the_other, "goes with `connection_id` alone: on the page the user chooses")?;
        let Some(user_id) = user_id.clone() else {
            let text = "say whom to ask: `user_id`, or `connection_id` to ask for more";
            return Err(ApiError::new(ErrorCode::UnprocessableRequest, text).field("user_id"));
        };
        return Ok(ConsentAsk::Grant {
            user_id,
            user_label: user_label.clone(),
            scopes: scopes.clone(),
            preselected: preselected.clone(),
            durations: request.durations.clone(),
        });
    };
    let of_the_other = [
        ("scopes", !scopes.is_empty()),
        ("preselected", !preselected.is_empty()),
        ("durations", !request.durations.is_empty()),
        ("user_label", user_label.is_some()),
        ("prompt_templates", !request.prompt_templates.is_empty()),
    ];
    refuse(&of_the_other, "goes with a new connection alone, not with `connection_id`")?;
    Ok(ConsentAsk::Widen {
        connection_id,
        owner: user_id.clone(),
        add_scopes: add_scopes.clone(),
        seconds: *duration_seconds,
    })
}

fn refuse(members: &[(&'static str, bool)], why: &'static str) -> Answer<()> {
    match members.iter().find(|(_, is_there)| *is_there) {
        None => Ok(()),
        Some((name, _)) => {
            Err(ApiError::new(ErrorCode::UnprocessableRequest, why).field((*name).to_owned()))
        }
    }
}
