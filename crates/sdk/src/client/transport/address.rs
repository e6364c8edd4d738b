//! Where the service is, and the part of every request that does not change.

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::error::ConfigurationError;
use crate::settings::{ApiKey, Product, Settings};

/// The service's address, taken apart once.
pub(crate) struct Address {
    /// A name, or an IP address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whom the certificate must name, where the address is https.
    pub(crate) tls_name: Option<ServerName<'static>>,
    /// What stands before `/v1`; mostly empty.
    pub(crate) prefix: String,
    /// The header fields of every request, the credential among them.
    pub(crate) fields: Zeroizing<String>,
}

impl Address {
    /// # Errors
    /// The address is not one that a credential may be sent to, or there is no credential.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ConfigurationError> {
        let url = &settings.service_url;
        let host = allowed_host(url)?;
        let port = url.port_or_known_default().unwrap_or(443);
        let tls_name = match url.scheme() {
            "https" => Some(tls_name(&host)?),
            _ => None,
        };
        let key = settings.api_key.as_ref().ok_or_else(|| {
            wrong("api_key is not set: set AGENTADMIT_API_KEY to a key of this app")
        })?;
        let fields = fields(url, &settings.user_agent, key);
        let host = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let prefix = url.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port, tls_name, prefix, fields })
    }
}

/// The host, if this is an address that a credential may be sent to: https, or this machine.
fn allowed_host(url: &Url) -> Result<Host<&str>, ConfigurationError> {
    let host = url.host().ok_or_else(|| wrong("service_url names no host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("service_url holds a user or a password: take it out, set api_key"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("service_url has a query or a fragment: take it out"));
    }
    match url.scheme() {
        "https" => Ok(host),
        "http" if is_loopback(&host) => Ok(host),
        "http" => Err(ConfigurationError(format!(
            "service_url must begin with https:// (http is for this machine only, and {host} is \
             another)"
        ))),
        _ => Err(wrong("service_url must begin with https://")),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn tls_name(host: &Host<&str>) -> Result<ServerName<'static>, ConfigurationError> {
    match host {
        Host::Domain(name) => ServerName::try_from((*name).to_owned())
            .map_err(|_| wrong("service_url has a host that no certificate can name")),
        Host::Ipv4(address) => Ok(ServerName::IpAddress(IpAddr::V4(*address).into())),
        Host::Ipv6(address) => Ok(ServerName::IpAddress(IpAddr::V6(*address).into())),
    }
}

fn fields(url: &Url, user_agent: &Product, key: &ApiKey) -> Zeroizing<String> {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Zeroizing::new(format!(
        "host: {}{port}\r\nuser-agent: {user_agent}\r\naccept: application/json\r\n\
         authorization: Bearer {}\r\n",
        url.host_str().unwrap_or_default(),
        key.expose(),
    ))
}

fn wrong(text: &str) -> ConfigurationError {
    ConfigurationError(text.to_owned())
}
