//! Addresses of services.

use url::{Host, Url};

/// Whether an address can be reached from this machine alone.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Reads the address of a service: https, or http on this machine; its text without a final `/`.
///
/// # Errors
/// What is wrong with it, in words that may repeat it.
pub fn service_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is no address: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(format!(
                "`{text}`: https is required for every address but this machine's own"
            ));
        }
        _ => return Err(format!("`{text}` must begin with https:// (or http:// on this machine)")),
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    if url.host().is_none() || url.query().is_some() || url.fragment().is_some() || has_user {
        return Err(format!("`{text}` must be an address without user, query and fragment"));
    }
    Ok(url)
}
