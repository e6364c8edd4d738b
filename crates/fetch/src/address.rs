//! Which addresses are asked, and which never.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// The longest address that is fetched.
const MAX_LENGTH: usize = 2_048;

/// Why an address is not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// No absolute address, or not in its one spelling: another case, a host as a number, dot
    /// segments, a default port that is written out.
    #[error("it is not an absolute https address in its plain spelling")]
    Spelling,
    /// Another scheme than https.
    #[error("it is not https")]
    Scheme,
    /// It has a user, a password or a fragment.
    #[error("it has a user, a password or a fragment")]
    Parts,
    /// Its host is an address that is not public.
    #[error("its host is not a public address")]
    SpecialUse,
}

/// An address of https on a host that may be public, in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        Self::read(text, false)
    }

    /// The same, where this machine itself may be asked, without TLS too: for tests and development.
    pub(crate) fn read(text: &str, may_be_loopback: bool) -> Result<Self, BadUrl> {
        if text.len() > MAX_LENGTH {
            return Err(BadUrl::Spelling);
        }
        let url = Url::parse(text).map_err(|_| BadUrl::Spelling)?;
        // `https://0x7f.1/`, `HTTPS://…`, `/a/../b`, `:443`: the parser writes them otherwise
        if url.as_str() != text {
            return Err(BadUrl::Spelling);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(BadUrl::Parts);
        }
        let is_loopback = match url.host().ok_or(BadUrl::Spelling)? {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => checked(address.into(), may_be_loopback)?,
            Host::Ipv6(address) => checked(address.into(), may_be_loopback)?,
        };
        match url.scheme() {
            _ if is_loopback && !may_be_loopback => Err(BadUrl::SpecialUse),
            "https" => Ok(Self(url)),
            "http" if is_loopback => Ok(Self(url)),
            _ => Err(BadUrl::Scheme),
        }
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// Whether a host that is an address is this machine.
fn checked(address: IpAddr, may_be_loopback: bool) -> Result<bool, BadUrl> {
    if is_reachable(address, may_be_loopback) {
        return Ok(!is_public(address));
    }
    Err(BadUrl::SpecialUse)
}

/// Whether a connection may go there.
pub(crate) fn is_reachable(address: IpAddr, may_be_loopback: bool) -> bool {
    is_public(address) || (may_be_loopback && address.is_loopback())
}

/// Networks of IPv4 that are not the public internet: the IANA registry of special-purpose addresses
/// (RFC 6890), with multicast, which is a registry of its own.
static SPECIAL_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    let net = |a, b, c, length| Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length);
    vec![
        net(0, 0, 0, 8),       // this network
        net(10, 0, 0, 8),      // private
        net(100, 64, 0, 10),   // shared by customers of a provider
        net(127, 0, 0, 8),     // loopback
        net(169, 254, 0, 16),  // link-local; the metadata of clouds
        net(172, 16, 0, 12),   // private
        net(192, 0, 0, 24),    // protocol assignments
        net(192, 0, 2, 24),    // documentation
        net(192, 31, 196, 24), // AS112
        net(192, 52, 193, 24), // AMT
        net(192, 88, 99, 24),  // 6to4 relays
        net(192, 168, 0, 16),  // private
        net(192, 175, 48, 24), // AS112
        net(198, 18, 0, 15),   // benchmarks
        net(198, 51, 100, 24), // documentation
        net(203, 0, 113, 24),  // documentation
        net(224, 0, 0, 4),     // multicast
        net(240, 0, 0, 4),     // reserved, and broadcast
    ]
});

/// All that is assigned to the public internet of IPv6 lies here. IPv4 in IPv6 (`::ffff:0:0/96`,
/// `64:ff9b::/96`), loopback, unique local and link-local addresses do not.
static GLOBAL_V6: LazyLock<Ipv6Net> =
    LazyLock::new(|| Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3));

/// What is special inside of it.
static SPECIAL_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| {
    let net = |a, b, c, length| Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length);
    vec![
        net(0x2001, 0, 0, 23),         // protocol assignments, Teredo among them
        net(0x2001, 0xdb8, 0, 32),     // documentation
        net(0x2002, 0, 0, 16),         // 6to4: an IPv4 address inside
        net(0x2620, 0x4f, 0x8000, 48), // AS112
        net(0x3fff, 0, 0, 20),         // documentation
    ]
});

/// Whether an address is one of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !SPECIAL_V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2400:cb00::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        for text in ["https://a.example/c", "https://a.example:8443/c?x=y", "https://8.8.8.8/c"] {
            assert!(PublicUrl::parse(text).is_ok(), "{text}");
        }
        for (text, why) in [
            ("", BadUrl::Spelling),
            ("a.example", BadUrl::Spelling),
            ("HTTPS://a.example/c", BadUrl::Spelling),
            ("https://A.example/c", BadUrl::Spelling),
            ("https://a.example:443/c", BadUrl::Spelling),
            ("https://a.example/x/../c", BadUrl::Spelling),
            ("https://a.example/x/%2e%2e/c", BadUrl::Spelling),
            ("https://a.example\\c", BadUrl::Spelling),
            ("https://a.example", BadUrl::Spelling),
            (" https://a.example/", BadUrl::Spelling),
            ("https://0x7f.1/c", BadUrl::Spelling),
            ("https://2130706433/c", BadUrl::Spelling),
            ("https://0177.0.0.1/c", BadUrl::Spelling),
            ("https://127.1/c", BadUrl::Spelling),
            ("https://①②⑦.0.0.1/c", BadUrl::Spelling),
            ("https://127.0.0.1/c", BadUrl::SpecialUse),
            ("https://169.254.169.254/latest/meta-data/", BadUrl::SpecialUse),
            ("https://[::ffff:127.0.0.1]/c", BadUrl::Spelling),
            ("https://[::ffff:7f00:1]/c", BadUrl::SpecialUse),
            ("https://[::1]/c", BadUrl::SpecialUse),
            ("https://localhost/c", BadUrl::SpecialUse),
            ("https://x.localhost/c", BadUrl::SpecialUse),
            ("http://a.example/c", BadUrl::Scheme),
            ("file:///etc/passwd", BadUrl::Spelling),
            ("gopher://a.example/c", BadUrl::Scheme),
            ("https://u@a.example/c", BadUrl::Parts),
            ("https://u:p@a.example/c", BadUrl::Parts),
            ("https://a.example/c#f", BadUrl::Parts),
        ] {
            assert_eq!(PublicUrl::parse(text).err(), Some(why), "{text}");
        }
    }

    #[test]
    fn this_machine_is_asked_only_where_somebody_said_so() {
        for text in ["http://127.0.0.1:8000/c", "http://[::1]:8000/c", "http://localhost:8000/c"] {
            assert_eq!(PublicUrl::parse(text).err(), Some(BadUrl::SpecialUse), "{text}");
            assert!(PublicUrl::read(text, true).is_ok(), "{text}");
        }
        for text in ["https://10.0.0.1/c", "http://169.254.169.254/c", "http://0.0.0.0:8000/c"] {
            assert_eq!(PublicUrl::read(text, true).err(), Some(BadUrl::SpecialUse), "{text}");
        }
        assert_eq!(PublicUrl::read("http://a.example/c", true).err(), Some(BadUrl::Scheme));
    }
}
