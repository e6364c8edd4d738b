//! What ties a page to one browser: the cookie, the form's token, and where a form may come from.

use core::fmt::Display;

use agentadmit_protocol::id::ConsentSessionId;
use agentadmit_protocol::secret::SecretHash;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderValue};
use url::Url;

use agentadmit_core::consent::{KEPT_SECONDS, SESSION_SECONDS};

/// The most characters of what a cookie or a code may hold.
const MAX_SECRET: usize = 64;

/// The cookie of one session or authorization request: its name says which, so that two tabs do not
/// disturb each other.
///
/// `__Host-` ties it to this host over https; on a loopback address without TLS there is no such
/// cookie, and the prefix is left out.
pub(crate) fn cookie_name(issuer: &str, id: impl Display) -> String {
    let prefix = if is_https(issuer) { "__Host-" } else { "" };
    format!("{prefix}agentadmit-{id}")
}

/// The `Set-Cookie` of a browser that gets a session.
pub(crate) fn set_cookie(issuer: &str, id: ConsentSessionId, secret: &str) -> Option<HeaderValue> {
    let secure = if is_https(issuer) { " Secure;" } else { "" };
    let age = SESSION_SECONDS + KEPT_SECONDS;
    let name = cookie_name(issuer, id);
    let text = format!("{name}={secret}; Path=/; Max-Age={age};{secure} HttpOnly; SameSite=Strict");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn is_https(issuer: &str) -> bool {
    issuer.starts_with("https://")
}

/// What a browser's cookie of a session holds: its hash, and the token that its forms must carry.
pub(crate) struct Cookie {
    pub(crate) hash: SecretHash,
    pub(crate) form_token: String,
}

impl Cookie {
    /// The cookie of this session; none where there is none, or two.
    pub(crate) fn of(headers: &HeaderMap, issuer: &str, id: ConsentSessionId) -> Option<Self> {
        let value = cookie(headers, &cookie_name(issuer, id))?;
        Some(Self { hash: SecretHash::of(value.as_bytes()), form_token: form_token(value) })
    }

    /// Whether a form carries this cookie's token. Compared in constant time.
    pub(crate) fn is_of_form(&self, token: &str) -> bool {
        SecretHash::of(self.form_token.as_bytes()).ct_eq(&SecretHash::of(token.as_bytes()))
    }
}

/// The cookie of this name; none where there is none, or two.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value);
    let value = found.next()?;
    (found.next().is_none() && is_secret(value)).then_some(value)
}

/// The hash of the cookie of an authorization request, where the browser has one.
pub(crate) fn cookie_hash(
    headers: &HeaderMap,
    issuer: &str,
    id: impl Display,
) -> Option<SecretHash> {
    cookie(headers, &cookie_name(issuer, id)).map(|value| SecretHash::of(value.as_bytes()))
}

/// The hash of a code in an address, where it could be one.
pub(crate) fn code_hash(code: &str) -> Option<SecretHash> {
    is_secret(code).then(|| SecretHash::of(code.as_bytes()))
}

fn is_secret(text: &str) -> bool {
    (1..=MAX_SECRET).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A hash of the cookie's secret under a name of its own: it says nothing of the cookie, and nobody
/// who does not have the cookie can make it.
fn form_token(secret: &str) -> String {
    let named = format!("agentadmit consent form {secret}");
    URL_SAFE_NO_PAD.encode(SecretHash::of(named.as_bytes()).as_bytes())
}

/// Whether a form was sent from a page of this service. `Sec-Fetch-Site` says it; where a browser
/// does not send that, `Origin` must be the service's own. Our pages send no referrer, so that their
/// `Origin` is `null`: that alone is not believed.
pub(crate) fn is_same_origin(headers: &HeaderMap, issuer: &str) -> bool {
    let single = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().unwrap_or("unreadable"));
        (first, values.next().is_some())
    };
    let (site, site_twice) = single("sec-fetch-site");
    let (origin, origin_twice) = single(ORIGIN.as_str());
    if site_twice || origin_twice {
        return false;
    }
    let own = Url::parse(issuer).map(|url| url.origin().ascii_serialization());
    let is_own = origin.is_some_and(|origin| own.as_deref() == Ok(origin));
    match (site, origin) {
        (Some("same-origin"), None | Some("null")) => true,
        (Some("same-origin") | None, Some(_)) => is_own,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_form_comes_from_our_own_page() {
        let issuer = "https://service.example";
        for (good, pairs) in [
            (true, &[("sec-fetch-site", "same-origin"), ("origin", "null")][..]),
            (true, &[("sec-fetch-site", "same-origin"), ("origin", "https://service.example")]),
            (true, &[("sec-fetch-site", "same-origin")]),
            (true, &[("origin", "https://service.example")]),
            (false, &[]),
            (false, &[("origin", "null")]),
            (false, &[("origin", "https://evil.example")]),
            (false, &[("origin", "http://service.example")]),
            (false, &[("origin", "https://service.example.evil.example")]),
            (false, &[("sec-fetch-site", "same-site"), ("origin", "null")]),
            (false, &[("sec-fetch-site", "cross-site"), ("origin", "https://service.example")]),
            (false, &[("sec-fetch-site", "none")]),
            (false, &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")]),
            (false, &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]),
            (false, &[("origin", "https://service.example"), ("origin", "https://evil.example")]),
        ] {
            assert_eq!(is_same_origin(&headers(pairs), issuer), good, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_is_one_and_is_its_sessions() {
        let id = ConsentSessionId::from_bytes([1; 16]);
        let other = ConsentSessionId::from_bytes([2; 16]);
        let issuer = "https://service.example";
        let name = cookie_name(issuer, id);
        assert!(name.starts_with("__Host-"));
        assert!(!cookie_name("http://127.0.0.1:8700", id).contains("__Host-"));
        let with = |text: String| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(&text).unwrap());
            headers
        };
        let good = Cookie::of(&with(format!("a=b; {name}=secret1")), issuer, id).unwrap();
        assert_eq!(good.hash, SecretHash::of(b"secret1"));
        assert!(good.is_of_form(&good.form_token) && !good.is_of_form("") && !good.is_of_form("x"));
        assert!(!good.form_token.contains("secret1"));
        for text in [
            format!("{name}=secret1; {name}=secret2"),
            format!("{name}="),
            format!("{name}={}", "a".repeat(65)),
            format!("{name}=a b"),
            format!("x{name}=secret1"),
            format!("{}=secret1", cookie_name(issuer, other)),
        ] {
            assert!(Cookie::of(&with(text.clone()), issuer, id).is_none(), "{text}");
        }
        let set = set_cookie(issuer, id, "secret1").unwrap();
        let text = set.to_str().unwrap();
        assert!(text.ends_with("Secure; HttpOnly; SameSite=Strict"), "{text}");
        assert!(set.is_sensitive());
    }
}
