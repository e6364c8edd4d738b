//! The place that a human named: scheme, host and port.

use std::fmt;

use agentadmit_protocol::WebUrl;
use url::{Host, Url};

/// Why an address is none that a token may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// No absolute address, or one with a user or a password.
    #[error("{0}: must be an https address such as https://app.example, or http to this machine")]
    Address(String),
}

/// An origin (RFC 6454) over https, or over http on this machine: whatever is sent there is read by
/// nobody on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Without path, query and fragment.
    root: Url,
}

impl Origin {
    /// The origin of an address that a human typed; what stands behind the host is left out.
    ///
    /// # Errors
    /// [`BadOrigin`].
    pub fn of(address: &str) -> Result<Self, BadOrigin> {
        let bad = || BadOrigin::Address(crate::words::clean(address, 200));
        // the rule of every address of the contract: https, or http to a loopback host
        let address = WebUrl::new(address).map_err(|_| bad())?;
        let mut root = Url::parse(address.as_str()).map_err(|_| bad())?;
        root.set_path("/");
        root.set_query(None);
        root.set_fragment(None);
        Ok(Self { root })
    }

    /// An address on this origin.
    ///
    /// `path` begins with one slash; anything that would lead to another origin, or that a parser
    /// writes otherwise than it was given, is nothing.
    pub fn at(&self, path: &str) -> Option<Url> {
        let url = self.root.join(path).ok()?;
        let is_as_given = path.starts_with('/') && !path.starts_with("//") && url.path() == path;
        (is_as_given && self.holds(&url)).then_some(url)
    }

    /// Whether an address is on this origin, with no user and no password in it.
    pub fn holds(&self, url: &Url) -> bool {
        url.origin() == self.root.origin() && url.username().is_empty() && url.password().is_none()
    }

    /// Whether nothing but this machine may be asked: the scheme has no protection of its own.
    pub fn is_plain(&self) -> bool {
        self.root.scheme() == "http"
    }

    /// The host, as names and addresses are looked up and certificates are checked.
    pub fn host(&self) -> &str {
        match self.root.host() {
            Some(Host::Domain(name)) => name,
            _ => self.root.host_str().unwrap_or_default().trim_matches(['[', ']']),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.root.port_or_known_default().unwrap_or(443)
    }

    /// Host and port as the header `Host` has them.
    pub(crate) fn authority(&self) -> &str {
        self.root.authority()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_https_or_this_machine() {
        for (typed, shown) in [
            ("https://shop.example", "https://shop.example"),
            ("https://Shop.example:443/orders?x#y", "https://shop.example"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("http://localhost:8000", "http://localhost:8000"),
        ] {
            assert_eq!(Origin::of(typed).unwrap().to_string(), shown);
        }
        for typed in [
            "",
            "shop.example",
            "http://shop.example",
            "http://10.0.0.1",
            "ftp://shop.example",
            "https://u:p@shop.example",
            "https://shop.example\\@evil.example",
            "file:///etc/passwd",
        ] {
            assert!(Origin::of(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn an_address_stays_on_its_origin() {
        let origin = Origin::of("https://shop.example:8443").unwrap();
        assert_eq!(origin.at("/a%20b").unwrap().as_str(), "https://shop.example:8443/a%20b");
        for path in [
            "//evil.example/",
            "/\\evil.example",
            "https://evil.example/",
            "a",
            "",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a b",
            "/a?b",
            "/a#b",
            "/a\nb",
        ] {
            assert_eq!(origin.at(path), None, "{path}");
        }
        for url in
            ["https://shop.example/", "http://shop.example:8443/", "https://u@shop.example:8443/"]
        {
            assert!(!origin.holds(&Url::parse(url).unwrap()), "{url}");
        }
    }
}
