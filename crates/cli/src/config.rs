//! What `serve` runs with: argument over environment over file (PROTOCOL, Configuration and
//! command line).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

use crate::args::{LogFormat, Serve, ServeOptions, StoreLocation};
use crate::exit::Failure;

/// Where the service listens when nobody says.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8_700);
const DAY: Duration = Duration::from_hours(24);

/// The configuration of a service, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServeConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) operator_listen: Option<SocketAddr>,
    /// The issuer; `None` is the address where it listens.
    pub(crate) public_url: Option<String>,
    pub(crate) store: StoreLocation,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) live_requires_plan: bool,
    pub(crate) retention: Option<Duration>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

/// Where the certificate lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl ServeConfig {
    /// Puts arguments, environment and file together, and checks the whole.
    ///
    /// # Errors
    /// Wrong usage: what is missing, contradictory or unsafe, and what to do.
    pub(crate) fn resolve(arguments: &Serve) -> Result<Self, Failure> {
        // clap has put the environment under the arguments already
        let said = arguments.options.clone();
        let options = match &arguments.config {
            Some(file) => said.or(read_file(file)?),
            None => said,
        };
        Self::check(options)
    }

    fn check(options: ServeOptions) -> Result<Self, Failure> {
        let store = options.store.ok_or_else(|| {
            Failure::usage(
                "say where the store is: `--store sqlite:PATH` (it is made when it is not there)",
            )
        })?;
        let tls = match (options.tls_cert, options.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(Failure::usage("--tls-cert needs --tls-key beside it")),
            (None, Some(_)) => return Err(Failure::usage("--tls-key needs --tls-cert beside it")),
        };
        let listen = options.listen.unwrap_or(DEFAULT_LISTEN);
        let is_safe = tls.is_some() || options.behind_proxy == Some(true);
        for address in std::iter::once(listen).chain(options.operator_listen) {
            if !is_safe && !address.ip().is_loopback() {
                return Err(unsafe_listen(address));
            }
        }
        let public_url = options.public_url.as_deref().map(public_url).transpose()?;
        Ok(Self {
            listen,
            operator_listen: options.operator_listen,
            public_url,
            store,
            tls,
            trusted_proxies: options.trusted_proxies.unwrap_or_default(),
            live_requires_plan: options.live_requires_plan.unwrap_or(false),
            retention: options.retention_days.map(|days| DAY.saturating_mul(days)),
            log: options.log.unwrap_or_else(|| "info".to_owned()),
            log_format: options.log_format.unwrap_or_default(),
        })
    }
}

fn unsafe_listen(address: SocketAddr) -> Failure {
    Failure::usage(format!(
        "refusing to listen on {address} without TLS: credentials would cross the network in \
         clear. Give it a certificate (--tls-cert FILE --tls-key FILE), or say that a proxy in \
         front of it ends TLS (--behind-proxy), or listen on 127.0.0.1"
    ))
}

fn read_file(path: &Path) -> Result<ServeOptions, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    parse(&text, &shown.to_string())
}

/// Reads the text of a configuration file, called `shown` in what is said about it.
fn parse(text: &str, shown: &str) -> Result<ServeOptions, Failure> {
    let options: ServeOptions = toml::from_str(text).map_err(|error| {
        Failure::usage(format!("{shown} is no configuration of `serve`: {error}"))
    })?;
    if options.retention_days.is_some_and(|days| !(1..=36_500).contains(&days)) {
        return Err(Failure::usage(format!("{shown}: retention_days must be 1 to 36500")));
    }
    Ok(options)
}

/// Whether `serve` would start on a configuration file with this text and no argument beside it.
///
/// # Errors
/// What is wrong, in words.
pub fn check_configuration(text: &str) -> Result<(), String> {
    let options = parse(text, "the file").map_err(|failure| failure.words())?;
    ServeConfig::check(options).map(drop).map_err(|failure| failure.words())
}

/// Whether an address can be reached from this machine alone.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Reads the address of a service: https, or http on this machine; its text without a final `/`.
pub(crate) fn service_url(text: &str) -> Result<Url, String> {
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

fn public_url(text: &str) -> Result<String, Failure> {
    let url = service_url(text).map_err(|why| Failure::usage(format!("--public-url {why}")))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(toml: &str) -> ServeOptions {
        toml::from_str(toml).unwrap()
    }

    fn refused(toml: &str) -> String {
        ServeConfig::check(options(toml)).unwrap_err().words()
    }

    #[test]
    fn what_was_said_first_wins() {
        let both = options("store = 'sqlite:a'\nlisten = '127.0.0.1:1'\nbehind_proxy = false")
            .or(options("store = 'sqlite:b'\nbehind_proxy = true\nretention_days = 3"));
        let config = ServeConfig::check(both).unwrap();
        assert_eq!(config.store.to_string(), "sqlite:a");
        assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
        assert_eq!(config.retention, Some(Duration::from_hours(72)));
        assert!(
            refused("store = 'sqlite:b'\nbehind_proxy = false\nlisten = '0.0.0.0:1'")
                .contains("TLS")
        );
    }

    #[test]
    fn nothing_said_is_safe() {
        let config = ServeConfig::check(options("store = 'sqlite:a'")).unwrap();
        assert_eq!(config.listen, DEFAULT_LISTEN);
        assert_eq!((config.public_url, config.retention, config.tls), (None, None, None));
        assert!(!config.live_requires_plan);
    }

    #[test]
    fn an_open_address_needs_tls_or_a_proxy() {
        for line in ["listen = '0.0.0.0:0'", "listen = '[::]:1'", "operator_listen = '10.0.0.1:2'"]
        {
            let text = format!("store = 'sqlite:a'\n{line}\n");
            assert!(refused(&text).contains("--tls-cert FILE --tls-key FILE"), "{line}");
            let tls = format!("{text}tls_cert = 'c'\ntls_key = 'k'");
            assert!(ServeConfig::check(options(&tls)).is_ok(), "{line}");
            let proxy = format!("{text}behind_proxy = true");
            assert!(ServeConfig::check(options(&proxy)).is_ok(), "{line}");
        }
        assert!(refused("store = 'sqlite:a'\ntls_cert = 'c'").contains("--tls-key"));
    }

    #[test]
    fn the_public_address_is_https_or_this_machine() {
        for (text, expected) in [
            ("https://auth.example.com/", "https://auth.example.com"),
            ("https://example.com/auth", "https://example.com/auth"),
            ("http://localhost:8700", "http://localhost:8700"),
            ("http://[::1]:1", "http://[::1]:1"),
        ] {
            assert_eq!(public_url(text).unwrap(), expected);
        }
        for text in [
            "http://auth.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "auth.example.com",
            "https://u:p@example.com",
            "https://example.com/?a=b",
            "https://example.com/#x",
            "",
        ] {
            assert!(public_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_known_ones() {
        let error = toml::from_str::<ServeOptions>("lissen = '127.0.0.1:1'").unwrap_err();
        assert!(error.to_string().contains("lissen") && error.to_string().contains("listen"));
    }
}
