//! What several pages show: who asks, scopes, the way back.

use agentadmit_core::app::{App, CatalogueScope};
use agentadmit_core::consent::ConsentSession;
use agentadmit_engine::consent::ConsentPage;
use agentadmit_protocol::RedirectUri;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;
use maud::{Markup, html};
use url::Url;

use crate::consent::words::{Words, fill};

/// The address of the app that an operator has registered: where the user goes back to, else the
/// first of the app's redirect addresses.
pub(crate) fn app_address(app: &App, session: &ConsentSession) -> Option<Url> {
    Url::parse(way_back(app, session)?.as_str()).ok()
}

fn way_back<'a>(app: &'a App, session: &'a ConsentSession) -> Option<&'a RedirectUri> {
    session.return_url.as_ref().or(app.settings.redirect_uris.first())
}

/// Whether the page may call the address the app's own: operators register addresses, and developers those
/// on their own machine, which are nobody's.
fn is_known(app: &App, session: &ConsentSession) -> bool {
    session.tenant.environment == Environment::Test
        || way_back(app, session).is_some_and(|uri| !uri.is_loopback())
}

/// Where the app's picture is, if it is one that the page may show: over https only.
pub(crate) fn picture(app: &App) -> Option<Url> {
    let url = Url::parse(app.settings.logo_uri.as_ref()?.as_str()).ok()?;
    (url.scheme() == "https").then_some(url)
}

/// Who asks, and as whom.
pub(super) fn who(words: &Words, page: &ConsentPage) -> Markup {
    let (app, session) = (&*page.app, &page.session);
    let known = app_address(app, session).filter(|_| is_known(app, session));
    let host = known.and_then(|url| {
        url.host_str().map(|host| match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        })
    });
    let user = session.user_label.as_ref().map_or(session.user_id.as_str(), |label| label.as_str());
    html! {
        section.who {
            @match picture(app) {
                Some(url) => img.logo src=(url) alt="" width="48" height="48" referrerpolicy="no-referrer";,
                None => span.logo aria-hidden="true" { (initials(&app.name)) },
            }
            div {
                p.name { bdi { (app.name) } }
                @match host {
                    Some(host) => p.hint { (fill(words.verified, &[("host", &host)])) },
                    None => p.hint { (words.not_verified) },
                }
                p { (fill(words.as_whom, &[("user", user)])) }
            }
        }
        @if session.tenant.environment == Environment::Test { p.test { (words.test_app) } }
        @if let Some(purpose) = &session.purpose {
            section {
                h2 { (fill(words.purpose, &[("app", &app.name)])) }
                blockquote { p dir="auto" { (purpose) } }
            }
        }
    }
}

/// The first letters of the first two words.
fn initials(name: &str) -> String {
    let first = |word: &str| word.chars().next().map(|letter| letter.to_uppercase().to_string());
    name.split_whitespace().filter_map(first).take(2).collect()
}

/// Scopes by their category, in the order in which categories come in the catalogue; those without
/// one come last.
pub(super) fn by_category(scopes: &[CatalogueScope]) -> Vec<(Option<&str>, Vec<&CatalogueScope>)> {
    let mut groups: Vec<(Option<&str>, Vec<&CatalogueScope>)> = Vec::new();
    for scope in scopes {
        let category = scope.scope.category.as_ref().map(Label::as_str);
        match groups.iter_mut().find(|(known, _)| *known == category) {
            Some((_, group)) => group.push(scope),
            None => groups.push((category, vec![scope])),
        }
    }
    groups.sort_by_key(|(category, _)| category.is_none());
    groups
}

/// Scopes as a list.
pub(super) fn scope_list<'s>(
    words: &Words,
    scopes: impl IntoIterator<Item = &'s CatalogueScope>,
) -> Markup {
    html! {
        ul.scopes {
            @for CatalogueScope { scope, .. } in scopes {
                li { bdi { (scope.description) } @if scope.sensitive { " " (sensitive(words)) } }
            }
        }
    }
}

/// A sentence with a moment in it, in UTC; a browser with scripts says it in its own zone.
pub(super) fn when(words: &Words, sentence: &str, at: Timestamp) -> Markup {
    let (before, after) = sentence.split_once("{moment}").unwrap_or((sentence, ""));
    html! { (before) time datetime=(at) { (words.moment(at)) } (after) }
}

/// The mark of what is sensitive.
pub(super) fn sensitive(words: &Words) -> Markup {
    html! { strong.mark { (words.sensitive) } }
}

/// The way back to the app, where there is one.
pub(super) fn back(words: &Words, app: &App, href: Option<&str>) -> Markup {
    html! {
        @if let Some(href) = href {
            p { a href=(href) rel="noreferrer" { (fill(words.back, &[("app", &app.name)])) } }
        }
    }
}
