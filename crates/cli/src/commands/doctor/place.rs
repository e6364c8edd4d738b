//! TLS and certificates, the same for service and app.

use agentadmit_protocol::time::Timestamp;
use url::Url;

use super::exam::Exam;
use super::report::Outcome;
use super::wire::{NoReply, Reply};

/// A certificate that ends earlier should have been renewed by now: those who renew by themselves
/// do it a month before.
const MIN_DAYS: i64 = 14;
const DAY_MS: i64 = 86_400_000;

pub(super) fn service_tls(exam: &mut Exam) -> Outcome {
    tls(exam.subject.service(), exam.service_hello.as_ref())
}

pub(super) fn service_certificate(exam: &mut Exam) -> Outcome {
    certificate(exam.service_hello.as_ref(), exam.wire.now())
}

pub(super) fn app_tls(exam: &mut Exam) -> Outcome {
    match exam.subject.app() {
        Some(app) => tls(app, exam.app_hello.as_ref()),
        None => no_app(exam),
    }
}

pub(super) fn app_certificate(exam: &mut Exam) -> Outcome {
    match exam.subject.app() {
        Some(_) => certificate(exam.app_hello.as_ref(), exam.wire.now()),
        None => no_app(exam),
    }
}

fn no_app(exam: &Exam) -> Outcome {
    Outcome::skipped(exam.in_the_way(&[super::exam::Part::App]).unwrap_or_default())
}

/// Whether somebody listens there at all, whatever comes of it.
pub(super) fn address(hello: &Result<Reply, NoReply>, url: &Url) -> Outcome {
    match hello {
        Err(NoReply::Unreachable(why) | NoReply::NoAnswer(why)) => Outcome::finding(
            why.as_str(),
            "is it running, is the address right, does a firewall stand between?",
        ),
        Err(NoReply::Tls(_) | NoReply::CertificateDate(_)) => {
            Outcome::well(format!("something listens at {url}"))
        }
        Ok(_) => Outcome::well(url.as_str().trim_end_matches('/')),
    }
}

fn tls(url: &Url, hello: Option<&Result<Reply, NoReply>>) -> Outcome {
    match hello {
        _ if url.scheme() != "https" => Outcome::skipped("plain http on this machine"),
        Some(Err(NoReply::Tls(why))) => Outcome::finding(
            why.as_str(),
            "give the other side a certificate for this name, and name the file of a private \
             issuer: --ca-file FILE or `ca_file`",
        ),
        Some(Err(NoReply::CertificateDate(_))) => Outcome::skipped("see the certificate"),
        Some(Ok(_)) => Outcome::well("the certificate is trusted and for this name"),
        _ => Outcome::skipped("nothing answers there"),
    }
}

fn certificate(hello: Option<&Result<Reply, NoReply>>, now: Timestamp) -> Outcome {
    const RENEW: &str = "renew it; `agentadmit serve` reads the new one on SIGHUP";
    let ends = match hello {
        Some(Err(NoReply::CertificateDate(why))) => return Outcome::finding(why.as_str(), RENEW),
        Some(Ok(reply)) => reply.certificate_ends,
        _ => return Outcome::skipped("no certificate was seen"),
    };
    let Some(ends) = ends else { return Outcome::skipped("no certificate was seen") };
    let days = ends.millis_since(now).div_euclid(DAY_MS);
    if days < MIN_DAYS {
        return Outcome::finding(format!("the certificate ends in {days} days, at {ends}"), RENEW);
    }
    Outcome::well(format!("good for {days} more days"))
}
