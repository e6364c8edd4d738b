//! Whom to trust, where the address is https.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::ConfigurationError;

/// The certificates that the machine trusts, and those in `ca_file`.
///
/// # Errors
/// The file cannot be read or holds no certificate, or nothing is trusted at all.
pub(crate) fn config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, ConfigurationError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        for certificate in read(file)? {
            roots.add(certificate).map_err(|error| unreadable(file, &error))?;
        }
    }
    if roots.is_empty() {
        let text =
            "this machine trusts no certificate: install its ca-certificates, or set ca_file";
        return Err(ConfigurationError(text.to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigurationError(format!("no TLS: {error}")))?;
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigurationError> {
    let pem = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(unreadable(file, &"there is no certificate in it"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable(file, &error)),
    }
}

fn unreadable(file: &Path, why: &dyn std::fmt::Display) -> ConfigurationError {
    ConfigurationError(format!("ca_file {} cannot be used: {why}", file.display()))
}

/// What is wrong with the other side's certificate, if that is what a connection failed of. No
/// retry makes it better.
pub(super) fn distrust(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(format!(
            "the certificate of the service is not trusted: {why}; a certificate of your own \
             authority is named by ca_file"
        )),
        _ => None,
    }
}
