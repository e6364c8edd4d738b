//! What people see besides the consent page: a link that cannot be used, and the page of a device.

use std::fmt::Write as _;

use agentadmit_engine::verbs::oauth::request::Requested;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::oauth::UserCode;
use axum::response::{IntoResponse, Response};
use fast_qr::qr::QRBuilder;
use http::header::ALLOW;
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};

use super::words::OAuthWords;
use crate::consent::{Page, Words, fill, frame, notice, respond};
use crate::error::ApiError;

/// What is wrong with a code that somebody typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    NotACode,
    Unknown,
    TooMany,
}

/// Pages that must not be looked at without being shown.
pub(crate) async fn no_head() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")]).into_response()
}

/// A link that cannot be used: a sentence for people, and one for developers. Nobody is sent anywhere,
/// since nobody knows whom the link is of.
pub(crate) fn cannot(headers: &HeaderMap, error: ApiError) -> Response {
    let words = Words::of(None, headers);
    let oauth = OAuthWords::of(words);
    let (status, more, body) = error.into_parts();
    // there is nobody to authenticate on a page
    let status = if status == StatusCode::UNAUTHORIZED { StatusCode::BAD_REQUEST } else { status };
    let main = html! {
        h1 { (oauth.cannot_title) }
        p { (oauth.cannot_text) }
        details {
            summary { (oauth.for_developers) }
            p dir="ltr" lang="en" { code { (body.error) } ": " (body.error_description) }
        }
    };
    let page = Page::new(status, &frame(words, oauth.cannot_title, &html! {}, &main));
    let mut response = respond(&page);
    response.headers_mut().extend(more);
    // a challenge is for programs
    response.headers_mut().remove(http::header::WWW_AUTHENTICATE);
    response
}

/// The browser that comes back is not the one that began, or comes too late.
pub(crate) fn other_browser(headers: &HeaderMap, error: &ApiError) -> Response {
    let words = Words::of(None, headers);
    let (status, title, text) = match error.code() {
        ErrorCode::Conflict => {
            (StatusCode::CONFLICT, words.other_browser_title, words.other_browser_text)
        }
        ErrorCode::Gone => (StatusCode::GONE, words.over_title, words.over_text),
        _ => (StatusCode::NOT_FOUND, words.not_found_title, words.not_found_text),
    };
    respond(&notice(status, words, title, text))
}

/// A form that did not come from our own page as it is.
pub(crate) fn bad_form(headers: &HeaderMap, status: StatusCode) -> Response {
    let words = Words::of(None, headers);
    respond(&notice(status, words, words.bad_form_title, words.bad_form_text))
}

/// Goes on to the app.
pub(crate) fn going_on(headers: &HeaderMap, requested: &Requested, login_url: &str) -> Response {
    let words = Words::of(None, headers);
    let head = html! { meta http-equiv="refresh" content=(format!("0;url={login_url}")); };
    let main = html! {
        h1 { (words.going_on_title) }
        p { bdi { (requested.app.name) } }
        p { a.button href=(login_url) rel="noreferrer" { (words.going_on) } }
    };
    respond(&Page::new(StatusCode::OK, &frame(words, words.going_on_title, &head, &main)))
}

/// The page of a device's code.
pub(crate) fn device(
    headers: &HeaderMap,
    issuer: &str,
    code: Option<&UserCode>,
    problem: Option<Problem>,
) -> Response {
    let words = Words::of(None, headers);
    let oauth = OAuthWords::of(words);
    let problem = problem.map(|problem| match problem {
        Problem::NotACode => (StatusCode::UNPROCESSABLE_ENTITY, oauth.device_not_a_code),
        Problem::Unknown => (StatusCode::UNPROCESSABLE_ENTITY, oauth.device_unknown),
        Problem::TooMany => (StatusCode::TOO_MANY_REQUESTS, oauth.device_too_many),
    });
    let shown = code.map(UserCode::expose);
    let described =
        if problem.is_some() { "user_code-hint user_code-mistake" } else { "user_code-hint" };
    let main = html! {
        h1 { (oauth.device_title) }
        p { (oauth.device_text) }
        form method="post" action="device" accept-charset="utf-8" {
            div.field {
                label for="user_code" { (oauth.device_code) }
                p.hint id="user_code-hint" { (oauth.device_hint) }
                @if let Some((_, text)) = problem {
                    p.mistake id="user_code-mistake" role="alert" { (text) }
                }
                input type="text" id="user_code" name="user_code" dir="ltr" maxlength="20"
                    value=[shown.as_deref()] autocomplete="off" autocapitalize="characters"
                    spellcheck="false" required aria-describedby=(described)
                    aria-invalid=[problem.map(|_| "true")];
            }
            p.test { (oauth.device_warning) }
            div.decision { button type="submit" { (oauth.device_next) } }
        }
        @if let (Some(code), None) = (&shown, problem) { (qr(issuer, code, oauth)) }
    };
    let title = oauth.device_title;
    let status = problem.map_or(StatusCode::OK, |(status, _)| status);
    respond(&Page::new(status, &frame(words, title, &html! {}, &main)))
}

/// The page's own address with the code, for a phone's camera.
fn qr(issuer: &str, code: &str, words: &OAuthWords) -> Markup {
    let address = format!("{}/oauth/device?user_code={code}", issuer.trim_end_matches('/'));
    let Ok(drawn) = QRBuilder::new(address).build() else { return html! {} };
    let mut path = String::new();
    for row in 0..drawn.size {
        for column in 0..drawn.size {
            let is_dark = drawn.data.get(row * drawn.size + column).is_some_and(|one| one.value());
            if is_dark {
                // four modules of quiet around it (ISO/IEC 18004)
                // into a text: that cannot fail
                let _written = write!(path, "M{} {}h1v1h-1z", column + 4, row + 4);
            }
        }
    }
    let size = drawn.size + 8;
    html! {
        details {
            summary { (words.device_qr) }
            svg.qr xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (size) " " (size) }
                width="240" height="240" role="img" aria-label=(words.device_qr)
                shape-rendering="crispEdges" {
                rect width=(size) height=(size) fill="#fff" {}
                path d=(path) fill="#000" {}
            }
        }
    }
}

/// A client's request whose user has said yes already.
pub(crate) fn was_granted(words: &'static Words, app: &str) -> Response {
    let text = fill(OAuthWords::of(words).was_granted_text, &[("app", app)]);
    respond(&notice(StatusCode::OK, words, words.was_granted_title, &text))
}

/// A device whose user said yes.
pub(crate) fn device_done(words: &'static Words, app: &str) -> Response {
    let oauth = OAuthWords::of(words);
    let text = fill(oauth.device_done_text, &[("app", app)]);
    respond(&notice(StatusCode::OK, words, oauth.device_done_title, &text))
}
