//! The service: is it there, is it well, does it agree with this machine.

use agentadmit_protocol::time::Timestamp;
use serde_json::Value;

use super::exam::{Exam, Part, text};
use super::place;
use super::report::Outcome;
use super::wire::{Ask, Reply};

/// Client assertions and signed documents bear 30 s of difference; whoever is beyond a third of
/// that has no clock that is kept right.
const MAX_CLOCK_DIFFERENCE_MS: i64 = 10_000;

/// Something answers at the configured address, and it is an AgentAdmit service.
pub(super) async fn address(exam: &mut Exam) -> Outcome {
    let hello = exam.wire.send(Ask::get(exam.at_service("/healthz"))).await;
    let outcome = match &hello {
        Ok(reply) if !is_service(reply) => Outcome::finding(
            format!(
                "{} answers {}, not as this service does",
                exam.subject.service(),
                reply.words()
            ),
            "set `service_url` to the service itself: requests follow no redirect, and a path in \
             front of /v1 belongs into the address",
        ),
        hello => place::address(hello, exam.subject.service()),
    };
    if outcome.is_finding() {
        exam.block(Part::Service, "see service_address");
    } else if hello.is_err() {
        exam.block(Part::Service, "see service_tls and service_certificate");
    }
    exam.service_hello = Some(hello);
    outcome
}

fn is_service(reply: &Reply) -> bool {
    reply.is(200) && reply.json().is_some_and(|body| text(&body, "status") == "ok")
}

/// Its clock and this machine's agree.
pub(super) fn clock(exam: &mut Exam) -> Outcome {
    let Some(Ok(hello)) = &exam.service_hello else { return Outcome::skipped("it did not answer") };
    let Some(there) = date(hello) else {
        return Outcome::unknown("its answers carry no Date header");
    };
    let here = hello.sent_at.plus_millis(hello.came_at.millis_since(hello.sent_at) / 2);
    let ahead = here.millis_since(there);
    let seconds = ahead.abs() / 1_000;
    if ahead.abs() > MAX_CLOCK_DIFFERENCE_MS {
        let which = if ahead > 0 { "ahead of" } else { "behind" };
        return Outcome::finding(
            format!("this machine's clock is {seconds} s {which} the service's"),
            "keep both right by NTP: what an app signs is good for a minute, give or take 30 s",
        );
    }
    Outcome::well(format!("the clocks agree within {} s", seconds.max(1)))
}

/// `Date` is whole seconds, cut off: half a second is added.
fn date(reply: &Reply) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(reply.header("date")).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    let millis = i64::try_from(since.as_millis()).ok()?;
    Some(Timestamp::from_millis(millis).plus_millis(500))
}

/// It can answer a verify.
pub(super) async fn ready(exam: &mut Exam) -> Outcome {
    let reply = match exam.wire.send(Ask::get(exam.at_service("/readyz"))).await {
        Ok(reply) => reply,
        Err(error) => return Outcome::unknown(error.words()),
    };
    if reply.is(200) {
        return Outcome::well("it can answer a verify");
    }
    let checks = reply.json().and_then(|body| body.get("checks").cloned()).unwrap_or_default();
    let failing: Vec<String> =
        checks.as_array().into_iter().flatten().filter_map(failing).collect();
    let what = if failing.is_empty() { reply.words() } else { failing.join("; ") };
    Outcome::finding(
        format!("it cannot answer a verify: {what}"),
        "until this is mended every agent is refused; the service's log says more",
    )
}

fn failing(check: &Value) -> Option<String> {
    (text(check, "status") != "ok")
        .then(|| format!("{}: {}", text(check, "name"), text(check, "detail")))
}

/// Its version is this program's.
pub(super) async fn version(exam: &mut Exam) -> Outcome {
    let reply = match exam.wire.send(Ask::get(exam.at_service("/openapi.json"))).await {
        Ok(reply) => reply,
        Err(error) => return Outcome::unknown(error.words()),
    };
    let document = reply.json().unwrap_or_default();
    let there = document.pointer("/info/version").and_then(Value::as_str).unwrap_or_default();
    let here = env!("CARGO_PKG_VERSION");
    if there.is_empty() {
        return Outcome::unknown(format!("it answers {} for its OpenAPI document", reply.words()));
    }
    if line(there) == line(here) {
        return Outcome::well(there);
    }
    Outcome::finding(
        format!("the service is of version {there}, this program of {here}"),
        "update the older of the two; a service first, then its apps",
    )
}

/// The part of a version within which nothing is taken away.
fn line(version: &str) -> Vec<&str> {
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    version.split('.').take(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn versions_of_one_line_get_along() {
        assert_eq!(line("0.1.0"), line("0.1.9"));
        assert_ne!(line("0.1.0"), line("0.2.0"));
        assert_eq!(line("1.2.0"), line("1.3.0"));
        assert_ne!(line("0.9.0"), line("1.0.0"));
    }
}
