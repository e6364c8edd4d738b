//! `/oauth/authorize` (RFC 6749 section 4.1.1): a client sends a browser, which goes on to the app's own
//! sign-in.
//!
//! Until client and address are known to belong together, an error is a page of ours; from there on
//! it goes back to the client.

use std::sync::Arc;

use agentadmit_core::oauth::{redirect, scope};
use agentadmit_engine::Lane;
use agentadmit_engine::verbs::oauth::request::{
    Asked, AuthorizationAsk, RequestAuthorization, Requested,
};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::oauth::{ClientId, ClientRedirectUri, CodeChallenge, ResourceUri};
use agentadmit_protocol::secret::{self, SecretHash, SecretKind};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use url::Url;

use super::clients::Client;
use super::clients::documents::Need;
use super::clients::metadata::CODE;
use super::form::Parameters;
use super::reply::{self, Back};
use super::{crowd, enter, pages};
use crate::error::{Answer, ApiError};
use crate::extract::{Call, form_body};
use crate::state::ServiceState;

/// What a pushed request's address begins with (RFC 9126 section 2.2).
pub(crate) const PUSHED: &str = "urn:ietf:params:oauth:request_uri:";
/// The longest `state` that is carried.
const MAX_STATE: usize = 2_048;

/// Why nothing came of it.
enum Failed {
    /// Nobody knows yet whom to tell: the person is told.
    Page(ApiError),
    /// The client is told.
    Back(Back, Refused),
}

/// A refusal with its word for a redirect.
pub(crate) struct Refused {
    word: &'static str,
    pub(crate) error: ApiError,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { word: reply::word(&error), error }
    }
}

/// `GET`: the parameters are in the query.
pub(crate) async fn by_get(
    State(state): State<ServiceState>,
    call: Call,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let parameters = Parameters::read(uri.query().unwrap_or_default().as_bytes());
    answer(&state, &call, &headers, parameters).await
}

/// `POST`: they are in the body (RFC 6749 section 3.1).
pub(crate) async fn by_post(
    State(state): State<ServiceState>,
    call: Call,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let parameters = match form_body(request).await {
        Ok(body) => Parameters::read(&body),
        Err(error) => Err(error),
    };
    answer(&state, &call, &headers, parameters).await
}

async fn answer(
    state: &ServiceState,
    call: &Call,
    headers: &HeaderMap,
    parameters: Answer<Parameters>,
) -> Response {
    let requested = match parameters {
        Ok(parameters) => request(state, call, &parameters).await,
        Err(error) => Err(Failed::Page(error)),
    };
    match requested {
        Ok(requested) => on_to_app(state, headers, &requested),
        Err(Failed::Page(error)) => pages::cannot(headers, error),
        Err(Failed::Back(back, Refused { word, error })) => {
            let description = error.into_parts().2.error_description;
            back.with_error(state.engine().issuer(), word, &description)
        }
    }
}

async fn request(
    state: &ServiceState,
    call: &Call,
    parameters: &Parameters,
) -> Result<Requested, Failed> {
    crowd::one_more_request(state, call).map_err(Failed::Page)?;
    let id = parameters.get("client_id").map_err(Failed::Page)?;
    let id = id.ok_or_else(|| Failed::Page(missing("client_id")))?;
    let id = ClientId::new(id).map_err(|error| {
        let text = format!("`client_id` {error}");
        Failed::Page(ApiError::bad_request(text).field("client_id"))
    })?;
    if let Some(pushed) = parameters.get("request_uri").map_err(Failed::Page)? {
        return self::pushed(state, call, &pushed, id).await.map_err(Failed::Page);
    }
    let client = client(state, call, &id).await.map_err(Failed::Page)?;
    let to = parameters.get("redirect_uri").map_err(Failed::Page)?;
    let to = redirect_uri(&client, to.as_deref()).map_err(Failed::Page)?;
    // two of them are an error like any other, and told without
    let back = Back { to: to.clone(), state: parameters.get("state").ok().flatten() };
    let asked = async {
        let ask = ask(&client, to, &Wanted::read(parameters)?)?;
        let verb =
            RequestAuthorization { asked: Asked::Plain(Box::new(ask)), origin: call.origin() };
        let requested = state.engine().granted(Lane::Anonymous, verb).await;
        requested.map_err(|error| Refused::from(ApiError::from(error)))
    };
    asked.await.map_err(|refused| Failed::Back(back, refused))
}

/// A request that was pushed: everything but its client is known already.
async fn pushed(
    state: &ServiceState,
    call: &Call,
    uri: &str,
    client_id: ClientId,
) -> Answer<Requested> {
    let secret = uri.strip_prefix(PUSHED).map(secret::parse);
    let Some(Ok((SecretKind::PushedRequest, request))) = secret else {
        let text = "`request_uri` must be what `/oauth/par` answered";
        return Err(ApiError::bad_request(text).field("request_uri"));
    };
    let asked = Asked::Pushed { request, client_id };
    let verb = RequestAuthorization { asked, origin: call.origin() };
    Ok(state.engine().granted(Lane::Anonymous, verb).await?)
}

/// The client that a browser's address names: its document must be there now, since somebody is
/// about to be asked about it.
pub(crate) async fn client(
    state: &ServiceState,
    call: &Call,
    id: &ClientId,
) -> Answer<Arc<Client>> {
    let client = state.clients().get(state, call.client(state), id, Need::Fresh).await;
    client.map_err(|no| {
        let error = ApiError::from(no);
        match error.code() {
            // nobody has been asked to prove anything here
            ErrorCode::InvalidClient => error.recoded(ErrorCode::InvalidRequest).field("client_id"),
            _ => error,
        }
    })
}

/// The address to go back to, if it is one of the client's: byte by byte, but for the port of a
/// loopback address (RFC 8252 section 7.3).
pub(crate) fn redirect_uri(client: &Client, asked: Option<&str>) -> Answer<ClientRedirectUri> {
    let asked = asked.ok_or_else(|| missing("redirect_uri"))?;
    let known = ClientRedirectUri::new(asked)
        .ok()
        .filter(|asked| redirect::matches(&client.redirect_uris, asked));
    known.ok_or_else(|| {
        let text =
            "`redirect_uri` is none of the addresses that the client has named, byte by byte";
        ApiError::bad_request(text).field("redirect_uri")
    })
}

/// What a client asks for besides its address.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) response_type: Option<String>,
    pub(crate) response_mode: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) code_challenge: Option<String>,
    pub(crate) code_challenge_method: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) request: Option<String>,
}

impl Wanted {
    fn read(parameters: &Parameters) -> Answer<Self> {
        Ok(Self {
            response_type: parameters.get("response_type")?,
            response_mode: parameters.get("response_mode")?,
            scope: parameters.get("scope")?,
            state: parameters.get("state")?,
            code_challenge: parameters.get("code_challenge")?,
            code_challenge_method: parameters.get("code_challenge_method")?,
            resource: parameters.get("resource")?,
            request: parameters.get("request")?,
        })
    }
}

/// Checks everything that needs no store.
pub(crate) fn ask(
    client: &Client,
    redirect_uri: ClientRedirectUri,
    wanted: &Wanted,
) -> Result<AuthorizationAsk, Refused> {
    if wanted.request.is_some() {
        let text =
            "signed requests (`request`) are not supported: push the request to `/oauth/par`";
        let error = ApiError::bad_request(text).field("request");
        return Err(Refused { word: "request_not_supported", error });
    }
    match wanted.response_type.as_deref() {
        Some("code") => {}
        None => return Err(missing("response_type").into()),
        Some(_) => {
            let error = ApiError::bad_request("`response_type` must be `code`");
            return Err(Refused {
                word: "unsupported_response_type",
                error: error.field("response_type"),
            });
        }
    }
    if !matches!(wanted.response_mode.as_deref(), None | Some("query")) {
        let error = ApiError::bad_request("`response_mode` must be `query`");
        return Err(error.field("response_mode").into());
    }
    client.require_grant(CODE)?;
    if wanted.state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
        let text = "`state` must have at most 2048 bytes";
        return Err(ApiError::bad_request(text).field("state").into());
    }
    let code_challenge = code_challenge(wanted)?;
    let resource = resource(wanted.resource.as_deref())?;
    let scopes = scope::parse(wanted.scope.as_deref()).map_err(ApiError::from)?;
    Ok(AuthorizationAsk {
        client: client.summary(),
        redirect_uri,
        state: wanted.state.clone(),
        code_challenge,
        resource,
        scopes,
    })
}

/// PKCE is not an option, and plain is none (OAuth 2.1 section 4.1.1).
fn code_challenge(wanted: &Wanted) -> Answer<CodeChallenge> {
    let challenge = wanted.code_challenge.as_deref().ok_or_else(|| missing("code_challenge"))?;
    if wanted.code_challenge_method.as_deref() != Some("S256") {
        let text = "`code_challenge_method` must be `S256`";
        return Err(ApiError::bad_request(text).field("code_challenge_method"));
    }
    CodeChallenge::new(challenge).map_err(|error| {
        ApiError::bad_request(format!("`code_challenge` {error}")).field("code_challenge")
    })
}

/// The app that a token is for (RFC 8707).
pub(crate) fn resource(asked: Option<&str>) -> Answer<ResourceUri> {
    let invalid_target =
        |text: String| ApiError::new(ErrorCode::InvalidTarget, text).field("resource");
    let asked = asked.ok_or_else(|| {
        let text = "name the app that the token is for: `resource` (RFC 8707)";
        invalid_target(text.to_owned())
    })?;
    ResourceUri::new(asked).map_err(|error| invalid_target(format!("`resource` {error}")))
}

fn missing(field: &'static str) -> ApiError {
    ApiError::bad_request(format!("`{field}` is missing")).field(field)
}

/// Sends the browser to the app, which knows who sits in front of it. The cookie says later that it is
/// this browser that comes back.
pub(crate) fn on_to_app(
    state: &ServiceState,
    headers: &HeaderMap,
    requested: &Requested,
) -> Response {
    let (Some(location), Some(cookie)) = (login_url(requested), cookie(state, requested)) else {
        return pages::cannot(headers, ApiError::internal());
    };
    let headers = [
        (LOCATION, location),
        (SET_COOKIE, cookie),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The app's own sign-in, told which request it is about.
pub(crate) fn login_url(requested: &Requested) -> Option<HeaderValue> {
    let login_url = requested.app.settings.login_url.as_ref()?;
    let mut url = Url::parse(login_url.as_str()).ok()?;
    url.query_pairs_mut().append_pair("request_id", &requested.request.id.to_string());
    HeaderValue::from_str(url.as_str()).ok()
}

/// The cookie of the browser that began.
pub(crate) fn cookie(state: &ServiceState, requested: &Requested) -> Option<HeaderValue> {
    enter::set_cookie(state.engine().issuer(), requested.request.id, requested.cookie.expose())
}

/// What a secret in an address hashes to, where it could be one.
pub(crate) fn plain_hash(text: &str) -> Option<SecretHash> {
    crate::consent::code_hash(text)
}
