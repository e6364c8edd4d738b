//! Addresses in settings: https, or http to this machine. The service never fetches them.

use url::{Host, Url};

use crate::text::{InvalidText, texts};

/// The most characters of an address.
pub const MAX_URL_LENGTH: usize = 2048;

texts! {
    /// An absolute `https` address, or `http` to a loopback host; at most 2048 characters, no
    /// user or password inside.
    WebUrl, "an address", |text| web_url(text).map(|_| ()),
        crate::schema::web_url("An https address, or http to a loopback host.");
    /// A [`WebUrl`] without a fragment (RFC 6749 section 3.1.2), compared byte by byte.
    RedirectUri, "a redirect address", redirect_uri,
        crate::schema::web_url("An https address, or http to a loopback host, without a fragment.");
}

impl RedirectUri {
    /// Whether it leads back to the machine that the browser runs on, and so to nobody's address.
    pub fn is_loopback(&self) -> bool {
        Url::parse(self.as_str()).is_ok_and(|url| is_loopback(&url))
    }
}

pub(crate) fn web_url(text: &str) -> Result<Url, InvalidText> {
    if text.is_empty() || text.len() > MAX_URL_LENGTH {
        return Err(InvalidText::Length { max: MAX_URL_LENGTH });
    }
    // The parser forgives blanks, line ends and backslashes; a browser and a log should not have to.
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(InvalidText::Rule("must be an absolute address of printable ASCII characters"));
    }
    let url = Url::parse(text).map_err(|_| {
        InvalidText::Rule("must be an absolute address such as https://app.example/path")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidText::Rule("must not hold a user or a password"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(InvalidText::Rule(
            "must be https, or http to a loopback host (127.0.0.0/8, [::1], localhost)",
        )),
    }
}

pub(crate) fn redirect_uri(text: &str) -> Result<(), InvalidText> {
    if web_url(text)?.fragment().is_some() {
        return Err(InvalidText::Rule("must not have a fragment (RFC 6749 section 3.1.2)"));
    }
    Ok(())
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_or_loopback() {
        for text in [
            "https://app.example",
            "https://app.example:8443/a?b=c#d",
            "http://localhost:8700/cb",
            "http://127.9.9.9/",
            "http://[::1]:1/",
        ] {
            assert!(WebUrl::new(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "app.example",
            "/path",
            "http://app.example/",
            "http://localhost.example/",
            "ftp://localhost/",
            "javascript:alert(1)",
            "https://user@app.example/",
            "https://u:p@app.example/",
            "https://app.example/a b",
            "https:\\\\app.example",
            "https://app.example/\n",
            "https://é.example/",
            "https://",
        ] {
            assert!(WebUrl::new(text).is_err(), "{text}");
        }
        assert!(WebUrl::new(format!("https://a.example/{}", "x".repeat(2048))).is_err());
        assert!(RedirectUri::new("https://a.example/#x").is_err());
        assert!(RedirectUri::new("https://a.example/cb").is_ok());
        let is_loopback = |text: &str| RedirectUri::new(text).unwrap().is_loopback();
        assert!(is_loopback("http://127.0.0.1:8000/cb") && is_loopback("https://localhost/"));
        assert!(!is_loopback("https://localhost.example/") && !is_loopback("https://a.example/"));
    }
}
