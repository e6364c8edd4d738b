//! Connections are encrypted, and to whom they should be: a real server with a certificate, asked in
//! every way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use agentadmit_store::{Store, read};
use agentadmit_store_postgres::{PostgresOptions, PostgresStore};
use agentadmit_testkit::postgres::Cluster;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A certificate that signs others.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn a_database_is_asked_encrypted_and_only_where_it_is_the_right_one() {
    let (own, foreign) = (authority("own"), authority("foreign"));
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &own).unwrap();
    let server = Cluster::start_with_tls(&certificate.pem(), &key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (own, foreign) = (file("own.pem", own.pem()), file("foreign.pem", foreign.pem()));
    let empty = file("empty.pem", String::new());

    let open = |host: &str, parameters: &str| {
        let hosts = format!("{host}:{}", server.port());
        let url = format!("{}&{parameters}", Cluster::url_of(&[&hosts]));
        PostgresStore::open(&url, PostgresOptions::new()).map_err(|error| error.to_string())
    };
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name LIKE 'agentadmit%'";
    for (host, parameters, is_encrypted) in [
        ("localhost", "sslmode=disable", false),
        ("localhost", "", false),
        ("localhost", &*format!("sslrootcert={own}"), true),
        ("localhost", &format!("sslmode=verify-full&sslrootcert={own}"), true),
        ("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={own}"), true),
        ("127.0.0.1", "sslmode=require", true),
    ] {
        let store = open(host, parameters).unwrap();
        read(&store as &dyn Store, "end", |views| views.log_end()).unwrap();
        let found: u32 = server.sql(encrypted).parse().unwrap();
        assert_eq!(found > 0, is_encrypted, "{host} {parameters}");
        drop(store);
        // the server notices in its own time that a connection is gone
        let left = "SELECT count(*) FROM pg_stat_activity
            WHERE application_name LIKE 'agentadmit%'";
        while server.sql(left) != "0" {
            std::thread::yield_now();
        }
    }
    for (host, parameters, way_out) in [
        ("127.0.0.1", format!("sslrootcert={own}"), "by the name that it has"),
        ("localhost", format!("sslrootcert={foreign}"), "sslrootcert=FILE"),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={foreign}"), "sslrootcert=FILE"),
        ("localhost", format!("sslmode=require&sslrootcert={foreign}"), "sslrootcert=FILE"),
        ("localhost", format!("sslrootcert={empty}"), "no certificate in"),
    ] {
        let Err(error) = open(host, &parameters) else { panic!("{host} {parameters} was opened") };
        assert!(error.contains(way_out), "{host} {parameters}: {error}");
    }
}

#[test]
fn a_database_that_wants_a_certificate_gets_it() {
    let (own, foreign) = (authority("own"), authority("foreign"));
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &own).unwrap();
    let server = Cluster::start_with_tls_for(&certificate.pem(), &key.serialize_pem(), &own.pem());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String, mode| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let ours = |authority: &CertifiedIssuer<'static, KeyPair>, name: &str, mode| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "agentadmit");
        let certificate = params.signed_by(&key, authority).unwrap();
        let certificate = file(&format!("{name}.pem"), certificate.pem(), 0o600);
        let key = file(&format!("{name}.key"), key.serialize_pem(), mode);
        (certificate, key)
    };
    let (good, stranger) = (ours(&own, "good", 0o600), ours(&foreign, "stranger", 0o600));
    let shown_to_all = ours(&own, "shown", 0o644);
    let roots = file("own.pem", own.pem(), 0o644);
    let open = |(certificate, key): (&str, &str)| {
        let url = Cluster::url_of(&[&format!("localhost:{}", server.port())]);
        let url = format!("{url}&sslrootcert={roots}&sslcert={certificate}&sslkey={key}");
        PostgresStore::open(&url, PostgresOptions::new()).map_err(|error| error.to_string())
    };
    open((&good.0, &good.1)).unwrap();
    for (certificate, key, way_out) in [
        (&stranger.0, &stranger.1, "sslcert"),
        (&good.0, &stranger.1, "is not the key of the certificate"),
        (&shown_to_all.0, &shown_to_all.1, "chmod 600"),
        (&good.1, &good.1, "there is no certificate in"),
        (&good.0, &good.0, "no private key"),
    ] {
        let Err(error) = open((certificate, key)) else { panic!("{certificate} {key} was let in") };
        assert!(error.contains(way_out), "{certificate} {key}: {error}");
    }
    let url = Cluster::url_of(&[&format!("localhost:{}", server.port())]);
    let url = format!("{url}&sslrootcert={roots}");
    let Err(error) = PostgresStore::open(&url, PostgresOptions::new()) else {
        panic!("it let in whoever has no certificate")
    };
    assert!(error.to_string().contains("sslcert"), "{error}");
}

#[test]
fn a_server_without_encryption_is_not_asked_in_the_clear() {
    let server = Cluster::start_on_localhost();
    let url =
        format!("{}&sslmode=require", Cluster::url_of(&[&format!("localhost:{}", server.port())]));
    let Err(error) = PostgresStore::open(&url, PostgresOptions::new()) else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("ssl = on"), "{error}");
}
