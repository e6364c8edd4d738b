//! What `serve` runs with: argument over environment over file (PROTOCOL, Configuration and
//! command line).

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use agentadmit_protocol::account::SignUp;
use ipnet::IpNet;

use crate::address::service_url;
use crate::location::StoreLocation;
use crate::options::{LogFormat, ServeOptions};
use crate::redact::without_secrets;
use crate::requests::LogRequests;

/// Where the service listens when nobody says.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8_700);
const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
/// Records in a segment of the log when nobody says.
const SEGMENT_RECORDS: u32 = 1_000_000;

/// A configuration that cannot be used, in words. They may repeat what was written, but no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadConfig(Cow<'static, str>);

impl BadConfig {
    pub(crate) fn new(words: impl Into<Cow<'static, str>>) -> Self {
        Self(without_secrets(words.into()))
    }
}

/// The configuration of a service, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeConfig {
    /// Where apps and agents call.
    pub listen: SocketAddr,
    /// Where operators call, if not there too.
    pub operator_listen: Option<SocketAddr>,
    /// The issuer; `None` is the address where it listens.
    pub public_url: Option<String>,
    /// The store; it is made when it is not there.
    pub store: StoreLocation,
    /// The certificate; without one there is no TLS.
    pub tls: Option<TlsFiles>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether live keys and grants are only for apps whose plan is paid.
    pub live_requires_plan: bool,
    /// How long audit records are kept; `None` is for ever.
    pub retention: Option<Duration>,
    /// Records in a segment of the log.
    pub segment_records: u64,
    /// Batches under way at once on a database; `None` is the store's default.
    pub store_writers: Option<u32>,
    /// The dashboard; `None` where there is none.
    pub dashboard: Option<DashboardConfig>,
    /// Whether OAuth clients may register themselves.
    pub client_registration: bool,
    /// Whether metadata documents of OAuth clients may lie on this machine.
    pub loopback_clients: bool,
    /// What is logged: a filter.
    pub log: String,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Which requests leave a line in the log.
    pub log_requests: LogRequests,
}

/// How the dashboard is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardConfig {
    /// Where browsers reach it; `None` is where the operator API does, or the issuer.
    pub url: Option<String>,
    /// How long a session lasts without use.
    pub idle: Duration,
    /// How long it lasts in all.
    pub session: Duration,
    /// Whether a first run prints a one-time code.
    pub prints_code: bool,
    /// Who may make a developer's account.
    pub sign_up: SignUp,
}

/// Where the certificate lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first, in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

impl ServeConfig {
    /// Checks what arguments, environment and file say together ([`ServeOptions::or`]).
    ///
    /// # Errors
    /// What is missing, contradictory or unsafe, and what to do.
    pub fn check(options: ServeOptions) -> Result<Self, BadConfig> {
        let store = options.store.ok_or_else(|| {
            BadConfig::new(
                "say where the store is: `--store sqlite:PATH` (it is made when it is not there)",
            )
        })?;
        let tls = match (options.tls_cert, options.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(BadConfig::new("--tls-cert needs --tls-key beside it")),
            (None, Some(_)) => return Err(BadConfig::new("--tls-key needs --tls-cert beside it")),
        };
        let listen = options.listen.unwrap_or(DEFAULT_LISTEN);
        let is_safe = tls.is_some() || options.behind_proxy == Some(true);
        for address in std::iter::once(listen).chain(options.operator_listen) {
            if !is_safe && !address.ip().is_loopback() {
                return Err(unsafe_listen(address));
            }
        }
        if options.loopback_clients == Some(true) && !listen.ip().is_loopback() {
            return Err(BadConfig::new(
                "--loopback-clients is for tests and development: whoever reaches this service could \
                 make it ask what only this machine can reach; listen on a loopback address, or leave \
                 it out",
            ));
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
            retention: retention(options.retention_days, options.retention_seconds)?,
            segment_records: u64::from(options.segment_records.unwrap_or(SEGMENT_RECORDS)),
            store_writers: options.store_writers,
            dashboard: dashboard(
                options.no_dashboard,
                options.no_sign_in_code,
                options.dashboard_url.as_deref(),
                (options.session_idle_minutes, options.session_hours),
                options.sign_up,
            )?,
            client_registration: options.no_client_registration != Some(true),
            loopback_clients: options.loopback_clients == Some(true),
            log: options.log.unwrap_or_else(|| "info".to_owned()),
            log_format: options.log_format.unwrap_or_default(),
            log_requests: options.log_requests.unwrap_or_default(),
        })
    }
}

fn dashboard(
    is_off: Option<bool>,
    prints_no_code: Option<bool>,
    url: Option<&str>,
    (idle_minutes, hours): (Option<u32>, Option<u32>),
    sign_up: Option<SignUp>,
) -> Result<Option<DashboardConfig>, BadConfig> {
    let url = url.map(|text| address("--dashboard-url", text)).transpose()?;
    let config = DashboardConfig {
        url,
        idle: MINUTE.saturating_mul(idle_minutes.unwrap_or(30)),
        session: HOUR.saturating_mul(hours.unwrap_or(12)),
        prints_code: prints_no_code != Some(true),
        sign_up: sign_up.unwrap_or_default(),
    };
    Ok(Some(config).filter(|_| is_off != Some(true)))
}

fn retention(days: Option<u32>, seconds: Option<u32>) -> Result<Option<Duration>, BadConfig> {
    match (days, seconds) {
        (Some(_), Some(_)) => Err(BadConfig::new(
            "--retention-days and --retention-seconds contradict each other: keep one of them",
        )),
        (Some(days), None) => Ok(Some(DAY.saturating_mul(days))),
        (None, seconds) => Ok(seconds.map(|seconds| Duration::from_secs(seconds.into()))),
    }
}

fn unsafe_listen(address: SocketAddr) -> BadConfig {
    BadConfig::new(format!(
        "refusing to listen on {address} without TLS: credentials would cross the network in \
         clear. Give it a certificate (--tls-cert FILE --tls-key FILE), or say that a proxy in \
         front of it ends TLS (--behind-proxy), or listen on 127.0.0.1"
    ))
}

fn public_url(text: &str) -> Result<String, BadConfig> {
    address("--public-url", text)
}

fn address(option: &str, text: &str) -> Result<String, BadConfig> {
    let url = service_url(text).map_err(|why| BadConfig::new(format!("{option} {why}")))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(toml: &str) -> ServeOptions {
        ServeOptions::from_toml(toml, "file").unwrap()
    }

    fn refused(toml: &str) -> String {
        ServeConfig::check(options(toml)).unwrap_err().to_string()
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
    fn the_log_is_kept_for_days_or_for_seconds() {
        let kept = |line: &str| {
            ServeConfig::check(options(&format!("store = 'sqlite:a'\n{line}"))).unwrap().retention
        };
        assert_eq!(kept("retention_days = 2"), Some(Duration::from_hours(48)));
        assert_eq!(kept("retention_seconds = 90"), Some(Duration::from_secs(90)));
        let both = refused("store = 'sqlite:a'\nretention_days = 1\nretention_seconds = 1");
        assert!(both.contains("contradict"), "{both}");
    }

    #[test]
    fn what_a_file_says_of_the_log_has_bounds() {
        for (line, told) in [
            ("retention_days = 0", "retention_days must be 1 to 36500"),
            ("retention_seconds = 0", "retention_seconds must be 1 to 86400"),
            ("segment_records = 999", "segment_records must be 1000 to 10000000"),
            ("store_writers = 65", "store_writers must be 1 to 64"),
            ("session_idle_minutes = 0", "session_idle_minutes must be 1 to 1440"),
            ("session_hours = 169", "session_hours must be 1 to 168"),
        ] {
            let error = ServeOptions::from_toml(line, "file").unwrap_err().to_string();
            assert_eq!(error, format!("file: {told}"));
        }
    }

    #[test]
    fn the_dashboard_is_there_unless_somebody_says_no() {
        let of = |lines: &str| {
            let text = format!("store = 'sqlite:a'\n{lines}");
            ServeConfig::check(options(&text)).map(|config| config.dashboard)
        };
        let told = of("").unwrap().unwrap();
        assert_eq!((told.idle, told.session), (Duration::from_mins(30), Duration::from_hours(12)));
        assert!(told.prints_code && told.url.is_none());
        assert_eq!(told.sign_up, SignUp::Closed);
        let told = of("no_sign_in_code = true\nsession_idle_minutes = 5\nsession_hours = 1\n\
                       dashboard_url = 'https://ops.example.com/'\nsign_up = 'invite'");
        let told = told.unwrap().unwrap();
        assert_eq!((told.idle, told.session), (Duration::from_mins(5), Duration::from_hours(1)));
        assert_eq!(told.url.as_deref(), Some("https://ops.example.com"));
        assert!(!told.prints_code);
        assert_eq!(told.sign_up, SignUp::Invite);
        assert!(ServeOptions::from_toml("sign_up = 'yes'", "file").is_err());
        assert_eq!(of("no_dashboard = true"), Ok(None));
        let error = of("dashboard_url = 'http://ops.example.com'").unwrap_err().to_string();
        assert!(error.starts_with("--dashboard-url"), "{error}");
    }

    #[test]
    fn documents_of_clients_lie_elsewhere_unless_somebody_says_so() {
        let of = |lines: &str| {
            let text = format!("store = 'sqlite:a'\nbehind_proxy = true\n{lines}");
            ServeConfig::check(options(&text))
        };
        let told = of("").unwrap();
        assert!(told.client_registration && !told.loopback_clients);
        let told = of("no_client_registration = true\nloopback_clients = true").unwrap();
        assert!(!told.client_registration && told.loopback_clients);
        let error = of("listen = '0.0.0.0:8700'\nloopback_clients = true").unwrap_err().to_string();
        assert!(error.starts_with("--loopback-clients"), "{error}");
    }

    #[test]
    fn nothing_said_is_safe() {
        let config = ServeConfig::check(options("store = 'sqlite:a'")).unwrap();
        assert_eq!(config.listen, DEFAULT_LISTEN);
        assert_eq!((config.public_url, config.retention, config.tls), (None, None, None));
        assert!(!config.live_requires_plan);
        assert_eq!(config.segment_records, 1_000_000);
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
        let error = ServeOptions::from_toml("lissen = '127.0.0.1:1'", "file").unwrap_err();
        assert!(error.to_string().contains("lissen") && error.to_string().contains("listen"));
    }
}
