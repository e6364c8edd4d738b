//! Whose address a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use agentadmit_protocol::client_address;
use http::HeaderMap;
use ipnet::IpNet;

/// The address of the other end of the connection; an extension of every request from a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The client's address behind trusted proxies. All requests without a socket count as one address.
pub(crate) fn client_address(
    peer: Option<PeerAddress>,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> IpAddr {
    let Some(PeerAddress(peer)) = peer else { return IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let lines = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().ok());
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    client_address::client_address(peer.ip(), lines, is_trusted)
}
