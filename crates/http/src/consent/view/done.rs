//! What came of a question: the token, once; or that there is nothing more to do.

use agentadmit_core::app::{App, CatalogueScope};
use agentadmit_core::connection::Connection;
use agentadmit_core::consent::{ConsentSession, Question, SessionState};
use http::StatusCode;
use maud::{Markup, html};

use super::{Page, frame, parts};
use crate::consent::words::{Words, fill};

/// A new connection on its way to the user.
pub(crate) struct Granted<'a> {
    pub(crate) words: &'static Words,
    pub(crate) app: &'a App,
    pub(crate) connection: &'a Connection,
    /// The connection token, shown this once.
    pub(crate) token: &'a str,
    /// The message for the agent, with the token in it.
    pub(crate) prompt: &'a str,
    /// What was granted, as the catalogue describes it.
    pub(crate) scopes: &'a [CatalogueScope],
    /// The way back to the app.
    pub(crate) back: Option<&'a str>,
}

/// The token, once, and what to do with it.
pub(crate) fn granted(it: &Granted<'_>) -> Page {
    let (words, app) = (it.words, [("app", it.app.name.as_str())]);
    let moment = |sentence, at| parts::when(words, sentence, at);
    let days = it.app.settings.idle_days.get().to_string();
    let lines = it.prompt.lines().count();
    let main = html! {
        h1 { (words.granted_title) }
        p.test { (words.granted_once) }
        div.once data-wiped=(words.wiped) {
            (shown("prompt", words.prompt, words.prompt_hint, words, &html! {
                textarea #prompt readonly rows=(lines.clamp(8, 20)) dir="ltr" autocomplete="off"
                    spellcheck="false" aria-describedby="prompt-hint" { (it.prompt) }
            }))
            (shown("token", words.token, words.token_hint, words, &html! {
                textarea #token readonly rows="2" dir="ltr" autocomplete="off" spellcheck="false"
                    aria-describedby="token-hint" { (it.token) }
            }))
        }
        h2 { (words.next_title) }
        ol { @for step in words.next_steps { li { (fill(step, &app)) } } }
        p { (moment(words.token_ends, it.connection.token_expires_at)) }
        p {
            @match it.connection.expires_at {
                Some(end) => (moment(words.access_ends, end)),
                None => (fill(words.access_never_ends, &[("days", &days)])),
            }
        }
        h2 { (words.allowed_title) }
        (parts::scope_list(words, it.scopes))
        (parts::back(words, it.app, it.back))
    };
    Page::new(StatusCode::OK, &frame(words, words.granted_title, &html! {}, &main))
}

/// Something to copy; the button comes with the script.
fn shown(id: &str, label: &str, hint: &str, words: &Words, field: &Markup) -> Markup {
    html! {
        div.field {
            label for=(id) { (label) }
            p.hint id={ (id) "-hint" } { (hint) }
            (field)
            button.copy type="button" hidden data-copy=(id) data-copied=(words.copied)
                aria-label={ (words.copy) ": " (label) } { (words.copy) }
        }
    }
}

/// A connection that may do more now.
pub(crate) fn widened(
    words: &'static Words,
    app: &App,
    scopes: &[CatalogueScope],
    connection: &Connection,
    back: Option<&str>,
) -> Page {
    let main = html! {
        h1 { (words.widened_title) }
        p { (fill(words.widened_text, &[("app", &app.name)])) }
        h2 { (words.allowed_title) }
        (parts::scope_list(words, scopes))
        @if let Some(end) = connection.expires_at {
            p { (parts::when(words, words.access_ends, end)) }
        }
        (parts::back(words, app, back))
    };
    Page::new(StatusCode::OK, &frame(words, words.widened_title, &html! {}, &main))
}

/// A session that decides nothing any more: what became of it, without any token.
pub(crate) fn over(
    words: &'static Words,
    app: &App,
    session: &ConsentSession,
    back: Option<&str>,
) -> Page {
    let (status, title, text) = match session.state {
        SessionState::Granted { .. } if matches!(session.question, Question::Widen { .. }) => {
            (StatusCode::OK, words.widened_title, words.widened_text)
        }
        SessionState::Granted { .. } => {
            (StatusCode::OK, words.was_granted_title, words.was_granted_text)
        }
        SessionState::Denied { .. } => (StatusCode::OK, words.denied_title, words.denied_text),
        SessionState::Waiting | SessionState::Open { .. } => {
            (StatusCode::GONE, words.over_title, words.over_text)
        }
    };
    let main = html! {
        h1 { (title) }
        p { (fill(text, &[("app", &app.name)])) }
        (parts::back(words, app, back))
    };
    Page::new(status, &frame(words, title, &html! {}, &main))
}
