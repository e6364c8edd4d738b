//! The options of `serve`: its flags, which are also the keys of its configuration file.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use agentadmit_protocol::account::SignUp;
use clap::{ArgAction, Args, ValueEnum};
use ipnet::IpNet;
use serde::Deserialize;

use crate::location::StoreLocation;
use crate::requests::LogRequests;
use crate::serve::BadConfig;

const RETENTION_DAYS: RangeInclusive<i64> = 1..=36_500;
/// Up to a day, from which on days are said.
const RETENTION_SECONDS: RangeInclusive<i64> = 1..=86_400;
const SEGMENT_RECORDS: RangeInclusive<i64> = 1_000..=10_000_000;
const STORE_WRITERS: RangeInclusive<i64> = 1..=64;
const SESSION_IDLE_MINUTES: RangeInclusive<i64> = 1..=1_440;
const SESSION_HOURS: RangeInclusive<i64> = 1..=168;

/// What `serve` can be told; nothing here has a value unless somebody gave it one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes a free port [default: 127.0.0.1:8700]
    #[arg(
        long,
        value_name = "ADDR",
        env = "AGENTADMIT_LISTEN",
        hide_env_values = true,
        help_heading = "Address"
    )]
    pub listen: Option<SocketAddr>,
    /// The service's own address as apps know it: the issuer of its answers and the audience of
    /// client assertions [default: where it listens]
    #[arg(
        long,
        value_name = "URL",
        env = "AGENTADMIT_PUBLIC_URL",
        hide_env_values = true,
        help_heading = "Address"
    )]
    pub public_url: Option<String>,
    /// Give the operator API and /metrics an address of their own
    #[arg(
        long,
        value_name = "ADDR",
        env = "AGENTADMIT_OPERATOR_LISTEN",
        hide_env_values = true,
        help_heading = "Address"
    )]
    pub operator_listen: Option<SocketAddr>,

    /// Certificate chain in PEM; read anew on SIGHUP
    #[arg(
        long,
        value_name = "FILE",
        env = "AGENTADMIT_TLS_CERT",
        hide_env_values = true,
        help_heading = "Transport"
    )]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "AGENTADMIT_TLS_KEY",
        hide_env_values = true,
        help_heading = "Transport"
    )]
    pub tls_key: Option<PathBuf>,
    /// Somebody else ends TLS in front of this service: listen without it on any address
    #[arg(
        long,
        env = "AGENTADMIT_BEHIND_PROXY",
        hide_env_values = true,
        help_heading = "Transport"
    )]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new())]
    pub behind_proxy: Option<bool>,
    /// Networks whose X-Forwarded-For is believed, such as 10.0.0.0/8
    #[arg(
        long,
        value_name = "CIDR",
        env = "AGENTADMIT_TRUSTED_PROXIES",
        hide_env_values = true,
        value_delimiter = ','
    )]
    #[arg(num_args = 1.., action = ArgAction::Append, help_heading = "Transport")]
    pub trusted_proxies: Option<Vec<IpNet>>,

    /// The store: a file, made when it is not there, or `postgres://...` for many nodes
    #[arg(
        long,
        value_name = "sqlite:PATH",
        env = "AGENTADMIT_STORE",
        hide_env_values = true,
        help_heading = "Store"
    )]
    pub store: Option<StoreLocation>,
    /// Keep audit records this many days [default: for ever]
    #[arg(
        long,
        value_name = "N",
        env = "AGENTADMIT_RETENTION_DAYS",
        hide_env_values = true,
        help_heading = "Store"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(RETENTION_DAYS))]
    pub retention_days: Option<u32>,
    /// Keep audit records this many seconds; instead of `--retention-days`, for less than a day
    #[arg(
        long,
        value_name = "N",
        env = "AGENTADMIT_RETENTION_SECONDS",
        hide_env_values = true,
        help_heading = "Store"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(RETENTION_SECONDS))]
    pub retention_seconds: Option<u32>,
    /// Records in a segment of the audit log, which retention drops as a whole: fewer take less
    /// memory to index (40 bytes each) and less disk until they go, more make searches cheaper
    /// [default: 1000000]
    #[arg(
        long,
        value_name = "N",
        env = "AGENTADMIT_SEGMENT_RECORDS",
        hide_env_values = true,
        help_heading = "Store"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(SEGMENT_RECORDS))]
    pub segment_records: Option<u32>,
    /// Batches that this node has under way at once on a `postgres://` store; each takes a connection,
    /// and an app's calls go to one of them [default: 4]
    #[arg(
        long,
        value_name = "N",
        env = "AGENTADMIT_STORE_WRITERS",
        hide_env_values = true,
        help_heading = "Store"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(STORE_WRITERS))]
    pub store_writers: Option<u32>,

    /// Live keys and live grants only for apps whose plan is paid
    #[arg(
        long,
        env = "AGENTADMIT_LIVE_REQUIRES_PLAN",
        hide_env_values = true,
        help_heading = "Rules"
    )]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new())]
    pub live_requires_plan: Option<bool>,

    /// Serve no dashboard
    #[arg(
        long,
        env = "AGENTADMIT_NO_DASHBOARD",
        hide_env_values = true,
        help_heading = "Dashboard"
    )]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new())]
    pub no_dashboard: Option<bool>,
    /// Print no one-time code for the dashboard on a first run; `agentadmit operator sign-in` makes one
    #[arg(
        long,
        env = "AGENTADMIT_NO_SIGN_IN_CODE",
        hide_env_values = true,
        help_heading = "Dashboard"
    )]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new())]
    pub no_sign_in_code: Option<bool>,
    /// The address under which browsers reach the dashboard, if it is not where the operator API
    /// listens, nor `--public-url`
    #[arg(
        long,
        value_name = "URL",
        env = "AGENTADMIT_DASHBOARD_URL",
        hide_env_values = true,
        help_heading = "Dashboard"
    )]
    pub dashboard_url: Option<String>,
    /// Minutes after which a session that is not used ends [default: 30]
    #[arg(
        long,
        value_name = "N",
        env = "AGENTADMIT_SESSION_IDLE_MINUTES",
        hide_env_values = true,
        help_heading = "Dashboard"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(SESSION_IDLE_MINUTES))]
    pub session_idle_minutes: Option<u32>,
    /// Hours after which a session ends in any case [default: 12]
    #[arg(
        long,
        value_name = "N",
        env = "AGENTADMIT_SESSION_HOURS",
        hide_env_values = true,
        help_heading = "Dashboard"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(SESSION_HOURS))]
    pub session_hours: Option<u32>,
    /// Who may make a developer's account: `open` (everybody), `invite` (who has a link), `closed`
    /// (nobody; accounts that there are sign in as before) [default: closed]
    #[arg(
        long,
        value_name = "WHO",
        env = "AGENTADMIT_SIGN_UP",
        hide_env_values = true,
        help_heading = "Dashboard"
    )]
    pub sign_up: Option<SignUp>,

    /// OAuth clients cannot register themselves; those with a metadata document need not
    #[arg(
        long,
        env = "AGENTADMIT_NO_CLIENT_REGISTRATION",
        hide_env_values = true,
        help_heading = "OAuth clients"
    )]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new())]
    pub no_client_registration: Option<bool>,
    /// Fetch metadata documents of OAuth clients from this machine too, and without TLS: for tests and
    /// development, on a loopback address alone
    #[arg(
        long,
        env = "AGENTADMIT_LOOPBACK_CLIENTS",
        hide_env_values = true,
        help_heading = "OAuth clients"
    )]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new())]
    pub loopback_clients: Option<bool>,

    /// What is logged to stderr, such as `warn` or `info,agentadmit_http=debug` [default: info]
    #[arg(
        long,
        value_name = "FILTER",
        env = "AGENTADMIT_LOG",
        hide_env_values = true,
        help_heading = "Log"
    )]
    pub log: Option<String>,
    /// The form of the log [default: text]
    #[arg(
        long,
        value_name = "FORM",
        env = "AGENTADMIT_LOG_FORMAT",
        hide_env_values = true,
        help_heading = "Log"
    )]
    pub log_format: Option<LogFormat>,
    /// Which requests leave a line: `off`, `errors` (answers of 500 and above), `slow:MS` (and what
    /// took so many milliseconds), `sampled:N` (and one of N), `all` [default: slow:500]
    #[arg(
        long,
        value_name = "WHICH",
        env = "AGENTADMIT_LOG_REQUESTS",
        hide_env_values = true,
        help_heading = "Log"
    )]
    pub log_requests: Option<LogRequests>,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

impl ServeOptions {
    /// Reads the text of a configuration file, which is called `shown` in what is said about it.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_toml(text: &str, shown: &str) -> Result<Self, BadConfig> {
        let options: Self = toml::from_str(text).map_err(|error| {
            BadConfig::new(format!("{shown} is no configuration of `serve`: {error}"))
        })?;
        // the arguments and the environment are held to the same by clap
        for (name, value, range) in [
            ("retention_days", options.retention_days, RETENTION_DAYS),
            ("retention_seconds", options.retention_seconds, RETENTION_SECONDS),
            ("segment_records", options.segment_records, SEGMENT_RECORDS),
            ("store_writers", options.store_writers, STORE_WRITERS),
            ("session_idle_minutes", options.session_idle_minutes, SESSION_IDLE_MINUTES),
            ("session_hours", options.session_hours, SESSION_HOURS),
        ] {
            if value.is_some_and(|value| !range.contains(&i64::from(value))) {
                let (least, most) = range.into_inner();
                return Err(BadConfig::new(format!("{shown}: {name} must be {least} to {most}")));
            }
        }
        Ok(options)
    }

    /// These options; what nobody said here is taken from `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            listen: self.listen.or(others.listen),
            public_url: self.public_url.or(others.public_url),
            operator_listen: self.operator_listen.or(others.operator_listen),
            tls_cert: self.tls_cert.or(others.tls_cert),
            tls_key: self.tls_key.or(others.tls_key),
            behind_proxy: self.behind_proxy.or(others.behind_proxy),
            trusted_proxies: self.trusted_proxies.or(others.trusted_proxies),
            store: self.store.or(others.store),
            retention_days: self.retention_days.or(others.retention_days),
            retention_seconds: self.retention_seconds.or(others.retention_seconds),
            segment_records: self.segment_records.or(others.segment_records),
            store_writers: self.store_writers.or(others.store_writers),
            live_requires_plan: self.live_requires_plan.or(others.live_requires_plan),
            no_dashboard: self.no_dashboard.or(others.no_dashboard),
            no_sign_in_code: self.no_sign_in_code.or(others.no_sign_in_code),
            dashboard_url: self.dashboard_url.or(others.dashboard_url),
            session_idle_minutes: self.session_idle_minutes.or(others.session_idle_minutes),
            session_hours: self.session_hours.or(others.session_hours),
            sign_up: self.sign_up.or(others.sign_up),
            no_client_registration: self.no_client_registration.or(others.no_client_registration),
            loopback_clients: self.loopback_clients.or(others.loopback_clients),
            log: self.log.or(others.log),
            log_format: self.log_format.or(others.log_format),
            log_requests: self.log_requests.or(others.log_requests),
        }
    }
}
