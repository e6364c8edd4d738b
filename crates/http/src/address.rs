//! Whose address a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The address of the other end of the connection; an extension of every request from a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The client's address: the peer's, or, where the peer is a trusted proxy, the nearest address in
/// `X-Forwarded-For` that is none. All requests without a socket count as one address.
pub(crate) fn client_address(
    peer: Option<PeerAddress>,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> IpAddr {
    let Some(PeerAddress(peer)) = peer else { return IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.ip().to_canonical();
    let hops = headers.get_all("x-forwarded-for").iter().rev();
    let hops = hops.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        if !is_trusted(client) {
            break;
        }
        // what is no address is nobody's word: the proxy before it is the last that is known
        let Some(address) = hop_address(hop.trim()) else { break };
        client = address.to_canonical();
    }
    client
}

/// An address; some proxies write the port behind it.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append("x-forwarded-for", value);
        }
        let trusted: [IpNet; 2] = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let peer = PeerAddress(SocketAddr::new(peer.parse().unwrap(), 1));
        client_address(Some(peer), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn the_nearest_untrusted_hop_counts() {
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, junk, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "\u{e9}", "10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", ""]), "10.0.0.1");
    }

    #[test]
    fn a_port_is_no_part_of_an_address() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:4711, 10.0.0.2:80"]), "2001:db8::1");
    }
}
