//! Whether an address is one of a client's (OAuth 2.1 section 4.1.1; RFC 8252 section 7.3).

use agentadmit_protocol::oauth::ClientRedirectUri;

/// The hosts on which a native app listens for its answer, whatever port it got. `localhost` is
/// not the RFC's word and what many clients send.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// Whether an address is one that the client has registered: byte by byte, but for the port of a
/// loopback address.
pub fn matches(registered: &[ClientRedirectUri], presented: &ClientRedirectUri) -> bool {
    let loopback = loopback_parts(presented.as_str());
    registered.iter().any(|known| {
        known == presented || (loopback.is_some() && loopback == loopback_parts(known.as_str()))
    })
}

/// Host and rest of an `http` address on a loopback host, its port left out; nothing of it is
/// decoded, so that two spellings are two addresses.
fn loopback_parts(text: &str) -> Option<(&str, &str)> {
    let behind = text.strip_prefix("http://")?;
    let (authority, rest) = behind.split_at(behind.find(['/', '?']).unwrap_or(behind.len()));
    let host = LOOPBACK.into_iter().find(|host| {
        authority.strip_prefix(host).is_some_and(|port| match port.strip_prefix(':') {
            None => port.is_empty(),
            Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
        })
    })?;
    Some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uri(text: &str) -> ClientRedirectUri {
        ClientRedirectUri::new(text).unwrap()
    }

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        for (registered, presented, same) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example:443/cb", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example/cb", "https://a.example/cb?x=1", false),
            ("https://a.example/cb", "https://a.example/%63b", false),
            ("https://localhost/cb", "https://localhost:1/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", true),
            ("http://127.0.0.1:8/cb", "http://127.0.0.1/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb/", false),
            ("http://127.0.0.1/cb", "http://localhost:1/cb", false),
            ("http://localhost:3000/cb", "http://localhost:4000/cb", true),
            ("http://[::1]/cb", "http://[::1]:7/cb", true),
            ("http://127.0.0.1/", "http://127.0.0.2/", false),
            ("http://127.0.0.2:1/", "http://127.0.0.2:2/", false),
            ("cursor://cb/a", "cursor://cb/a", true),
            ("cursor://cb:1/a", "cursor://cb:2/a", false),
        ] {
            assert_eq!(
                matches(&[uri(registered)], &uri(presented)),
                same,
                "{registered} {presented}"
            );
        }
        assert!(!matches(&[], &uri("https://a.example/cb")));
    }

    proptest! {
        #[test]
        fn another_text_elsewhere_is_another_address(
            host in "[a-z]{1,8}", path in "[a-z/]{0,8}", other in "[a-z/]{0,8}", port in 1_u16..,
        ) {
            let (one, two) = (format!("https://{host}.example/{path}"), format!("https://{host}.example/{other}"));
            prop_assert_eq!(matches(&[uri(&one)], &uri(&two)), one == two);
            let with_port = format!("https://{host}.example:{port}/{path}");
            prop_assert!(!matches(&[uri(&one)], &uri(&with_port)));
            let (one, two) = (format!("http://127.0.0.1/{path}"), format!("http://127.0.0.1:{port}/{other}"));
            prop_assert_eq!(matches(&[uri(&one)], &uri(&two)), path == other);
        }
    }
}
