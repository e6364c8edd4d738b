//! Whose address a request comes from.

use std::net::IpAddr;

use agentadmit_protocol::client_address;
use http::HeaderMap;
use ipnet::IpNet;

/// The client's address behind trusted proxies.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().ok());
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    client_address::client_address(peer, lines, is_trusted)
}
