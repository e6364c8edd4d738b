//! What to do when there is no connection to the database: an error says it beside what happened.

use std::error::Error;
use std::io;

use deadpool_postgres::{PoolError, TimeoutType};
use rustls::{AlertDescription, CertificateError};
use tokio_postgres::error::SqlState;

use crate::error::chain_of;

/// What to do when every host refuses writes.
pub(crate) const NO_WRITES: &str = "no host of the address takes writes: name the primary too, \
                                    several hosts with commas between them";

/// Why there is no connection, and what to do about it.
pub(crate) fn no_connection(error: &PoolError) -> String {
    let (what, advice) = match error {
        PoolError::Timeout(TimeoutType::Wait) => (
            "every connection of this node is in use".to_owned(),
            Some("the database is slow, or has more to do than it can"),
        ),
        PoolError::Timeout(_) => (
            "the database does not answer".to_owned(),
            Some(
                "see whether host and port are right and nothing between here and there drops packets",
            ),
        ),
        PoolError::Backend(error) => (chain_of(error), advice(error)),
        other => (chain_of(other), None),
    };
    match advice {
        Some(advice) => format!("no connection: {what}; {advice}"),
        None => format!("no connection: {what}"),
    }
}

fn advice(error: &tokio_postgres::Error) -> Option<&'static str> {
    if let Some(code) = error.code() {
        return of_server(code);
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return of_system(io);
        }
        if error.to_string() == "server does not support TLS" {
            return Some(
                "switch its encryption on (`ssl = on`), or, where the network is trusted, say \
                 sslmode=disable",
            );
        }
        cause = error.source();
    }
    None
}

fn of_server(code: &SqlState) -> Option<&'static str> {
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => Some(
            "see whether user and password are right and pg_hba.conf lets this machine in; a \
                 client certificate, where it wants one, is named with sslcert and sslkey",
        ),
        SqlState::INVALID_CATALOG_NAME => {
            Some("make the database first (`createdb`), owned by the user of the service")
        }
        SqlState::TOO_MANY_CONNECTIONS => Some(
            "raise max_connections of the database: each node needs one for each writer, four to \
             read, and two more",
        ),
        SqlState::CANNOT_CONNECT_NOW => Some("it is starting or stopping: wait for it"),
        _ => None,
    }
}

fn of_system(error: &io::Error) -> Option<&'static str> {
    let tls = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    if let Some(error) = tls {
        return of_tls(error);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Some("see whether it runs, and listens there (`listen_addresses`, `port`)")
        }
        io::ErrorKind::NotFound => Some("there is no such socket: see whether it runs"),
        // the driver's own words where it asked for a host that takes writes
        _ if error.to_string() == "database does not allow writes" => Some(NO_WRITES),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => Some(
            "nobody whom this machine trusts signed the database's certificate: name the \
             certificate of whoever did with sslrootcert=FILE",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some(
            "the database's certificate is of another name: connect by the name that it has, or \
             say sslmode=verify-ca",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => Some("give the database a new certificate"),
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::DecryptError,
        ) => Some(
            "the database does not accept our certificate: name one that its ssl_ca_file knows \
             with sslcert and sslkey",
        ),
        _ => None,
    }
}
