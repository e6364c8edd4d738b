//! The dashboard, for whoever runs the service (PROTOCOL, Dashboard): how a browser signs in, and
//! what its session is worth.
//!
//! | file | what |
//! | --- | --- |
//! | `account` | the developer who is signed in |
//! | `cookie` | the session's cookie, and where a request may come from |
//! | `join` | who may make an account, and what a link opens |
//! | `page` | the page and its files |
//! | `passkeys` | those of developers: in, up, and the own ones |
//! | `session` | `/dashboard/session`: in, who, out |
//! | `tries` | how often codes, links and passkeys may be tried |
//! | `webauthn` | what browsers and authenticators say, checked |
//!
//! A session is a credential of the operator API and of nothing else: `crate::extract` reads it.

pub(crate) mod account;
pub(crate) mod cookie;
pub(crate) mod join;
pub(crate) mod page;
pub(crate) mod passkeys;
pub(crate) mod session;
mod tries;
mod webauthn;

pub(crate) use tries::Tries;

use agentadmit_core::dashboard::SessionLimits;
use agentadmit_protocol::account::SignUp;
use agentadmit_protocol::link_code::LinkCode;
use url::{Host, Url};

/// Where the dashboard's addresses begin.
pub(crate) const PREFIX: &str = "/dashboard";

/// What can be set about the dashboard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DashboardOptions {
    /// The service's address as its operators know it; `None` is the service's own.
    pub url: Option<String>,
    /// How long sessions last.
    pub limits: SessionLimits,
    /// Who may make a developer's account.
    pub sign_up: SignUp,
}

/// Whether a path is of a file that anybody may read.
pub(crate) fn is_asset(path: &str) -> bool {
    path.starts_with("/dashboard/assets/")
}

/// What is handed to a developer: the code stands behind the `#`, which no browser sends to anybody.
pub(crate) fn link(base: &str, code: &LinkCode) -> String {
    format!("{}/join#{}", page_url(base), code.expose())
}

/// The host for which the passkeys of a dashboard at this address are: passkeys are for names (Web
/// Authentication, RP ID), and of the machine itself the name is `localhost`.
pub(crate) fn rp_id(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    match url.host()? {
        Host::Domain(name) => Some(name.to_owned()),
        Host::Ipv4(address) => address.is_loopback().then(|| "localhost".to_owned()),
        Host::Ipv6(address) => address.is_loopback().then(|| "localhost".to_owned()),
    }
}

/// The address of the page, on the service's address.
pub fn page_url(base: &str) -> String {
    format!("{}{PREFIX}", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_for_names() {
        for (url, id) in [
            ("https://auth.example.com", Some("auth.example.com")),
            ("https://auth.example.com:8443", Some("auth.example.com")),
            ("http://127.0.0.1:8700", Some("localhost")),
            ("http://[::1]:8700", Some("localhost")),
            ("http://localhost:8700", Some("localhost")),
            ("https://192.0.2.1", None),
            ("https://[2001:db8::1]", None),
            ("nonsense", None),
        ] {
            assert_eq!(rp_id(url).as_deref(), id, "{url}");
        }
    }
}
