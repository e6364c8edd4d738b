//! The OAuth client of an authorization request, as its user is told of it: who it is, where the answer
//! goes, and what nobody has checked.

use agentadmit_core::oauth::request::{AuthorizationRequest, Reply};
use agentadmit_protocol::oauth::ClientRedirectUri;
use maud::{Markup, html};
use url::{Host, Url};

use crate::consent::words::{Words, fill};
use crate::oauth::OAuthWords;

/// Who asks, and where the answer goes.
pub(super) fn who(words: &Words, request: &AuthorizationRequest) -> Markup {
    let (client, oauth) = (&request.client, OAuthWords::of(words));
    let to = match &request.reply {
        Reply::Redirect { redirect_uri, .. } => Some(redirect_uri),
        Reply::Device { .. } => None,
    };
    let destination = to.map(ClientRedirectUri::destination).unwrap_or_default();
    let is_page = destination.rfind(':').is_none_or(|at| at + 1 < destination.len());
    let sent_to = if is_page { oauth.sent_to } else { oauth.sent_to_app };
    html! {
        section.client {
            h2 { (oauth.client) }
            p.name { bdi { (client.name) } }
            @match client.id.host() {
                Some(host) => p { (fill(oauth.client_host, &[("host", &host)])) },
                None => p.test { (oauth.client_registered) },
            }
            @match to {
                Some(uri) => {
                    p { (fill(sent_to, &[("host", &destination)])) }
                    @if uri.is_loopback() { p.test { (oauth.only_loopback) } }
                }
                None => p.test { (oauth.client_device) },
            }
        }
    }
}

/// What happens after a yes.
pub(super) fn next(words: &Words, request: &AuthorizationRequest) -> &'static str {
    let oauth = OAuthWords::of(words);
    match &request.reply {
        Reply::Redirect { .. } => oauth.what_next,
        Reply::Device { .. } => oauth.what_next_device,
    }
}

/// Where the page's form may lead. Browsers hold a whole chain of redirects to it, and where a
/// client's page goes on to is the client's matter: any page over https, and what the client named.
pub(super) fn form_targets(reply: &Reply) -> Option<String> {
    let Reply::Redirect { redirect_uri, .. } = reply else { return None };
    let url = Url::parse(redirect_uri.as_str()).ok()?;
    Some(match (url.scheme(), url.host()) {
        ("https", _) => "https:".to_owned(),
        // CSP has no sources for IPv6 addresses
        ("http", Some(Host::Ipv6(_))) => "https: http:".to_owned(),
        ("http", Some(host)) => format!("https: http://{host}:*"),
        (scheme, _) => format!("https: {scheme}:"),
    })
}
