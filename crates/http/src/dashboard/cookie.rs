//! The cookie of a session, and how a request shows that it comes from the dashboard's own page.

use std::net::IpAddr;

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::secret::SecretHash;
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderValue};
use url::{Host, Url};

use crate::error::{Answer, ApiError};

/// The header that only a page of our own can send: another origin's would ask first (CORS
/// preflight), and nobody answers.
const OWN_PAGE: &str = "agentadmit-dashboard";
const NAME: &str = "agentadmit-session";
/// The most characters of what the cookie may hold.
const MAX_SECRET: usize = 64;

/// `__Host-` ties the cookie to this host over https; on a loopback address without TLS there is no
/// such cookie, and the prefix is left out.
fn name(url: &str) -> String {
    let prefix = if is_https(url) { "__Host-" } else { "" };
    format!("{prefix}{NAME}")
}

fn is_https(url: &str) -> bool {
    url.starts_with("https://")
}

/// The hash of the cookie, where there is one. Two of the name, or one that nobody was given, is one
/// that opens nothing.
pub(crate) fn presented(headers: &HeaderMap, url: &str) -> Option<SecretHash> {
    let name = name(url);
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value);
    let value = found.next()?;
    let is_one = found.next().is_none() && value.len() <= MAX_SECRET;
    Some(SecretHash::of(if is_one { value.as_bytes() } else { b"" }))
}

/// The `Set-Cookie` of a browser that signed in.
pub(crate) fn set(url: &str, secret: &str, seconds: i64) -> Option<HeaderValue> {
    written(url, secret, seconds)
}

/// The `Set-Cookie` that takes it away.
pub(crate) fn clear(url: &str) -> Option<HeaderValue> {
    written(url, "", 0)
}

fn written(url: &str, secret: &str, seconds: i64) -> Option<HeaderValue> {
    let secure = if is_https(url) { " Secure;" } else { "" };
    let name = name(url);
    let text =
        format!("{name}={secret}; Path=/; Max-Age={seconds};{secure} HttpOnly; SameSite=Strict");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a request comes from the dashboard's own page.
///
/// # Errors
/// `cross_site_request`.
pub(crate) fn require_own_page(headers: &HeaderMap, url: &str) -> Answer<()> {
    if single(headers, OWN_PAGE) != Ok(Some("1")) {
        return Err(cross_site("send `AgentAdmit-Dashboard: 1`, as the dashboard's page does"));
    }
    if !is_same_origin(headers, url) {
        return Err(cross_site(
            "`Origin` or `Sec-Fetch-Site` names another site: open the dashboard at the address \
             that `agentadmit serve` prints",
        ));
    }
    Ok(())
}

fn cross_site(text: &'static str) -> ApiError {
    ApiError::new(ErrorCode::CrossSiteRequest, text)
}

/// What a request says of where it comes from: each header that is there must say "from here". A
/// browser that is told to send no referrer may send `Origin: null`: that alone is not believed.
fn is_same_origin(headers: &HeaderMap, url: &str) -> bool {
    let (Ok(site), Ok(origin)) =
        (single(headers, "sec-fetch-site"), single(headers, ORIGIN.as_str()))
    else {
        return false;
    };
    match (site, origin) {
        (None, None) | (Some("same-origin"), None | Some("null")) => true,
        (Some("same-origin") | None, Some(origin)) => is_own(origin, url),
        _ => false,
    }
}

/// Whether an origin is that of the dashboard's address. On the machine itself one port has several
/// names.
fn is_own(origin: &str, url: &str) -> bool {
    let (Ok(sent), Ok(own)) = (Url::parse(origin), Url::parse(url)) else { return false };
    if sent.origin().ascii_serialization() != origin {
        return false;
    }
    sent.origin() == own.origin()
        || (is_loopback(&sent)
            && is_loopback(&own)
            && sent.scheme() == own.scheme()
            && sent.port_or_known_default() == own.port_or_known_default())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// A header that may stand there once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    first.map(|value| value.to_str().map_err(|_| ())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "https://auth.example";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_request_comes_from_our_own_page() {
        for (good, pairs) in [
            (true, &[][..]),
            (true, &[("sec-fetch-site", "same-origin")]),
            (true, &[("sec-fetch-site", "same-origin"), ("origin", "null")]),
            (true, &[("sec-fetch-site", "same-origin"), ("origin", HERE)]),
            (true, &[("origin", HERE)]),
            (false, &[("origin", "null")]),
            (false, &[("origin", "http://auth.example")]),
            (false, &[("origin", "https://auth.example.evil.example")]),
            (false, &[("origin", "https://auth.example:8443")]),
            (false, &[("origin", "https://auth.example/")]),
            (false, &[("origin", "https://user@auth.example")]),
            (false, &[("sec-fetch-site", "same-site")]),
            (false, &[("sec-fetch-site", "none")]),
            (false, &[("sec-fetch-site", "cross-site"), ("origin", HERE)]),
            (false, &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")]),
            (false, &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]),
            (false, &[("origin", HERE), ("origin", HERE)]),
        ] {
            assert_eq!(is_same_origin(&headers(pairs), HERE), good, "{pairs:?}");
            let mut with_mark = pairs.to_vec();
            with_mark.push((OWN_PAGE, "1"));
            assert_eq!(require_own_page(&headers(&with_mark), HERE).is_ok(), good, "{pairs:?}");
            assert!(require_own_page(&headers(pairs), HERE).is_err(), "{pairs:?}");
        }
        for mark in ["", "0", "true", "1 "] {
            assert!(require_own_page(&headers(&[(OWN_PAGE, mark)]), HERE).is_err(), "{mark}");
        }
    }

    #[test]
    fn a_port_of_this_machine_has_several_names() {
        let here = "http://127.0.0.1:8700";
        for (good, origin) in [
            (true, "http://127.0.0.1:8700"),
            (true, "http://localhost:8700"),
            (true, "http://[::1]:8700"),
            (false, "http://localhost:8701"),
            (false, "https://localhost:8700"),
            (false, "http://localhost.evil.example:8700"),
            (false, "http://10.0.0.1:8700"),
        ] {
            assert_eq!(is_own(origin, here), good, "{origin}");
            assert!(!is_own(origin, HERE), "{origin}");
        }
    }

    #[test]
    fn a_cookie_is_one() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(text).unwrap());
            headers
        };
        let good = Some(SecretHash::of(b"secret1"));
        assert_eq!(presented(&with("a=b; __Host-agentadmit-session=secret1"), HERE), good);
        assert_eq!(presented(&with("agentadmit-session=secret1"), "http://127.0.0.1:1"), good);
        assert_eq!(presented(&with("agentadmit-session=secret1"), HERE), None);
        assert_eq!(presented(&with("x__Host-agentadmit-session=secret1"), HERE), None);
        assert_eq!(presented(&HeaderMap::new(), HERE), None);
        let nobodys = Some(SecretHash::of(b""));
        for text in [
            "__Host-agentadmit-session=".to_owned(),
            "__Host-agentadmit-session=secret1; __Host-agentadmit-session=secret1".to_owned(),
            format!("__Host-agentadmit-session={}", "a".repeat(65)),
        ] {
            assert_eq!(presented(&with(&text), HERE), nobodys, "{text}");
        }
        let set = set(HERE, "secret1", 60).unwrap();
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-agentadmit-session=secret1; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict"
        );
        assert!(set.is_sensitive());
    }
}
