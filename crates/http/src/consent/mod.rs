//! The hosted consent page (PROTOCOL, Consent sessions): where a user of an app says yes or no to an
//! agent, on the service's own address.
//!
//! | file | what |
//! | --- | --- |
//! | `browser` | the cookie, the form's token, where a form may come from |
//! | `form` | the form, read |
//! | `view` | what the pages look like |
//! | `words` | what they say, one place per language |
//!
//! The pages are for people, so that none of them is in the `OpenAPI` document, and every answer is a
//! page, errors too. Links are relative: the service may be mounted below a path.

mod browser;
mod decide;
mod form;
mod view;
mod words;

use agentadmit_core::consent::{ConsentSession, Question, SessionState};
use agentadmit_engine::Lane;
use agentadmit_engine::consent::ConsentPage;
use agentadmit_engine::verbs::consent::EnterConsent;
use agentadmit_protocol::api::consent::Locale;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::ConsentSessionId;
use agentadmit_protocol::secret::Secret;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use url::Url;

pub(crate) use self::browser::{code_hash, cookie_hash, cookie_name, is_same_origin, set_cookie};
pub(crate) use self::view::{Page, frame, notice};
pub(crate) use self::words::{Words, fill};

use self::browser::Cookie;
use self::view::{Ask, Problem};
use crate::error::ApiError;
use crate::state::ServiceState;

/// Where the page's routes begin.
pub(crate) const PREFIX: &str = "/consent/";
const ASSETS: &str = "/consent/assets/";

/// The address that opens a session, for one browser, once.
pub(crate) fn session_url(issuer: &str, id: ConsentSessionId, code: &Secret) -> String {
    format!("{}{PREFIX}{id}?code={}", issuer.trim_end_matches('/'), code.expose())
}

/// Whether a path is of a page that shows what is somebody's.
pub(crate) fn is_page(path: &str) -> bool {
    path.starts_with(PREFIX) && !path.starts_with(ASSETS)
}

/// The page's routes.
pub(crate) fn routes() -> Router<ServiceState> {
    Router::new()
        // a `HEAD` would spend the code and show nobody anything
        .route("/consent/{session_id}", get(show).head(no_head).post(decide::decide))
        .merge(assets(ASSETS))
}

/// The files of pages in this frame, whose links are relative to where they stand.
pub(crate) fn assets(folder: &str) -> Router<ServiceState> {
    let css = ("text/css; charset=utf-8", include_str!("../../assets/consent.css"));
    let script = ("text/javascript; charset=utf-8", include_str!("../../assets/consent.js"));
    Router::new()
        .route(&format!("{folder}consent.css"), get(move || async move { asset(css) }))
        .route(&format!("{folder}consent.js"), get(move || async move { asset(script) }))
}

fn asset((content_type, text): (&'static str, &'static str)) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "public, max-age=3600"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

async fn no_head() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")]).into_response()
}

/// The session in the address, whatever stands there.
type PathId = Result<Path<String>, PathRejection>;

/// Another page than the one that was asked for.
type Instead = Box<Response>;

/// One request of a browser about one session.
struct Visit {
    state: ServiceState,
    id: ConsentSessionId,
    cookie: Option<Cookie>,
    headers: HeaderMap,
}

impl Visit {
    fn new(state: ServiceState, id: PathId, headers: HeaderMap) -> Result<Self, Instead> {
        let Some(id) = id.ok().and_then(|Path(id)| id.parse().ok()) else {
            return Err(Box::new(not_found(Words::of(None, &headers))));
        };
        let cookie = Cookie::of(&headers, state.engine().issuer(), id);
        Ok(Self { state, id, cookie, headers })
    }

    fn words(&self, session: Option<&ConsentSession>) -> &'static Words {
        let asked = session.and_then(|session| session.locale.as_ref());
        Words::of(asked.map(Locale::as_str), &self.headers)
    }

    /// The session, for the browser that has it.
    async fn page(&self) -> Result<ConsentPage, Instead> {
        let cookie = self.cookie.as_ref().map(|cookie| cookie.hash);
        let page = self.state.engine().consent_page(self.id, cookie).await;
        page.map_err(|error| Box::new(self.failed(error.into())))
    }

    /// The page of an error that the user can do nothing about here.
    fn failed(&self, error: ApiError) -> Response {
        let words = self.words(None);
        let (title, text) = match error.code() {
            ErrorCode::NotFound => return not_found(words),
            ErrorCode::Conflict => (words.other_browser_title, words.other_browser_text),
            ErrorCode::Gone => (words.over_title, words.over_text),
            _ => (words.trouble_title, words.trouble_text),
        };
        let (status, headers, _) = error.into_parts();
        let mut response = respond(&view::notice(status, words, title, text));
        response.headers_mut().extend(headers);
        response
    }

    /// The question, perhaps once more with what was filled in.
    fn ask(&self, page: &ConsentPage, again: Option<(&form::Form, &[Problem])>) -> Response {
        let words = self.words(Some(&page.session));
        let Some(cookie) = self.cookie.as_ref().filter(|_| page.is_live) else {
            if page.authorization.is_some()
                && matches!(page.session.state, SessionState::Granted { .. })
            {
                return crate::oauth::was_granted(words, &page.app.name);
            }
            let back = back(&page.session);
            return respond(&view::over(words, &page.app, &page.session, back.as_deref()));
        };
        let path = self.id.to_string();
        let ask = Ask { words, page, token: &cookie.form_token, path: &path, again };
        respond(&match (&page.session.question, &page.widens) {
            (Question::Widen { .. }, Some((view, held))) => view::widen(&ask, view, held),
            _ => view::ask(&ask),
        })
    }
}

/// `GET`: with the code, the browser gets its cookie; without, it gets the page.
async fn show(
    State(state): State<ServiceState>,
    id: PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let visit = match Visit::new(state, id, headers) {
        Ok(visit) => visit,
        Err(instead) => return *instead,
    };
    let query = uri.query().unwrap_or_default();
    if let Some(code) = query.strip_prefix("code=") {
        return enter(&visit, code).await;
    }
    if visit.cookie.is_none() && query != "continue" {
        let path = format!("{}?continue", visit.id);
        return respond(&view::going_on(visit.words(None), &path));
    }
    match visit.page().await {
        Ok(page) => visit.ask(&page, None),
        Err(instead) => *instead,
    }
}

/// The one-use code against a cookie, and on to an address without it.
async fn enter(visit: &Visit, code: &str) -> Response {
    if is_prefetch(&visit.headers) {
        // nobody has come yet: the code is for who does
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if visit.cookie.is_some() && visit.page().await.is_ok() {
        // the same browser by the same link once more
        return on_to_page(visit.id, None);
    }
    let Some(code) = code_hash(code) else { return not_found(visit.words(None)) };
    let verb = EnterConsent { session_id: visit.id, code };
    let engine = visit.state.engine();
    match engine.granted(Lane::Anonymous, verb).await {
        Ok(entered) => {
            let cookie = set_cookie(engine.issuer(), visit.id, entered.cookie.expose());
            on_to_page(visit.id, cookie)
        }
        Err(error) => visit.failed(error.into()),
    }
}

pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].into_iter().any(|name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains("prefetch") || value.contains("preview"))
    })
}

fn on_to_page(id: ConsentSessionId, cookie: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(LOCATION, location);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(cookie) = cookie {
        headers.insert(SET_COOKIE, cookie);
    }
    response
}

/// The way back to the app of a session that was decided or is over.
fn back(session: &ConsentSession) -> Option<String> {
    let result = match session.state {
        SessionState::Granted { .. } => "granted",
        SessionState::Denied { .. } => "denied",
        SessionState::Waiting | SessionState::Open { .. } => "expired",
    };
    let mut url = Url::parse(session.return_url.as_ref()?.as_str()).ok()?;
    url.query_pairs_mut()
        .append_pair("session_id", &session.id.to_string())
        .append_pair("result", result);
    Some(url.into())
}

fn not_found(words: &Words) -> Response {
    let (title, text) = (words.not_found_title, words.not_found_text);
    respond(&view::notice(StatusCode::NOT_FOUND, words, title, text))
}

/// A page with the headers that keep it to itself.
pub(crate) fn respond(page: &Page) -> Response {
    let picture = page.picture_origin.as_deref().map(|origin| format!(" {origin}"));
    let back = page.return_origin.as_deref().map(|origin| format!(" {origin}"));
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'{}; \
         form-action 'self'{}; frame-ancestors 'none'; base-uri 'none'",
        picture.unwrap_or_default(),
        back.unwrap_or_default(),
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut response = (page.status, headers, page.html.clone()).into_response();
    // origins of addresses that were parsed: ASCII
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        return response;
    }
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
