//! The address of a database, `postgres://USER@HOST[:PORT][,HOST[:PORT]...]/DATABASE[?NAME=VALUE&...]`,
//! and what is demanded of a connection to it.
//!
//! | `sslmode` | encrypted | who answers is checked |
//! | --- | --- | --- |
//! | `verify-full` | yes | its certificate, and that it is of the host that was asked for |
//! | `verify-ca` | yes | its certificate |
//! | `require` | yes | no; with `sslrootcert` as `verify-ca` |
//! | `disable` | no | no |
//!
//! `sslcert` and `sslkey` name the certificate and key (PEM) by which the database knows the service.
//!
//! Where no `sslmode` is named it is `verify-full`, and `disable` when every host is on this machine: rows and
//! passwords never cross a network in the clear, nor to a stranger, unless somebody says so.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{Config, Host, SslMode, TargetSessionAttrs};
use url::form_urlencoded;

use crate::error::{OpenError, chain_of};
use crate::tls::{self, Check, Identity, Roots, Tls};

/// How long to wait for one host until the next one is tried, where the address does not say.
const CONNECT: Duration = Duration::from_secs(2);

/// Where the database is, and how it is reached.
pub(crate) struct Address {
    pub(crate) config: Config,
    /// `None`: connections are not encrypted.
    pub(crate) tls: Option<Tls>,
    /// Whoever wrote the address accepts a database that does not flush.
    pub(crate) may_lose: bool,
}

/// The parameters that the driver does not know, or not as we do.
#[derive(Debug, Default)]
struct Own {
    mode: Option<String>,
    roots: Option<Roots>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    may_lose: bool,
    /// All others, as they were.
    rest: String,
}

impl Address {
    /// Understands an address, and reads the certificates that it names.
    ///
    /// # Errors
    /// [`OpenError::Address`], which says what to write instead. It never repeats a password.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(bad("it begins with postgres://"));
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let own = Own::of(query)?;
        let mut config: Config = match own.rest.as_str() {
            "" => base.parse(),
            rest => format!("{base}?{rest}").parse(),
        }
        .map_err(|error| bad(chain_of(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(bad("it names no host"));
        }
        let check = own.check(&config)?;
        let identity = own.identity()?;
        if check.is_none() && identity.is_some() {
            return Err(bad("sslcert and sslkey go with sslmode=verify-full, not with disable"));
        }
        let roots = own.roots.unwrap_or(Roots::Machine);
        let tls =
            check.map(|check| tls::client(check, roots, identity)).transpose().map_err(bad)?;
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        // a node on a standby could decide nothing
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        Ok(Self { config, tls, may_lose: own.may_lose })
    }

    /// Says in the log what is not protected.
    pub(crate) fn note_risk(&self) {
        match &self.tls {
            None if !is_here(&self.config) => {
                tracing::warn!("connections to the database are not encrypted (sslmode=disable)");
            }
            Some(tls) if tls.check == Check::Nothing => {
                tracing::warn!("nobody checks who answers as the database (sslmode=require)");
            }
            _ => {}
        }
        if self.may_lose {
            tracing::warn!(
                "the database may run with fsync = off: a power cut loses what was answered"
            );
        }
    }

    /// How long it may take until every host was tried.
    pub(crate) fn patience(&self) -> Duration {
        let hosts = self.config.get_hosts().len().max(self.config.get_hostaddrs().len());
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT);
        each.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX).saturating_add(1))
    }
}

impl Own {
    fn of(query: &str) -> Result<Self, OpenError> {
        let mut own = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else {
                continue;
            };
            match &*name {
                "sslmode" => own.mode = Some(value.into_owned()),
                "sslrootcert" if value == "system" => own.roots = Some(Roots::Machine),
                "sslrootcert" => own.roots = Some(Roots::File(PathBuf::from(&*value))),
                "sslcert" => own.certificate = Some(PathBuf::from(&*value)),
                "sslkey" => own.key = Some(PathBuf::from(&*value)),
                "fsync" if value == "on" || value == "off" => own.may_lose = value == "off",
                "fsync" => {
                    return Err(bad(
                        "fsync: on, which is the default, or off where nothing matters",
                    ));
                }
                "target_session_attrs" if value == "read-write" => {}
                "target_session_attrs" => {
                    return Err(bad("target_session_attrs: only read-write, which is the default"));
                }
                _ => {
                    let before = if own.rest.is_empty() { "" } else { "&" };
                    own.rest.push_str(before);
                    own.rest.push_str(pair);
                }
            }
        }
        Ok(own)
    }

    /// The files that say who we are, both or none.
    fn identity(&self) -> Result<Option<Identity>, OpenError> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(Identity { certificate: certificate.clone(), key: key.clone() }))
            }
            (None, None) => Ok(None),
            _ => Err(bad("sslcert and sslkey go together: the certificate, and its private key")),
        }
    }

    /// What is demanded of the server's certificate; `None` where nothing is encrypted.
    fn check(&self, config: &Config) -> Result<Option<Check>, OpenError> {
        let check = match self.mode.as_deref() {
            None if is_here(config) && self.roots.is_none() && self.certificate.is_none() => None,
            None | Some("verify-full") => Some(Check::Name),
            Some("verify-ca") => Some(Check::Certificate),
            Some("require") if self.roots.is_some() => Some(Check::Certificate),
            Some("require") => Some(Check::Nothing),
            Some("disable") if self.roots.is_some() => {
                return Err(bad("sslrootcert goes with sslmode=verify-full, not with disable"));
            }
            Some("disable") => None,
            Some("prefer" | "allow") => {
                return Err(bad(
                    "sslmode: prefer and allow go on without encryption where the server has none; \
                     say verify-full, verify-ca, require or disable",
                ));
            }
            Some(_) => {
                return Err(bad("sslmode is one of verify-full, verify-ca, require, disable"));
            }
        };
        let has_socket = config.get_hosts().iter().any(|host| matches!(host, Host::Unix(_)));
        if check.is_some() && has_socket {
            return Err(bad(
                "PostgreSQL does not encrypt a Unix socket: leave sslmode and sslrootcert out, or \
                 name a host",
            ));
        }
        Ok(check)
    }
}

/// Whether all hosts are on this machine.
fn is_here(config: &Config) -> bool {
    let is_own =
        |name: &str| name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => is_own(name),
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

fn bad(text: impl Into<String>) -> OpenError {
    OpenError::Address(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_of(text: &str) -> Result<Option<Check>, String> {
        let parsed = Address::parse(text).map_err(|error| error.to_string())?;
        let is_encrypted = parsed.config.get_ssl_mode() == SslMode::Require;
        assert_eq!(is_encrypted, parsed.tls.is_some(), "{text}");
        assert_eq!(parsed.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        Ok(parsed.tls.map(|tls| tls.check))
    }

    #[test]
    fn nothing_crosses_a_network_in_the_clear_or_to_a_stranger_unless_it_is_said() {
        for (address, check) in [
            ("postgres://a@%2Frun%2Fpostgresql/a", None),
            ("postgres://localhost/a", None),
            ("postgres://127.0.0.1,[::1]:5433/a", None),
            ("postgresql://localhost/a?hostaddr=127.0.0.1&application_name=x", None),
            ("postgres://db.example/a", Some(Check::Name)),
            ("postgres://localhost,db.example/a", Some(Check::Name)),
            ("postgres://localhost/a?hostaddr=10.0.0.1", Some(Check::Name)),
            ("postgres://10.0.0.1:5433,10.0.0.2:5434/a", Some(Check::Name)),
            ("postgres://localhost/a?sslrootcert=system", Some(Check::Name)),
            ("postgres://localhost/a?sslmode=verify-full", Some(Check::Name)),
            ("postgres://db.example/a?sslmode=verify-ca", Some(Check::Certificate)),
            ("postgres://db.example/a?sslmode=require", Some(Check::Nothing)),
            (
                "postgres://db.example/a?sslmode=require&sslrootcert=system",
                Some(Check::Certificate),
            ),
            ("postgres://db.example/a?sslmode=disable", None),
            ("postgres://db.example/a?target_session_attrs=read-write", Some(Check::Name)),
        ] {
            assert_eq!(check_of(address), Ok(check), "{address}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_the_way_out() {
        for (address, way_out) in [
            ("host=localhost dbname=a", "begins with postgres://"),
            ("postgres:///a", "names no host"),
            ("postgres://h/a?sslmode=prefer", "say verify-full"),
            ("postgres://h/a?sslmode=on", "one of verify-full"),
            ("postgres://h/a?sslmode=disable&sslrootcert=a.pem", "sslrootcert goes with"),
            ("postgres://h/a?sslrootcert=%2Fno%2Fsuch.pem", "/no/such.pem"),
            ("postgres://%2Frun/a?sslmode=require", "Unix socket"),
            ("postgres://h/a?target_session_attrs=any", "only read-write"),
            ("postgres://h/a?fsync=no", "fsync: on"),
            ("postgres://h/a?sslcert=own.pem", "go together"),
            ("postgres://h/a?sslkey=own.key", "go together"),
            ("postgres://h/a?sslmode=disable&sslcert=a.pem&sslkey=a.key", "not with disable"),
            ("postgres://h/a?sslcert=%2Fno%2Fsuch.pem&sslkey=a.key", "/no/such.pem"),
            ("postgres://u:pass-word@h/a?colour=red", "colour"),
        ] {
            let text = check_of(address).unwrap_err();
            assert!(text.contains(way_out), "{address}: {text}");
            assert!(!text.contains("pass-word"), "{text}");
        }
    }

    #[test]
    fn each_host_has_its_turn() {
        let of = |text: &str| Address::parse(text).map(|address| address.patience()).unwrap();
        assert_eq!(of("postgres://localhost/a"), 2 * CONNECT);
        assert_eq!(of("postgres://localhost:1,localhost:2/a"), 3 * CONNECT);
        assert_eq!(of("postgres://localhost/a?connect_timeout=7"), Duration::from_secs(14));
    }
}
