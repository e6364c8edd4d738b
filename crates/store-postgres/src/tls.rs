//! TLS to the database.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What is demanded of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing: whoever answers is believed.
    Nothing,
    /// Somebody whom we trust signed it.
    Certificate,
    /// And it is of the host that was asked for.
    Name,
}

/// Whom we trust to sign certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Whom the machine trusts.
    Machine,
    /// The certificates of this file (PEM) alone.
    File(PathBuf),
}

/// The files (PEM) by which the database knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Our certificate, and those between it and one that the database trusts.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// How connections are encrypted.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) check: Check,
    pub(crate) connect: MakeRustlsConnect,
}

/// The client's side of TLS.
///
/// # Errors
/// What is wrong with the certificates, and what to do.
pub(crate) fn client(
    check: Check,
    roots: Roots,
    identity: Option<Identity>,
) -> Result<Tls, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match check {
        Check::Name => builder.with_root_certificates(trusted(roots)?),
        Check::Certificate => {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(trusted(roots)?), provider)
                    .build()
                    .map_err(|error| error.to_string())?;
            let any_name = Arc::new(AnyName(verifier));
            builder.dangerous().with_custom_certificate_verifier(any_name)
        }
        Check::Nothing => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        }
    };
    let config = match identity {
        Some(identity) => {
            let (chain, key) = identity.read()?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                format!("sslkey is not the key of the certificate in sslcert: {error}")
            })?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Tls { check, connect: MakeRustlsConnect::new(config) })
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let shown = format!("sslcert {}", self.certificate.display());
        let chain = certificates(&self.certificate, &shown)?;
        if chain.is_empty() {
            return Err(format!("there is no certificate in {shown}"));
        }
        let shown = format!("sslkey {}", self.key.display());
        let file = fs::metadata(&self.key).map_err(|error| format!("{shown}: {error}"))?;
        if file.permissions().mode() & 0o007 != 0 {
            return Err(format!("{shown}: everybody on this machine can read it; `chmod 600` it"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("{shown}: no private key can be read from it: {error}"))?;
        Ok((chain, key))
    }
}

/// The certificates of a file.
fn certificates(path: &Path, shown: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    read.map_err(|error| format!("{shown}: {error}"))
}

fn trusted(roots: Roots) -> Result<RootCertStore, String> {
    let (certificates, whose) = match roots {
        Roots::File(path) => {
            let shown = format!("sslrootcert {}", path.display());
            (certificates(&path, &shown)?, shown)
        }
        Roots::Machine => (
            rustls_native_certs::load_native_certs().certs,
            "this machine's trusted certificates (Debian: `apt-get install ca-certificates`; or \
             name yours with sslrootcert=FILE)"
                .to_owned(),
        ),
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("there is no certificate in {whose}"));
    }
    Ok(store)
}

/// Checks who signed the certificate, and not whose it is.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.0.verify_server_cert(certificate, intermediates, server_name, ocsp_response, now);
        match verified {
            // the name is looked at last, when all else is good
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Believes whoever answers (`sslmode=require`): nobody on the way can listen, but whoever stands in
/// the way can.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
