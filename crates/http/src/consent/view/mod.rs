//! What the consent page looks like. HTML that works without a script, in the order in which it is
//! read; `maud` escapes everything that it is given.

mod ask;
mod client;
mod done;
mod parts;

use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

pub(crate) use ask::{Ask, Problem, ask, offered_templates, widen};
pub(crate) use done::{Granted, granted, over, widened};
pub(crate) use parts::app_address;

use super::words::Words;

/// A page on its way out.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) html: String,
    /// Where pictures may come from besides this service.
    pub(crate) picture_origin: Option<String>,
    /// Where an answer to this page's form may send the browser besides this service: one source of
    /// CSP, or several.
    pub(crate) return_origin: Option<String>,
}

impl Page {
    pub(crate) fn new(status: StatusCode, html: &Markup) -> Self {
        Self { status, html: html.0.clone(), picture_origin: None, return_origin: None }
    }
}

/// The frame around every page.
pub(crate) fn frame(words: &Words, title: &str, head: &Markup, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(words.lang) dir=(words.dir) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="stylesheet" href="assets/consent.css";
                script src="assets/consent.js" defer {}
                (head)
            }
            body { main { (main) } }
        }
    }
}

/// A page that says one thing.
pub(crate) fn notice(status: StatusCode, words: &Words, title: &str, text: &str) -> Page {
    let main = html! { h1 { (title) } p { (text) } };
    Page::new(status, &frame(words, title, &html! {}, &main))
}

/// Goes on to the page from a page of our own: a browser that was sent here from another site does
/// not show a `SameSite=Strict` cookie until then.
pub(crate) fn going_on(words: &Words, path: &str) -> Page {
    let title = words.going_on_title;
    let head = html! { meta http-equiv="refresh" content=(format!("0;url={path}")); };
    let main = html! { h1 { (title) } p { a.button href=(path) { (words.going_on) } } };
    Page::new(StatusCode::OK, &frame(words, title, &head, &main))
}
