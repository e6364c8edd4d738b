//! Whose address a request comes from, behind proxies: the service and every SDK believe alike.

use std::net::{IpAddr, SocketAddr};

/// The client's address: the peer's, or, where the peer is a trusted proxy, the nearest address in
/// `X-Forwarded-For` that is none.
///
/// `lines` are the values of the header in the order in which they came, `None` for one that is no
/// text.
pub fn client_address<'l>(
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = Option<&'l str>>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    let hops = lines.rev().flat_map(|line| line.unwrap_or_default().rsplit(','));
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

    /// Behind proxies at `10.0.0.0/8` and `::1`; `\u{e9}` stands for a line that is no text.
    fn client(peer: &str, forwarded: &[&str]) -> String {
        let lines = forwarded.iter().map(|line| Some(*line).filter(|line| *line != "\u{e9}"));
        let is_trusted = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.octets()[0] == 10,
            IpAddr::V6(v6) => v6.is_loopback(),
        };
        client_address(peer.parse().unwrap(), lines, is_trusted).to_string()
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
